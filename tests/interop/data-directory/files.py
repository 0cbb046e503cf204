"""What Apache's own dump tool must find in a directory that kavka has left."""

import json
import re
from collections import Counter

from node import dump, dump_by_file, dumps_differ

METADATA = "__cluster_metadata-0"
OFFSETS = "__consumer_offsets-*"
WRONG = re.compile(r"isvalid: false|mismatch|invalid|corrupt|error|could not|non-consecutive", re.I)
COMPACTED = re.compile(r"/(compacted|__consumer_offsets)-\d+/")


def wrong_in(text):
    """The first complaint in a dump. Records are not looked at: they may say anything."""
    for path, lines in dump_by_file(text):
        for line in lines:
            if line.startswith("|") or not WRONG.search(line):
                continue
            # Cleaning leaves gaps, and the tool tells of them.
            if COMPACTED.search(line) and "on-consecutive" in line:
                break
            return f"{path.parent.name}/{path.name}: {line[:300]}"
    return ""


def topic_logs(node):
    """Without the metadata's, and those of deleted topics that wait for their removal."""
    return [p for p in node.files(".log")
            if p.parent.name != METADATA and not p.parent.name.endswith("-delete")]


def check_directory(node, model):
    """A clean stop leaves the marker, recovery points at the ends of all logs, and nothing half
    done."""
    if not (node.data / ".kafka_cleanshutdown").exists():
        return "no .kafka_cleanshutdown"
    for pattern in ("*.swap", "*.cleaned", "*.tmp"):
        left = [*node.data.glob(pattern), *node.data.glob(f"*/{pattern}")]
        if left:
            return f"{left[0]} was left"
    points = node.checkpoint("recovery-point-offset-checkpoint")
    ends = node.checkpoint("replication-offset-checkpoint")
    for (topic, p), log in model.written.items():
        end = max(log, default=-1) + 1
        if topic == "transactions":
            continue
        if points.get((topic, p)) != end or ends.get((topic, p)) != end:
            return f"{topic}-{p}: end {end}, recovery point {points.get((topic, p))}, " \
                   f"high watermark {ends.get((topic, p))}"
    begins = node.checkpoint("log-start-offset-checkpoint")
    for at, begin in model.begins.items():
        if begins.get(at) != begin:
            return f"{at}: log start {begins.get(at)}, want {begin}"
    return ""


def check_logs(node, model):
    logs = topic_logs(node)
    text = dump(logs, "--deep-iteration", "--print-data-log")
    found = Counter()
    for path, lines in dump_by_file(text):
        topic, partition = path.parent.name.rsplit("-", 1)
        begin = model.begins.get((topic, int(partition)), 0)
        for line in lines:
            at = re.match(r"\| offset: (\d+) ", line)
            if at and int(at[1]) >= begin:
                found[topic, int(partition)] += 1
    for (topic, p), log in model.written.items():
        want = sum(offset >= model.begins.get((topic, p), 0) for offset in log)
        if topic not in ("compacted", "transactions") and found[topic, p] != want:
            return f"{topic}-{p}: {found[topic, p]} records, want {want}"
    if len([p for p in logs if p.parent.name == "segments-0"]) < 3:
        return "segments-0 has not enough segments to say anything"
    if len([p for p in logs if p.parent.name == "rolled-0"]) < 3:
        return "rolled-0 has not enough segments to say anything"
    return wrong_in(text)


def indexes(node):
    """Those with records: the tool throws on one of an empty segment, whoever wrote it."""
    logs = {*topic_logs(node), *node.files(".log", METADATA)}
    return [p for suffix in (".index", ".timeindex") for p in node.files(suffix)
            if p.with_suffix(".log") in logs and p.with_suffix(".log").stat().st_size]


def check_indexes(node, _):
    paths = indexes(node)
    for path in paths:
        entry = 8 if path.suffix == ".index" else 12
        size = path.stat().st_size
        if size % entry or size > 1024 * 1024:
            return f"{path.parent.name}/{path.name}: {size} bytes after a clean stop"
    for option in ("--index-sanity-check", "--verify-index-only"):
        wrong = wrong_in(dump(paths, option))
        if wrong:
            return f"{option}: {wrong}"
    return ""


def check_snapshots(node, model):
    """The newest one of a partition stands at its end and knows each producer's last number."""
    newest = {p.parent.name: p for p in node.files(".snapshot")
              if p.parent.name != METADATA and not p.parent.name.endswith("-delete")}
    for path, lines in dump_by_file(dump(newest.values())):
        topic, partition = path.parent.name.rsplit("-", 1)
        counts = model.sequences.get((topic, int(partition)))
        if counts is None or topic == "transactions":
            continue
        if int(path.stem) != model.end(topic, int(partition)):
            return f"{path.parent.name}: the newest is {path.name}"
        got = sorted(int(n) for n in re.findall(r"lastSequence: (-?\d+)", "\n".join(lines)))
        want = sorted(n - 1 for n in counts.values())
        if got != want:
            return f"{path.parent.name}/{path.name}: last sequences {got}, want {want}"
    missing = {f"{t}-{p}" for t, p in model.sequences} - set(newest)
    return f"none of {sorted(missing)}" if missing else ""


def check_metadata(node, model):
    paths = [*node.files(".log", METADATA), *node.files(".checkpoint", METADATA)]
    text = dump(paths, "--cluster-metadata-decoder")
    for topic in model.configs:
        if f'"name":"{topic}"' not in text:
            return f"no record of the topic {topic}"
    for line in text.splitlines():
        if " payload: " in line and ' payload: {"type":"' not in line:
            return f"not decoded: {line[:300]}"
        if re.match(r"Error at", line):
            return line[:300]
    return wrong_in(text)


def check_offsets(node, model):
    """The last word on each group's partitions, as Apache decodes it."""
    text = dump(node.files(".log", OFFSETS), "--offsets-decoder")
    found = {}
    for line in text.splitlines():
        at = re.search(r" key: (\{.*\}) payload: (.*)$", line)
        if not at:
            continue
        key = json.loads(at[1])
        if str(key["type"]) not in ("0", "1"):
            continue
        key = key["data"]
        value = None if at[2] in ("<DELETE>", "null", "") else json.loads(at[2])["data"]
        found[key["group"], key["topic"], key["partition"]] = value
    for group, offsets in model.groups.items():
        for (topic, p), (offset, metadata) in offsets.items():
            got = found.get((group, topic, p))
            # The client puts a NUL behind the text, whoever the broker is.
            if not got or (got["offset"], got["metadata"].rstrip("\0")) != (offset, metadata):
                return f"{group} {topic}-{p}: {got}, want {offset} {metadata!r}"
    return wrong_in(text)


def check_own_dump(node, _):
    """Of every kind of file, with every decoder that fits."""
    metadata = [*node.files(".log", METADATA), *node.files(".checkpoint", METADATA)]
    runs = [
        (topic_logs(node), ["--print-data-log"]),
        (metadata, ["--cluster-metadata-decoder"]),
        (node.files(".log", OFFSETS), ["--offsets-decoder"]),
        (node.files(".log", "__transaction_state-*"), ["--transaction-log-decoder"]),
        (indexes(node), []),
        ([*node.files(".snapshot"), *node.files(".txnindex")], []),
    ]
    return next(filter(None, (dumps_differ(files, *options) for files, options in runs if files)),
                "")


CHECKS = {
    "what a clean stop leaves": check_directory,
    "Apache reads the logs": check_logs,
    "Apache verifies the indexes": check_indexes,
    "Apache reads the producer snapshots": check_snapshots,
    "Apache decodes the metadata": check_metadata,
    "Apache decodes the group offsets": check_offsets,
    "kavka's dump of all of it is Apache's": check_own_dump,
}
