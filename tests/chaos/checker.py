#!/usr/bin/env python3
"""Checks the histories of a run, in the manner of Jepsen's workload for Kafka.

    tests/chaos/checker.py DIR

DIR has ROLE-NUMBER.history of each client (history.h says what stands there), and `faults`, what
was done when. Prints `ok NAME` or `not ok NAME: the first evidence` for each anomaly that is looked
for, figures behind `#`, and `N passed, M failed`. README.md has the table of anomalies.
"""

import glob
import json
import os
import re
import sys
from bisect import bisect_left
from collections import defaultdict

import figures

EVIDENCE_MAX = 3    # of each anomaly


class History:
    """The histories of all clients, taken together by partition."""

    def __init__(self):
        self.sent = set()                       # (partition, value)
        self.send_us = {}                       # (partition, value) -> when
        self.acked = []                         # (us, partition, value, offset)
        self.failed = {}                        # (partition, value) -> why
        self.unknown = 0                        # neither acknowledged nor certainly not written
        self.final = defaultdict(list)          # partition -> [(offset, value)], as read
        self.ends = {}                          # partition -> end before the final reading
        self.reads = {}                         # reader's name -> [(us, kind, p, offset, value)]
        self.commits = defaultdict(list)        # partition -> [(us, kind, offset, name)]
        self.observed = []                      # (asked us, partition, offset)
        self.complaints = defaultdict(int)
        self.faults = []                        # objects of the file `faults`
        self.ended = {}                         # name -> whether in order


def load(directory):
    h = History()
    for path in sorted(glob.glob(os.path.join(directory, "*.history"))):
        name = os.path.basename(path)[:-len(".history")]
        with open(path, encoding="utf-8", errors="replace") as f:
            load_one(h, name, name.split("-")[0], f)
    path = os.path.join(directory, "faults")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as f:
            h.faults = [json.loads(line) for line in f]
    return h


def load_one(h, name, role, lines):
    """Lines of one client. The last may be torn: it was killed."""
    asked, reads = 0, []
    h.ended[name] = False
    for line in lines:
        words = line.rstrip("\n").split(" ", 5)
        if not line.endswith("\n") or len(words) < 2:
            continue
        us, kind = int(words[0]), words[1]
        if kind == "z":
            h.ended[name] = True
            continue
        if kind == "e":
            h.complaints[role, re.sub(r"\d+", "N", " ".join(words[2:]))[:60]] += 1
            continue
        p = int(words[2])
        if kind in "safi":
            load_send(h, us, kind, p, words)
        elif kind == "r":
            offset, value = int(words[3]), words[4]
            if role == "final":
                h.final[p].append((offset, value))
            else:
                reads.append((us, kind, p, offset, value))
        elif kind in "+-":
            reads.append((us, kind, p, -1, None))
        elif kind in "ckx":
            h.commits[p].append((us, kind, int(words[3]), name))
        elif kind == "h":
            h.ends[p] = int(words[3])
        elif kind == "q":
            asked = us
        elif kind == "o":
            h.observed.append((asked, p, int(words[3])))
    if reads:
        h.reads[name] = reads


def load_send(h, us, kind, p, words):
    value = words[3]
    if kind == "s":
        h.sent.add((p, value))
        h.send_us[p, value] = us
    elif kind == "a":
        h.acked.append((us, p, value, int(words[4])))
    elif kind == "f":
        h.failed[p, value] = " ".join(words[4:])
    else:
        h.unknown += 1


class Check:
    """All anomalies of a history: name -> [evidence]."""

    def __init__(self, h):
        self.h = h
        self.found = {name: [] for name in ANOMALIES}
        self.counts = dict.fromkeys(ANOMALIES, 0)
        self.values = {}        # (partition, offset) -> (value, who said so)
        self.offsets = {}       # (partition, value) -> offset
        self.known = {}         # partition -> sorted offsets that somebody saw
        self.gather()
        self.writes()
        self.final_order()
        self.sends_order()
        for name in sorted(h.reads):
            self.polls(name, h.reads[name])
        self.group()

    def add(self, anomaly, evidence):
        self.counts[anomaly] += 1
        if len(self.found[anomaly]) < EVIDENCE_MAX:
            self.found[anomaly].append(evidence)

    def seen(self, p, offset, value, who):
        """Somebody saw this value at this offset: nobody may see anything else."""
        old = self.values.setdefault((p, offset), (value, who))
        if old[0] != value:
            self.add("inconsistent-offsets", f"partition {p} offset {offset}: {old[0]} says "
                     f"{old[1]}, {value} says {who}")
        at = self.offsets.setdefault((p, value), offset)
        if at != offset:
            self.add("duplicate", f"partition {p}: {value} is at {at} and at {offset} ({who})")

    def gather(self):
        for p, records in self.h.final.items():
            for offset, value in records:
                self.seen(p, offset, value, "the final reading")
        for name, reads in self.h.reads.items():
            for _, kind, p, offset, value in reads:
                if kind == "r":
                    self.seen(p, offset, value, name)
        self.read_values = set(self.offsets)
        for _, p, value, offset in self.h.acked:
            if offset >= 0:
                self.seen(p, offset, value, "its acknowledgement")
        for p, offset in self.values:
            self.known.setdefault(p, []).append(offset)
        for offsets in self.known.values():
            offsets.sort()

    def writes(self):
        """What was acknowledged is there; what is there was sent, and did not fail."""
        final = {(p, value) for p, records in self.h.final.items() for _, value in records}
        highest = {p: max(o for o, _ in records) for p, records in self.h.final.items()}
        for us, p, value, offset in self.h.acked:
            if (p, value) in final:
                continue
            where = offset if offset >= 0 else self.offsets.get((p, value), -1)
            kind = "lost-write" if where <= highest.get(p, -1) else "unseen"
            self.add(kind, f"partition {p}: {value}, acknowledged at offset {offset} "
                     f"{self.when(us)}, is not in the final reading, which goes to "
                     f"{highest.get(p, 'nothing')}")
        for p, value in sorted(self.read_values):
            if (p, value) in self.h.failed:
                self.add("aborted-read", f"partition {p}: {value} was read, but its sending "
                         f"failed for certain: {self.h.failed[p, value]}")
            elif (p, value) not in self.h.sent:
                self.add("unknown-value", f"partition {p} offset {self.offsets[p, value]}: "
                         f"{value} was never sent there")

    def final_order(self):
        """Without a hole, and each producer's records in the order of sending."""
        for p, records in sorted(self.h.final.items()):
            expected, last = 0, {}
            for offset, value in records:
                if offset != expected:
                    self.add("hole", f"partition {p}: the final reading has {offset} where "
                             f"{expected} was due")
                expected = offset + 1
                number, _, sequence = value.partition(".")
                if not sequence.isdigit():
                    continue
                before = last.get(number, (-1, -1))
                if int(sequence) < before[0]:
                    self.add("reordered", f"partition {p}: {number}.{before[0]} at {before[1]} "
                             f"is before {value} at {offset}")
                last[number] = (int(sequence), offset)
        for p, end in sorted(self.h.ends.items()):
            records = self.h.final.get(p)
            if end > 0 and (not records or records[-1][0] < end - 1):
                self.add("unfinished", f"partition {p}: the final reading ends at "
                         f"{records[-1][0] if records else 'nothing'}, the end is {end}")

    def sends_order(self):
        """A later record of a producer has a higher offset."""
        by_producer = defaultdict(list)
        for _, p, value, offset in self.h.acked:
            number, _, sequence = value.partition(".")
            if offset >= 0:
                by_producer[p, number].append((int(sequence), offset))
        for (p, number), acks in sorted(by_producer.items()):
            acks.sort()
            for (s1, o1), (s2, o2) in zip(acks, acks[1:]):
                if o2 <= o1:
                    self.add("nonmonotonic-send", f"partition {p}: {number}.{s1} was "
                             f"acknowledged at {o1}, {number}.{s2} at {o2}")

    def polls(self, name, reads):
        """While a partition is a consumer's, it reads on where it was; a member begins where
        the group was."""
        at = {}
        is_member = name.startswith("member")
        for us, kind, p, offset, _ in reads:
            if kind == "+":
                at[p] = None
                begin_us = us
                if is_member:
                    at[p] = (begin_us,)
            elif kind == "-":
                at.pop(p, None)
            elif isinstance(at.get(p), int):
                self.step(name, us, p, at[p], offset)
                at[p] = offset
            else:
                if is_member and at.get(p):
                    self.member_begin(name, at[p][0], us, p, offset)
                at[p] = offset

    def step(self, name, us, p, last, offset):
        if offset <= last:
            self.add("nonmonotonic-poll", f"{name} {self.when(us)}: partition {p} offset "
                     f"{offset} after {last}")
        elif offset > last + 1:
            known = self.known[p]
            i = bisect_left(known, last + 1)
            if known[i] < offset:
                self.add("poll-skip", f"{name} {self.when(us)}: partition {p} offset {offset} "
                         f"after {last}, but there is {known[i]}: "
                         f"{self.values[p, known[i]][0]}")

    def member_begin(self, name, given_us, read_us, p, offset):
        """Not before what was committed when it got the partition; not behind what anybody
        ever asked to commit."""
        commits = self.h.commits.get(p, [])
        least = max((o for us, kind, o, _ in commits if kind == "k" and us < given_us),
                    default=0)
        most = max((o for us, kind, o, _ in commits if kind == "c" and us < read_us), default=0)
        if offset < least:
            self.add("committed-back", f"{name} {self.when(given_us)}: partition {p} begins at "
                     f"{offset}, but {least} was committed before")
        if offset > most:
            self.add("group-skip", f"{name} {self.when(given_us)}: partition {p} begins at "
                     f"{offset}, but nobody committed more than {most}")

    def group(self):
        """In the end the group has seen all records, and its offsets are what was committed."""
        members = {n: r for n, r in self.h.reads.items() if n.startswith("member")}
        read = defaultdict(set)
        for reads in members.values():
            for _, kind, p, offset, _ in reads:
                if kind == "r":
                    read[p].add(offset)
        # Behind the last acknowledged record there may be some that the group was not waited for.
        ends = defaultdict(int)
        for _, p, _, offset in self.h.acked:
            ends[p] = max(ends[p], offset + 1)
        for p, records in sorted(self.h.final.items() if members else []):
            missing = [o for o, _ in records if o < ends[p] and o not in read[p]]
            if missing:
                self.add("group-unread", f"partition {p}: no member read offset {missing[0]} "
                         f"(nor {len(missing) - 1} others)")
        last = {}
        for asked_us, p, offset in sorted(self.h.observed):
            last[p] = (asked_us, offset)
        for p, (asked_us, offset) in sorted(last.items()):
            least = max((o for us, kind, o, _ in self.h.commits.get(p, [])
                         if kind == "k" and us < asked_us), default=0)
            if offset < least:
                self.add("committed-lost", f"partition {p}: the group's offset is {offset} in "
                         f"the end, but {least} was committed")

    def when(self, us):
        start = self.h.faults[0]["us"] if self.h.faults else 0
        return f"at {(us - start) / 1e6:.1f} s"


ANOMALIES = {
    "lost-write": "acknowledged, missing below what was read",
    "unseen": "acknowledged, missing at the end",
    "duplicate": "one value at two offsets",
    "inconsistent-offsets": "two values at one offset",
    "aborted-read": "read although its sending failed",
    "unknown-value": "read, but never sent; or damaged",
    "hole": "an offset without a record",
    "reordered": "records of one producer in another order than sent",
    "nonmonotonic-send": "a later record acknowledged at a lower offset",
    "nonmonotonic-poll": "a consumer went back",
    "poll-skip": "a consumer left out what was there",
    "committed-back": "a member began before what was committed",
    "committed-lost": "the group's offsets are behind what was committed",
    "group-skip": "a member began behind everything that was committed",
    "group-unread": "a record that no member of the group read",
    "unfinished": "the final reading did not reach the end",
}
# Events of the file `faults` that must not be.
BAD_EVENTS = {"node-died": "a node ended by itself", "client-died": "a client ended by itself",
              "client-ended-badly": "a client did not end when told to",
              "stop-took-too-long": "a node did not end within a minute of SIGTERM",
              "rolling-not-in-sync": "a node restarted and was not in sync for 90 s"}


def report(directory, bad=()):
    """Prints it all; (passed, failed). `bad`: (name, evidence) of what went wrong besides."""
    h = load(directory)
    check = Check(h)
    passed = failed = 0
    results = [(name, check.counts[name], check.found[name]) for name in ANOMALIES]
    for name in BAD_EVENTS:
        events = [e for e in h.faults if e["what"] == name]
        evidence = [f"{check.when(e['us'])}: " + " ".join(
            f"{k}={v}" for k, v in e.items() if k not in ("us", "what")) for e in events]
        results.append((name, len(events), evidence[:EVIDENCE_MAX]))
    results += [(name, 1, [evidence]) for name, evidence in bad]
    if not h.acked or not h.final:
        results.append(("something-done", 1, ["nothing was acknowledged, or nothing read"]))
    for name, count, evidence in results:
        if not count:
            print(f"ok {name}")
            passed += 1
            continue
        print(f"not ok {name}: {count} times: {evidence[0]}")
        for more in evidence[1:]:
            print(f"    {more}")
        failed += 1
    for line in figures.lines(h):
        print(f"# {line}")
    sys.stdout.flush()
    return passed, failed


def main():
    if len(sys.argv) != 2 or not os.path.isdir(sys.argv[1]):
        sys.exit("usage: checker.py DIR")
    passed, failed = report(sys.argv[1])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
