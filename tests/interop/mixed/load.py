"""Records with numbers, by which each loss, doubling and swap shows; written and read while nodes
come and go."""

import threading
import time

from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from cluster import Failed

CODECS = ("none", "gzip", "lz4", "snappy", "zstd")
PAD = bytes(range(256))


def value_of(partition, number):
    return b"%d %d " % (partition, number) + PAD[:number % 257]


def producer(bootstrap, codec="none", **more):
    return Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all",
                     "compression.type": codec, "linger.ms": 5, "message.timeout.ms": 120000,
                     "retry.backoff.ms": 50, "reconnect.backoff.max.ms": 500, **more})


def produce(bootstrap, topic, partitions, first, count, codec="none", seconds=60, acks="all"):
    """Numbers first .. first + count - 1 to each partition, all acknowledged."""
    errors = []
    p = producer(bootstrap, codec, acks=acks, **{"enable.idempotence": acks == "all"})
    for number in range(first, first + count):
        for partition in range(partitions):
            p.produce(topic, partition=partition, key=b"%d" % number,
                      value=value_of(partition, number),
                      on_delivery=lambda e, _: errors.append(str(e)) if e else None)
        p.poll(0)
    left = p.flush(seconds)
    if left or errors:
        raise Failed(f"{topic}: {left} records not acknowledged, {errors[:3]}")


STRAY = 100000   # records from this number on may be there or not


def read_back(bootstrap, topic, partitions, count, seconds=60):
    """Each partition from its beginning: numbers 0 .. count - 1, in order, and no more; gives the
    number of strays among them."""
    strays = 0
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False,
                  "auto.offset.reset": "error", "enable.partition.eof": True, "check.crcs": True})
    c.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    seen, ended = [0] * partitions, set()
    deadline = time.monotonic() + seconds
    try:
        while len(ended) < partitions:
            if time.monotonic() > deadline:
                raise Failed(f"{topic}: read {seen} of {count} in {seconds} s")
            m = c.poll(0.2)
            if m is None:
                continue
            if m.error():
                if m.error().code() == KafkaError._PARTITION_EOF:
                    if seen[m.partition()] >= count:
                        ended.add(m.partition())
                    continue
                if m.error().retriable() or m.error().code() < 0:
                    continue
                raise Failed(f"{topic}: {m.error()}")
            p = m.partition()
            if int(m.value().split(b" ", 2)[1]) >= STRAY:
                strays += 1
                continue
            if m.value() != value_of(p, seen[p]):
                raise Failed(f"{topic}-{p} offset {m.offset()}: {m.value()[:30]!r}, "
                             f"want number {seen[p]}")
            seen[p] += 1
    finally:
        c.close()
    if seen != [count] * partitions:
        raise Failed(f"{topic}: {seen} records, want {count} each")
    return strays


def group_read(bootstrap, group, topic, count, seconds=60):
    """A group reads on from what it had committed: `count` records, and commits them."""
    c = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False,
                  "auto.offset.reset": "earliest"})
    c.subscribe([topic])
    deadline, left = time.monotonic() + seconds, count
    try:
        while left > 0:
            if time.monotonic() > deadline:
                raise Failed(f"group {group}: {left} of {count} records did not come")
            m = c.poll(0.2)
            if m is not None and not m.error():
                left -= 1
        c.commit(asynchronous=False)
    finally:
        c.close()


class Load:
    """A producer and a consumer group of two members that go on until they are told to stop."""

    def __init__(self, bootstrap, topic, partitions, rate=200):
        self.bootstrap, self.topic, self.partitions, self.rate = bootstrap, topic, partitions, rate
        self.sent = [0] * partitions
        self.acked = 0
        self.errors, self.problems = [], []
        self.next = [0] * partitions      # what the group has read in order
        self.reread = 0                   # read again after a rebalance
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self.draining = threading.Event()
        self.slowest_s = 0.0              # longest time without an acknowledgement
        self.threads = [threading.Thread(target=self.write, daemon=True)]
        self.threads += [threading.Thread(target=self.read, daemon=True) for _ in range(2)]
        for t in self.threads:
            t.start()

    def delivered(self, err, message):
        if err:
            self.errors.append(f"{message.partition()}: {err}")
        else:
            self.acked += 1
            now = time.monotonic()
            self.slowest_s = max(self.slowest_s, now - self.last_ack)
            self.last_ack = now

    def write(self):
        self.last_ack = time.monotonic()
        producers = [producer(self.bootstrap, codec) for codec in CODECS]
        turn = 0
        while not self.stopping.is_set():
            p = turn % self.partitions
            out = producers[p % len(producers)]     # one producer a partition: order is its own
            if len(out) < 2000:
                out.produce(self.topic, partition=p, value=value_of(p, self.sent[p]),
                            on_delivery=self.delivered)
                self.sent[p] += 1
            for each in producers:
                each.poll(0)
            turn += 1
            time.sleep(1 / self.rate)
        for each in producers:
            each.flush(120)
        self.draining.set()

    def read(self):
        c = Consumer({"bootstrap.servers": self.bootstrap, "group.id": f"load-{self.topic}",
                      "auto.offset.reset": "earliest", "enable.auto.commit": True,
                      "auto.commit.interval.ms": 500, "session.timeout.ms": 10000,
                      "partition.assignment.strategy": "cooperative-sticky",
                      "reconnect.backoff.max.ms": 500})
        c.subscribe([self.topic])
        deadline = None
        while True:
            m = c.poll(0.2)
            if m is not None and not m.error():
                self.note(m)
            if self.draining.is_set():
                deadline = deadline or time.monotonic() + 60
                if self.next == self.sent or time.monotonic() > deadline:
                    break
        c.close()

    def note(self, m):
        p, number = m.partition(), int(m.value().split(b" ", 2)[1])
        with self.lock:
            if number < self.next[p]:
                self.reread += 1
            elif number > self.next[p]:
                self.problems.append(f"partition {p} offset {m.offset()}: number {number}, "
                                     f"want {self.next[p]}")
                self.next[p] = number + 1
            else:
                self.next[p] += 1

    def wait_progress(self, count=200, seconds=60):
        """Until so many more were acknowledged."""
        goal = self.acked + count
        deadline = time.monotonic() + seconds
        while self.acked < goal:
            if time.monotonic() > deadline:
                raise Failed(f"the load stands still: {goal - self.acked} of {count} are missing, "
                             f"{self.errors[:2]}")
            time.sleep(0.1)

    def finish(self, bootstrap):
        """All acknowledged, read by the group, and there once in order."""
        self.stopping.set()
        for t in self.threads:
            t.join(200)
        if self.errors or self.acked != sum(self.sent):
            raise Failed(f"{self.acked} of {sum(self.sent)} acknowledged; {self.errors[:3]}")
        if self.problems:
            raise Failed(f"the group missed records: {self.problems[:3]}")
        if self.next != self.sent:
            raise Failed(f"the group read {self.next} of {self.sent}")
        for p in range(self.partitions):
            self.check_partition(bootstrap, p)

    def check_partition(self, bootstrap, partition):
        c = Consumer({"bootstrap.servers": bootstrap, "group.id": "none",
                      "enable.auto.commit": False, "auto.offset.reset": "error",
                      "enable.partition.eof": True})
        c.assign([TopicPartition(self.topic, partition, 0)])
        seen, deadline = 0, time.monotonic() + 60
        while time.monotonic() < deadline:
            m = c.poll(0.2)
            if m is None:
                continue
            if m.error():
                if m.error().code() == KafkaError._PARTITION_EOF and seen >= self.sent[partition]:
                    break
                continue
            if m.value() != value_of(partition, seen):
                raise Failed(f"partition {partition} offset {m.offset()}: {m.value()[:30]!r}, "
                             f"want number {seen}")
            seen += 1
        c.close()
        if seen != self.sent[partition]:
            raise Failed(f"partition {partition}: {seen} records, want {self.sent[partition]}")
