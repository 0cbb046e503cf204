"""What `run` and `whole` share: options, one test from its start to its check."""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import checker
import clients
import faults
import net
import nodes


def options(description):
    """The options that both programs have; the parser."""
    p = argparse.ArgumentParser(description=description,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--nodes", type=int, default=3)
    p.add_argument("--kind", choices=("kavka", "apache", "mixed"), default="kavka",
                   help="mixed: odd nodes are Apache's, even ones kavka's")
    p.add_argument("--client", choices=("own", "librdkafka"), default="own")
    p.add_argument("--quorum", choices=("static", "dynamic"), default="static")
    p.add_argument("--protocol", choices=("classic", "consumer"), default="classic")
    p.add_argument("--acks", choices=("all", "1"), default="all",
                   help="1: not idempotent either; then anomalies must be found")
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    p.add_argument("--partitions", type=int, default=6)
    p.add_argument("--producers", type=int, default=3)
    p.add_argument("--members", type=int, default=2)
    p.add_argument("--rate", type=int, default=10, metavar="N",
                   help="records a second from each producer to each partition")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                   help="a setting of all nodes")
    p.add_argument("--disk-mb", type=int, default=192, help="of each node's small directory")
    p.add_argument("--dir", help="where everything is put; default: a new directory")
    p.add_argument("--keep", action="store_true", help="keep the directory in any case")
    p.add_argument("--quiet", action="store_true", help="do not tell each fault")
    return p


class Test:
    """One run: a cluster, its clients, and what is checked at the end."""

    def __init__(self, o):
        self.o = o
        self.dir = o.dir or tempfile.mkdtemp(prefix="kavka-chaos-")
        os.makedirs(self.dir, exist_ok=True)
        self.log = faults.Log(os.path.join(self.dir, "faults"), o.quiet)
        self.bad = []       # what went wrong besides what the checker finds
        self.ending = threading.Event()
        self.cluster = nodes.Cluster(self.dir, o.kind, o.nodes, o.quorum,
                                     dict(s.split("=", 1) for s in o.set), o.disk_mb)
        self.clients = clients.Clients(self.dir, self.cluster.bootstrap, o.client,
                                       o.partitions, o.rate, o.protocol, o.acks, self.log)

    def begin(self):
        """Everything runs and works; False if it does not come to that."""
        start = time.monotonic()
        self.cluster.start_all()
        if not self.cluster.create_topic(self.o.partitions, 90):
            self.bad.append(("begin", "no cluster with the topic in sync within 90 s" + "".join(
                f"; node {n.number} ended: {n.last_words()}" for n in self.cluster.dead())))
            return False
        for role, count in (("producer", self.o.producers), ("member", self.o.members),
                            ("reader", 1), ("observer", 1)):
            for _ in range(count):
                self.clients.add(role)
        if not nodes.wait_for(30, lambda: self.clients.dead() or
                              self.clients.have_new_acks({})) or self.clients.dead():
            self.bad.append(("begin", "not every partition takes records within 30 s; ended: " +
                             (" ".join(c.name for c in self.clients.dead()) or "no client")))
            return False
        self.log.add("ready", after=round(time.monotonic() - start, 2))
        threading.Thread(target=self.watch, daemon=True).start()
        return True

    def watch(self):
        """Nodes and clients that end unasked are told of and started again."""
        while not self.ending.wait(0.2):
            self.clients.watch()
            for node in self.cluster.nodes.values():
                status = node.has_died()
                if status is not None:
                    self.log.add("node-died", node=node.number, kind=node.kind, status=status,
                                 said=node.last_words())
                    time.sleep(0.5)
                    node.start()

    def finish(self):
        """Faults are over: does everything come back, and is everything there?"""
        if not nodes.wait_for(120, self.cluster.is_in_sync, 0.3):
            self.bad.append(("in-sync", f"after 120 s: {self.cluster.ask(nodes.wire.metadata)}"))
        self.log.add("in-sync")
        before = self.clients.progress.read()
        if not nodes.wait_for(60, lambda: self.clients.have_new_acks(before)):
            self.bad.append(("available", "a partition takes no records 60 s after the faults: "
                             f"{before} then {self.clients.progress.read()}"))
        self.log.add("available")
        self.ending.set()
        self.clients.stop("producer")
        if not self.clients.settle(60):
            self.bad.append(("settled", "reader or group have not read everything after 60 s: "
                             f"{self.clients.progress.highest}"))
        for role in ("member", "observer", "reader"):
            self.clients.stop(role)
        if not self.clients.final():
            self.bad.append(("final", "the last reading did not come to the end"))
        self.log.add("end")
        self.cluster.end()

    def check(self):
        """Prints what was found; (passed, failed)."""
        passed, failed = checker.report(self.dir, self.bad)
        if failed:
            for node in self.cluster.nodes.values():    # goes with the mount otherwise
                shutil.copytree(node.small, node.small + "-kept", dirs_exist_ok=True)
            print(f"# kept: {self.dir}")
        elif not self.o.dir and not self.o.keep:
            for node in self.cluster.nodes.values():
                subprocess.run(["umount", node.small], check=False)
            shutil.rmtree(self.dir, ignore_errors=True)
        return passed, failed


def build_programs(client):
    """The client's program is made if it is not there."""
    path = os.path.join(nodes.BUILD, clients.PROGRAMS[client])
    if not os.access(path, os.X_OK):
        subprocess.run(["cmake", "--build", nodes.BUILD, "--target", "chaos"],
                       stdout=subprocess.DEVNULL, check=False)
    if not os.access(path, os.X_OK):
        sys.exit(f"chaos: {path} is missing (cmake --build {nodes.BUILD} --target chaos; "
                 "librdkafka-dev for chaos_rdkafka)")


def command_of(o, program, *more):
    """The command that does the same again, but for chance."""
    words = [f"tests/chaos/{program}", *more]
    for name in ("nodes", "kind", "client", "quorum", "protocol", "acks", "seed", "partitions",
                 "producers", "members", "rate", "disk_mb"):
        words += ["--" + name.replace("_", "-"), str(getattr(o, name))]
    return " ".join(words + [f"--set {s}" for s in o.set])


def main(o, work):
    """Does work(o) in namespaces of its own, prints the count, ends the process."""
    build_programs(o.client)
    net.enter()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda n, _: os._exit(128 + n))
    passed, failed = work(o)
    print(f"{passed} passed, {failed} failed", flush=True)
    sys.stdout.flush()
    os._exit(1 if failed else 0)

