"""Writes test/fixtures/training/objectives.json: losses of every training method, and their gradients, by PyTorch in double.

    python bench/reference/makeObjectiveFixtures.py      # the environment of setup.sh

Also head.npz, the rows and bias of a classifier as np.savez_compressed stores them.
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

OUT = Path(__file__).resolve().parent.parent.parent / "test" / "fixtures" / "training"
COUNT, DIMENSION, CLASSES, OLD_CLASSES = 14, 6, 4, 3


def float32(generator, *shape):
    """Numbers that float32 holds exactly, in double."""
    return torch.randn(*shape, generator=generator, dtype=torch.float32).double()


def cosines(x, rows):
    return F.normalize(x, dim=1) @ F.normalize(rows, dim=1).T


def head_logits(kind, scale, margin, x, rows, bias, labels):
    if kind == "linear":
        return scale * (x @ rows.T) + bias
    cosine = cosines(x, rows)
    own = F.one_hot(labels.clamp(min=0), rows.shape[0]).bool() & (labels >= 0).unsqueeze(1)
    if kind == "cosface":
        cosine = torch.where(own, cosine - margin, cosine)
    if kind == "arcface":
        angle = torch.acos(cosine.clamp(-1 + 1e-12, 1 - 1e-12))
        moved = torch.where(angle + margin < np.pi, torch.cos(angle + margin), cosine - margin * np.sin(margin))
        cosine = torch.where(own, moved, cosine)
    return scale * cosine


def cross_entropy(logits, labels):
    return F.cross_entropy(logits, labels, ignore_index=-1)


def contrast(f, g, labels, temperature, hardest):
    losses = []
    for i in range(len(labels)):
        if labels[i] < 0:
            continue
        others = (labels >= 0) & (labels != labels[i])
        picked = [vectors[others] @ f[i] / temperature for vectors in (g, f)]
        picked = [values.topk(min(hardest, len(values))).values for values in picked]
        logits = torch.cat([(f[i] @ g[i] / temperature).view(1), *picked])
        losses.append(torch.logsumexp(logits, 0) - logits[0])
    return torch.stack(losses).mean()


def model_coherence(f, g, labels, candidates, candidate_labels):
    losses = []
    for i in range(len(labels)):
        others = (candidate_labels >= 0) & (candidate_labels != labels[i])
        if labels[i] < 0 or not others.any():
            continue
        nearest = (f[i] - candidates[others]).norm(dim=1).min()
        losses.append(torch.relu((f[i] - g[i]).norm() - nearest + 0.1))
    return torch.stack(losses).mean()


def main():
    generator = torch.Generator().manual_seed(7)
    data = {
        "embedding": float32(generator, COUNT, DIMENSION),
        "rows": float32(generator, CLASSES, DIMENSION),
        "bias": float32(generator, CLASSES),
        "oldRows": float32(generator, OLD_CLASSES, DIMENSION),
        "oldBias": float32(generator, OLD_CLASSES),
        "slicedRows": float32(generator, OLD_CLASSES, 4),
        "means": 0.5 * float32(generator, CLASSES, DIMENSION),
        "radii": torch.tensor([0.5, 1.0, 0.75, 0.25], dtype=torch.float64),
        "oldLengths": 1 + float32(generator, COUNT).abs(),
        "chance": torch.rand(COUNT, generator=generator, dtype=torch.float32).double(),
    }
    data["oldVectors"] = F.normalize(float32(generator, COUNT, DIMENSION).float(), dim=1).double()
    data["storedVectors"] = F.normalize(float32(generator, CLASSES, DIMENSION), dim=1).float().double()
    data["fisher"] = float32(generator, COUNT, DIMENSION).abs()
    labels = torch.tensor([i % CLASSES if i % 7 != 6 else -1 for i in range(COUNT)])
    old_labels = torch.tensor([label if label < OLD_CLASSES else -1 for label in labels.tolist()])
    # Beyond the guard of arcface: nearly opposite to its own row.
    data["embedding"][5] = (-3 * data["rows"][labels[5]] + 0.25 * data["embedding"][5]).float().double()

    x = data["embedding"].requires_grad_()
    rows = data["rows"].requires_grad_()
    bias = data["bias"].requires_grad_()
    g, means, radii = data["oldVectors"], data["means"], data["radii"]
    f = F.normalize(x, dim=1)
    old_rows, old_bias = data["oldRows"], data["oldBias"]

    def teacher_student(student):
        teacher = torch.softmax(data["oldLengths"].unsqueeze(1) * g @ old_rows.T + old_bias, 1)
        return -(teacher * torch.log_softmax(student @ old_rows.T + old_bias, 1)).sum(1).mean()

    known = labels >= 0
    excess = (f - means[labels.clamp(min=0)]).norm(dim=1) - radii[labels.clamp(min=0)]
    excess = excess[known & (excess > 0)]
    credible = known & ((g - means[labels.clamp(min=0)]).norm(dim=1) < radii[labels.clamp(min=0)] + 0.75)
    mixed = torch.where((credible & (data["chance"] < 0.6)).unsqueeze(1), g, f)

    # The last class is in no stored gallery.
    to_centre = torch.where(known & (labels < 3), (f - means[labels.clamp(min=0)]).norm(dim=1), 0)
    with_stored = torch.cat([g, data["storedVectors"]]), torch.cat([labels, torch.arange(CLASSES)])
    softened = [torch.softmax(20 * g @ old_rows.T / 2, 1), torch.log_softmax(20 * f @ old_rows.T / 2, 1)]

    losses = {
        "linear": cross_entropy(head_logits("linear", 1, 0, x, rows, bias, labels), labels),
        "nsoftmax": cross_entropy(head_logits("nsoftmax", 20, 0, x, rows, None, labels), labels),
        "cosface": cross_entropy(head_logits("cosface", 30, 0.3, x, rows, None, labels), labels),
        "arcface": cross_entropy(head_logits("arcface", 30, 0.5, x, rows, None, labels), labels),
        "bct": 0.5 * cross_entropy(20 * f @ old_rows.T, old_labels),
        "bct, linear": cross_entropy(x @ old_rows.T + old_bias, old_labels),
        "bct, sliced": cross_entropy(10 * F.normalize(x[:, :4], dim=1) @ F.normalize(data["slicedRows"], dim=1).T, old_labels),
        "distilled": 0.5 * teacher_student(x),
        "l2": 2 * ((f - g) ** 2).sum(1).mean(),
        "contrastive": 0.5 * contrast(f, g, labels, 0.1, 3),
        "mixbct": cross_entropy(20 * mixed @ F.normalize(rows, dim=1).T, labels),
        "advbct-boundary": 2 * excess.mean(),
        "model coherence": 10 * model_coherence(f, g, labels, g, labels),
        "model coherence, stored vectors": 10 * model_coherence(f, g, labels, *with_stored),
        "data coherence": 2 * to_centre.sum() / COUNT,
        "data coherence, code": 2 * (to_centre**2).sum() / COUNT,
        "without forgetting": -0.5 * (softened[0] * softened[1]).sum(1).mean(),
        "consolidation": 100 / 2 * (data["fisher"] * (x - g) ** 2).sum(),
    }
    assert 2 < len(excess) < int(known.sum()) and 2 < int((credible & (data["chance"] < 0.6)).sum()) < COUNT

    def numbers(tensor):
        return [float(f"{value:.9g}") for value in tensor.detach().flatten().tolist()]

    cases = {}
    for name, loss in losses.items():
        gradients = torch.autograd.grad(loss, [x, rows, bias], allow_unused=True, retain_graph=True)
        found = zip(["embedding", "head.weight", "head.bias"], gradients)
        cases[name] = {
            "loss": loss.item(),
            "gradients": {key: numbers(value) for key, value in found if value is not None},
        }
    OUT.mkdir(parents=True, exist_ok=True)
    stored = {
        "shapes": {key: list(value.shape) for key, value in data.items()},
        "data": {key: numbers(value) for key, value in data.items()},
        "labels": labels.tolist(),
        "oldLabels": old_labels.tolist(),
        "cases": cases,
    }
    (OUT / "objectives.json").write_text(json.dumps(stored) + "\n", encoding="utf-8")
    np.savez_compressed(
        OUT / "head.npz",
        weight=np.array([[1, 2, 3], [4, 5, 6]], np.float32),
        bias=np.array([0.5, -1], np.float64),
    )


if __name__ == "__main__":
    main()
