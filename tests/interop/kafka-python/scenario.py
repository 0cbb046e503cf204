"""The interop scenario (tests/interop/README.md) with kafka-python, 2.0.2 to the newest."""

import os
import sys
import threading
import time

import kafka
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.structs import OffsetAndMetadata

PARTITIONS = 3
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
WAIT_S = 60
PATTERN = bytes(range(256)) * 3


def committable(positions):
    """Maps {partition: offset} to what commit() takes in this version of the library."""
    more = {"leader_epoch": -1} if "leader_epoch" in OffsetAndMetadata._fields else {}
    return {tp: OffsetAndMetadata(offset=o, metadata="", **more) for tp, o in positions.items()}


class Member(threading.Thread):
    """One member of the group, in a thread of its own: poll() blocks during a rebalance."""

    def __init__(self, scenario):
        super().__init__(daemon=True)
        self.scenario = scenario
        self.count = 0
        self.highest = -1
        self.read_max = None  # slows down there until it is None
        self.leave_at = None  # then it leaves, once it has read that offset of a partition
        self.stopping = False
        # Auto-commit: a commit is made before each rebalance and at the end, by either version.
        self.consumer = scenario.consumer(enable_auto_commit=True)
        self.consumer.subscribe([scenario.topic])

    def take(self, batches):
        for batch in batches.values():
            self.scenario.take(batch)
            self.count += len(batch)
            self.highest = max(self.highest, batch[-1].offset)

    def run(self):
        while not self.stopping:
            # Waiting, it trickles: a rebalance needs polls, and pause() is not reliable in 2.0.2.
            waiting = self.read_max is not None and self.count >= self.read_max
            # Long enough for a rebalance: 3.0.12 loses its assignment, and stops heartbeats, when a
            # poll times out while it rejoins because of new metadata.
            batches = self.consumer.poll(timeout_ms=5000, max_records=1 if waiting else 500)
            if waiting:
                time.sleep(0.02)
            if batches:
                self.take(batches)
            if self.leave_at is not None and self.highest >= self.leave_at:
                break
        self.consumer.close()


class Scenario:
    def __init__(self, bootstrap, count):
        self.bootstrap = bootstrap
        self.count = count
        self.total = count * len(CODECS)
        self.base_ms = int(time.time() * 1000) - self.total
        self.topic = f"interop-kafka-python-{os.getpid()}"
        self.admin = KafkaAdminClient(bootstrap_servers=bootstrap)
        self.lock = threading.Lock()
        self.seen = bytearray(self.total)
        self.seen_count = 0
        self.bad_count = 0
        self.failed = 0

    def check(self, good, name, detail=""):
        print(f"ok {name}" if good else f"not ok {name}: {detail}", flush=True)
        self.failed += not good

    def value(self, g):
        head = f"{CODECS[g // self.count]}:{g}:".encode()
        return head + PATTERN[g % 256 : g % 256 + g * 7919 % 257]

    def headers(self, g):
        codec = CODECS[g // self.count]
        return [("seq", str(g).encode()), ("codec", codec.encode()), ("empty", b"")]

    def is_right(self, m):
        g = m.offset * PARTITIONS + m.partition
        return (
            g < self.total
            and m.key == (None if g % 10 == 9 else f"key-{g}".encode())
            and m.value == self.value(g)
            and list(m.headers) == self.headers(g)
            and m.timestamp == self.base_ms + g
        )

    def take(self, batch):
        with self.lock:
            for m in batch:
                g = m.offset * PARTITIONS + m.partition
                if not self.is_right(m):
                    self.bad_count += 1
                elif not self.seen[g]:
                    self.seen[g] = 1
                    self.seen_count += 1

    def produce(self, codec):
        name = CODECS[codec]
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap,
            compression_type=None if name == "none" else name,
            linger_ms=5,
            batch_size=65536,
            acks="all",
        )
        futures = [
            producer.send(
                self.topic,
                value=self.value(g),
                key=None if g % 10 == 9 else f"key-{g}".encode(),
                partition=g % PARTITIONS,
                headers=self.headers(g),
                timestamp_ms=self.base_ms + g,
            )
            for g in range(codec * self.count, (codec + 1) * self.count)
        ]
        producer.flush(timeout=4 * WAIT_S)
        wrong = 0
        for g, future in enumerate(futures, codec * self.count):
            ack = future.get(timeout=WAIT_S)
            wrong += ack.offset * PARTITIONS + ack.partition != g
        self.check(wrong == 0, f"produce {name}", f"{wrong} offsets wrong")
        producer.close()

    def consumer(self, enable_auto_commit=False):
        return KafkaConsumer(
            bootstrap_servers=self.bootstrap,
            group_id=self.topic,
            auto_offset_reset="earliest",
            enable_auto_commit=enable_auto_commit,
            session_timeout_ms=10000,
            heartbeat_interval_ms=300,
        )

    def consume_in_group(self):
        """The first member reads a sixth, waits for the second to get its share, reads on to
        two thirds of a partition and leaves; the second one reads the rest."""
        deadline = time.monotonic() + 4 * WAIT_S
        first, second, last_count = Member(self), None, 0
        first.read_max = self.total // 6
        first.start()
        while self.seen_count < self.total and time.monotonic() < deadline:
            if not second and first.count >= first.read_max:
                second = Member(self)
                second.start()
            if second and second.count and first.is_alive():
                first.leave_at = self.total // PARTITIONS * 2 // 3
                first.read_max = None
                first.join(WAIT_S)
                last_count = second.count
            time.sleep(0.01)
        left = not first.is_alive()
        for member in (first, second):
            if member:
                member.stopping = True
                member.join(WAIT_S)
        self.check(
            self.seen_count == self.total and not self.bad_count,
            "group read",
            f"{self.seen_count} of {self.total} seen, {self.bad_count} wrong",
        )
        self.check(
            left and second and second.count > last_count,
            "rebalance",
            f"first read {first.count}, the second {last_count} before it left",
        )

    def reread_by_time(self):
        start = self.total // 2
        want = self.total - start
        consumer = self.consumer()
        everywhere = [TopicPartition(self.topic, p) for p in range(PARTITIONS)]
        committed = [consumer.committed(tp) for tp in everywhere]
        self.check(sum(o or 0 for o in committed) == self.total, "committed", f"{committed}")
        found = consumer.offsets_for_times({tp: self.base_ms + start for tp in everywhere})
        offsets = {tp: found[tp].offset for tp in everywhere}
        right = [-(-(start - p) // PARTITIONS) for p in range(PARTITIONS)]
        self.check(list(offsets.values()) == right, "offsets for times", f"{found}")
        consumer.assign(everywhere)
        consumer.commit(committable(offsets))
        consumer.close()
        consumer = self.consumer()
        consumer.assign(everywhere)
        self.bad_count = 0
        got = 0
        deadline = time.monotonic() + 4 * WAIT_S
        while got < want and time.monotonic() < deadline:
            for batch in consumer.poll(timeout_ms=500, max_records=2000).values():
                self.take(batch)
                got += len(batch)
        self.check(got == want and not self.bad_count, "re-read", f"{got} of {want}")
        consumer.close()

    def watermarks(self):
        consumer = self.consumer()
        everywhere = [TopicPartition(self.topic, p) for p in range(PARTITIONS)]
        low = sum(consumer.beginning_offsets(everywhere).values())
        high = sum(consumer.end_offsets(everywhere).values())
        self.check(high - low == self.total, "watermarks", f"{low} to {high}")
        consumer.close()

    def delete(self):
        self.admin.delete_topics([self.topic])
        deadline = time.monotonic() + WAIT_S
        while self.topic in self.admin.list_topics():
            if time.monotonic() > deadline:
                return self.check(False, "delete", "the topic is still there")
            time.sleep(0.1)
        self.check(True, "delete")

    def run(self):
        print(f"# kafka-python {kafka.__version__}")
        self.admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])
        self.check(True, "create")
        for codec in range(len(CODECS)):
            self.produce(codec)
        self.watermarks()
        self.consume_in_group()
        self.reread_by_time()
        self.delete()
        return 1 if self.failed else 0


sys.exit(Scenario(sys.argv[1], int(sys.argv[2])).run())
