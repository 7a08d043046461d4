"""What can be said of the lab without root: its plans, its paths, its truth, and the committed cases."""

import collections
import csv
import importlib.machinery
import importlib.util
import io
import os
import random
import struct
import sys
import tempfile
import unittest

LAB = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, LAB)

from netlab import check, duel, recipes  # noqa: E402
from netlab.activities import between  # noqa: E402
from netlab.capture import tag  # noqa: E402
from netlab.forwarder import Way  # noqa: E402
from netlab.glimpse import APART_S, glimpse, windows  # noqa: E402
from netlab.packets import packets  # noqa: E402
from netlab.truth import CATEGORIES, Journal, Match  # noqa: E402

PCAPS = os.path.join(os.path.dirname(LAB), "tests", "pcaps")
LINK = {"a": "a0", "b": "b0", "delay_ms": 10.0, "jitter_ms": 0.0, "loss": 0.0, "rate_mbit": 0.0, "reorder": 0.0}


class Plans(unittest.TestCase):
    """Each recipe, several seeds."""

    def drawn(self):
        for name in recipes.RECIPES:
            for seed in range(1, 9 if name in ("train", "world", "foreign") else 2):
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


    def test_foreign_attacks_come_by_tools_that_no_world_has(self):
        tools = {name: {act.tool for seed in range(1, 9) for act in recipes.plan(name, seed).activities if act.label == "attack"} for name in ("train", "world", "foreign")}
        self.assertGreater(len(tools["foreign"]), 12)
        self.assertEqual(tools["foreign"] & (tools["train"] | tools["world"]), set())

    def test_every_category_has_a_learned_tool_and_a_foreign_one(self):
        for name in ("world", "foreign"):
            drawn = {act.category for seed in range(1, 9) for act in recipes.plan(name, seed).activities}
            self.assertEqual(drawn, set(CATEGORIES), name)

    def test_ipv6_activities_name_ipv6_addresses_and_hosts(self):
        plan = recipes.plan("world", 3)
        six = [act for act in plan.activities if act.six]
        self.assertGreater(len(six), 5)
        for act in six:
            self.assertTrue(all(":" in match.src and ":" in match.dst for match in act.matches), act.name)

    def test_a_natted_host_is_known_by_what_the_tap_sees(self):
        plan = recipes.plan("world", 3)
        host = plan.host("user3")
        host.nat = "100.64.0.240"
        self.assertEqual(between(plan, "user3", "www", 80).src, "100.64.0.240")


class Tags(unittest.TestCase):
    """VLAN tags put into a finished capture."""

    def test_a_tagged_frame_grows_by_four_and_reads_the_same(self):
        head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 128, 1)
        ip = bytes.fromhex("4500001c00010000401100000a0000010a000002") + struct.pack(">HHHH", 1000, 53, 8, 0)
        frame = bytes(12) + b"\x08\x00" + ip
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/capture.pcap"
            with open(path, "wb") as file:
                file.write(head + struct.pack("<IIII", 5, 6, len(frame), len(frame)) + frame)
            before = list(packets(path))
            tag(path, {"10.0.0.9": 7})
            self.assertEqual(list(packets(path)), before)
            tag(path, {"10.0.0.2": 7})
            with open(path, "rb") as file:
                self.assertIn(b"\x81\x00\x00\x07\x08\x00", file.read())
            (after,) = packets(path)
            self.assertEqual(after._replace(length=0), before[0]._replace(length=0))
            self.assertEqual(after.length, before[0].length + 4)


class Glimpses(unittest.TestCase):
    """Windows of conversations, for flows whose beginning nobody saw."""

    def test_windows_lie_far_apart_and_hold_payload(self):
        conversation = [(float(second), second % 2 == 0, 100 if second % 5 == 0 else 0) for second in range(0, 600, 3)]
        drawn = [windows(random.Random(seed), conversation) for seed in range(60)]
        self.assertTrue(any(len(kept) > 3 for kept in drawn))
        for kept in drawn:
            for before, after in zip(sorted(kept), sorted(kept)[1:]):
                gap = conversation[after][0] - conversation[before][0]
                self.assertTrue(gap <= 6 or gap > APART_S, gap)
        self.assertTrue(all(any(conversation[index][2] for index in kept) for kept in drawn if kept))

    def test_silence_gives_nothing(self):
        self.assertEqual(windows(random.Random(1), [(0.0, True, 0), (1.0, False, 0)]), set())

    def test_glimpses_of_a_case_are_packets_of_it(self):
        with tempfile.TemporaryDirectory() as folder:
            count = glimpse(f"{PCAPS}/bruteforce-ftp/capture.pcap.gz", f"{folder}/seen.pcap", 1)
            seen, whole = set(packets(f"{folder}/seen.pcap")), set(packets(f"{PCAPS}/bruteforce-ftp/capture.pcap.gz"))
            self.assertGreater(count, 20)
            self.assertEqual(len(seen - whole), 0)


class Duels(unittest.TestCase):
    """What `lab/attack` counts as found."""

    ROW = dict.fromkeys(["start", "end", "src_port", "dst_port", "protocol"], "") | {"start": "100", "end": "130", "src": "198.18.5.66", "dst": "10.20.0.10"}

    def test_an_alert_counts_when_it_names_the_attack_in_its_time(self):
        rows = [check.Row(self.ROW, 1)]
        for src, dst, first, found in (("198.18.5.66", "10.20.0.10", 105, True), ("10.20.0.10", "198.18.5.66", 105, True), ("", "10.20.0.10", 105, True),
                                       ("198.18.5.66", "", 105, True), ("198.18.5.66", "10.20.0.11", 105, False), ("198.51.100.21", "10.20.0.10", 105, False),
                                       ("198.18.5.66", "10.20.0.10", 140, False), ("", "", 105, False)):
            self.assertEqual(duel.concerns(duel.Seen("dos", first, src, dst, first), rows), found, (src, dst, first))

    def test_losses_are_what_is_not_zero_wherever_it_stands(self):
        self.assertEqual(duel.losses({"packets": 9, "accounting": {"packets": {"shed": 2, "metered": 7}, "dropped_at_queue": 0}, "kernel_dropped": 3}),
                         {"accounting.packets.shed": 2, "kernel_dropped": 3})

    def test_every_kind_has_a_plan(self):
        for kind in duel.KINDS:
            plan = duel.plan_for(kind, 10, duel.USUAL_RPS.get(kind, 100), 1, False)
            self.assertEqual([act.label for act in plan.activities], ["attack"], kind)


class DataSets(unittest.TestCase):
    """scripts/dataset: which rows belong to a tool, and which tools are foreign."""

    @classmethod
    def setUpClass(cls):
        path = os.path.join(os.path.dirname(LAB), "scripts", "dataset")
        loader = importlib.machinery.SourceFileLoader("dataset", path)
        cls.script = importlib.util.module_from_spec(importlib.util.spec_from_loader("dataset", loader))
        loader.exec_module(cls.script)

    def test_the_first_matching_row_of_its_own_category_names_the_tool(self):
        with tempfile.TemporaryDirectory() as folder:
            with open(f"{folder}/tools.csv", "w") as file:
                file.write("start,end,src,dst,src_port,dst_port,protocol,label,category,tool\n"
                           "1,2,10.0.0.1,10.0.0.2,,,,attack,scan,nmap\n,,fd00::1,fd00::2,,80,tcp,benign,benign,curl\n")
            tools = self.script.Tools(f"{folder}/tools.csv")
        flow = {"src_ip": "10.0.0.2", "dst_ip": "10.0.0.1", "src_port": "1", "dst_port": "2", "protocol": "6", "start_us": "1500000", "true_category": "scan"}
        self.assertEqual(tools.of(flow), "nmap")
        self.assertEqual(tools.of(flow | {"start_us": "2500000"}), "")
        self.assertEqual(tools.of(flow | {"src_ip": "fd00::1", "dst_ip": "fd00::2", "dst_port": "80", "true_category": "benign"}), "curl")

    def test_only_what_is_learned_or_chosen_by_makes_a_tool_known(self):
        rows = [["x", "scan", "", "r1", "nmap", "train"], ["x", "scan", "", "r2", "zmap", "test"]]
        known, counts = set(), collections.Counter()
        self.script.write(csv.writer(io.StringIO()), counts, known, rows)
        self.assertEqual(known, {"nmap"})
        self.assertEqual(counts, {("train", "scan"): 1, ("test", "scan"): 1})


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
