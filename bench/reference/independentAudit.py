"""Writes a small audit and its figures, computed from metrics.md alone in 64-bit NumPy.

    python bench/reference/independentAudit.py

It shares no code with the product, sorts where the product counts, and holds whole matrices where the product
streams. test/fixtures/independent gets vector tables of three versions and a paragon, label tables, a config,
and figures.json: verification, transfer, consequential violations, backfill, slices, version matrix, hubs, AdvBCT.
test/unit/independentFigures.test.ts audits the tables with the product and compares.
"""

import csv
import json
import re
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "test/fixtures/independent"
CLASSES, DIMENSION = 12, 12
GALLERY, QUERIES, SHARED = 440, 150, 30
FARS = [0.1, 0.01, 0.001]
KS = [1, 5, 10]
SHARES = [round(0.05 * step, 2) for step in range(21)]
KINDS = ["serif", "sans", "mono"]


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def make_world(seed):
    """Items of 12 classes: gallery items, then queries; the last SHARED gallery items are queries, too."""
    random = np.random.default_rng(seed)
    count = GALLERY + QUERIES - SHARED
    labels = random.integers(0, CLASSES, count)
    kinds = random.integers(0, len(KINDS), count)
    centres = unit(random.normal(size=(CLASSES, DIMENSION)))
    drift = np.linalg.qr(random.normal(size=(DIMENSION, DIMENSION)))[0]

    def model(spread, turned, kind_noise=0.0):
        noise = random.normal(size=(count, DIMENSION)) / np.sqrt(DIMENSION)
        spreads = spread + kind_noise * (kinds == 2)
        vectors = unit(centres[labels] + spreads[:, None] * noise)
        mixed = (1 - turned) * np.eye(DIMENSION) + turned * drift
        return (vectors @ mixed).astype(np.float32)

    versions = {
        "v1": model(1.5, 0.0),
        "v2": model(1.2, 0.15, 0.8),
        "v3": model(0.9, 0.35, 0.5),
        "v3-paragon": model(0.8, 1.0),
    }
    gallery = np.arange(GALLERY)
    queries = np.arange(GALLERY - SHARED, count)
    return labels, kinds, versions, queries, gallery


def cosine(queries, gallery):
    return 1 - unit(queries.astype(np.float64)) @ unit(gallery.astype(np.float64)).T


def per_query(distance, same, self_pair):
    """Rank statistics of every query by sorting its whole row; NaN for queries without a match."""
    rows = {name: [] for name in [f"cmc@{k}" for k in KS] + ["map", "map@r", "rPrecision"]}
    for row, matches, dropped in zip(distance, same, self_pair):
        kept = ~dropped
        order = np.argsort(row[kept], kind="stable")
        hit = matches[kept][order]
        relevant = hit.sum()
        if relevant == 0:
            for values in rows.values():
                values.append(np.nan)
            continue
        precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
        for k in KS:
            rows[f"cmc@{k}"].append(float(hit[:k].any()))
        rows["map"].append((precision * hit).sum() / relevant)
        rows["map@r"].append((precision * hit)[:relevant].sum() / relevant)
        rows["rPrecision"].append(hit[:relevant].sum() / relevant)
    return {name: np.array(values) for name, values in rows.items()}


def means(figures, chosen=slice(None)):
    return {name: float(np.nanmean(values[chosen])) for name, values in figures.items()}


def threshold_at(different, far):
    """The largest different-class distance that accepts at most a share `far`; equal distances go together."""
    values, counts = np.unique(different, return_counts=True)
    allowed = values[np.cumsum(counts) <= far * different.size]
    return float(allowed[-1]) if allowed.size else None


def verification(cells, positive, negative):
    at = {
        name: [
            {"far": f, "threshold": (t := threshold_at(d[negative], f)), "tar": float((d[positive] <= t).mean())}
            for f in FARS
        ]
        for name, d in cells.items()
    }
    transfer = {"newOld": [], "newNew": []}
    consequential = []
    old, new = cells["oldOld"], cells["newOld"]
    for index, f in enumerate(FARS):
        t = at["oldOld"][index]["threshold"]
        for name in transfer:
            own = at[name][index]
            transfer[name].append(
                {
                    "far": f,
                    "oldThreshold": t,
                    "farAtOldThreshold": float((cells[name][negative] <= t).mean()),
                    "tarAtOldThreshold": float((cells[name][positive] <= t).mean()),
                    "restoringThreshold": own["threshold"],
                    "tarAtRestoringThreshold": own["tar"],
                }
            )
        share = lambda mask, pairs: float(mask[pairs].mean())
        consequential.append(
            {
                "far": f,
                "newFalseAccepts": share((new <= t) & (t < old), negative),
                "mendedFalseAccepts": share((old <= t) & (t < new), negative),
                "newFalseRejects": share((old <= t) & (t < new), positive),
                "mendedFalseRejects": share((new <= t) & (t < old), positive),
            }
        )
    return {"far": FARS, "cells": at, "transfer": transfer, "consequential": consequential}


def backfill(new_old, new_new, order, same, self_pair):
    """Re-embeds the first items of `order`; every share is ranked from scratch."""
    points = []
    for share in SHARES:
        mixed = new_old.copy()
        done = order[: round(share * GALLERY)]
        mixed[:, done] = new_new[:, done]
        figures = means(per_query(mixed, same, self_pair))
        points.append({"share": share, "map": figures["map"], **{f"cmc@{k}": figures[f"cmc@{k}"] for k in KS}})
    return points


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def advbct(old, cross, own, best):
    scores = {}
    for name in ["map", "cmc@1"]:
        if best[name] <= old[name]:
            continue
        comp = sigmoid((cross[name] - old[name]) / (best[name] - old[name]))
        up = sigmoid((own[name] - best[name]) / best[name])
        scores[name] = {"comp": comp, "up": up, "one": 2 * comp * up / (comp + up)}
    return scores


def matrix(versions, names, queries, gallery, same, self_pair):
    table = [
        [means(per_query(cosine(versions[t][queries], versions[k][gallery]), same, self_pair)) for k in names[: i + 1]]
        for i, t in enumerate(names)
    ]
    size = len(names)
    c = [[cell["map"] for cell in row] for row in table]
    later = [(t, k) for t in range(size) for k in range(t)]
    return {
        "map": c,
        "cmc@1": [[cell["cmc@1"] for cell in row] for row in table],
        "ac": np.mean([c[t][k] > c[k][k] for t, k in later]),
        "am": np.mean([value for row in c for value in row]),
        "bc": np.mean([c[size - 1][k] - c[k][k] for k in range(size - 1)]),
        "fc": np.mean([c[t][t - 1] - c[t][t] for t in range(1, size)]),
    }


def main():
    labels, kinds, versions, queries, gallery = make_world(20240917)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, vectors in versions.items():
        np.save(FOLDER / f"{name}-queries.npy", vectors[queries])
        np.save(FOLDER / f"{name}-gallery.npy", vectors[gallery])
    for part, items in (("queries", queries), ("gallery", gallery)):
        with open(FOLDER / f"{part}.csv", "w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "label", "kind"])
            for item in items:
                writer.writerow([f"item{item}", f"class{labels[item]}", KINDS[kinds[item]]])

    same = labels[queries][:, None] == labels[gallery][None, :]
    self_pair = queries[:, None] == gallery[None, :]
    positive, negative = same & ~self_pair, ~same
    old, new, best = (versions[name] for name in ("v1", "v3", "v3-paragon"))
    cells = {
        "oldOld": cosine(old[queries], old[gallery]),
        "newOld": cosine(new[queries], old[gallery]),
        "newNew": cosine(new[queries], new[gallery]),
        "oldNew": cosine(old[queries], new[gallery]),
    }
    ranked = {name: per_query(d, same, self_pair) for name, d in cells.items()}
    change = cells["newOld"] - cells["oldOld"]
    strict = np.where(same, change > 1e-6, change < -1e-6) & ~self_pair
    hubs = np.argsort(-strict.sum(0), kind="stable")[:10]

    displaced = 1 - (unit(new[gallery].astype(np.float64)) * unit(old[gallery].astype(np.float64))).sum(1)
    old_unit = unit(old[gallery].astype(np.float64))
    class_mean = np.stack([old_unit[labels[gallery] == c].mean(0) for c in range(CLASSES)])
    outlying = 1 - (old_unit * unit(class_mean)[labels[gallery]]).sum(1)
    orders = {
        "displacement": np.argsort(-displaced, kind="stable"),
        "outliers": np.argsort(-outlying, kind="stable"),
    }
    slices = []
    for index, kind in enumerate(KINDS):
        chosen = kinds[queries] == index
        before, after = means(ranked["oldOld"], chosen), means(ranked["newOld"], chosen)
        inside = chosen[:, None] & np.ones_like(same)
        hit = lambda cell: ranked[cell]["cmc@1"][chosen]
        slices.append(
            {
                "value": kind,
                "queries": int(chosen.sum()),
                "criterion": {m: {"old": before[m], "new": after[m]} for m in before},
                "newNew": means(ranked["newNew"], chosen),
                "positiveRate": float(strict[inside & positive].mean()),
                "negativeRate": float(strict[inside & negative].mean()),
                "negativeFlipRate": float(np.nanmean((hit("oldOld") == 1) & (hit("newOld") == 0))),
            }
        )
    figures = {
        "about": "Made by independentAudit.py: cosine, 64-bit NumPy, from the definitions of metrics.md.",
        "queries": QUERIES,
        "gallery": GALLERY,
        "shared": SHARED,
        "withoutMatch": int(np.isnan(ranked["oldOld"]["map"]).sum()),
        "cells": {name: means(values) for name, values in ranked.items()},
        "verification": verification(cells, positive, negative),
        "backfill": {
            name: backfill(cells["newOld"], cells["newNew"], order, same, self_pair) for name, order in orders.items()
        },
        "slices": slices,
        "matrix": matrix(versions, ["v1", "v2", "v3"], queries, gallery, same, self_pair),
        "hubs": [{"gallery": f"item{gallery[j]}", "violations": int(strict[:, j].sum())} for j in hubs],
        "advbct": advbct(
            means(ranked["oldOld"]),
            means(ranked["newOld"]),
            means(ranked["newNew"]),
            means(per_query(cosine(best[queries], best[gallery]), same, self_pair)),
        ),
    }
    text = json.dumps(figures, indent=2, default=float)
    (FOLDER / "figures.json").write_text(re.sub(r"(\d)e-0(\d)", r"\1e-\2", text) + "\n")
    print(json.dumps({key: figures[key] for key in ("cells", "matrix", "advbct", "hubs")}, indent=1, default=float))


if __name__ == "__main__":
    main()
