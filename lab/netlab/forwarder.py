"""Delays, drops, paces and reorders frames between two interfaces: what netem does where a kernel has it.

Run inside the relay namespace as `forwarder.py PATHS.json`, with
`{"seed": 1, "links": [{"a": "a0", "b": "b0", "delay_ms": 10, "jitter_ms": 1, "loss": 0, "rate_mbit": 0, "reorder": 0}]}`.
Each frame read on one end leaves on the other when it is due. Stands alone: standard library only.
"""

import heapq
import json
import random
import select
import signal
import socket
import sys
import time

ETH_P_ALL = 0x0003
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23
SO_RCVBUFFORCE = 33
BUFFER_BYTES = 16 << 20
BURST = 64
QUEUE_S = 0.25  # a rate-limited link holds this much; what comes on top is dropped, as a full router drops it


def open_end(device):
    """A raw socket that sees what arrives at `device`, not what this program sends there."""
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    end.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    end.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    end.bind((device, 0))
    end.setblocking(False)
    return end


class Way:
    """One direction of one link: decides when, or whether, a frame leaves."""

    __slots__ = ("out", "link", "rng", "last_due", "line_free", "lost", "overflowed", "sent")

    def __init__(self, out, link, rng):
        self.out, self.link, self.rng = out, link, rng
        self.last_due = self.line_free = 0.0
        self.lost = self.overflowed = self.sent = 0

    def due(self, now, size):
        """The time a frame of `size` bytes leaves, or None when the link loses it."""
        link, rng = self.link, self.rng
        if link["loss"] and rng.random() < link["loss"]:
            self.lost += 1
            return None
        leave = now
        if link["rate_mbit"]:
            start = max(now, self.line_free)
            if start - now > QUEUE_S:
                self.overflowed += 1
                return None
            leave = self.line_free = start + size * 8 / (link["rate_mbit"] * 1e6)
        due = leave + link["delay_ms"] / 1e3
        if link["jitter_ms"]:
            due += rng.expovariate(1.0) * link["jitter_ms"] / 1e3
        if link["reorder"] and rng.random() < link["reorder"]:
            return due + rng.uniform(0.001, 0.010)  # overtaken by those behind it
        self.last_due = max(due, self.last_due)
        return self.last_due


def run(plan):
    """Forwards until SIGTERM, then prints what it did, link by link, as JSON."""
    stop = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append(True))
    rng = random.Random(plan["seed"])
    poll, ways, ends = select.epoll(), {}, []
    for link in plan["links"]:
        a, b = open_end(link["a"]), open_end(link["b"])
        ends += [a, b]
        ways[a.fileno()] = (a, Way(b, link, random.Random(rng.random())))
        ways[b.fileno()] = (b, Way(a, link, random.Random(rng.random())))
        for end in (a, b):
            poll.register(end.fileno(), select.EPOLLIN)
    waiting, order, clock = [], 0, time.monotonic
    while not stop:
        # epoll counts in milliseconds; select() on the epoll descriptor sleeps for microseconds.
        pause = max(waiting[0][0] - clock(), 0) if waiting else 0.5
        try:
            ready = select.select([poll.fileno()], [], [], pause)[0]
        except InterruptedError:
            continue
        for fd, _ in poll.poll(0) if ready else ():
            end, way = ways[fd]
            for _ in range(BURST):
                try:
                    frame = end.recv(65536)
                except (BlockingIOError, OSError):
                    break
                due = way.due(clock(), len(frame))
                if due is not None:
                    order += 1
                    heapq.heappush(waiting, (due, order, way, frame))
        now = clock()
        while waiting and waiting[0][0] <= now:
            _, _, way, frame = heapq.heappop(waiting)
            try:
                way.out.send(frame)
                way.sent += 1
            except OSError:
                way.overflowed += 1
    report = [{"device": way.link["a"], "sent": way.sent, "lost": way.lost, "overflowed": way.overflowed}
              for _, way in ways.values()]
    print(json.dumps(report))


if __name__ == "__main__":
    with open(sys.argv[1]) as file:
        run(json.load(file))
