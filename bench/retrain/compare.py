"""Our retraining beside the same pipeline in Python: CPU seconds of each step, F1 and kappa on rows that neither has seen."""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys

from data import prepare

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--ours", required=True, help="taphound-retrain")
parser.add_argument("--base", required=True)
parser.add_argument("--work", required=True, type=pathlib.Path)
parser.add_argument("--json", type=pathlib.Path)
options = parser.parse_args()
work = options.work


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


prepare(options.base, work)
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
