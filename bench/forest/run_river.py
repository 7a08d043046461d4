"""river's adaptive random forest on a stream: CPU time of learning and of judging, and the size of its pickle."""

import csv
import json
import pickle
import sys
import time
import zlib

from river import drift, forest


def main(setting, file, rows, judged):
    data = [(dict(enumerate(map(float, r[:-1]))), int(r[-1])) for r in list(csv.reader(open(file)))[1 : rows + 1]]
    if setting == "10 trees":
        model = forest.ARFClassifier(n_models=10, seed=1)
    else:
        model = forest.ARFClassifier(
            n_models=13, lambda_value=7, grace_period=50, split_criterion="info_gain", leaf_prediction="nba",
            binary_split=True, max_depth=10, disable_weighted_vote=True, seed=1,
            drift_detector=drift.ADWIN(delta=0.00025))
    started = time.process_time()
    for x, y in data:
        model.learn_one(x, y)
    learn = (time.process_time() - started) * 1e6 / len(data)
    some = data[:: max(1, len(data) // judged)]
    started = time.process_time()
    for x, _ in some:
        model.predict_proba_one(x)
    predict = (time.process_time() - started) * 1e6 / len(some)
    pickled = pickle.dumps(model)
    print(json.dumps({"learn": learn, "predict": predict, "size": len(pickled) / 1e3, "packed": len(zlib.compress(pickled, 9)) / 1e3}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
