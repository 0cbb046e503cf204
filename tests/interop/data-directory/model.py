"""What has been written, as the clients were told, and what a broker gives back."""

import time

from confluent_kafka import (OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer,
                             TopicPartition)

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
WAIT_S = 90


def fill_of(seed, length):
    """Bytes of every kind that no codec can make nothing of."""
    state, out = seed * 2654435761 + 1, bytearray()
    while len(out) < length:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out += state.to_bytes(8, "big")
    return bytes(out[:length])


def producer_of(bootstrap, codec, **more):
    return Producer({
        "bootstrap.servers": bootstrap,
        "compression.type": codec,
        "enable.idempotence": True,
        "linger.ms": 5,
        "retry.backoff.ms": 50,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 250,
        "log_level": 2,
        **more,
    })


def consumer_of(bootstrap, group, **more):
    return Consumer({
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "session.timeout.ms": 10000,
        "heartbeat.interval.ms": 300,
        "fetch.wait.max.ms": 100,
        "log_level": 2,
        **more,
    })


def record_of(m):
    return m.timestamp()[1], m.key(), m.value(), m.headers() or []


class Model:
    def __init__(self):
        self.written = {}  # (topic, partition) -> {offset: record}, in order of offsets
        self.aborted = {}  # the same, of transactions that were aborted
        self.begins = {}  # (topic, partition) -> first offset left by a deletion of records
        self.sequences = {}  # (topic, partition) -> how many each producer has written to it
        self.groups = {}  # group -> {(topic, partition): (offset, metadata)}
        self.configs = {}  # topic -> {name: value}
        self.ids = {}  # topic -> its id
        self.bad_acks = []

    def produce(self, producer, who, topic, records, into=None):
        """Writes records (partition, timestamp, key, value, headers); the answers make the model.
        Waits for all of them, unless a transaction holds them back."""
        into = self.written if into is None else into

        def done_of(key, value, headers):
            def done(err, m):
                if err:
                    self.bad_acks.append(f"{topic}-{m.partition()}: {err}")
                    return
                log = into.setdefault((topic, m.partition()), {})
                log[m.offset()] = (m.timestamp()[1], key, value, headers)
            return done

        for partition, timestamp, key, value, headers in records:
            counts = self.sequences.setdefault((topic, partition), {})
            counts[who] = counts.get(who, 0) + 1
            while True:
                try:
                    producer.produce(topic, partition=partition, timestamp=timestamp, key=key,
                                     value=value, headers=headers,
                                     on_delivery=done_of(key, value, headers))
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
        left = producer.flush(WAIT_S)
        if left:
            self.bad_acks.append(f"{topic}: {left} records without an answer")

    def partitions(self, topic):
        return sorted(p for t, p in self.written if t == topic)

    def end(self, topic, partition):
        return max(self.written[topic, partition]) + 1


def read(bootstrap, topic, partitions, isolation="read_committed"):
    """{partition: {offset: record}} of all that is there; raises when that takes too long."""
    consumer = consumer_of(bootstrap, "reader", **{
        "enable.partition.eof": True, "isolation.level": isolation, "check.crcs": True})
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
    got, ended = {p: {} for p in partitions}, set()
    deadline = time.monotonic() + WAIT_S
    while len(ended) < len(partitions):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{topic}: only {[len(got[p]) for p in partitions]} records came")
        for m in consumer.consume(1000, timeout=0.2):
            if not m.error():
                log = got[m.partition()]
                if log and m.offset() <= next(reversed(log)):
                    raise RuntimeError(f"{topic}-{m.partition()}: offset {m.offset()} came late")
                log[m.offset()] = record_of(m)
            elif m.error().code() == KafkaError._PARTITION_EOF:
                ended.add(m.partition())
            elif not m.error().retriable():
                raise RuntimeError(f"{topic}: {m.error()}")
    consumer.close()
    return got


def committed(consumer, partitions):
    """What consumer.committed() gives once the group has a coordinator: a broker that has just been
    started names itself before it is one, and the library does not ask again."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return consumer.committed(partitions, timeout=WAIT_S)
        except KafkaException as e:
            if not e.args[0].retriable() and e.args[0].code() != KafkaError.NOT_COORDINATOR:
                raise
            if time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def difference(want, got):
    """The first thing in which two logs differ, in words; "" when they are equal."""
    for offset in sorted(want.keys() | got.keys()):
        if offset not in got:
            return f"offset {offset} is missing ({len(got)} of {len(want)} records)"
        if offset not in want:
            return f"offset {offset} was never acknowledged: {str(got[offset])[:100]}"
        if want[offset] != got[offset]:
            return f"offset {offset}: {str(got[offset])[:200]}, want {str(want[offset])[:200]}"
    return ""


def compacted_difference(want, got):
    """As difference, for a compacted log: the last of each key must be there, all else may be."""
    last = {record[1]: offset for offset, record in sorted(want.items())}
    for offset, record in got.items():
        if want.get(offset) != record:
            return f"offset {offset} is not what was written"
    for key, offset in last.items():
        if want[offset][2] is not None and offset not in got:
            return f"the last record of key {key} (offset {offset}) is missing"
    return ""
