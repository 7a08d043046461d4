"""Makes the committed cases: runs a recipe, keeps its capture and labels, and writes the README that says how it came about."""

import datetime
import json
import os
import shutil
import sys
import tempfile

from . import check, recipes
from .run import Run

FEW_COMMANDS = 4


def make(name, seed, pcaps):
    """Runs case `name` and fills `pcaps/<name>`; returns the faults that `check` found (0 or 65)."""
    work = tempfile.mkdtemp(prefix="thlab-case-")
    try:
        run = Run(recipes.plan(name, seed), work)
        facts = run.go()
        code = check.report(work)
        target = f"{pcaps}/{name}"
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target)
        for file in (facts["capture"]["file"], "labels.csv"):
            shutil.copy(f"{work}/{file}", target)
        with open(f"{target}/README.md", "w") as file:
            file.write(readme(name, work, run.run_dir))
        for failure in facts["failures"]:
            print(f"lab: {name}: activity failed: {failure}")
        return code
    finally:
        shutil.rmtree(work, ignore_errors=True)


def readme(name, folder, run_dir):
    """The case's README, from its `run.json` and its packets."""
    with open(f"{folder}/run.json") as file:
        facts = json.load(file)
    acts = facts["activities"]
    text = (recipes.RECIPES[name].__doc__ or "").strip()
    day = datetime.datetime.fromtimestamp(facts["started"], datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    used = sorted({word for act in acts for word in act["tool"].replace("/", " ").split()})
    lines = [f"# {name}", "", text, "",
             f"Origin: made by `lab/lab case {name} --seed {facts['seed']}` on {day} (kernel {facts['kernel']}); no packet left the lab's namespaces,",
             "and nobody's traffic is in it. The tap is the bridge of the site's servers; the times of packets and labels are one clock's.", "",
             f"- capture: `{facts['capture']['file']}`, {facts['capture']['captured']} packets, {facts['capture']['bytes']:,} bytes; "
             f"dropped by the tap: {facts['capture']['dropped']}",
             f"- made with `{short(facts['capture']['command'], run_dir)}`", f"- tools: {', '.join(used)}", "",
             "## What is in it", "", "| label | category | source | target | IP packets | conversations |", "|---|---|---|---|---|---|"]
    rows, per_row, flows, _, _ = check.tally(folder)
    for row in rows:
        if row.cells["label"] == "attack" or per_row[row.number]:
            lines.append(f"| {row.cells['label']} | {row.cells['category']} | {row.cells['src'] or 'anyone'} | {row.cells['dst']}"
                         f"{':' + row.cells['dst_port'] if row.cells['dst_port'] else ''} | {per_row[row.number]} | {flows.get(row.number, 0)} |")
    lines.append(f"| benign (no row) | benign | | | {per_row[0]} | {flows.get(0, 0)} |")
    lines += ["", "## Hosts", "", "| host | address | path (one way) | serves |", "|---|---|---|---|"]
    for host in facts["hosts"]:
        serves = ", ".join(service for name_, service, _ in facts["services"] if name_ == host["name"])
        path = host["path"]
        way = f"{path['delay_ms']} ms, jitter {path['jitter_ms']} ms, loss {path['loss']}, {path['rate_mbit'] or 'no'} Mbit/s limit" if path else "direct"
        lines.append(f"| {host['name']} | {host['ip']} | {way} | {serves}{'never answers' if host['silent'] else ''} |")
    lines += ["", "## What ran", ""]
    for act in sorted(acts, key=lambda act: act["start"]):
        begin = act["start"] - facts["started"]
        lines.append(f"- {begin:.1f} s, for {act['end'] - act['start']:.1f} s, on {act['host']}: {act['category']}, {act['name']} "
                     f"({act['commands_run']} command{'s' * (act['commands_run'] != 1)})")
        lines += [f"  - `{short(command, run_dir)}`" for command in act["commands"][:FEW_COMMANDS]]
    lines += ["", "## Versions", "", ", ".join(f"{package} {version}" for package, version in facts["tools"].items()), ""]
    return "\n".join(lines)


def short(command, run_dir):
    """A command without the run's temporary folder, on one line of bearable length."""
    line = " ".join(command.replace(run_dir, "$RUN").replace(sys.executable, "python3").replace(os.path.dirname(os.path.abspath(__file__)), "lab/netlab").split())
    line = line.replace("`", "'")
    return line if len(line) <= 300 else line[:297] + "..."
