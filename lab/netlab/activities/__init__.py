"""What hosts do. Each function draws one `Activity` from a generator and says which packets will be its own."""

from ..plan import Activity
from ..truth import Match


def between(plan, client, server, port="", protocol="tcp"):
    """The match for one client talking to one port of one server."""
    return Match(src=plan.seen(client), dst=plan.seen(server), dst_port=str(port), protocol=protocol)


def benign(plan, name, tool, client, server, port, body, protocol="tcp"):
    """A benign activity of one client towards one port of one server."""
    return Activity(f"{name} {client}->{server}", tool, "benign", client,
                    [between(plan, client, server, port, protocol)], body)
