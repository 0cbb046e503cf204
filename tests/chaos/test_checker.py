#!/usr/bin/env python3
"""The checker against histories that were broken on purpose: it must find what is wrong with each,
and nothing in a good one. An anomaly that no case here brings about is an error of this test."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import checker
import faults

# One producer (number 1), two partitions; a reader, two members one after the other, the group's
# offsets, and the last reading. Times are microseconds.
GOOD = {
    "producer-1": """
        1000 s 0 1.0
        1100 a 0 1.0 0
        1200 s 0 1.1
        1210 s 1 1.0
        1300 a 0 1.1 1
        1310 a 1 1.0 0
        1400 s 0 1.2
        1500 a 0 1.2 2
        1600 s 0 1.3
        1700 i 0 1.3 timed out
        1800 s 0 1.4
        1900 f 0 1.4 not taken
        2000 s 0 1.5
        2100 a 0 1.5 3
        2200 z""",
    "reader-2": """
        900 + 0
        900 + 1
        1150 r 0 0 1.0
        1350 r 0 1 1.1
        1360 r 1 0 1.0
        1550 r 0 2 1.2
        2150 r 0 3 1.5
        2300 z""",
    "member-3": """
        900 + 0
        900 + 1
        1150 r 0 0 1.0
        1350 r 0 1 1.1
        1360 r 1 0 1.0
        1370 c 0 2
        1370 c 1 1
        1380 k 0 2
        1380 k 1 1
        1390 r 0 2 1.2
        1400 c 0 3
        1410 x 0 3 rebalance in progress
        1420 - 0
        1420 - 1
        1500 z""",
    "member-4": """
        1450 + 0
        1450 + 1
        1550 r 0 2 1.2
        2150 r 0 3 1.5
        2160 c 0 4
        2170 k 0 4
        2400 z""",
    "observer-5": """
        1100 q 0
        1395 q 0
        1396 o 0 2
        1396 o 1 1
        2500 q 0
        2510 o 0 4
        2510 o 1 1
        2600 z""",
    "final-6": """
        2700 h 0 4
        2700 h 1 1
        2800 r 0 0 1.0
        2800 r 0 1 1.1
        2800 r 0 2 1.2
        2800 r 0 3 1.5
        2800 r 1 0 1.0
        2900 z""",
}

# name: (anomalies it must have, [(whose history, lines, lines instead)])
CASES = {
    "a record is lost": (
        {"hole", "lost-write"}, [
            ("final-6", "2800 r 0 1 1.1", ""),
        ]),
    "the end is lost": (
        {"unfinished", "unseen"}, [
            ("final-6", "2800 r 0 3 1.5", ""),
        ]),
    "a record is there twice": (
        {"duplicate"}, [
            ("final-6", "2800 r 0 3 1.5", "2800 r 0 3 1.5\n2800 r 0 4 1.2"),
        ]),
    "a retry is there twice, of which nothing is known": (
        {"duplicate"}, [
            ("final-6", "2800 r 0 3 1.5", "2800 r 0 3 1.5\n2800 r 0 4 1.3\n2800 r 0 5 1.3"),
        ]),
    "the reader saw what is no more": (
        {"inconsistent-offsets"}, [
            ("reader-2", "1350 r 0 1 1.1", "1350 r 0 1 1.3"),
        ]),
    "acknowledged at another's place": (
        {"duplicate", "inconsistent-offsets", "nonmonotonic-send"}, [
            ("producer-1", "1500 a 0 1.2 2", "1500 a 0 1.2 1"),
        ]),
    "a failed record was read": (
        {"aborted-read"}, [
            ("final-6", "2800 r 0 3 1.5", "2800 r 0 3 1.5\n2800 r 0 4 1.4"),
        ]),
    "a record that nobody sent": (
        {"unknown-value"}, [
            ("final-6", "2800 r 1 0 1.0", "2800 r 1 0 1.0\n2800 r 1 1 7.9"),
        ]),
    "a damaged record": (
        {"inconsistent-offsets", "unknown-value"}, [
            ("reader-2", "1550 r 0 2 1.2", "1550 r 0 2 corrupt-99-bytes"),
        ]),
    "one producer's records change places": (
        {"reordered"}, [
            ("final-6", "2800 r 0 1 1.1\n2800 r 0 2 1.2", "2800 r 0 1 1.2\n2800 r 0 2 1.1"),
        ]),
    "a later record at a lower offset": (
        {"nonmonotonic-send"}, [
            ("producer-1", "2100 a 0 1.5 3", "2100 a 0 1.5 1"),
        ]),
    "the reader goes back": (
        {"nonmonotonic-poll"}, [
            ("reader-2", "2150 r 0 3 1.5", "2150 r 0 3 1.5\n2160 r 0 1 1.1"),
        ]),
    "the reader leaves one out": (
        {"poll-skip"}, [
            ("reader-2", "1350 r 0 1 1.1", ""),
        ]),
    "a member leaves one out, another read it": (
        {"poll-skip"}, [
            ("member-3", "1350 r 0 1 1.1", ""),
        ]),
    "a member begins before what was committed": (
        {"committed-back"}, [
            ("member-4", "1550 r 0 2 1.2", "1550 r 0 1 1.1\n1551 r 0 2 1.2"),
        ]),
    "a member begins too far on": (
        {"group-skip"}, [
            ("member-3", "1400 c 0 3\n1410 x 0 3 rebalance in progress", ""),
            ("member-4", "1550 r 0 2 1.2", ""),
        ]),
    "the group never read a record": (
        {"group-unread"}, [
            ("member-3", "1360 r 1 0 1.0", ""),
        ]),
    "the group's offset went back": (
        {"committed-lost"}, [
            ("observer-5", "2510 o 0 4", "2510 o 0 2"),
        ]),
    "an acknowledged record without an offset is lost": (
        {"lost-write", "unfinished"}, [
            ("producer-1", "2100 a 0 1.5 3", "2100 a 0 1.5 -1"),
            ("final-6", "2800 r 0 3 1.5", ""),
            ("reader-2", "2150 r 0 3 1.5", ""),
            ("member-4", "2150 r 0 3 1.5", ""),
        ]),
}


def write(directory, histories):
    for name, text in histories.items():
        with open(os.path.join(directory, f"{name}.history"), "w", encoding="utf-8") as f:
            f.writelines(line.strip() + "\n" for line in text.split("\n") if line.strip())
    with open(os.path.join(directory, "faults"), "w", encoding="utf-8") as f:
        f.write('{"us": 800, "what": "ready"}\n')


def replace(text, old, new):
    """The lines `old` of the text become `new`."""
    text = "\n".join(line.strip() for line in text.split("\n"))
    assert old in text, old
    return text.replace(old, new)


def anomalies(histories):
    with tempfile.TemporaryDirectory() as directory:
        write(directory, histories)
        check = checker.Check(checker.load(directory))
        checker.figures.lines(check.h)
        return {name for name, count in check.counts.items() if count}, check


class Broken(unittest.TestCase):
    def test_good(self):
        found, check = anomalies(GOOD)
        self.assertEqual(found, set(), check.found)

    def test_broken(self):
        for name, (wanted, edits) in CASES.items():
            with self.subTest(name):
                histories = dict(GOOD)
                for who, old, new in edits:
                    histories[who] = replace(histories[who], old, new)
                found, check = anomalies(histories)
                self.assertLessEqual(wanted, found, check.found)

    def test_every_anomaly_has_a_case(self):
        brought = set().union(*(wanted for wanted, _ in CASES.values()))
        self.assertEqual(set(checker.ANOMALIES) - brought, set())

    def test_torn_line(self):
        """A client that was killed in the middle of a line."""
        with tempfile.TemporaryDirectory() as directory:
            write(directory, GOOD)
            with open(os.path.join(directory, "producer-1.history"), "a",
                      encoding="utf-8") as f:
                f.write("2300 a 0 1.5")
            check = checker.Check(checker.load(directory))
            self.assertEqual(sum(check.counts.values()), 0, check.found)


class Plan(unittest.TestCase):
    def test_seed(self):
        kinds = set(faults.KINDS)
        one = faults.plan(7, 1800, kinds, 15)
        self.assertEqual(one, faults.plan(7, 1800, kinds, 15))
        self.assertNotEqual(one, faults.plan(8, 1800, kinds, 15))
        self.assertGreater(len(one), 60)
        self.assertEqual({f["kind"] for f in one}, kinds)


class Gaps(unittest.TestCase):
    def test_longest(self):
        gap = checker.figures.longest_gap
        self.assertEqual(gap([10, 20, 70, 80], 15, 90), 50)
        self.assertEqual(gap([], 15, 90), 75)
        self.assertEqual(gap([1, 99], 15, 90), 75)

    def test_after_kill(self):
        """Only of the partitions that the killed node led, until the next fault."""
        h = checker.History()
        h.faults = [{"us": 1000000, "what": "kill", "led": [0]},
                    {"us": 9000000, "what": "pause", "led": [0]}]
        acks = {0: [900000, 4000000, 4100000, 20000000], 1: [900000, 8000000]}
        gaps = checker.figures.after_fault(h, acks, "kill")
        self.assertEqual(gaps, [(4900000, 0)])


if __name__ == "__main__":
    unittest.main()
