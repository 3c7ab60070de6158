"""PyTorch's side of bench/trainingStep.ts: answers one task a line on standard input with one line of JSON.

    trainingStep.py FOLDER THREADS

`export` writes NETWORK.onnx for each network into FOLDER; `NETWORK LAYOUT` takes one training step. NETWORK is conv, resnet or encoder,
LAYOUT is eager or channels_last.
"""

import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from support.networks import ConvNet, Encoder, ResNet, export
from support.serve import serve
from torch import nn

folder = Path(sys.argv[1])
torch.set_num_threads(int(sys.argv[2]))
torch.manual_seed(0)
CLASSES = 10

images, ids = torch.randn(32, 3, 32, 32), torch.randint(0, 1000, (16, 64))
networks = {"conv": (ConvNet, "images", images), "resnet": (ResNet, "images", images), "encoder": (Encoder, "ids", ids)}


def export_all():
    for name, (make, input_name, example) in networks.items():
        export(make(), example[:2], input_name, folder / f"{name}.onnx")
    return {}


def trainer(name, layout):
    make, _, batch = networks[name]
    model, head = make(), nn.Linear(64, CLASSES)
    if layout == "channels_last":
        model, batch = (each.to(memory_format=torch.channels_last) for each in (model, batch))
    labels = torch.arange(len(batch)) % CLASSES
    weights = [*model.parameters(), *head.parameters()]
    if name == "encoder":
        optimizer = torch.optim.AdamW(weights, 1e-4, weight_decay=0.01)
    else:
        optimizer = torch.optim.SGD(weights, 1e-3, momentum=0.9, weight_decay=1e-4)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(head(model(batch)), labels)
        loss.backward()
        optimizer.step()
        return {"loss": float(loss.detach())}

    return step


layouts = {"conv": ["eager", "channels_last"], "resnet": ["eager", "channels_last"], "encoder": ["eager"]}
steps = {f"{name} {layout}": trainer(name, layout) for name in networks for layout in layouts[name]}
serve({"export": export_all, **steps})
