"""Training runs of the second kind: everything `train` draws, and nine categories of attacks, IPv6, VLAN tags, NAT, browsers, databases, VPNs, calls.

`world` draws attacks from the tools that models learn from; `foreign` draws them, and much of what is benign, from tools that no
training row has, so that a model can be asked about tools it never met.
"""

import ipaddress
import random

from ..activities import attack_flood as flood
from ..activities import attack_guess as guessing
from ..activities import attack_held as held
from ..activities import attack_hidden as hidden
from ..activities import attack_scan as scanning
from ..activities import attack_spread as spreading
from ..activities import attack_web
from ..activities import benign_more as more
from ..activities import benign_shell as shell
from ..activities import benign_small as small
from ..activities import benign_web as web
from ..activities import menu
from ..capture import Tap
from ..content import log_uniform
from ..plan import Six
from ..topology import Host
from .train import CLEAR_S, draw_network, some_path

BOTS, NATTED = ["bot1", "bot2", "bot3", "bot4"], ["user3", "user4", "user5"]
CLIENTS = ["desk1", "desk2", "desk3", "user1", "user2", "user3", "user4", "user5"]
SITE_TARGETS, BUSY = ["www", "shell", "infra", "quiet"], 13
BROWSERS_MAX = 2  # at once a run would rather measure the machine than the network
# What speaks IPv6 as well: (weight, service, activity)
SIX_MENU = [(4, "nginx", web.browse), (3, "nginx", web.curl_pages), (3, "nginx", web.poll), (1, "nginx", web.download), (1, "nginx", web.upload),
            (2, "nginx", web.health), (3, "nginx", more.balancer), (1, "nginx", more.chromium), (2, "sshd", shell.typing), (2, "sshd", shell.commands),
            (1, "sshd", shell.copies), (2, "vsftpd", shell.ftp), (3, "dnsmasq", small.lookups), (1, "redis", small.cache), (1, "chrony", small.clock),
            (2, "postgres", more.database), *((2, "shapes", more.shape(kind)) for kind in ("vpn", "quic", "video", "chat", "rpc", "watch"))]


def widen(rng, plan):
    """Adds infected hosts and the hosts behind them, IPv6, NAT, VLAN tags and the services that `train` lacks."""
    site, wide = ipaddress.ip_network(plan.segments["site"]), ipaddress.ip_network(plan.segments["out1"])
    near = ipaddress.ip_network(plan.segments["out0"])
    for number, name in enumerate(BOTS):
        plan.hosts.append(Host(name, "site", str(site[231 + number]), path=some_path(rng, 0.3)))
    for number, name in enumerate(("lair", "burrow", "den")):
        plan.hosts.append(Host(name, "out1", str(wide[231 + number]), path=some_path(rng, 0.7)))
    plan.hosts.append(Host("prey", "out0", str(near[235]), path=some_path(rng, 0.5)))
    for number, host in enumerate(plan.hosts):
        host.ip6 = f"fd00:{list(plan.segments).index(host.segment)}::{number + 16:x}"
    if rng.random() < 0.5:
        for name in NATTED:
            host = plan.host(name)
            host.nat = str(ipaddress.ip_network(plan.segments[host.segment])[240])
    settings = plan.services[0][2]
    added = {"www": ["shop"], "shell": ["nuttcp"], "infra": ["postgres", "memcached", "shapes"], "far": ["shapes", "nuttcp"], "peer": ["shapes"],
             "lair": ["lair", "nginx", "sshd", "vsftpd"], "burrow": ["iodined", "nginx", "sshd"], "den": ["nginx", "sshd"]}
    light = {**settings, "pages": 4, "big_bytes": (50_000, 300_000)}
    plan.services += [(host, name, light if host in ("lair", "burrow", "den") else settings) for host, names in added.items() for name in names]
    plan.attackers = [*plan.attackers, *BOTS]


def draw_tap(rng, plan):
    """The tap: cut, late, blind in one direction for some hosts, behind VLAN tags."""
    vlans = ()
    if rng.random() < 0.4:
        ids = rng.sample(range(2, 4000), 3)
        several = rng.random() < 0.5
        vlans = tuple((address, ids[number % 3] if several else ids[0]) for number, host in enumerate(plan.hosts) if host.segment == "site"
                      for address in (host.ip, host.ip6))
    late = rng.choice([0, 0, rng.uniform(8, 20)])
    blind = rng.sample(["user1", "desk3", "evil2", "evil3"], rng.choice([0, 0, 1, 2]))
    side = rng.choice(["src", "dst"])
    clauses = " and ".join(f"not {side} host {plan.ip(name)}" for name in blind)
    plan.tap = Tap("pcap.zst", rng.choice([128, 160]), clauses, late, vlans=vlans)
    plan.notes = {"blind": blind, "blind_side": side if blind else "", "late_s": late, "natted": [host.name for host in plan.hosts if host.nat]}


def add_benign(rng, plan, servers, until_s, strange):
    """Fills the time from the menus; `strange` adds much of what no training row has."""
    busy, browsers = 0.0, 0
    six = Six(plan)
    while busy < until_s * BUSY:
        over_six = rng.random() < 0.22
        table = SIX_MENU if over_six else [*menu.MENU, *more.MORE, *([(4 * weight, *rest) for weight, *rest in more.HELD_OUT] if strange else [])]
        _, service, make = rng.choices(table, weights=[entry[0] for entry in table])[0]
        if service not in servers or (make is more.chromium and browsers == BROWSERS_MAX):
            continue
        server = rng.choice(servers[service])
        across = [name for name in CLIENTS if (plan.host(name).segment == "site") != (plan.host(server).segment == "site")]
        if not across:
            continue
        browsers += make is more.chromium
        client = rng.choice(across)
        activity = six.draw(make, rng, plan, client, server) if over_six else make(rng, plan, client, server)
        start = rng.uniform(0, until_s - 15)
        seconds = min(log_uniform(rng, 12, 200), until_s - start)
        plan.add(start, seconds, activity)
        busy += seconds
    for name in ("user1", "user2"):
        plan.add(rng.uniform(0, 5), until_s - 8, small.lookups(rng, plan, name, "infra", log_uniform(rng, 0.3, 2)))
    plan.add(rng.uniform(0, 20), until_s * 0.7, small.deaf_lookups(rng, plan, "user4", "quiet"))
    plan.add(rng.uniform(0, 20), until_s * 0.7, small.telling(rng, plan, "user5", rng.choice(["infra", "quiet"])))
    plan.add(rng.uniform(0, 20), until_s * 0.8, small.gossip(rng, plan, "desk1", ["far", "peer"]))
    plan.add(rng.uniform(0, until_s * 0.5), until_s * 0.4, small.share(rng, plan, rng.choice(["user1", "far"]), "desk2", "infra"))
    plan.add(rng.uniform(5, 20), until_s - 30, more.inventory(rng, plan, "user2", rng.sample(["www", "shell", "infra", "quiet"], 3)))
    plan.add(rng.uniform(5, 20), until_s - 30, more.inventory(rng, plan, "desk3", ["far", "peer"]))


def attacks(rng, plan, servers, quiet_s):
    """The families of attacks: name -> function of an attacker that gives seconds and an activity."""
    places = {"lair": "lair", "burrow": "burrow"}
    inside, outside = plan.segments["site"], [plan.segments["out0"], plan.segments["out1"]]
    across = {service: [name for name in names if plan.host(name).segment == "site"] for service, names in servers.items()}
    away = {service: [name for name in names if name == "far"] for service, names in servers.items()}

    def scan(attacker):
        own = attacker == "insider"
        if rng.random() < 0.12:
            target = "far" if own else rng.choice(["www", "shell", "infra"])
            return 30, Six(plan).draw(scanning.nmap, plan, attacker, [target], rng.choice(["-sS", "-sT"]), "-6", "--top-ports", rng.choice(["60", "200"]), "-T4")
        return scanning.draw(rng, plan, attacker, ["far", "peer"] if own else SITE_TARGETS, outside[0] if own else inside)

    def volume(attacker):
        victim = "far" if attacker == "insider" else rng.choice(["www", "shell", "infra"])
        port = {"www": rng.choice([80, 443]), "far": 80, "shell": 22, "infra": rng.choice([53, 1883, 6379])}[victim]
        return 26, flood.draw_volume(rng, plan, attacker, victim, port, rng.choice([600, 1200, 2000]))

    def http(attacker):
        victim = "far" if attacker == "insider" else "www"
        if rng.random() < 0.15:
            return 14, Six(plan).draw(flood.odd_http, plan, attacker, victim, 80, 10, rng.choice([4, 15]), rng.choice([1, 5]), rng.choice([0.05, 0.3]))
        return flood.draw_http(rng, plan, attacker, victim)

    def slow(attacker):
        seconds = rng.choice([20, 35])
        return seconds + 4, flood.draw_slow(rng, plan, attacker, "far" if attacker == "insider" else "www", seconds)

    def guess(attacker):
        table = away if attacker == "insider" else across
        return guessing.draw(rng, plan, attacker, {"ssh": table["sshd"], "ftp": table["vsftpd"], "http": table["nginx"]})

    def shop(attacker):
        if rng.random() < 0.15:
            return 30, Six(plan).draw(attack_web.prober, plan, attacker, "www", rng.choice(["0,0.2", "0.2,1.5"]), rng.choice([1, 4]), rng.random() < 0.5)
        return attack_web.draw(rng, plan, attacker, "www")

    def amplify(attacker):
        return spreading.draw_amplification(rng, plan, attacker, ["www", "shell", "infra", "desk1", "desk2"], "prey", {"dns": ["infra"], "snmp": ["infra"]})

    def spread(attacker):
        if attacker in BOTS:
            return spreading.draw_spread(rng, plan, attacker, rng.choice(outside), "lair")
        return spreading.draw_spread(rng, plan, attacker, inside, None)

    def hide(attacker):
        return hidden.draw(rng, plan, attacker, places, rng.choice(quiet_s))

    def call(attacker):
        beacon = hidden.beacon(plan, attacker, "lair", rng.choice(["http", "https", "https", "tcp", "dns"]), log_uniform(rng, 0.4, 8),
                               rng.choice([0, 0.05, 0.2, 0.5]), rng.random() < 0.2, int(log_uniform(rng, 8, 600)), rng.choice([0, 0.03, 0.1]))
        return rng.choice(quiet_s), beacon
    return {"evil1": [volume, amplify, http, amplify], "evil2": [scan, scan, shop, guess, spread], "evil3": [slow, shop, http, shop],
            "evil4": [guess, guess, shop, scan], "insider": [scan, guess, http, volume], "bot1": [hide], "bot2": [hide, hide, spread], "bot3": [hide, spread], "bot4": [call, call, hide]}


def strange_attacks(rng, plan, quiet_s):
    """The same families by tools that no training row has."""
    places = {"lair": "lair", "burrow": "burrow", "den": "den"}
    inside, outside = plan.segments["site"], plan.segments["out1"]

    def dos(attacker):
        victim, port = rng.choice([("www", 80), ("www", 443), ("shell", 22), ("infra", 6379)])
        return held.draw_dos(rng, plan, attacker, victim, port)

    def amplify(attacker):
        return spreading.draw_amplification_held_out(rng, plan, attacker, ["www", "shell", "desk1"], "prey", {"memcached": ["infra"]})

    def spread(attacker):
        return spreading.draw_spread_held_out(rng, plan, attacker, outside)
    scan = lambda attacker: held.draw_scan(rng, plan, attacker, SITE_TARGETS, inside)
    guess = lambda attacker: held.draw_guess(rng, plan, attacker, "shell")
    shop = lambda attacker: attack_web.draw_held_out(rng, plan, attacker, "www")
    hide = lambda attacker: hidden.draw_held_out(rng, plan, attacker, places, rng.choice(quiet_s))
    return {"evil1": [dos, amplify], "evil2": [scan, shop], "evil3": [dos, shop], "evil4": [guess, guess, scan], "bot1": [hide], "bot2": [hide], "bot3": [hide, spread], "bot4": [hide]}


def add_attacks(rng, plan, habits, until_s):
    """Each attacker does one thing after another, its habits in turn and then at random."""
    for attacker, makes in habits.items():
        at, turn = rng.uniform(4, 20), 0
        order = rng.sample(makes, len(makes))
        while at < until_s - 20:
            seconds, activity = (order[turn] if turn < len(order) else rng.choice(makes))(attacker)
            turn += 1
            linger_s = min(activity.linger_s, 5.0)
            if at + seconds > until_s - 3:
                at += 4
                continue
            plan.add(at, seconds, activity)
            at += seconds + linger_s + CLEAR_S + rng.uniform(0, 10)


def draw(recipe, seed, strange):
    """One run of two to three minutes."""
    rng = random.Random(f"{recipe}/{seed}")
    plan = draw_network(rng, seed)
    plan.recipe = recipe
    until_s = rng.uniform(130, 165)
    plan.duration_s = until_s + 12
    widen(rng, plan)
    servers = {}
    for host, service, _ in plan.services:
        if host not in ("lair", "burrow", "den"):
            servers.setdefault(service, []).append(host)
    add_benign(rng, plan, servers, until_s, strange)
    quiet_s = [25, 40, 60]
    add_attacks(rng, plan, strange_attacks(rng, plan, quiet_s) if strange else attacks(rng, plan, servers, quiet_s), until_s)
    draw_tap(rng, plan)
    return plan


def world(seed):
    """A random two to three minutes of everything, nine categories of attacks among it: for training, not committed."""
    return draw("world", seed, False)


def foreign(seed):
    """The same by tools that no training row has: for judging only."""
    return draw("foreign", seed, True)
