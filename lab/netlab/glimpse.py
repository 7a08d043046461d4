"""Glimpses: what a tap has of conversations when it wakes late, looks away early, or sees one direction only.

Of each conversation of a capture a few windows of packets are kept, so far apart that a flow meter takes them for flows of their own;
windows without any payload are left out, since such a packet by itself says nothing about who sent it or why.
"""

import random
import struct
from collections import defaultdict

from .packets import endpoints, frames, open_capture

APART_S = 75.0  # more than the meter's idle timeout
LENGTHS = [1, 1, 2, 3, 4, 6, 10, 20, 60]
WINDOWS_MAX = 3
ONE_WAY_ODDS = 0.4


def key(frame):
    """(the conversation, whether the frame goes the way its smaller end sends, payload bytes) of a frame; None for what is not TCP or UDP."""
    if frame[12:14] == b"\x81\x00":
        frame = frame[:12] + frame[16:]
    ends = endpoints(frame)
    if not ends:
        return None
    if len(ends[0]) == 4:
        head, protocol, total = 14 + (frame[14] & 15) * 4, frame[23], struct.unpack(">H", frame[16:18])[0] + 14
        if struct.unpack(">H", frame[20:22])[0] & 0x3FFF:
            return None
    else:
        head, protocol, total = 54, frame[20], struct.unpack(">H", frame[18:20])[0] + 54
    if protocol not in (6, 17) or len(frame) < head + (14 if protocol == 6 else 8):
        return None
    ports = struct.unpack(">HH", frame[head:head + 4])
    payload = total - head - ((frame[head + 12] >> 4) * 4 if protocol == 6 else 8)
    one, two = (ends[0], ports[0]), (ends[1], ports[1])
    return (protocol, min(one, two), max(one, two)), one < two, payload


def windows(rng, packets):
    """Indices to keep of one conversation's packets `(time, forward, payload)`."""
    kept, free_at = set(), float("-inf")
    for _ in range(WINDOWS_MAX):
        later = [index for index, packet in enumerate(packets) if packet[0] > free_at]
        if not later:
            break
        start, count = rng.choice(later), rng.choice(LENGTHS)
        way = packets[start][1] if rng.random() < ONE_WAY_ODDS else None
        chosen = [index for index in range(start, min(start + 2 * count, len(packets))) if way is None or packets[index][1] == way][:count]
        if not any(packets[index][2] > 0 for index in chosen):
            continue
        kept.update(chosen)
        free_at = packets[chosen[-1]][0] + APART_S
    return kept


def glimpse(source, target, seed):
    """Writes the glimpses of capture `source` into the plain pcap `target`; returns how many packets they are."""
    rng, data = random.Random(seed), list(frames(open_capture(source)))
    conversations = defaultdict(list)
    for number, (time, frame, _) in enumerate(data):
        if known := key(frame):
            conversations[known[0]].append((number, (time, *known[1:])))
    kept = sorted(packets[index][0] for packets in conversations.values() for index in windows(rng, [packet for _, packet in packets]))
    with open(target, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
        for number in kept:
            time, frame, wire = data[number]
            seconds = int(time)
            out.write(struct.pack("<IIII", seconds, min(int(round((time - seconds) * 1e6)), 999_999), len(frame), wire) + frame)
    return len(kept)
