"""How far one flow can take anybody: limits.py --data data/base.parquet --out limits.json

Twins: attack flows of the held-out splits that have a benign flow of exactly the same counts and sizes, so that only clocks tell them apart.
Folds: gradient boosting on the splits `train` and `validation`, judged on rows, on runs and on tools that it has not seen. Its F1 is that of
the best threshold, chosen on the judged rows themselves: better than anybody could choose it. No test row is learned or judged here.
"""

import argparse
import json
import os
import pathlib

# Threads that wait for each other on a busy machine take ten times as long as one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: E402
from sklearn.metrics import precision_recall_curve, roc_auc_score  # noqa: E402

from baselines import SEED, load  # noqa: E402

COUNTS_AND_SIZES = slice(1, 12)
FOLDS = 4
# Rows of one run differ little; every third is enough to learn what it has.
STEP = 3


def twins(x, words):
    final, benign = words["provisional"] == "", words["category"] == "benign"
    keys = [row.tobytes() for row in np.ascontiguousarray(x[:, COUNTS_AND_SIZES])]
    honest = {keys[i] for i in np.flatnonzero(final & benign)}
    found = {}
    for name, split in {"runs": "test", "tools": "test-tool"}.items():
        rows = np.flatnonzero(final & ~benign & (words["split"] == split))
        alike = np.array([keys[i] in honest for i in rows])
        kinds = words["category"][rows]
        by_category = {kind: [int(alike[kinds == kind].sum()), int((kinds == kind).sum())] for kind in sorted(set(kinds))}
        found[name] = {"alike": int(alike.sum()), "attacks": len(rows), "by_category": by_category}
    return found


def dealt(names):
    """Name -> its fold, by a draw that is the same every time."""
    order = np.random.default_rng(SEED).permutation(len(names))
    return {name: int(order[i]) % FOLDS for i, name in enumerate(sorted(names))}


def figures(truth, score):
    precision, recall, _ = precision_recall_curve(truth, score)
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-12))
    return {"roc_auc": float(roc_auc_score(truth, score)), "best_f1": float(best)}


def folds(x, words):
    known = np.isin(words["split"], ["train", "validation"])
    final, attack = words["provisional"] == "", words["category"] != "benign"
    run = np.array([name.removesuffix("-glimpses") for name in words["run"]], dtype=object)
    of_row = np.random.default_rng(SEED).integers(0, FOLDS, len(run))
    run_fold, tool_fold = dealt(set(run[known])), dealt(set(words["tool"][known & attack]))
    of_run = np.array([run_fold.get(name, -1) for name in run])
    of_tool = np.array([tool_fold[tool] if hit else -1 for tool, hit in zip(words["tool"], known & attack)])
    sums = {}
    for fold in range(FOLDS):
        ways = {"rows": (of_row == fold, of_row == fold), "runs": (of_run == fold, of_run == fold),
                "tools": ((of_run == fold) | (of_tool == fold), (of_run == fold) & ~attack | (of_tool == fold))}
        for way, (unseen, judged) in ways.items():
            learned, judged = np.flatnonzero(known & ~unseen)[::STEP], known & judged & final
            model = HistGradientBoostingClassifier(max_iter=60, random_state=SEED).fit(x[learned], words["category"][learned])
            score = 1 - model.predict_proba(x[judged])[:, list(model.classes_).index("benign")]
            sums.setdefault(way, []).append(figures(attack[judged], score))
    return {way: {name: float(np.mean([one[name] for one in of])) for name in of[0]} for way, of in sums.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, type=pathlib.Path)
    parser.add_argument("--out", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    _, x, words = load(arguments.data)
    found = {"twins": twins(x, words), "folds": folds(x, words)}
    arguments.out.write_text(json.dumps(found, indent=1))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
