"""What lab/degrade does to captures: how many packets come out, and how they look."""

import os
import subprocess
import sys
import tempfile
import unittest

LAB = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, LAB)

from netlab.packets import frames, open_capture  # noqa: E402

PCAPS = os.path.join(os.path.dirname(LAB), "tests", "pcaps")


class Degrade(unittest.TestCase):
    """One classic capture, one of the newer form."""

    def degraded(self, how, case, *more):
        folder = os.path.join(PCAPS, case)
        capture = next(os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("capture."))
        with tempfile.TemporaryDirectory() as out:
            made = os.path.join(out, "capture.pcapng" if "pcapng" in capture else "capture.pcap")
            done = subprocess.run([sys.executable, os.path.join(LAB, "degrade"), how, capture, made, *more],
                                  check=True, capture_output=True, text=True)
            came, went = [int(word) for word in done.stdout.rsplit(": ", 1)[1].split() if word.isdigit()]
            with open(made, "rb") as file:
                size = len(file.read())
            return came, went, size, sum(1 for _ in frames(open_capture(made)))

    def test_losses_and_repeats_are_as_asked_for_and_the_same_again(self):
        for case in ("benign-dns", "scan-connect"):
            came, went, size, read = self.degraded("loss", case, "--share", "0.25")
            self.assertEqual(read, went, "what is written can be read")
            self.assertTrue(0.6 * came < went < 0.9 * came, (came, went))
            self.assertEqual((came, went, size, read), self.degraded("loss", case, "--share", "0.25"))
            self.assertNotEqual(size, self.degraded("loss", case, "--share", "0.25", "--seed", "2")[2])
            came, went, _, read = self.degraded("duplicate", case, "--share", "0.25")
            self.assertEqual(read, went)
            self.assertTrue(1.1 * came < went < 1.4 * came, (came, went))

    def test_one_way_leaves_questions_and_snaplen_leaves_packets(self):
        for case in ("benign-dns", "scan-connect"):
            came, went, whole, _ = self.degraded("snaplen", case, "--bytes", "65535")
            self.assertEqual(came, went)
            self.assertLess(self.degraded("one-way", case)[1], came)
            came, went, size, read = self.degraded("snaplen", case, "--bytes", "60")
            self.assertEqual((came, went), (went, read))
            self.assertLess(size, whole)


if __name__ == "__main__":
    unittest.main()
