"""The retraining pipeline as one writes it with river, imbalanced-learn and scikit-learn: check drift, merge, preprocess, SMOTE, train on, compare.

`pipeline.py champion FOLDER` trains the champion (not timed); `pipeline.py retrain FOLDER` prints the CPU seconds of each step as JSON,
with F1 and kappa of champion and challenger on FOLDER/judge.csv."""
import collections
import copy
import json
import math
import pickle
import random
import sys
import time

import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE
from river import drift, forest
from sklearn.metrics import cohen_kappa_score, f1_score
from sklearn.model_selection import train_test_split

folder = sys.argv[2]
FEATURES = json.load(open(f"{folder}/features.json"))
ADD_RATIO, TREES_MAX, PASSES = 0.4, 20, 1


def logarithms(frame):
    values = frame[FEATURES].to_numpy()
    return np.sign(values) * np.log1p(np.abs(values))


def samples(points, scaler):
    """Rows as river takes them."""
    mean, deviation = scaler
    return [dict(zip(FEATURES, row)) for row in ((points - mean) / deviation).tolist()]


def new_forest(trees, seed):
    return forest.ARFClassifier(
        n_models=trees,
        max_features="sqrt",
        lambda_value=7,
        grace_period=50,
        max_depth=10,
        split_criterion="info_gain",
        delta=0.01,
        tau=0.05,
        leaf_prediction="nba",
        drift_detector=drift.ADWIN(delta=0.00025),
        warning_detector=drift.ADWIN(delta=0.01),
        seed=seed,
    )


def learn(model, rows, truth, seed):
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    for at in order:
        model.learn_one(rows[at], truth[at])


def judge(model, rows, truth):
    said = [model.predict_one(row) or "benign" for row in rows]
    attack, found = [t != "benign" for t in truth], [s != "benign" for s in said]
    return f1_score(attack, found), cohen_kappa_score(attack, found)


def champion():
    frame = pd.read_csv(f"{folder}/champion.csv")
    points = logarithms(frame)
    scaler = (points.mean(axis=0), points.std(axis=0) + 1e-12)
    model = new_forest(13, 7)
    learn(model, samples(points, scaler), frame["category"].tolist(), 7)
    pickle.dump((model, scaler), open(f"{folder}/champion.pickle", "wb"))


class Clock:
    def __init__(self):
        self.steps, self.last = {}, time.process_time()

    def step(self, name):
        now = time.process_time()
        self.steps[name], self.last = now - self.last, now


def check_drift(frame, size=200):
    """The earlier system's rule: ADWIN over errors, and two means around each change."""
    detector, errors, first, second, in_drift = drift.ADWIN(delta=0.002), collections.deque(maxlen=size), None, None, False
    for at, wrong in enumerate(frame["label"] != frame["true_label"]):
        errors.append(wrong)
        detector.update(int(wrong))
        if detector.drift_detected and len(errors) == size:
            window = list(errors)
            past, recent = np.mean(window[: size // 2]), np.mean(window[size // 2 :])
            if recent > past and not in_drift:
                first, in_drift = first or at, True
            elif recent < past and in_drift:
                second, in_drift = second or at, False
    return first, second


def retrain():
    clock = Clock()
    model, scaler = pickle.load(open(f"{folder}/champion.pickle", "rb"))
    challenger = copy.deepcopy(model)
    clock.step("load")
    drifted = pd.read_csv(f"{folder}/drift_raw.csv")
    first, _ = check_drift(drifted)
    assert first is not None
    clock.step("check-drift")
    base = pd.read_csv(f"{folder}/base.csv")
    drifted = drifted.assign(category=drifted["true_category"], Source="DRIFT")
    attacks = drifted[drifted["category"] != "benign"]
    kinds = base[base["category"] != "benign"].groupby("category")
    each = len(attacks) // kinds.ngroups
    parts = [group.sample(min(each, len(group)), random_state=7) for _, group in kinds]
    added = pd.concat(parts)
    missing = len(attacks) + len(added) - (len(drifted) - len(attacks))
    benign = base[base["category"] == "benign"].sample(missing, random_state=7)
    merged = pd.concat([drifted, added.assign(Source="BASE"), benign.assign(Source="BASE")])
    merged = merged[FEATURES + ["category", "Source"]]
    merged.to_csv(f"{folder}/merged.peer.csv", index=False)
    clock.step("merge")
    merged = merged.drop_duplicates(subset=FEATURES)
    train, test = train_test_split(merged, test_size=0.2, stratify=merged["category"], random_state=7)
    points, truth = logarithms(train), train["category"].to_numpy()
    sizes = collections.Counter(truth)
    benign_rows = sizes["benign"]
    short = max(0, benign_rows - (len(truth) - benign_rows))
    rarest = sorted((kind for kind in sizes if kind != "benign"), key=sizes.get)
    goal = {kind: min(sizes[kind] * 4, sizes[kind] + short // len(rarest)) for kind in rarest}
    points, truth = SMOTE(sampling_strategy=goal, k_neighbors=5, random_state=7).fit_resample(points, truth)
    pd.DataFrame(points, columns=FEATURES).assign(category=truth).to_csv(f"{folder}/train.peer.csv", index=False)
    clock.step("preprocess")
    planted = new_forest(math.ceil(len(challenger) * ADD_RATIO), 8)
    rows, truth = samples(points, scaler), truth.tolist()
    # river has no door for new trees: another forest learns beside the champion's, and both vote.
    for turn in range(PASSES):
        learn(challenger, rows, truth, turn)
        learn(planted, rows, truth, turn)
    challenger = Both([challenger, planted])
    clock.step("train")
    test_rows, test_truth = samples(logarithms(test), scaler), test["category"].tolist()
    judge(model, test_rows, test_truth)
    judge(challenger, test_rows, test_truth)
    clock.step("compare")
    judges = pd.read_csv(f"{folder}/judge.csv")
    judge_rows, judge_truth = samples(logarithms(judges), scaler), judges["category"].tolist()
    print(
        json.dumps(
            {
                "steps": clock.steps,
                "rows": {"merged": len(merged), "train": len(rows), "holdout": len(test_rows)},
                "champion": judge(model, judge_rows, judge_truth),
                "challenger": judge(challenger, judge_rows, judge_truth),
            }
        )
    )


class Both:
    """Forests that vote together, each by its number of trees."""

    def __init__(self, forests):
        self.forests = forests

    def predict_one(self, row):
        votes = collections.Counter()
        for one in self.forests:
            for kind, share in one.predict_proba_one(row).items():
                votes[kind] += share * len(one)
        return votes.most_common(1)[0][0] if votes else None


{"champion": champion, "retrain": retrain}[sys.argv[1]]()
