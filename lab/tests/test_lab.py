"""What can be said of the lab without root: its plans, its paths, its truth, and the committed cases."""

import os
import sys
import tempfile
import unittest

LAB = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, LAB)

from netlab import check, recipes  # noqa: E402
from netlab.forwarder import Way  # noqa: E402
from netlab.packets import packets  # noqa: E402
from netlab.truth import Journal, Match  # noqa: E402

PCAPS = os.path.join(os.path.dirname(LAB), "tests", "pcaps")
LINK = {"a": "a0", "b": "b0", "delay_ms": 10.0, "jitter_ms": 0.0, "loss": 0.0, "rate_mbit": 0.0, "reorder": 0.0}


class Plans(unittest.TestCase):
    """Each recipe, several seeds."""

    def drawn(self):
        for name in recipes.RECIPES:
            for seed in range(1, 12 if name == "train" else 2):
                yield recipes.plan(name, seed)

    def test_a_seed_decides_the_timetable(self):
        for name in recipes.RECIPES:
            one, two = recipes.plan(name, 7), recipes.plan(name, 7)
            self.assertEqual([(a.name, a.start_s, a.duration_s) for a in one.activities],
                             [(a.name, a.start_s, a.duration_s) for a in two.activities])
            self.assertEqual(one.hosts, two.hosts)

    def test_nothing_outlasts_its_run(self):
        for plan in self.drawn():
            for act in plan.activities:
                self.assertLessEqual(act.start_s + act.duration_s, plan.duration_s, f"{plan.recipe} {plan.seed} {act.name}")

    def test_attackers_do_nothing_benign_and_one_thing_at_a_time(self):
        for plan in self.drawn():
            for host in plan.attackers:
                own = sorted((act for act in plan.activities if act.host == host), key=lambda act: act.start_s)
                self.assertEqual({act.label for act in own} - {"attack"}, set())
                for before, after in zip(own, own[1:]):
                    self.assertLess(before.start_s + before.duration_s, after.start_s, f"{plan.recipe} {plan.seed} {after.name}")

    def test_benign_hosts_attack_nobody(self):
        for plan in self.drawn():
            self.assertEqual({act.host for act in plan.activities if act.label == "attack"} - set(plan.attackers), set())

    def test_everything_crosses_the_tap(self):
        for plan in self.drawn():
            side = {host.ip: host.segment == "site" for host in plan.hosts}
            for act in plan.activities:
                for match in act.matches:
                    if match.src in side and match.dst in side:
                        self.assertNotEqual(side[match.src], side[match.dst], f"{plan.recipe} {plan.seed} {act.name}")


class Paths(unittest.TestCase):
    """The forwarder's arithmetic, with a generator that says what it is told."""

    class Always:
        def __init__(self, value):
            self.value = value

        def random(self):
            return self.value

        def expovariate(self, _):
            return self.value

    def test_delay_and_order(self):
        way = Way(None, LINK, self.Always(0.5))
        self.assertAlmostEqual(way.due(1.0, 100), 1.010)
        way.link = {**LINK, "delay_ms": 0.0}
        self.assertAlmostEqual(way.due(1.001, 100), 1.010, msg="a later frame must not overtake")

    def test_loss_takes_its_share(self):
        self.assertIsNone(Way(None, {**LINK, "loss": 0.1}, self.Always(0.05)).due(1.0, 100))
        self.assertIsNotNone(Way(None, {**LINK, "loss": 0.1}, self.Always(0.2)).due(1.0, 100))

    def test_rate_spaces_frames_and_a_full_queue_drops(self):
        way = Way(None, {**LINK, "delay_ms": 0.0, "rate_mbit": 8.0}, self.Always(0.5))
        self.assertAlmostEqual(way.due(1.0, 1000), 1.001)
        self.assertAlmostEqual(way.due(1.0, 1000), 1.002)
        for _ in range(400):
            way.due(1.0, 1000)
        self.assertIsNone(way.due(1.0, 1000))
        self.assertGreater(way.overflowed, 0)


class Truth(unittest.TestCase):
    """Rows: their order, and what they match."""

    def test_rows_without_a_source_come_last_behind_the_spared(self):
        with tempfile.TemporaryDirectory() as folder:
            journal = Journal(folder)
            flood = journal.begin("flood", "hping3", "dos", [Match(dst="10.0.0.1", dst_port="80", protocol="tcp")], [Match(src="10.0.0.9", dst="10.0.0.1")])
            scan = journal.begin("scan", "nmap", "scan", [Match(src="10.0.0.66", dst="10.0.0.1")])
            browse = journal.begin("browse", "curl", "benign", [Match(src="10.0.0.9", dst="10.0.0.1", dst_port="80", protocol="tcp")])
            for entry in (flood, scan, browse):
                journal.end(entry)
            rows = check.read_rows(f"{folder}/labels.csv")
            self.assertEqual([row.cells["category"] for row in rows], ["scan", "benign", "dos"])
            self.assertEqual(len(check.read_rows(f"{folder}/tools.csv")), 4)

    def test_either_direction_matches_and_nothing_else(self):
        cells = dict.fromkeys(["start", "end", "src_port"], "") | {"src": "10.0.0.0/24", "dst": "10.1.0.1", "dst_port": "80", "protocol": "tcp"}
        row = check.Row(cells, 1)
        near, far = bytes([10, 0, 0, 7]), bytes([10, 1, 0, 1])
        self.assertTrue(row.about(near, far, 5555, 80, 6))
        self.assertTrue(row.about(far, near, 80, 5555, 6))
        self.assertFalse(row.about(far, near, 5555, 80, 6))
        self.assertFalse(row.about(near, far, 5555, 80, 17))
        self.assertFalse(row.about(bytes([10, 0, 1, 7]), far, 5555, 80, 6))


class Cases(unittest.TestCase):
    """The committed captures hold what their names say."""

    # case -> (packets at least, conversations of attack rows at least)
    EXPECTED = {"benign-browsing": (1000, 0), "benign-ssh": (1000, 0), "benign-dns": (500, 0), "benign-bulk": (1000, 0), "benign-mixed": (10000, 0),
                "scan-syn": (2000, 1000), "scan-connect": (700, 500), "scan-udp": (200, 100), "flood-syn": (20000, 10000), "flood-udp": (9000, 3000),
                "flood-http": (10000, 1500), "slow-http": (3000, 150), "bruteforce-ssh": (1000, 30), "bruteforce-ftp": (700, 30), "attack-day": (20000, 7000),
                "web-attack": (4000, 200), "c2-beacon": (3000, 50), "exfiltration": (5000, 8), "dns-tunnel": (2000, 3), "amplification": (8000, 1000), "spread": (1500, 400)}

    def test_every_case_is_listed_and_covered_by_its_labels(self):
        self.assertEqual(set(os.listdir(PCAPS)) - {"README.md"}, set(self.EXPECTED))
        for name, (least, attacked) in self.EXPECTED.items():
            with self.subTest(name):
                rows, per_row, flows, _, total = check.tally(f"{PCAPS}/{name}")
                attacks = [row for row in rows if row.cells["label"] == "attack"]
                self.assertGreaterEqual(total, least)
                self.assertTrue(all(per_row[row.number] for row in attacks))
                self.assertGreaterEqual(sum(flows.get(row.number, 0) for row in attacks), attacked)
                self.assertTrue(os.path.exists(f"{PCAPS}/{name}/README.md"))

    def test_nanosecond_and_packed_forms_are_read(self):
        times = [packet.time for packet in packets(f"{PCAPS}/benign-dns/capture.pcap")]
        self.assertTrue(all(0 < later - times[0] < 120 for later in times[1:]))
        self.assertTrue(list(packets(f"{PCAPS}/benign-bulk/capture.pcapng.zst")))


if __name__ == "__main__":
    unittest.main()
