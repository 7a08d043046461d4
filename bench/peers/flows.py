#!/usr/bin/env python3
"""Holds the flows of `taphound replay` against other programs, by packets and bytes each way, summed per Community ID.

Peers cut flows differently, so flows are summed before they are compared. What differs must stand in differences.csv
(capture glob, peer, Community ID or "only ours", "only theirs", "both" or *, whose, reason), else this fails.

    bench/peers/flows.py --taphound target/release/taphound --peer tshark [--peer nfstream] CAPTURE...
"""

import argparse
import base64
import collections
import csv
import fnmatch
import hashlib
import ipaddress
import json
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent.parent
DIFFERENCES = HERE / "differences.csv"

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
# Exit code of a run whose peer is not installed.
SKIPPED = 77


class Sums(dict):
    """(Community ID, sender's address) -> [packets, payload bytes]; the bytes are None where a peer does not count them."""

    def add(self, community_id, sender, packets, size):
        if packets:
            total = self.setdefault((community_id, str(ipaddress.ip_address(sender))), [0, 0])
            total[0] += packets
            total[1] = None if size is None or total[1] is None else total[1] + size


def plain(capture, folder):
    """The capture without its gzip or zstd, for peers that read neither."""
    unpack = {".zst": ["zstd", "-dc"], ".gz": ["gzip", "-dc"]}.get(capture.suffix)
    if unpack is None:
        return capture
    if shutil.which(unpack[0]) is None:
        sys.exit(f"{unpack[0]} is missing; run `scripts/setup oracles`")
    unpacked = pathlib.Path(folder) / capture.stem
    with unpacked.open("wb") as out:
        subprocess.run([*unpack, str(capture)], stdout=out, check=True)
    return unpacked


def ours(program, capture, folder):
    rows = pathlib.Path(folder) / "ours.csv"
    run = subprocess.run([program, "replay", str(capture), "--out", str(rows)], capture_output=True, text=True)
    # 65: the file is damaged or cut off; what came before is metered.
    if run.returncode not in (0, 65) or not rows.exists():
        sys.exit(f"{program} replay {capture}: exit {run.returncode}: {run.stderr.strip()}")
    sums, protocols = Sums(), {}
    with rows.open() as text:
        for row in csv.DictReader(text):
            flow = row["community_id"]
            protocols[flow] = int(row["protocol"])
            sums.add(flow, row["src_ip"], int(row["fwd_packets"]), int(row["fwd_bytes"]))
            sums.add(flow, row["dst_ip"], int(row["bwd_packets"]), int(row["bwd_bytes"]))
    return sums, protocols


TSHARK_FIELDS = [
    "communityid", "frame.protocols", "ip.len", "ip.hdr_len", "ip.frag_offset", "ip.id", "ip.src", "ip.dst",
    "ipv6.plen", "ipv6.fraghdr.offset", "ipv6.fraghdr.ident", "ipv6.hopopts.len_oct", "ipv6.dstopts.len_oct",
    "ipv6.routing.len_oct", "ipv6.src", "ipv6.dst", "tcp.len", "tcp.hdr_len", "udp.length",
]
# LISP and sFlow are no tunnels of ours; the others are guesses at payloads, which put addresses and numbers of their own where the
# Community ID looks for those of IP and UDP.
NOT_OPENED = ["lisp", "lisp-data", "sflow", "infiniband", "ipx"]


class TShark:
    """Every packet as Wireshark dissects it, with its own Community ID, summed here. Payload bytes are compared too."""

    name = "tshark"

    @staticmethod
    def missing():
        return None if shutil.which("tshark") else "tshark is not installed (`scripts/setup oracles`)"

    @staticmethod
    def covers(_protocol):
        return True

    @staticmethod
    def sums(capture):
        options = ["ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.desegment_tcp_streams:FALSE"]
        command = ["tshark", "-n", "-Q", "-r", str(capture), "--enable-protocol", "communityid", "-T", "fields"]
        for protocol in NOT_OPENED:
            command += ["--disable-protocol", protocol]
        for option in options:
            command += ["-o", option]
        for field in TSHARK_FIELDS:
            command += ["-e", field]
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode not in (0, 2):
            sys.exit(f"tshark on {capture}: exit {run.returncode}: {run.stderr.strip()}")
        sums = Sums()
        firsts = {}
        for line in run.stdout.splitlines():
            values = line.split("\t")
            packet = dict(zip(TSHARK_FIELDS, values + [""] * (len(TSHARK_FIELDS) - len(values))))
            if packet["ip.src"] or packet["ipv6.src"]:
                TShark.packet(packet, sums, firsts)
        return sums

    @staticmethod
    def packet(packet, sums, firsts):
        # The innermost IP header counts, but not the one that an ICMP error quotes.
        seen, innermost, transport = {"ip": -1, "ipv6": -1}, None, None
        for layer in packet["frame.protocols"].split(":"):
            if layer in seen:
                seen[layer] += 1
                innermost, transport = layer, None
            elif layer in ("icmp", "icmpv6", "tcp", "udp"):
                transport = transport or layer
                if layer.startswith("icmp"):
                    break

        def of(field, which=seen[innermost]):
            values = packet[field].split(",")
            return values[which] if -len(values) <= which < len(values) else ""

        def number(field, which=seen[innermost]):
            return int(of(field, which) or "0", 0)

        if innermost == "ipv6":
            extensions = sum(
                int(v)
                for field in ("ipv6.hopopts.len_oct", "ipv6.dstopts.len_oct", "ipv6.routing.len_oct")
                for v in packet[field].split(",")
                if v
            )
            fragmented = packet["ipv6.fraghdr.ident"] != ""
            payload = number("ipv6.plen") - extensions - (8 if fragmented else 0)
            offset = number("ipv6.fraghdr.offset", -1) if fragmented else 0
            datagram = (of("ipv6.src"), of("ipv6.dst"), of("ipv6.fraghdr.ident", -1))
        else:
            payload = number("ip.len") - number("ip.hdr_len")
            offset = number("ip.frag_offset")
            datagram = (of("ip.src"), of("ip.dst"), of("ip.id"))
        community_id, sender = packet["communityid"], datagram[0]
        if offset:
            # Wireshark knows no ports of later fragments; they belong to where the first one went.
            community_id = firsts.get(datagram, community_id)
            size = payload
        elif transport == "tcp":
            # It gives first fragments no segment length.
            size = number("tcp.len", -1) if packet["tcp.len"] else payload - number("tcp.hdr_len", -1)
        elif transport == "udp":
            # A first fragment holds less than its datagram.
            size = min(number("udp.length", -1), payload) - 8
        elif transport:
            size = payload - 8
        else:
            size = payload
        if not offset:
            firsts[datagram] = community_id
        if community_id and sender:
            sums.add(community_id, sender, 1, size)


class NfStream:
    """nDPI's meter. It has no Community ID and no ports for ICMP: the id is made here, for TCP and UDP only."""

    name = "nfstream"

    @staticmethod
    def missing():
        try:
            import nfstream  # noqa: F401
        except ImportError:
            return "nfstream is not installed (`scripts/setup oracles` puts it into .venv)"
        return None

    @staticmethod
    def covers(protocol):
        return protocol in (TCP, UDP)

    @staticmethod
    def sums(capture):
        from nfstream import NFStreamer

        sums = Sums()
        # Accounting mode 3: bytes of layer-4 payload.
        for flow in NFStreamer(source=str(capture), accounting_mode=3, n_dissections=0, n_meters=1):
            if flow.protocol in (TCP, UDP):
                name = community_id(flow.src_ip, flow.dst_ip, flow.src_port, flow.dst_port, flow.protocol)
                sums.add(name, flow.src_ip, flow.src2dst_packets, flow.src2dst_bytes)
                sums.add(name, flow.dst_ip, flow.dst2src_packets, flow.dst2src_bytes)
        return sums


def whole_packets(capture, folder):
    """The capture as a pcap file whose packets are as long as they were on the wire; itself where it is not to be had as one."""
    pcap, whole = pathlib.Path(folder) / "plain.pcap", pathlib.Path(folder) / "whole.pcap"
    run = subprocess.run(["editcap", "-F", "pcap", str(capture), str(pcap)], capture_output=True)
    if run.returncode != 0:
        return capture
    data = pcap.read_bytes()
    head, at = struct.Struct("<IIII"), 24
    with whole.open("wb") as out:
        out.write(data[:16] + struct.pack("<I", 1 << 18) + data[20:24])
        while at < len(data):
            seconds, fraction, captured, length = head.unpack_from(data, at)
            at += head.size
            out.write(head.pack(seconds, fraction, max(length, captured), max(length, captured)))
            out.write(data[at : at + captured].ljust(length, b"\0"))
            at += captured
    return whole


class Suricata:
    """Suricata's flow log, with its own Community ID. It counts captured frames where we count payload, so packets only.

    It refuses packets that a snap length cut short, so it gets them filled up to their length; it counts an ICMP error in the
    flow that the error is about, so it gets none; and it does not sort the ports of a flow between two ports of one address,
    so the Community ID of such a flow is made here.
    """

    name = "suricata"

    @staticmethod
    def missing():
        return None if shutil.which("suricata") else "suricata is not installed (`scripts/setup peers`)"

    @staticmethod
    def covers(protocol):
        return protocol in (TCP, UDP)

    @staticmethod
    def sums(capture):
        with tempfile.TemporaryDirectory() as folder:
            command = ["suricata", "-c", str(HERE / "suricata.yaml"), "-l", folder, "-r", str(capture)]
            command += ["--runmode", "single", "-k", "none", "-S", "/dev/null"]
            command[command.index("-r") + 1] = str(whole_packets(capture, folder))
            command += ["not icmp and not icmp6"]
            run = subprocess.run(command, capture_output=True, text=True)
            # 1: the file is cut off.
            if run.returncode not in (0, 1):
                sys.exit(f"suricata on {capture}: exit {run.returncode}: {run.stderr.strip()}")
            sums = Sums()
            for line in (pathlib.Path(folder) / "eve.json").read_text().splitlines():
                event = json.loads(line)
                if event.get("proto") in ("TCP", "UDP"):
                    name, flow = event["community_id"], event["flow"]
                    if event["src_ip"] == event["dest_ip"]:
                        protocol = TCP if event["proto"] == "TCP" else UDP
                        ports = event["src_port"], event["dest_port"]
                        name = community_id(event["src_ip"], event["dest_ip"], *ports, protocol)
                    sums.add(name, event["src_ip"], flow["pkts_toserver"], None)
                    sums.add(name, event["dest_ip"], flow["pkts_toclient"], None)
        return sums


def community_id(src, dst, src_port, dst_port, protocol):
    """Community ID v1, seed 0, for protocols with ports."""
    ends = sorted((ipaddress.ip_address(a).packed, p) for a, p in ((src, src_port), (dst, dst_port)))
    (low, low_port), (high, high_port) = ends
    data = struct.pack("!H", 0) + low + high + struct.pack("!BBHH", protocol, 0, low_port, high_port)
    return "1:" + base64.b64encode(hashlib.sha1(data).digest()).decode()


PEERS = {peer.name: peer for peer in (TShark, NfStream, Suricata)}


def known_differences():
    with DIFFERENCES.open() as text:
        return list(csv.DictReader(text))


def explanation(known, capture, peer, flow, seen_by):
    for row in known:
        if (
            fnmatch.fnmatch(capture, row["capture"])
            and row["peer"] in (peer, "*")
            and row["community_id"] in (flow, seen_by, "*")
        ):
            return row
    return None


def compare(mine, theirs, protocols, peer):
    """Community ID -> list of differences; a flow without any is equal."""
    flows = collections.defaultdict(list)
    for flow, sender in sorted(set(mine) | set(theirs)):
        if flow in protocols and not peer.covers(protocols[flow]):
            continue
        flows[flow]
        (my_packets, my_size) = mine.get((flow, sender), (0, 0))
        (packets, size) = theirs.get((flow, sender), (0, 0))
        if my_packets != packets:
            flows[flow].append(f"packets from {sender}: ours {my_packets}, {peer.name} {packets}")
        elif size is not None and my_size != size:
            flows[flow].append(f"bytes from {sender}: ours {my_size}, {peer.name} {size}")
    return flows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="+", type=pathlib.Path)
    parser.add_argument("--taphound", required=True)
    parser.add_argument("--peer", action="append", choices=sorted(PEERS), required=True)
    parser.add_argument("--show", type=int, default=5, help="unexplained flows to print, each capture and peer")
    arguments = parser.parse_args()
    peers = []
    for name in arguments.peer:
        reason = PEERS[name].missing()
        if reason:
            print(f"SKIPPED {name}: {reason}")
        else:
            peers.append(PEERS[name])
    if not peers:
        return SKIPPED
    known, used = known_differences(), collections.Counter()
    print(f"{'capture':<52} {'peer':<9} {'flows':>7} {'equal':>7} {'explained':>9} {'unexplained':>11}")
    totals, details = collections.Counter(), []
    for capture in arguments.captures:
        # Cases are known by their folder: all their captures are called capture.*.
        label = "/".join(capture.parts[-2:])
        with tempfile.TemporaryDirectory() as folder:
            unpacked = plain(capture, folder)
            mine, protocols = ours(arguments.taphound, capture, folder)
            for peer in peers:
                theirs = peer.sums(unpacked)
                flows = compare(mine, theirs, protocols, peer)
                my_flows, their_flows = ({flow for flow, _ in sums} for sums in (mine, theirs))
                equal = explained = 0
                unexplained = []
                for flow, differences in flows.items():
                    seen_by = "both" if flow in my_flows & their_flows else f"only {'ours' if flow in my_flows else 'theirs'}"
                    row = explanation(known, label, peer.name, flow, seen_by) if differences else None
                    equal += not differences
                    explained += row is not None
                    if row:
                        used[row["capture"], row["peer"], row["community_id"]] += 1
                    elif differences:
                        unexplained.append((flow, differences))
                print(
                    f"{label:<52} {peer.name:<9} {len(flows):>7} {equal:>7} {explained:>9} {len(unexplained):>11}",
                    flush=True,
                )
                totals.update({"flows": len(flows), "equal": equal, "explained": explained})
                totals["unexplained"] += len(unexplained)
                for flow, differences in unexplained[: arguments.show]:
                    details += [f"{label} {peer.name} {flow}: {difference}" for difference in differences]
    print(
        f"{'all':<52} {'':<9} {totals['flows']:>7} {totals['equal']:>7} {totals['explained']:>9} "
        f"{totals['unexplained']:>11}"
    )
    for row in known:
        if count := used[row["capture"], row["peer"], row["community_id"]]:
            print(f"explained: {count} flows of {row['capture']}, {row['peer']} ({row['whose']}): {row['reason']}")
    for detail in details:
        print(f"unexplained: {detail}")
    return 1 if totals["unexplained"] else 0


if __name__ == "__main__":
    sys.exit(main())
