"""Writes the model card and its plots from what `scripts/evaluate` measured: card.py FACTS.json docs/model-card.md"""

import json
import pathlib
import statistics
import sys

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

# The same figures give the same bytes.
matplotlib.rcParams.update({"svg.hashsalt": "taphound", "svg.fonttype": "none", "font.size": 9, "figure.figsize": (5.2, 3.6)})
SETS = {"runs": "(a) held-out runs", "tools": "(b) held-out tools", "tuning": "(c) outside, tuning half",
        "reported": "(c) outside, reported half"}


def number(value, digits=3):
    return "-" if value is None else f"{value:.{digits}f}"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def save(figure, path):
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def curve_plot(sets, which, labels, path):
    figure, axes = plt.subplots()
    for name, facts in sets.items():
        if curves := facts.get("curves") or facts.get("binary", {}).get("curves"):
            axes.plot(*zip(*curves[which]), label=name)
    axes.set(xlabel=labels[0], ylabel=labels[1], xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend()
    save(figure, path)


def reliability_plot(sets, path):
    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="as it should be")
    for name, facts in sets.items():
        bins = facts["calibration"]["bins"]
        label = f"{name} (ECE {facts['calibration']['expected_error']:.3f})"
        axes.plot([b["score"] for b in bins], [b["share"] for b in bins], marker="o", label=label)
    axes.set(xlabel="score", ylabel="share of attacks", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend()
    save(figure, path)


def plots(facts, folder):
    folder.mkdir(exist_ok=True)
    ours = {SETS[name]: facts[name] for name in ("runs", "tools")}
    curve_plot(ours, "roc", ("false positive rate", "true positive rate"), folder / "roc.svg")
    curve_plot(ours, "pr", ("recall", "precision"), folder / "precision-recall.svg")
    reliability_plot(ours, folder / "reliability.svg")
    # A category the forest was not taught has one probability for all flows: no curve, only its two ends.
    by_category = {name: c for name, c in facts["runs"]["by_category"].items()
                   if c["support"] and c.get("curves") and c.get("roc_auc") != 0.5}
    curve_plot(by_category, "pr", ("recall", "precision"), folder / "categories.svg")
    curve_plot(by_category, "roc", ("false positive rate", "true positive rate"), folder / "categories-roc.svg")


def categories(facts):
    rows = [[name, c["support"], *(number(c[k]) for k in ("precision", "recall", "f1", "kappa")),
             number(c.get("roc_auc")), number(c.get("average_precision"))]
            for name, c in facts["by_category"].items() if c["support"] or c["precision"]]
    binary = facts["binary"]
    attacks = binary["true_positives"] + binary["false_negatives"]
    rows.append(["**attack or not**", attacks, *(number(binary[k]) for k in ("precision", "recall", "f1", "kappa")),
                 number(binary.get("roc_auc")), number(binary.get("average_precision"))])
    return table(["category", "flows", "precision", "recall", "F1", "kappa", "ROC-AUC", "AP"], rows)


def tools(facts):
    rows = [[t["category"], t["tool"] or "-", t["rows"], f"{100 * t['called_attack'] / t['rows']:.0f} %"]
            for t in facts["by_tool"] if t["category"] != "benign"]
    return table(["category", "tool", "flows", "called attacks"], rows)


def compared(facts):
    ours = {**{name: facts[name] for name in ("runs", "tools")}, **{k: v for k, v in facts["outside"].items() if v}}
    learners = {"Taphound's forest": ours, **facts["baselines"]}
    header = ["learner"]
    for name in SETS:
        if name in ours:
            header += [f"{SETS[name]}: F1", "recall", "false alarms", "ROC-AUC"]
    rows = []
    for learner, sets in learners.items():
        row = [learner]
        for name in SETS:
            if name in ours:
                b = (sets.get(name) or {}).get("binary")
                benign = b and b["false_positives"] + b["true_negatives"]
                false = f"{100 * b['false_positives'] / benign:.1f} %" if benign else "-"
                row += [number(b["f1"]), number(b["recall"]), false, number(b.get("roc_auc"))] if b else ["-"] * 4
        rows.append(row)
    return table(header, rows)


def best(facts):
    """Who ranks best and who cries wolf least on each set; nobody has to read it out of the table."""
    ours = {**{name: facts[name] for name in ("runs", "tools")}, **{k: v for k, v in facts["outside"].items() if v}}
    learners = {"Taphound's forest": ours, **facts["baselines"]}
    lines = []
    for name in SETS:
        of = {learner: sets[name]["binary"] for learner, sets in learners.items() if sets.get(name)}
        ranked = {learner: b["roc_auc"] for learner, b in of.items() if b.get("roc_auc") is not None}
        false = {learner: b["false_positives"] / (b["false_positives"] + b["true_negatives"])
                 for learner, b in of.items() if b["false_positives"] + b["true_negatives"]}
        if ranked and false:
            first, quiet = max(ranked, key=ranked.get), min(false, key=false.get)
            lines.append(f"- {SETS[name]}: best ROC-AUC by {first} ({ranked[first]:.3f}), "
                         f"fewest false alarms by {quiet} ({100 * false[quiet]:.1f} %)")
    return "\n".join(lines)


def twins(facts):
    rows = []
    for name, found in facts["limits"]["twins"].items():
        worst = sorted(found["by_category"].items(), key=lambda one: -one[1][0])
        share = lambda alike, of: f"{100 * alike / max(of, 1):.0f} %"
        rows.append([SETS[name], found["attacks"], share(found["alike"], found["attacks"]),
                     ", ".join(f"{kind} {share(*counts)}" for kind, counts in worst if counts[0])])
    return table(["set", "attack flows", "with a benign twin", "by category"], rows)


def folds(facts):
    seen = {"rows": "rows of runs and tools it knows", "runs": "runs it has not seen", "tools": "runs and tools it has not seen"}
    return table(["judged on", "ROC-AUC", "F1 at the best threshold"],
                 [[seen[way], number(of["roc_auc"]), number(of["best_f1"])] for way, of in facts["limits"]["folds"].items()])


def opinions(groups):
    names = {"forest": "forest alone", "novelty": "novelty alone", "behaviour": "behaviour alone",
             "incidents": "incidents (what a person sees)", "together": "forest or incident"}
    rows = []
    for group in groups:
        for key, name in names.items():
            b = group["opinions"].get(key, {}).get("binary")
            if b:
                attacks = b["true_positives"] + b["false_negatives"]
                of = [number(b[k]) if attacks else "-" for k in ("precision", "recall", "f1")]
                rows.append([group["group"], name, *of, b["false_positives"], b["false_negatives"]])
    return table(["captures", "opinion", "precision", "recall", "F1", "false flows", "missed flows"], rows)


def incidents(groups):
    rows = []
    for group in groups:
        found = [a for a in group["attacks"] if a["found"]]
        waits = [a["seconds_to_alert"] for a in found]
        hours, false = group["benign_active_hours"], len(group["false_incidents"])
        benign_false = sum(1 for i in group["false_incidents"])
        rows.append([group["group"], group["variant"], len(group["cases"]), len(group["attacks"]), len(found),
                     sum(a["fitting"] for a in found), number(statistics.median(waits), 2) if waits else "-", false,
                     number(hours, 2), number(benign_false / hours, 1) if hours > 0.05 and not group["attacks"] else "-"])
    return table(["captures", "as", "files", "attacks", "found", "called by name", "median s to alert",
                  "false incidents", "benign active hours", "false an hour"], rows)


def waits(groups):
    by_category = {}
    for group in groups:
        for attack in group["attacks"]:
            by_category.setdefault(attack["category"], []).append(attack)
    rows = []
    for category, attacks in sorted(by_category.items()):
        found = sorted(a["seconds_to_alert"] for a in attacks if a["found"])
        rows.append([category, len(attacks), len(found), sum(a["fitting"] for a in attacks),
                     number(statistics.median(found), 2) if found else "-", number(found[-1], 1) if found else "-"])
    return table(["category", "attacks", "found", "called by name", "median s to alert", "longest s"], rows)


def counters(groups):
    sums = {}
    for group in groups:
        for kind, counts in group["incidents_by_opinion"].items():
            both = sums.setdefault(kind, [0, 0])
            both[0] += counts["true"]
            both[1] += counts["false"]
    return table(["opinion behind the incident", "right", "false"], [[k, *v] for k, v in sorted(sums.items())])


def captures(groups):
    lines = []
    for group in groups:
        for attack in group["attacks"]:
            called = ", ".join(sorted(set(attack["called"]))) or "nothing"
            wait = f" after {attack['seconds_to_alert']:.1f} s" if attack["found"] else ""
            lines.append([f"`{attack['case']}`", group["group"].split(", ")[1], attack["category"], attack["flows"], called + wait])
    return table(["capture", "half", "is", "flows", "called"], lines)


def false_ones(groups):
    lines = []
    for group in groups:
        for one in group["false_incidents"]:
            why = "; ".join(one["reasons"][:2])
            lines.append(f"- `{one['case']}` ({group['group']}): {one['category']} by {one['behaviour'] or 'forest'}, {why}")
    return "\n".join(lines) + "\n" if lines else "None.\n"


def targets(facts, clean):
    """What was asked for beside what came out."""
    def f1(name):
        return facts[name]["binary"]["f1"]

    def met(yes):
        return "reached" if yes else "**not reached**"

    rows = [["(a) held-out runs: F1, flow by flow", "0.98", number(f1("runs")), met(f1("runs") >= 0.98)],
            ["(b) held-out tools: F1, flow by flow", "0.90", number(f1("tools")), met(f1("tools") >= 0.9)]]
    attacks = [a for g in clean if g["group"].startswith("outside attack") for a in g["attacks"]]
    if attacks:
        found, fitting = (sum(a[key] for a in attacks) for key in ("found", "fitting"))
        rows.append(["(c) outside attack captures with an incident", "all", f"{found} of {len(attacks)}", met(found == len(attacks))])
        rows.append(["(c) of these, by a fitting category", "most", f"{fitting} of {len(attacks)}", met(2 * fitting > len(attacks))])
    benign = [g for g in clean if g["group"] == "outside benign, reported half"]
    if benign:
        false = sum(len(g["false_incidents"]) for g in benign)
        rows.append(["(c) false incidents, reported half of the benign captures", "at most 2", false, met(false <= 2)])
    for category in ("dos", "scan", "bruteforce"):
        of = [a for g in clean for a in g["attacks"] if a["category"] == category]
        found = [a["seconds_to_alert"] for a in of if a["found"]]
        if found:
            median = statistics.median(found)
            what = f"{category}: median s to the first alert ({len(found)} found of {len(of)}, all captures)"
            rows.append([what, "at most 1", number(median, 2), met(median <= 1)])
    return table(["target", "asked", "measured", ""], rows)


def disturbed(facts):
    return table(["disturbed by", "precision", "recall", "F1", "ROC-AUC"],
                 [[d["what"], *(number(d[k]) for k in ("precision", "recall", "f1", "roc_auc"))] for d in facts["robustness"]])


def costs(facts):
    return table(["learner", "training, CPU s", "scoring all sets, CPU s"],
                 [[n, f"{b['costs']['train_cpu_s']:.0f}", f"{b['costs']['score_cpu_s']:.1f}"] for n, b in facts["baselines"].items()])


def origins(facts):
    return table(["file", "half", "what", "origin", "licence", "sha256"],
                 [[f"`{o['file']}`", o["half"].split()[0], o["category"], o["source"], o["licence"], f"`{o['sha256'][:16]}`"]
                  for o in facts.get("origins", [])])


def main():
    facts = json.loads(pathlib.Path(sys.argv[1]).read_text())
    card = pathlib.Path(sys.argv[2])
    plots(facts, card.with_suffix(""))
    clean = [g for g in facts["replays"] if g["variant"] == "clean"]
    outside = [g for g in clean if g["group"].startswith("outside")]
    lab = [g for g in clean if not g["group"].startswith("outside")]
    attacks = [g for g in outside if "attack" in g["group"]]
    model = facts["runs"]["model"]
    template = (pathlib.Path(__file__).parent / "card.md").read_text()
    parts = {
        "targets": targets(facts, clean),
        "baseline_rows": f"{facts['baseline_rows']['rows']:,} of them, drawn evenly",
        "river_rows": f"{facts['baseline_rows']['river_rows']:,}",
        "largest": f"{max((a['flows'] for g in attacks for a in g['attacks']), default=0):,}",
        "hours": number(sum(g["benign_active_hours"] for g in outside if g["group"] == "outside benign, reported half"), 2),
        "model": f"`{model['name']}`, serial {model['serial']}, digest `{model['digest']}`, threshold {model['threshold']}",
        "runs": categories(facts["runs"]), "tools": categories(facts["tools"]), "by_tool": tools(facts["tools"]),
        "by_tool_runs": tools(facts["runs"]), "early": categories(facts["early"]), "compared": compared(facts),
        "best": best(facts), "twins": twins(facts), "folds": folds(facts),
        "costs": costs(facts), "opinions": opinions(clean), "lab": incidents(lab), "waits": waits(clean),
        "counters": counters(clean), "outside": incidents(outside), "captures": captures(attacks),
        "false": false_ones(clean), "disturbed": disturbed(facts["runs"]),
        "degraded": incidents(sorted(facts["replays"], key=lambda g: (g["group"], g["variant"] != "clean", g["variant"]))),
        "ece": number(facts["runs"]["calibration"]["expected_error"]), "ece_tools": number(facts["tools"]["calibration"]["expected_error"]),
        "ece_category": number(facts["runs"]["calibration_of_category"]["expected_error"]), "origins": origins(facts),
    }
    for name, text in parts.items():
        template = template.replace("{{" + name + "}}", text.rstrip("\n"))
    card.write_text(template)
    print(f"{card}: written, with plots in {card.with_suffix('')}")


if __name__ == "__main__":
    main()
