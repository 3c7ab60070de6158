"""Writes the tables of test/fixtures/tables with the tools that users have: NumPy, PyArrow, safetensors, pandas, Polars,
DuckDB.

    python3 -m venv venv && venv/bin/pip install numpy==2.4.6 pyarrow==26.0.1 safetensors==0.8.0 pandas==3.1.1 polars==2.1.0 duckdb==2.0.1
    venv/bin/python bench/reference/makeTableFixtures.py

Every file holds the same vectors (source.npy) and, where its format can, the same ids, labels and countries
(items.csv). The tests hold what is read from each to the source. versions.json says what wrote them.
"""

import json
import pathlib
import sys

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors
import safetensors.numpy

FOLDER = pathlib.Path(__file__).parents[2] / "test" / "fixtures" / "tables"
ROWS, DIMENSION = 60, 8

vectors = np.random.default_rng(20).normal(size=(ROWS, DIMENSION)).astype(np.float32)
ids = [f"item-{row}" for row in range(ROWS)]
labels = [f"class {row % 4}" for row in range(ROWS)]
countries = [["CH", "FR", "IT"][row % 3] for row in range(ROWS)]
items = {"id": ids, "label": labels, "country": countries}


def bfloat16_bits(values):
    """Nearest bfloat16, ties to even, as its 16 bits: NumPy has no such type."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def write_npy():
    for name, type_ in [("f2", "<f2"), ("f4", "<f4"), ("f8", "<f8"), ("big", ">f4")]:
        np.save(FOLDER / f"numpy-{name}.npy", vectors.astype(type_))
    np.save(FOLDER / "numpy-fortran.npy", np.asfortranarray(vectors))


def write_npz():
    arrays = {"vectors": vectors, "ids": np.array(ids), "labels": np.array(labels), "country": np.array(countries, dtype="S2")}
    np.savez(FOLDER / "numpy-stored.npz", **arrays)
    np.savez_compressed(FOLDER / "numpy-packed.npz", **{**arrays, "vectors": vectors.astype(np.float64)})
    np.savez(FOLDER / "numpy-two.npz", old=vectors, new=vectors.astype(np.float16), step=np.int64(3))
    np.savez(FOLDER / "numpy-fortran.npz", vectors=np.asfortranarray(vectors))


def write_safetensors():
    for name, type_ in [("f16", np.float16), ("f32", np.float32), ("f64", np.float64)]:
        safetensors.numpy.save_file(
            {"embeddings": vectors.astype(type_), "labels": np.arange(ROWS) % 4}, FOLDER / f"safetensors-{name}.safetensors"
        )
    bits = bfloat16_bits(vectors)
    spec = safetensors.TensorSpec(dtype="bfloat16", shape=[ROWS, DIMENSION], data_ptr=bits.ctypes.data, data_len=bits.nbytes)
    (FOLDER / "safetensors-bf16.safetensors").write_bytes(safetensors.serialize({"embeddings": spec}))


def arrow_table(lists):
    return pa.table({**items, "vector": lists})


def write_parquet():
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMENSION)
    for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]:
        pq.write_table(arrow_table(fixed), FOLDER / f"pyarrow-fixed-{codec}.parquet", compression=codec, row_group_size=25)
    lists = pa.array(list(vectors))
    pq.write_table(arrow_table(lists), FOLDER / "pyarrow-list.parquet", data_page_size=100, write_batch_size=7)
    pq.write_table(arrow_table(lists), FOLDER / "pyarrow-page-v2.parquet", data_page_version="2.0", data_page_size=100, write_batch_size=7)
    pq.write_table(arrow_table(lists), FOLDER / "pyarrow-no-dictionary.parquet", use_dictionary=False)
    pq.write_table(
        arrow_table(lists),
        FOLDER / "pyarrow-split.parquet",
        use_dictionary=False,
        column_encoding={
            "vector.list.element": "BYTE_STREAM_SPLIT",
            "id": "DELTA_BYTE_ARRAY",
            "label": "DELTA_LENGTH_BYTE_ARRAY",
            "country": "PLAIN",
        },
    )
    doubles = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float64).ravel()), DIMENSION)
    pq.write_table(arrow_table(doubles), FOLDER / "pyarrow-double.parquet")
    halves = pa.FixedSizeListArray.from_arrays(pa.array(vectors.astype(np.float16).ravel()), DIMENSION)
    pq.write_table(arrow_table(halves), FOLDER / "pyarrow-half.parquet")
    frame().to_parquet(FOLDER / "pandas-columns.parquet", row_group_size=25)
    pd.DataFrame({**items, "vector": list(vectors)}).to_parquet(FOLDER / "pandas-list.parquet")


def write_others():
    table = pl.DataFrame({**items, "vector": pl.Series(vectors.tolist(), dtype=pl.Array(pl.Float32, DIMENSION))})
    table.write_parquet(FOLDER / "polars-array.parquet")
    table = table.with_columns(pl.col("vector").cast(pl.List(pl.Float32)))
    table.write_ndjson(FOLDER / "polars.ndjson")
    lists = table.to_arrow()  # DuckDB finds it by its name
    target = FOLDER / "duckdb.parquet"
    duckdb.sql(f"COPY lists TO '{target}' (FORMAT parquet, PARQUET_VERSION v2)")


def write_bomb():
    """82 MB of vectors in some kilobytes: a dictionary of one value and runs."""
    rows = 40_000
    ones = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(rows * 512, np.float32)), 512)
    pq.write_table(pa.table({"vector": ones}), FOLDER / "pyarrow-bomb.parquet", compression="zstd", write_statistics=False)


def write_bad():
    """What is wrong stands in the third row, in a later page than the first."""
    good = [[1.0, 2.0], [3.0, 4.0]]
    kinds = {"short": [5.0], "empty": [], "null": None, "gap": [5.0, None], "nan": [5.0, float("nan")], "zero": [0.0, 0.0]}
    for kind, third in kinds.items():
        lists = pa.array([*good, third, [7.0, 8.0]], pa.list_(pa.float32()))
        pq.write_table(pa.table({"vector": lists}), FOLDER / f"bad-{kind}.parquet", data_page_size=1, write_batch_size=1)
    pd.DataFrame({"v0": [1.0, 2.0, np.nan], "v1": [1.0, 2.0, 3.0]}).to_parquet(FOLDER / "bad-columns.parquet")


def frame():
    columns = {f"v{component}": vectors[:, component] for component in range(DIMENSION)}
    return pd.DataFrame({**items, **columns})


def write_text():
    pd.DataFrame(items).to_csv(FOLDER / "items.csv", index=False)
    frame().to_csv(FOLDER / "pandas-columns.csv")
    frame().to_csv(FOLDER / "pandas-columns.tsv", index=False, sep="\t")
    pd.DataFrame(vectors).to_csv(FOLDER / "pandas-bare.csv", index=False)
    pd.DataFrame({**items, "vector": [json.dumps(row.tolist()) for row in vectors]}).to_csv(FOLDER / "pandas-json.csv", index=False)
    lists = pd.DataFrame({**items, "vector": [row.astype(float).tolist() for row in vectors]})
    lists.to_json(FOLDER / "pandas.jsonl", orient="records", lines=True, double_precision=15)
    with open(FOLDER / "python.ndjson", "w") as file:
        for row in range(ROWS):
            file.write(json.dumps({"embedding": vectors[row].tolist(), **{name: values[row] for name, values in items.items()}}) + "\n")


FOLDER.mkdir(parents=True, exist_ok=True)
for old in FOLDER.iterdir():
    old.unlink()
np.save(FOLDER / "source.npy", vectors)
write_npy()
write_npz()
write_safetensors()
write_parquet()
write_others()
write_bomb()
write_bad()
write_text()
versions = {"Python": sys.version.split()[0], "NumPy": np.__version__, "PyArrow": pa.__version__, "safetensors": safetensors.__version__, "pandas": pd.__version__, "Polars": pl.__version__, "DuckDB": duckdb.__version__}
(FOLDER / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")
