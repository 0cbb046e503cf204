"""A cluster whose nodes are kavka's or Apache Kafka's, each started, stopped, killed and changed by
itself; and what a test may ask of it. Every answer comes through `kavka api`, by the protocol."""

import base64
import json
import os
import signal
import subprocess
import time
import uuid
from pathlib import Path

SUPPORT = Path(__file__).resolve().parents[2] / "support"
KAVKA = os.environ["KAVKA_BIN"]
CACHE = Path(os.environ["KAVKA_CACHE"])
WAIT_S = 60
APACHE_TOOLS = SUPPORT / "apache-bin"

# For both sides; the file is the same. Sessions are short, so that the loss of a node shows soon.
SETTINGS = {
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    "broker.session.timeout.ms": 4000,
    "broker.heartbeat.interval.ms": 500,
    "replica.lag.time.max.ms": 5000,
    "auto.create.topics.enable": "false",
    "auto.leader.rebalance.enable": "false",
    "controlled.shutdown.enable": "true",
    "offsets.topic.num.partitions": 3,
    "transaction.state.log.num.partitions": 3,
    "transaction.state.log.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 3,
    "share.coordinator.state.topic.min.isr": 1,
    "group.initial.rebalance.delay.ms": 0,
    "log.cleaner.dedupe.buffer.size": 4194304,
    "log.cleaner.threads": 1,
    "num.network.threads": 2,
    "num.io.threads": 2,
    "num.recovery.threads.per.data.dir": 1,
}
# The smallest that serves; the compiler's second tier costs more than it gives in a minute.
JVM = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto",
       "-Xlog:cds=off", "-Xlog:cds+dynamic=off"]


# Of clusters whose nodes talk among themselves by TLS, each with a certificate of its own.
TLS = {
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:SSL,INTERNAL:SSL",
    "inter.broker.listener.name": "INTERNAL",
    "ssl.client.auth": "required",
    "ssl.keystore.type": "PEM",
    "ssl.truststore.type": "PEM",
}


class Failed(Exception):
    """A check that did not hold."""


def wait(what, ask, seconds=WAIT_S):
    """Asks until the answer is true, and gives it."""
    deadline = time.monotonic() + seconds
    last = None
    while time.monotonic() < deadline:
        try:
            last = ask()
        except (Failed, LookupError) as e:
            last = e
        if last and not isinstance(last, Exception):
            return last
        time.sleep(0.1)
    raise Failed(f"{what}: not within {seconds} s ({str(last)[:300]})")


def directory_id():
    """As Apache writes them: no dash at the beginning, so that it is no option."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if "-" not in text:
            return text


def free_ports(count):
    return [int(word) for word in command(SUPPORT / "free-ports", count).split()]


def classpath(name):
    return ":".join(sorted(map(str, (CACHE / "java" / name).glob("*.jar"))))


def command(*words, seconds=120, check=True, env=None):
    """What it prints; raises Failed with what it says when it fails."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, errors="replace",
                          timeout=seconds, check=False, env={**os.environ, **(env or {})})
    if check and done.returncode:
        raise Failed(f"{' '.join(map(str, words))[:200]}: {(done.stderr + done.stdout)[:600]}")
    return done.stdout


class Node:
    """One node, with a directory of its own that outlives the side that runs it."""

    def __init__(self, cluster, number, roles, side, rack):
        self.cluster, self.id, self.roles, self.side, self.rack = cluster, number, roles, side, rack
        self.dir = cluster.dir / f"node-{number}"
        self.disks = [self.dir / "data"]
        self.disks += [self.dir / f"disk-{i}" for i in range(2, cluster.disks + 1)]
        self.data = self.disks[0]
        self.dir.mkdir(parents=True)
        self.port, self.controller_port, self.internal_port = free_ports(3)
        self.directory_id = directory_id()
        self.process = None
        self.starts = 0

    def has(self, role):
        return role in self.roles.split(",")

    @property
    def broker(self):
        return f"127.0.0.1:{self.port}"

    @property
    def controller(self):
        return f"127.0.0.1:{self.controller_port}"

    @property
    def internal(self):
        return f"127.0.0.1:{self.internal_port}"

    @property
    def is_up(self):
        return self.process is not None and self.process.poll() is None

    @property
    def log(self):
        return self.dir / f"log.{self.starts}"

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def write_properties(self):
        listeners = [f"PLAINTEXT://{self.broker}"] * self.has("broker")
        listeners += [f"CONTROLLER://{self.controller}"] * self.has("controller")
        tls = {}
        if self.cluster.tls:
            listeners += [f"INTERNAL://{self.internal}"] * self.has("broker")
            tls = {**TLS, **self.cluster.certify(self)}
        lines = {**SETTINGS, **tls, "process.roles": self.roles, "node.id": self.id,
                 "listeners": ",".join(listeners),
                 "log.dirs": ",".join(map(str, self.disks)), **self.cluster.settings()}
        if not self.has("broker"):
            del lines["inter.broker.listener.name"]
        if self.rack:
            lines["broker.rack"] = self.rack
        path = self.dir / "server.properties"
        path.write_text("".join(f"{k}={v}\n" for k, v in lines.items()))
        return path

    def format(self, *options):
        tool = [APACHE_TOOLS / "kafka-storage"]
        if self.side == "kavka":
            tool = [KAVKA, "kafka-storage"]
        command(*tool, "format", "--config", self.write_properties(), "--cluster-id",
                self.cluster.id, *options)

    def start(self, side=None):
        self.side = side or self.side
        self.starts += 1
        properties = self.write_properties()
        if self.side == "kavka":
            words = [KAVKA, "broker", properties]
        else:
            archive = CACHE / "java" / "broker.jsa"
            words = ["java", *JVM, *([f"-XX:SharedArchiveFile={archive}"] * archive.exists()),
                     f"-Dlog4j2.configurationFile={SUPPORT}/apache/server-log4j2.properties",
                     "-cp", classpath("broker"), "kafka.Kafka", properties]
        with self.log.open("w") as out:
            self.process = subprocess.Popen([str(w) for w in words], stdout=out, stderr=out,
                                            stdin=subprocess.DEVNULL, start_new_session=True)

    def end(self, by, seconds=60):
        if self.process is None:
            return
        self.process.send_signal(by)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise Failed(f"node {self.id} ({self.side}) did not stop in {seconds} s") from None
        code, self.process = self.process.returncode, None
        if by == signal.SIGTERM and self.side == "kavka" and code:
            raise Failed(f"node {self.id} stopped with {code}: {self.said()[-600:]}")

    def stop(self):
        self.end(signal.SIGTERM)

    def kill(self):
        self.end(signal.SIGKILL)

    def ask(self, request, body=None):
        """What this broker answers, be it errors."""
        text = command(KAVKA, "api", "--broker", self.broker, "-b", self.broker, "--json", request,
                       json.dumps(body or {}), seconds=20, check=False)
        if not text.startswith("{"):
            raise Failed(f"node {self.id} does not answer {request}")
        return json.loads(text)


class Cluster:
    def __init__(self, directory, static=False, release=None, disks=1, tls=False, **settings):
        self.dir = Path(directory)
        self.dir.mkdir(parents=True)
        self.id = directory_id()
        self.static, self.release, self.disks, self.more = static, release, disks, settings
        self.tls = tls
        self.nodes = {}

    def add(self, number, roles="broker,controller", side="kavka", rack=None):
        self.nodes[number] = Node(self, number, roles, side, rack)
        return self.nodes[number]

    def add_brokers(self, controller, sides, rack=lambda number: None):
        """Node 1 is the controller; 2, 3, ... are brokers of these sides."""
        self.add(1, "controller", controller)
        for number, side in enumerate(sides, 2):
            self.add(number, "broker", side, rack=rack(number))

    def __getitem__(self, number):
        return self.nodes[number]

    def settings(self):
        controllers = [n for n in self.nodes.values() if n.has("controller")]
        brokers = sum(n.has("broker") for n in self.nodes.values())
        factor = min(3, max(1, brokers))
        quorum = {"controller.quorum.voters": ",".join(f"{n.id}@{n.controller}"
                                                       for n in controllers)} if self.static else {
            "controller.quorum.bootstrap.servers": ",".join(n.controller for n in controllers)}
        return {**quorum, "offsets.topic.replication.factor": factor,
                "transaction.state.log.replication.factor": factor,
                "share.coordinator.state.topic.replication.factor": factor, **self.more}

    def certify(self, node):
        """A node's key and certificate, made once, and whom it trusts."""
        authority, store = self.dir / "authority.pem", node.dir / "store.pem"
        key = self.dir / "authority.key"
        made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2]
        if not authority.exists():
            command("openssl", "req", "-x509", *made, "-keyout", key, "-out", authority,
                    "-subj", "/CN=authority")
        if not store.exists():
            own, signed = node.dir / "own.key", node.dir / "own.pem"
            command("openssl", "req", "-x509", *made, "-CA", authority, "-CAkey", key,
                    "-keyout", own, "-out", signed, "-subj", f"/CN=node {node.id}",
                    "-addext", "basicConstraints=critical,CA:FALSE",
                    "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost")
            store.write_text(own.read_text() + signed.read_text())
        return {"ssl.keystore.location": store, "ssl.truststore.location": authority}

    def format(self, *nodes):
        """All nodes (or these), with all controllers that are there now as the first voters."""
        release = ["--release-version", self.release] if self.release else []
        voters = ",".join(f"{n.id}@{n.controller}:{n.directory_id}" for n in self.nodes.values()
                          if n.has("controller"))
        for n in nodes or self.nodes.values():
            quorum = [] if self.static or not n.has("controller") else [
                "--initial-controllers", voters]
            n.format(*release, *quorum)

    def start(self, *nodes):
        for n in nodes or self.nodes.values():
            n.start()
        self.wait_brokers()

    def close(self):
        for n in self.nodes.values():
            if n.is_up:
                n.kill()

    # ---- What the cluster says of itself

    def up(self, role="broker"):
        return [n for n in self.nodes.values() if n.is_up and n.has(role)]

    @property
    def bootstrap(self):
        return ",".join(n.broker for n in self.up())

    def ask(self, request, body=None):
        """What any broker answers."""
        last = Failed("no broker is up")
        for n in self.up():
            try:
                return n.ask(request, body)
            except Failed as e:
                last = e
        raise last

    def brokers(self, asked=None):
        """{id: is fenced}, as one broker sees it."""
        got = (asked or self).ask("DescribeCluster", {"IncludeFencedBrokers": True})
        return {b["brokerId"]: b["isFenced"] for b in got["brokers"]}

    def wait_brokers(self, seconds=WAIT_S):
        """Until each broker that is up knows that each of them is up, and no other is."""
        want = {n.id for n in self.up()}

        def agreed():
            for n in self.up():
                got = self.brokers(n)
                if {b for b, fenced in got.items() if not fenced} != want:
                    raise Failed(f"node {n.id} sees {got}, want {want}; "
                                 f"it said {n.said()[-300:]!r}")
            return True

        for n in self.nodes.values():
            if n.process is not None and n.process.poll() is not None:
                raise Failed(f"node {n.id} ({n.side}) ended: {n.said()[-600:]}")
        wait("all brokers unfenced", agreed, seconds)

    def partitions(self, topic):
        """[{partition}], as the first broker that answers sees it."""
        got = self.ask("DescribeTopicPartitions", {"Topics": [{"Name": topic}]})["topics"][0]
        if got["errorCode"]:
            raise Failed(f"{topic}: error {got['errorCode']}")
        return got["partitions"]

    def wait_in_sync(self, *topics, seconds=WAIT_S):
        """Until every broker sees every partition with all its replicas in sync."""
        def agreed():
            for n in self.up():
                for topic in topics:
                    got = n.ask("DescribeTopicPartitions", {"Topics": [{"Name": topic}]})
                    for p in got["topics"][0]["partitions"]:
                        if p["leaderId"] < 0 or sorted(p["isrNodes"]) != sorted(p["replicaNodes"]):
                            raise Failed(f"node {n.id}: {topic}-{p['partitionIndex']}: {p}")
            return True
        wait(f"{', '.join(topics)} in sync", agreed, seconds)

    def leaders(self, topic):
        return {p["partitionIndex"]: p["leaderId"] for p in self.partitions(topic)}

    def wait_led(self, topic, by=None, seconds=WAIT_S):
        """Until each partition has a leader (one of `by`)."""
        def agreed():
            got = self.leaders(topic)
            if all(v >= 0 and (by is None or v in by) for v in got.values()):
                return True
            raise Failed(f"leaders {got}, want {by}")
        wait(f"{topic} led", agreed, seconds)

    def quorum(self):
        """DescribeQuorum's one partition."""
        got = self.ask("DescribeQuorum", {"Topics": [{"TopicName": "__cluster_metadata",
                                                      "Partitions": [{"PartitionIndex": 0}]}]})
        if got["errorCode"] or got["topics"][0]["partitions"][0]["errorCode"]:
            raise Failed(f"DescribeQuorum: {got}")
        return got["topics"][0]["partitions"][0]

    def wait_quorum(self, voters, leader=None, seconds=WAIT_S):
        """Until the quorum has these voters, one of them leads (one of `leader`), and every node
        that is up has all that was agreed on a moment ago."""
        def agreed():
            q = self.quorum()
            if {v["replicaId"] for v in q["currentVoters"]} != set(voters):
                raise Failed(f"voters {q['currentVoters']}, want {voters}")
            if leader is not None and q["leaderId"] not in leader:
                raise Failed(f"leader {q['leaderId']}, want {leader}")
            ends = {r["replicaId"]: r["logEndOffset"] for r in q["currentVoters"] + q["observers"]}
            for n in self.nodes.values():
                if n.is_up and ends.get(n.id, -1) < q["highWatermark"] - 10:
                    raise Failed(f"node {n.id} is at {ends.get(n.id)} of {q['highWatermark']}")
            return q
        return wait("the quorum", agreed, seconds)

    # ---- What is done to it

    def kavka(self, *words, **more):
        return command(KAVKA, words[0], "-b", self.bootstrap, *words[1:], **more)

    def apache(self, tool, *words, **more):
        return command(APACHE_TOOLS / f"kafka-{tool}", "--bootstrap-server", self.bootstrap, *words,
                       **more)

    def create(self, topic, partitions=3, factor=2, assignment=None, **configs):
        how = ["--replica-assignment", assignment] if assignment else [
            "--partitions", partitions, "--replication-factor", factor]
        for k, v in configs.items():
            how += ["--config", f"{k.replace('_', '.')}={v}"]
        self.kavka("topics", "--create", "--topic", topic, *how)
        wait(f"{topic} there", lambda: self.leaders(topic))
