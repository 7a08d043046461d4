"""Carries a `Plan` out: builds the network, starts the servers, runs each activity in its time, keeps the truth."""

import hashlib
import json
import os
import pathlib
import platform
import random
import shlex
import shutil
import sys
import tempfile
import threading
import time

from .capture import Capture
from .programs import Programs, ask
from .servers import CLIENTS, Servers, etc_files
from .topology import Network
from .truth import Journal

SETTLE_S = 1.5
PACKAGES = ["nginx-light", "openssh-server", "vsftpd", "dnsmasq-base", "iperf3", "redis-server", "mosquitto", "chrony", "snmpd", "curl",
            "wget", "nmap", "masscan", "hping3", "apache2-utils", "wrk", "siege", "slowhttptest", "hydra", "medusa", "ncrack",
            "patator", "nghttp2-client", "sip-tester", "aria2", "tcpdump", "iproute2"]


class Stage:
    """What an activity's body works with. Every wait and every program ends with the activity's time."""

    def __init__(self, run, activity, entry):
        self.activity, self._run, self._entry = activity, run, entry
        self.rng = random.Random(f"{run.plan.seed}/{activity.name}/{activity.start_s}")
        self.until = time.monotonic() + activity.duration_s
        self.sites = run.servers.sites
        self.scratch = tempfile.mkdtemp(dir=run.run_dir)

    def ip(self, name):
        """A host's address; over IPv6, the name that leads there alone."""
        return f"{name}-6" if self.activity.six else self._run.plan.ip(name)

    @property
    def key(self):
        """The private key that opens the lab's accounts on every SSH server."""
        return f"{self._run.run_dir}/user_key"

    def router_mac(self):
        """The link address of the router on this activity's segment: for tools with a network stack of their own."""
        segment = self._run.plan.host(self.activity.host).segment
        return json.loads(ask("ip", "-n", self._run.network.router, "-j", "link", "show", segment))[0]["address"]

    def left(self):
        """Seconds until this activity's time is over; never negative."""
        return 0.0 if self._run.ending.is_set() else max(0.0, self.until - time.monotonic())

    def pause(self, low, high=None):
        """Sleeps between `low` and `high` seconds, less when the time is over; False when it is."""
        seconds = low if high is None else self.rng.uniform(low, high)
        self._run.ending.wait(min(seconds, self.left()))
        return self.left() > 0

    def start(self, *argv, on=None, **options):
        """Starts a program on this activity's host, or on another."""
        self._run.journal.note(self._entry, shlex.join(map(str, argv)))
        options.setdefault("out", f"{os.path.basename(self.scratch)}-{argv[0].split('/')[-1]}.out")
        return self._run.programs.start(self._run.network.netns(on or self.activity.host), argv, cwd=self.scratch, **options)

    def finish(self, program, timeout_s=None):
        """Waits for a started program no longer than the activity lasts."""
        code = self._run.programs.finish(program, min(timeout_s or self.left(), self.left()))
        exits = self._entry["exits"]
        exits[str(code)] = exits.get(str(code), 0) + 1
        return code

    def run(self, *argv, timeout_s=None, feed=None, **options):
        """Runs a program to its end (or this activity's) and returns its exit code; `feed` is its input."""
        if feed is None:
            return self.finish(self.start(*argv, **options), timeout_s)
        path = f"{self.scratch}/feed"
        with open(path, "w") as file:
            file.write(feed)
        with open(path) as file:
            return self.finish(self.start(*argv, stdin=file, **options), timeout_s)

    def script(self, name, *arguments, **options):
        """Runs one of the lab's own client scripts."""
        return self.run(sys.executable, f"{CLIENTS}/{name}", *arguments, **options)


class Run:
    """One run of one plan, into one folder."""

    def __init__(self, plan, out, say=print, beside=None):
        self.plan, self.out, self.say, self.beside = plan, out, say, beside
        self.ending = threading.Event()
        self.failures = []

    def go(self):
        """Runs the plan; the folder then holds the capture, the truth and `run.json`."""
        os.makedirs(self.out, exist_ok=True)
        self.run_dir = tempfile.mkdtemp(prefix="thlab-")
        os.chmod(self.run_dir, 0o755)
        plan = self.plan
        self.programs = Programs(self.run_dir)
        dns = next((plan.ip(host) for host, service, _ in plan.services if service == "dnsmasq"), None)
        self.network = Network(self.programs, self.run_dir, dns)
        self.journal = Journal(self.out)
        facts = {"recipe": plan.recipe, "seed": plan.seed, "duration_s": plan.duration_s, "domain": plan.domain,
                 "segments": plan.segments, "hosts": [vars(host) | {"path": host.path and vars(host.path)} for host in plan.hosts],
                 "services": [list(service) for service in plan.services], "dark": plan.dark, "tap": vars(plan.tap),
                 "offload_at_tap": plan.offload_at_tap, "notes": plan.notes, "kernel": platform.release(),
                 "clock": "CLOCK_REALTIME of one machine, for packets and truth alike", "tools": versions(), "lab_sha256": lab_digest()}
        try:
            etc = etc_files(self.run_dir)
            shells = {host: etc for host, service, _ in plan.services if service in ("sshd", "vsftpd")}
            self.network.build(plan.segments, plan.hosts, offload_at_tap=plan.offload_at_tap, dark=plan.dark, etc=shells, seed=plan.seed)
            self.servers = Servers(self.network, self.programs, self.run_dir, random.Random(f"{plan.seed}/content"))
            for host, service, settings in plan.services:
                self.servers.start(host, service, settings)
            time.sleep(SETTLE_S)
            facts["started"] = time.time()
            facts["capture"] = self._perform()
        finally:
            self.ending.set()
            self.programs.stop_all()
            self.network.close()
            self.journal.finish()
            forwarded = f"{self.run_dir}/forwarder.log"
            facts["paths"] = open(forwarded).read().strip() if os.path.exists(forwarded) else ""
            facts["failures"] = self.failures
            if os.environ.get("THLAB_KEEP"):
                self.say(f"kept {self.run_dir}")
            else:
                shutil.rmtree(self.run_dir, ignore_errors=True)
            self.journal.dump(facts)
        return facts

    def _perform(self):
        plan, begun = self.plan, time.monotonic()
        capture = Capture(self.network, self.programs, self.run_dir, plan.tap)
        workers, todo, capturing = [], sorted(plan.activities, key=lambda one: one.start_s), False
        while todo or not capturing:
            now = time.monotonic() - begun
            if not capturing and now >= plan.tap.start_s:
                capture.start()
                if self.beside:  # a sensor that watches the same tap; see duel.py
                    self.beside.start(self)
                    begun = time.monotonic() - plan.tap.start_s
                capturing = True
            if todo and now >= todo[0].start_s and (capturing or todo[0].start_s < plan.tap.start_s):
                worker = threading.Thread(target=self._act, args=(todo.pop(0),), daemon=True)
                worker.start()
                workers.append(worker)
                continue
            time.sleep(0.05)
        for worker in workers:
            worker.join(timeout=max(0.1, begun + plan.duration_s - time.monotonic()))
        while time.monotonic() < begun + plan.duration_s and any(worker.is_alive() for worker in workers):
            time.sleep(0.1)
        self.ending.set()
        for worker in workers:
            worker.join(timeout=10)
        if self.beside:
            self.beside.stop()
        counts = capture.stop()
        path = capture.store(self.out)
        self.say(f"{plan.recipe} seed {plan.seed}: {path} holds {counts['captured']} packets, {counts['dropped']} dropped by the tap")
        return {**counts, "command": shlex.join(capture.command), "file": os.path.basename(path), "bytes": os.path.getsize(path)}

    def _act(self, activity):
        entry = self.journal.begin(activity.name, activity.tool, activity.category, activity.matches, activity.spare)
        entry["host"], entry["planned_s"] = activity.host, [activity.start_s, activity.duration_s]
        try:
            activity.body(Stage(self, activity, entry))
        except Exception as error:  # one activity's failure must not lose the run; it is recorded and `check` shows it
            self.failures.append(f"{activity.name}: {type(error).__name__}: {error}")
        finally:
            self.journal.end(entry, activity.linger_s)


def versions():
    """The versions of the packages whose programs the lab uses."""
    table = ask("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES, check=False)
    return dict(line.split(" ", 1) for line in table.splitlines() if " " in line)


def lab_digest():
    """SHA-256 over the lab's own sources, so that a run says which lab drew its timetable."""
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(__file__).parent.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
