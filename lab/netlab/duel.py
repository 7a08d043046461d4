"""One attack against the sensor, and what came of it: time to detect, what was missed, what was dropped.

`KINDS` maps a name to `(plan, seconds, rps) -> Activity`. The sensor's side is an adapter with `start(run)`, `stop()` and
`alerts(folder)`: `Replayed` gives the finished capture to `taphound replay`, `Live` runs `taphound run` on the tap meanwhile.
"""

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
POLL_S = 0.25
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
    """`taphound run` on the tap while the attack goes on, asked over its control socket."""

    def __init__(self, program, arguments=()):
        self.program, self.arguments = program, list(arguments)
        self.found, self.status, self.asking = {}, {}, threading.Event()

    def start(self, run):
        """Starts the sensor on the bridge of the site and waits until it answers."""
        self.run, self.folder = run, f"{run.run_dir}/sensor"
        os.makedirs(self.folder)
        command = [self.program, "run", "-i", "site", "--state-dir", self.folder, *self.arguments]
        self.sensor = run.programs.start(run.network.router, command, out="taphound.log")
        for _ in range(100):
            if self._ask("status", first=True):
                break
            if self.sensor.poll() is not None:
                break
            time.sleep(0.1)
        else:
            raise RuntimeError("the sensor does not answer on its control socket after 10 s")
        if self.sensor.poll() is not None:
            with open(f"{run.run_dir}/taphound.log") as file:
                raise RuntimeError(f"`{' '.join(command)}` ended: {file.read().strip()[-400:]}")
        self.poller = threading.Thread(target=self._poll, daemon=True)
        self.poller.start()

    def socket(self):
        """The control socket below the state folder."""
        return next((f"{root}/{name}" for root, _, names in os.walk(self.folder) for name in names if name.endswith(".sock")), f"{self.folder}/control.sock")

    def _ask(self, what, first=False):
        done = subprocess.run([self.program, what, "--json", "--socket", self.socket()], capture_output=True, text=True)
        if done.returncode > 2:
            if first:
                return None
            raise RuntimeError(f"`taphound {what} --json` failed: {done.stderr.strip()}")
        text = done.stdout.strip()
        try:
            whole = json.loads(text)
            return whole if isinstance(whole, list) else [whole]
        except ValueError:
            return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def _poll(self):
        while not self.asking.wait(POLL_S):
            for one in flat(self._ask("alerts", first=True) or []):
                self.found.setdefault(one["id"], (time.time(), one))

    def stop(self):
        """Reads what is left and ends the sensor."""
        self.asking.set()
        self.poller.join(timeout=5)
        for one in flat(self._ask("alerts") or []):
            self.found.setdefault(one["id"], (time.time(), one))
        self.status = (self._ask("status") or [{}])[0]
        self.run.programs.stop(self.sensor)

    def alerts(self, folder):
        """Alerts as they could be seen from outside, and the sensor's status."""
        return [seen(one, at) for at, one in self.found.values() if not one.get("revised")], self.status


def flat(objects):
    """Alerts of an answer, whether it is a list or an object that holds one."""
    for one in objects:
        if "alerts" in one:
            yield from one["alerts"]
        elif "category" in one:
            yield one


def seen(one, at=None):
    """An alert of the sensor's JSON. Live, it counts from when it could be read; replayed, from the packet that raised it."""
    raised = at or (one.get("raised_us") or one["last_us"]) / 1e6
    return Seen(one["category"], raised, one.get("src_ip") or "", one.get("dst_ip") or "", one["first_us"] / 1e6)


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
        "sensor": {key: totals[key] for key in ("packets", "flows", "alerts", "incidents", "accounting", "level", "dropped") if key in totals},
        "activities_failed": facts["failures"], "folder": out,
    }


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
