"""Holds a capture against its truth: how many packets and conversations fall into each row, and what no row claims."""

import csv
import glob
import ipaddress
import json
import os
from collections import Counter, defaultdict

from .packets import packets
from .truth import COLUMNS

NOBODY = ["203.0.113.0/24", "224.0.0.0/4"]  # the peers that gossip asks for, and multicast
ICMPV6 = 58
PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1}


class Row:
    """One row of truth, ready to match."""

    def __init__(self, cells, number):
        self.cells, self.number = cells, number
        self.start = float(cells["start"] or "-inf")
        self.end = float(cells["end"] or "inf")
        self.nets = [cells[name] and span(cells[name]) for name in ("src", "dst")]
        self.ports = [cells[name] and int(cells[name]) for name in ("src_port", "dst_port")]
        self.before_tap = False
        word = cells["protocol"]
        self.protocol = PROTOCOLS.get(word) or (int(word) if word else None)

    def about(self, src, dst, src_port, dst_port, protocol):
        """Whether these ends are this row's, in either direction."""
        if self.protocol is not None and self.protocol != protocol:
            return False
        return self._one_way(src, dst, src_port, dst_port) or self._one_way(dst, src, dst_port, src_port)

    def _one_way(self, src, dst, src_port, dst_port):
        return (inside(src, self.nets[0]) and inside(dst, self.nets[1])
                and self.ports[0] in ("", src_port) and self.ports[1] in ("", dst_port))


def span(cidr):
    """A network as (address length, first, last)."""
    network = ipaddress.ip_network(cidr, strict=False)
    return network.max_prefixlen // 8, int(network[0]), int(network[-1])


def inside(address, net):
    """Whether packed `address` lies in `net` (empty: any)."""
    return not net or (len(address) == net[0] and net[1] <= int.from_bytes(address) <= net[2])


def read_rows(path):
    """The rows of a truth file, in order."""
    with open(path, newline="") as file:
        table = csv.DictReader(file)
        if table.fieldnames[:len(COLUMNS)] != COLUMNS:
            raise ValueError(f"{path}: the header must be {','.join(COLUMNS)}")
        return [Row(cells, number) for number, cells in enumerate(table, 1)]


def capture_of(folder):
    """The capture in a folder."""
    found = sorted(glob.glob(f"{folder}/capture.pcap*"))
    if len(found) != 1:
        raise ValueError(f"{folder}: {len(found)} captures, there must be one")
    return found[0]


def tally(folder, truth="labels.csv"):
    """Counts: per row (packets, conversations), per label, and unlabelled packets of hosts that attack."""
    rows = read_rows(f"{folder}/{truth}")
    candidates, per_row, flows = {}, Counter(), defaultdict(set)
    (sources, known), unclaimed = hosts(folder), Counter()
    total, first = 0, None
    for packet in packets(capture_of(folder)):
        total += 1
        first = first or packet.time
        key = packet[1:6]
        if key not in candidates:
            candidates[key] = [row for row in rows if row.about(*key)]
        row = next((row for row in candidates[key] if row.start <= packet.time <= row.end), None)
        number = row.number if row else 0
        per_row[number] += 1
        ends = ((packet.src, packet.src_port), (packet.dst, packet.dst_port))
        flows[number].add((packet.protocol, min(ends), max(ends)))
        if row is None and packet.protocol != ICMPV6:  # neighbours looking for one another
            for end in (packet.src, packet.dst):
                if end in sources:
                    unclaimed[f"attacker {sources[end]}"] += 1
                elif known and len(end) == 4 and not any(inside(end, net) for net in known):
                    unclaimed["addresses that no host has (a spoofed flood's answers?)"] += 1
    for row in rows:
        row.before_tap = first is not None and row.end < first
    return rows, per_row, {number: len(keys) for number, keys in flows.items()}, unclaimed, total


def hosts(folder):
    """By `run.json`: packed addresses of the hosts that attack, and the networks whose packets may be in no row.

    Both empty where there is no such file.
    """
    path = f"{folder}/run.json"
    if not os.path.exists(path):
        return {}, []
    with open(path) as file:
        facts = json.load(file)
    names = {one["host"] for one in facts["activities"] if one["category"] != "benign"}
    sources = {ipaddress.ip_address(host[kind]).packed: host["name"] for host in facts["hosts"] for kind in ("ip", "ip6")
               if host[kind] and host["name"] in names}
    return sources, [span(cidr) for cidr in [*facts["segments"].values(), *NOBODY]]


def report(folder):
    """Prints the counts of a folder; 65 when an attack row is empty, or an attacker's or a stranger's packets have no row."""
    rows, per_row, flows, unclaimed, total = tally(folder)
    print(f"{folder}: {total} IP packets, {per_row[0]} of them in no row ({flows.get(0, 0)} conversations)")
    faults = []
    for row in rows:
        cells = row.cells
        spared = cells["label"] == "benign"
        if spared and not per_row[row.number]:
            continue
        seconds = row.end - row.start
        print(f"  {cells['label']:6} {cells['category']:10} {cells['src'] or '*':>18} -> {cells['dst']:>18}:{cells['dst_port'] or '*':5} "
              f"{cells['protocol'] or '*':4} {seconds:6.1f} s {per_row[row.number]:7} packets {flows.get(row.number, 0):6} conversations")
        if not spared and not per_row[row.number] and not row.before_tap:
            faults.append(f"row {row.number} ({cells['category']} by {cells['src'] or 'anyone'} on {cells['dst']}) has no packets")
    for name, count in unclaimed.items():
        faults.append(f"{count} packets of {name} are in no row")
    for fault in faults:
        print(f"  ! {fault}")
    return 65 if faults else 0
