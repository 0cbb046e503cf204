"""A data directory that changes hands between kavka's broker and Apache Kafka's.

    story.py kavka-first|apache-first|kavka-killed|apache-killed DIR

Each holder finds all that those before it wrote, adds to it, and hands it on: after a clean stop,
or after kill -9 under load. Prints `ok CHECK` or `not ok CHECK: why`, one line a check."""

import sys
import time
import traceback
from pathlib import Path

from confluent_kafka import TopicCollection, TopicPartition
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource,
                                   NewPartitions, NewTopic, ResourceType, ScramCredentialInfo,
                                   ScramMechanism, UserScramCredentialUpsertion)

import files
from load import Load
from model import (CODECS, WAIT_S, Model, committed, compacted_difference, consumer_of, difference,
                   fill_of, producer_of, read)
from node import Node

STORIES = {
    # who holds the directory, one after the other, and whether it is killed at the end
    "kavka-first": (["kavka", "apache", "kavka", "apache"], False),
    "apache-first": (["apache", "kavka", "apache"], False),
    "kavka-killed": (["kavka", "apache", "kavka"], True),
    "apache-killed": (["apache", "kavka", "apache"], True),
}
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
COUNT = 1500  # records a codec, topic and round

TOPICS = {
    # name: partitions, configs
    "codecs": (3, {}),
    "segments": (1, {"segment.bytes": "1048576", "index.interval.bytes": "1024"}),
    "rolled": (2, {"segment.ms": "60000", "retention.ms": "-1"}),
    "compacted": (1, {"cleanup.policy": "compact", "segment.bytes": "1048576",
                      "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "86400000"}),
    "stamped": (1, {"message.timestamp.type": "LogAppendTime"}),
    "trimmed": (2, {"segment.bytes": "1048576"}),
    "recompressed": (1, {"compression.type": "zstd"}),
    "grown": (1, {"max.message.bytes": "2000000"}),
    "load": (3, {"segment.bytes": "1048576"}),
}


class Story:
    def __init__(self, name, directory):
        self.name = name
        self.sides, self.is_killed = STORIES[name]
        self.node = Node(directory)
        self.model = Model()
        self.producers = {}
        self.admin = None
        self.round = 0
        self.failed = 0
        self.base_ms = int(time.time() * 1000) - 5 * DAY_MS
        self.load = None

    def check(self, what, detail=""):
        name = f"{self.name}: {self.round}. {self.node.side}: {what}"
        print(f"not ok {name}: {detail}" if detail else f"ok {name}", flush=True)
        self.failed += bool(detail)

    def step(self, what, function, *args):
        """A check that passes when the function returns nothing, or nothing wrong."""
        try:
            self.check(what, function(*args) or "")
        except Exception as e:  # whatever a client or tool raises is the test's result
            traceback.print_exc()
            self.check(what, f"{type(e).__name__}: {e}")

    # ---- Writing

    def producer(self, codec):
        """One for the whole story: it keeps its id and sequences from holder to holder."""
        if codec not in self.producers:
            self.producers[codec] = producer_of(self.node.bootstrap, codec)
        return self.producers[codec]

    def create_topics(self):
        news = [NewTopic(name, partitions, 1, config=configs)
                for name, (partitions, configs) in TOPICS.items()]
        for name, future in self.admin.create_topics([*news, NewTopic("dropped", 2, 1)]).items():
            future.result(WAIT_S)
            if name in TOPICS:
                self.model.configs[name] = dict(TOPICS[name][1])
        wait_until(lambda: set(TOPICS) <= set(self.admin.list_topics(timeout=10).topics))
        described = self.admin.describe_topics(TopicCollection(list(TOPICS)))
        for name, future in described.items():
            self.model.ids[name] = str(future.result(WAIT_S).topic_id)
        self.admin.delete_topics(["dropped"])["dropped"].result(WAIT_S)

    def codec_records(self, codec):
        for i in range(COUNT):
            n = self.round * COUNT + i
            key = None if n % 10 == 9 else f"key-{n}".encode()
            headers = [("codec", codec.encode()), ("n", str(n).encode())]
            headers += [("empty", b""), ("", None)]
            value = None if n % 50 == 49 else f"{codec}:{n}:".encode() + fill_of(n, n * 31 % 200)
            yield n % 3, self.base_ms + n, key, value, headers

    def write_records(self):
        produce, start = self.model.produce, self.base_ms + self.round * DAY_MS
        for codec in CODECS:
            produce(self.producer(codec), codec, "codecs", self.codec_records(codec))
        plain = self.producer("none")
        produce(plain, "none", "segments", (
            (0, start + i, b"s%d" % i, fill_of(i, 1000), []) for i in range(3000)))
        # Each jump of an hour begins a new segment.
        for hour in range(8):
            produce(self.producer("lz4"), "lz4", "rolled", (
                (i % 2, start + i + hour * HOUR_MS, b"r%d" % i, b"rolled %d" % i, [])
                for i in range(50)))
        produce(self.producer("snappy"), "snappy", "compacted", (
            (0, start + i, b"k%d" % (i % 37), None if i % 37 == 5 else fill_of(i, 1000), [])
            for i in range(2500)))
        produce(self.producer("gzip"), "gzip", "stamped", (
            (0, start + i, None, b"stamped %d" % i, []) for i in range(300)))
        for p in range(2):
            produce(plain, "none", "trimmed", (
                (p, start + i, b"t", fill_of(i, 1000), []) for i in range(1500)))
        produce(plain, "none", "recompressed", (
            (0, start + i, b"z%d" % i, b"again " * 40, [("h", b"1")]) for i in range(500)))
        produce(self.producer("zstd"), "zstd", "grown", (
            (0, start + i, b"g%d" % i, fill_of(i, 100), []) for i in range(200)))
        return "; ".join(self.model.bad_acks[:3])

    def trim(self):
        """Deletes what is before an offset within a segment."""
        begin = self.model.end("trimmed", 0) - 700
        at = TopicPartition("trimmed", 0, begin)
        self.admin.delete_records([at])[at].result(WAIT_S)
        self.model.begins["trimmed", 0] = begin

    def write_groups(self):
        """Offsets with metadata of some groups, each on another partition of the offsets topic."""
        for g in range(12):
            group, want = f"group-{g}", self.model.groups.setdefault(f"group-{g}", {})
            for p in range(3):
                want["codecs", p] = (self.round * 100 + g * 10 + p, f"round {self.round}, {g}")
            if g % 3 == self.round % 3:
                want["segments", 0] = (g, "")
            consumer = consumer_of(self.node.bootstrap, group)
            consumer.commit(asynchronous=False, offsets=[
                TopicPartition(t, p, offset, metadata)
                for (t, p), (offset, metadata) in want.items()])
            consumer.close()
        gone = consumer_of(self.node.bootstrap, "gone")
        gone.commit(asynchronous=False, offsets=[TopicPartition("codecs", 0, 1)])
        gone.close()
        self.admin.delete_consumer_groups(["gone"])["gone"].result(WAIT_S)

    def consume_in_group(self):
        """A member finds where the one before stopped, reads to the end, and commits."""
        group = "reads"
        want, got = self.model.groups.get(group, {}), {}
        consumer = consumer_of(self.node.bootstrap, group, **{"auto.offset.reset": "earliest"})
        consumer.subscribe(["codecs"])
        left = sum(self.model.end("codecs", p) - want.get(("codecs", p), (0, ""))[0]
                   for p in range(3))
        deadline = time.monotonic() + WAIT_S
        while left > 0 and time.monotonic() < deadline:
            for m in consumer.consume(1000, timeout=0.2):
                if m.error():
                    continue
                at = m.topic(), m.partition()
                begin = want.get(at, (0, ""))[0]
                if m.offset() != got.get(at, begin):
                    return f"{at}: offset {m.offset()}, want {got.get(at, begin)}"
                got[at] = m.offset() + 1
                left -= 1
        consumer.commit(asynchronous=False, offsets=[
            TopicPartition(t, p, offset) for (t, p), offset in got.items()])
        consumer.close()
        self.model.groups.setdefault(group, {}).update({at: (o, "") for at, o in got.items()})
        return f"{left} records did not come" if left else ""

    def write_transactions(self):
        """Two producers whose transactions overlap, and offsets as part of one."""
        bootstrap, model = self.node.bootstrap, self.model
        names = ["first", "second"]
        both = [producer_of(bootstrap, "lz4", **{"transactional.id": f"txn-{n}"}) for n in names]
        for producer in both:
            producer.init_transactions(WAIT_S)
        for turn in range(6):
            records = {n: [(0, self.base_ms + turn, n.encode(), b"%d %d" % (turn, i), [])
                           for i in range(20)] for n in names}
            is_aborted = [turn % 2 == 1, turn % 3 == 1]
            for producer in both:
                producer.begin_transaction()
            for producer, name, abort in zip(both, names, is_aborted):
                into = model.aborted if abort else model.written
                model.produce(producer, name, "transactions", records[name], into)
            if turn == 4:
                group = consumer_of(bootstrap, "txn-group")
                at = [TopicPartition("transactions", 0, 77, "with a transaction")]
                both[0].send_offsets_to_transaction(at, group.consumer_group_metadata(), WAIT_S)
                group.close()
                model.groups["txn-group"] = {("transactions", 0): (77, "with a transaction")}
            for producer, abort in zip(both, is_aborted):
                (producer.abort_transaction if abort else producer.commit_transaction)(WAIT_S)

    def create_transactions(self):
        self.admin.create_topics([NewTopic("transactions", 1, 1)])["transactions"].result(WAIT_S)
        self.model.configs["transactions"] = {}
        self.write_transactions()

    def alter(self):
        """Settings of a topic and of the broker, and a user, other ones each round."""
        changes = {"retention.bytes": str(10**9 + self.round), "min.insync.replicas": "1"}
        topic = ConfigResource(ResourceType.TOPIC, "grown", incremental_configs=[
            ConfigEntry(k, v, incremental_operation=AlterConfigOpType.SET)
            for k, v in changes.items()])
        broker = ConfigResource(ResourceType.BROKER, "1", incremental_configs=[
            ConfigEntry("log.cleaner.delete.retention.ms", str(DAY_MS + self.round),
                        incremental_operation=AlterConfigOpType.SET)])
        for resource in (topic, broker):
            self.admin.incremental_alter_configs([resource])[resource].result(WAIT_S)
        self.model.configs["grown"].update(changes)
        partitions = 1 + self.round
        if partitions > 1:
            grown = self.admin.create_partitions([NewPartitions("grown", partitions)])
            grown["grown"].result(WAIT_S)
            self.model.written.setdefault(("grown", partitions - 1), {})
        name = f"user-{self.round}"
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 4096)
        user = UserScramCredentialUpsertion(name, info, b"secret")
        self.admin.alter_user_scram_credentials([user])[name].result(WAIT_S)

    # ---- Reading back

    def read_topic(self, topic):
        partitions = self.model.partitions(topic)
        got = read(self.node.bootstrap, topic, partitions)
        differ = compacted_difference if topic == "compacted" else difference
        for p in partitions:
            begin = self.model.begins.get((topic, p), 0)
            written = self.model.written[topic, p]
            if self.is_killed:
                # The start of a log is written down once a minute, by either side.
                begin = min(begin, min(got[p], default=0))
            wrong = differ({o: r for o, r in written.items() if o >= begin}, got[p])
            if wrong:
                return f"{topic}-{p}: {wrong}"
        return ""

    def read_uncommitted(self):
        log = "transactions", 0
        want = {**self.model.written[log], **self.model.aborted[log]}
        return difference(want, read(self.node.bootstrap, log[0], [0], "read_uncommitted")[0])

    def read_groups(self):
        for group, want in self.model.groups.items():
            consumer = consumer_of(self.node.bootstrap, group)
            found = committed(consumer, [TopicPartition(t, p) for t, p in want])
            consumer.close()
            got = {(t.topic, t.partition): (t.offset, t.metadata or "") for t in found}
            if got != want:
                return f"{group}: {got}, want {want}"
        listed = {g.group_id for g in self.admin.list_consumer_groups().result(WAIT_S).valid}
        wrong = set(self.model.groups) ^ listed
        return f"listed or not: {sorted(wrong)}" if wrong else ""

    def read_configs(self):
        def own_of(kind, name, source):
            resource = ConfigResource(kind, name)
            found = self.admin.describe_configs([resource])[resource].result(WAIT_S)
            return {k: e.value for k, e in found.items() if e.source == source}

        for topic, want in self.model.configs.items():
            got = own_of(ResourceType.TOPIC, topic, 1)
            if got != want:
                return f"{topic}: {got}, want {want}"
        got = own_of(ResourceType.BROKER, "1", 2)
        want = {"log.cleaner.delete.retention.ms": str(DAY_MS + self.round - 1)}
        return "" if got == want else f"broker: {got}, want {want}"

    def read_metadata(self):
        for name, future in self.admin.describe_topics(TopicCollection(list(TOPICS))).items():
            found = future.result(WAIT_S)
            if str(found.topic_id) != self.model.ids[name]:
                return f"{name} has another id"
            if len(found.partitions) != (self.round if name == "grown" else TOPICS[name][0]):
                return f"{name} has {len(found.partitions)} partitions"
        if "dropped" in self.admin.list_topics(timeout=10).topics:
            return "a deleted topic is back"
        users = [f"user-{i}" for i in range(self.round)]
        for user, future in self.admin.describe_user_scram_credentials(users).items():
            infos = future.result(WAIT_S).scram_credential_infos
            if [i.iterations for i in infos] != [4096]:
                return f"{user}: {infos}"
        return ""

    # ---- One holder after the other

    def read_all(self):
        self.step("metadata", self.read_metadata)
        self.step("configs", self.read_configs)
        self.step("group offsets", self.read_groups)
        for topic in self.model.configs:
            if topic != "load":
                self.step(f"records of {topic}", self.read_topic, topic)
        if self.model.aborted:
            self.step("records of transactions, uncommitted", self.read_uncommitted)
        self.step("records written across the change of hands", self.load.read_back)

    def write_all(self):
        if self.round == 0:
            self.create_topics()
        if self.node.side == "apache" and "transactions" not in self.model.configs:
            self.step("transactions", self.create_transactions)
        elif self.node.side == "apache":
            self.step("transactions", self.write_transactions)
        self.step("produce", self.write_records)
        self.step("delete records", self.trim)
        self.step("commit offsets", self.write_groups)
        self.step("group reads on", self.consume_in_group)
        self.step("alter", self.alter)
        self.step("compaction", self.wait_for_cleaner)

    def wait_for_cleaner(self):
        """Until little but the last of each key is left before the active segment."""
        def sizes():
            return [path.stat().st_size for path in self.node.files(".log", "compacted-0")]

        wait_until(lambda: sum(sizes()[:-1]) < 200 * 1000)

    def hand_over(self):
        self.load.run(until_acked=3000)
        if self.is_killed:
            self.node.kill()
            return
        self.load.run(until_acked=0)
        self.step("stop", self.node.stop)
        if self.node.side == "kavka":
            for what, function in files.CHECKS.items():
                self.step(what, function, self.node, self.model)

    def hold(self, side):
        self.node.start(side)
        self.admin = AdminClient({"bootstrap.servers": self.node.bootstrap, "log_level": 2})
        if self.load is None:
            self.load = Load(self.node.bootstrap)
        if self.round > 0:
            self.load.run(until_acked=0)
            self.read_all()
        self.write_all()
        self.round += 1
        self.read_all()
        if side == "apache" and not self.is_killed:
            self.check("Apache has no complaints", "; ".join(self.node.complaints()[:5]))

    def tell(self):
        for i, side in enumerate(self.sides):
            self.hold(side)
            if i < len(self.sides) - 1:
                self.hand_over()
        self.node.stop()
        self.load.close()


def wait_until(condition):
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            if condition():
                return
        except FileNotFoundError:  # a file that went between listing and looking
            pass
        if time.monotonic() > deadline:
            raise RuntimeError("waited too long")
        time.sleep(0.05)


def main():
    name, directory = sys.argv[1], Path(sys.argv[2])
    story = Story(name, directory)
    try:
        story.tell()
    except Exception as e:  # a broker that does not come up ends the story, not the run
        traceback.print_exc()
        story.check("the story goes on", f"{type(e).__name__}: {e}")
    return 1 if story.failed else 0


if __name__ == "__main__":
    sys.exit(main())
