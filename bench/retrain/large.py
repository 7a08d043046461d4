"""Memory of a retrain over many labelled flows: `bench/retrain/large.py TAPHOUND_RETRAIN ROWS...`.

The base set's rows again and again, each copy with other durations, so that no vector comes twice; then merge, preprocess and train, with the
largest memory each step had at once (VmHWM) and its CPU seconds. Given several numbers of rows, a step that holds more than a tenth of
each further row (20 features of 8 bytes) makes it fail; trees that grow with what they learn hold less."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from data import prepare

program, sizes = sys.argv[1], [int(rows) for rows in sys.argv[2:]]
repo = pathlib.Path(__file__).resolve().parents[2]
# Bytes of memory that a further row may cost.
ROW_BYTES_MAX = 16


def watched(work, name, *arguments):
    """Runs a step; gives the most memory it had, in KiB."""
    ticks = os.sysconf("SC_CLK_TCK")
    with open(work / "said", "w") as said, open(work / "log", "w") as log:
        step = subprocess.Popen([program, *map(str, arguments)], stdout=said, stderr=log)
        peak = seconds = 0
        while step.poll() is None:
            try:
                status = pathlib.Path(f"/proc/{step.pid}/status").read_text()
                fields = pathlib.Path(f"/proc/{step.pid}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            peak = max([peak] + [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")])
            seconds = max(seconds, (int(fields[11]) + int(fields[12])) / ticks)
            time.sleep(0.05)
    if step.returncode not in (0, 13):
        sys.exit(f"{name}: {(work / 'log').read_text()}")
    facts = json.loads((work / "said").read_text())
    kept = {"merge": "rows", "preprocess": "train_rows", "train": "holdout_rows"}[name]
    print(f"{name:<12}{facts[kept]:>12,} {kept:<14}{peak / 1024:>8.0f} MiB at most{seconds:>9.0f} CPU s", flush=True)
    return peak


def retrain(work, rows):
    """Makes so many rows of base and takes them through the steps; gives the memory of each."""
    base = work / "base-set.csv"
    subprocess.run([program, "dataset", "export", repo / "data/base.parquet", "--out", base], check=True, capture_output=True)
    prepare(base, work)
    base.unlink()
    lines = (work / "base.csv").read_text().splitlines()
    with open(work / "large.csv.zst", "wb") as packed:
        pack = subprocess.Popen(["zstd", "-1", "-q", "-c"], stdin=subprocess.PIPE, stdout=packed)
        pack.stdin.write((lines[0] + "\n").encode())
        rest = [line.split(",", 1) for line in lines[1:]]
        for copy in range(-(-rows // len(rest))):
            wanted = min(rows - copy * len(rest), len(rest))
            text = "".join(f"{int(duration) + copy},{line}\n" for duration, line in rest[:wanted])
            pack.stdin.write(text.encode())
        pack.stdin.close()
        pack.wait()
    settings = work / "retrain.toml"
    settings.write_text('[train]\ncanon = ""\n[log]\nlevel = "error"\n')
    config = ["--config", settings, "--json"]
    champion = work / "champion.taphound"
    small = ["--n-models", "4", "--novelty-trees", "0", "--created", "1", "--with-learner"]
    subprocess.run([program, "train", "--data", work / "champion.csv", "--out", champion, *small], check=True, capture_output=True)
    merged, train, holdout = work / "merged.parquet", work / "train.parquet", work / "holdout.parquet"
    base = ["--drift", work / "drift_raw.csv", "--base", work / "large.csv.zst", "--base-ratio", "1000", "--champion", champion]
    parts = ["--train", train, "--holdout", holdout, "--report", work / "checks.json"]
    learn = ["--champion", champion, "--data", train, "--holdout", holdout, "--passes", "1", "--created", "2", "--out", work / "new.taphound"]
    return {
        "merge": watched(work, "merge", "merge", *base, "--out", merged, *config),
        "preprocess": watched(work, "preprocess", "preprocess", "--data", merged, *parts, *config),
        "train": watched(work, "train", "train", *learn, *config),
    }


peaks = []
for rows in sorted(sizes):
    work = pathlib.Path(tempfile.mkdtemp(prefix="large-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    try:
        print(f"{rows:,} rows of base")
        peaks.append(retrain(work, rows))
    finally:
        shutil.rmtree(work)
if len(sizes) > 1:
    further = max(sizes) - min(sizes)
    grown = {name: (peaks[-1][name] - peak) * 1024 / further for name, peak in peaks[0].items()}
    print("bytes of memory a further row: " + ", ".join(f"{name} {bytes_:.1f}" for name, bytes_ in grown.items()))
    sys.exit(any(bytes_ > ROW_BYTES_MAX for bytes_ in grown.values()))
