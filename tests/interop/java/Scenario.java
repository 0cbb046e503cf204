// The interop scenario (tests/interop/README.md) with Apache Kafka's Java client, 3.x and newer.

import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

public class Scenario {
	static final int PARTITIONS = 3;
	static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
	static final int WAIT_S = 60;

	final String bootstrap;
	final int count;
	final int total;
	final long baseMs;
	final String topic;
	final boolean[] seen;
	int seenCount;
	int badCount;
	int failed;

	Scenario(String bootstrap, int count) {
		this.bootstrap = bootstrap;
		this.count = count;
		total = count * CODECS.length;
		baseMs = System.currentTimeMillis() - total;
		topic = "interop-java-" + ProcessHandle.current().pid();
		seen = new boolean[total];
	}

	void check(boolean good, String name, Object detail) {
		System.out.println(good ? "ok " + name : "not ok " + name + ": " + detail);
		failed += good ? 0 : 1;
	}

	static byte[] bytes(String text) {
		return text.getBytes(StandardCharsets.UTF_8);
	}

	byte[] key(int g) {
		return g % 10 == 9 ? null : bytes("key-" + g);
	}

	byte[] value(int g) {
		ByteArrayOutputStream out = new ByteArrayOutputStream();
		out.writeBytes(bytes(CODECS[g / count] + ":" + g + ":"));
		for (int j = 0; j < (long) g * 7919 % 257; j++)
			out.write((g + j) % 256);
		return out.toByteArray();
	}

	List<Header> headers(int g) {
		return List.of(new RecordHeader("seq", bytes("" + g)),
			new RecordHeader("codec", bytes(CODECS[g / count])), new RecordHeader("empty", new byte[0]));
	}

	boolean isRight(ConsumerRecord<byte[], byte[]> r) {
		long g = r.offset() * PARTITIONS + r.partition();
		return g < total && Arrays.equals(r.key(), key((int) g)) && Arrays.equals(r.value(), value((int) g))
			&& Arrays.asList(r.headers().toArray()).equals(headers((int) g)) && r.timestamp() == baseMs + g;
	}

	synchronized void take(ConsumerRecord<byte[], byte[]> r) {
		if (!isRight(r)) {
			badCount++;
			return;
		}
		int g = (int) (r.offset() * PARTITIONS + r.partition());
		if (!seen[g]) {
			seen[g] = true;
			seenCount++;
		}
	}

	synchronized boolean hasSeenAll() {
		return seenCount == total;
	}

	Properties config() {
		Properties p = new Properties();
		p.put("bootstrap.servers", bootstrap);
		return p;
	}

	void produce(int codec) {
		Properties p = config();
		p.put("compression.type", CODECS[codec]);
		p.put("linger.ms", "5");
		AtomicInteger wrong = new AtomicInteger();
		AtomicInteger acked = new AtomicInteger();
		try (var producer = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer())) {
			for (int i = codec * count; i < (codec + 1) * count; i++) {
				int g = i;
				producer.send(new ProducerRecord<>(topic, g % PARTITIONS, baseMs + g, key(g), value(g), headers(g)),
					(at, e) -> {
						acked.incrementAndGet();
						if (e != null || at.offset() * PARTITIONS + at.partition() != g)
							wrong.incrementAndGet();
					});
			}
			producer.flush();
		}
		check(acked.get() == count && wrong.get() == 0, "produce " + CODECS[codec],
			acked + " acknowledged, " + wrong + " wrong");
	}

	KafkaConsumer<byte[], byte[]> consumer(int recordsMax) {
		Properties p = config();
		p.put("group.id", topic);
		p.put("auto.offset.reset", "earliest");
		p.put("enable.auto.commit", "false");
		p.put("heartbeat.interval.ms", "300");
		p.put("max.poll.records", recordsMax);
		return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
	}

	/** One member of the group: reads up to readMax, pauses there until it may proceed, and leaves
	 *  when a partition is at leaveAt. */
	class Member extends Thread {
		final int readMax;
		final long leaveAt;
		volatile boolean mayProceed;
		volatile boolean isEnding;
		volatile int read;
		long highest = -1;

		Member(int readMax, long leaveAt) {
			this.readMax = readMax;
			this.leaveAt = leaveAt;
			setDaemon(true);
			start();
		}

		@Override
		public void run() {
			try (var consumer = consumer(500)) {
				consumer.subscribe(List.of(topic));
				while (!isEnding && !(mayProceed && highest >= leaveAt))
					poll(consumer);
			}
		}

		void poll(KafkaConsumer<byte[], byte[]> consumer) {
			if (mayProceed || read < readMax)
				consumer.resume(consumer.paused());
			else
				consumer.pause(consumer.assignment());
			ConsumerRecords<byte[], byte[]> batch = consumer.poll(Duration.ofMillis(50));
			for (var r : batch) {
				take(r);
				highest = Math.max(highest, r.offset());
			}
			read += batch.count();
			try {
				consumer.commitSync();
			} catch (org.apache.kafka.common.errors.RebalanceInProgressException
					| org.apache.kafka.clients.consumer.CommitFailedException e) {
				// The next owner reads these records again.
			}
		}
	}

	static boolean until(BooleanSupplier is) throws InterruptedException {
		long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(4 * WAIT_S);
		while (!is.getAsBoolean() && System.nanoTime() < deadline)
			Thread.sleep(5);
		return is.getAsBoolean();
	}

	void consumeInGroup() throws Exception {
		Member first = new Member(total / 6, total / PARTITIONS * 2 / 3);
		until(() -> first.read >= total / 6);
		Member second = new Member(total, total);
		boolean both = until(() -> second.read > 0);
		first.mayProceed = true;
		first.join(TimeUnit.SECONDS.toMillis(WAIT_S));
		boolean left = !first.isAlive();
		int before = second.read;
		until(this::hasSeenAll);
		for (Member m : List.of(first, second)) {
			m.isEnding = true;
			m.join(TimeUnit.SECONDS.toMillis(WAIT_S));
		}
		check(hasSeenAll() && badCount == 0, "group read", seenCount + " seen, " + badCount + " wrong");
		check(both && left && second.read > before, "rebalance",
			"first read " + first.read + ", second " + second.read + ", " + before + " before the first left");
	}

	List<TopicPartition> partitions() {
		return IntStream.range(0, PARTITIONS).mapToObj(p -> new TopicPartition(topic, p)).collect(Collectors.toList());
	}

	void rereadByTime() {
		int from = total / 2;
		int got = 0;
		try (var consumer = consumer(500)) {
			long sum = consumer.committed(Set.copyOf(partitions()))
				.values().stream().mapToLong(OffsetAndMetadata::offset).sum();
			check(sum == total, "committed", sum);
			Map<TopicPartition, Long> times = new HashMap<>();
			partitions().forEach(tp -> times.put(tp, baseMs + from));
			Map<TopicPartition, OffsetAndMetadata> reset = new HashMap<>();
			consumer.offsetsForTimes(times).forEach((tp, at) -> reset.put(tp, new OffsetAndMetadata(at.offset())));
			check(partitions().stream().allMatch(tp ->
				reset.get(tp).offset() == (from - tp.partition() + PARTITIONS - 1) / PARTITIONS), "offsets for times", reset);
			consumer.assign(partitions());
			consumer.commitSync(reset);
		}
		try (var consumer = consumer(500)) {
			consumer.assign(partitions());
			long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(WAIT_S);
			while (got < total - from && System.nanoTime() < deadline) {
				for (var r : consumer.poll(Duration.ofMillis(200))) {
					take(r);
					got++;
				}
			}
		}
		check(got == total - from && badCount == 0, "re-read", got + " records, " + badCount + " wrong");
	}

	void watermarks(Admin admin) throws Exception {
		Map<TopicPartition, OffsetSpec> low = new HashMap<>();
		Map<TopicPartition, OffsetSpec> high = new HashMap<>();
		partitions().forEach(tp -> {
			low.put(tp, OffsetSpec.earliest());
			high.put(tp, OffsetSpec.latest());
		});
		long sum = admin.listOffsets(high).all().get().values().stream().mapToLong(o -> o.offset()).sum()
			- admin.listOffsets(low).all().get().values().stream().mapToLong(o -> o.offset()).sum();
		check(sum == total, "watermarks", sum);
	}

	void remove(Admin admin) throws Exception {
		admin.deleteConsumerGroups(List.of(topic)).all().get();
		admin.deleteTopics(List.of(topic)).all().get();
		check(until(() -> {
			try {
				return !admin.listTopics().names().get().contains(topic);
			} catch (Exception e) {
				throw new IllegalStateException(e);
			}
		}), "delete", "the topic is still there");
	}

	static String version() throws Exception {
		Properties p = new Properties();
		p.load(Admin.class.getResourceAsStream("/kafka/kafka-version.properties"));
		return p.getProperty("version");
	}

	int run() throws Exception {
		System.out.println("# kafka-clients " + version());
		try (Admin admin = Admin.create(config())) {
			admin.createTopics(List.of(new NewTopic(topic, PARTITIONS, (short) 1))).all().get();
			check(true, "create", null);
			for (int codec = 0; codec < CODECS.length; codec++)
				produce(codec);
			watermarks(admin);
			consumeInGroup();
			rereadByTime();
			remove(admin);
		}
		return failed == 0 ? 0 : 1;
	}

	public static void main(String[] args) throws Exception {
		System.exit(new Scenario(args[0], Integer.parseInt(args[1])).run());
	}
}
