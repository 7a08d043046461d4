"""Benign conversations that a model trained on few kinds of work calls attacks: browsers, databases, VPNs, calls, pushes, backups, asset lists."""

from ..content import log_uniform
from ..plan import Activity
from ..truth import Match
from . import benign
from .benign_shell import copies

SHAPE_PORTS = {"vpn": 51820, "quic": 4433, "video": 3480, "chat": 5222, "rpc": 9500, "watch": 8554}
CHROMIUM = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--ignore-certificate-errors", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--mute-audio", "--remote-debugging-port=0"]


def chromium(rng, plan, client, server):
    """A real browser that wanders over a site: pages in turn, their assets over HTTP/2 or six connections, reading pauses."""
    scheme = rng.choice(["https", "https", "http"])
    low, high = rng.choice([(0.5, 3), (1, 6), (2, 12)])

    def body(stage):
        stage.run(*CHROMIUM, f"--user-data-dir={stage.scratch}/profile", f"{scheme}://{stage.ip(server)}/tour.html#{stage.rng.random()},{low},{high}",
                  env={"HOME": stage.scratch, "XDG_RUNTIME_DIR": stage.scratch})
    return benign(plan, f"chromium {scheme}", "chromium", client, server, {"http": 80, "https": 443}[scheme], body)


def shape(kind):
    """One of the conversations of `shapes.py`."""
    def make(rng, plan, client, server):
        def body(stage):
            stage.script("shapes.py", kind, stage.ip(server), stage.left() - 2, stage.rng.random())
        return benign(plan, kind, f"shapes-{kind}", client, server, SHAPE_PORTS[kind], body, "udp" if kind in ("vpn", "quic", "video") else "tcp")
    return make


def database(rng, plan, client, server):
    """PostgreSQL: a pool of connections at a steady rate, or one connection a query, answers from a line to a megabyte."""
    pooled, rate, size = rng.random() < 0.5, log_uniform(rng, 0.5, 40), int(log_uniform(rng, 20, 20_000))

    def body(stage):
        where = ["-h", stage.ip(server), "-U", "postgres"]
        if pooled:
            with open(f"{stage.scratch}/work.sql", "w") as file:
                file.write(f"\\set n random(1, 40)\nselect repeat('x', {size}) from generate_series(1, :n);\n")
            stage.run("pgbench", *where, "-n", "-f", f"{stage.scratch}/work.sql", "-c", stage.rng.choice([1, 2, 5]), "-R", f"{rate:.2f}",
                      "-T", max(1, int(stage.left()) - 2), "postgres")
            return
        while stage.left() > 1:
            stage.run("psql", *where, "-q", "-c", f"select repeat('x', {stage.rng.randint(10, size + 10)}) from generate_series(1, {stage.rng.randint(1, 60)})",
                      "postgres", timeout_s=8)
            if not stage.pause(1 / rate, 3 / rate):
                break
    return benign(plan, "database pool" if pooled else "database queries", "pgbench" if pooled else "psql", client, server, 5432, body)


def backup(rng, plan, client, server):
    """Larger copies over SSH."""
    return copies(rng, plan, client, server, 25_000_000)


def scrape(rng, plan, client, server):
    """A monitoring server's round: one fresh or kept connection each few seconds, the same answer every time."""
    every = rng.choice([1, 2, 5, 10])
    fresh = ["--fresh"] if rng.random() < 0.6 else []
    path = rng.choice(["/healthz", "/api/v1/items/3.json", "/index.html"])

    def body(stage):
        stage.script("poller.py", f"http://{stage.ip(server)}:8080", stage.left() - 0.5, stage.rng.random(), "--paths", path, "--every", f"{every},{every}", *fresh)
    return benign(plan, f"scrape each {every} s", "poller.py", client, server, 8080, body)


def balancer(rng, plan, client, server):
    """A load balancer's checks and a front end's fetches: many short connections to one server, at a working rate."""
    every = log_uniform(rng, 0.03, 0.5)
    tls = rng.random() < 0.4

    def body(stage):
        stage.script("poller.py", f"https://{stage.ip(server)}" if tls else f"http://{stage.ip(server)}:8080", stage.left() - 0.5, stage.rng.random(), "--fresh",
                     "--paths", ",".join(stage.sites[server]["api"][:3] + stage.sites[server]["pages"][:2] + ["/healthz"]), "--every", f"{every * 0.3},{every * 1.7}")
    return benign(plan, f"balancer each {every:.2f} s", "poller.py", client, server, 443 if tls else 8080, body)


def shopping(rng, plan, client, server):
    """People in the web shop that others attack."""
    fresh = ["--fresh"] if rng.random() < 0.4 else []

    def body(stage):
        stage.script("poller.py", f"http://{stage.ip(server)}:8081", stage.left() - 0.5, stage.rng.random(), "--paths", "/,/item?id=3,/item?id=9,/search?q=lamp,/news,/basket?user=3",
                     "--every", stage.rng.choice(["0.3,2", "1,6", "3,12"]), *fresh)
    return benign(plan, "shopping", "poller.py", client, server, 8081, body)


def inventory(rng, plan, client, servers):
    """A few known ports of a few known hosts, again and again."""
    ports = rng.choice(["22,80", "80,443", "22,80,443,8080", "22,161,3389"])

    def body(stage):
        stage.script("shapes.py", "inventory", stage.left() - 3, stage.rng.random(), ports, ",".join(stage.ip(name) for name in servers))
    return Activity(f"inventory {ports} {client}", "inventory", "benign", client, [Match(src=plan.seen(client), dst=plan.ip(name), protocol="tcp") for name in servers], body)


def mailbox(rng, plan, client, server):
    """An IMAP connection that stays, asked now and then."""
    every = rng.choice([3, 10, 25])

    def body(stage):
        lines = "a login alice x\nb select inbox\n" + "".join(f"sleep {every * stage.rng.uniform(0.5, 1.5):.1f}\nc{n} noop\n" + (f"d{n} fetch {n} body[]\n" if n % 4 == 0 else "") for n in range(60))
        script = "".join(f"{line}\n" if line.startswith("sleep") else f"printf '{line}\\r\\n'\n" for line in lines.splitlines())
        stage.run("sh", "-c", f"{{ {script} }} | nc -w 60 $1 143", "mailbox", stage.ip(server))
    return benign(plan, "mailbox", "nc-imap", client, server, 143, body)


def text_browser(rng, plan, client, server):
    """A page at a time in w3m: no assets, a connection a page."""
    scheme = rng.choice(["http", "https"])

    def body(stage):
        while stage.left() > 1:
            stage.run("w3m", "-dump", "-o", "ssl_verify_server=0", f"{scheme}://{stage.ip(server)}" + stage.rng.choice(stage.sites[server]["pages"]),
                      env={"HOME": stage.scratch}, timeout_s=12)
            if not stage.pause(0.5, 6):
                break
    return benign(plan, f"w3m {scheme}", "w3m", client, server, {"http": 80, "https": 443}[scheme], body)


def clone(rng, plan, client, server):
    """git over SSH: clones of a small repository."""
    def body(stage):
        stage.run("git", "init", "-q", f"{stage.scratch}/own")
        ssh = f"ssh -i {stage.key} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
        env = {"GIT_SSH_COMMAND": ssh, "HOME": stage.scratch, "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example"}
        where, name = f"alice@{stage.ip(server)}", f"repo{stage.rng.randint(1, 10**6)}"
        stage.run("sh", "-c", f"{ssh} {where} git init -q --bare {name}", env=env, timeout_s=12)
        while stage.left() > 3:
            with open(f"{stage.scratch}/own/notes", "a") as file:
                file.write("".join(f"{stage.rng.random()}\n" for _ in range(int(log_uniform(stage.rng, 10, 20_000)))))
            stage.run("sh", "-c", f"cd own && git add notes && git commit -qm more && git push -q {where}:{name} HEAD:main && git ls-remote {where}:{name}", env=env, timeout_s=20)
            if not stage.pause(1, 10):
                break
    return benign(plan, "git", "git", client, server, 22, body)


def nuttcp(rng, plan, client, server):
    """Throughput measured by nuttcp; its data connections have ports of their own."""
    def body(stage):
        while stage.left() > 4:
            stage.run("nuttcp", "-T", "2", *stage.rng.choice([["-R4M"], ["-R2M", "-r"], ["-u", "-R1M"]]), stage.ip(server), timeout_s=8)
            if not stage.pause(3, 15):
                break
    return benign(plan, "nuttcp", "nuttcp", client, server, "", body, "")


# (weight, service, activity): as in `menu.py`
MORE = [(3, "nginx", chromium), (4, "shapes", shape("vpn")), (4, "shapes", shape("quic")), (3, "shapes", shape("video")), (3, "shapes", shape("chat")),
        (6, "shapes", shape("rpc")), (3, "shapes", shape("watch")), (3, "postgres", database), (1, "sshd", backup), (2, "nginx", scrape), (3, "nginx", balancer),
        (2, "shop", shopping), (1, "mail", mailbox)]
HELD_OUT = [(3, "nginx", text_browser), (2, "sshd", clone), (1, "nuttcp", nuttcp)]
