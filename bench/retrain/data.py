"""Data of the benchmarks: labelled flows of a drift, the base, rows that judge; all out of the base set, no vector twice."""
import csv
import hashlib
import json
import random

OLD = ["scan", "dos", "bruteforce", "web"]
NEW = ["amplification", "c2", "exfiltration", "spread"]
BENIGN_OF_DRIFT, OLD_OF_STREAM, CHAMPION_ROWS = 8000, 4000, 20_000


def prepare(base_set, work):
    """Writes the files that both pipelines read: what the champion learns, the base, labelled flows of a drift, and rows that judge."""
    work.mkdir(parents=True, exist_ok=True)
    # A look at a flow that still lived is a row of its own here: of final records alone the set has no more than 38,000 for this.
    with open(base_set, newline="") as file:
        rows = list(csv.DictReader(file))
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
