"""Types into an ssh session as a person does: letters with uneven pauses, lines with thought between them.

`typist.py SECONDS SEED -- ssh ...`
"""

import os
import pty
import random
import select
import sys
import time

LINES = ["ls -la", "cat /etc/hostname", "uptime", "df -h", "ps aux | head -30", "cd /usr/share", "ls | head -50",
         "grep -r root /etc/hosts", "cat /etc/services | head -120", "id", "date", "find . -maxdepth 1 | head -40",
         "less /etc/services", "q", "echo done", "vi notes.txt", ":q!", "history | tail -5", "top -b -n 1 | head -40"]


def drain(fd, seconds):
    """Reads whatever comes for a while; False when the session is over."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([fd], [], [], left)[0]:
            try:
                if not os.read(fd, 65536):
                    return False
            except OSError:
                return False
    return True


def main():
    """Types until the time is over, then leaves with `exit`."""
    seconds, seed, command = float(sys.argv[1]), sys.argv[2], sys.argv[4:]
    rng = random.Random(seed)
    pace = rng.uniform(0.04, 0.22)
    pid, fd = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    until, alive = time.monotonic() + seconds, drain(fd, 2.0)
    while alive and time.monotonic() < until:
        for letter in rng.choice(LINES) + "\r":
            os.write(fd, letter.encode())
            if not (alive := drain(fd, rng.expovariate(1 / pace))):
                break
        if alive:
            alive = drain(fd, min(rng.choice([0.5, 1, 2, 3, 6, 12]) * rng.uniform(0.5, 1.5), max(until - time.monotonic(), 0.1)))
    if alive:
        os.write(fd, b"\x03\rexit\r")
        drain(fd, 1.5)
    os.close(fd)


main()
