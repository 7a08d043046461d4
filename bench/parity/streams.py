"""The streams of the comparison, as CSV files: numeric columns, class number last.

Columns are shuffled by the seed: MOA's forest seems to draw the same feature subsets whatever its seed (inferred from its scores, not from its source), so that with
columns in a fixed order a stream would measure its luck with them (seen: 90 % instead of 86 % on Agrawal, 67 % instead of
80 % on ImageSegments).
"""

import csv
import pathlib
import random

from river import datasets
from river.datasets import synth

ROWS = 5000
HALF = ROWS // 2


def drifting(make, before, after):
    """`make(concept, seed)` twice: the concept changes abruptly half-way."""
    def rows(seed):
        yield from make(before, 2 * seed).take(HALF)
        yield from make(after, 2 * seed + 1).take(ROWS - HALF)
    return rows


def lab(base):
    """Final flow records of the base data set, as many of each run as they are, in an order drawn by the seed."""
    with open(base, newline="") as file:
        records = [r for r in csv.DictReader(file) if not r["provisional"]]
    names = list(records[0])[:20]
    classes = sorted({r["category"] for r in records})

    def rows(seed):
        for r in random.Random(seed).sample(records, ROWS):
            yield {n: float(r[n]) for n in names}, classes.index(r["category"])
    return rows


def streams(base):
    """name -> function from seed to (features, class) pairs. Files of the wheel are the same for every seed."""
    whole = lambda data: lambda seed: iter(data)
    made = {
        "Bananas": whole(datasets.Bananas()),
        "Phishing": whole(datasets.Phishing()),
        "ImageSegments": whole(datasets.ImageSegments()),
        "Agrawal, drift": drifting(lambda f, s: synth.Agrawal(classification_function=f, seed=s), 0, 3),
        "SEA, drift": drifting(lambda v, s: synth.SEA(variant=v, noise=0.1, seed=s), 0, 3),
        "RBF, drift": lambda s: synth.RandomRBFDrift(
            seed_model=s, seed_sample=s + 100, n_classes=4, n_features=20, n_centroids=20, change_speed=0.001,
            n_drift_centroids=20).take(ROWS),
        "LED, drift": drifting(lambda k, s: synth.LEDDrift(seed=s, noise_percentage=0.1, irrelevant_features=True, n_drift_features=k), 0, 5),
        "Hyperplane, drift": lambda s: synth.Hyperplane(
            seed=s, n_features=10, n_drift_features=5, mag_change=0.001, noise_percentage=0.05).take(ROWS),
    }
    if base and pathlib.Path(base).exists():
        made["Lab flows"] = lab(base)
    return made


def write(folder, base, seeds):
    """Writes every stream for every seed; returns {stream: {seed: file}}."""
    files = {}
    for name, make in streams(base).items():
        for seed in seeds:
            file = folder / f"{name.replace(', ', '-').replace(' ', '-').lower()}-{seed}.csv"
            if not file.exists():
                classes, out = {}, []
                for x, y in make(seed):
                    out.append([repr(float(v)) for v in x.values()] + [classes.setdefault(y, len(classes))])
                order = list(range(len(out[0]) - 1))
                random.Random(1000 + seed).shuffle(order)
                out = [[row[i] for i in order] + row[-1:] for row in out]
                with open(file, "w", newline="") as f:
                    w = csv.writer(f, lineterminator="\n")
                    w.writerow([f"f{i}" for i in range(len(out[0]) - 1)] + ["class"])
                    w.writerows(out)
            files.setdefault(name, {})[seed] = file
    return files
