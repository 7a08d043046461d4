"""What ran, when, between whom: the ground truth, written as each activity starts and stops.

`labels.csv` holds what a sensor is judged by (attack rows, and benign exceptions that must come before them);
`tools.csv` holds every activity with its tool; `run.json` holds all the rest. The first row that matches wins.
"""

import csv
import json
import threading
import time
from dataclasses import dataclass

COLUMNS = ["start", "end", "src", "dst", "src_port", "dst_port", "protocol", "label", "category"]
CATEGORIES = ["benign", "scan", "dos", "bruteforce", "web", "c2", "exfiltration", "tunnel", "amplification", "spread"]
HEAD_S = 0.05  # a tool's first packet may carry an earlier stamp than our own clock reading


@dataclass(frozen=True)
class Match:
    """Which packets a row is about; an empty field matches anything. Addresses are CIDRs or single addresses."""

    src: str = ""
    dst: str = ""
    src_port: str = ""
    dst_port: str = ""
    protocol: str = ""


class Journal:
    """The truth of one run. Rows can be read while the run goes on."""

    def __init__(self, folder):
        self.folder = folder
        self._lock = threading.Lock()
        self._rows = []
        self.entries = []
        self._write()

    def begin(self, name, tool, category, matches, spare=()):
        """Opens an activity; `spare` are benign matches that stand before its attack rows."""
        if category not in CATEGORIES:
            raise ValueError(f"activity {name}: category `{category}` is none of {', '.join(CATEGORIES)}")
        entry = {"name": name, "tool": tool, "category": category, "start": time.time() - HEAD_S, "end": None,
                 "matches": [vars(match) for match in matches], "commands": [], "commands_run": 0, "exits": {}}
        with self._lock:
            self.entries.append(entry)
            self._rows.append((entry, list(matches), list(spare)))
            self._write()
        return entry

    def note(self, entry, command, limit=40):
        """Records an exact command; a loop of hundreds keeps its first `limit` and the count."""
        with self._lock:
            entry["commands_run"] += 1
            if len(entry["commands"]) < limit:
                entry["commands"].append(command)

    def end(self, entry, linger_s=0.0):
        """Closes an activity; stragglers may come for another `linger_s`."""
        with self._lock:
            entry["end"] = time.time() + linger_s
            self._write()

    def finish(self):
        """Closes what an abort left open."""
        with self._lock:
            for entry in self.entries:
                entry["end"] = entry["end"] or time.time()
            self._write()

    def _write(self):
        attacks, sourceless, benign = [], [], []
        for entry, matches, spare in self._rows:
            attack = entry["category"] != "benign"
            # A row without a source stands behind those with one, or it would swallow what other attackers do to its victim.
            rows = benign if not attack else attacks if all(match.src for match in matches) else sourceless
            rows += [(entry, match, "benign", "benign") for match in spare]
            rows += [(entry, match, "attack" if attack else "benign", entry["category"]) for match in matches]
        attacks += sourceless
        with open(f"{self.folder}/labels.csv", "w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows(self._cells(*row) for row in attacks)
        with open(f"{self.folder}/tools.csv", "w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS + ["tool"])
            for row in attacks + benign:
                tool = row[0]["tool"] if row[3] == row[0]["category"] else ""
                table.writerow(self._cells(*row) + [tool])

    @staticmethod
    def _cells(entry, match, label, category):
        end = entry["end"]
        return [f"{entry['start']:.6f}", f"{end:.6f}" if end else "", match.src, match.dst, match.src_port,
                match.dst_port, match.protocol, label, category]

    def dump(self, facts):
        """Writes `run.json`: the given facts and every activity."""
        with self._lock, open(f"{self.folder}/run.json", "w") as file:
            json.dump({**facts, "activities": self.entries}, file, indent=1)
            file.write("\n")
