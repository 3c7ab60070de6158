"""The peers of bench/topK.ts: exact top k by inner product in FAISS, and in PyTorch.

    topK.py FOLDER QUERIES GALLERY COLUMNS K THREADS

FOLDER holds float32 query.bin and gallery.bin (unit rows).
"""

import sys
from pathlib import Path

import faiss
import numpy as np
import torch
from support.serve import serve

folder = Path(sys.argv[1])
queries, gallery_rows, columns, k, threads = map(int, sys.argv[2:7])
torch.set_num_threads(threads)
torch.set_grad_enabled(False)
faiss.omp_set_num_threads(threads)

query = np.fromfile(folder / "query.bin", np.float32).reshape(queries, columns)
gallery = np.fromfile(folder / "gallery.bin", np.float32).reshape(gallery_rows, columns)
index = faiss.IndexFlatIP(columns)
index.add(gallery)


def search():
    """What a user would write; the index is built, its search is timed."""
    keys, rows = index.search(query, k)
    return {"rows": rows[:, 0].tolist(), "key": float(keys.astype(np.float64).sum())}


def product():
    """PyTorch: the whole matrix, then its top k."""
    scores = torch.from_numpy(query) @ torch.from_numpy(gallery).T
    keys, rows = torch.topk(scores, k)
    return {"rows": rows[:, 0].tolist(), "key": float(keys.double().sum())}


serve({"faiss": search, "torch": product})
