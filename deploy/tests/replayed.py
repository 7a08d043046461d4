#!/usr/bin/env python3
"""A real sensor reads real captures, a real Prometheus scrapes it: every panel must show data, and the alerts must fire.

    replayed.py --taphound target/debug/taphound [--serve] [--screenshots docs/dashboards]

Beside the sensor run Debian's node_exporter (with the agent's status through textfile/taphound-sync-metrics) and
Pushgateway (with a run that argo/report.sh reported). `--serve` leaves everything up, to look at; `--screenshots` draws some panels' queries
by Prometheus' own page in Chromium (no Grafana is to be had from Debian). Prints one line a finding; exit
code 1 when a panel has no data or an alert did not fire.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

DEPLOY = pathlib.Path(__file__).resolve().parent.parent
REPO = DEPLOY.parent
CAPTURES = ["benign-browsing", "scan-syn", "bruteforce-ftp", "dns-tunnel", "flood-http"]
# CloudWatch cannot be run here; the names are those of yet-another-cloudwatch-exporter.
ABSENT = re.compile(r"\baws_dynamodb_\w+")
SCRAPE_S, WAIT_S = 3, 120
# A scrape may come late on a busy machine: an empty panel is asked again.
TRIES = 6


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(url, timeout=5):
    with urllib.request.urlopen(url, timeout=timeout) as answer:
        return answer.read().decode()


def until(what, condition, seconds=WAIT_S):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            found = condition()
            if found:
                return found
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit(f"{what}: not within {seconds} s")


class Rig:
    def __init__(self, taphound, folder):
        self.folder, self.taphound, self.started = folder, taphound, []
        names = ("sensor", "node", "push", "prometheus")
        self.ports = {name: free_port() for name in names}

    def start(self, name, *command):
        log = open(self.folder / f"{name}.log", "wb")
        self.started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder))

    def stop(self):
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
        for process in self.started:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()

    def url(self, name, path):
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def sensor(self):
        (self.folder / "in").mkdir()
        (self.folder / "state").mkdir()
        self.shadow_model()
        (self.folder / "taphound.toml").write_text(
            f'[sensor]\nid = "tap-1"\nstate_dir = "{self.folder}/state"\n'
            f'[capture]\ndirectory = "{self.folder}/in"\n'
            f'[control]\nsocket = "{self.folder}/control.sock"\n'
            f'[api]\nlisten = ["127.0.0.1:{self.ports["sensor"]}"]\nlegacy_open = true\n'
            f'[outbox]\nenabled = true\n[model]\nkeys_dir = "{self.folder}/keys"\n'
        )
        self.start("sensor", self.taphound, "run", "--config", self.folder / "taphound.toml")
        until("the sensor's /metrics", lambda: fetch(self.url("sensor", "/metrics")))

    def ask(self, *words):
        """The sensor's command line; its answer as JSON."""
        done = subprocess.run([self.taphound, *words, "--socket", self.folder / "control.sock", "--json"], capture_output=True, text=True)
        if done.returncode > 2:
            raise SystemExit(f"taphound {' '.join(map(str, words))}: {done.stderr.strip()}")
        return json.loads(done.stdout or "null")

    def shadow_model(self):
        """A small forest out of every hundredth row of the base set, signed by a key that the sensor trusts."""
        (self.folder / "keys").mkdir()
        retrain, base = self.taphound.with_name("taphound-retrain"), self.folder / "base.csv"
        subprocess.run([retrain, "dataset", "export", REPO / "data/base.parquet", "--out", base], check=True, capture_output=True)
        rows = base.read_bytes().splitlines(keepends=True)
        (self.folder / "rows.csv").write_bytes(b"".join(rows[:1] + rows[100::100]))
        key = self.folder / "signing.key"
        for words in (["keygen", "--out", key],
                      ["train", "--data", "rows.csv", "--key", key, "--serial", "9", "--n-models", "3", "--out", "shadow.taphound"]):
            subprocess.run([retrain, *words], cwd=self.folder, check=True, capture_output=True)
        shutil.copy(f"{key}.pub", self.folder / "keys")

    def label(self):
        """What an analyst says: alerts were attacks, one was not, and other flows were not."""
        alerts = [alert["id"] for alert in rows_of(self.ask("alerts", "--limit", "40"))]
        self.ask("label", "--as", "attack", *alerts[1:])
        self.ask("label", "--as", "benign", alerts[0])
        flows = [flow["id"] for flow in rows_of(self.ask("flows", "--category", "benign", "--limit", "400"))]
        self.ask("label", "--as", "benign", *flows)

    def around_it(self):
        """node_exporter with the agent's status, Pushgateway with a reported run, and Prometheus over all."""
        text = self.folder / "textfile"
        text.mkdir()
        made = subprocess.run(
            [DEPLOY / "prometheus/textfile/taphound-sync-metrics"],
            stdin=open(DEPLOY / "tests/sync-status.json"), capture_output=True, text=True, check=True,
        ).stdout.replace("1700000000.0", str(time.time()))
        (text / "taphound-sync.prom").write_text(made)
        self.start(
            "node", "prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
            f"--collector.textfile.directory={text}", f"--web.listen-address=127.0.0.1:{self.ports['node']}",
        )
        self.start("push", "prometheus-pushgateway", f"--web.listen-address=127.0.0.1:{self.ports['push']}")
        until("Pushgateway", lambda: fetch(self.url("push", "/-/ready")) is not None)
        outcome = self.folder / "outcome"
        outcome.write_text("no-drift\n")
        subprocess.run(
            ["sh", DEPLOY / "argo/report.sh"], check=True,
            env={**os.environ, "OUTCOME_FILE": str(outcome), "STATUS": "Succeeded", "SECONDS_TAKEN": "812",
                 "PUSHGATEWAY_URL": self.url("push", ""), "NOTIFY_URL": ""},
        )
        settings = (DEPLOY / "prometheus/prometheus.yml").read_text()
        for port, name in (("8765", "sensor"), ("9100", "node"), ("9091", "push")):
            settings = settings.replace(f"localhost:{port}", f"127.0.0.1:{self.ports[name]}")
        settings = re.sub(r"alerting:.*?(?=\nscrape_configs)", "", settings, flags=re.S).replace("15s", f"{SCRAPE_S}s")
        (self.folder / "prometheus.yml").write_text(settings)
        for rules in ("recording.rules.yml", "alerts.rules.yml"):
            shutil.copy(DEPLOY / "prometheus" / rules, self.folder)
        self.start(
            "prometheus", "prometheus", f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/tsdb",
            f"--web.listen-address=127.0.0.1:{self.ports['prometheus']}", "--log.level=warn",
        )
        until("Prometheus", lambda: fetch(self.url("prometheus", "/-/ready")))

    def replay(self):
        """Captures appear one by one, so that rates have something to rise over; and a client asks for a prediction."""
        for case in CAPTURES:
            [capture] = (REPO / "tests/pcaps" / case).glob("capture.*")
            part = self.folder / f"part-{capture.name}"
            shutil.copy(capture, part)
            os.rename(part, self.folder / "in" / f"{case}-{capture.name}")
            features = json.dumps({"features": [1.0] * 20}).encode()
            asked = urllib.request.Request(self.url("sensor", "/predict"), features, {"Content-Type": "application/json"})
            urllib.request.urlopen(asked, timeout=10).read()
            time.sleep(3 * SCRAPE_S)

    def query(self, expression):
        asked = urllib.parse.urlencode({"query": expression})
        return json.loads(fetch(self.url("prometheus", f"/api/v1/query?{asked}"), 20))["data"]["result"]

    def exported(self):
        names = json.loads(fetch(self.url("prometheus", "/api/v1/label/__name__/values")))["data"]
        return set(names)


def rows_of(answer):
    """The rows of a page, whatever it calls them."""
    return answer if isinstance(answer, list) else next(value for value in answer.values() if isinstance(value, list))


def panels():
    """Every query of every dashboard, with Grafana's variables filled in as Grafana does."""
    for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                query = target["expr"]
                for variable, value in (("$__rate_interval", "30s"), ("$job", ".*"), ("$instance", ".*")):
                    query = query.replace(variable, value)
                yield path.stem, panel["title"], query


def declared():
    """Names that the sensor's sources export: a panel may lack data only where a name is not among them yet."""
    text = "".join(p.read_text() for p in (REPO / "sensor/src").rglob("*.rs"))
    return set(re.findall(r'"(taphound_\w+)"', text)) | {f"taphound_{x}{y}" for x in ("packets", "flows", "detections") for y in ("", "_total")}


# Only there with enough flows: named and counted, never silently passed.
NEEDS_MORE = {
    "taphound_drift_psi": "ten thousand flows",
    "taphound_drift_score_psi": "ten thousand flows",
}


def shows_data(rig, query, tries):
    for attempt in range(tries):
        if rig.query(query):
            return True
        if attempt + 1 < tries:
            time.sleep(SCRAPE_S)
    return False


def check_panels(rig):
    shown, empty, skipped = 0, [], []
    known = declared()
    for board, title, query in panels():
        names = set(re.findall(r"\btaphound_(?!sync_|retrain_)\w+", query)) - set(re.findall(r"\w+:\w+:\w+", query))
        names = {n for n in names if f":{n}" not in query}
        if ABSENT.search(query):
            skipped.append(f"{board}: {title}: CloudWatch is not to be had here")
        elif missing := sorted(n for n in names if n not in known):
            skipped.append(f"{board}: {title}: this sensor does not export {', '.join(missing)}")
        elif shows_data(rig, query, 1 if names & set(NEEDS_MORE) else TRIES):
            shown += 1
        elif needs := [NEEDS_MORE[n] for n in names if n in NEEDS_MORE]:
            skipped.append(f"{board}: {title}: shows data with {needs[0]}")
        else:
            empty.append(f"{board}: {title}: no data: {query}")
    for line in skipped:
        print(f"    SKIPPED panel {line}")
    for line in empty:
        print(f"FAILED panel {line}")
    print(f"panels: {shown} queries show data, {len(skipped)} skipped, {len(empty)} empty")
    return not empty and shown > 30


# Of each board what says most, by the panels' titles.
SHOWN = {
    "sensor": ["Packets by what became of them", "Stages, p50 and p99", "Flows held"],
    "detection": ["Alerts by category, an hour", "Mean score", "Recent labels: alerted flows"],
    "fleet": ["Rows confirmed/s", "Models changed, a day"],
    "centre": ["Outcome over time", "Model the fleet follows"],
}


def screenshots(rig, folder):
    folder.mkdir(parents=True, exist_ok=True)
    queries = {}
    for board, title, query in panels():
        queries.setdefault((board, title), query)
    for board, titles in SHOWN.items():
        asked = {}
        for n, title in enumerate(titles):
            asked |= {f"g{n}.expr": queries[board, title], f"g{n}.tab": "0", f"g{n}.range_input": "2m", f"g{n}.stacked": "0"}
        url = rig.url("prometheus", f"/graph?{urllib.parse.urlencode(asked)}")
        subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={rig.folder}/chromium",
             f"--window-size=1200,{200 + 800 * len(titles)}", "--virtual-time-budget=20000", f"--screenshot={folder.resolve()}/{board}.png", url],
            check=True, capture_output=True, timeout=120,
        )


def check_categories(rig):
    """The alerts by category are all alerts, and there are several of them."""
    [[_, apart]] = [s["value"] for s in rig.query("sum(taphound_alerts_total) - sum(taphound_alerts_by_category_total)")]
    kinds = {s["metric"]["category"] for s in rig.query("taphound_alerts_by_category_total > 0")}
    if float(apart) != 0 or len(kinds) < 3:
        print(f"FAILED alerts by category: {apart} apart from all alerts, of {sorted(kinds)}")
        return False
    print(f"alerts: {', '.join(sorted(kinds))}, and by category as many as in all")
    return True


def check_alerts(rig):
    def firing():
        alerts = json.loads(fetch(rig.url("prometheus", "/api/v1/alerts")))["data"]["alerts"]
        return {a["labels"]["alertname"] for a in alerts if a["state"] == "firing"}

    try:
        until("the incident's alert", lambda: "TaphoundAttack" in firing(), 60)
    except SystemExit:
        print(f"FAILED alerts: {sorted(firing())}, not TaphoundAttack")
        return False
    wrong = sorted(firing() - {"TaphoundAttack"})
    print("alerts: TaphoundAttack fires on the replayed incident")
    if wrong:
        print(f"FAILED alerts: {', '.join(wrong)} fires too, on a sound sensor")
    return not wrong


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--taphound", required=True, type=pathlib.Path)
    arguments.add_argument("--serve", action="store_true", help="stay up afterwards")
    arguments.add_argument("--screenshots", type=pathlib.Path, metavar="FOLDER")
    given = arguments.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"taphound-deploy-{os.getpid()}-"))
    rig = Rig(given.taphound.resolve(), folder)
    good = False
    try:
        rig.sensor()
        rig.around_it()
        rig.ask("model", "shadow", folder / "shadow.taphound")
        rig.replay()
        until("flows in Prometheus", lambda: rig.query('taphound_flows_total{term="scored"} > 3000'))
        rig.label()
        good = check_alerts(rig) & check_categories(rig) & check_panels(rig)
        if given.screenshots:
            screenshots(rig, given.screenshots)
        if given.serve:
            print(f"Prometheus: {rig.url('prometheus', '/')}; Ctrl-C ends", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        rig.stop()
        if not good:
            for log in sorted(folder.glob("*.log")):
                print(f"--- {log.name}: {log.read_text(errors='replace')[-600:]}", file=sys.stderr)
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
