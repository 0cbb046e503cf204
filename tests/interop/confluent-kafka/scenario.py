"""The interop scenario (tests/interop/README.md) with confluent-kafka."""

import os
import sys
import time

import confluent_kafka
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 3
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
WAIT_S = 60
PATTERN = bytes(range(256)) * 3


class Scenario:
    def __init__(self, bootstrap, count):
        self.bootstrap = bootstrap
        self.count = count
        self.total = count * len(CODECS)
        self.base_ms = int(time.time() * 1000) - self.total
        self.topic = f"interop-confluent-kafka-{os.getpid()}"
        self.admin = AdminClient({"bootstrap.servers": bootstrap})
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
        g = m.offset() * PARTITIONS + m.partition()
        return (
            g < self.total
            and m.key() == (None if g % 10 == 9 else f"key-{g}".encode())
            and m.value() == self.value(g)
            and m.headers() == self.headers(g)
            and m.timestamp()[1] == self.base_ms + g
        )

    def produce(self, codec):
        producer = Producer(
            {
                "bootstrap.servers": self.bootstrap,
                "compression.type": CODECS[codec],
                "linger.ms": 5,
                "enable.idempotence": True,
            }
        )
        acks = {"right": 0, "wrong": 0}

        def acked(g):
            def done(err, m):
                good = not err and m.offset() * PARTITIONS + m.partition() == g
                acks["right" if good else "wrong"] += 1

            return done

        for g in range(codec * self.count, (codec + 1) * self.count):
            while True:
                try:
                    producer.produce(
                        self.topic,
                        value=self.value(g),
                        key=None if g % 10 == 9 else f"key-{g}",
                        partition=g % PARTITIONS,
                        headers=self.headers(g),
                        timestamp=self.base_ms + g,
                        on_delivery=acked(g),
                    )
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        producer.flush(WAIT_S)
        self.check(acks["right"] == self.count, f"produce {CODECS[codec]}", f"acks: {acks}")

    def consumer(self, **more):
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": self.topic,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": 10000,
                "heartbeat.interval.ms": 300,
                **more,
            }
        )

    def member(self):
        consumer = self.consumer(**{"partition.assignment.strategy": "cooperative-sticky"})
        consumer.subscribe([self.topic])
        return consumer

    def poll(self, consumer):
        """Takes a batch; returns how many records it had and the highest offset among them."""
        batch = [m for m in consumer.consume(500, timeout=0.01) if not m.error()]
        for m in batch:
            g = m.offset() * PARTITIONS + m.partition()
            if not self.is_right(m):
                self.bad_count += 1
            elif not self.seen[g]:
                self.seen[g] = 1
                self.seen_count += 1
        return len(batch), max((m.offset() for m in batch), default=-1)

    def consume_in_group(self):
        """The first member reads a sixth, waits for the second to get its share, reads on to
        two thirds of a partition and leaves; the second one reads the rest."""
        first, second = self.member(), None
        first_count = second_count = last_count = 0
        highest = -1
        deadline = time.monotonic() + 4 * WAIT_S
        while self.seen_count < self.total and time.monotonic() < deadline:
            waiting = first_count >= self.total // 6 and second_count == 0
            if waiting and not second:
                second = self.member()
            if first and not waiting:
                n, high = self.poll(first)
                first_count += n
                highest = max(highest, high)
            elif first:
                # A rebalance callback runs inside a poll; paused, it brings no records.
                first.pause(first.assignment())
                first_count += self.poll(first)[0]
            if second:
                second_count += self.poll(second)[0]
                if first and second_count:
                    first.resume(first.assignment())
            if first and second_count and highest >= self.total // PARTITIONS * 2 // 3:
                first.close()
                first = None
                last_count = second_count
        self.check(
            self.seen_count == self.total and not self.bad_count,
            "group read",
            f"{self.seen_count} of {self.total} seen, {self.bad_count} wrong",
        )
        self.check(
            not first and second_count > last_count,
            "rebalance",
            f"first read {first_count}, second {second_count} ({last_count} before)",
        )
        for member in (first, second):
            if member:
                member.close()

    def reread_by_time(self):
        start = self.total // 2
        want = self.total - start
        consumer = self.consumer(**{"enable.auto.commit": False})
        everywhere = [TopicPartition(self.topic, p) for p in range(PARTITIONS)]
        committed = consumer.committed(everywhere, timeout=WAIT_S)
        self.check(
            sum(tp.offset for tp in committed) == self.total, "committed", f"{committed}"
        )
        at = [TopicPartition(self.topic, p, self.base_ms + start) for p in range(PARTITIONS)]
        found = consumer.offsets_for_times(at, timeout=WAIT_S)
        right = [-(-(start - p) // PARTITIONS) for p in range(PARTITIONS)]
        self.check([tp.offset for tp in found] == right, "offsets for times", f"{found}")
        consumer.commit(offsets=found, asynchronous=False)
        consumer.assign([TopicPartition(self.topic, p) for p in range(PARTITIONS)])
        self.bad_count = 0
        got = 0
        deadline = time.monotonic() + WAIT_S
        while got < want and time.monotonic() < deadline:
            got += self.poll(consumer)[0]
        self.check(got == want and not self.bad_count, "re-read", f"{got} of {want}")
        consumer.close()

    def watermarks(self):
        consumer = self.consumer()
        marks = [
            consumer.get_watermark_offsets(TopicPartition(self.topic, p), timeout=WAIT_S)
            for p in range(PARTITIONS)
        ]
        self.check(sum(high - low for low, high in marks) == self.total, "watermarks", f"{marks}")
        consumer.close()

    def delete(self):
        self.admin.delete_consumer_groups([self.topic])[self.topic].result(WAIT_S)
        self.admin.delete_topics([self.topic])[self.topic].result(WAIT_S)
        deadline = time.monotonic() + WAIT_S
        while self.topic in self.admin.list_topics(timeout=WAIT_S).topics:
            if time.monotonic() > deadline:
                return self.check(False, "delete", "the topic is still there")
            time.sleep(0.1)
        self.check(True, "delete")

    def run(self):
        print(f"# confluent-kafka {confluent_kafka.__version__}")
        new = NewTopic(self.topic, num_partitions=PARTITIONS, replication_factor=1)
        self.admin.create_topics([new])[self.topic].result(WAIT_S)
        self.check(True, "create")
        for codec in range(len(CODECS)):
            self.produce(codec)
        self.watermarks()
        self.consume_in_group()
        self.reread_by_time()
        self.delete()
        return 1 if self.failed else 0


sys.exit(Scenario(sys.argv[1], int(sys.argv[2])).run())
