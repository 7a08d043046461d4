"""Reads captures, plain or packed: pcap and pcapng, micro- and nanoseconds, either byte order; enough to count by."""

import gzip
import struct
import subprocess
from typing import NamedTuple


class Packet(NamedTuple):
    """What the truth is matched on. Addresses are packed bytes; ports are 0 where there are none."""

    time: float
    src: bytes
    dst: bytes
    src_port: int
    dst_port: int
    protocol: int
    length: int


def open_capture(path):
    """The bytes of a capture, unpacked by its name."""
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
    with (gzip.open(path) if path.endswith(".gz") else open(path, "rb")) as file:
        return file.read()


def frames(data):
    """Yields (time, frame, wire length) of an Ethernet capture."""
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        yield from pcapng_frames(data)
        return
    order = "<" if data[0] in (0xD4, 0x4D) else ">"
    magic = struct.unpack(order + "I", data[:4])[0]
    unit = {0xA1B2C3D4: 1e6, 0xA1B23C4D: 1e9}.get(magic)
    if unit is None:
        raise ValueError("not a capture: unknown magic number")
    at, head = 24, struct.Struct(order + "IIII")
    while at + 16 <= len(data):
        seconds, part, captured, wire = head.unpack_from(data, at)
        yield seconds + part / unit, data[at + 16:at + 16 + captured], wire
        at += 16 + captured


def pcapng_frames(data):
    """The same, of a pcapng file of one section."""
    order = "<" if data[8:12] == b"\x4d\x3c\x2b\x1a" else ">"
    at, units = 0, []
    while at + 12 <= len(data):
        kind, size = struct.unpack_from(order + "II", data, at)
        if kind == 1:
            units.append(resolution(data[at + 16:at + size - 4], order))
        elif kind == 6:
            interface, high, low, captured, wire = struct.unpack_from(order + "IIIII", data, at + 8)
            yield ((high << 32) | low) / units[interface], data[at + 28:at + 28 + captured], wire
        at += size


def resolution(options, order):
    """Ticks a second of an interface (option if_tsresol), a million when it says nothing."""
    at = 0
    while at + 4 <= len(options):
        code, size = struct.unpack_from(order + "HH", options, at)
        if code == 9:
            value = options[at + 4]
            return float(2 ** (value & 0x7F) if value & 0x80 else 10 ** value)
        at += 4 + (size + 3 & ~3)
        if code == 0:
            break
    return 1e6


def packets(path):
    """Yields the IP packets of a capture file; anything else is skipped."""
    for time, frame, wire in frames(open_capture(path)):
        at, kind = 14, frame[12:14]
        while kind in (b"\x81\x00", b"\x88\xa8"):
            kind, at = frame[at + 2:at + 4], at + 4
        if kind == b"\x08\x00":
            protocol, src, dst = frame[at + 9], frame[at + 12:at + 16], frame[at + 16:at + 20]
            later = struct.unpack_from(">H", frame, at + 6)[0] & 0x1FFF
            at += (frame[at] & 15) * 4
        elif kind == b"\x86\xdd":
            protocol, src, dst, later = frame[at + 6], frame[at + 8:at + 24], frame[at + 24:at + 40], 0
            at += 40
        else:
            continue
        ports = struct.unpack_from(">HH", frame, at) if protocol in (6, 17) and not later and len(frame) >= at + 4 else (0, 0)
        yield Packet(time, src, dst, *ports, protocol, wire)


def endpoints(frame):
    """The two packed addresses of an untagged Ethernet frame; none when it is not IP."""
    kind = frame[12:14]
    if kind == b"\x08\x00":
        return frame[26:30], frame[30:34]
    if kind == b"\x86\xdd":
        return frame[22:38], frame[38:54]
    return ()
