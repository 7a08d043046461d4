"""Every alert has a unit test in which it fires, a summary, a known severity, and a runbook that exists and names it."""

import pathlib
import re
import sys

import yaml

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
RUNBOOKS = DEPLOY.parent / "docs/runbooks"


def main():
    faults = []
    tested = "".join(path.read_text() for path in (DEPLOY / "prometheus/tests").glob("*alerts.test.yml"))
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.rules.yml").read_text())["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    used = set()
    for rule in rules:
        name, notes = rule["alert"], rule["annotations"]
        if f"'ALERTS{{alertname=\"{name}\", alertstate=\"firing\"" not in tested:
            faults.append(f"{name}: no test in deploy/prometheus/tests fires it")
        if rule["labels"]["severity"] not in ("critical", "warning", "info"):
            faults.append(f"{name}: severity {rule['labels']['severity']}")
        page = RUNBOOKS / notes["runbook_url"].rsplit("/", 1)[1]
        used.add(page.name)
        if not page.exists():
            faults.append(f"{name}: {page} does not exist")
        elif not re.search(rf"\b{name}\b", page.read_text()):
            faults.append(f"{name}: {page} does not speak of it")
    for page in RUNBOOKS.glob("*.md"):
        if page.name not in used and page.name != "README.md":
            faults.append(f"{page}: no alert leads there")
    print("\n".join(faults))
    print(f"    counted {len(rules)} alerts, each with a test that fires it and a runbook")
    return bool(faults)


sys.exit(main())
