"""What a run is made of, as plain data: hosts, services, activities and a tap. Recipes return a `Plan`."""

from dataclasses import dataclass, field
from typing import Callable

from .capture import Tap


@dataclass
class Activity:
    """One thing one host does: `body(stage)` does it, `matches` say which packets are its own.

    `host` is a host's name, `start_s` and `duration_s` are seconds from the run's start, `linger_s` how long answers
    may still come afterwards, `six` that it speaks IPv6, `spare` the benign matches that a spoofed flood's row must not swallow.
    """

    name: str
    tool: str
    category: str
    host: str
    matches: list
    body: Callable
    start_s: float = 0.0
    duration_s: float = 30.0
    linger_s: float = 2.0
    spare: list = field(default_factory=list)
    six: bool = False

    @property
    def label(self):
        """`attack` or `benign`."""
        return "benign" if self.category == "benign" else "attack"


@dataclass
class Plan:
    """A whole run, drawn from a seed before anything starts."""

    recipe: str
    seed: int
    segments: dict
    hosts: list
    services: list  # (host, service, settings)
    activities: list
    duration_s: float
    tap: Tap = Tap()
    dark: list = field(default_factory=list)
    offload_at_tap: bool = False
    domain: str = "lab.example"
    attackers: list = field(default_factory=list)
    notes: dict = field(default_factory=dict)

    def host(self, name):
        """The host of that name."""
        return next(host for host in self.hosts if host.name == name)

    def reach(self, name):
        """What to write into a URL to reach the host of that name."""
        return self.ip(name)

    def serves(self, service):
        """Whether any host offers `service`."""
        return any(name == service for _, name, _ in self.services)

    def ip(self, name):
        """The address of the host of that name."""
        return self.host(name).ip

    def seen(self, name):
        """The address under which the tap sees that host: behind NAT, the router's choice."""
        return self.host(name).nat or self.host(name).ip

    def add(self, start_s, duration_s, activity):
        """Puts an activity on the timetable and returns it."""
        activity.start_s, activity.duration_s = start_s, duration_s
        self.activities.append(activity)
        return activity


class Six:
    """The same plan as IPv6 sees it: for activities drawn with `six`, whose programs reach `www` as `www-6` (see /etc/hosts)."""

    def __init__(self, plan):
        self._plan = plan

    def __getattr__(self, name):
        return getattr(self._plan, name)

    def ip(self, name):
        """The host's IPv6 address."""
        return self.host(name).ip6

    seen = ip

    def reach(self, name):
        """The name that leads to the IPv6 address alone."""
        return f"{name}-6"

    def serves(self, service):
        """Names of the lab's DNS lead to IPv4."""
        return service != "dnsmasq" and self._plan.serves(service)

    def draw(self, make, *arguments):
        """An activity over IPv6: `make(*arguments)`, with this view in place of the plan."""
        activity = make(*(self if one is self._plan else one for one in arguments))
        activity.six, activity.name = True, activity.name + " v6"
        return activity
