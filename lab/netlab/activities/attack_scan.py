"""Port scans and sweeps: nmap's ways, masscan, hping3, and scanners of our own that no list knows."""

import ipaddress

from ..plan import Activity
from ..truth import Match
from . import between

ODD_SCANNER = """
import random, socket, sys, time
targets, ports, low, high, seed = sys.argv[1].split(","), sys.argv[2].split(","), float(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
rng = random.Random(seed)
pairs = [(t, int(p)) for t in targets for p in ports]
rng.shuffle(pairs)
for target, port in pairs:
    end = socket.socket()
    end.settimeout(rng.choice([0.3, 0.8, 1.5]))
    try:
        end.connect((target, port))
        if rng.random() < 0.5:
            end.recv(64)
    except OSError:
        pass
    end.close()
    time.sleep(rng.uniform(low, high))
"""


def scan(plan, name, tool, attacker, targets, body, protocol=""):
    """A scan of some hosts: everything between the attacker and them is its own."""
    return Activity(f"{name} {attacker}->{'+'.join(targets)}", tool, "scan", attacker,
                    [between(plan, attacker, target, "", protocol) for target in targets], body, linger_s=3.0)


def whole(plan, attacker, network):
    """The matches of a sweep: the network, and the site's router, which says of each missing host that it is missing."""
    rows = [Match(src=plan.ip(attacker), dst=network)]
    if plan.host(attacker).segment == "site":  # else what the router says does not pass the tap
        router = next(ipaddress.ip_network(plan.segments["site"]).hosts())
        rows.append(Match(src=plan.ip(attacker), dst=str(router), protocol="icmp"))
    return rows


def nmap(plan, attacker, targets, kind, *flags):
    """nmap with the given scan type (`-sS`, ...) and flags; `--` discovery is skipped as targets are known."""
    def body(stage):
        stage.run("nmap", "-n", "-Pn", kind, *flags, *[stage.ip(target) for target in targets])
    return scan(plan, f"nmap {kind} {' '.join(flags)}", "nmap", attacker, targets, body)


def nmap_sweep(plan, attacker, network):
    """Which hosts are there: ICMP and a few TCP probes over a whole network."""
    def body(stage):
        stage.run("nmap", "-n", "-sn", "-PE", "-PS22,80,443", "-T4", "--max-retries", "1", network)
    return Activity(f"nmap sweep {attacker}->{network}", "nmap", "scan", attacker, whole(plan, attacker, network), body, linger_s=3.0)


def one_port_sweep(plan, attacker, network, port, *flags):
    """One port over a whole network."""
    def body(stage):
        stage.run("nmap", "-n", "-Pn", "-sS", "-p", port, "--max-retries", "1", *flags, network)
    return Activity(f"nmap port {port} {attacker}->{network}", "nmap", "scan", attacker, whole(plan, attacker, network), body, linger_s=3.0)


def masscan(plan, attacker, target, ports, rate):
    """masscan with a stack of its own; the host's kernel answers its SYN-ACKs with RST, as masscan's users know."""
    def body(stage):
        stage.run("masscan", stage.ip(target), "-p", ports, "--rate", rate, "-e", "eth0", "--adapter-ip", stage.ip(attacker),
                  "--router-mac", stage.router_mac(), "--wait", "2", timeout_s=60)
    return scan(plan, f"masscan {ports} at {rate}/s", "masscan", attacker, [target], body)


def hping_scan(plan, attacker, target, ports, flag="-S"):
    """hping3's own scan mode."""
    def body(stage):
        stage.run("hping3", "-n", flag, "--scan", ports, stage.ip(target), timeout_s=40)
    return scan(plan, f"hping3 scan {flag} {ports}", "hping3", attacker, [target], body)


def odd_scan(rng, plan, attacker, targets, count, low, high):
    """A connect scan by a script: shuffled, unevenly paced, sometimes reading a banner."""
    ports = [22, 80, 443, 21, 53, 25] + rng.sample(range(1, 10000), max(1, count - 6))

    def body(stage):
        stage.run("python3", "-c", ODD_SCANNER, ",".join(stage.ip(target) for target in targets),
                  ",".join(map(str, ports[:count])), low, high, stage.rng.random())
    return scan(plan, f"script scan {count} ports", "script", attacker, targets, body)


def draw(rng, plan, attacker, targets, network):
    """A random scan and the seconds it may take."""
    target = rng.choice(targets)
    top = rng.choice(["20", "60", "100", "200", "400", "1000"])
    pace = rng.choice([["-T3"], ["-T4"], ["-T5"], ["-T4", "--max-rate", "120"], ["--scan-delay", "50ms"], ["-T4", "--max-retries", "1"]])
    slow = ["--scan-delay", rng.choice(["400ms", "900ms", "2s"]), "--max-retries", "0"]
    some = [target] if rng.random() < 0.7 else rng.sample(targets, min(len(targets), 3))
    return rng.choice([
        lambda: (30, nmap(plan, attacker, some, "-sS", "--top-ports", top, *pace)),
        lambda: (30, nmap(plan, attacker, some, "-sS", "--top-ports", top, *pace)),
        lambda: (30, nmap(plan, attacker, some, "-sT", "--top-ports", top, *pace)),
        lambda: (30, nmap(plan, attacker, some, "-sT", "--top-ports", top, *pace)),
        lambda: (40, nmap(plan, attacker, [target], "-sU", "--top-ports", rng.choice(["20", "50", "100"]), "-T4", "--max-retries", rng.choice(["0", "1"]))),
        lambda: (30, nmap(plan, attacker, [target], rng.choice(["-sF", "-sX", "-sN", "-sA"]), "--top-ports", rng.choice(["50", "100", "300"]), "-T4")),
        lambda: (50, nmap(plan, attacker, [target], "-sV", "-p", "21,22,25,53,80,143,443,1883,6379,8080", "-T4")),
        lambda: (90, nmap(plan, attacker, [target], rng.choice(["-sS", "-sT"]), "--top-ports", "60", *slow)),
        lambda: (20, nmap_sweep(plan, attacker, network)),
        lambda: (20, one_port_sweep(plan, attacker, network, rng.choice(["22", "80", "445", "3389", "23"]), "-T4")),
        lambda: (20, masscan(plan, attacker, target, rng.choice(["1-500", "1-1000", "20-25,80,443,1000-1400"]), rng.choice(["100", "300", "800"]))),
        lambda: (25, hping_scan(plan, attacker, target, rng.choice(["1-200", "20-600", "known"]), rng.choice(["-S", "-S", "-F"]))),
        lambda: (80, odd_scan(rng, plan, attacker, some, rng.choice([15, 60, 200]), *rng.choice([(0.01, 0.05), (0.1, 0.6), (0.5, 2.5)]))),
    ])()
