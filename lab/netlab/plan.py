"""What a run is made of, as plain data: hosts, services, activities and a tap. Recipes return a `Plan`."""

from dataclasses import dataclass, field
from typing import Callable

from .capture import Tap


@dataclass
class Activity:
    """One thing one host does: `body(stage)` does it, `matches` say which packets are its own.

    `host` is a host's name, `start_s` and `duration_s` are seconds from the run's start, `linger_s` how long answers
    may still come afterwards, `spare` the benign matches that a spoofed flood's row must not swallow.
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

    def serves(self, service):
        """Whether any host offers `service`."""
        return any(name == service for _, name, _ in self.services)

    def ip(self, name):
        """The address of the host of that name."""
        return self.host(name).ip

    def add(self, start_s, duration_s, activity):
        """Puts an activity on the timetable and returns it."""
        activity.start_s, activity.duration_s = start_s, duration_s
        self.activities.append(activity)
        return activity
