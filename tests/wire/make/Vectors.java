/* Writes golden vectors with Apache Kafka's own classes: every generated message on the class path
 * that has a JSON converter, at every version, filled with seeded random values.
 *
 *	java -cp JARS Vectors.java OUTPUT_FOLDER
 *
 * One line each: message, version, bytes in hex ("-" if none), JSON. */
import java.io.File;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.ParameterizedType;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.jar.JarFile;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.BoundField;
import org.apache.kafka.common.protocol.types.Schema;
import org.apache.kafka.common.protocol.types.TaggedFields;
import org.apache.kafka.common.protocol.types.Type;
import org.apache.kafka.common.record.internal.MemoryRecords;

public class Vectors {
	/* How a message is filled: with its defaults, with much, or with many nulls and empties. */
	enum Filling { DEFAULTS, DENSE, SPARSE }

	private final Random random;
	private final Filling filling;

	private Vectors(long seed, Filling filling) {
		this.random = new Random(seed);
		this.filling = filling;
	}

	public static void main(String[] args) throws Exception {
		Map<String, Map<String, Class<?>>> families = new TreeMap<>();
		for (String jar : System.getProperty("java.class.path").split(File.pathSeparator))
			collect(jar, families);
		for (var family : families.entrySet()) {
			StringBuilder text = new StringBuilder();
			for (var message : family.getValue().entrySet())
				vectorsOf(message.getKey(), message.getValue(), text);
			Files.writeString(Path.of(args[0], "java-" + family.getKey() + ".txt"),
				text);
		}
	}

	/* The messages of one jar, by family and name. */
	private static void collect(String jar, Map<String, Map<String, Class<?>>> families)
			throws Exception {
		if (!jar.endsWith(".jar") || !new File(jar).getName().startsWith("kafka"))
			return;
		try (JarFile file = new JarFile(jar)) {
			for (var entries = file.entries(); entries.hasMoreElements();) {
				String name = entries.nextElement().getName();
				if (!name.endsWith("JsonConverter.class") || name.contains("$"))
					continue;
				name = name.replace("JsonConverter.class", "").replace('/', '.');
				Class<?> type = Class.forName(name);
				if (Message.class.isAssignableFrom(type))
					families.computeIfAbsent(familyOf(type), k -> new TreeMap<>())
						.put(messageName(type), type);
			}
		}
	}

	private static String familyOf(Class<?> type) {
		String[] parts = type.getPackageName().split("\\.");
		String last = parts[parts.length - 1];
		if (!last.equals("generated"))
			return last.equals("message") ? "api" : last;
		return parts[parts.length - 2];
	}

	private static String messageName(Class<?> type) {
		return type.getSimpleName().replaceFirst("(Request|Response|Header)Data$", "$1");
	}

	private static void vectorsOf(String name, Class<?> type, StringBuilder text)
			throws Exception {
		Message example = create(type);
		short lowest = example.lowestSupportedVersion();
		short highest = example.highestSupportedVersion();
		for (short version = lowest; version <= highest; version++) {
			for (Filling filling : Filling.values()) {
				boolean isEdge = version == lowest || version == highest;
				if (filling != Filling.DENSE && !isEdge)
					continue;
				Message message = create(type);
				if (filling != Filling.DEFAULTS)
					new Vectors((name + version + filling).hashCode(), filling)
						.fill(message, schemaOf(type, version));
				text.append(line(name, type, version, message)).append('\n');
			}
		}
	}

	private static String line(String name, Class<?> type, short version, Message message)
			throws Exception {
		ByteBuffer buffer = MessageUtil.toByteBufferAccessor(message, version).buffer();
		byte[] bytes = new byte[buffer.remaining()];
		buffer.get(bytes);
		Class<?> converter = Class.forName(type.getName() + "JsonConverter");
		Method write = converter.getMethod("write", type, short.class, boolean.class);
		String hex = bytes.length == 0 ? "-" : HexFormat.of().formatHex(bytes);
		Object json = write.invoke(null, message, version, false);
		return name + " " + version + " " + hex + " " + json;
	}

	private static Message create(Class<?> type) throws Exception {
		Constructor<?> constructor = type.getDeclaredConstructor();
		constructor.setAccessible(true);
		return (Message) constructor.newInstance();
	}

	private static Schema schemaOf(Class<?> type, short version) throws Exception {
		return ((Schema[]) type.getField("SCHEMAS").get(null))[version];
	}

	private void fill(Object message, Schema schema) throws Exception {
		for (BoundField bound : schema.fields()) {
			if (!(bound.def.type instanceof TaggedFields tagged)) {
				set(message, bound.def.name, bound.def.type);
				continue;
			}
			for (var field : new TreeMap<>(tagged.fields()).values())
				if (random.nextInt(filling == Filling.DENSE ? 4 : 2) != 0)
					set(message, field.name, field.type);
		}
	}

	private void set(Object message, String name, Type type) throws Exception {
		Field field = fieldOf(message.getClass(), name);
		field.setAccessible(true);
		if (type.isNullable() && random.nextInt(filling == Filling.DENSE ? 6 : 2) == 0)
			field.set(message, null);
		else if (type.isArray())
			field.set(message, array(field, type.arrayElementType().get()));
		else
			field.set(message, value(type, field.getType()));
	}

	private static Field fieldOf(Class<?> type, String snake) throws Exception {
		String wanted = snake.replace("_", "");
		for (Field field : type.getDeclaredFields())
			if (field.getName().equalsIgnoreCase(wanted))
				return field;
		throw new NoSuchFieldException(type + " " + snake);
	}

	@SuppressWarnings({"unchecked", "rawtypes"})
	private Collection<?> array(Field field, Type element) throws Exception {
		Class<?> container = field.getType();
		Collection list;
		Class<?> item;
		if (container == List.class) {
			list = new ArrayList<>();
			item = firstArgument(field.getGenericType());
		} else {
			list = (Collection) container.getDeclaredConstructor().newInstance();
			item = firstArgument(container.getGenericSuperclass());
		}
		int count = filling == Filling.DENSE ? 1 + random.nextInt(2) : random.nextInt(2);
		for (int i = 0; i < count; i++)
			list.add(value(element, item));
		return list;
	}

	private static Class<?> firstArgument(java.lang.reflect.Type type) {
		return (Class<?>) ((ParameterizedType) type).getActualTypeArguments()[0];
	}

	private Object value(Type type, Class<?> java) throws Exception {
		if (type instanceof Schema schema) {
			Message message = create(java);
			fill(message, schema);
			return message;
		}
		String name = type.toString();
		switch (name.replace("COMPACT_", "").replace("NULLABLE_", "")) {
		case "BOOLEAN": return random.nextBoolean();
		case "INT8": return (byte) integer(8);
		case "INT16": return (short) integer(16);
		case "UINT16": return (int) integer(16) & 0xffff;
		case "INT32": return (int) integer(32);
		case "UINT32": case "UNSIGNED_INT32": return integer(32) & 0xffffffffL;
		case "INT64": return integer(64);
		case "FLOAT64": return Math.round(random.nextGaussian() * 1e6) / 1024.0;
		case "UUID":
			boolean isZero = random.nextInt(5) == 0;
			return isZero ? Uuid.ZERO_UUID : new Uuid(random.nextLong(), random.nextLong());
		case "STRING": return string();
		case "RECORDS": return MemoryRecords.readableRecords(ByteBuffer.wrap(bytes()));
		case "BYTES":
			if (java == ByteBuffer.class)
				return ByteBuffer.wrap(bytes());
			return bytes();
		default: throw new IllegalArgumentException(name);
		}
	}

	/* Small, extreme, or any. */
	private long integer(int bits) {
		long any = random.nextLong() >> (64 - bits);
		switch (random.nextInt(4)) {
		case 0: return random.nextInt(100) - 10;
		case 1: return (random.nextBoolean() ? Long.MIN_VALUE : Long.MAX_VALUE) >> (64 - bits);
		default: return any;
		}
	}

	private byte[] bytes() {
		int length = filling == Filling.DENSE ? 1 + random.nextInt(12) : random.nextInt(3);
		byte[] bytes = new byte[length];
		random.nextBytes(bytes);
		return bytes;
	}

	private String string() {
		String[] words = {"orders", "g\u00e4ste", "a.b-c_d", "\u65e5\u672c", "\ud83d\ude00",
			"\"q\"\\", "10.0.0.1", "x"};
		StringBuilder text = new StringBuilder();
		for (int i = filling == Filling.DENSE ? 1 : random.nextInt(2); i > 0; i--)
			text.append(words[random.nextInt(words.length)]);
		if (filling == Filling.DENSE && random.nextInt(40) == 0)
			text.append("y".repeat(150));
		assert text.toString().getBytes(StandardCharsets.UTF_8).length <= Short.MAX_VALUE;
		return text.toString();
	}
}
