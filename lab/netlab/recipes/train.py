"""Training runs: a schedule, a network and a site drawn anew from each seed, for breadth rather than for realism of one place."""

import ipaddress
import random

from ..activities import attack_flood as flood
from ..activities import attack_guess as guessing
from ..activities import attack_scan as scanning
from ..activities import benign_small as small
from ..activities import menu
from ..capture import Tap
from ..content import log_uniform
from ..plan import Plan
from ..topology import Host, Path

CLEAR_S = 6.0  # between two attacks of one attacker, so that stragglers of the first fall into no other row


def some_path(rng, odds=0.75):
    """A path from next door (0.2 ms) to the other side of the world (150 ms round trip), or none."""
    if rng.random() > odds:
        return None
    delay = log_uniform(rng, 0.05, 75)
    return Path(round(delay, 3), round(delay * rng.choice([0, 0.02, 0.1, 0.3]), 3), rng.choice([0, 0, 0, 0.001, 0.005, 0.02]),
                rng.choice([0, 0, 100, 40, 10, 4]), rng.choice([0, 0, 0, 0.002, 0.01]))


def draw_network(rng, seed):
    """Segments, hosts and services; no activities yet."""
    site = ipaddress.ip_network(rng.choice([f"10.{rng.randint(0, 250)}.{rng.randint(0, 250)}.0/24", f"192.168.{rng.randint(0, 250)}.0/24",
                                            f"172.{rng.randint(16, 31)}.{rng.randint(0, 250)}.0/24"]))
    near, wide = ipaddress.ip_network(f"100.{rng.randint(64, 127)}.{rng.randint(0, 250)}.0/24"), ipaddress.ip_network(f"198.18.{rng.randint(0, 250)}.0/24")
    numbers = {segment: rng.sample(range(10, 190), 20) for segment in ("site", "out0", "out1")}
    networks = {"site": site, "out0": near, "out1": wide}

    def host(name, segment, odds=0.7, **more):
        address = networks[segment][numbers[segment].pop()]
        mtu = rng.choice([1500, 1500, 1500, 1492, 1400, 1280])
        sysctl = {"net.ipv4.tcp_synack_retries": rng.choice(["1", "2", "3", "5"]), "net.ipv4.icmp_ratelimit": rng.choice(["0", "100", "1000", "1000"]),
                  "net.ipv4.tcp_timestamps": rng.choice(["0", "1", "1"])}
        return Host(name, segment, str(address), path=some_path(rng, odds), mtu=mtu, sysctl=sysctl, **more)
    offload = rng.random() < 0.25
    hosts = [host("www", "site", 0.3, offload=offload), host("shell", "site", 0.3, offload=offload), host("infra", "site", 0.3),
             host("quiet", "site", 0, silent=True), *(host(f"desk{n}", "site", 0.4) for n in (1, 2, 3)),
             *(host(f"user{n}", rng.choice(["out0", "out1"]), 0.85) for n in (1, 2, 3, 4, 5)), host("far", "out0", 0.9), host("peer", "out1", 0.8),
             host("evil1", "out1", 0.2), host("evil2", "out0", 0.8), host("evil3", "out1", 0.8), host("evil4", "out0", 0.5), host("insider", "site", 0.2)]
    for one in hosts:
        one.offload = one.offload and not one.path
    settings = {
        "domain": "lab.example", "pages": rng.randint(8, 30), "big_bytes": (100_000, rng.choice([1_000_000, 4_000_000, 12_000_000])),
        "keepalive_s": rng.choice([5, 15, 65, 75]), "keepalive_requests": rng.choice([10, 100, 1000]), "gzip": rng.random() < 0.5,
        "header_timeout_s": rng.choice([10, 20, 60]), "connections": rng.choice([256, 768, 2048]), "key": rng.choice(["rsa:2048", "rsa:3072", "ec"]),
        "host_key": rng.choice(["ed25519", "rsa", "ecdsa"]), "pam": rng.random() < 0.5, "tries": rng.choice([2, 3, 6]),
        "delay_s": rng.choice([0, 1, 2]), "startups": rng.choice(["10:30:100", "30:30:100", "100"]), "grace_s": rng.choice([20, 60, 120])}
    services = {"www": ["nginx"], "shell": ["sshd", "vsftpd", "iperf3"],
                "infra": ["dnsmasq", "chrony", "redis", "mosquitto", "mail", "talk", "snmpd", "tracker", "sipp"],
                "far": ["nginx", "sshd", "vsftpd", "talk", "chrony"], "peer": ["talk"]}
    dark = [str(site[number]) for number in range(200, 230)]
    segments = {name: str(network) for name, network in networks.items()}
    return Plan("train", seed, segments, hosts, [(name, service, settings) for name, names in services.items() for service in names], [],
                0, dark=dark, offload_at_tap=offload, attackers=["evil1", "evil2", "evil3", "evil4", "insider"])


def add_benign(rng, plan, servers, until_s):
    """Fills the time with draws from the menu, and a few that every run has."""
    clients = ["desk1", "desk2", "desk3", "user1", "user2", "user3", "user4", "user5"]
    busy = 0.0
    while busy < until_s * 18:  # about eighteen activities at any time
        activity = menu.draw(rng, plan, clients, servers)
        if activity is None:
            continue
        start = rng.uniform(0, until_s - 15)
        seconds = min(log_uniform(rng, 12, 240), until_s - start)
        plan.add(start, seconds, activity)
        busy += seconds
    for name in ("user1", "user2", "user3"):
        plan.add(rng.uniform(0, 5), until_s - 8, small.lookups(rng, plan, name, "infra", log_uniform(rng, 0.3, 2)))
    plan.add(rng.uniform(0, 20), until_s * 0.7, small.deaf_lookups(rng, plan, "user4", "quiet"))
    plan.add(rng.uniform(0, 20), until_s * 0.7, small.telling(rng, plan, "user5", rng.choice(["infra", "quiet"])))
    plan.add(rng.uniform(0, 20), until_s * 0.8, small.gossip(rng, plan, "desk1", ["far", "peer"]))
    plan.add(rng.uniform(0, until_s * 0.5), until_s * 0.4, small.share(rng, plan, rng.choice(["user1", "far"]), "desk2", "infra"))
    plan.add(0, until_s - 2, menu.shell.idle_shell(rng, plan, "user2", "shell"))


def add_attacks(rng, plan, servers, until_s):
    """Each attacker does one thing after another; every family comes at least once a run."""
    site_targets, inside = ["www", "shell", "infra", "quiet"], plan.segments["site"]
    free_at = {name: rng.uniform(5, 30) for name in plan.attackers}

    def put(attacker, make):
        seconds, activity = make(attacker)
        if free_at[attacker] + seconds > until_s - 3:
            return
        plan.add(free_at[attacker], seconds, activity)
        free_at[attacker] += seconds + min(activity.linger_s, 5.0) + CLEAR_S + rng.uniform(0, 8)

    def scan(attacker):
        if attacker == "insider":
            return scanning.draw(rng, plan, attacker, ["far", "peer"], plan.segments["out0"])
        return scanning.draw(rng, plan, attacker, site_targets, inside)

    def volume(attacker):
        victim = "far" if attacker == "insider" else rng.choice(["www", "shell", "infra"])
        port = {"www": rng.choice([80, 443]), "far": 80, "shell": 22, "infra": rng.choice([53, 1883, 6379])}[victim]
        return 26, flood.draw_volume(rng, plan, attacker, victim, port, rng.choice([800, 1500, 3000]))

    def http(attacker):
        return flood.draw_http(rng, plan, attacker, "far" if attacker == "insider" else "www")

    def slow(attacker):
        seconds = rng.choice([20, 35, 60])
        return seconds + 4, flood.draw_slow(rng, plan, attacker, "far" if attacker == "insider" else "www", seconds)

    def guess(attacker):
        across = {service: [name for name in names if (name == "far") == (attacker == "insider")] for service, names in servers.items()}
        return guessing.draw(rng, plan, attacker, {"ssh": across["sshd"], "ftp": across["vsftpd"], "http": across["nginx"]})

    habits = {"evil1": [volume, volume, http], "evil2": [scan, scan, scan, guess], "evil3": [slow, http, http, scan],
              "evil4": [guess], "insider": [scan, scan, guess, http, volume]}
    put("evil1", volume)
    put("evil2", guess)
    put("evil3", slow)
    put("evil4", guess)
    put("insider", rng.choice([scan, guess]))
    put("evil2", scan)
    put("evil3", http)
    for _ in range(36):
        attacker = min(free_at, key=free_at.get)
        put(attacker, rng.choice(habits[attacker]))
        free_at[attacker] += 5  # also when the draw found no room


def plan(seed):
    """A random four to seven minutes of everything: for training, not committed."""
    rng = random.Random(f"train/{seed}")
    drawn = draw_network(rng, seed)
    until_s = rng.uniform(240, 420)
    drawn.duration_s = until_s + 12
    servers = {}
    for host, service, _ in drawn.services:
        servers.setdefault(service, []).append(host)
    add_benign(rng, drawn, servers, until_s)
    add_attacks(rng, drawn, servers, until_s)
    # A tap may wake when connections are under way, and may see one direction of some hosts only.
    late = rng.choice([0, 0, rng.uniform(8, 20)])
    blind = rng.sample(["user1", "user3", "user5", "desk3", "evil2", "evil3"], rng.choice([0, 0, 1, 2]))
    side = rng.choice(["src", "dst"])
    clauses = " and ".join(f"not {side} host {drawn.ip(name)}" for name in blind)
    drawn.tap = Tap("pcap.zst", rng.choice([128, 160]), clauses, late)
    drawn.notes = {"blind": blind, "blind_side": side if blind else "", "late_s": late}
    return drawn
