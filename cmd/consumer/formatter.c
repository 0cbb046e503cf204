#include "cmd/consumer/formatter.h"
#include "cmd/consumer/internal_format.h"
#include "cmd/json_out.h"
#include "cmd/number_text.h"
#include "cmd/print.h"
#include "cmd/producer/record_reader.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ---- Setting up --------------------------------------------------------------------------- */

/* Class names without their package; the old releases' too. */
static const struct {
	const char *name;
	enum formatter_kind kind;
} formatter_names[] = {
	{"DefaultMessageFormatter", FORMAT_DEFAULT},
	{"LoggingMessageFormatter", FORMAT_LOGGING},
	{"NoOpMessageFormatter", FORMAT_NOTHING},
	{"OffsetsMessageFormatter", FORMAT_OFFSETS},
	{"GroupMetadataMessageFormatter", FORMAT_GROUP_METADATA},
	{"TransactionLogMessageFormatter", FORMAT_TRANSACTIONS},
	{"ShareGroupStateMessageFormatter", FORMAT_SHARE_STATE},
	{"json", FORMAT_JSON},
};

static const struct {
	const char *name;
	enum deserializer as;
} deserializer_names[] = {
	{"StringDeserializer", AS_STRING},
	{"LongDeserializer", AS_LONG},
	{"IntegerDeserializer", AS_INTEGER},
	{"ShortDeserializer", AS_SHORT},
	{"FloatDeserializer", AS_FLOAT},
	{"DoubleDeserializer", AS_DOUBLE},
	{"BooleanDeserializer", AS_BOOLEAN},
	{"UUIDDeserializer", AS_UUID},
	{"BytesDeserializer", AS_ESCAPED},
	{"ByteArrayDeserializer", AS_BYTES},
	{"ByteBufferDeserializer", AS_BYTES},
	{"VoidDeserializer", AS_VOID},
};

/* "a.b.C$D" -> "D" */
static const char *class_simple_name(const char *name)
{
	const char *dot = strrchr(name, '.'), *dollar = strrchr(name, '$');

	if (dollar && (!dot || dollar > dot))
		return dollar + 1;
	return dot ? dot + 1 : name;
}

static enum deserializer formatter_deserializer(struct props *p, const char *key)
{
	const char *name = props_get(p, key);

	if (!name || !*name)
		return AS_BYTES;
	for (unsigned i = 0; i < ARRAY_LEN(deserializer_names); i++) {
		if (strcmp(class_simple_name(name), deserializer_names[i].name) == 0)
			return deserializer_names[i].as;
	}
	print_error("Unable to instantiate a deserializer from %s\n", name);
	return AS_BYTES;
}

static struct str formatter_text(struct props *p, const char *key, const char *otherwise)
{
	const char *value = props_get(p, key);

	return str_of(value ? value : otherwise);
}

int formatter_init(struct formatter *f, const char *class_name, struct props *p, struct err *err)
{
	const char *print_value = props_get(p, "print.value");

	*f = (struct formatter){
		.print_timestamp = props_true(p, "print.timestamp"),
		.print_partition = props_true(p, "print.partition"),
		.print_offset = props_true(p, "print.offset"),
		.print_delivery = props_true(p, "print.delivery"),
		.print_epoch = props_true(p, "print.epoch"),
		.print_headers = props_true(p, "print.headers"),
		.print_key = props_true(p, "print.key"),
		.print_value = !print_value || props_true(p, "print.value"),
		.key_separator = formatter_text(p, "key.separator", "\t"),
		.line_separator = formatter_text(p, "line.separator", "\n"),
		.headers_separator = formatter_text(p, "headers.separator", ","),
		.null_literal = formatter_text(p, "null.literal", "null"),
		.key_as = formatter_deserializer(p, "key.deserializer"),
		.value_as = formatter_deserializer(p, "value.deserializer"),
		.headers_as = formatter_deserializer(p, "headers.deserializer"),
	};
	arena_init(&f->scratch);
	for (unsigned i = 0; class_name && i < ARRAY_LEN(formatter_names); i++) {
		if (strcmp(class_simple_name(class_name), formatter_names[i].name) == 0) {
			f->kind = formatter_names[i].kind;
			return 0;
		}
	}
	return class_name ? err_set(err, E_INVALID, "%s", class_name) : 0;
}

void formatter_fini(struct formatter *f)
{
	arena_fini(&f->scratch);
}

/* ---- One field ---------------------------------------------------------------------------- */

static int field_sized(struct slice s, size_t size, const char *name, struct err *err)
{
	if (s.len == size)
		return 0;
	return err_set(err, E_MALFORMED, "Size of data received by %sDeserializer is not %zu", name,
		       size);
}

static struct str field_uuid(struct formatter *f, struct slice s)
{
	char *text = arena_strndup(&f->scratch, (const char *)s.data, s.len);

	return (struct str){text, s.len};
}

/* Bytes.toString: printable ASCII as it is, the rest as \xHH. */
static struct str field_escaped(struct formatter *f, struct slice s)
{
	char *text = arena_alloc(&f->scratch, s.len * 4 + 1);
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] >= ' ' && s.data[i] <= '~' && s.data[i] != '\\')
			text[len++] = (char)s.data[i];
		else
			len += (size_t)snprintf(text + len, 5, "\\x%02X", s.data[i]);
	}
	return (struct str){text, len};
}

static int field_number(struct formatter *f, enum deserializer as, struct slice s, struct str *out,
			struct err *err)
{
	static const struct {
		const char *name;
		size_t size;
	} kinds[] = {[AS_LONG] = {"Long", 8},     [AS_INTEGER] = {"Integer", 4},
		     [AS_SHORT] = {"Short", 2},   [AS_FLOAT] = {"Float", 4},
		     [AS_DOUBLE] = {"Double", 8}, [AS_BOOLEAN] = {"Boolean", 1}};
	char text[NUMBER_TEXT_MAX];
	int rc = field_sized(s, kinds[as].size, kinds[as].name, err);

	if (rc < 0)
		return rc;
	switch (as) {
	case AS_LONG: snprintf(text, sizeof(text), "%" PRId64, (int64_t)be64(s.data)); break;
	case AS_INTEGER: snprintf(text, sizeof(text), "%d", (int32_t)be32(s.data)); break;
	case AS_SHORT: snprintf(text, sizeof(text), "%d", (int16_t)be16(s.data)); break;
	case AS_FLOAT: number_text_float(be32(s.data), text); break;
	case AS_DOUBLE: number_text_double(be64(s.data), text); break;
	default: snprintf(text, sizeof(text), "%s", s.data[0] ? "true" : "false"); break;
	}
	*out = str_of(arena_strdup(&f->scratch, text));
	return 0;
}

/* The text of a field; it borrows from the record or the scratch arena. */
static int field_text(struct formatter *f, enum deserializer as, struct slice s, struct str *out,
		      struct err *err)
{
	*out = (struct str){(const char *)s.data, s.len};
	if (!s.data) {
		*out = f->null_literal;
		return 0;
	}
	switch (as) {
	case AS_BYTES:
	case AS_STRING:
		return 0;
	case AS_UUID:
		*out = field_uuid(f, s);
		return 0;
	case AS_ESCAPED:
		*out = field_escaped(f, s);
		return 0;
	case AS_VOID:
		return err_set(err, E_MALFORMED, "Data should be null for a VoidDeserializer.");
	default:
		return field_number(f, as, s, out, err);
	}
}

/* ---- One record --------------------------------------------------------------------------- */

/* Behind each column stands the key separator, behind the last the line separator. */
static void column_end(const struct formatter *f, bool has_more)
{
	print_str(has_more ? f->key_separator : f->line_separator);
}

static int format_headers(struct formatter *f, const struct record *r, struct str *out,
			  struct err *err)
{
	struct record_header header;
	const uint8_t *pos = NULL;
	struct out text;
	bool first = true;
	int rc = 0;

	if (r->header_count == 0) {
		*out = STR_LIT("NO_HEADERS");
		return 0;
	}
	out_init(&text, SIZE_MAX / 2);
	while (rc == 0 && record_header_next(r, &pos, &header)) {
		struct str value;

		if (!first)
			out_bytes(&text, f->headers_separator.data, f->headers_separator.len);
		first = false;
		out_bytes(&text, header.key.data, header.key.len);
		out_byte(&text, ':');
		rc = field_text(f, f->headers_as, header.value, &value, err);
		if (rc == 0)
			out_bytes(&text, value.data, value.len);
	}
	*out = (struct str){arena_memdup(&f->scratch, text.data, text.len), text.len};
	out_fini(&text);
	return rc;
}

static int format_default(struct formatter *f, const struct record_view *v, struct err *err)
{
	const struct record *r = v->record;
	struct str headers = STR_NULL, key = STR_NULL, value = STR_NULL;
	unsigned left = (unsigned)f->print_timestamp + f->print_partition + f->print_offset +
		f->print_delivery + f->print_epoch + f->print_headers + f->print_key +
		f->print_value;
	int rc = 0;

	/* All that can fail comes first: a bad record prints nothing. */
	if (f->print_headers)
		rc = format_headers(f, r, &headers, err);
	if (rc == 0 && f->print_key)
		rc = field_text(f, f->key_as, r->key, &key, err);
	if (rc == 0 && f->print_value)
		rc = field_text(f, f->value_as, r->value, &value, err);
	if (rc < 0)
		return rc;
	if (f->print_timestamp) {
		if (r->timestamp == NO_TIMESTAMP)
			print_text("NO_TIMESTAMP");
		else
			print_text("%s:%" PRId64,
				   v->is_log_append_time ? "LogAppendTime" : "CreateTime",
				   r->timestamp);
		column_end(f, --left > 0);
	}
	if (f->print_partition) {
		print_text("Partition:%d", v->partition);
		column_end(f, --left > 0);
	}
	if (f->print_offset) {
		print_text("Offset:%" PRId64, r->offset);
		column_end(f, --left > 0);
	}
	if (f->print_delivery) {
		print_text("Delivery:NOT_PRESENT");
		column_end(f, --left > 0);
	}
	if (f->print_epoch) {
		print_text("Epoch:NOT_PRESENT");
		column_end(f, --left > 0);
	}
	if (f->print_headers) {
		print_str(headers);
		column_end(f, --left > 0);
	}
	if (f->print_key) {
		print_str(key);
		column_end(f, --left > 0);
	}
	if (f->print_value) {
		print_str(value);
		column_end(f, false);
	}
	return 0;
}

/* What Apache's tool writes to its INFO log besides the line. */
static void format_log(const struct record_view *v)
{
	const struct record *r = v->record;
	struct out line;

	out_init(&line, SIZE_MAX / 2);
	if (r->timestamp != NO_TIMESTAMP)
		out_printf(&line, "%s:%" PRId64 ", ",
			   v->is_log_append_time ? "LogAppendTime" : "CreateTime", r->timestamp);
	out_text(&line, "key:");
	out_bytes(&line, r->key.data ? r->key.data : (const uint8_t *)"null",
		  r->key.data ? r->key.len : 4);
	out_text(&line, r->key.data ? ", value:" : "value:");
	out_bytes(&line, r->value.data ? r->value.data : (const uint8_t *)"null",
		  r->value.data ? r->value.len : 4);
	out_byte(&line, '\n');
	print_error_bytes(line.data, line.len);
	out_fini(&line);
}

static struct str slice_str(struct slice s)
{
	return (struct str){(const char *)s.data, s.len};
}

static void format_json(const struct record_view *v)
{
	const struct record *r = v->record;
	struct record_header header;
	const uint8_t *pos = NULL;
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_str(&j, "topic", v->topic);
	json_out_int(&j, "partition", v->partition);
	json_out_int(&j, "offset", r->offset);
	json_out_int(&j, "timestamp", r->timestamp);
	json_out_text(&j, "timestampType", v->is_log_append_time ? "LogAppendTime" : "CreateTime");
	json_out_open(&j, "headers", '[');
	while (record_header_next(r, &pos, &header)) {
		json_out_open(&j, NULL, '{');
		json_out_str(&j, "key", header.key);
		json_out_bytes(&j, "value", slice_str(header.value));
		json_out_close(&j, '}');
	}
	json_out_close(&j, ']');
	json_out_bytes(&j, "key", slice_str(r->key));
	json_out_bytes(&j, "value", slice_str(r->value));
	json_out_close(&j, '}');
	print_byte('\n');
}

int formatter_print(struct formatter *f, const struct record_view *v, struct err *err)
{
	int rc = 0;

	switch (f->kind) {
	case FORMAT_NOTHING:
		break;
	case FORMAT_JSON:
		format_json(v);
		break;
	case FORMAT_DEFAULT:
	case FORMAT_LOGGING:
		rc = format_default(f, v, err);
		if (rc == 0 && f->kind == FORMAT_LOGGING)
			format_log(v);
		break;
	default:
		rc = internal_format(f, v->record, err);
		break;
	}
	if (f->scratch.total_bytes > 0)
		arena_reset(&f->scratch);
	return rc;
}
