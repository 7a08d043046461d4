"""Hosts in namespaces, joined by one router, with a tapped bridge in the middle.

    outside hosts --[path]-- bridge out0 \
                                          router -- bridge `site` (the tap) --[path]-- site hosts
    outside hosts --[path]-- bridge out1 /
                                          \-- sink: whatever has no route ends here, unanswered

Everything that crosses the router into or out of the site is seen on the bridge `site`. A host with a
`Path` reaches its bridge through the relay namespace, where `forwarder.py` delays, drops and reorders.
No namespace has a link to the machine's own network.
"""

import ipaddress
import json
import os
import sys
from dataclasses import asdict, dataclass, field

from .programs import ask, end_namespace

PREFIX = "thlab-"
OFFLOADS = ["gro", "gso", "tso", "tx", "rx"]
HERE = os.path.dirname(os.path.abspath(__file__))


@dataclass(frozen=True)
class Path:
    """What happens to a frame on its way, each way: times in ms, shares from 0 to 1, Mbit/s (0: no limit)."""

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    rate_mbit: float = 0.0
    reorder: float = 0.0


@dataclass
class Host:
    """A host as a recipe draws it up.

    `offload` leaves segmentation and checksum offload on; `nat` is the address that the router shows the site instead of `ip`.
    """

    name: str
    segment: str
    ip: str
    ip6: str = ""
    path: Path | None = None
    offload: bool = False
    mtu: int = 1500
    silent: bool = False
    nat: str = ""
    sysctl: dict = field(default_factory=dict)


class Network:
    """The namespaces of one run. Made by `build`, removed by `close`."""

    def __init__(self, programs, run_dir, dns=None):
        self.prefix = f"{PREFIX}{os.getpid()}-"
        self.programs = programs
        self.run_dir = run_dir
        self.dns = dns
        self.hosts = {}
        self.router = self.prefix + "router"
        self.names6 = {}
        self._made = []
        self._links = []
        self._relay = None

    def netns(self, host_name):
        """The namespace a host lives in."""
        return self.prefix + host_name

    def build(self, segments, hosts, *, offload_at_tap=False, dark=(), etc=None, seed=0):
        """Makes segments (name -> CIDR) and hosts. `dark` addresses of the site take packets and never answer."""
        self._namespace(self.router)
        self._ip(self.router, "link add sink0 type veth peer name sink1", "link set sink0 up", "link set sink1 up",
                 "link set lo up", "addr add 192.0.2.1/32 dev sink0",
                 "neigh add 192.0.2.254 lladdr 02:00:00:00:fe:fe dev sink0 nud permanent",
                 "route add default via 192.0.2.254 dev sink0 onlink")
        self._sysctl(self.router, {"net.ipv4.ip_forward": 1, "net.ipv6.conf.all.forwarding": 1,
                                   "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0,
                                   "net.ipv4.conf.sink0.rp_filter": 0, "net.ipv4.conf.all.send_redirects": 0,
                                   "net.ipv4.neigh.default.gc_thresh3": 4096, "net.ipv4.icmp_ratelimit": 1000})
        for index, (name, cidr) in enumerate(segments.items()):
            gate = next(ipaddress.ip_network(cidr).hosts())
            bits = cidr.split("/")[1]
            # An address of its own: one taken from the ports would change with each, and with it go the neighbours below.
            self._ip(self.router, f"link add {name} address 02:00:00:00:02:{index:02x} type bridge mcast_snooping 0 forward_delay 0",
                     f"link set {name} up", f"addr add {gate}/{bits} dev {name}",
                     f"addr add fd00:{index}::1/64 dev {name} nodad")
            self._offload(self.router, name, offload_at_tap)
        for ip in dark:
            self._ip(self.router, f"neigh add {ip} lladdr 02:00:00:00:dd:dd dev site nud permanent")
        if any(host.path for host in hosts):
            self._relay = self.prefix + "relay"
            self._namespace(self._relay)
        self.names6 = {host.name: host.ip6 for host in hosts if host.ip6}
        for number, host in enumerate(hosts):
            self._attach(number, host, segments, etc)
        self._translate([host for host in hosts if host.nat])
        if self._links:
            self._start_forwarder(seed)

    def _attach(self, number, host, segments, etc):
        netns = self.netns(host.name)
        self._namespace(netns)
        self._write_etc(netns, host, etc)
        port, mac = f"p{number}", f"02:00:00:00:01:{number:02x}"
        if host.path:
            relay = self._relay
            self._ip(relay, f"link add a{number} type veth peer name eth0 netns {netns}",
                     f"link add b{number} type veth peer name {port} netns {self.router}",
                     f"link set a{number} up", f"link set b{number} up")
            for end in ("a", "b"):
                self._offload(relay, f"{end}{number}", False)
            self._links.append({"a": f"a{number}", "b": f"b{number}", **asdict(host.path)})
        else:
            self._ip(self.router, f"link add {port} type veth peer name eth0 netns {netns}")
        # A relayed frame is read as bytes: no checksum or segment may be left to a later device.
        self._offload(netns, "eth0", host.offload and not host.path)
        self._offload(self.router, port, host.offload and not host.path)
        self._ip(self.router, f"link set {port} master {host.segment}", f"link set {port} up")
        network = ipaddress.ip_network(segments[host.segment])
        gate = next(network.hosts())
        index = list(segments).index(host.segment)
        self._sysctl(netns, {"net.ipv4.conf.all.rp_filter": 0, "net.ipv6.conf.eth0.router_solicitations": 0,
                             "net.ipv6.conf.eth0.accept_dad": 0, **host.sysctl})
        self._ip(netns, "link set lo up", f"link set eth0 address {mac}", f"link set eth0 mtu {host.mtu}",
                 "link set eth0 up", f"addr add {host.ip}/{network.prefixlen} dev eth0")
        if host.ip6:
            self._ip(netns, f"addr add {host.ip6}/64 dev eth0 nodad")
        if not host.silent:
            self._ip(netns, f"route add default via {gate}")
            if host.ip6:
                self._ip(netns, f"route add default via fd00:{index}::1")
        self.hosts[host.name] = host

    def _translate(self, hosts):
        """Source NAT towards the site; connections of nobody else are tracked, or a flood would fill the table."""
        if not hosts:
            return
        inside, shown = ", ".join(host.ip for host in hosts), ", ".join(sorted({host.nat for host in hosts}))
        rules = "\n".join(f'  ip saddr {host.ip} oifname "site" snat to {host.nat}' for host in hosts)
        ask("ip", "netns", "exec", self.router, "nft", "-f", "-", feed=f"""
table ip nat {{
 chain post {{
  type nat hook postrouting priority 100; policy accept;
{rules}
 }}
}}
table ip raw {{
 chain pre {{
  type filter hook prerouting priority -300; policy accept;
  ip saddr != {{ {inside} }} ip daddr != {{ {shown} }} notrack
 }}
}}
""")

    def _start_forwarder(self, seed):
        plan = os.path.join(self.run_dir, "paths.json")
        with open(plan, "w") as file:
            json.dump({"seed": seed, "links": self._links}, file)
        self.programs.start(self._relay, [sys.executable, os.path.join(HERE, "forwarder.py"), plan], out="forwarder.log")

    def _write_etc(self, netns, host, etc):
        """`ip netns exec` lays these files over /etc, so a lab user exists only inside its host."""
        folder = f"/etc/netns/{netns}"
        os.makedirs(folder, exist_ok=True)
        files = dict(etc.get(host.name, {})) if etc else {}
        files["hosts"] = "127.0.0.1 localhost\n::1 localhost\n" + "".join(f"{ip6} {name}-6\n" for name, ip6 in self.names6.items())
        if self.dns:
            files["resolv.conf"] = f"nameserver {self.dns}\noptions timeout:2 attempts:1\n"
        for name, text in files.items():
            target = os.path.join(folder, name)
            with open(target, "w") as file:
                file.write(text)
            os.chmod(target, 0o640 if name == "shadow" else 0o644)

    def _namespace(self, netns):
        self._made.append(netns)
        ask("ip", "netns", "add", netns)

    def _ip(self, netns, *lines):
        ask("ip", "-n", netns, "-batch", "-", feed="\n".join(lines) + "\n")

    def _offload(self, netns, device, on):
        flags = [word for name in OFFLOADS for word in (name, "on" if on else "off")]
        ask("ip", "netns", "exec", netns, "ethtool", "-K", device, *flags, check=False)

    def _sysctl(self, netns, values):
        pairs = [f"{key}={value}" for key, value in values.items()]
        ask("ip", "netns", "exec", netns, "sysctl", "-q", "-e", "-w", *pairs, check=False)

    def close(self):
        """Removes every namespace this object made, with what runs in it."""
        for netns in reversed(self._made):
            end_namespace(netns)
        self._made.clear()


def leftovers():
    """Namespaces of labs whose process is gone."""
    stale = []
    for line in ask("ip", "netns", "list").splitlines():
        name = line.split()[0] if line.split() else ""
        pid = name.removeprefix(PREFIX).split("-")[0]
        if name.startswith(PREFIX) and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            stale.append(name)
    return stale
