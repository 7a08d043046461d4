"""Other people's learners on our splits: trained on the same rows, judged on the same rows, written as scored flows.

    baselines.py --data data/base.parquet --out FOLDER [--outside NAME=FLOWS.csv ...] [--river-rows N]

Writes FOLDER/<learner>-<set>.csv with true_category, category, score and p_<category>, which `taphound-retrain evaluate --scored`
measures just as it measures ours, and FOLDER/costs.json. Sets: runs, tools (as `evaluate --held-out`), and each --outside one.
"""

import argparse
import csv
import json
import os
import pathlib
import time

# Threads that wait for each other on a busy machine take ten times as long as one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
import pyarrow.parquet as parquet  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

N_FEATURES = 20
SEED = 7


def learners():
    return {
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=150, class_weight="balanced")),
        "random forest": RandomForestClassifier(
            60, min_samples_leaf=2, class_weight="balanced_subsample", random_state=SEED, n_jobs=1),
        "gradient boosting": HistGradientBoostingClassifier(max_iter=60, random_state=SEED),
    }


class RiverForest:
    """river's Adaptive Random Forest, one pass over a sample: it learns some hundred rows a second."""

    def __init__(self, rows):
        from river import forest
        self.rows, self.model = rows, forest.ARFClassifier(n_models=13, seed=SEED, leaf_prediction="nba", max_depth=10)

    def fit(self, x, y):
        order = np.random.default_rng(SEED).permutation(len(y))[:self.rows]
        self.classes_ = np.unique(y)
        for i in order:
            self.model.learn_one(dict(enumerate(x[i])), y[i])

    def predict_proba(self, x):
        shares = (self.model.predict_proba_one(dict(enumerate(row))) for row in x)
        return np.array([[share.get(name, 0.0) for name in self.classes_] for share in shares])


def logarithm(x):
    """The transform our model has, so that nobody is helped or hindered by it."""
    return np.sign(x) * np.log1p(np.abs(x))


def load(path):
    table = parquet.read_table(path)
    x = np.column_stack([table.column(i).to_numpy() for i in range(N_FEATURES)])
    word = lambda name: np.array(table.column(name).to_pylist(), dtype=object)
    return table.column_names[:N_FEATURES], logarithm(x), {n: word(n) for n in ("category", "provisional", "run", "tool", "split")}


def outside(path, names):
    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if not row.get("provisional")]
    x = np.array([[float(row[name]) for name in names] for row in rows]).reshape(len(rows), N_FEATURES)
    return logarithm(x), np.array([row["true_category"] for row in rows], dtype=object)


def write(path, model, x, truth):
    shares, classes = model.predict_proba(x), list(model.classes_)
    benign = classes.index("benign")
    attacks = [i for i in range(len(classes)) if i != benign]
    with open(path, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["true_category", "category", "score", *(f"p_{name}" for name in classes)])
        for true, share in zip(truth, shares):
            score = float(np.clip(1 - share[benign], 0, 1))
            category = classes[max(attacks, key=lambda i: share[i])] if score >= 0.5 else "benign"
            writer.writerow([true, category, score, *share])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    parser.add_argument("--outside", action="append", default=[], metavar="NAME=FLOWS.csv")
    parser.add_argument("--rows", type=int, default=60_000, help="training rows at most, drawn evenly")
    parser.add_argument("--river-rows", type=int, default=4000)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    names, x, words = load(arguments.data)
    final, benign = words["provisional"] == "", words["category"] == "benign"
    train, runs = words["split"] == "train", final & (words["split"] == "test")
    tools = final & (words["split"] == "test-tool") | runs & benign
    train = np.flatnonzero(train)
    train = train[:: max(1, -(-len(train) // arguments.rows))]
    sets = {name: (x[rows], words["category"][rows]) for name, rows in {"runs": runs, "tools": tools}.items()}
    for pair in arguments.outside:
        name, path = pair.split("=", 1)
        sets[name] = outside(path, names)
    costs = {}
    for name, model in {**learners(), "river's ARF": RiverForest(arguments.river_rows)}.items():
        began = time.process_time()
        model.fit(x[train], words["category"][train])
        trained = time.process_time()
        for of, (rows, truth) in sets.items():
            if len(rows):
                write(arguments.out / f"{name.replace(' ', '-')}-{of}.csv", model, rows, truth)
        costs[name] = {"train_cpu_s": trained - began, "score_cpu_s": time.process_time() - trained}
        print(f"{name}: trained in {trained - began:.0f} CPU s", flush=True)
    rows = {"rows": len(train), "river_rows": min(len(train), arguments.river_rows)}
    (arguments.out / "costs.json").write_text(json.dumps({"costs": costs, "trained_on": rows}, indent=1))


if __name__ == "__main__":
    main()
