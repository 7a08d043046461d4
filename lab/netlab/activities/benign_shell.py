"""Benign logins: people typing over SSH, copies, scripted commands, FTP, a password mistyped."""

from ..content import log_uniform
from ..servers import USERS
from . import benign

SSH = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]


def with_key(stage):
    """The options that log in by key, so that nobody has to type."""
    return [*SSH, "-i", stage.key, "-o", "IdentitiesOnly=yes"]


def typing(rng, plan, client, server, by_password=None):
    """An interactive session: keystrokes, screens of output, thought."""
    user = rng.choice(list(USERS))
    by_password = rng.random() < 0.4 if by_password is None else by_password

    def body(stage):
        argv = ["ssh", *with_key(stage), "-tt", f"{user}@{stage.ip(server)}"]
        if by_password:
            argv = ["sshpass", "-p", USERS[user], "ssh", *SSH, "-o", "PubkeyAuthentication=no", "-tt", f"{user}@{stage.ip(server)}"]
        while stage.left() > 5:
            stage.script("typist.py", min(stage.left() - 3, stage.rng.uniform(15, 120)), stage.rng.random(), "--", *argv)
            if not stage.pause(2, 20):
                break
    return benign(plan, "typing", "ssh", client, server, 22, body)


def commands(rng, plan, client, server):
    """Short scripted commands: a login each, as cron jobs, deployment tools and git make them."""
    every, user = log_uniform(rng, 0.8, 20), rng.choice(list(USERS))
    lines = ["true", "uptime", "cat /etc/services", "ls -la /usr/bin", "df -h; sleep 1; id", "dd if=/dev/zero bs=1k count=200 2>/dev/null"]

    def body(stage):
        while stage.left() > 2:
            stage.run("ssh", *with_key(stage), f"{user}@{stage.ip(server)}", stage.rng.choice(lines), timeout_s=15)
            if not stage.pause(every * 0.5, every * 1.5):
                break
    return benign(plan, "commands", "ssh", client, server, 22, body)


def copies(rng, plan, client, server, top_bytes=5_000_000):
    """scp, sftp and rsync, both ways."""
    user = rng.choice(list(USERS))

    def body(stage):
        where, options = f"{user}@{stage.ip(server)}", with_key(stage)
        while stage.left() > 3:
            tool = stage.rng.choice(["scp", "sftp", "rsync", "fetch"])
            with open(f"{stage.scratch}/copy", "wb") as file:
                file.write(b"backup of the backup\n" * int(log_uniform(stage.rng, 2_000, top_bytes) / 21))
            if tool == "scp":
                stage.run("scp", "-q", *options, f"{stage.scratch}/copy", f"{where}:copy")
            elif tool == "fetch":
                stage.run("scp", "-q", *options, f"{where}:report*.txt", stage.scratch)
            elif tool == "sftp":
                stage.run("sftp", "-q", *options, where, feed=f"put {stage.scratch}/copy put\nls -l\nget put {stage.scratch}/got\nrm put\n")
            else:
                stage.run("rsync", "-a", "-e", "ssh " + " ".join(options), "/usr/share/doc/curl", f"{where}:mirror/")
            if not stage.pause(2, 20):
                break
    return benign(plan, "copies", "scp/sftp/rsync", client, server, 22, body)


def mistyped(rng, plan, client, server):
    """A wrong password, perhaps two, and then the right one and some work."""
    user = rng.choice(list(USERS))

    def body(stage):
        while stage.left() > 6:
            words = ["wrong-" + user] * stage.rng.choice([1, 1, 2]) + [USERS[user]]
            for word in words:
                stage.run("sshpass", "-p", word, "ssh", *SSH, "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1",
                          f"{user}@{stage.ip(server)}", f"uptime; sleep {stage.rng.uniform(0.2, 5):.1f}; ls /usr", timeout_s=15)
                stage.pause(1.5, 5)
            if not stage.pause(8, 40):
                break
    return benign(plan, "mistyped", "ssh", client, server, 22, body)


def idle_shell(rng, plan, client, server):
    """A session left open, with or without keep-alives."""
    every = rng.choice([0, 5, 15])

    def body(stage):
        stage.run("ssh", *with_key(stage), "-o", f"ServerAliveInterval={every}", f"alice@{stage.ip(server)}",
                  f"sleep {max(1, stage.left() - 2):.0f}")
    return benign(plan, "idle shell", "ssh", client, server, 22, body)


def ftp(rng, plan, client, server):
    """FTP listings, downloads and uploads; now and then a mistyped password."""
    user, tool = rng.choice(list(USERS)), rng.choice(["curl", "lftp"])

    def body(stage):
        where = stage.ip(server)
        while stage.left() > 3:
            with open(f"{stage.scratch}/up", "wb") as file:
                file.write(b"figures\n" * int(log_uniform(stage.rng, 100, 200_000) / 8))
            if stage.rng.random() < 0.15:
                stage.run("curl", "-s", "-m", "10", "-u", f"{user}:oops", f"ftp://{where}/", "-o", "/dev/null")
                stage.pause(1, 4)
            if tool == "lftp":
                wait = stage.rng.uniform(0, 6)
                stage.run("lftp", "-u", f"{user},{USERS[user]}", where, timeout_s=30, feed="set net:max-retries 1\nset net:timeout 6\nls\n"
                          f"get report1.txt -o {stage.scratch}/r\n!sleep {wait:.1f}\nput {stage.scratch}/up\nbye\n")
            else:
                work = stage.rng.choice([[f"ftp://{where}/"], [f"ftp://{where}/report{stage.rng.randint(0, 3)}.txt"],
                                         ["-T", f"{stage.scratch}/up", f"ftp://{where}/up{stage.rng.randint(0, 9)}"]])
                stage.run("curl", "-s", "-m", "20", "-u", f"{user}:{USERS[user]}", *work, "-o", "/dev/null", timeout_s=25)
            if not stage.pause(1, 15):
                break
    return benign(plan, "ftp", tool, client, server, "", body)
