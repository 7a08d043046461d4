"""Runs the three programs on every stream and seed, keeps their figures, and writes the table."""

import argparse
import json
import pathlib
import statistics as st
import subprocess
import sys

import streams

HERE = pathlib.Path(__file__).parent
MOA = "-s 10 -o (Specified m (integer value)) -m {m}"
MEASURES = ("accuracy", "kappa", "f1")
# What is compared: the command line of a program, and whether it belongs to the bar, to us, or to the evidence for defaults.
PROGRAMS = {
    "river": [sys.executable, HERE / "run_river.py"],
    "MOA": [sys.executable, HERE / "run_moa.py", MOA],
    "Taphound": ["{ours}"],
    "river rule": ["{ours}", "--rule", "river"],
    "two-sided": ["{ours}", "--one-sided", "false"],
    "share 0.99": ["{ours}", "--max-share", "0.99"],
    "confident": ["{ours}", "--vote", "confident"],
}
VARIANTS = list(PROGRAMS)[3:]


def measure(name, command, files, cache):
    """One line of figures a stream and seed; what a former run has measured is not measured again."""
    known = {}
    if cache.exists():
        known = {(r["file"], r["seed"]): r for r in map(json.loads, cache.read_text().splitlines())}
    wanted = [(str(file), seed) for by_seed in files.values() for seed, file in by_seed.items()]
    missing = [pair for pair in wanted if pair not in known]
    if missing:
        arguments = [str(part) for file, seed in missing for part in (seed, file)]
        with open(cache, "a") as out, open(cache.with_suffix(".log"), "w") as log:
            subprocess.run([*map(str, command), *arguments], check=True, stdout=out, stderr=log)
        known = {(r["file"], r["seed"]): r for r in map(json.loads, cache.read_text().splitlines())}
    print(f"{name}: {len(missing)} runs made, {len(wanted) - len(missing)} known", file=sys.stderr, flush=True)
    return {stream: [known[str(file), seed] for seed, file in by_seed.items()] for stream, by_seed in files.items()}


def mean(runs, figure):
    return 100 * st.mean(r[figure] for r in runs)


def deviation(runs, figure):
    return 100 * st.stdev(r[figure] for r in runs)


def table(figures, figure, title):
    lines = [f"### {title}", "", "| stream | river | MOA | Taphound | the bar | |", "|---|---:|---:|---:|---:|---|"]
    met = 0
    for stream in figures["Taphound"]:
        ours, peers = figures["Taphound"][stream], [figures[p][stream] for p in ("river", "MOA")]
        bar = max(mean(p, figure) for p in peers) - deviation(ours, figure)
        good = mean(ours, figure) >= bar
        met += good
        verdict = "at or above both" if mean(ours, figure) >= bar + deviation(ours, figure) else "within one deviation" if good else "**below**"
        cells = " | ".join(f"{mean(p, figure):.2f} ± {deviation(p, figure):.2f}" for p in [*peers, ours])
        lines.append(f"| {stream} | {cells} | {bar:.2f} | {verdict} |")
    return [*lines, ""], met


def report(figures, seeds):
    n = len(figures["Taphound"])
    text, counts = [], []
    for figure, title in zip(MEASURES, ("Accuracy, %", "Kappa, %", "Macro F1, %")):
        lines, met = table(figures, figure, title)
        text += lines
        counts.append(met)
    head = f"""# The forest beside river's and MOA's

Written by `make parity` (`bench/parity/run`); do not edit. Prequential (each row is predicted, then learned), mean ± standard
deviation over {seeds} seeds. Ten trees, lambda 6, grace period 50, delta 0.01, tau 0.05, the square root of the features at a
leaf, ADWIN 0.01 and 0.001, the vote weighted by accuracy: the same for all three. river 0.26.1, MOA from capymoa 0.15.1. Streams
have 5,000 rows (Bananas 5,300, ImageSegments 2,310, Phishing 1,250); made streams and the lab's flows differ from seed to seed,
columns are shuffled by the seed (`bench/parity/streams.py` says why). *The bar* is the better of river and MOA less one standard
deviation of ours.

Met on {counts[0]} of {n} streams by accuracy, {counts[1]} by kappa, {counts[2]} by macro F1.
"""
    evidence = ["## Why the defaults are what they are", "",
                "Accuracy, %, of Taphound's forest with one default changed at a time. *river rule*: a leaf's naive Bayes skips a class's",
                "feature that has no variance, instead of vetoing the class as MOA does. *two-sided*: any change of a tree's error counts as",
                "drift (river), not only its growth (MOA). *share 0.99*: leaves with more than 99 % of one class never split (river).",
                "*confident*: the vote that the product uses, of trees below 0.25 nats.", "",
                "| stream | default | " + " | ".join(VARIANTS) + " |", "|---|" + "---:|" * (len(VARIANTS) + 1)]
    for stream in figures["Taphound"]:
        cells = " | ".join(f"{mean(figures[v][stream], 'accuracy'):.2f}" for v in ["Taphound", *VARIANTS])
        evidence.append(f"| {stream} | {cells} |")
    means = " | ".join(f"{st.mean(mean(runs, 'accuracy') for runs in figures[v].values()):.2f}" for v in ["Taphound", *VARIANTS])
    evidence.append(f"| mean | {means} |")
    return "\n".join([head, *text, *evidence]) + "\n", min(counts) == n


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--ours", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--lab")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    folder = args.work / "streams"
    folder.mkdir(parents=True, exist_ok=True)
    files = streams.write(folder, args.lab, range(1, args.seeds + 1))
    # The programs are cheap but river: nothing of ours is kept from former runs.
    for old in args.work.glob("ours-*.jsonl"):
        old.unlink()

    figures = {}
    for name, command in PROGRAMS.items():
        kept = "peer" if name in ("river", "MOA") else "ours"
        cache = args.work / f"{kept}-{name.replace(' ', '-').lower()}.jsonl"
        figures[name] = measure(name, [str(c).replace("{ours}", args.ours) for c in command], files, cache)
    text, met = report(figures, args.seeds)
    args.out.write_text(text)
    print(text)
    sys.exit(0 if met else 1)


if __name__ == "__main__":
    main()
