"""Runs the four forests on every stream, one after another on one core, and prints what each costs beside ours."""

import argparse
import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
MOA = {
    "10 trees": "-s 10 -o (Specified m (integer value)) -m 4",
    "13 trees": "-s 13 -a 7 -w -o (Specified m (integer value)) -m 4 -x (ADWINChangeDetector -a 2.5E-4)",
}
SETTINGS = list(MOA)
FIGURES = ("accuracy %", "learn", "predict", "predict 64", "contributions", "size KB")


def lines(command):
    out = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def ours(args):
    """{(stream, setting): {figure: value}} of our own bench, which also writes the streams."""
    found = {}
    for line in lines([args.ours, "forest", args.base, args.work, "--json"]):
        found.setdefault((line["stream"], line["setting"]), {})[line["figure"]] = line["value"]
    return found


def peers(args, stream, setting):
    file = args.work / f"{stream.replace(' ', '-')}.csv"
    rows = 5000 if args.quick else 20000
    river = lines([sys.executable, HERE / "run_river.py", setting, file, rows, 1000])[0]
    moa = ["java", "-XX:+UseSerialGC", "-Xmx1g", "-cp", f"{args.jar}:{args.work}", "Moa", MOA[setting], file, rows]
    return {"river": river, "MOA": lines(moa)[0], "irithyll-core": lines([args.irithyll, setting, file, rows])[0]}


def cell(value, base):
    return f"{value:.2f} ({value / base:.1f}x)" if value is not None and base else "-"


def table(stream, setting, us, others):
    best = us["predict 64, us a vector"]
    print(f"\n### {stream}, {setting}\n")
    print("| program | accuracy, % | learn, us | judge one, us | judge 64, us | contributions, us | size, KB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    print(f"| Taphound | {us['accuracy %']:.2f} | {us['learn, us a sample']:.2f} | {us['predict one, us a vector']:.3f} | {best:.3f} "
          f"| {us['contributions, us a vector']:.2f} | {us['model file, KB']:.0f} |")
    for name, found in others.items():
        accuracy = f"{found['accuracy %']:.2f}" if "accuracy %" in found else "-"
        size = f"{found['size']:.0f} ({found['size'] / us['model file, KB']:.0f}x)" if "size" in found else "-"
        print(f"| {name} | {accuracy} | {cell(found['learn'], us['learn, us a sample'])} "
              f"| {cell(found['predict'], us['predict one, us a vector'])} | {cell(found['predict'], best)} | - | {size} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    for name in ("ours", "jar", "irithyll", "base"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    mine = ours(args)
    print("CPU time of one thread; in brackets how many times ours. Accuracy: each row judged, then learned (the peers' rows: see bench/forest).")
    for (stream, setting), us in mine.items():
        if setting in SETTINGS and not (args.quick and setting == "13 trees"):
            table(stream, setting, us, peers(args, stream, setting))
    for (stream, setting), us in mine.items():
        if setting not in SETTINGS:
            print(f"\n{stream}, {setting}: " + ", ".join(f"{figure} {value:.3f}" for figure, value in us.items()))


if __name__ == "__main__":
    main()
