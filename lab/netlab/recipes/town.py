"""The small fixed town of the committed cases: a site with servers and desks, people and an attacker outside."""

from ..plan import Plan
from ..topology import Host, Path

NEAR, CITY, ABROAD = Path(0.2, 0.05), Path(9, 1.5, 0.001, 60), Path(42, 4, 0.004, 30, 0.002)
SERVICES = {
    "www": ["nginx"],
    "shell": ["sshd", "vsftpd"],
    "infra": ["dnsmasq", "chrony", "redis", "mosquitto", "mail", "talk", "snmpd", "tracker", "sipp"],
    "far": ["nginx", "sshd", "talk"],
}


def town(recipe, seed, duration_s, tap, services=None, settings=None):
    """A plan without activities. `services` names which hosts serve what (all when None)."""
    hosts = [
        Host("www", "site", "10.20.0.10", path=NEAR), Host("shell", "site", "10.20.0.11", path=NEAR),
        Host("infra", "site", "10.20.0.12"), Host("quiet", "site", "10.20.0.13", silent=True),
        Host("desk1", "site", "10.20.0.21"), Host("desk2", "site", "10.20.0.22", path=NEAR),
        Host("user1", "out0", "198.51.100.21", path=CITY), Host("user2", "out0", "198.51.100.22", path=ABROAD),
        Host("user3", "out0", "198.51.100.23"), Host("far", "out0", "198.51.100.80", path=CITY),
        Host("bot", "site", "10.20.0.31"), Host("lair", "out1", "198.18.5.80", path=CITY), Host("burrow", "out1", "198.18.5.81"),
        Host("prey", "out0", "198.51.100.90"),
        Host("evil1", "out1", "198.18.5.66"), Host("evil2", "out1", "198.18.5.67", path=CITY),
    ]
    offered = services or SERVICES
    settings = {"domain": "lab.example", **(settings or {})}
    return Plan(recipe, seed, {"site": "10.20.0.0/24", "out0": "198.51.100.0/24", "out1": "198.18.5.0/24"}, hosts,
                [(host, service, settings) for host, names in offered.items() for service in names], [], duration_s, tap,
                attackers=["evil1", "evil2", "bot"])
