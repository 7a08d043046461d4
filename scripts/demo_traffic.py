"""Traffic of `scripts/demo-fleet`: labelled captures with their times moved, a made-up application, and which flows are looked at."""
import collections
import csv
import gzip
import hashlib
import random
import struct
import subprocess

PCAP = struct.Struct("<IHHiIII")
RECORD = struct.Struct("<IIII")
MICROSECONDS, NANOSECONDS, ETHERNET = 0xA1B2C3D4, 0xA1B23C4D, 1
# Flows looked at of one capture and side (attack or not), a sensor; every other one is labelled.
LOOKED_AT = 40

Truth = collections.namedtuple("Truth", "case category")


def prepare(repo, folder, begin_s, cases, taphound):
    """Writes the captures of `cases`, the first packet of each at `begin_s`, and gives them with the truth of every flow:
    {(flow, start in us): Truth}. What is true of a flow, `taphound replay --labels` says."""
    captures, truth = [], {}
    for case in cases:
        if case == "device-polling":
            packets, labels = device_polling(begin_s), []
        else:
            packets = read(next((repo / "tests/pcaps" / case).glob("capture.pcap*")))
            with open(repo / "tests/pcaps" / case / "labels.csv") as file:
                labels = list(csv.DictReader(file))
        later_us = (begin_s - packets[0][0] // 1_000_000) * 1_000_000
        capture = folder / f"{folder.name}-{case}.pcap"
        write(capture, [(time + later_us, length, data) for time, length, data in packets])
        captures.append(capture)
        moved = folder / f"{case}.labels.csv"
        with open(moved, "w", newline="") as file:
            columns = ["start", "end", "src", "dst", "src_port", "dst_port", "protocol", "label", "category"]
            writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
            writer.writeheader()
            for label in labels:
                for column in ["start", "end"]:
                    if label[column]:
                        label[column] = f"{float(label[column]) + later_us / 1e6:.6f}"
                writer.writerow(label)
        flows = folder / f"{case}.flows.csv"
        arguments = ["replay", capture, "--labels", moved, "--out", flows]
        subprocess.run([*taphound, *map(str, arguments)], check=True, capture_output=True)
        with open(flows) as file:
            for flow in csv.DictReader(file):
                truth[(flow["flow_id"], int(flow["start_us"]))] = Truth(case, flow["true_category"])
    return captures, truth


def choose(truth, sensor, begin_s):
    """Flows that are looked at: {flow: shown to people}. The same ones in every run, other ones on every sensor."""
    groups = collections.defaultdict(list)
    for key, (case, category) in truth.items():
        draw = hashlib.sha256(f"{sensor} {key[0]} {key[1] - begin_s * 1_000_000}".encode()).digest()
        groups[(case, category != "benign")].append((draw, key))
    chosen = {}
    for group in groups.values():
        for place, (_, key) in enumerate(sorted(group)[:LOOKED_AT]):
            chosen[key] = place % 2 == 0
    return chosen


def tick(folder, at_s):
    """A capture of nothing but time."""
    probe = packet("10.20.0.250", "10.20.0.251", 9, 9, 1, 0, 2, b"")
    path = folder / f"{folder.name}-tick.pcap"
    write(path, [((at_s + second) * 1_000_000, len(probe), probe) for second in (0, 1, 200, 201)])
    return path


def read(path):
    """Packets of a pcap file, plain, gzip or zstd: (time in us, length on the wire, bytes)."""
    if path.suffix == ".gz":
        data = gzip.open(path).read()
    elif path.suffix == ".zst":
        data = subprocess.run(["zstd", "-dc", str(path)], check=True, capture_output=True).stdout
    else:
        data = path.read_bytes()
    magic, _, _, _, _, _, link = PCAP.unpack_from(data)
    if magic not in (MICROSECONDS, NANOSECONDS) or link != ETHERNET:
        return read_pcapng(data)
    fraction = 1 if magic == MICROSECONDS else 1000
    packets, at = [], PCAP.size
    while at < len(data):
        seconds, parts, captured, length = RECORD.unpack_from(data, at)
        at += RECORD.size
        packets.append((seconds * 1_000_000 + parts // fraction, length, data[at : at + captured]))
        at += captured
    return packets


def read_pcapng(data):
    """The enhanced packets of a little-endian pcapng file with one Ethernet interface."""
    packets, at, per_second = [], 0, 1_000_000
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 1:
            option = at + 16
            while option < at + size - 4:
                code, length = struct.unpack_from("<HH", data, option)
                if code == 9:
                    per_second = 10 ** data[option + 4]
                if code == 0:
                    break
                option += 4 + (length + 3) // 4 * 4
        elif kind == 6:
            high, low, captured, length = struct.unpack_from("<IIII", data, at + 12)
            time = ((high << 32) | low) * 1_000_000 // per_second
            packets.append((time, length, data[at + 28 : at + 28 + captured]))
        at += size
    return packets


def write(path, packets):
    with open(path, "wb") as file:
        file.write(PCAP.pack(MICROSECONDS, 2, 4, 0, 0, 262144, ETHERNET))
        for time, length, data in packets:
            file.write(RECORD.pack(time // 1_000_000, time % 1_000_000, len(data), length) + data)


def packet(source, target, source_port, target_port, sequence, acknowledged, flags, payload):
    """TCP over IPv4 over Ethernet; checksums are left out, as a card that computes them leaves them out."""
    address = lambda text: bytes(map(int, text.split(".")))
    ports = struct.pack(">HHII", source_port, target_port, sequence, acknowledged)
    tcp = ports + struct.pack(">BBHHH", 0x50, flags, 64240, 0, 0) + payload
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0x4000, 64, 6, 0) + address(source) + address(target)
    return b"\2\0\0\0\0\2\2\0\0\0\0\1\x08\0" + ip + tcp


def device_polling(begin_s):
    """A program that asks devices for their state and hangs up on them: one command each way, then a reset. (The model inside the sensor
    takes most of it for brute force.)"""
    draw, packets, begin = random.Random(7), [], begin_s * 1_000_000
    syn, syn_ack, ack, push, reset = 2, 18, 16, 24, 20
    for number in range(600):
        us, client = begin, f"10.20.1.{10 + number % 20}"
        device, port = f"10.20.2.{10 + number % 5}", 20_000 + number
        out = lambda *rest: packets.append((int(us), 54 + len(rest[3]), packet(client, device, port, 9100, *rest)))
        back = lambda *rest: packets.append((int(us), 54 + len(rest[3]), packet(device, client, 9100, port, *rest)))
        question = b"?" * draw.randint(300, 900)
        out(1000, 0, syn, b"")
        us += draw.uniform(200, 900)
        back(5000, 1001, syn_ack, b"")
        us += 40
        out(1001, 5001, ack, b"")
        us += 30
        out(1001, 5001, push, question)
        us += draw.uniform(200, 900)
        back(5001, 1001 + len(question), push, b"!" * 40)
        us += draw.uniform(20_000, 90_000)
        out(1001 + len(question), 5041, reset, b"")
        begin += draw.expovariate(1 / 200_000)
    return sorted(packets, key=lambda each: each[0])
