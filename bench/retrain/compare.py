"""Our retraining beside the same pipeline in Python: CPU seconds of each step, F1 and kappa on rows that neither has seen."""
import argparse
import csv
import hashlib
import io
import json
import os
import pathlib
import random
import resource
import subprocess
import sys

OLD = ["scan", "dos", "bruteforce", "web"]
NEW = ["amplification", "c2", "exfiltration", "spread"]
BENIGN_OF_DRIFT, OLD_OF_STREAM, CHAMPION_ROWS = 8000, 4000, 20_000

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--ours", required=True, help="taphound-retrain")
parser.add_argument("--base", required=True)
parser.add_argument("--work", required=True, type=pathlib.Path)
parser.add_argument("--json", type=pathlib.Path)
options = parser.parse_args()
work = options.work
work.mkdir(parents=True, exist_ok=True)


def prepare():
    """Files that both pipelines read: what the champion learns, the base, labelled flows of a drift, and rows that judge."""
    text = subprocess.run(["zstd", "-dc", options.base], check=True, capture_output=True, text=True).stdout
    rows = [row for row in csv.DictReader(io.StringIO(text)) if not row["provisional"]]
    names = list(rows[0])[:20]
    seen, parts = set(), {"base": [], "drift": [], "judge": []}
    for row in rows:
        vector = tuple(row[name] for name in names)
        if vector in seen:
            continue
        seen.add(vector)
        draw = hashlib.sha256(",".join(vector).encode()).digest()[0]
        if draw < 40:
            parts["judge"].append(row)
        elif row["category"] in NEW:
            parts["drift"].append(row)
        elif row["category"] in OLD or row["category"] == "benign":
            parts["base"].append(row)
    parts["judge"] = [row for row in parts["judge"] if row["category"] != "tunnel"]
    draw = random.Random(7)
    benign = [row for row in parts["base"] if row["category"] == "benign"]
    draw.shuffle(benign)
    stream_benign, known = benign[:BENIGN_OF_DRIFT], {id(row) for row in benign[:BENIGN_OF_DRIFT]}
    base = [row for row in parts["base"] if id(row) not in known]

    def write(name, rows, columns):
        with open(work / name, "w", newline="") as file:
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)

    plain = names + ["category"]
    json.dump(names, open(work / "features.json", "w"))
    write("base.csv", base, plain)
    write("champion.csv", draw.sample(base, CHAMPION_ROWS), plain)
    write("judge.csv", parts["judge"], plain)
    # The day: first what the champion knows, then the new attacks, which it misses, among more of the same benign traffic.
    before = stream_benign[:OLD_OF_STREAM]
    after = stream_benign[OLD_OF_STREAM:] + parts["drift"]
    draw.shuffle(after)
    stream = []
    for at, row in enumerate(before + after):
        attack = row["category"] != "benign"
        wrong = attack or draw.random() < 0.02
        stream.append(
            {
                **row,
                "flow_id": f"s|{at}",
                "timestamp": 1_790_000_000_000 + at * 100,
                "uid": at,
                "sensor_id": f"s{at % 8}",
                "model_version": 1,
                "label": "benign" if attack or not wrong else "attack",
                "true_label": "attack" if attack else "benign",
                "true_category": row["category"],
                "labeller": f"api:{'ab'[at % 2]}",
                "run": f"s{at % 8}/{at // 2000}",
                "category": "benign" if attack or not wrong else "scan",
            }
        )
    columns = ["flow_id", "timestamp", "uid", "sensor_id", "model_version", "label", "category", "true_label", "true_category", "labeller", "run"]
    write("drift_raw.csv", stream, columns + names)


def cpu(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 13):
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def ours():
    program, at = options.ours, lambda name: str(work / name)
    empty = work / "retrain.toml"
    empty.write_text('[train]\ncanon = ""\n[log]\nlevel = "error"\n')
    config = ["--config", str(empty), "--json"]
    champion = ["train", "--data", at("champion.csv"), "--out", at("champion.taphound"), "--with-learner", "--created", "1", "--novelty-trees", "0"]
    cpu([program, *champion])
    files = ["--train", at("train.csv"), "--holdout", at("holdout.csv"), "--report", at("checks.json")]
    known = ["--champion", at("champion.taphound")]
    steps = {
        "check-drift": ["check-drift", "--rows", at("drift_raw.csv"), *config],
        "merge": ["merge", "--drift", at("drift_raw.csv"), "--base", at("base.csv"), *known, "--out", at("merged.parquet"), *config],
        "preprocess": ["preprocess", "--data", at("merged.parquet"), *files, *config],
        "train and compare": ["train", *known, "--data", at("train.csv"), "--holdout", at("holdout.csv"), "--passes", "1", "--created", "2", "--out", at("new.taphound"), *config],
    }
    seconds, facts = {}, {}
    for name, command in steps.items():
        seconds[name], said = cpu([program, *command])
        facts[name] = json.loads(said)

    def judged(model):
        binary = json.loads(cpu([program, "evaluate", "--model", model, "--data", at("judge.csv"), "--json"])[1])["binary"]
        return binary["f1"], binary["kappa"]

    rows = {"merged": facts["merge"]["rows"], "train": facts["preprocess"]["train_rows"], "holdout": facts["preprocess"]["holdout_rows"]}
    return {"steps": seconds, "rows": rows, "champion": judged(at("champion.taphound")), "challenger": judged(at("new.taphound"))}


prepare()
us = ours()
script = str(pathlib.Path(__file__).with_name("pipeline.py"))
one = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
subprocess.run([sys.executable, script, "champion", str(work)], check=True, env=one)
them = json.loads(subprocess.run([sys.executable, script, "retrain", str(work)], check=True, env=one, capture_output=True, text=True).stdout)
print(f"rows: ours {us['rows']}, river {them['rows']}")
print(f"{'CPU seconds':<24}{'ours':>10}{'river + imblearn':>20}")
for name in dict.fromkeys([*us["steps"], *them["steps"]]):
    cell = lambda side: f"{side['steps'][name]:.2f}" if name in side["steps"] else "-"
    print(f"{name:<24}{cell(us):>10}{cell(them):>20}")
total = [sum(side["steps"].values()) for side in (us, them)]
print(f"{'all':<24}{total[0]:>10.2f}{total[1]:>20.2f}   {total[1] / total[0]:.1f} times")
for which in ["champion", "challenger"]:
    print(f"{which:<12} F1 {us[which][0]:.4f} and {them[which][0]:.4f}, kappa {us[which][1]:.4f} and {them[which][1]:.4f}")
if options.json:
    options.json.write_text(json.dumps({"ours": us, "river": them}, indent=1) + "\n")
