"""Stories of what seldom happens, and of Apache's commands at work on a mixed cluster."""

import json
import os
import signal
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

import files
from cluster import Cluster, Failed, wait
from load import STRAY, produce
from stories import PARTITIONS, Written, dump_all, elect_preferred, tools_agree


def snapshots(t, directory, controller, *sides):
    """The controller's log begins with a snapshot; brokers join then, and join again later."""
    cluster = Cluster(directory, **{"metadata.log.max.record.bytes.between.snapshots": 4000,
                                    "metadata.max.idle.interval.ms": 100})
    cluster.add_brokers(controller, sides)
    last = cluster[len(sides) + 1]
    here = [n for n in cluster.nodes.values() if n is not last]
    try:
        cluster.format()
        t.check("the cluster is up without its last broker", cluster.start, *here)
        for i in range(8):
            cluster.create(f"early-{i}", 3, len(here) - 1)
        cluster.kavka("configs", "--alter", "--entity-type", "topics", "--entity-name", "early-0",
                      "--add-config", "retention.ms=77777")
        folder = cluster[1].data / files.METADATA
        wait("a snapshot", lambda: [p for p in folder.glob("*.checkpoint")
                                    if not p.name.startswith("0" * 20)])
        t.check(f"Apache's kafka-dump-log reads the snapshots of the {controller} controller",
                files.dump, sorted(folder.glob("*.checkpoint")), "--cluster-metadata-decoder")
        last.start()
        t.check(f"a {last.side} broker begins with a snapshot", cluster.wait_brokers)
        got = sorted(p.name for p in (last.data / files.METADATA).glob("*-*.checkpoint"))
        if not got:
            raise Failed("it fetched none")

        def sees():
            got = last.ask("DescribeConfigs", {"Resources": [{
                "ResourceType": 2, "ResourceName": "early-0", "ConfigurationKeys": None}]})
            values = {c["name"]: c["value"] for c in got["results"][0]["configs"]}
            return values["retention.ms"] == "77777" and len(
                last.ask("Metadata", {"Topics": None})["topics"]) == 8
        t.check("it knows all that was before it", wait, "its metadata", sees)
        last.stop()
        for i in range(8):
            cluster.create(f"late-{i}", 3, len(here) - 1)
        last.start()
        t.check("it comes back after more of them", cluster.wait_brokers)
        t.check("it knows what was new", wait, "its metadata", lambda: len(
            last.ask("Metadata", {"Topics": None})["topics"]) == 16)
        for n in cluster.nodes.values():
            if n.side == "kavka":
                t.check(f"Apache's kafka-dump-log reads all metadata of node {n.id}", files.dump,
                        files.metadata_files(n), "--cluster-metadata-decoder")
        t.check("its own snapshots hold the same", same_snapshots, cluster)
    finally:
        cluster.close()


def same_snapshots(cluster):
    """Snapshots of one offset on several nodes: the same records, in some order."""
    seen = {}
    for n in cluster.nodes.values():
        for path in (n.data / files.METADATA).glob("*.checkpoint"):
            if path.name.startswith("0" * 20):
                continue
            text = files.dump([path], "--cluster-metadata-decoder")
            rows = sorted(line.split("payload: ", 1)[1] for line in text.splitlines()
                          if "payload: " in line)
            seen.setdefault(path.name, []).append((n, rows))
    shared = [v for v in seen.values() if len(v) > 1]
    for (a, want), *others in shared:
        for b, got in others:
            if got != want:
                odd = [r for r in got if r not in want][:2] + [r for r in want if r not in got][:2]
                raise Failed(f"snapshots of nodes {a.id} ({a.side}) and {b.id} ({b.side}): {odd}")
    return True


def diverged(t, directory, controller, *sides):
    """A leader dies with records that nobody else has; its follower leads; it comes back, cuts
    them off and has what the other has. With each side as the one that dies."""
    cluster = Cluster(directory, **{"replica.lag.time.max.ms": 30000})
    cluster.add_brokers(controller, sides)
    pairs = ((cluster[2], cluster[3]), (cluster[3], cluster[2]))
    try:
        cluster.format()
        t.check("the cluster is up", cluster.start)
        for dies, lives in pairs:
            topic = f"diverged-{dies.id}"
            who = f"{dies.side} leader, {lives.side} follower"
            cluster.create(topic, assignment=f"{dies.id}:{lives.id}")
            cluster.wait_in_sync(topic)
            written = Written(cluster, topic, 1)
            written.more(100)
            os.kill(lives.process.pid, signal.SIGSTOP)
            try:
                # The fetch that is under way takes the first of them along.
                for first in range(STRAY, STRAY + 50, 10):
                    produce(dies.broker, topic, 1, first, 10, acks=1)
            finally:
                dies.kill()
                os.kill(lives.process.pid, signal.SIGCONT)
            wait("the follower leads", lambda topic=topic, lives=lives: lives.ask(
                "DescribeTopicPartitions", {"Topics": [{"Name": topic}]})["topics"][0][
                    "partitions"][0]["leaderId"] == lives.id)
            t.check(f"{who}: records under the follower", written.more, 100)
            dies.start()
            t.check(f"{who}: the old leader comes back", cluster.wait_brokers)
            cluster.wait_in_sync(topic)
            t.check(f"{who}: it cut off what nobody else had", files.wait_same, cluster, topic)
            strays = t.check(f"{who}: all that was agreed on is there", written.all_there)
            if strays >= 50:
                raise Failed("nothing had to be cut off")
    finally:
        cluster.close()


def disks(t, directory, controller, *sides):
    """Brokers with two log directories tell the controller what lies where, also after a move."""
    cluster = Cluster(directory, disks=2)
    cluster.add_brokers(controller, sides)
    nodes = [n for n in cluster.nodes.values() if n.id != 1]
    try:
        cluster.format()
        t.check("the cluster is up", cluster.start)
        cluster.create("data", assignment="2:3,3:2,2:3,3:2")
        cluster.wait_in_sync("data")
        written = Written(cluster, "data", PARTITIONS)
        written.more()
        t.check("both directories are used", spread, nodes)
        t.check("the controller knows each replica's directory", known, cluster)
        for n in nodes:
            t.check(f"replicas move to the other directory of the {n.side} broker", move, cluster,
                    n)
            t.check("the controller knows", known, cluster)
        t.check("records in, records out", written.more_and_read)
        for n in nodes:
            n.stop()
            n.start()
            t.check(f"the {n.side} broker comes back", cluster.wait_brokers)
            cluster.wait_in_sync("data")
        t.check("replicas hold the same bytes", files.wait_same, cluster, "data")
        t.check("all records are there", written.all_there)
    finally:
        cluster.close()


def spread(nodes):
    for n in nodes:
        if len({files.where(n, f"data-{p}") for p in range(PARTITIONS)}) != len(n.disks):
            raise Failed(f"all replicas of node {n.id} are in one directory")


def known(cluster):
    topic = cluster.ask("DescribeTopicPartitions", {"Topics": [{"Name": "data"}]})["topics"][0]

    def agreed():
        told = files.metadata_directories(cluster[1], topic["topicId"])
        for p in topic["partitions"]:
            name = f"data-{p['partitionIndex']}"
            want = [files.where(cluster[r], name) for r in p["replicaNodes"]]
            if told.get(p["partitionIndex"]) != want:
                raise Failed(f"{name}: {told.get(p['partitionIndex'])}, want {want}")
        return True
    wait("the directories", agreed, 20)


def move(cluster, node):
    """Partitions 0 and 1 change their places."""
    path = cluster.dir / "move.json"
    there = {files.directory_id(d): str(d) for d in node.disks}
    moves = []
    for p in cluster.partitions("data")[:2]:
        at = files.where(node, f"data-{p['partitionIndex']}")
        other = next(d for i, d in there.items() if i != at)
        moves.append({"topic": "data", "partition": p["partitionIndex"],
                      "replicas": p["replicaNodes"],
                      "log_dirs": [other if r == node.id else "any" for r in p["replicaNodes"]]})
    path.write_text(json.dumps({"version": 1, "partitions": moves}))
    cluster.apache("reassign-partitions", "--execute", "--reassignment-json-file", path)

    def verified():
        said = cluster.apache("reassign-partitions", "--verify", "--reassignment-json-file", path)
        if said.count("completed successfully") != len(moves):
            raise Failed(said)
        return True
    wait("it is completed", verified)


def transactions(t, directory, controller, *sides):
    """A transaction of an Apache coordinator stays open while the lead of its partition goes over
    to the other side, and ends there."""
    cluster = Cluster(directory)
    cluster.add(1, "controller", controller)
    cluster.add(2, "broker", "apache")
    cluster.add(3, "broker", sides[0])
    try:
        cluster.format()
        t.check("the cluster is up", cluster.start)
        cluster.create("__transaction_state", assignment="2,2,2", cleanup_policy="compact")
        for commit, name in ((True, "committed"), (False, "aborted")):
            cluster.create(name, assignment="2:3")
            cluster.wait_in_sync(name)
            p = transactional(cluster, name)
            p.begin_transaction()
            p.produce(name, b"one")
            if p.flush(30):
                raise Failed("not acknowledged")
            t.check(f"{name}: the lead goes over", lead, cluster, name, [3, 2])
            p.produce(name, b"two")
            if p.flush(30):
                raise Failed("not acknowledged")
            t.check(f"{name}: it ends", p.commit_transaction if commit else p.abort_transaction, 30)
            # Two records and the marker; and what a reader sees of them.
            t.check(f"{name}: its end is in the log", wait, "the marker", lambda name=name: int(
                cluster.kavka("offsets", "--topic", name).split(":")[2]) == 3)
            want = [b"one", b"two"] if commit else []
            t.check(f"{name}: readers see it", wait, "the records",
                    lambda name=name, want=want: committed(cluster, name) == want)
            t.check("replicas hold the same bytes", files.wait_same, cluster, name)
    finally:
        cluster.close()


def transactional(cluster, name):
    p = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": name})
    for last in (False, False, True):
        try:
            p.init_transactions(20)
            return p
        except KafkaException:
            if last:
                raise


def lead(cluster, topic, replicas):
    path = cluster.dir / "lead.json"
    path.write_text(json.dumps({"version": 1, "partitions": [
        {"topic": topic, "partition": 0, "replicas": replicas}]}))
    cluster.kavka("reassign", "--execute", "--reassignment-json-file", path)
    elect_preferred(cluster, topic)
    if cluster.leaders(topic) != {0: replicas[0]}:
        raise Failed(f"{cluster.leaders(topic)}")


def committed(cluster, topic):
    """What a reader of committed records sees, up to the end of the log."""
    c = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "none",
                  "enable.auto.commit": False, "isolation.level": "read_committed",
                  "enable.partition.eof": True})
    c.assign([TopicPartition(topic, 0, 0)])
    out, deadline = [], time.monotonic() + 10
    while time.monotonic() < deadline:
        m = c.poll(0.2)
        if m is not None and m.error():
            break
        if m is not None:
            out.append(m.value())
    c.close()
    return out


def commands(t, directory, controller, *sides):
    """Apache's commands change the cluster, and kavka's see it, on its own controller or ours."""
    cluster = Cluster(directory)
    cluster.add_brokers(controller, sides, rack=lambda number: f"rack{number % 2}")
    ids = [n for n in cluster.nodes if n != 1]
    try:
        cluster.format()
        t.check("the cluster is up", cluster.start)
        cluster.apache("topics", "--create", "--topic", "data", "--replica-assignment",
                       "2:3,3:2,2:3,3:2", "--config", "min.insync.replicas=2")
        wait("the topic", lambda: cluster.partitions("data"))
        written = Written(cluster, "data", PARTITIONS)
        written.more()
        t.check("kafka-reassign-partitions moves them", reassign, cluster, ids)
        t.check("all records are there", written.all_there)
        t.check("replicas hold the same bytes", files.wait_same, cluster, "data")
        t.check("eligible leader replicas", elr, cluster)
        t.check("kafka-leader-election", cluster.apache, "leader-election", "--election-type",
                "preferred", "--all-topic-partitions")
        t.check("preferred leaders lead", preferred_lead, cluster, "data")
        t.check("kafka-configs of a broker", broker_config, cluster, ids[-1])
        t.check("kafka-features downgrades and upgrades", features, cluster)
        tools_agree(t, cluster, "data")
        t.check("kafka-log-dirs of all", log_dirs, cluster, ids)
        t.check("kafka-consumer-groups resets", reset, cluster, written)
        dump_all(t, cluster)
    finally:
        cluster.close()


def reassign(cluster, ids):
    """Each partition to the other brokers, under a throttle, until --verify says so."""
    path = cluster.dir / "reassign.json"
    moves = [{"topic": "data", "partition": p["partitionIndex"],
              "replicas": [r for r in ids if r not in p["replicaNodes"]] + p["replicaNodes"][:1]}
             for p in cluster.partitions("data")]
    path.write_text(json.dumps({"version": 1, "partitions": moves}))
    said = cluster.apache("reassign-partitions", "--execute", "--reassignment-json-file", path,
                          "--throttle", 50000000)
    if "Successfully started partition reassignments" not in said:
        raise Failed(said)

    def verified():
        said = cluster.apache("reassign-partitions", "--verify", "--reassignment-json-file", path)
        if said.count("is completed.") != len(moves):
            raise Failed(said)
        return "Clearing topic-level throttles" in said
    wait("it is completed", verified)
    got = {p["partitionIndex"]: p["replicaNodes"] for p in cluster.partitions("data")}
    if got != {m["partition"]: m["replicas"] for m in moves}:
        raise Failed(f"{got}")


def elr(cluster):
    """With min.insync.replicas 2 of 2, the replica that goes last stays eligible."""
    node = cluster.up()[-1]
    node.stop()
    try:
        def eligible():
            rows = [p for p in cluster.partitions("data") if node.id in p["replicaNodes"]]
            if any(p["eligibleLeaderReplicas"] != [node.id] for p in rows):
                raise Failed(f"{rows}")
            return rows
        wait("it is eligible", eligible)
        said = cluster.apache("topics", "--describe", "--topic", "data").replace("\t", " ")
        if f"Elr: {node.id}" not in said:
            raise Failed(said)
    finally:
        node.start()
    cluster.wait_brokers()
    cluster.wait_in_sync("data")
    if any(p["eligibleLeaderReplicas"] for p in cluster.partitions("data")):
        raise Failed("still eligible beside the ISR")


def preferred_lead(cluster, topic):
    for p in cluster.partitions(topic):
        if p["leaderId"] != p["replicaNodes"][0]:
            raise Failed(f"{p}")


def broker_config(cluster, number):
    cluster.apache("configs", "--alter", "--entity-type", "brokers", "--entity-name", number,
                   "--add-config", "log.cleaner.backoff.ms=12345")
    wait("it is there", lambda: "log.cleaner.backoff.ms=12345" in cluster.kavka(
        "configs", "--describe", "--entity-type", "brokers", "--entity-name", number))
    cluster.apache("configs", "--alter", "--entity-type", "brokers", "--entity-default",
                   "--add-config", "log.retention.ms=99999999")
    wait("the default is there", lambda: "log.retention.ms=99999999" in cluster.kavka(
        "configs", "--describe", "--entity-type", "brokers", "--entity-default"))


def features(cluster):
    cluster.apache("features", "downgrade", "--feature", "group.version=0")
    wait("it is down", lambda: level(cluster, "group.version") == 0)
    cluster.apache("features", "upgrade", "--feature", "group.version=1")
    wait("it is up", lambda: level(cluster, "group.version") == 1)


def level(cluster, name):
    """The finalized level, which all brokers that are up must agree on."""
    found = set()
    for n in cluster.up():
        got = n.ask("ApiVersions", {"ClientSoftwareName": "t", "ClientSoftwareVersion": "1"})
        found.add(next((f["maxVersionLevel"] for f in got["finalizedFeatures"]
                        if f["name"] == name), 0))
    return found.pop() if len(found) == 1 else None


def log_dirs(cluster, ids):
    said = json.loads(cluster.apache("log-dirs", "--describe", "--topic-list", "data")
                      .splitlines()[-1])
    got = {}
    for b in said["brokers"]:
        for d in b["logDirs"]:
            for p in d["partitions"]:
                got.setdefault(p["partition"], set()).add((b["broker"], p["size"], p["offsetLag"]))
    for p in cluster.partitions("data"):
        rows = got[f"data-{p['partitionIndex']}"]
        if {r[0] for r in rows} != set(p["replicaNodes"]) or len({r[1:] for r in rows}) != 1:
            raise Failed(f"{p}: {rows}")


def reset(cluster, written):
    cluster.apache("consumer-groups", "--group", "reset", "--reset-offsets", "--to-earliest",
                   "--topic", "data", "--execute")
    got = json.loads(cluster.kavka("groups", "--describe", "--group", "reset", "--json"))
    lags = sorted((r["currentOffset"], r["lag"]) for r in got["offsets"])
    if lags != [(0, written.count)] * written.partitions:
        raise Failed(f"{lags}")
