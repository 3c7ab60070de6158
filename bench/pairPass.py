"""PyTorch's side of bench/pairPass.ts: answers one task a line on standard input with one line of JSON.

    pairPass.py FOLDER QUERIES GALLERY COLUMNS THREADS

FOLDER holds float32 oldQuery.bin, newQuery.bin, gallery.bin (unit rows) and int32 queryLabel.bin,
galleryLabel.bin. Written as anybody would who has the whole matrix in memory: two products, masks, sums.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from support.serve import serve

folder = Path(sys.argv[1])
queries, gallery_rows, columns, threads = map(int, sys.argv[2:6])
torch.set_num_threads(threads)
torch.set_grad_enabled(False)


def matrix(name, rows):
    return torch.from_numpy(np.fromfile(folder / f"{name}.bin", np.float32).reshape(rows, columns))


def labels(name):
    return torch.from_numpy(np.fromfile(folder / f"{name}.bin", np.int32))


old = matrix("oldQuery", queries)
new = matrix("newQuery", queries)
gallery = matrix("gallery", gallery_rows)
query_label = labels("queryLabel")
gallery_label = labels("galleryLabel")
ready = torch.empty(queries, gallery_rows)
EPSILONS = (1e-6, 0.01, 0.05)


def sgemm():
    """The machine's rate for this shape, into a ready buffer."""
    torch.mm(old, gallery.T, out=ready)
    return {}


def count():
    """Violations of the different-class pairs at one tolerance."""
    d_oo = 1 - old @ gallery.T
    d_no = 1 - new @ gallery.T
    different = query_label[:, None] != gallery_label[None, :]
    return {"negative": int(((d_no < d_oo - 1e-6) & different).sum())}


def everything():
    """Violations at three tolerances and severity, of both signs, per query; the 100 worst pairs of each sign."""
    difference = (1 - new @ gallery.T).sub_(1 - old @ gallery.T)
    same = query_label[:, None] == gallery_label[None, :]
    result = {}
    for sign, mask, loss in (("positive", same, difference), ("negative", ~same, -difference)):
        severity = torch.where(mask, loss, 0.0).clamp_(min=0)
        violations = [(severity > epsilon).sum(1) for epsilon in EPSILONS]
        worst = torch.topk(severity.flatten(), 100)
        pairs = torch.stack((worst.indices // gallery_rows, worst.indices % gallery_rows), 1)
        result[sign] = {
            "violations": [int(each.sum()) for each in violations],
            "severity": float(severity.sum(1).double().sum()),
            "worst": pairs[0].tolist(),
        }
    return result


serve({"sgemm": sgemm, "count": count, "everything": everything})
