"""Faults by a seeded plan.

plan() decides everything beforehand that can be: when, which fault, for how long, and numbers to
choose its victims by; the same seed makes the same plan. Who leads at that moment is asked when a
fault begins. Each runs in a thread of its own and undoes what it did. What happened goes to one
file, `faults`, a JSON object a line with the machine's monotonic microseconds, and to stdout.
"""

import json
import random
import signal
import threading
import time

import wire
from nodes import wait_for

# kind: (weight, seconds at least, seconds at most, whom it may hit)
KINDS = {
    "kill": (5, 1, 9, ("leader", "controller", "any")),
    "kill-all": (1, 0.2, 2, ("all",)),
    "pause": (4, 1, 10, ("leader", "controller", "any")),
    "stop": (2, 0.5, 5, ("leader", "controller", "any")),
    "rolling": (1, 0, 0, ("all",)),
    "swap": (2, 0, 0, ("leader", "controller", "any")),
    "cut-off": (4, 2, 12, ("leader", "controller", "any")),
    "cut-from": (2, 2, 12, ("leader", "controller", "any")),
    "cut-to": (2, 2, 12, ("leader", "controller", "any")),
    "cut-pair": (2, 2, 12, ("any",)),
    "cut-ring": (1, 2, 12, ("all",)),
    "disk-full": (2, 2, 6, ("any",)),
    "limp": (1, 3, 10, ("leader", "any")),
    "slow-net": (1, 3, 10, ("leader", "any")),
    "member-kill": (2, 0, 0, ("client",)),
    "member-stop": (2, 0, 0, ("client",)),
    "member-pause": (1, 2, 12, ("client",)),
    "producer-kill": (1, 0, 0, ("client",)),
}


def plan(seed, seconds, kinds, every, overlap=0.15):
    """[{at, kind, whom, seconds, pick}], in order; most begin when the one before is over."""
    rng = random.Random(seed)
    names = [k for k in KINDS if k in kinds]
    faults, at = [], min(5.0, seconds / 6)
    while names:
        kind = rng.choices(names, [KINDS[k][0] for k in names])[0]
        _, shortest, longest, whom = KINDS[kind]
        fault = {"at": round(at, 2), "kind": kind, "whom": rng.choice(whom),
                 "seconds": round(rng.uniform(shortest, longest), 2), "pick": rng.random()}
        peace = rng.uniform(0.5, 1.5) * every - (longest + shortest) / 2
        pause = fault["seconds"] + max(peace, 2)
        if kind.startswith(("member", "producer")) or rng.random() < overlap:
            pause = rng.uniform(0.5, 3)
        elif kind == "kill":    # time to see how long its partitions take nothing
            pause = max(pause, min(every, 12))
        if at + fault["seconds"] > seconds:
            break
        faults.append(fault)
        at += pause
    return faults


class Log:
    """The file of what was done, when."""

    def __init__(self, path, is_quiet=False):
        self.start = time.monotonic()
        self.is_quiet = is_quiet
        self.file = open(path, "w", encoding="utf-8")
        self.lock = threading.Lock()

    def add(self, what, **named):
        now = time.monotonic()
        with self.lock:
            self.file.write(json.dumps({"us": int(now * 1e6), "what": what, **named}) + "\n")
            self.file.flush()
            if not self.is_quiet:
                rest = " ".join(f"{k}={v}" for k, v in named.items())
                print(f"# {now - self.start:7.1f} s  {what} {rest}", flush=True)


class Faults:
    """Carries a plan out on a cluster and its clients."""

    def __init__(self, cluster, clients, log):
        self.cluster, self.clients, self.log = cluster, clients, log
        self.taken = set()      # nodes that a fault has hold of
        self.lock = threading.Lock()
        self.threads = []
        self.is_over = threading.Event()    # the faults that run end early

    def run(self, faults, until):
        start = time.monotonic()
        for fault in faults:
            if self.is_over.wait(max(0, start + fault["at"] - time.monotonic())):
                return
            thread = threading.Thread(target=self.one, args=(fault,), daemon=True)
            thread.start()
            self.threads.append(thread)
            if fault["kind"] in ("rolling", "swap"):    # takes as long as it takes
                begun = time.monotonic()
                thread.join()
                start += time.monotonic() - begun
        self.is_over.wait(max(0, start + until - time.monotonic()))

    def end(self):
        """No fault is there any more afterwards; every node runs."""
        self.is_over.set()
        for thread in self.threads:
            thread.join()
        for node in self.cluster.nodes.values():
            node.start()

    def one(self, fault):
        if fault["whom"] == "client":
            getattr(self, fault["kind"].replace("-", "_"))(fault)
            return
        nodes = self.victims(fault)
        with self.lock:
            if self.taken & set(nodes):
                self.log.add("skip", kind=fault["kind"], node=nodes)
                return
            self.taken |= set(nodes)
        try:
            getattr(self, fault["kind"].replace("-", "_"))(fault, nodes)
        finally:
            with self.lock:
                self.taken -= set(nodes)

    def victims(self, fault):
        numbers, pick = self.cluster.numbers, fault["pick"]
        if fault["whom"] == "all":
            return list(numbers)
        if fault["whom"] == "leader":
            leaders = self.cluster.leaders()
            partitions = sorted(p for p in leaders if leaders[p] > 0)
            if partitions:
                return [leaders[partitions[int(pick * len(partitions))]]]
        if fault["whom"] == "controller":
            node = self.cluster.controller()
            if node:
                return [node]
        if fault["kind"].startswith("cut-off") and len(numbers) > 3 and pick > 0.5:
            first = int(pick * 1000) % len(numbers)
            return [numbers[first], numbers[(first + 1) % len(numbers)]]
        return [numbers[int(pick * 1000) % len(numbers)]]

    def begin(self, fault, nodes, **named):
        led = {p for p, leader in self.cluster.leaders().items() if leader in nodes}
        self.log.add(fault["kind"], whom=fault["whom"], node=nodes, led=sorted(led),
                     seconds=fault["seconds"], **named)

    def wait(self, fault):
        self.is_over.wait(fault["seconds"])

    def each(self, nodes):
        return [self.cluster.nodes[n] for n in nodes]

    # ---- Processes -----------------------------------------------------------------------------

    def kill(self, fault, nodes):
        self.begin(fault, nodes)
        for node in self.each(nodes):
            node.wanted = False
            node.signal(signal.SIGKILL)
        for node in self.each(nodes):
            node.kill()
        self.wait(fault)
        for node in self.each(nodes):
            node.start()
        self.log.add("started", node=nodes)

    def kill_all(self, fault, nodes):
        self.kill(fault, nodes)

    def pause(self, fault, nodes):
        self.begin(fault, nodes)
        for node in self.each(nodes):
            node.signal(signal.SIGSTOP)
        self.wait(fault)
        for node in self.each(nodes):
            node.signal(signal.SIGCONT)
        self.log.add("resumed", node=nodes)

    def stop(self, fault, nodes):
        self.begin(fault, nodes)
        for node in self.each(nodes):
            if not node.stop():
                self.log.add("stop-took-too-long", node=node.number)
        self.wait(fault)
        for node in self.each(nodes):
            node.start()
        self.log.add("started", node=nodes)

    def swap(self, fault, nodes):
        """The node goes on as the other kind, on its own files."""
        self.begin(fault, nodes)
        for node in self.each(nodes):
            if not node.stop():
                self.log.add("stop-took-too-long", node=node.number)
            node.kind = "apache" if node.kind == "kavka" else "kavka"
            node.start()
            self.log.add("swapped", node=node.number, kind=node.kind)
            if not wait_for(90, lambda: self.is_over.is_set() or self.cluster.is_in_sync()):
                self.log.add("rolling-not-in-sync", node=node.number)

    def rolling(self, fault, nodes):
        self.begin(fault, nodes)
        for node in self.each(nodes):
            if self.is_over.is_set():
                break
            self.log.add("rolling-stop", node=node.number)
            if not node.stop():
                self.log.add("stop-took-too-long", node=node.number)
            node.start()
            if not wait_for(90, lambda: self.is_over.is_set() or self.cluster.is_in_sync()):
                self.log.add("rolling-not-in-sync", node=node.number)
        self.log.add("rolled", node=nodes)

    def limp(self, fault, nodes):
        self.begin(fault, nodes)
        for node in self.each(nodes):
            node.limp(time.monotonic() + fault["seconds"])
        self.log.add("resumed", node=nodes)

    # ---- Network -------------------------------------------------------------------------------

    def cut(self, fault, nodes, pairs):
        self.begin(fault, nodes, pairs=[list(p) for p in pairs])
        self.cluster.net.cut(pairs)
        self.wait(fault)
        self.cluster.net.heal(pairs)
        self.log.add("healed", node=nodes)

    def others(self, nodes):
        return [n for n in self.cluster.numbers if n not in nodes]

    def cut_off(self, fault, nodes):
        to = [(a, b) for a in nodes for b in self.others(nodes)]
        self.cut(fault, nodes, to + [(b, a) for a, b in to])

    def cut_from(self, fault, nodes):
        self.cut(fault, nodes, [(a, b) for a in nodes for b in self.others(nodes)])

    def cut_to(self, fault, nodes):
        self.cut(fault, nodes, [(b, a) for a in nodes for b in self.others(nodes)])

    def cut_pair(self, fault, nodes):
        others = self.others(nodes)
        other = others[int(fault["pick"] * 7919) % len(others)]
        self.cut(fault, nodes, [(nodes[0], other), (other, nodes[0])])

    def cut_ring(self, fault, nodes):
        """Each node still sees a majority, but no two nodes see the same one (five nodes); of
        three, the first and the last lose sight of each other."""
        count = len(nodes)
        near = count // 4
        pairs = [(a, b) for i, a in enumerate(nodes) for j, b in enumerate(nodes)
                 if a != b and near < min((i - j) % count, (j - i) % count)]
        if count == 3:
            pairs = [(nodes[0], nodes[2]), (nodes[2], nodes[0])]
        self.cut(fault, nodes, pairs)

    def slow_net(self, fault, nodes):
        pairs = [(a, b) for a in nodes for b in self.others(nodes)]
        pairs += [(b, a) for a, b in pairs]
        delay = 0.02 + 0.2 * fault["pick"]
        self.begin(fault, nodes, delay=round(delay, 3))
        self.cluster.net.slow(pairs, delay)
        self.wait(fault)
        self.cluster.net.unslow(pairs)
        self.log.add("healed", node=nodes)

    # ---- Disks ---------------------------------------------------------------------------------

    def disk_full(self, fault, nodes):
        """One of two directories is full for a while; it comes back with the node's next start.
        Not of a node that is just starting: that may well refuse to."""
        if not wait_for(10, lambda: all(self.cluster.ask(wire.metadata, of=[n]) for n in nodes)):
            self.log.add("skip", kind=fault["kind"], node=nodes)
            return
        self.begin(fault, nodes)
        for node in self.each(nodes):
            node.fill_disk()
        self.wait(fault)
        for node in self.each(nodes):
            node.free_disk()
            if fault["pick"] < 0.5:
                node.kill()
            elif not node.stop():
                self.log.add("stop-took-too-long", node=node.number)
            node.start()
        self.log.add("started", node=nodes)

    # ---- Clients -------------------------------------------------------------------------------

    def member_kill(self, fault):
        client = self.clients.pick("member", fault["pick"])
        self.log.add("member-kill", client=client.name)
        client.kill()
        self.clients.add("member")

    def member_stop(self, fault):
        client = self.clients.pick("member", fault["pick"])
        self.log.add("member-stop", client=client.name)
        client.stop()
        self.clients.add("member")

    def member_pause(self, fault):
        client = self.clients.pick("member", fault["pick"])
        self.log.add("member-pause", client=client.name, seconds=fault["seconds"])
        client.signal(signal.SIGSTOP)
        self.wait(fault)
        client.signal(signal.SIGCONT)
        self.log.add("resumed", client=client.name)

    def producer_kill(self, fault):
        client = self.clients.pick("producer", fault["pick"])
        self.log.add("producer-kill", client=client.name)
        client.kill()
        self.clients.add("producer")
