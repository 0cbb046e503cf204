#!/usr/bin/env python3
"""Confluent's Python serializers against kavka's: what one writes the other reads, byte for byte.

    scenario.py KAVKA BOOTSTRAP REGISTRY [COUNT]

Prints `ok CHECK` or `not ok CHECK: why`, and exits with 0 if all were ok.
"""

import base64
import datetime
import decimal
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import (
    Schema,
    SchemaReference,
    SchemaRegistryClient,
    record_subject_name_strategy,
    topic_record_subject_name_strategy,
)
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

KAVKA, BOOTSTRAP, REGISTRY = sys.argv[1:4]
COUNT = int(sys.argv[4]) if len(sys.argv) > 4 else 1000
DEADLINE = 30
RUN = str(os.getpid())
DIR = tempfile.mkdtemp()
failed = 0

ADDRESS = {
    "type": "record",
    "name": "Address",
    "namespace": "lab",
    "fields": [{"name": "street", "type": "string"}, {"name": "number", "type": ["null", "int"]}],
}
EVERY_TYPE = {
    "type": "record",
    "name": "Every",
    "namespace": "lab.types",
    "fields": [
        {"name": "nothing", "type": "null"},
        {"name": "truth", "type": "boolean"},
        {"name": "small", "type": "int"},
        {"name": "large", "type": "long"},
        {"name": "single", "type": "float"},
        {"name": "double", "type": "double"},
        {"name": "raw", "type": "bytes"},
        {"name": "text", "type": "string"},
        {"name": "hash", "type": {"type": "fixed", "name": "Hash", "size": 4}},
        {"name": "suit", "type": {"type": "enum", "name": "Suit", "symbols": ["SPADES", "HEARTS"]}},
        {"name": "list", "type": {"type": "array", "items": ["null", "long", "string"]}},
        {"name": "map", "type": {"type": "map", "values": "double"}},
        {"name": "either", "type": ["null", "string", "Hash", ADDRESS]},
        {"name": "other", "type": ["lab.Address", "null"]},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {
            "name": "price",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2},
        },
        {"name": "rest", "type": ["null", "Every"], "default": None},
    ],
}


def every(g, nested=True):
    """A value of EVERY_TYPE, as Python has it."""
    return {
        "nothing": None,
        "truth": g % 2 == 0,
        "small": (-1) ** g * (g * 65537 % 2**31),
        "large": (-1) ** g * (g * 2**40 % 2**63),
        "single": g / 4,
        "double": g / 3,
        "raw": bytes((g * 7 + i) % 256 for i in range(g % 40)),
        "text": f'value {g} "\\\n\t žluťoučký \U0001f40e',
        "hash": bytes([g % 256, 0, 255, 92]),
        "suit": ["SPADES", "HEARTS"][g % 2],
        "list": [None, g, "x"] * (g % 3),
        "map": {"a": 1.5, "b": -2e10} if g % 2 else {},
        "either": [
            None,
            "s",
            ("lab.types.Hash", b"abcd"),
            ("lab.Address", {"street": "s", "number": g}),
        ][g % 4],
        "other": {"street": "Žitná", "number": None} if g % 3 else None,
        "day": datetime.date(1970, 1, 1) + datetime.timedelta(days=g),
        "at": datetime.datetime.fromtimestamp(g, datetime.timezone.utc),
        "price": decimal.Decimal(g) / 100,
        "rest": every(g + 1, False) if nested and g % 5 == 0 else None,
    }


def latin1(raw):
    return raw.decode("latin-1")


def every_json(g, nested=True):
    """The same in Avro's JSON encoding."""
    v = every(g, nested)
    number = v["other"]["number"] if v["other"] else None
    unscaled = g.to_bytes((g.bit_length() + 8) // 8, "big", signed=True)
    v.update(
        raw=latin1(v["raw"]),
        hash=latin1(v["hash"]),
        list=[
            i if i is None else {"long" if isinstance(i, int) else "string": i} for i in v["list"]
        ],
        either=[
            None,
            {"string": "s"},
            {"lab.types.Hash": "abcd"},
            {"lab.Address": {"street": "s", "number": {"int": g}}},
        ][g % 4],
        other={"lab.Address": {"street": "Žitná", "number": number}} if v["other"] else None,
        day=g,
        at=g * 1000,
        price=latin1(unscaled),
        rest={"lab.types.Every": every_json(g + 1, False)} if v["rest"] else None,
    )
    return v


class Failure(Exception):
    pass


def check(name):
    """Decorator: runs the function at once, and prints how it ended."""

    def run(function):
        global failed
        try:
            function()
            print(f"ok {name}", flush=True)
        except Exception as e:
            failed += 1
            print(f"not ok {name}: {str(e) or type(e).__name__}"[:2000], flush=True)
            traceback.print_exc()

    return run


def expect(actual, wanted, what):
    if actual != wanted:
        raise Failure(f"{what}: {actual!r}, wanted {wanted!r}"[:1500])


def kavka(*args, stdin=None, fails=False, registry=REGISTRY):
    env = dict(os.environ, KAVKA_REGISTRY_URL=registry)
    done = subprocess.run(
        [KAVKA, *args], input=stdin, env=env, capture_output=True, timeout=120, check=False
    )
    if fails != (done.returncode != 0):
        raise Failure(f"exit {done.returncode} of {args}: {done.stderr.decode()}")
    return done.stderr.decode() if fails else done.stdout.decode()


def topic(name, partitions=1):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    name = f"{name}-{RUN}"
    for future in admin.create_topics([NewTopic(name, partitions, 1)]).values():
        future.result()
    return name


def produce(name, records):
    """Raw keys and values."""
    p = Producer({"bootstrap.servers": BOOTSTRAP, "linger.ms": 5})
    for key, value in records:
        p.produce(name, key=key, value=value, partition=0)
        p.poll(0)
    expect(p.flush(DEADLINE), 0, "records left")


def raw(name, count):
    c = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": "raw", "enable.auto.commit": False})
    c.assign([TopicPartition(name, 0, 0)])
    records, deadline = [], time.monotonic() + DEADLINE
    while len(records) < count and time.monotonic() < deadline:
        for m in c.consume(count - len(records), 1):
            if m.error():
                raise Failure(str(m.error()))
            records.append((m.key(), m.value()))
    c.close()
    expect(len(records), count, "records")
    return records


def consume(name, count, *args):
    out = kavka(
        "consumer", "-b", BOOTSTRAP, "--topic", name, "--from-beginning",
        "--max-messages", str(count), *args,
    )
    return out.split("\n")[:-1]


def write(name, lines, *args, fails=False):
    stdin = "".join(line + "\n" for line in lines).encode()
    return kavka("producer", "-b", BOOTSTRAP, "--topic", name, *args, stdin=stdin, fails=fails)


def file(name, text):
    path = os.path.join(DIR, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text if isinstance(text, str) else json.dumps(text))
    return path


def value_of(name):
    return SerializationContext(name, MessageField.VALUE)


def key_of(name):
    return SerializationContext(name, MessageField.KEY)


client = SchemaRegistryClient({"url": REGISTRY})


# ---- Avro ----------------------------------------------------------------------------------------
def avro_peer(count):
    """A topic with `count` records of the peer, and the raw bytes."""
    name = topic("avro-peer")
    keys = AvroSerializer(client, '"long"')
    values = AvroSerializer(client, json.dumps(EVERY_TYPE))
    records = [
        (keys(g, key_of(name)), values(every(g), value_of(name)) if g % 10 else None)
        for g in range(count)
    ]
    produce(name, records)
    return name, records


@check("avro: every type, written by the peer")
def _():
    name, records = avro_peer(COUNT)
    lines = consume(name, COUNT, "--key-format", "avro", "--value-format", "avro", "--json")
    for g, line in enumerate(lines):
        record = json.loads(line)
        expect(record["key"], g, "key")
        expect(record["value"], every_json(g) if g % 10 else None, f"value {g}")
    # The same lines make the same bytes, with the same ids.
    copy = topic("avro-copy")
    for part in "key", "value":
        version = client.get_latest_version(f"{name}-{part}")
        client.register_schema(f"{copy}-{part}", version.schema)
    write(copy, [json.dumps({k: json.loads(line).get(k) for k in ("key", "value")})
                 for line in lines], "--input", "json", "--key-format", "avro",
          "--value-format", "avro")
    expect(raw(copy, COUNT), records, "the copy's bytes")


@check("avro: written by kavka, read by the peer")
def _():
    name = topic("avro-kavka")
    path = file("every.avsc", EVERY_TYPE)
    write(name, [json.dumps(every_json(g)) for g in range(100)], "--value-format", "avro",
          "--value-schema", path)
    reader = AvroDeserializer(client)
    for g, (_, value) in enumerate(raw(name, 100)):
        wanted = every(g)
        if isinstance(wanted["either"], tuple):
            wanted["either"] = wanted["either"][1]
        if wanted["rest"] and isinstance(wanted["rest"]["either"], tuple):
            wanted["rest"]["either"] = wanted["rest"]["either"][1]
        actual = reader(value, value_of(name))
        wanted["single"] = actual["single"]
        expect(actual, wanted, f"value {g}")


@check("avro: text columns, as Confluent's console consumer prints them")
def _():
    name = topic("avro-text")
    values = AvroSerializer(client, json.dumps(ADDRESS))
    produce(name, [(b"k", values({"street": "A\n", "number": 5}, value_of(name)))])
    expect(consume(name, 1, "--value-format", "avro"),
           ['{"street":"A\\n","number":{"int":5}}'], "text")


@check("avro: plain JSON, defaults")
def _():
    name = topic("avro-plain")
    schema = dict(ADDRESS, fields=ADDRESS["fields"] + [
        {"name": "zip", "type": "string", "default": "11000"},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": ["a"]}])
    write(name, ['{"street":"s","number":7}'], "--value-format", "avro",
          "--value-schema", json.dumps(schema))
    value = AvroDeserializer(client)(raw(name, 1)[0][1], value_of(name))
    expect(value, {"street": "s", "number": 7, "zip": "11000", "tags": ["a"]}, "value")


@check("avro: a schema that refers to another")
def _():
    name = topic("avro-reference")
    subject = f"address-{RUN}"
    kavka("registry", "register", subject, file("address.avsc", ADDRESS))
    person = {"type": "record", "name": "Person", "namespace": "lab", "fields": [
        {"name": "home", "type": "lab.Address"}, {"name": "work", "type": ["null", "Address"]}]}
    kavka("registry", "register", f"{name}-value", file("person.avsc", person),
          "--reference", f"lab.Address:{subject}:1")
    value = {"home": {"street": "a", "number": None}, "work": {"street": "b", "number": 2}}
    serializer = AvroSerializer(client, Schema(
        json.dumps(person), "AVRO", [SchemaReference("lab.Address", subject, 1)]))
    wanted = serializer(value, value_of(name))
    write(name, [json.dumps(value)], "--value-format", "avro")
    expect(raw(name, 1)[0][1], wanted, "bytes")
    expect(json.loads(consume(name, 1, "--value-format", "avro")[0]), {
        "home": {"street": "a", "number": None},
        "work": {"lab.Address": {"street": "b", "number": {"int": 2}}}}, "text")


@check("avro: subjects by RecordName and TopicRecordName")
def _():
    name = topic("avro-strategy")
    path = file("address.avsc", ADDRESS)
    for word, strategy in (("RecordName", record_subject_name_strategy),
                           ("TopicRecordName", topic_record_subject_name_strategy)):
        write(name, ['{"street":"s","number":null}'], "--value-format", "avro",
              "--value-schema", path, "--subject-strategy", word)
        subject = strategy(value_of(name), "lab.Address")
        if subject not in kavka("registry", "list").split():
            raise Failure(f"no subject {subject}")
        serializer = AvroSerializer(client, json.dumps(ADDRESS), conf={
            "subject.name.strategy": strategy, "auto.register.schemas": False})
        wanted = serializer({"street": "s", "number": None}, value_of(name))
        expect(raw(name, 1)[0][1], wanted, f"bytes by {word}")


# ---- JSON Schema ---------------------------------------------------------------------------------
@check("json-schema: both ways")
def _():
    name = topic("json")
    schema = json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "title": "Point",
                         "type": "object", "properties": {"x": {"type": "number"}}})
    serializer = JSONSerializer(schema, client)
    value = {"x": 1.5, "name": "Ž"}
    wanted = serializer(value, value_of(name))
    produce(name, [(None, wanted)])
    text = consume(name, 1, "--value-format", "json-schema")[0]
    expect(json.loads(text), value, "text")
    expect(json.loads(consume(name, 1, "--value-format", "registry", "--json")[0])["value"],
           value, "text")
    write(name, [text], "--value-format", "json-schema")
    records = raw(name, 2)
    expect(records[1], records[0], "bytes")
    expect(JSONDeserializer(schema)(records[1][1], value_of(name)), value, "value")


# ---- Protobuf ------------------------------------------------------------------------------------
def protobuf_types():
    proto = descriptor_pb2.FileDescriptorProto(name="lab.proto", package="lab", syntax="proto3")
    proto.message_type.add(name="First")
    message = proto.message_type.add(name="Outer").nested_type.add(name="Point")
    kind = descriptor_pb2.FieldDescriptorProto
    message.field.add(name="label", number=1, type=kind.TYPE_STRING, label=kind.LABEL_OPTIONAL)
    message.field.add(name="x", number=2, type=kind.TYPE_INT64, label=kind.LABEL_OPTIONAL)
    message.field.add(name="tags", number=3, type=kind.TYPE_STRING, label=kind.LABEL_REPEATED)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("lab.Outer.Point"))


@check("protobuf: named, shown and copied")
def _():
    name = topic("protobuf")
    point_type = protobuf_types()
    serializer = ProtobufSerializer(point_type, client)
    point = point_type(label="a", x=300, tags=["p", "q"])
    produce(name, [(None, serializer(point, value_of(name)))])
    value = json.loads(consume(name, 1, "--value-format", "protobuf")[0])
    expect(value["message"], "lab.Outer.Point", "message")
    expect(value["indexes"], [1, 0], "indexes")
    expect(value["subject"].rsplit("-", 2)[0], "protobuf", "a subject that has the schema")
    expect(value["fields"], {"label": "a", "x": 300, "tags": ["p", "q"]}, "fields")
    expect(base64.b64decode(value["data"]), point.SerializeToString(), "data")
    write(name, [json.dumps(value)], "--value-format", "protobuf")
    records = raw(name, 2)
    expect(records[1], records[0], "bytes")
    read = ProtobufDeserializer(point_type, {"use.deprecated.format": False})
    expect(read(records[1][1], value_of(name)), point, "value")


# ---- What goes wrong -----------------------------------------------------------------------------
@check("bad data is named by its place")
def _():
    name = topic("bad")
    serializer = AvroSerializer(client, json.dumps(ADDRESS))
    good = serializer({"street": "s" * 20, "number": 1}, value_of(name))
    cases = [
        (b"plain", "begins with 0x70"),
        (b"\0\0\0", "ends within the schema id"),
        (b"\0\x7f\0\0\0x", "schema 2130706432"),
        (good[:-3], "19 are left"),
        (good[:5], "ends at byte 0"),
        (good[:5] + b"\xfe\xff\xff\xff\xff\x7f", "wants"),
        (good + b"x", "goes on for 1 bytes"),
    ]
    produce(name, [(None, value) for value, _ in cases])
    for offset, (_, words) in enumerate(cases):
        said = kavka("consumer", "-b", BOOTSTRAP, "--topic", name, "--partition", "0",
                     "--offset", str(offset), "--max-messages", "1", "--value-format", "avro",
                     fails=True)
        if words not in said or f"{name}-0@{offset}" not in said or "Traceback" in said:
            raise Failure(f"{said!r} does not tell {words!r} of {name}-0@{offset}")
    # They may be skipped; but not because nobody can be asked for their schema.
    skipping = ("consumer", "-b", BOOTSTRAP, "--topic", name, "--partition", "0",
                "--max-messages", str(len(cases)), "--value-format", "avro",
                "--skip-message-on-error")
    kavka(*skipping, "--offset", "0")
    said = kavka(*skipping, "--registry", "http://127.0.0.1:1", "--offset", "2",
                 fails=True)
    if "connection refused" not in said or f"{name}-0@2" not in said:
        raise Failure(said)
    said = write(name, ['{"street":"a","number":null}', '{"street":5,"number":null}'],
                 "--value-format", "avro", fails=True)
    if "street: wants string, has a number" not in said:
        raise Failure(said)


@check("what a registry refuses or does not know")
def _():
    name = topic("refused")
    said = write(name, ["{}"], "--value-format", "avro", fails=True)
    if f"{name}-value" not in said or "--value-schema FILE" not in said:
        raise Failure(said)
    said = kavka("registry", "show", f"none-{RUN}", fails=True)
    if "404" not in said or len(said.splitlines()) != 1:
        raise Failure(said)


@check("a registry that is down hands over to the next")
def _():
    path = file("address.avsc", ADDRESS)
    kavka("registry", "register", f"second-{RUN}", path,
          registry=f"http://127.0.0.1:1,{REGISTRY}")
    said = kavka("registry", "list", registry="http://127.0.0.1:1,127.0.0.1:2", fails=True)
    for url in "http://127.0.0.1:1: connection refused", "http://127.0.0.1:2: connection refused":
        if url not in said:
            raise Failure(said)


if __name__ == "__main__":
    sys.exit(1 if failed else 0)
