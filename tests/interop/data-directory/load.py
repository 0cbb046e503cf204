"""Producers that live through all changes of hands, and numbers by which each loss, doubling and
swap of their records shows."""

import time

from model import CODECS, WAIT_S, producer_of, read

TOPIC = "load"
PARTITIONS = 3
QUEUED_MAX = 1000


class Load:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.producers = {codec: producer_of(bootstrap, codec) for codec in CODECS}
        self.sent = {(codec, p): 0 for codec in CODECS for p in range(PARTITIONS)}
        self.acked = 0
        self.errors = []

    def delivered(self, err, _):
        if err:
            self.errors.append(str(err))
        else:
            self.acked += 1

    def send(self, codec):
        producer = self.producers[codec]
        for _ in range(QUEUED_MAX - len(producer)):
            n = min((self.sent[codec, p], p) for p in range(PARTITIONS))
            number, p = n
            producer.produce(TOPIC, partition=p, value=b"%s %d %s" % (
                codec.encode(), number, b"x" * (number % 300)), on_delivery=self.delivered)
            self.sent[codec, p] += 1
        producer.poll(0)

    def run(self, until_acked):
        """Produces until so many more were acknowledged, and leaves others under way; with 0:
        waits until none is."""
        goal = self.acked + until_acked if until_acked else sum(self.sent.values())
        deadline = time.monotonic() + WAIT_S
        while self.acked < goal:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{goal - self.acked} records not acknowledged")
            if self.errors:
                raise RuntimeError(f"not delivered: {self.errors[:3]}")
            for codec, producer in self.producers.items():
                if until_acked:
                    self.send(codec)
                else:
                    producer.poll(0.01)

    def read_back(self):
        """Each producer's records in each partition: all, once, in order."""
        got = read(self.bootstrap, TOPIC, list(range(PARTITIONS)))
        seen = dict.fromkeys(self.sent, 0)
        for p, log in got.items():
            for offset, record in log.items():
                codec, number, _ = record[2].decode().split(" ", 2)
                if int(number) != seen[codec, p]:
                    return f"{TOPIC}-{p} offset {offset}: {codec} {number}, want {seen[codec, p]}"
                seen[codec, p] += 1
        return "" if seen == self.sent else f"{seen}, want {self.sent}"

    def close(self):
        self.producers.clear()
