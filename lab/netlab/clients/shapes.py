"""Benign conversations of many shapes, drawn anew for each: what offices, phones and machines say that no tool of Debian says.

`shapes.py listen`                              UDP 51820 (VPN), 4433 (QUIC-like), 3480 (calls); TCP 5222 (chat), 9500 (remote calls), 8554 (push)
`shapes.py vpn HOST SECONDS SEED`               one long UDP flow, sizes in steps of 16, bursts both ways, keep-alives between
`shapes.py quic HOST SECONDS SEED`              UDP page loads: full-size handshake, a burst down, small acknowledgements up
`shapes.py video HOST SECONDS SEED`             a video call: frames in bursts and voice between them, both ways, for a while
`shapes.py chat HOST SECONDS SEED`              a long TCP connection on which either side speaks at its own time
`shapes.py rpc HOST SECONDS SEED`               TCP calls of drawn sizes and counts, fresh or kept, ended in either way
`shapes.py watch HOST SECONDS SEED`             media pushed over TCP at an even rate, or in bursts
`shapes.py inventory SECONDS SEED PORTS HOST,HOST` asks a few known ports of a few known hosts, as an asset list does
"""

import random
import select
import socket
import struct
import sys
import threading
import time

UDP_PORTS = {"vpn": 51820, "quic": 4433, "video": 3480}
TCP_PORTS = {"chat": 5222, "rpc": 9500, "watch": 8554}
# The first bytes of a packet say what is wanted back: how many packets, of which size, how far apart (ms).
ASK = struct.Struct(">HHH")


def connect(kind, host):
    """A connected socket for a kind of conversation, by IPv4 or IPv6."""
    if kind in TCP_PORTS:
        return socket.create_connection((host, TCP_PORTS[kind]), timeout=6)
    family, _, _, _, where = socket.getaddrinfo(host, UDP_PORTS[kind], type=socket.SOCK_DGRAM)[0]
    end = socket.socket(family, socket.SOCK_DGRAM)
    end.connect(where)
    return end


def listen():
    """Serves until it is ended."""
    for port in UDP_PORTS.values():
        threading.Thread(target=answer_packets, args=(port,), daemon=True).start()
    for name, port in TCP_PORTS.items():
        door = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
        threading.Thread(target=answer_calls, args=(door, {"chat": chat_back, "rpc": rpc_back, "watch": watch_back}[name]), daemon=True).start()
    threading.Event().wait()


def answer_packets(port):
    """Sends back what a packet asks for, in time."""
    end = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    end.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    end.bind(("::", port))

    def burst(count, size, gap_ms, peer):
        for _ in range(count):
            end.sendto(bytes(max(1, int(size))), peer)
            time.sleep(gap_ms / 1000)
    while True:
        data, peer = end.recvfrom(2048)
        if len(data) < ASK.size:
            continue
        count, size, gap = ASK.unpack_from(data)
        if count == 1:
            end.sendto(bytes(max(1, min(size, 1472))), peer)
        elif count:
            threading.Thread(target=burst, args=(min(count, 400), min(size, 1472), min(gap, 200), peer), daemon=True).start()


def answer_calls(door, talk):
    """One thread a connection."""
    def serve(end):
        try:
            talk(end)
        except OSError:
            pass
        end.close()
    while True:
        threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()


def whole(end, size):
    """Reads exactly `size` bytes, or raises."""
    data = b""
    while len(data) < size:
        part = end.recv(min(65536, size - len(data)))
        if not part:
            raise OSError("gone")
        data += part
    return data


def chat_back(end):
    """Speaks when it likes; reads what comes."""
    rng, due = random.Random(), time.monotonic() + 1
    pace = rng.choice([0.5, 2, 6])
    while True:
        if select.select([end], [], [], max(0, due - time.monotonic()))[0]:
            if not end.recv(65536):
                return
            if rng.random() < 0.5:
                end.sendall(bytes(rng.randint(20, 300)))
        else:
            end.sendall(bytes(int(20 * 200 ** rng.random())))
            due = time.monotonic() + rng.expovariate(1 / pace)


def rpc_back(end):
    """Each call says how long it is, how long the answer shall be and how long it takes."""
    while True:
        up, down, wait_ms = struct.unpack(">IIH", whole(end, 10))
        whole(end, min(up, 1 << 22))
        time.sleep(min(wait_ms, 4000) / 1000)
        end.sendall(bytes(min(down, 1 << 23)))


def watch_back(end):
    """Pushes as asked: chunk size, gap in ms, seconds."""
    size, gap_ms, seconds = struct.unpack(">IHH", whole(end, 8))
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        end.sendall(bytes(min(size, 1 << 20)))
        time.sleep(gap_ms / 1000)


def listening(end, seconds):
    """Reads what comes for some time."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if select.select([end], [], [], left)[0]:
            try:
                end.recv(65536)
            except OSError:
                pass


def tell(end, size, count=0, back=0, gap_ms=0):
    """One packet of `size` bytes that asks for `count` packets back."""
    try:
        end.send(ASK.pack(count, int(back), int(gap_ms)).ljust(max(ASK.size, int(size)), b"\0"))
    except OSError:
        pass


def vpn(host, rng, until):
    """Tunnelled work of all kinds: handshake, bursts, trickles, silence with keep-alives."""
    end = connect("vpn", host)
    tell(end, 148, 1, 92)
    listening(end, 0.1)
    step = lambda low, high: 32 + 16 * rng.randint(low, high)
    while time.monotonic() < until:
        what = rng.choice(["page", "page", "bulk", "up", "type", "silence"])
        if what == "page":
            for _ in range(rng.randint(1, 6)):
                tell(end, step(4, 30), rng.randint(3, 60), step(40, 88), rng.choice([0, 1, 4]))
                for _ in range(rng.randint(1, 12)):
                    tell(end, step(2, 5))
                    time.sleep(rng.uniform(0, 0.02))
        elif what == "bulk":
            for _ in range(rng.randint(3, 25)):
                tell(end, 96, rng.randint(20, 120), 1440, rng.choice([0, 1]))
                listening(end, rng.uniform(0.02, 0.2))
        elif what == "up":
            for _ in range(rng.randint(20, 300)):
                tell(end, 1440, 1 if rng.random() < 0.4 else 0, 96)
                time.sleep(0.001)
        elif what == "type":
            for _ in range(rng.randint(10, 60)):
                tell(end, 112, 1, 112)
                listening(end, rng.expovariate(8))
        else:
            tell(end, 32)
            listening(end, min(rng.uniform(2, 25), max(0, until - time.monotonic())))
        listening(end, rng.uniform(0.05, 2))


def quic(host, rng, until):
    """Connections of one to many requests."""
    while time.monotonic() < until:
        end = connect("quic", host)
        tell(end, 1200, rng.randint(2, 4), 1200)
        listening(end, rng.uniform(0.01, 0.08))
        tell(end, 1200)
        for _ in range(rng.choice([1, 1, 3, 8, 25])):
            tell(end, rng.randint(60, 700), rng.choice([1, 2, 8, 40, 200]), rng.choice([1200, 1252, 1350, 400]), rng.choice([0, 0, 1]))
            for _ in range(rng.randint(1, 30)):
                tell(end, rng.randint(28, 45))
                listening(end, rng.uniform(0.001, 0.02))
            listening(end, rng.choice([0.05, 0.3, 2]) * rng.random())
            if time.monotonic() > until:
                break
        end.close()
        time.sleep(rng.uniform(0.1, 3))


def video(host, rng, until):
    """Frames of changing size at an even pace, voice beside them, reports once in a while."""
    while time.monotonic() < until:
        end, fps, voice = connect("video", host), rng.choice([8, 15, 24, 30]), rng.choice([0, 60, 160])
        packets, size = rng.choice([1, 3, 8]), rng.choice([700, 1050, 1180])
        stop, frame = min(until, time.monotonic() + rng.uniform(8, 90)), 0
        while time.monotonic() < stop:
            frame += 1
            count = max(1, int(packets * (4 if frame % (fps * 4) == 1 else 1) * rng.uniform(0.4, 1.5)))
            for index in range(count):
                last = index == count - 1
                tell(end, rng.randint(100, size) if last else size, count if last else 0, size * rng.uniform(0.6, 1), 0)
            if voice:
                tell(end, voice + rng.randint(-10, 20), 1, voice)
            if rng.random() < 0.02:
                tell(end, rng.randint(40, 120), 1, 60)
            listening(end, 1 / fps)
        end.close()
        time.sleep(rng.uniform(0.5, 6))


def chat(host, rng, until):
    """Says something now and then; the other side too."""
    end, pace = connect("chat", host), rng.choice([0.3, 1, 4, 10])
    while (left := until - time.monotonic()) > 0:
        end.sendall(bytes(int(12 * 150 ** rng.random())))
        listening(end, min(rng.expovariate(1 / pace), left))


def rpc(host, rng, until):
    """Calls of one application's taste: its sizes and waits are drawn once, and vary about that."""
    size = lambda low, high: int(low * (high / low) ** rng.random())
    up, down, kept = size(20, 30_000), size(20, 300_000), rng.choice([1, 1, 2, 5, 20, 200])
    wait, pause, abrupt = rng.choice([0, 0, 2, 30, 300, 1500]), rng.choice([0, 0.01, 0.2, 1, 5]), rng.random() < 0.25
    while time.monotonic() < until:
        end = connect("rpc", host)
        for _ in range(rng.randint(1, kept)):
            one_up, one_down = int(up * rng.uniform(0.3, 1.8)), int(down * rng.uniform(0.2, 2))
            end.sendall(struct.pack(">IIH", one_up, one_down, int(wait * rng.uniform(0.2, 1.5))) + bytes(one_up))
            whole(end, one_down)
            if time.monotonic() > until:
                break
            time.sleep(pause * rng.random())
        if abrupt:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.close()
        time.sleep(max(0.02, pause) * rng.uniform(0.2, 2))


def watch(host, rng, until):
    """A channel, then another."""
    while (left := until - time.monotonic()) > 1:
        seconds = max(1, int(min(left, rng.uniform(4, 60))))
        end = connect("watch", host)
        chunk, gap = rng.choice([(1300, 10), (8_000, 40), (60_000, 500), (300_000, 3000), (188 * 7, 5)])
        end.sendall(struct.pack(">IHH", chunk, gap, seconds))
        listening(end, seconds)
        end.close()
        time.sleep(rng.uniform(0.2, 3))


def inventory(seconds, seed, ports, hosts):
    """Rounds over the list: connect, perhaps read a greeting, close; a pause until the next round."""
    rng, until = random.Random(seed), time.monotonic() + float(seconds)
    gap = rng.choice([0.01, 0.1, 0.5])
    while time.monotonic() < until:
        for host in hosts.split(","):
            for port in ports.split(","):
                try:
                    end = socket.create_connection((host, int(port)), timeout=2)
                    if rng.random() < 0.5:
                        end.settimeout(0.5)
                        end.recv(200)
                    end.close()
                except OSError:
                    pass
                time.sleep(gap * rng.random())
        time.sleep(min(rng.uniform(5, 30), max(0, until - time.monotonic())))


def main():
    """Talks until the time is over; a server that hangs up is called again."""
    kind = sys.argv[1]
    if kind == "listen":
        listen()
    elif kind == "inventory":
        inventory(*sys.argv[2:])
    else:
        rng, until = random.Random(sys.argv[4]), time.monotonic() + float(sys.argv[3])
        while time.monotonic() < until:
            try:
                globals()[kind](sys.argv[2], rng, until)
            except OSError:
                time.sleep(1)


main()
