"""tcpdump on the tap, and the file it leaves: trimmed, converted and packed as a recipe wants it."""

import ipaddress
import os
import re
import signal
import struct
import subprocess
import time
from dataclasses import dataclass

from .packets import endpoints
from .programs import ask

# what a capture's name ends in -> how it is made from tcpdump's plain pcap
FORMATS = ["pcap", "pcap.gz", "pcap.zst", "pcapng", "pcapng.gz", "pcapng.zst"]


@dataclass(frozen=True)
class Tap:
    """How to capture. `snaplen` 0 keeps whole packets; `start_s` after the first activities lets connections be under way."""

    form: str = "pcap.zst"
    snaplen: int = 0
    filter: str = ""
    start_s: float = 0.0
    nanoseconds: bool = False
    vlans: tuple = ()  # (address, VLAN id): frames from or to that address get an 802.1Q tag, as on a trunk


class Capture:
    """One tcpdump on the bridge `site` of the router."""

    def __init__(self, network, programs, run_dir, tap):
        self.network, self.programs, self.tap = network, programs, tap
        self.raw = f"{run_dir}/raw.pcap"
        self.log = f"{run_dir}/tcpdump.log"
        self.command = ["tcpdump", "-i", "site", "-n", "-w", self.raw, "-B", "65536", "-Z", "root", "-s", str(tap.snaplen)]
        if tap.nanoseconds:
            self.command += ["--time-stamp-precision", "nano"]
        if tap.filter:
            self.command.append(tap.filter)
        self.program = None

    def start(self):
        """Returns when tcpdump listens."""
        self.program = self.programs.start(self.network.router, self.command, out="tcpdump.log")
        for _ in range(100):
            if os.path.exists(self.log) and "listening on" in open(self.log).read():
                return
            time.sleep(0.05)
        raise RuntimeError(f"tcpdump did not start; see {self.log}")

    def stop(self):
        """Ends tcpdump and returns its counts: `{"captured": n, "dropped": n}`."""
        time.sleep(0.5)
        self.programs.stop(self.program, first=signal.SIGINT, grace_s=10)
        said = open(self.log).read()
        counts = {}
        for word, pattern in (("captured", r"(\d+) packets? captured"), ("dropped", r"(\d+) packets? dropped by kernel")):
            found = re.search(pattern, said)
            counts[word] = int(found.group(1)) if found else None
        return counts

    def store(self, folder):
        """Writes the capture into `folder` in its form and returns the path."""
        form = self.tap.form
        plain = self.raw
        if self.tap.vlans:
            tag(plain, dict(self.tap.vlans))
        if form.startswith("pcapng"):
            plain = self.raw + "ng"
            ask("editcap", "-F", "pcapng", self.raw, plain)
        target = f"{folder}/capture.{form}"
        if form.endswith(".zst"):
            ask("zstd", "-q", "-f", "-19" if os.path.getsize(plain) < 8 << 20 else "-9", plain, "-o", target)
        elif form.endswith(".gz"):
            with open(target, "wb") as file:
                subprocess.run(["gzip", "-9", "-n", "-c", plain], stdout=file, check=True)
        else:
            os.replace(plain, target)
        return target


def tag(path, vlans):
    """Puts an 802.1Q tag into the frames of a plain pcap whose source or destination is in `vlans`; this kernel may have no such devices."""
    known = {ipaddress.ip_address(address).packed: struct.pack(">HH", 0x8100, vlan) for address, vlan in vlans.items()}
    with open(path, "rb") as file, open(path + ".tagged", "wb") as out:
        out.write(file.read(24))
        while len(head := file.read(16)) == 16:
            seconds, part, captured, wire = struct.unpack("<IIII", head)
            frame = file.read(captured)
            mark = next((known[end] for end in endpoints(frame) if end in known), b"")
            out.write(struct.pack("<IIII", seconds, part, captured + len(mark), wire + len(mark)) + frame[:12] + mark + frame[12:])
    os.replace(path + ".tagged", path)
