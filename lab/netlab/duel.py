"""One attack against the sensor, and what came of it: time to detect, what was missed, what was dropped.

`KINDS` maps a name to `(plan, seconds, rps) -> Activity`. The sensor's side is an adapter with `start(run)`, `stop()` and
`alerts(folder)`: `Replayed` gives the finished capture to `taphound replay`, `Live` runs `taphound run` on the tap meanwhile.
"""

import datetime
import ipaddress
import json
import os
import random
import subprocess
import threading
import time
from dataclasses import dataclass

from . import check
from .activities import attack_flood as flood
from .activities import attack_guess as guessing
from .activities import attack_held as held
from .activities import attack_hidden as hidden
from .activities import attack_scan as scanning
from .activities import attack_spread as spreading
from .activities import attack_web
from .capture import Tap
from .packets import packets
from .recipes.cases import SMALL_SITE, calm
from .recipes.town import SERVICES, town
from .run import Run

CALM_S = 20.0
AFTER_S = 8.0
POLL_S, START_S = 0.25, 20.0
KINDS = {
    "http-flood": lambda plan, seconds, rps: held.httperf(plan, "evil1", "www", rps, int(rps * seconds), 1),
    "syn-flood": lambda plan, seconds, rps: flood.plain(plan, "evil1", "www", 80, "syn", int(1e6 / rps), int(rps * seconds)),
    "spoofed-flood": lambda plan, seconds, rps: flood.spoofed(plan, "evil1", "www", 80, "syn", int(1e6 / rps), int(rps * seconds)),
    "udp-flood": lambda plan, seconds, rps: flood.plain(plan, "evil1", "infra", "++1", "udp", int(1e6 / rps), int(rps * seconds), "-d", 64),
    "slow-http": lambda plan, seconds, rps: flood.slow(plan, "evil1", "www", 80, "-H", int(seconds), 100, rps, 4),
    "port-scan": lambda plan, seconds, rps: scanning.nmap(plan, "evil1", ["shell"], "-sS", "--top-ports", str(min(int(rps * seconds), 4000)), "--max-rate", str(rps)),
    "ssh-bruteforce": lambda plan, seconds, rps: guessing.guess(plan, "evil1", "shell", "ssh", "hydra", max(4, int(rps * seconds)), min(16, max(1, rps))),
    "ftp-bruteforce": lambda plan, seconds, rps: guessing.guess(plan, "evil1", "shell", "ftp", "hydra", max(4, int(rps * seconds)), min(16, max(1, rps))),
    "web-scan": lambda plan, seconds, rps: attack_web.prober(plan, "evil1", "www", f"0,{2 / rps:.4f}", 1, True),
    "beacon": lambda plan, seconds, rps: hidden.beacon(plan, "bot", "lair", "https", 1 / rps, 0.1),
    "dns-tunnel": lambda plan, seconds, rps: hidden.smuggle(plan, "tunnel", "bot", "lair", "dns", 60, 200, 0, 2 / rps),
    "dns-exfiltration": lambda plan, seconds, rps: hidden.smuggle(plan, "exfiltration", "bot", "lair", "dns", 110, 6, 0, 2 / rps),
    "amplification": lambda plan, seconds, rps: spreading.answers(plan, "evil1", "www", "dns", rps, 60, "45.83.0.0/16"),
    "worm": lambda plan, seconds, rps: spreading.worm(plan, "bot", "198.51.100.0/24", "445,80", rps, min(64, max(4, int(rps)))),
}
USUAL_RPS = {"slow-http": 20, "ssh-bruteforce": 4, "ftp-bruteforce": 4, "beacon": 0.5, "dns-tunnel": 10, "dns-exfiltration": 10, "web-scan": 20, "worm": 30}


@dataclass
class Seen:
    """One alert as the adapters report it: category, when it was raised (epoch seconds), both addresses."""

    category: str
    raised: float
    src: str
    dst: str
    first: float


def plan_for(kind, seconds, rps, seed, beside):
    """The town, calm for a while, then the attack; `beside` keeps people at work meanwhile."""
    if kind not in KINDS:
        raise ValueError(f"no attack `{kind}`; give one of {', '.join(sorted(KINDS))}")
    whole = CALM_S + seconds + AFTER_S
    services = {**SERVICES, "www": ["nginx", "shop"], "lair": ["lair"]}
    plan = town(f"attack {kind}", seed, whole + 12, Tap("pcap.zst", 160), services, {"header_timeout_s": 30, "pam": False, "tries": 3, **SMALL_SITE})
    plan.host("www").sysctl = {"net.ipv4.tcp_synack_retries": "1"}
    plan.add(CALM_S, seconds + 2, KINDS[kind](plan, seconds, rps))
    if beside:
        calm(plan, random.Random(f"{kind}/{seed}"), whole)
    return plan


class Replayed:
    """The finished capture through `taphound replay`."""

    def __init__(self, program, arguments=()):
        self.program, self.arguments = program, list(arguments)

    def start(self, run):
        """Nothing runs beside the attack."""

    def stop(self):
        """Nothing to end."""

    def alerts(self, folder):
        """Alerts, and the summary of the replay."""
        command = [self.program, "replay", check.capture_of(folder), "--json", "--summary", "json", *self.arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        return [seen(one) for one in lines if one.get("type") == "alert" and not one.get("revised")], lines[-1]


class Live:
    """`taphound run` on the tap while the attack goes on; its alerts are read from the EVE file it writes."""

    def __init__(self, program, arguments=()):
        self.program, self.arguments = program, list(arguments)
        self.found, self.status, self.over = {}, {}, threading.Event()

    def start(self, run):
        """Starts the sensor on the bridge of the site and waits until it answers."""
        self.run, folder = run, f"{run.run_dir}/sensor"
        os.makedirs(folder)
        self.events, self.socket, self.read = f"{folder}/eve.json", f"{folder}/control.sock", 0
        with open(f"{folder}/taphound.toml", "w") as file:
            file.write(f'[eve]\npath = "{self.events}"\n')
        command = [self.program, "run", "--config", f"{folder}/taphound.toml", "-i", "site", "--state-dir", folder, "--socket", self.socket, *self.arguments]
        self.sensor = run.programs.start(run.network.router, command, out="taphound.log")
        until = time.monotonic() + START_S
        while self._ask() is None:
            if self.sensor.poll() is not None or time.monotonic() > until:
                with open(f"{run.run_dir}/taphound.log") as file:
                    raise RuntimeError(f"`{' '.join(command)}` does not answer: {file.read().strip()[-400:] or 'it says nothing'}")
            time.sleep(0.1)
        self.reader = threading.Thread(target=self._poll, daemon=True)
        self.reader.start()

    def _ask(self):
        done = subprocess.run([self.program, "status", "--json", "--socket", self.socket], capture_output=True, text=True)
        try:
            return json.loads(done.stdout)
        except ValueError:
            return None

    def _poll(self):
        while not self.over.wait(POLL_S):
            self._look()

    def _look(self):
        """Notes when each alert could first be read."""
        if not os.path.exists(self.events):
            return
        now = time.time()
        with open(self.events) as file:
            file.seek(self.read)
            while (line := file.readline()).endswith("\n"):
                self.read = file.tell()
                event = json.loads(line)
                if event.get("event_type") == "alert":
                    self.found.setdefault(event["taphound"]["id"], (now, event))

    def stop(self):
        """Reads what is left and ends the sensor."""
        self.status = self._ask() or {}
        self.run.programs.stop(self.sensor, grace_s=10)
        self.over.set()
        self.reader.join(timeout=5)
        self._look()

    def alerts(self, folder):
        """Alerts as they could be seen from outside, and the sensor's status."""
        return [seen_live(one, at) for at, one in self.found.values() if not one["taphound"]["revised"]], self.status


def seen(one):
    """An alert of `taphound replay --json`: it counts from the packet that raised it."""
    return Seen(one["category"], (one.get("raised_us") or one["last_us"]) / 1e6, one.get("src_ip") or "", one.get("dst_ip") or "", one["first_us"] / 1e6)


def seen_live(event, at):
    """An alert of the EVE file: it counts from when it could be read."""
    first = datetime.datetime.fromisoformat(event["flow"]["start"]).timestamp()
    return Seen(event["taphound"]["category"], at, event.get("src_ip", ""), event.get("dest_ip", ""), first)


def duel(kind, seconds, rps, adapter, out, seed=1, beside=True, say=print):
    """Runs the attack and returns the report as an object."""
    plan = plan_for(kind, seconds, rps, seed, beside)
    run = Run(plan, out, say=say, beside=adapter)
    facts = run.go()
    rows = [row for row in check.read_rows(f"{out}/labels.csv") if row.cells["label"] == "attack"]
    own, flows = [], set()
    for packet in packets(check.capture_of(out)):
        if any(row.about(*packet[1:6]) and row.start <= packet.time <= row.end for row in rows):
            own.append(packet.time)
            flows.add((packet.protocol, *sorted(((packet.src, packet.src_port), (packet.dst, packet.dst_port)))))
    if not own:
        raise RuntimeError(f"the attack sent nothing: {facts['failures'] or 'see run.json'}")
    alerts, totals = adapter.alerts(out)
    ours = sorted((one for one in alerts if concerns(one, rows)), key=lambda one: one.raised)
    category = plan.activities[0].category
    named = [one for one in ours if one.category == category]
    return {
        "kind": kind, "category": category, "tool": plan.activities[0].tool, "seconds": seconds, "rps": rps, "commands": next(
            act["commands"] for act in run.journal.entries if act["category"] != "benign"),
        "attack_packets": len(own), "attack_conversations": len(flows), "packets_per_second": round(len(own) / max(max(own) - min(own), 1e-3), 1),
        "detected": bool(ours), "detected_as": sorted({one.category for one in ours}),
        "seconds_to_first_alert": round(ours[0].raised - min(own), 3) if ours else None,
        "seconds_to_fitting_alert": round(named[0].raised - min(own), 3) if named else None,
        "alerts": len(ours), "false_alerts": len(alerts) - len(ours), "dropped_by_tap": facts["capture"]["dropped"],
        "sensor_lost": losses(totals), "sensor": totals,
        "activities_failed": facts["failures"], "folder": out,
    }


def losses(totals, path=""):
    """What a summary or status says was dropped or shed, by the path of its counter; only what is not zero."""
    found = {}
    for name, value in totals.items():
        if isinstance(value, dict):
            found |= losses(value, f"{path}{name}.")
        elif isinstance(value, (int, float)) and not isinstance(value, bool) and value and any(word in name for word in ("drop", "shed", "lost")):
            found[path + name] = value
    return found


def concerns(one, rows):
    """Whether an alert lies in a row's time and names an address of it; an alert about many sources names the target alone."""
    for row in rows:
        if not row.start - 1 <= one.first <= row.end:
            continue
        nets = [ipaddress.ip_network(row.cells[name]) if row.cells[name] else None for name in ("src", "dst")]
        ends = [ipaddress.ip_address(address) if address else None for address in (one.src, one.dst)]
        inside = lambda address, net: address is None or net is None or address in net
        if any(a is not None for a in ends) and (all(map(inside, ends, nets)) or all(map(inside, ends[::-1], nets))):
            return True
    return False
