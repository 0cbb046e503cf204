"""The few requests that the driver itself needs, spoken without any client library."""

import socket
import struct


class Unreachable(Exception):
    """No answer that can be used."""


class Reader:
    def __init__(self, data):
        self.data, self.pos = data, 0

    def take(self, form):
        size = struct.calcsize(form)
        if self.pos + size > len(self.data):
            raise Unreachable("a short answer")
        values = struct.unpack_from(form, self.data, self.pos)
        self.pos += size
        return values[0]

    def text(self):
        size = self.take(">h")
        if size < 0:
            return None
        self.pos += size
        return self.data[self.pos - size:self.pos].decode()

    def ints(self):
        return [self.take(">i") for _ in range(self.take(">i"))]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.take(">B")
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def call(host, key, version, body, flexible=False, timeout=2.0):
    """One request on a connection of its own; gives a Reader of the answer's body."""
    head = struct.pack(">hhi", key, version, 1) + text("chaos") + (b"\0" if flexible else b"")
    frame = head + body
    try:
        with socket.create_connection((host, 9092), timeout) as s:
            s.settimeout(timeout)
            s.sendall(struct.pack(">i", len(frame)) + frame)
            data, size = b"", 4
            while len(data) < size:
                more = s.recv(1 << 16)
                if not more:
                    raise Unreachable("closed")
                data += more
                if size == 4 and len(data) >= 4:
                    size = 4 + struct.unpack(">i", data[:4])[0]
    except OSError as e:
        raise Unreachable(str(e)) from e
    reader = Reader(data)
    reader.pos = 8      # its size and the request's number
    if flexible:
        reader.varint()
    return reader


def metadata(host, topics=None, timeout=2.0):
    """(set of broker ids, {(topic, partition): (leader, isr, replicas)}); None: all topics."""
    body = struct.pack(">i", -1 if topics is None else len(topics))
    body += b"".join(text(t) for t in topics or []) + b"\0"
    r = call(host, 3, 4, body, timeout=timeout)
    r.take(">i")
    brokers = set()
    for _ in range(r.take(">i")):
        brokers.add(r.take(">i"))
        r.text()
        r.take(">i")
        r.text()
    r.text()
    r.take(">i")
    found = {}
    for _ in range(r.take(">i")):
        r.take(">h")
        name = r.text()
        r.take(">b")
        for _ in range(r.take(">i")):
            r.take(">h")
            index, leader = r.take(">i"), r.take(">i")
            replicas = r.ints()
            found[name, index] = (leader, r.ints(), replicas)
    return brokers, found


def quorum_leader(host, timeout=2.0):
    """The node that leads the metadata quorum; None when there is none."""
    name = b"__cluster_metadata"
    body = b"\2" + bytes([len(name) + 1]) + name + b"\2" + struct.pack(">i", 0) + b"\0\0\0"
    r = call(host, 55, 0, body, flexible=True, timeout=timeout)
    if r.take(">h") or r.varint() != 2:
        return None
    r.pos += r.varint() - 1
    if r.varint() != 2:
        return None
    r.take(">i")
    if r.take(">h"):
        return None
    leader = r.take(">i")
    return leader if leader >= 0 else None


def create_topic(host, topic, partitions, replicas, configs, timeout=15.0):
    """0, or the error's code (36: it is there already)."""
    body = struct.pack(">i", 1) + text(topic) + struct.pack(">ihii", partitions, replicas, 0,
                                                            len(configs))
    body += b"".join(text(k) + text(v) for k, v in configs.items())
    body += struct.pack(">ib", 10000, 0)
    r = call(host, 19, 2, body, timeout=timeout)
    r.take(">i")
    r.take(">i")
    r.text()
    return r.take(">h")
