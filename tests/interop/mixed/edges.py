"""Stories of where a record is read from, and of a disk that fails."""

import json

from confluent_kafka import Consumer, TopicPartition

import files
from cluster import Cluster, Failed, wait
from load import value_of
from stories import PARTITIONS, Written, elect_preferred


def racks(t, directory, controller, *sides):
    """Consumers read from the replica in their rack, whoever leads, and of either side."""
    cluster = Cluster(directory, **{
        "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector"})
    cluster.add_brokers(controller, sides, rack=lambda number: f"rack{number}")
    try:
        cluster.format()
        t.check("the cluster is up", cluster.start)
        cluster.create("data", assignment="2:3,3:2")
        cluster.wait_in_sync("data")
        written = Written(cluster, "data", 2)
        written.more()
        for partition, (leader, follower) in enumerate(((2, 3), (3, 2))):
            here, there = cluster[leader], cluster[follower]
            t.check(f"the {here.side} leader {leader} names the {there.side} follower", wait,
                    "the preferred replica", lambda n=here, p=partition, r=there: preferred(
                        cluster, n, p, r.rack) == r.id)
            t.check(f"the {there.side} follower serves its rack", read_from, cluster, there,
                    partition, written.count)
            t.check(f"the {here.side} leader serves its own", read_from, cluster, here, partition,
                    written.count)
            there.stop()
            t.check(f"the {here.side} leader serves all when it is alone", read_from, cluster,
                    there, partition, written.count, here)
            there.start()
            cluster.wait_brokers()
            cluster.wait_in_sync("data")
            elect_preferred(cluster, "data")
    finally:
        cluster.close()


def preferred(cluster, node, partition, rack):
    """Whom a leader sends a reader of `rack` to; -1: nobody else."""
    topic = cluster.ask("DescribeTopicPartitions", {"Topics": [{"Name": "data"}]})["topics"][0]
    got = node.ask("Fetch", {
        "MaxWaitMs": 100, "MinBytes": 1, "MaxBytes": 1000, "SessionEpoch": -1, "RackId": rack,
        "Topics": [{"TopicId": topic["topicId"], "Partitions": [{
            "Partition": partition, "FetchOffset": 1, "PartitionMaxBytes": 1000}]}]})
    return got["responses"][0]["partitions"][0].get("preferredReadReplica", -1)


def read_from(cluster, node, partition, count, by=None):
    """A reader in the node's rack gets everything, from that node (or from `by`)."""
    seen, sources = 0, {}

    def note(text):
        for broker in json.loads(text)["brokers"].values():
            sources[broker["nodeid"]] = broker["req"].get("Fetch", 0)

    c = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "none",
                  "enable.auto.commit": False, "auto.offset.reset": "error",
                  "client.rack": node.rack, "max.partition.fetch.bytes": 2000,
                  "fetch.wait.max.ms": 50, "statistics.interval.ms": 50, "stats_cb": note})
    c.assign([TopicPartition("data", partition, 0)])

    def all_read():
        nonlocal seen
        for m in c.consume(500, timeout=0.2):
            if not m.error():
                if m.value() != value_of(partition, seen):
                    raise ValueError(f"offset {m.offset()}: {m.value()[:30]!r}, want {seen}")
                seen += 1
        return seen == count
    try:
        wait("all records", all_read)
        # The first fetch goes to the leader; all others to the preferred one.
        want = (by or node).id
        wait(f"fetches of node {want}", lambda: c.poll(0.1) or max(
            sources, key=sources.get, default=-1) == want, 20)
    finally:
        c.close()


def failed_disk(t, directory, controller, *sides):
    """One of a broker's two log directories fails: the other broker leads what it held, the node
    goes on with the other directory, and has all again after a restart with the disk mended."""
    cluster = Cluster(directory, disks=2)
    cluster.add_brokers(controller, sides)
    nodes = [n for n in cluster.nodes.values() if n.id != 1]
    try:
        cluster.format()
        t.check("the cluster is up", cluster.start)
        cluster.create("data", assignment="2:3,3:2,2:3,3:2", segment_bytes=1048576)
        cluster.wait_in_sync("data")
        written = Written(cluster, "data", PARTITIONS)
        written.more()
        for n in nodes:
            broken, gone = n.disks[1], n.dir / "gone"
            held = [p for p in range(PARTITIONS) if (broken / f"data-{p}").is_dir()]
            broken.rename(gone)
            broken.touch()  # nothing can be made below it any more

            def moved(n=n, held=held):
                written.more(5000)  # until a segment is full
                rows = {p["partitionIndex"]: p for p in cluster.partitions("data")}
                for p in held:
                    if rows[p]["leaderId"] in (-1, n.id) or n.id in rows[p]["isrNodes"]:
                        raise Failed(f"{rows[p]}")
                return held
            t.check(f"others lead when a disk of the {n.side} broker fails", wait, "it is known",
                    moved)
            t.check(f"the {n.side} broker is there all the same", cluster.wait_brokers)
            rest = {p for p in range(PARTITIONS) if p not in held}

            def has_rest(n=n, rest=rest):
                return all(n.id in p["isrNodes"] for p in cluster.partitions("data")
                           if p["partitionIndex"] in rest)
            t.check("and has what is on its other disk", wait, "in sync", has_rest)
            n.stop()
            broken.unlink()
            gone.rename(broken)
            n.start()
            t.check(f"the {n.side} broker with its disk mended", cluster.wait_brokers)
            t.check("it is in sync again", cluster.wait_in_sync, "data")
        t.check("all records are there", written.all_there)
        t.check("replicas hold the same bytes", files.wait_same, cluster, "data")
    finally:
        cluster.close()
