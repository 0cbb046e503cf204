#include "cmd/consumer/field.h"
#include "cmd/number_text.h"
#include "cmd/utf8.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SERIALIZATION "org.apache.kafka.common.errors.SerializationException"

static const struct {
	const char *name;
	enum deserializer as;
} deserializer_names[] = {
	{"StringDeserializer", AS_STRING},    {"LongDeserializer", AS_LONG},
	{"IntegerDeserializer", AS_INTEGER},  {"ShortDeserializer", AS_SHORT},
	{"FloatDeserializer", AS_FLOAT},      {"DoubleDeserializer", AS_DOUBLE},
	{"BooleanDeserializer", AS_BOOLEAN},  {"UUIDDeserializer", AS_UUID},
	{"BytesDeserializer", AS_ESCAPED},    {"ByteArrayDeserializer", AS_BYTES},
	{"ByteBufferDeserializer", AS_BYTES}, {"VoidDeserializer", AS_VOID},
};

const char *field_class_simple_name(const char *name)
{
	const char *dot = strrchr(name, '.'), *dollar = strrchr(name, '$');

	if (dollar && (!dot || dollar > dot))
		return dollar + 1;
	return dot ? dot + 1 : name;
}

int field_deserializer(const char *class_name)
{
	if (!class_name || !*class_name)
		return AS_BYTES;
	for (unsigned i = 0; i < ARRAY_LEN(deserializer_names); i++) {
		if (strcmp(field_class_simple_name(class_name), deserializer_names[i].name) == 0)
			return (int)deserializer_names[i].as;
	}
	return -1;
}

/* Bytes.toString: printable ASCII as it is, the rest as \xHH. */
static struct str field_escaped(struct slice s, struct arena *scratch)
{
	char *text = arena_alloc(scratch, s.len * 4 + 1);
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] >= ' ' && s.data[i] <= '~' && s.data[i] != '\\')
			text[len++] = (char)s.data[i];
		else
			len += (size_t)snprintf(text + len, 5, "\\x%02X", s.data[i]);
	}
	return (struct str){text, len};
}

/* As Java's decoder does it: what is no UTF-8 becomes U+FFFD. */
static struct str field_string(struct slice s, struct arena *scratch)
{
	struct str text = {(const char *)s.data, s.len};
	struct out repaired;

	if (utf8_is_valid(text))
		return text;
	out_init(&repaired, SIZE_MAX / 2);
	utf8_repair(&repaired, text);
	text = (struct str){arena_memdup(scratch, repaired.data, repaired.len), repaired.len};
	out_fini(&repaired);
	return text;
}

/* 8-4-4-4-12 digits; Java takes fewer in each group, and fills them up. */
static int field_uuid(struct slice s, struct arena *scratch, struct str *out, struct err *err)
{
	static const int widths[] = {8, 4, 4, 4, 12};
	uint64_t groups[5] = {0};
	unsigned group = 0, digits = 0;
	bool ok = s.len <= 36;

	for (size_t i = 0; ok && i < s.len; i++) {
		if (s.data[i] == '-') {
			ok = digits > 0 && ++group < ARRAY_LEN(groups);
			digits = 0;
			continue;
		}
		ok = isxdigit(s.data[i]) && digits < 16;
		groups[group] = groups[group] << 4 |
				(isdigit(s.data[i]) ? (uint64_t)s.data[i] - '0'
						    : ((uint64_t)s.data[i] | 0x20) - 'a' + 10);
		digits++;
	}
	if (!ok || group != ARRAY_LEN(groups) - 1 || digits == 0)
		return err_set(err, E_MALFORMED, "Error parsing data into UUID");
	for (unsigned i = 0; i < ARRAY_LEN(groups); i++)
		groups[i] &= (UINT64_C(1) << widths[i] * 4) - 1;
	*out = str_of(arena_printf(
		scratch, "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
		groups[0], groups[1], groups[2], groups[3], groups[4]));
	return 0;
}

static int field_number(enum deserializer as, struct slice s, struct arena *scratch,
			struct str *out, struct err *err)
{
	/* Java's classes of Float and Double forgot their own names. */
	static const struct {
		const char *name;
		size_t size;
	} kinds[] = {[AS_LONG] = {"Long", 8},   [AS_INTEGER] = {"Integer", 4},
		     [AS_SHORT] = {"Short", 2}, [AS_FLOAT] = {"", 4},
		     [AS_DOUBLE] = {"", 8},     [AS_BOOLEAN] = {"Boolean", 1}};
	char text[NUMBER_TEXT_MAX];

	if (s.len != kinds[as].size)
		return err_set(err, E_MALFORMED,
			       "Size of data received by %sDeserializer is not %zu", kinds[as].name,
			       kinds[as].size);
	switch (as) {
	case AS_LONG: snprintf(text, sizeof(text), "%" PRId64, (int64_t)be64(s.data)); break;
	case AS_INTEGER: snprintf(text, sizeof(text), "%d", (int32_t)be32(s.data)); break;
	case AS_SHORT: snprintf(text, sizeof(text), "%d", (int16_t)be16(s.data)); break;
	case AS_FLOAT: number_text_float(be32(s.data), text); break;
	case AS_DOUBLE: number_text_double(be64(s.data), text); break;
	default:
		if (s.data[0] > 1)
			return err_set(err, E_MALFORMED,
				       "Unexpected byte received by BooleanDeserializer: %d",
				       (int8_t)s.data[0]);
		snprintf(text, sizeof(text), "%s", s.data[0] ? "true" : "false");
		break;
	}
	*out = str_of(arena_strdup(scratch, text));
	return 0;
}

int field_text(enum deserializer as, struct slice s, struct arena *scratch, struct str *out,
	       const char **exception, struct err *err)
{
	*out = (struct str){(const char *)s.data, s.len};
	*exception = SERIALIZATION;
	switch (as) {
	case AS_BYTES: return 0;
	case AS_STRING: *out = field_string(s, scratch); return 0;
	case AS_UUID: return field_uuid(s, scratch, out, err);
	case AS_ESCAPED: *out = field_escaped(s, scratch); return 0;
	case AS_VOID:
		*exception = "java.lang.IllegalArgumentException";
		return err_set(err, E_MALFORMED, "Data should be null for a VoidDeserializer.");
	default: return field_number(as, s, scratch, out, err);
	}
}
