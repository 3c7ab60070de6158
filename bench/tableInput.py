"""Writes one table of 100,000 x 512 vectors in the formats of the benchmark tableInput, and times what a user would do
in Python instead: read it with the format's own package, and save it as npy.

    python bench/tableInput.py FOLDER      (numpy, pyarrow, pandas)
"""

import pathlib
import resource
import subprocess
import sys
import time

import numpy as np

ROWS, DIMENSION = 100_000, 512
folder = pathlib.Path(sys.argv[1])


def write():
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    vectors = np.random.default_rng(1).normal(size=(ROWS, DIMENSION)).astype(np.float32)
    columns = {"id": [f"item-{row}" for row in range(ROWS)], "label": [f"class {row % 1000}" for row in range(ROWS)]}
    lists = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMENSION)
    table = pa.table({**columns, "vector": lists})
    for codec in ["none", "snappy", "zstd", "gzip"]:
        pq.write_table(table, folder / f"plain-{codec}.parquet", compression=codec, use_dictionary=["id", "label"])
    pq.write_table(table, folder / "default.parquet")
    split = {"vector.list.element": "BYTE_STREAM_SPLIT"}
    pq.write_table(table, folder / "split-zstd.parquet", compression="zstd", use_dictionary=["id", "label"], column_encoding=split)
    np.save(folder / "vectors.npy", vectors)
    np.savez_compressed(folder / "packed.npz", vectors=vectors)
    frame = pd.DataFrame(vectors, columns=[f"v{component}" for component in range(DIMENSION)])
    frame.insert(0, "id", columns["id"])
    frame.to_parquet(folder / "columns.parquet")
    # A tenth of it: text takes a hundred times as long as binary formats.
    frame.head(ROWS // 10).to_csv(folder / "columns-10000-rows.csv", index=False)


def load(file):
    if file.suffix == ".npz":
        return np.load(file)["vectors"]
    if file.suffix == ".parquet" and not file.stem.startswith("columns"):
        import pyarrow.parquet as pq

        return pq.read_table(file, columns=["vector"])["vector"].combine_chunks().flatten().to_numpy().reshape(-1, DIMENSION)
    import pandas as pd

    frame = pd.read_csv(file) if file.suffix == ".csv" else pd.read_parquet(file)
    return frame.drop(columns="id").to_numpy(np.float32)


if len(sys.argv) > 2:
    started = time.perf_counter()
    np.save(folder.parent / "converted.npy", load(folder / sys.argv[2]))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = time.perf_counter() - started
    print(f"{seconds:.2f} s, {used.ru_utime + used.ru_stime:.2f} s of the processor, peak {used.ru_maxrss / 1000:.0f} MB")
    (folder.parent / "converted.npy").unlink()
else:
    if not folder.exists():
        write()
    for file in sorted(folder.iterdir()):
        if file.suffix == ".npy":
            continue
        run = subprocess.run([sys.executable, __file__, folder, file.name], capture_output=True, text=True, check=True)
        print(file.name, run.stdout.strip())
