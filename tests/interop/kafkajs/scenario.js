// The interop scenario (tests/interop/README.md) with kafkajs. Run with NODE_PATH set to the
// node_modules of the peer; codecs kafkajs does not bring come from packages that bring their binaries along.
"use strict";

const { Kafka, CompressionCodecs, CompressionTypes, logLevel } = require("kafkajs");
const zstd = require("@bokuweb/zstd-wasm");
const lz4 = require("lz4-napi");

CompressionCodecs[CompressionTypes.Snappy] = require("kafkajs-snappy");
CompressionCodecs[CompressionTypes.LZ4] = () => ({
    compress: (encoder) => lz4.compressFrame(encoder.buffer),
    decompress: (buffer) => lz4.decompressFrame(buffer),
});
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer, 3)),
    decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
});

const PARTITIONS = 3;
const CODECS = ["none", "gzip", "snappy", "lz4", "zstd"];
const TYPES = ["None", "GZIP", "Snappy", "LZ4", "ZSTD"].map((name) => CompressionTypes[name]);
const WAIT_MS = 60000;
const BATCH = 1000;

const [bootstrap, countText] = process.argv.slice(2);
const count = Number(countText);
const total = count * CODECS.length;
const baseMs = Date.now() - total;
const topic = `interop-kafkajs-${process.pid}`;
const kafka = new Kafka({ brokers: [bootstrap], logLevel: logLevel.ERROR });
const admin = kafka.admin();
const seen = new Uint8Array(total);
let seenCount = 0;
let badCount = 0;
let failed = 0;

function check(good, name, detail) {
    console.log(good ? `ok ${name}` : `not ok ${name}: ${detail}`);
    failed += good ? 0 : 1;
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(is, ms = 4 * WAIT_MS) {
    const deadline = Date.now() + ms;
    while (!(await is()) && Date.now() < deadline) await sleep(5);
    return is();
}

function record(g) {
    const codec = CODECS[Math.floor(g / count)];
    const fill = Buffer.alloc((g * 7919) % 257);
    for (let j = 0; j < fill.length; j++) fill[j] = (g + j) % 256;
    return {
        key: g % 10 === 9 ? null : Buffer.from(`key-${g}`),
        value: Buffer.concat([Buffer.from(`${codec}:${g}:`), fill]),
        headers: { seq: Buffer.from(`${g}`), codec: Buffer.from(codec), empty: Buffer.alloc(0) },
        partition: g % PARTITIONS,
        timestamp: `${baseMs + g}`,
    };
}

function isRight(partition, message) {
    const g = Number(message.offset) * PARTITIONS + partition;
    if (g >= total) return false;
    const want = record(g);
    const names = Object.keys(want.headers);
    return (
        (want.key === null ? message.key === null : want.key.equals(message.key)) &&
        want.value.equals(message.value) &&
        message.timestamp === want.timestamp &&
        Object.keys(message.headers).join() === names.join() &&
        names.every((name) => want.headers[name].equals(message.headers[name]))
    );
}

function take(partition, message) {
    const g = Number(message.offset) * PARTITIONS + partition;
    if (!isRight(partition, message)) {
        badCount++;
    } else if (!seen[g]) {
        seen[g] = 1;
        seenCount++;
    }
}

async function produce(codec) {
    const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
    let wrong = 0;
    await producer.connect();
    for (let g = codec * count; g < (codec + 1) * count; g += BATCH) {
        const end = Math.min(g + BATCH, (codec + 1) * count);
        const messages = Array.from({ length: end - g }, (_, i) => record(g + i));
        const acks = await producer.send({ topic, messages, compression: TYPES[codec] });
        for (const ack of acks) {
            const first = g + ((ack.partition - (g % PARTITIONS) + PARTITIONS) % PARTITIONS);
            if (Number(ack.baseOffset) !== Math.floor(first / PARTITIONS)) wrong++;
        }
    }
    await producer.disconnect();
    check(wrong === 0, `produce ${CODECS[codec]}`, `${wrong} base offsets wrong`);
}

// A member of the group. It reads up to readMax, trickles there until it may proceed, and stops
// reading (leaving = true) when a partition is at leaveAt.
async function join(readMax, leaveAt) {
    const consumer = kafka.consumer({ groupId: topic, sessionTimeout: 10000, heartbeatInterval: 300 });
    const member = { consumer, count: 0, mayProceed: false, leaving: false };
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
        eachBatchAutoResolve: false,
        eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
            for (const message of batch.messages) {
                if (!isRunning() || isStale() || member.leaving) break;
                if (!member.mayProceed && member.count >= readMax) await sleep(50);
                take(batch.partition, message);
                member.count++;
                resolveOffset(message.offset);
                if (member.mayProceed && Number(message.offset) >= leaveAt) member.leaving = true;
                await heartbeat();
            }
        },
    });
    return member;
}

async function consumeInGroup() {
    const first = await join(Math.floor(total / 6), Math.floor(((total / PARTITIONS) * 2) / 3));
    await until(() => first.count >= total / 6);
    const second = await join(total, total);
    await until(() => second.count > 0);
    first.mayProceed = true;
    await until(() => first.leaving);
    await first.consumer.disconnect();
    const before = second.count;
    await until(() => seenCount === total);
    await second.consumer.disconnect();
    check(
        seenCount === total && badCount === 0,
        "group read",
        `${seenCount} of ${total} seen, ${badCount} wrong`,
    );
    check(
        first.leaving && second.count > before,
        "rebalance",
        `first read ${first.count}, second ${second.count} (${before} before the first left)`,
    );
}

async function committed() {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: topic, topics: [topic] });
    return partitions.map((p) => Number(p.offset));
}

async function rereadByTime() {
    const from = Math.floor(total / 2);
    const sum = (await committed()).reduce((a, b) => a + b, 0);
    check(sum === total, "committed", `sum of offsets ${sum}, want ${total}`);
    const found = await admin.fetchTopicOffsetsByTimestamp(topic, baseMs + from);
    check(
        found.every((p) => Number(p.offset) === Math.ceil((from - p.partition) / PARTITIONS)),
        "offsets for times",
        JSON.stringify(found),
    );
    await admin.setOffsets({ groupId: topic, topic, partitions: found });
    const kept = await committed();
    check(
        kept.every((offset, p) => offset === Math.ceil((from - p) / PARTITIONS)),
        "reset",
        JSON.stringify(kept),
    );
    const again = await join(total, total);
    await until(() => again.count >= total - from, WAIT_MS);
    await again.consumer.disconnect();
    check(
        again.count === total - from && badCount === 0,
        "re-read",
        `${again.count} records, want ${total - from}, ${badCount} wrong`,
    );
}

async function main() {
    await zstd.init();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: true });
    check(true, "create");
    for (let codec = 0; codec < CODECS.length; codec++) await produce(codec);
    const marks = await admin.fetchTopicOffsets(topic);
    const sum = marks.reduce((all, p) => all + Number(p.high) - Number(p.low), 0);
    check(sum === total, "watermarks", JSON.stringify(marks));
    await consumeInGroup();
    await rereadByTime();
    await admin.deleteGroups([topic]);
    await admin.deleteTopics({ topics: [topic] });
    const gone = await until(async () => !(await admin.listTopics()).includes(topic), WAIT_MS);
    check(gone, "delete", "the topic is still there");
    await admin.disconnect();
}

main().then(
    () => process.exit(failed ? 1 : 0),
    (error) => {
        check(false, "scenario", error.stack);
        process.exit(1);
    },
);
