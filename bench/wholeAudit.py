"""PyTorch's side of bench/wholeAudit.ts: the four cells' bare products, into one ready buffer.

    wholeAudit.py FOLDER THREADS

FOLDER holds old.npy and new.npy, float32, items x columns.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from support.serve import serve

folder = Path(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
torch.set_grad_enabled(False)
old, new = (torch.from_numpy(np.load(folder / f"{name}.npy")) for name in ("old", "new"))
# One product of all rows at once is slower, and needs 1.6 GB.
BLOCK = 2048
ready = torch.empty(BLOCK, len(old))


def products():
    for query, gallery in ((old, old), (new, old), (new, new), (old, new)):
        for start in range(0, len(query), BLOCK):
            rows = query[start : start + BLOCK]
            torch.mm(rows, gallery.T, out=ready[: len(rows)])
    return {}


serve({"products": products})
