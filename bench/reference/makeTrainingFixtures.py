"""Writes test/fixtures/training/steps: two small networks as ONNX, their data, and what 25 training steps of PyTorch make of them.

    $(bench/reference/setup.sh | tail -n 1) bench/reference/makeTrainingFixtures.py
"""

import json
import sys
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import nn

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "bench"))
from support.networks import ConvNet, Encoder, export  # noqa: E402

OUT = ROOT / "test" / "fixtures" / "training" / "steps"
ITEMS, BATCH, STEPS, CLASSES, DIMENSION = 24, 8, 25, 5, 8


def train(name, model, inputs, input_name, optimizer, clip):
    file = OUT / f"{name}.onnx"
    export(model, inputs[:2], input_name, file)
    exported = onnx.load(file)
    for node in exported.graph.node:
        # Where in the source each node came from: most of the file.
        node.ClearField("metadata_props")
    onnx.save(exported, file)
    (OUT / f"{name}.bin").write_bytes(inputs.numpy().tobytes())
    head = nn.Linear(DIMENSION, CLASSES)
    rows = {"weight": head.weight.tolist(), "bias": head.bias.tolist()}
    labels = torch.arange(ITEMS) * 7 % CLASSES

    weights = [*model.parameters(), *head.parameters()]
    vectors = [w for w in weights if sum(size > 1 for size in w.shape) < 2]
    matrices = [w for w in weights if sum(size > 1 for size in w.shape) >= 2]
    decay = optimizer["weightDecay"]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": vectors, "weight_decay": 0}]
    rate = optimizer["learningRate"]
    if optimizer["name"] == "sgd":
        stepper = torch.optim.SGD(groups, rate, momentum=optimizer["momentum"], nesterov=optimizer["nesterov"])
    else:
        betas = (optimizer["beta1"], optimizer["beta2"])
        stepper = torch.optim.AdamW(groups, rate, betas=betas, eps=optimizer["epsilon"])

    losses, norms = [], []
    for step in range(STEPS):
        chosen = [(step * BATCH + i) % ITEMS for i in range(BATCH)]
        stepper.zero_grad()
        loss = F.cross_entropy(head(model(inputs[chosen])), labels[chosen])
        loss.backward()
        norms.append(float(nn.utils.clip_grad_norm_(weights, clip)))
        stepper.step()
        losses.append(float(loss.detach()))
    return {
        "optimizer": optimizer,
        "clipNorm": clip,
        "shape": list(inputs.shape),
        "labels": labels.tolist(),
        "head": rows,
        "batch": BATCH,
        "losses": losses,
        "gradientNorms": norms,
    }


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(11)
    images = torch.randn(ITEMS, 3, 10, 10) + torch.randn(CLASSES, 3, 10, 10)[torch.arange(ITEMS) * 7 % CLASSES]
    sgd = {"name": "sgd", "learningRate": 0.2, "weightDecay": 0.005, "momentum": 0.9, "nesterov": True}
    conv = train("conv", ConvNet(((8, 8), (16,)), DIMENSION), images, "images", sgd, 0.2)
    ids = torch.randint(0, 40, (ITEMS, 10))
    adamw = {"name": "adamw", "learningRate": 0.003, "weightDecay": 0.05, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
    encoder = train("encoder", Encoder(40, 10, 16, 2, 2, DIMENSION), ids, "ids", adamw, 0.5)
    (OUT / "steps.json").write_text(json.dumps({"conv": conv, "encoder": encoder}, indent=1) + "\n")


main()
