"""Carries data out, or both ways, inside what is meant for something else: names or echo requests.

`smuggle.py dns HOST SECONDS SEED UP DOWN LOW,HIGH`   names of UP bytes, answers of DOWN bytes, a pause between two questions
`smuggle.py icmp HOST SECONDS SEED UP DOWN LOW,HIGH`  echo requests of UP bytes (the kernel at the other end sends as much back)
"""

import base64
import os
import random
import socket
import struct
import sys
import time


def checksum(data):
    """RFC 1071."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def dns(host, rng, up, down, pause, until):
    """Base32 in labels of 60 letters, under a domain of its own."""
    end, kept = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), rng.random() < 0.5
    while time.monotonic() < until:
        if not kept:  # as through a resolver, which asks from a new port each time
            end.close()
            end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.settimeout(1.5)
        text = base64.b32encode(os.urandom(max(1, int(up * rng.uniform(0.6, 1))))).decode().rstrip("=").lower()[:180]
        parts = [f"a{down}-" + text[:40], *(text[at:at + 60] for at in range(40, len(text), 60)), "x", "lair", "example"]
        name = b"".join(bytes([len(part)]) + part.encode() for part in parts if part)
        end.sendto(os.urandom(2) + b"\x01\x00" + struct.pack(">HHHH", 1, 0, 0, 0) + name + b"\0" + struct.pack(">HH", rng.choice([16, 16, 10]), 1), (host, 53))
        try:
            end.recv(4096)
        except OSError:
            continue
        time.sleep(rng.uniform(*pause))


def icmp(host, rng, up, down, pause, until):
    """Echo requests of one identifier, counting up."""
    end = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    end.settimeout(0.5)
    end.connect((host, 0))
    mark, number = rng.randint(1, 65535), 0
    while time.monotonic() < until:
        number = (number + 1) & 0xFFFF
        data = os.urandom(max(8, int(up * rng.uniform(0.3, 1))))
        head = struct.pack(">BBHHH", 8, 0, 0, mark, number)
        end.send(struct.pack(">BBHHH", 8, 0, checksum(head + data), mark, number) + data)
        try:
            end.recv(4096)
        except OSError:
            continue
        time.sleep(rng.uniform(*pause))


def main():
    """Smuggles until the time is over."""
    kind, host, seconds, seed, up, down, pause = sys.argv[1:8]
    {"dns": dns, "icmp": icmp}[kind](host, random.Random(seed), int(up), int(down), tuple(map(float, pause.split(","))),
                                     time.monotonic() + float(seconds))


main()
