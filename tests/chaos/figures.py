"""Figures out of a history: how much, how fast, and how long a partition took nothing."""

import statistics
from bisect import bisect_left
from collections import Counter

WINDOW_US = 60 * 1000000    # after a kill, if no other fault begins before
FAULTS = ("kill", "kill-all", "pause", "stop", "swap", "rolling", "cut-off", "cut-from", "cut-to",
          "cut-pair", "cut-ring", "disk-full", "limp", "slow-net")


def longest_gap(times, start, end):
    """The longest time between two acknowledgements, or the borders, in [start, end]."""
    inside = times[bisect_left(times, start):bisect_left(times, end)]
    points = [start] + inside + [end]
    return max(b - a for a, b in zip(points, points[1:]))


def after_fault(h, acks, what):
    """The gaps of all partitions whose leader was hit by a fault of that kind, while no other
    fault was there: [(microseconds, partition)]."""
    begins = sorted(e["us"] for e in h.faults if e["what"] in FAULTS)
    last = max((times[-1] for times in acks.values() if times), default=0)
    gaps = []
    for event in h.faults:
        start = event["us"]
        if event["what"] != what or not event.get("led") or start >= last:
            continue
        later = [us for us in begins if us > start]
        end = min([start + WINDOW_US, last] + later[:1])
        for p in event["led"]:
            times = acks.get(p, [])
            gap = longest_gap(times, start, end)
            # Without an acknowledgement before the next fault it is not known how long.
            if bisect_left(times, end) > bisect_left(times, start + 50000):
                gaps.append((gap, p))
    return gaps


def seconds(us):
    return f"{us / 1e6:.2f} s"


def lines(h):
    acks = {}
    for us, p, _, _ in h.acked:
        acks.setdefault(p, []).append(us)
    for times in acks.values():
        times.sort()
    if not acks:
        return ["no record was acknowledged"]
    first = min(times[0] for times in acks.values())
    last = max(times[-1] for times in acks.values())
    span = max((last - first) / 1e6, 0.001)
    out = [f"{len(h.acked)} records acknowledged in {span:.0f} s ({len(h.acked) / span:.0f}/s), "
           f"{len(h.failed)} failed, {h.unknown} unknown"]
    waits = sorted(us - h.send_us[p, value] for us, p, value, _ in h.acked
                   if (p, value) in h.send_us)
    if waits:
        def at(share):
            return f"{waits[min(int(len(waits) * share), len(waits) - 1)] / 1000:.1f}"
        out.append(f"acknowledged after: median {at(0.5)} ms, 99 % {at(0.99)} ms, 99.9 % "
                   f"{at(0.999)} ms, longest {waits[-1] / 1000:.0f} ms")
    gaps = sorted(longest_gap(times, first, last) for times in acks.values())
    out.append(f"longest time without an acknowledgement, by partition: median "
               f"{seconds(statistics.median(gaps))}, longest {seconds(gaps[-1])}")
    for what in FAULTS:
        after = [gap for gap, _ in after_fault(h, acks, what)]
        if after:
            out.append(f"the same after {what} of the leader: median "
                       f"{seconds(statistics.median(after))}, longest {seconds(max(after))} "
                       f"({len(after)} partitions)")
    counts = Counter(e["what"] for e in h.faults if e["what"] in FAULTS or
                     e["what"].startswith(("member-", "producer-", "client-")))
    if counts:
        out.append("faults: " + ", ".join(f"{what} {n}" for what, n in sorted(counts.items())))
    members = sum(1 for name in h.reads if name.startswith("member"))
    given = sum(1 for name, reads in h.reads.items() if name.startswith("member")
                for r in reads if r[1] == "+")
    out.append(f"group: {members} members, partitions given {given} times, "
               f"{stale(h)} of {len(h.observed)} looks at its offsets were stale")
    for (role, complaint), n in Counter(h.complaints).most_common(5):
        out.append(f"{role} said {n} times: {complaint}")
    return out


def stale(h):
    """Looks that showed less than what had been committed before: a coordinator that has been
    replaced and does not know yet may give such answers."""
    acked = {}
    for p, commits in h.commits.items():
        best, steps = 0, []
        for us, kind, offset, _ in sorted(commits):
            if kind == "k" and offset > best:
                best = offset
                steps.append((us, offset))
        acked[p] = steps
    count = 0
    for asked, p, offset in h.observed:
        steps = acked.get(p, [])
        i = bisect_left(steps, (asked, -1))
        count += i > 0 and offset < steps[i - 1][1]
    return count
