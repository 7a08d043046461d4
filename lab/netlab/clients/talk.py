"""Small exchanges as calls, games, sensors, key exchanges, field devices and gossip make them.

`talk.py listen`                                     UDP: echoes, answers or swallows, by port; TCP 502: answers polls
`talk.py call HOST PORT SECONDS SEED BYTES MS`       a packet of about BYTES each MS, echoed: a call, a game
`talk.py tell HOST PORT SECONDS SEED BYTES LOW,HIGH` one-way packets at wandering times: syslog, statsd; a new port for some
`talk.py ask HOST PORT SECONDS SEED`                 a few questions and answers of odd sizes by UDP, a new port each time
`talk.py tick HOST SECONDS SEED MS`                  polls a field device over one TCP connection
`talk.py gossip SECONDS SEED HOST,HOST,...`          one small question to many peers, few of which answer: a DHT
"""

import random
import select
import socket
import sys
import threading
import time

LISTEN_PORTS = [4000, 514, 8125, 6881, 500, 4500]
ECHO_PORTS = [4000]
ASK_PORTS = [500, 4500]
DEVICE_PORT = 502


def listen():
    """Serves until it is ended."""
    ends = {}
    for port in LISTEN_PORTS:
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.bind(("", port))
        ends[end] = port
    rng = random.Random(1)
    threading.Thread(target=devices, daemon=True).start()
    while True:
        for end in select.select(list(ends), [], [])[0]:
            data, peer = end.recvfrom(2048)
            if ends[end] in ASK_PORTS:
                end.sendto(bytes(rng.randint(40, 1300)), peer)
            elif ends[end] in ECHO_PORTS or (ends[end] == 6881 and rng.random() < 0.8):
                end.sendto(data + bytes(rng.randint(0, 40)) if ends[end] == 6881 else data, peer)


def devices():
    """Answers each poll on a TCP connection with a few registers."""
    def serve(end):
        rng = random.Random()
        try:
            while end.recv(300):
                end.send(bytes(rng.randint(9, 250)))
        except OSError:
            pass
        end.close()
    door = socket.create_server(("", DEVICE_PORT))
    while True:
        threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()


def ask(host, port, seconds, seed):
    """Two to eight packets of a handshake, repeated when no answer comes; then a pause, then another."""
    rng, until = random.Random(seed), time.monotonic() + float(seconds)
    while time.monotonic() < until:
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.settimeout(rng.choice([0.5, 1, 2]))
        for _ in range(rng.randint(1, 4)):
            question = bytes(rng.randint(28, 1300))
            for _ in range(3):
                end.sendto(question, (host, int(port)))
                try:
                    end.recv(2048)
                    break
                except OSError:
                    continue
            time.sleep(rng.choice([0, 0, 0.001, 0.02]))
        end.close()
        time.sleep(rng.uniform(0.05, 4))


def tick(host, seconds, seed, every_ms):
    """A small question at an even pace; the connection stays."""
    rng, until = random.Random(seed), time.monotonic() + float(seconds)
    end = socket.create_connection((host, DEVICE_PORT), timeout=5)
    size = rng.randint(8, 30)
    while time.monotonic() < until:
        end.send(bytes(size))
        end.recv(300)
        time.sleep(float(every_ms) / 1e3)
    end.close()


def call(host, port, seconds, seed, size, every_ms):
    """Sends at an even pace and reads what comes back."""
    rng, end = random.Random(seed), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.setblocking(False)
    due = time.monotonic()
    until = due + float(seconds)
    while due < until:
        end.sendto(bytes(max(1, int(rng.gauss(int(size), int(size) / 12)))), (host, int(port)))
        due += float(every_ms) / 1e3
        while (left := due - time.monotonic()) > 0:
            if select.select([end], [], [], left)[0]:
                try:
                    end.recv(2048)
                except OSError:
                    pass


def tell(host, port, seconds, seed, size, every):
    """Sends and never expects an answer."""
    rng, until = random.Random(seed), time.monotonic() + float(seconds)
    low, high = map(float, every.split(","))
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while time.monotonic() < until:
        for _ in range(rng.choice([1, 1, 1, 2, 5])):
            end.sendto(bytes(rng.randint(20, int(size))), (host, int(port)))
        if rng.random() < 0.3:
            end.close()
            end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        time.sleep(low * (high / low) ** rng.random())


def gossip(seconds, seed, hosts):
    """Asks many, hears from few."""
    rng, until = random.Random(seed), time.monotonic() + float(seconds)
    end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    end.bind(("", 0))
    end.setblocking(False)
    known = hosts.split(",")
    strangers = [f"203.0.113.{rng.randint(1, 254)}" for _ in range(120)]
    while time.monotonic() < until:
        for _ in range(rng.randint(1, 8)):
            peer = rng.choice(known) if rng.random() < 0.4 else rng.choice(strangers)
            try:
                end.sendto(bytes(rng.randint(80, 130)), (peer, 6881 if peer in known else rng.randint(1024, 65000)))
            except OSError:
                pass
        time.sleep(rng.uniform(0.1, 2.0))  # an answer never hastens the next question
        while select.select([end], [], [], 0)[0]:
            try:
                end.recv(2048)
            except OSError:
                pass


{"listen": listen, "call": call, "tell": tell, "ask": ask, "tick": tick, "gossip": gossip}[sys.argv[1]](*sys.argv[2:])
