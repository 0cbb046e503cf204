"""What is told of clusters of both kinds. Each story takes the sides of its nodes, so that the same
one runs with all nodes Apache's (the proof of the story), all kavka's, and mixed."""

import json
import re

import files
from cluster import Cluster, Failed, command, wait, KAVKA
from load import CODECS, Load, group_read, produce, read_back

COUNT = 300
PARTITIONS = 4


class Telling:
    """The checks of one story, each a line."""

    def __init__(self, name):
        self.name, self.failed = name, 0

    def check(self, what, do, *args, **more):
        try:
            got = do(*args, **more)
        except Exception as e:
            self.tell_failure(what, e)
            raise
        print(f"ok {self.name}: {what}", flush=True)
        return got

    def tell_failure(self, what, e):
        """Once, wherever it was noticed."""
        if not self.failed:
            text = str(e).replace("\n", " ")[:1500]
            print(f"not ok {self.name}: {what}: {type(e).__name__}: {text}", flush=True)
        self.failed += 1


def assignment_of(leaders, others, partitions=PARTITIONS):
    """Partitions led in turn by `leaders`, followed by `others` too."""
    out = []
    for p in range(partitions):
        first = leaders[p % len(leaders)]
        out.append(":".join(map(str, [first] + [b for b in others if b != first])))
    return ",".join(out)


def elect_preferred(cluster, topic):
    """The first replica of each partition leads."""
    def agreed():
        cluster.kavka("elect", "--election-type", "preferred", "--all-topic-partitions",
                      check=False)
        for p in cluster.partitions(topic):
            if p["leaderId"] != p["replicaNodes"][0]:
                raise Failed(f"{topic}-{p['partitionIndex']} led by {p['leaderId']}")
        return True
    wait(f"{topic} led by the first replicas", agreed)


class Written:
    """A topic and how much is in it."""

    def __init__(self, cluster, topic, partitions):
        self.cluster, self.topic, self.partitions, self.count = cluster, topic, partitions, 0

    def more(self, count=COUNT):
        for codec in CODECS:
            part = count // len(CODECS)
            produce(self.cluster.bootstrap, self.topic, self.partitions, self.count, part, codec)
            self.count += part

    def all_there(self):
        return read_back(self.cluster.bootstrap, self.topic, self.partitions, self.count)

    def more_and_read(self):
        self.more()
        self.all_there()


# ---- Brokers of both kinds under one controller ------------------------------------------------

class Group:
    """A group that reads a topic on from where it was, and what it has committed."""

    def __init__(self, written):
        self.written, self.name, self.count = written, f"g-{written.topic}", 0

    def goes_on(self):
        w = self.written
        group_read(w.cluster.bootstrap, self.name, w.topic, (w.count - self.count) * w.partitions)
        self.count = w.count
        wait("the commits", self.committed)

    def committed(self):
        got = json.loads(self.written.cluster.kavka("groups", "--describe", "--group", self.name,
                                                    "--json"))
        offsets = {row["partition"]: row["currentOffset"] for row in got["offsets"]}
        if offsets != {p: self.count for p in range(self.written.partitions)}:
            raise Failed(f"committed {offsets}, want {self.count} each")
        return True


def lose(t, cluster, topic, written, node):
    """kill -9 of one broker, and its return."""
    others = {n.id for n in cluster.up() if n.id != node.id}
    who = f"{node.side} broker"
    node.kill()
    t.check(f"another leads when the {who} is killed", cluster.wait_led, topic, others)
    t.check(f"records go on without the {who}", written.more_and_read)
    node.start()
    t.check(f"the {who} comes back", cluster.wait_brokers)
    t.check(f"the {who} is in sync again", cluster.wait_in_sync, topic)
    t.check("and has the same bytes", files.wait_same, cluster, topic)


def admin_through(t, cluster, node):
    """What an administrator does, asked of this broker alone: it forwards to the controller."""
    name = f"admin-{node.id}"
    b = ("-b", node.broker)

    def row(topic):
        return node.ask("DescribeTopicPartitions", {"Topics": [{"Name": topic}]})["topics"][0]

    def run():
        command(KAVKA, "topics", *b, "--create", "--topic", name, "--partitions", 2,
                "--replication-factor", 2)
        wait("it is there", lambda: len(row(name)["partitions"]) == 2)
        command(KAVKA, "topics", *b, "--alter", "--topic", name, "--partitions", 3)
        wait("it grew", lambda: len(row(name)["partitions"]) == 3)
        command(KAVKA, "configs", *b, "--alter", "--entity-type", "topics", "--entity-name", name,
                "--add-config", "retention.ms=123456")
        wait("the config is set", lambda: "retention.ms=123456" in command(
            KAVKA, "configs", *b, "--describe", "--entity-type", "topics", "--entity-name", name))
        first = row(name)["partitions"][0]
        want = [r for r in cluster.brokers(node) if r not in first["replicaNodes"]][:1] + \
            first["replicaNodes"][:1]
        path = node.dir / "reassign.json"
        path.write_text(json.dumps({"version": 1, "partitions": [
            {"topic": name, "partition": 0, "replicas": want}]}))
        command(KAVKA, "reassign", *b, "--execute", "--reassignment-json-file", path)
        wait("it moved", lambda: sorted(row(name)["partitions"][0]["isrNodes"]) == sorted(want)
             and sorted(row(name)["partitions"][0]["replicaNodes"]) == sorted(want))
        quorum = command(KAVKA, "quorum", *b, "describe", "--status")
        if "LeaderId:" not in quorum:
            raise Failed(quorum)
        command(KAVKA, "topics", *b, "--delete", "--topic", name)
        wait("it is gone", lambda: row(name)["errorCode"] == 3)
    t.check(f"administration through the {node.side} broker", run)


def brokers(t, directory, controller, *sides, **how):
    """Brokers of these sides under one controller."""
    cluster = Cluster(directory, **how)
    cluster.add_brokers(controller, sides, rack=lambda number: f"r{number - 2}")
    ids = [n for n in cluster.nodes if n != 1]
    try:
        cluster.format()
        t.check("all brokers register and are unfenced", cluster.start)
        t.check("every node follows the metadata", cluster.wait_quorum, [1], [1])
        cluster.create("data", assignment=assignment_of(ids, ids[:3]))
        cluster.wait_in_sync("data")
        written = Written(cluster, "data", PARTITIONS)
        t.check("records in, records out", written.more_and_read)
        t.check("replicas hold the same bytes", files.wait_same, cluster, "data")
        group = Group(written)
        t.check("a group reads and commits", group.goes_on)
        for n in cluster.up():
            admin_through(t, cluster, n)
        for n in reversed(cluster.up()):
            lose(t, cluster, "data", written, n)
        t.check("preferred leaders lead", elect_preferred, cluster, "data")
        for n in cluster.up():
            t.check(f"the {n.side} broker stops by itself", n.stop)
            t.check("its partitions are led by others", cluster.wait_led, "data",
                    {m.id for m in cluster.up()})
            t.check("records meanwhile", written.more)
            n.start()
            t.check("it comes back", cluster.wait_brokers)
            cluster.wait_in_sync("data")
        t.check("all records are there", written.all_there)
        t.check("replicas hold the same bytes", files.wait_same, cluster, "data")
        t.check("the group goes on from what it had committed", group.goes_on)
        tools_agree(t, cluster, "data")
        dump_all(t, cluster)
    finally:
        cluster.close()


# ---- Voters of both kinds in one quorum ----------------------------------------------------------

def leader_lost(t, cluster, topic, written, voters):
    """kill -9 of the quorum's leader, and its return."""
    old = cluster[cluster.quorum()["leaderId"]]
    old.kill()
    others = {v for v in voters if v != old.id}
    def moved():
        q = cluster.quorum()
        if q["leaderId"] not in others:
            raise Failed(f"leader {q['leaderId']}")
        return cluster[q["leaderId"]]
    new = t.check(f"the quorum goes on when its {old.side} leader is killed", wait, "a new leader",
                  moved)
    t.check(f"metadata changes under the {new.side} leader", cluster.create,
            f"under-{new.id}-{written.count}", 2, 2)
    t.check("records go on", cluster.wait_led, topic, {n.id for n in cluster.up()})
    written.more()
    old.start()
    t.check(f"the {old.side} node comes back", cluster.wait_brokers)
    t.check("the quorum is whole", cluster.wait_quorum, voters)
    cluster.wait_in_sync(topic)
    return new


def led_by(cluster, side, voters):
    """Stops leaders of the other side until one of `side` leads. A leader that stops names the
    voter that is furthest, of several the first, as its successor: 1 or 2."""
    for _ in range(4):
        leader = cluster[cluster.quorum()["leaderId"]]
        if leader.side == side:
            return leader
        leader.stop()
        wait("another leads", lambda old=leader: cluster.quorum()["leaderId"] not in (-1, old.id))
        leader.start()
        cluster.wait_brokers()
        cluster.wait_quorum(voters)
    raise Failed(f"no {side} node came to lead")


def voters(t, directory, *sides, **how):
    """Nodes 1, 2, 3 are brokers and voters of one quorum."""
    cluster = Cluster(directory, **how)
    for i, side in enumerate(sides):
        cluster.add(i + 1, "broker,controller", side, rack=f"r{i}")
    ids = sorted(cluster.nodes)
    try:
        cluster.format()
        t.check("a quorum of all, and all brokers unfenced", cluster.start)
        t.check("every node follows the metadata", cluster.wait_quorum, ids)
        cluster.create("data", assignment=assignment_of(ids, ids))
        written = Written(cluster, "data", PARTITIONS)
        t.check("records in, records out", written.more_and_read)
        for side in dict.fromkeys(sides):
            t.check(f"a node of {side} comes to lead the quorum", led_by, cluster, side, ids)
            leader_lost(t, cluster, "data", written, ids)
        t.check("the metadata logs are one", same_metadata, cluster)
        if not cluster.static:
            leaves = [n for n in cluster.up() if n.id != cluster.quorum()["leaderId"]]
            membership(t, cluster, leaves[-1], ids)
        t.check("all records are there", written.all_there)
        t.check("replicas hold the same bytes", files.wait_same, cluster, "data")
        tools_agree(t, cluster, "data")
        dump_all(t, cluster)
    finally:
        cluster.close()


def same_metadata(cluster):
    first, *others = cluster.up("controller")
    for n in others:
        files.metadata_prefix_same(first, n)


def membership(t, cluster, node, ids):
    """A voter leaves the quorum and comes back, as the commands have it."""
    rest = [v for v in ids if v != node.id]
    entry = next(v for v in cluster.quorum()["currentVoters"] if v["replicaId"] == node.id)
    directory = entry["replicaDirectoryId"]
    t.check(f"remove-controller: the {node.side} voter", cluster.kavka, "quorum",
            "remove-controller", "--controller-id", node.id, "--controller-directory-id", directory)
    t.check("the quorum goes on without it", cluster.wait_quorum, rest)
    t.check(f"add-controller: the {node.side} voter", cluster.kavka, "quorum", "--command-config",
            node.dir / "server.properties", "add-controller")
    t.check("the quorum is whole", cluster.wait_quorum, ids)


# ---- A cluster moved node by node ----------------------------------------------------------------

def moved(t, directory, *sides):
    """Three nodes of the first side; each is stopped and goes on as the second, in its own
    directory; then back; producers and a group of consumers run all the time."""
    cluster = Cluster(directory)
    for i in range(3):
        cluster.add(i + 1, "broker,controller", sides[0])
    ids = sorted(cluster.nodes)
    try:
        cluster.format()
        t.check("the cluster is up", cluster.start)
        cluster.create("moving", PARTITIONS, 3, min_insync_replicas=2)
        cluster.create("still", PARTITIONS, 3)
        still = Written(cluster, "still", PARTITIONS)
        still.more()
        everyone = ",".join(n.broker for n in cluster.nodes.values())
        load = Load(everyone, "moving", PARTITIONS)
        load.wait_progress()
        for side in sides[1:]:
            for n in cluster.nodes.values():
                old = n.side
                t.check(f"node {n.id} ({old}) stops", n.stop)
                load.wait_progress()
                n.start(side)
                t.check(f"node {n.id} goes on as {side}", cluster.wait_brokers)
                t.check("it is in sync", cluster.wait_in_sync, "moving", "still")
                t.check("it votes", cluster.wait_quorum, ids)
                t.check("the load goes on", load.wait_progress)
            t.check(f"all of it as {side}: old records are there", still.all_there)
            still.more()
        t.check("no record lost, doubled or out of order", load.finish, everyone)
        print(f"# longest time without an acknowledgement: {load.slowest_s:.1f} s; "
              f"{load.acked} records, {load.reread} read twice by the group", flush=True)
        t.check("replicas hold the same bytes", files.wait_same, cluster, "moving")
        t.check("the metadata logs are one", same_metadata, cluster)
        dump_all(t, cluster)
    finally:
        cluster.close()


# ---- Tools and files -----------------------------------------------------------------------------

def blanks(text):
    return re.sub(r"[ \t]+", " ", text).strip().splitlines()


def same_output(cluster, tool, *words):
    ours = blanks(command(KAVKA, f"kafka-{tool}", "--bootstrap-server", cluster.bootstrap, *words))
    theirs = blanks(cluster.apache(tool, *words))
    # What moves between two questions, and the names of levels newer than Apache's tools.
    moves = re.compile(r"^(HighWatermark|MaxFollowerLag|Feature: metadata.version).*| Epoch: .*")
    a, b = ([moves.sub("", line) for line in x] for x in (ours, theirs))
    if a != b:
        raise Failed(f"{tool}: {a} is not {b}")


def tools_agree(t, cluster, topic):
    """Apache's commands and kavka's say the same of this cluster."""
    t.check("kafka-topics --describe agrees", same_output, cluster, "topics", "--describe",
            "--topic", topic)
    t.check("kafka-metadata-quorum agrees", same_output, cluster, "metadata-quorum", "describe",
            "--status")
    t.check("kafka-reassign-partitions --list agrees", same_output, cluster, "reassign-partitions",
            "--list")
    t.check("kafka-features agrees", same_output, cluster, "features", "describe")


def dump_all(t, cluster):
    """Apache's kafka-dump-log reads what each kavka node has written, and ours as Apache's does."""
    for n in cluster.nodes.values():
        if n.side != "kavka":
            continue
        paths = files.metadata_files(n)
        t.check(f"kafka-dump-log reads the metadata of node {n.id}", files.dump, paths,
                "--cluster-metadata-decoder")
        logs = sorted(n.data.glob("data-*/*.log"))
        if logs:
            t.check(f"kafka-dump-log reads the records of node {n.id}", files.dump, logs,
                    "--deep-iteration")
