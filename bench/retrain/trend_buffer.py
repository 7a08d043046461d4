"""How large should the trend buffer be? `check-drift` with 60, 200 and 2000 samples over streams of labelled lab traffic.

The sensor's own verdicts on the captures of tests/pcaps, with their truth: flows of what the model knows, then the same with as many flows
of an attack it was never taught among them, then without again. A stream a new attack, length and draw.

    bench/retrain/trend_buffer.py [BIN]          # BIN: folder of taphound and taphound-retrain (default target/release)
"""
import collections
import csv
import json
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

REPO = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else REPO / "target/release")
KNOWN = ["attack-day", "benign-mixed", "benign-dns", "web-attack", "scan-connect", "benign-browsing", "bruteforce-ssh"]
NEW = ["amplification", "spread", "c2-beacon", "exfiltration"]
SIZES, DRAWS, LENGTHS = [60, 200, 2000], 10, [400, 1200, 4000]


def verdicts(folder, case):
    """(verdict, truth) of every final record of a capture; with `new`, of attacks alone."""
    capture = next((REPO / "tests/pcaps" / case).glob("capture.pcap*"))
    out = folder / f"{case}.csv"
    labels = REPO / "tests/pcaps" / case / "labels.csv"
    command = [BIN / "taphound", "replay", capture, "--labels", labels, "--out", out]
    subprocess.run(list(map(str, command)), check=True, capture_output=True)
    return [(row["prediction"], row["true_label"]) for row in csv.DictReader(open(out))]


def main():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="trend-buffer-"))
    settings = folder / "retrain.toml"
    settings.write_text('[log]\nlevel = "error"\n')
    # Of each capture and side as many: a flood of 6,000 flows is not what people label.
    known = []
    for case in KNOWN:
        of = verdicts(folder, case)
        for side in ["attack", "benign"]:
            known.append([flow for flow in of if flow[1] == side])
    known = [group for group in known if group]
    print(f"{'new attack':<14}{'flows':>6} each   " + "".join(f"{f'2K = {size}':>34}" for size in SIZES))
    print(f"{'':<14}{'':>6}        " + "".join(f"{'start (delay)   end   wrong':>34}" for _ in SIZES))
    sums = {size: collections.Counter() for size in SIZES}
    for case in NEW:
        new = [flow for flow in verdicts(folder, case) if flow[1] == "attack"]
        for length in LENGTHS:
            cells = []
            for size in SIZES:
                found, delays = collections.Counter(), []
                for seed in range(DRAWS):
                    draw = random.Random(f"{case} {length} {seed}")
                    old = lambda: draw.choice(draw.choice(known))
                    flows = [old() for _ in range(length)]
                    flows += [draw.choice(new) if draw.random() < 0.5 else old() for _ in range(length)]
                    flows += [old() for _ in range(length)]
                    rows = folder / "rows.csv"
                    with open(rows, "w", newline="") as file:
                        writer = csv.writer(file, lineterminator="\n")
                        writer.writerow(["timestamp", "label", "true_label"])
                        writer.writerows((at, *flow) for at, flow in enumerate(flows))
                    command = [BIN / "taphound-retrain", "check-drift", "--rows", rows, "--trend-buffer-size", size, "--config", settings, "--json"]
                    said = json.loads(subprocess.run(list(map(str, command)), capture_output=True, text=True).stdout)
                    first, second = said["first_drift_ts"], said["second_drift_ts"]
                    found["wrong"] += first is not None and first < length
                    if first is not None and length <= first < 2 * length:
                        found["start"] += 1
                        delays.append(first - length)
                        found["end"] += second is not None and second >= 2 * length
                sums[size].update(found)
                delay = f"({statistics.median(delays):.0f})" if delays else "(-)"
                cells.append(f"{found['start']:>3}/{DRAWS} {delay:>7} {found['end']:>6}/{DRAWS} {found['wrong']:>5}")
            print(f"{case:<14}{length:>6}        " + "".join(f"{cell:>34}" for cell in cells), flush=True)
    total = len(NEW) * len(LENGTHS) * DRAWS
    for size in SIZES:
        of = sums[size]
        print(f"2K = {size}: of {total} drifts {of['start']} starts found, {of['end']} ends, {of['wrong']} starts told before there was a drift")


main()
