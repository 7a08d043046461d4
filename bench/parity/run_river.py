"""river's adaptive random forest on the streams."""

import csv
import json
import sys

from figures import figures
from river import forest


def run(file, seed):
    rows = [(dict(enumerate(map(float, r[:-1]))), int(r[-1])) for r in list(csv.reader(open(file)))[1:]]
    n_classes = max(y for _, y in rows) + 1
    model = forest.ARFClassifier(n_models=10, seed=seed)
    matrix = [[0] * n_classes for _ in range(n_classes)]
    for x, y in rows:
        matrix[y][model.predict_one(x) or 0] += 1
        model.learn_one(x, y)
    return matrix


if __name__ == "__main__":
    pairs = sys.argv[1:]
    for seed, file in zip(pairs[::2], pairs[1::2]):
        print(json.dumps({"file": file, "seed": int(seed), **figures(run(file, int(seed)))}), flush=True)
