"""A cluster of real processes, kavka's, Apache Kafka's, or some of each, with the same settings."""

import os
import signal
import subprocess
import sys
import threading
import time

import net
import wire

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SUPPORT = os.path.join(ROOT, "tests", "support")
CACHE = os.environ.get("KAVKA_CACHE", os.path.expanduser("~/.cache/kavka-tests"))
BUILD = os.environ.get("KAVKA_BUILD", os.path.join(ROOT, "build", "release"))
KAVKA = os.environ.get("KAVKA_BIN", os.path.join(BUILD, "kavka"))
JAVA = ["java", "-Xmx320m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]
CLUSTER_ID = "4L6g3nShT-eMCtK--X86sw"
TOPIC = "chaos"

# Shorter than Kafka's defaults where a fault is noticed by the clock, so that a run has many.
SETTINGS = {
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "replica.lag.time.max.ms": "4000",
    "replica.socket.timeout.ms": "5000",
    "controlled.shutdown.enable": "true",
    "log.segment.bytes": "4194304",
    "log.cleaner.dedupe.buffer.size": "8388608",
    "num.io.threads": "4",
    "num.network.threads": "2",
}


def wait_for(seconds, is_true, step=0.1):
    """Until is_true() gives something; gives that, or what it gave at the end."""
    deadline = time.monotonic() + seconds
    while True:
        value = is_true()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(step)


class Node:
    """One process; `wanted` is whether it should be running."""

    def __init__(self, cluster, number):
        self.cluster, self.number = cluster, number
        self.kind = cluster.kind
        if cluster.kind == "mixed":
            self.kind = ("kavka", "apache")[number % 2]
        self.host = net.address(number)
        self.dir = os.path.join(cluster.dir, f"node-{number}")
        self.small = os.path.join(self.dir, "small")
        self.config = os.path.join(self.dir, "server.properties")
        self.process = None
        self.wanted = False
        self.lock = threading.Lock()
        self.limping = None
        os.makedirs(self.small)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={cluster.disk_mb}m", "none",
                        self.small], check=True)
        self.configure()

    def configure(self):
        everyone = self.cluster.numbers
        settings = dict(SETTINGS)
        if len(everyone) < 3:   # to try a client or a setting
            settings.update({k: "1" for k in settings if k.endswith(("replication.factor",
                                                                     "min.isr", "replicas"))})
        settings.update({
            "process.roles": "broker,controller",
            "node.id": self.number,
            "listeners": f"PLAINTEXT://{self.host}:9092,CONTROLLER://{self.host}:9093",
            "advertised.listeners":
                f"PLAINTEXT://{self.host}:9092,CONTROLLER://{self.host}:9093",
            "log.dirs": f"{self.dir}/data,{self.small}/data",
            "metadata.log.dir": f"{self.dir}/data",
        })
        if self.cluster.quorum == "static":
            settings["controller.quorum.voters"] = ",".join(
                f"{n}@{net.address(n)}:9093" for n in everyone)
        else:
            settings["controller.quorum.bootstrap.servers"] = ",".join(
                f"{net.address(n)}:9093" for n in everyone)
        settings.update(self.cluster.extra)
        with open(self.config, "w", encoding="utf-8") as f:
            f.writelines(f"{k}={v}\n" for k, v in settings.items())

    def format(self):
        words = ["--cluster-id", CLUSTER_ID, "--config", self.config]
        if self.cluster.quorum == "dynamic":
            # Ids of directories that every node knows beforehand.
            words += ["--initial-controllers", ",".join(
                f"{n}@{net.address(n)}:9093:{'A' * 20}{n}A" for n in self.cluster.numbers)]
        with open(os.path.join(self.dir, "format.log"), "wb") as log:
            return subprocess.Popen(self.cluster.format_program(self.kind) + words, stdout=log,
                                    stderr=log)

    def start(self):
        with self.lock:
            if self.process and self.process.poll() is None:
                return
            with open(os.path.join(self.dir, "log"), "ab") as log:
                log.write(f"---- {self.kind} starts at {time.monotonic():.3f}\n".encode())
                log.flush()
                self.process = subprocess.Popen(
                    self.cluster.net.inside(self.number) +
                    self.cluster.program(self.kind, self.config),
                    stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.dir)
            self.wanted = True

    def signal(self, number):
        with self.lock:
            if self.process and self.process.poll() is None:
                self.process.send_signal(number)

    def kill(self):
        with self.lock:
            self.wanted = False
            if self.process:
                self.process.kill()
                self.process.wait()

    def stop(self, seconds=60):
        """SIGTERM; whether it ended in time by itself. If not, it is killed."""
        with self.lock:
            self.wanted = False
            if not self.process:
                return True
            self.process.terminate()
            try:
                self.process.wait(seconds)
                return True
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return False

    def has_died(self):
        """Its exit status when it ended by itself, else None."""
        with self.lock:
            if not self.wanted or not self.process:
                return None
            status = self.process.poll()
            if status is not None:
                self.wanted = False
            return status

    def last_words(self):
        """The end of its log."""
        with open(os.path.join(self.dir, "log"), "rb") as f:
            f.seek(max(0, os.path.getsize(f.name) - 4096))
            lines = f.read().decode(errors="replace").strip().split("\n")
        return lines[-1][:300]

    def limp(self, until):
        """Lets it run a tenth of the time."""
        while time.monotonic() < until:
            self.signal(signal.SIGSTOP)
            time.sleep(0.18)
            self.signal(signal.SIGCONT)
            time.sleep(0.02)

    def fill_disk(self):
        """Leaves no room in its small directory."""
        chunk = b"\0" * (1 << 16)
        with open(os.path.join(self.small, "filler"), "ab", buffering=0) as f:
            while chunk:
                try:
                    f.write(chunk)
                except OSError:
                    chunk = chunk[:len(chunk) // 2]

    def free_disk(self):
        os.unlink(os.path.join(self.small, "filler"))


class Cluster:
    """`count` nodes, formatted, not running yet."""

    def __init__(self, directory, kind, count, quorum="static", extra=None, disk_mb=192):
        self.dir, self.kind, self.quorum = directory, kind, quorum
        self.extra, self.disk_mb = extra or {}, disk_mb
        self.numbers = list(range(1, count + 1))
        self.check_programs()
        self.net = net.Net(self.numbers)
        self.nodes = {n: Node(self, n) for n in self.numbers}
        formats = [node.format() for node in self.nodes.values()]
        if any([f.wait() for f in formats]):
            with open(os.path.join(self.nodes[1].dir, "format.log"), encoding="utf-8") as f:
                sys.exit(f"chaos: formatting failed: {f.read()}")

    @property
    def bootstrap(self):
        return ",".join(f"{node.host}:9092" for node in self.nodes.values())

    def check_programs(self):
        if self.kind != "apache" and not os.access(KAVKA, os.X_OK):
            sys.exit(f"chaos: no binary at {KAVKA} (build it, or set KAVKA_BUILD or KAVKA_BIN)")
        if self.kind != "kavka" and not os.path.isdir(os.path.join(CACHE, "java", "broker")):
            sys.exit("chaos: no Apache Kafka here (run tests/support/peers broker)")

    def java(self, main):
        jars = os.path.join(CACHE, "java", "broker", "*")
        return JAVA + ["-Dlog4j2.configurationFile=" +
                       os.path.join(SUPPORT, "apache", "server-log4j2.properties"),
                       "-cp", jars, main]

    def program(self, kind, config):
        if kind == "kavka":
            return [KAVKA, "broker", config]
        return self.java("kafka.Kafka") + [config]

    def format_program(self, kind):
        if kind == "kavka":
            return [KAVKA, "storage", "format"]
        return self.java("kafka.tools.StorageTool") + ["format"]

    def ask(self, function, *args, of=None, **named):
        """function(host, ...) at the first node that answers; None if none does."""
        for number in of or self.numbers:
            node = self.nodes[number]
            if not node.process or node.process.poll() is not None:
                continue
            try:
                answer = function(node.host, *args, **named)
            except wire.Unreachable:
                continue
            if answer is not None:
                return answer
        return None

    def leaders(self, of=None):
        """{partition: leader} of the topic, as the nodes `of` know it, as far as it is known."""
        answer = self.ask(wire.metadata, [TOPIC], of=of, timeout=1.0)
        if not answer:
            return {}
        return {p: leader for (_, p), (leader, _, _) in answer[1].items()}

    def controller(self):
        return self.ask(wire.quorum_leader, timeout=1.0)

    def is_in_sync(self):
        """All nodes are members, and every replica of every partition is in sync, as each node
        sees it."""
        for node in self.nodes.values():
            try:
                brokers, partitions = wire.metadata(node.host)
            except wire.Unreachable:
                return False
            if brokers != set(self.numbers) or not partitions:
                return False
            for leader, isr, replicas in partitions.values():
                if leader < 0 or set(isr) != set(replicas):
                    return False
        return True

    def start_all(self):
        for node in self.nodes.values():
            node.start()

    def create_topic(self, partitions, seconds):
        """Waits for the cluster, makes the topic; whether all its replicas are in sync."""
        replicas = 3 if len(self.numbers) >= 3 else 1
        configs = {"min.insync.replicas": str((replicas + 1) // 2)}

        def made():
            code = self.ask(wire.create_topic, TOPIC, partitions, replicas, configs)
            return code in (0, 36)

        def is_whole():
            brokers, _ = self.ask(wire.metadata, timeout=1.0) or (set(), None)
            return brokers == set(self.numbers) or self.dead()

        start = time.monotonic()
        wait_for(seconds, is_whole)
        return (not self.dead() and wait_for(seconds, made, 0.3) and
                wait_for(max(seconds - (time.monotonic() - start), 1), self.is_in_sync))

    def dead(self):
        """The nodes that should run and do not."""
        return [node for node in self.nodes.values()
                if node.wanted and node.process and node.process.poll() is not None]

    def end(self):
        for node in self.nodes.values():
            node.kill()
