"""The menu of benign activities: what a client may do with a server that offers a service, and how often."""

from . import benign_shell as shell
from . import benign_small as small
from . import benign_web as web

# (weight, service the server must offer, what the client does)
MENU = [
    (6, "nginx", web.browse), (5, "nginx", web.curl_pages), (5, "nginx", web.poll), (2, "nginx", web.download), (2, "nginx", web.upload),
    (2, "nginx", web.stream), (1, "nginx", web.long_poll), (3, "nginx", web.health), (2, "nginx", web.wrong_door), (1, "nginx", web.private_pages),
    (3, "sshd", shell.typing), (3, "sshd", shell.commands), (2, "sshd", shell.copies), (2, "sshd", shell.mistyped), (1, "sshd", shell.idle_shell),
    (3, "vsftpd", shell.ftp), (4, "dnsmasq", small.lookups), (2, "chrony", small.clock), (2, "talk", small.ping), (2, "redis", small.cache),
    (2, "mosquitto", small.sensors), (3, "mail", small.mail), (3, "talk", small.call), (2, "talk", small.telling), (3, "talk", small.handshakes),
    (2, "talk", small.field_device), (1, "snmpd", small.snmp),
    (1, "iperf3", small.measure), (1, "sipp", small.signalling),
]


def draw(rng, plan, clients, servers):
    """A random activity between a client and a server on opposite sides of the tap.

    `servers` maps a service to the hosts that offer it. None when the draw finds no pair.
    """
    _, service, make = rng.choices(MENU, weights=[entry[0] for entry in MENU])[0]
    offered = servers.get(service, [])
    if not offered:
        return None
    server = rng.choice(offered)
    across = [name for name in clients if (plan.host(name).segment == "site") != (plan.host(server).segment == "site")]
    return make(rng, plan, rng.choice(across), server) if across else None
