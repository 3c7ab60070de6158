"""Runs models in ONNX Runtime's Python package and holds their vectors against those given.

    python bench/zoo.py LIST     # a JSON file: [{"model": path, "inputs": {name: {"shape", "type", "data"}}, "vectors": [..]}]

Prints one number a model: the largest difference, relative to the largest component.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime


def difference(entry):
    onnx.checker.check_model(entry["model"])
    feeds = {
        name: np.array(given["data"], given["type"]).reshape(given["shape"]) for name, given in entry["inputs"].items()
    }
    session = onnxruntime.InferenceSession(entry["model"], providers=["CPUExecutionProvider"])
    vectors = session.run(["vectors"], feeds)[0].ravel()
    given = np.array(entry["vectors"], np.float32)
    return float(np.abs(vectors - given).max() / np.abs(given).max())


print(json.dumps([difference(entry) for entry in json.loads(Path(sys.argv[1]).read_text())]))
