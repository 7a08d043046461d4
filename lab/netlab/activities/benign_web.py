"""Benign HTTP: people browsing, programs polling, downloads, uploads, streams, probes."""

from ..content import log_uniform
from . import benign

PORTS = {"http": 80, "https": 443}


def browse(rng, plan, client, server, scheme=None, think=None):
    """A person with a browser: pages, assets over kept connections, reading pauses."""
    scheme = scheme or rng.choice(["http", "https", "https"])
    think = think or rng.choice(["0.5,4", "1,8", "2,20"])
    connections, by_name = rng.choice([2, 4, 6, 6]), rng.random() < 0.6 and plan.serves("dnsmasq")
    target = f"{server}.{plan.domain}" if by_name else plan.reach(server)

    def body(stage):
        stage.script("browser.py", f"{scheme}://{target}", stage.left() - 0.5, stage.rng.random(), "--think", think,
                     "--pages", ",".join(stage.sites[server]["pages"]), "--connections", connections)
    return benign(plan, f"browse {scheme}", "browser.py", client, server, PORTS[scheme], body)


def curl_pages(rng, plan, client, server, scheme=None):
    """Pages by curl or wget: a process a page, so a connection (or several) a page; HTTP/2 over TLS."""
    scheme = scheme or rng.choice(["http", "https", "https"])
    tool = rng.choice(["curl", "curl", "wget"])

    def body(stage):
        site, base = stage.sites[server], f"{scheme}://{stage.ip(server)}"
        while stage.left() > 1:
            page = stage.rng.choice(site["pages"])
            if tool == "wget":
                stage.run("wget", "-q", "-p", "-nd", "--no-check-certificate", "-T", "10", "-t", "1", base + page, timeout_s=25)
            else:
                urls = [base + page] + [base + stage.rng.choice(site["pages"]) for _ in range(stage.rng.randint(0, 5))]
                flags = stage.rng.choice([["-Z", "--parallel-max", "4"], ["--http1.1"], ["--http2"], ["--compressed"]])
                stage.run("curl", "-s", "-k", "-m", "20", *flags, "--remote-name-all", *urls, timeout_s=25)
            if not stage.pause(0.3, stage.rng.choice([1, 3, 8])):
                break
    return benign(plan, f"pages {scheme}", tool, client, server, PORTS[scheme], body)


def poll(rng, plan, client, server, scheme=None):
    """An API client: from ten requests a second to one in ten seconds, kept or fresh connections."""
    scheme = scheme or rng.choice(["http", "https"])
    slow = log_uniform(rng, 0.1, 10)
    every = f"{slow * rng.uniform(0.3, 1):.3f},{slow:.3f}"
    extra = (["--fresh"] if rng.random() < 0.5 else []) + (["--post", rng.choice([300, 3000, 30000])] if rng.random() < 0.4 else [])

    def body(stage):
        stage.script("poller.py", f"{scheme}://{stage.ip(server)}", stage.left() - 0.5, stage.rng.random(), "--paths",
                     ",".join(stage.sites[server]["api"]), "--every", every, *extra)
    return benign(plan, f"api {scheme}", "poller.py", client, server, PORTS[scheme], body)


def download(rng, plan, client, server, scheme=None, limit=None):
    """Files, whole or in part, at full speed or paced."""
    scheme = scheme or rng.choice(["http", "https"])
    limit = limit or rng.choice(["", "", "300K", "800K", "2M"])
    tool = rng.choice(["curl", "wget"])

    def body(stage):
        while stage.left() > 2:
            url = f"{scheme}://{stage.ip(server)}" + stage.rng.choice(stage.sites[server]["files"])
            if tool == "wget":
                stage.run("wget", "-q", "--no-check-certificate", "-t", "1", *([f"--limit-rate={limit.lower()}"] if limit else []),
                          "-O", "/dev/null", url)
            else:
                part = ["-r", f"{stage.rng.randint(0, 5000)}-{stage.rng.randint(9000, 900000)}"] if stage.rng.random() < 0.3 else []
                stage.run("curl", "-s", "-k", *(["--limit-rate", limit] if limit else []), *part, "-o", "/dev/null", url)
            if not stage.pause(1, 8):
                break
    return benign(plan, f"download {scheme}", tool, client, server, PORTS[scheme], body)


def upload(rng, plan, client, server, scheme=None, top_bytes=4_000_000):
    """PUTs of many sizes."""
    scheme = scheme or rng.choice(["http", "https"])

    def body(stage):
        while stage.left() > 2:
            with open(f"{stage.scratch}/up", "wb") as file:
                file.write(b"measured values, row after row\n" * int(log_uniform(stage.rng, 1_000, top_bytes) / 31))
            stage.run("curl", "-s", "-k", "-T", f"{stage.scratch}/up", "-o", "/dev/null",
                      f"{scheme}://{stage.ip(server)}/put/{stage.rng.randint(1, 20)}")
            if not stage.pause(1, 10):
                break
    return benign(plan, f"upload {scheme}", "curl", client, server, PORTS[scheme], body)


def stream(rng, plan, client, server):
    """Segments of media fetched every few seconds, or one long paced answer."""
    scheme, paced, every = rng.choice(["http", "https"]), rng.random() < 0.5, rng.uniform(1.5, 5)

    def body(stage):
        base = f"{scheme}://{stage.ip(server)}"
        if paced:
            stage.run("curl", "-s", "-k", "--limit-rate", stage.rng.choice(["60K", "150K", "400K"]), "-o", "/dev/null",
                      base + stage.sites[server]["files"][0])
            return
        stage.script("poller.py", base, stage.left() - 0.5, stage.rng.random(), "--every", f"{every},{every + 0.5}",
                     "--paths", ",".join(stage.sites[server]["files"][:2] + stage.sites[server]["pages"][:4]))
    return benign(plan, f"stream {scheme}", "curl" if paced else "poller.py", client, server, PORTS[scheme], body)


def long_poll(rng, plan, client, server):
    """Requests that the server answers late: notifications, slow reports."""
    waits = [round(log_uniform(rng, 0.5, 25), 2) for _ in range(3)]

    def body(stage):
        stage.script("poller.py", f"http://{stage.ip(server)}:8080", stage.left() - 0.5, stage.rng.random(), "--every", "0.1,2",
                     "--paths", ",".join(f"/wait/{wait}" for wait in waits))
    return benign(plan, "long poll", "poller.py", client, server, 8080, body)


def health(rng, plan, client, server):
    """Monitoring: a small GET, a bare connect or a bare TLS handshake at even intervals."""
    kind, every = rng.choice(["get", "connect", "tls", "head"]), log_uniform(rng, 0.5, 10)
    port = 443 if kind == "tls" else rng.choice([80, 8080])

    def body(stage):
        target = stage.ip(server)
        argv = {"get": ["curl", "-s", "-m", "5", "-o", "/dev/null", f"http://{target}:{port}/healthz"],
                "head": ["curl", "-s", "-I", "-m", "5", "-o", "/dev/null", f"http://{target}:{port}/"],
                "connect": ["nc", "-z", "-w", "3", target, port],
                "tls": ["openssl", "s_client", "-brief", stage.rng.choice(["-tls1_2", "-tls1_3"]), "-connect", f"{target}:{port}"]}
        while stage.left() > 0.5:
            stage.run(*argv[kind], timeout_s=6)
            if not stage.pause(every):
                break
    return benign(plan, f"health {kind}", {"connect": "nc", "tls": "openssl"}.get(kind, "curl"), client, server, port, body)


def wrong_door(rng, plan, client, server):
    """Connects to closed ports or to a host that never answers: a stale bookmark, a service that moved."""
    port = rng.choice([81, 3128, 8443, 9000, 5432])

    def body(stage):
        while stage.left() > 1:
            stage.run("curl", "-s", "-m", stage.rng.choice(["2", "4", "8"]), f"http://{stage.ip(server)}:{port}/", timeout_s=9)
            if not stage.pause(2, 15):
                break
    return benign(plan, "closed door", "curl", client, server, port, body)


def private_pages(rng, plan, client, server):
    """A page behind a password, mistyped once or twice, then right."""
    def body(stage):
        while stage.left() > 2:
            for attempt in range(stage.rng.choice([0, 0, 1, 2]) + 1):
                word = "correct-horse-7" if attempt == 0 else f"correct-hrose-{attempt}"
                stage.run("curl", "-s", "-u", f"alice:{word}", "-o", "/dev/null", f"http://{stage.ip(server)}:8080/private/", timeout_s=8)
                stage.pause(1, 4)
            if not stage.pause(4, 20):
                break
    return benign(plan, "private pages", "curl", client, server, 8080, body)
