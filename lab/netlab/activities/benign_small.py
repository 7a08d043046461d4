"""Benign small talk: names, time, queues, caches, mail, calls, pings, logs, measurements, file sharing."""

import hashlib
import os

from ..content import log_uniform
from . import benign


def lookups(rng, plan, client, server, every=None):
    """DNS by dig: A, AAAA, TXT, MX, names that do not exist, over UDP and sometimes TCP."""
    every = every or log_uniform(rng, 0.1, 4)

    def body(stage):
        kinds, hosts = ["A", "A", "A", "AAAA", "AAAA", "TXT", "MX", "PTR", "ANY"], ["www", "desk1", "shell", "infra", "cdn"]
        while stage.left() > 0.3:
            name = stage.rng.choice([f"{stage.rng.choice(hosts)}.{plan.domain}", f"{stage.rng.choice(hosts)}.{plan.domain}",
                                     f"img{stage.rng.randint(1, 400)}.cdn.{plan.domain}", f"long.{plan.domain}",
                                     f"typo{stage.rng.randint(1, 99)}.{plan.domain}", f"host{stage.rng.randint(1, 99)}.example"])
            if stage.rng.random() < 0.5:
                names = [name, stage.rng.choice(kinds)]
            else:
                names = [name, "A", name, "AAAA"]
            flags = ["+tcp"] if stage.rng.random() < 0.04 else stage.rng.choice([[], [], ["+noedns"], ["+dnssec"]])
            stage.run("dig", f"@{stage.ip(server)}", "+tries=1", "+time=2", *flags, *names, timeout_s=5)
            if not stage.pause(every * 0.2, every * 2):
                break
    return benign(plan, "lookups", "dig", client, server, 53, body, "")


def deaf_lookups(rng, plan, client, server):
    """DNS questions to a resolver that is gone: asked again and again, never answered."""
    def body(stage):
        while stage.left() > 1:
            stage.run("dig", f"@{stage.ip(server)}", f"+tries={stage.rng.randint(1, 3)}", "+time=1", f"www.{plan.domain}", timeout_s=5)
            if not stage.pause(0.5, 12):
                break
    return benign(plan, "deaf lookups", "dig", client, server, 53, body, "")


def clock(rng, plan, client, server):
    """NTP."""
    def body(stage):
        while stage.left() > 1:
            stage.run("ntpdig", "-t", "1", stage.ip(server), timeout_s=4)
            if not stage.pause(1, 16):
                break
    return benign(plan, "clock", "ntpdig", client, server, 123, body, "udp")


def ping(rng, plan, client, server):
    """Echo requests, a few or for long; sometimes a traceroute by ICMP."""
    every, size = rng.choice(["0.2", "0.5", "1", "1", "5"]), rng.choice(["56", "56", "56", "1000", "1400"])

    def body(stage):
        if stage.rng.random() < 0.3:
            stage.run("traceroute", "-I", "-n", "-w", "1", "-q", "2", stage.ip(server), timeout_s=20)
        stage.run("ping", "-n", "-q", "-i", every, "-s", size, "-w", max(1, int(stage.left())), stage.ip(server))
    return benign(plan, "ping", "ping", client, server, "", body, "icmp")


def cache(rng, plan, client, server):
    """Redis: many small requests on one connection, or one connection a request."""
    kept, every = rng.random() < 0.5, log_uniform(rng, 0.02, 2)

    def body(stage):
        base = ["redis-cli", "-h", stage.ip(server)]
        if kept:
            stage.run(*base, "-r", int(stage.left() / every) + 1, "-i", f"{every:.3f}", "incr", "visits")
            return
        while stage.left() > 0.5:
            stage.run(*base, *stage.rng.choice([["set", f"k{stage.rng.randint(1, 50)}", "v" * stage.rng.randint(5, 4000)],
                                                ["get", f"k{stage.rng.randint(1, 50)}"], ["ping"], ["info"]]), timeout_s=4)
            if not stage.pause(every, every * 3):
                break
    return benign(plan, "cache", "redis-cli", client, server, 6379, body)


def sensors(rng, plan, client, server):
    """MQTT: a subscriber that stays, publishers that come and go or stay."""
    every = log_uniform(rng, 0.2, 5)

    def body(stage):
        where = ["-h", stage.ip(server)]
        listener = stage.start("mosquitto_sub", *where, "-t", "plant/#", "-k", stage.rng.choice(["10", "60"]))
        while stage.left() > 1:
            stage.run("mosquitto_pub", *where, "-t", f"plant/{stage.rng.randint(1, 9)}", "-q", stage.rng.choice(["0", "1"]),
                      "-m", f"{stage.rng.gauss(20, 3):.2f}", timeout_s=4)
            if not stage.pause(every * 0.5, every * 1.5):
                break
        stage.finish(listener, 0.1)
    return benign(plan, "sensors", "mosquitto", client, server, 1883, body)


def mail(rng, plan, client, server):
    """Letters out by swaks, the mailbox read by curl's IMAP."""
    def body(stage):
        where = stage.ip(server)
        while stage.left() > 2:
            if stage.rng.random() < 0.5:
                size = int(log_uniform(stage.rng, 200, 60_000))
                stage.run("swaks", "--server", where, "--to", "b@example", "--from", "a@example", "--timeout", "6",
                          "--body", "as discussed, " * (size // 14 + 1), timeout_s=12)
            else:
                for number in range(stage.rng.randint(1, 3)):
                    stage.run("curl", "-s", "-m", "8", "-u", "alice:x", f"imap://{where}/INBOX;MAILINDEX={number + 1}",
                              "-o", "/dev/null", timeout_s=10)
            if not stage.pause(0.5, 12):
                break
    return benign(plan, "mail", "swaks/curl", client, server, "", body)


def call(rng, plan, client, server):
    """Two-way UDP at an even pace: a call, a video call, a game."""
    size, pace = rng.choice([(160, 20), (172, 20), (60, 30), (900, 8), (1100, 12), (40, 100)])

    def body(stage):
        while stage.left() > 3:
            stage.script("talk.py", "call", stage.ip(server), 4000, min(stage.left() - 1, stage.rng.uniform(5, 90)), stage.rng.random(), size, pace)
            if not stage.pause(1, 15):
                break
    return benign(plan, f"call {size}B/{pace}ms", "talk.py", client, server, 4000, body, "udp")


def telling(rng, plan, client, server):
    """One-way UDP: log lines and counters, single packets among them."""
    port, size = rng.choice([(514, 300), (8125, 90), (514, 1200)])
    low = log_uniform(rng, 0.005, 0.5)

    def body(stage):
        stage.script("talk.py", "tell", stage.ip(server), port, stage.left() - 0.5, stage.rng.random(), size, f"{low},{low * 30}")
    return benign(plan, f"telling {port}", "talk.py", client, server, port, body, "udp")


def handshakes(rng, plan, client, server):
    """Short UDP exchanges of odd sizes, as key exchanges and leases make them; sometimes with a server that is gone."""
    port = rng.choice([500, 4500])

    def body(stage):
        stage.script("talk.py", "ask", stage.ip(server), port, stage.left() - 3, stage.rng.random())
    return benign(plan, f"handshakes {port}", "talk.py", client, server, port, body, "udp")


def field_device(rng, plan, client, server):
    """Polls of a field device over one long TCP connection."""
    every = int(log_uniform(rng, 20, 3000))

    def body(stage):
        stage.script("talk.py", "tick", stage.ip(server), stage.left() - 1, stage.rng.random(), every)
    return benign(plan, f"device each {every} ms", "talk.py", client, server, 502, body)


def gossip(rng, plan, client, servers):
    """A DHT-like node: questions to many peers on many ports, most of them gone."""
    def body(stage):
        stage.script("talk.py", "gossip", stage.left() - 0.5, stage.rng.random(), ",".join(stage.ip(name) for name in servers))
    return benign(plan, "gossip", "talk.py", client, servers[0], 6881, body, "udp")


def snmp(rng, plan, client, server):
    """Walks through an SNMP tree."""
    def body(stage):
        while stage.left() > 2:
            stage.run("snmpwalk", "-v2c", "-c", "public", "-t", "1", "-r", "1", stage.ip(server), stage.rng.choice(["system", "1.3.6.1.2.1.2", "1.3.6.1.2.1.25.1"]), timeout_s=10)
            if not stage.pause(2, 15):
                break
    return benign(plan, "snmp", "snmpwalk", client, server, 161, body, "udp")


def measure(rng, plan, client, server, port=5201):
    """iperf3, TCP or UDP, either way, bounded in rate and time."""
    def body(stage):
        while stage.left() > 4:
            flags = stage.rng.choice([["-b", "8M"], ["-b", "3M", "-R"], ["-u", "-b", "1M"], ["-u", "-b", "2M", "-R", "-l", "1200"], ["-P", "3", "-b", "2M"]])
            stage.run("iperf3", "-c", stage.ip(server), "-p", port, "-t", stage.rng.choice(["1", "2", "4"]), *flags, timeout_s=10)
            if not stage.pause(4, 25):
                break
    return benign(plan, "measure", "iperf3", client, server, port, body, "")


def signalling(rng, plan, client, server):
    """SIP calls without media: sipp's own scenario, at a calm rate."""
    rate = rng.choice(["1", "2", "4"])

    def body(stage):
        stage.run("sipp", "-sn", "uac", f"{stage.ip(server)}:5060", "-r", rate, "-d", stage.rng.choice(["500", "2000", "6000"]), "-m",
                  int(stage.left() * int(rate) * 0.7) + 1, "-nostdin", "-i", stage.ip(client), "-timeout", f"{max(2, int(stage.left()) - 1)}s")
    return benign(plan, "signalling", "sipp", client, server, 5060, body, "udp")


def share(rng, plan, seeder, leecher, tracker, size=3_000_000):
    """BitTorrent by aria2: one host seeds, another fetches; the tracker and the gossip of peers beside it."""
    limit = rng.choice(["200K", "600K", "0"])

    def body(stage):
        data, piece = os.urandom(1 << 15) * (size >> 15), 1 << 18
        with open(f"{stage.scratch}/film", "wb") as file:
            file.write(data)
        pieces = b"".join(hashlib.sha1(data[at:at + piece]).digest() for at in range(0, len(data), piece))
        where = f"http://{stage.ip(tracker)}:6969/announce".encode()
        info = b"d6:lengthi%de4:name4:film12:piece lengthi%de6:pieces%d:%se" % (len(data), piece, len(pieces), pieces)
        with open(f"{stage.scratch}/film.torrent", "wb") as file:
            file.write(b"d8:announce%d:%s4:info%se" % (len(where), where, info))
        common = ["--enable-dht=false", "--bt-enable-lpd=false", "--summary-interval=0", "--quiet", "--no-conf",
                  "--bt-tracker-interval=5", f"{stage.scratch}/film.torrent"]
        seed = stage.start("aria2c", "--check-integrity=true", "--seed-ratio=0.0", "--listen-port=6890", f"--dir={stage.scratch}",
                           *common, on=seeder)
        stage.pause(3)
        stage.run("aria2c", "--listen-port=6891", "--seed-time=1", f"--max-download-limit={limit}", f"--dir={stage.scratch}/got", *common)
        stage.finish(seed, 0.1)
    return benign(plan, "share", "aria2c", leecher, seeder, "", body, "")
