"""What lies in the directories of the nodes."""

import json
import re

from cluster import APACHE_TOOLS, KAVKA, Failed, command, wait

METADATA = "__cluster_metadata-0"


def log_bytes(node, partition):
    """(first offset, bytes) of a replica's log, segments in order."""
    files = sorted(f for disk in node.disks for f in (disk / partition).glob("*.log"))
    if not files:
        raise Failed(f"node {node.id} has no log of {partition}")
    return int(files[0].stem), b"".join(f.read_bytes() for f in files)


def is_same(a, b, partition):
    first_a, bytes_a = log_bytes(a, partition)
    first_b, bytes_b = log_bytes(b, partition)
    if first_a != first_b:
        raise Failed(f"{partition}: begins at {first_a} and {first_b}")
    if bytes_a != bytes_b:
        at = next((i for i, (x, y) in enumerate(zip(bytes_a, bytes_b)) if x != y), None)
        raise Failed(f"{partition} of nodes {a.id} ({a.side}) and {b.id} ({b.side}): "
                     f"{len(bytes_a)} and {len(bytes_b)} bytes, first difference at {at}")
    return True


def wait_same(cluster, topic, seconds=30):
    """All replicas of all partitions hold the same bytes."""
    for p in cluster.partitions(topic):
        replicas = [cluster[r] for r in p["replicaNodes"]]
        for other in replicas[1:]:
            wait("same bytes", lambda other=other, p=p, first=replicas[0]: is_same(
                first, other, f"{topic}-{p['partitionIndex']}"), seconds)


def dump(files, *options):
    """What Apache's kafka-dump-log prints of the files; it must like all of them."""
    text = command(APACHE_TOOLS / "kafka-dump-log", *options, "--files", ",".join(map(str, files)))
    for line in text.splitlines():
        if re.search(r"isvalid: false|invalid bytes|^Error|Error at|mismatch|Unknown", line):
            raise Failed(f"kafka-dump-log: {line[:300]}")
    return text


def dumps_agree(files, *options):
    """kavka's own dump of the files is Apache's."""
    theirs = dump(files, *options).splitlines()
    ours = command(KAVKA, "kafka-dump-log", *options, "--files", ",".join(map(str, files)))
    for number, (got, want) in enumerate(zip(ours.splitlines(), theirs), 1):
        if got != want:
            raise Failed(f"dump line {number}: {got[:200]!r}, want {want[:200]!r}")


def directory_id(disk):
    return re.search(r"^directory.id=(\S+)", (disk / "meta.properties").read_text(), re.M)[1]


def where(node, partition):
    """The directory id of the disk that holds a replica."""
    found = [directory_id(disk) for disk in node.disks if (disk / partition).is_dir()]
    if len(found) != 1:
        raise Failed(f"node {node.id}: {partition} is on {len(found)} disks")
    return found[0]


def metadata_directories(node, topic_id):
    """{partition: [directory ids]} as a node's metadata log has them last."""
    logs = [p for p in metadata_files(node) if p.suffix == ".log"]
    text = dump(logs, "--cluster-metadata-decoder")
    out = {}
    for line in text.splitlines():
        if '"type":"PARTITION_' in line:
            data = json.loads(line.split("payload: ", 1)[1])["data"]
            if data["topicId"] == topic_id and data.get("directories"):
                out[data["partitionId"]] = data["directories"]
    return out


def metadata_files(node):
    folder = node.data / METADATA
    return sorted(folder.glob("*.log")) + sorted(folder.glob("*.checkpoint"))


def metadata_types(node):
    """How often each type of record is in a node's metadata log, as Apache's tool reads it."""
    text = dump(metadata_files(node), "--cluster-metadata-decoder")
    counts = {}
    for kind in re.findall(r'payload: \{"type":"([A-Z_]+)"', text):
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def metadata_prefix_same(a, b):
    """The metadata logs of two nodes agree as far as both go."""
    first_a, bytes_a = log_bytes(a, METADATA)
    first_b, bytes_b = log_bytes(b, METADATA)
    if first_a != first_b:
        return
    count = min(len(bytes_a), len(bytes_b))
    if bytes_a[:count] != bytes_b[:count]:
        at = next(i for i in range(count) if bytes_a[i] != bytes_b[i])
        raise Failed(f"metadata logs of nodes {a.id} and {b.id} differ at byte {at}")
