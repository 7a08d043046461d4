"""Attacks on a careless web shop: sqlmap, content discovery by word lists, and a crawler-scanner of our own."""

from ..plan import Activity
from . import between

SHOP_PORT = 8081
DIRB_WORDS = "/usr/share/dirb/wordlists/common.txt"


def web(plan, name, tool, attacker, shop, body, port=SHOP_PORT):
    """An attack on one port of one shop."""
    return Activity(f"{name} {attacker}->{shop}", tool, "web", attacker, [between(plan, attacker, shop, port)], body, linger_s=4.0)


def words(stage, count):
    """A list of `count` words in the scratch folder, drawn from dirb's."""
    with open(DIRB_WORDS, encoding="latin-1") as file:
        lines = [line.strip() for line in file if line.strip()]
    path = f"{stage.scratch}/words"
    with open(path, "w") as file:
        file.write("\n".join(stage.rng.sample(lines, min(count, len(lines)))) + "\n")
    return path


def sqlmap(plan, attacker, shop, page, threads, delay_s, *flags):
    """sqlmap on one parameter."""
    def body(stage):
        pace = ["--delay", delay_s] if delay_s else ["--threads", threads]
        stage.run("sqlmap", "-u", f"http://{stage.ip(shop)}:{SHOP_PORT}{page}", "--batch", "--flush-session", "--disable-coloring", "--answers=follow=N",
                  "--output-dir", f"{stage.scratch}/sqlmap", *pace, *flags, env={"HOME": stage.scratch})
    return web(plan, f"sqlmap x{threads} delay {delay_s}", "sqlmap", attacker, shop, body)


def discover(plan, attacker, shop, tool, count, at_once, delay_ms=0):
    """Names from a list, asked for one by one: gobuster, dirb, ffuf or wfuzz."""
    def body(stage):
        base, listing = f"http://{stage.ip(shop)}:{SHOP_PORT}", words(stage, count)
        argv = {
            "gobuster": ["gobuster", "dir", "-q", "-u", base, "-w", listing, "-t", at_once, "--delay", f"{delay_ms}ms", "-z"],
            "dirb": ["dirb", base + "/", listing, "-r", "-S", "-z", max(delay_ms, 1)],
            "ffuf": ["ffuf", "-s", "-u", base + "/FUZZ", "-w", listing, "-t", at_once, "-p", delay_ms / 1000],
            "wfuzz": ["wfuzz", "-z", f"file,{listing}", "-t", at_once, "-s", delay_ms / 1000, "--hc", "404", base + "/FUZZ"],
        }[tool]
        stage.run(*argv, env={"HOME": stage.scratch})
    return web(plan, f"{tool} {count} words x{at_once}", tool, attacker, shop, body)


def prober(plan, attacker, shop, every, workers, fresh):
    """Our own crawler-scanner."""
    def body(stage):
        stage.script("prober.py", f"http://{stage.ip(shop)}:{SHOP_PORT}", stage.left() - 0.5, stage.rng.random(), "--every", every,
                     "--workers", workers, *(["--fresh"] if fresh else []))
    return web(plan, f"prober x{workers} each {every}", "prober.py", attacker, shop, body)


def nmap_web(plan, attacker, shop):
    """nmap's web scripts."""
    def body(stage):
        stage.run("nmap", "-n", "-Pn", "-p", SHOP_PORT, "--script", "http-enum,http-sql-injection,http-stored-xss", "--script-timeout", "40s", stage.ip(shop))
    return web(plan, "nmap web scripts", "nmap-web", attacker, shop, body)


def draw(rng, plan, attacker, shop):
    """A random attack and the seconds it may take."""
    page = rng.choice(["/item?id=1", "/search?q=lamp", "/item?id=7"])
    every, workers, fresh = rng.choice(["0,0.02", "0,0.2", "0.2,1.5", "1,4"]), rng.choice([1, 2, 4, 8]), rng.random() < 0.5
    return rng.choice([
        lambda: (30, sqlmap(plan, attacker, shop, page, rng.choice([1, 4, 8]), 0, "--level", rng.choice(["1", "2"]))),
        lambda: (30, sqlmap(plan, attacker, shop, page, rng.choice([1, 4]), 0, "--technique", rng.choice(["B", "U", "BEU"]), "--dump", "--keep-alive")),
        lambda: (45, sqlmap(plan, attacker, shop, page, 1, rng.choice([0.3, 1.0]), "--random-agent")),
        lambda: (25, discover(plan, attacker, shop, "gobuster", rng.choice([200, 900]), rng.choice([1, 4, 20]), rng.choice([0, 0, 50, 300]))),
        lambda: (25, discover(plan, attacker, shop, "dirb", rng.choice([200, 900]), 1, rng.choice([0, 0, 20, 200]))),
        lambda: (30, prober(plan, attacker, shop, every, workers, fresh)),
        lambda: (30, prober(plan, attacker, shop, every, workers, fresh)),
        lambda: (35, prober(plan, attacker, shop, every, workers, True)),
        lambda: (20, nmap_web(plan, attacker, shop)),
    ])()


def draw_held_out(rng, plan, attacker, shop):
    """The same by tools that no training row has."""
    tool = rng.choice(["ffuf", "wfuzz"])
    return 25, discover(plan, attacker, shop, tool, rng.choice([200, 900]), rng.choice([1, 4, 20]), rng.choice([0, 0, 50, 300]))
