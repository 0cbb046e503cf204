#include "cmd/consumer/formatter.h"
#include "cmd/consumer/internal_format.h"
#include "cmd/consumer/json_format.h"
#include "cmd/consumer/line_format.h"
#include "cmd/consumer/pretty.h"
#include "cmd/consumer/template.h"
#include "cmd/notice.h"
#include "cmd/print.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* ---- Setting up --------------------------------------------------------------------------- */

/* Class names without their package, the old releases' too; then kavka's own words. Apache's
 * LoggingMessageFormatter also writes to a log that its tools do not show. */
static const struct {
	const char *name;
	enum formatter_kind kind;
} formatter_names[] = {
	{"DefaultMessageFormatter", FORMAT_DEFAULT},
	{"LoggingMessageFormatter", FORMAT_DEFAULT},
	{"NoOpMessageFormatter", FORMAT_NOTHING},
	{"OffsetsMessageFormatter", FORMAT_OFFSETS},
	{"GroupMetadataMessageFormatter", FORMAT_GROUP_METADATA},
	{"ShareGroupMessageFormatter", FORMAT_SHARE_GROUP},
	{"TransactionLogMessageFormatter", FORMAT_TRANSACTIONS},
	{"ShareGroupStateMessageFormatter", FORMAT_SHARE_STATE},
	{"text", FORMAT_DEFAULT},
	{"json", FORMAT_JSON},
	{"hex", FORMAT_HEX},
	{"base64", FORMAT_BASE64},
	{"hexdump", FORMAT_HEXDUMP},
	{"none", FORMAT_NOTHING},
};

static enum deserializer formatter_deserializer(struct props *p, const char *key)
{
	const char *name = props_get(p, key);
	int as = field_deserializer(name);

	if (as >= 0)
		return (enum deserializer)as;
	notice_log("ERROR", "org.apache.kafka.tools.consumer.DefaultMessageFormatter",
		   "Unable to instantiate a deserializer from %s", name);
	print_error("java.lang.ClassNotFoundException: %s\n", name);
	return AS_BYTES;
}

/* As Java reads a boolean: blanks around it, any case. */
static bool formatter_true(struct props *p, const char *key)
{
	const char *value = props_get(p, key);
	size_t len;

	if (!value)
		return false;
	while (isspace((unsigned char)*value))
		value++;
	len = strlen(value);
	while (len > 0 && isspace((unsigned char)value[len - 1]))
		len--;
	return len == 4 && strncasecmp(value, "true", 4) == 0;
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
		.print_timestamp = formatter_true(p, "print.timestamp"),
		.print_partition = formatter_true(p, "print.partition"),
		.print_offset = formatter_true(p, "print.offset"),
		.print_delivery = formatter_true(p, "print.delivery"),
		.print_epoch = formatter_true(p, "print.epoch"),
		.print_headers = formatter_true(p, "print.headers"),
		.print_key = formatter_true(p, "print.key"),
		.print_value = !print_value || formatter_true(p, "print.value"),
		.key_separator = formatter_text(p, "key.separator", "\t"),
		.line_separator = formatter_text(p, "line.separator", "\n"),
		.headers_separator = formatter_text(p, "headers.separator", ","),
		.null_literal = formatter_text(p, "null.literal", "null"),
		.has_null_literal = props_get(p, "null.literal") != NULL,
	};
	arena_init(&f->scratch);
	f->kind = FORMAT_DEFAULT;
	for (unsigned i = 0; class_name; i++) {
		if (i == ARRAY_LEN(formatter_names))
			return err_set(err, E_INVALID, "%s", class_name);
		f->kind = formatter_names[i].kind;
		if (strcmp(field_class_simple_name(class_name), formatter_names[i].name) == 0)
			break;
	}
	f->key_as = formatter_deserializer(p, "key.deserializer");
	f->value_as = formatter_deserializer(p, "value.deserializer");
	f->headers_as = formatter_deserializer(p, "headers.deserializer");
	return 0;
}

void formatter_fini(struct formatter *f)
{
	arena_fini(&f->scratch);
}

/* ---- One field ---------------------------------------------------------------------------- */

/* The text of a field, the null literal for null. */
static int formatter_field(struct formatter *f, enum deserializer as, struct slice s,
			   struct str *out, struct err *err)
{
	if (!s.data) {
		*out = f->null_literal;
		if (as == AS_BYTES || !f->decodes_null)
			return 0;
		s = (struct slice){.data = (const uint8_t *)f->null_literal.data,
				   .len = f->null_literal.len};
	}
	return field_text(as, s, &f->scratch, out, &f->exception, err);
}

static struct str formatter_pretty(struct formatter *f, struct str text)
{
	struct out many;

	if (!f->is_pretty || str_is_null(text))
		return text;
	out_init(&many, SIZE_MAX / 2);
	if (pretty_write(&many, text))
		text = (struct str){arena_memdup(&f->scratch, many.data, many.len), many.len};
	out_fini(&many);
	return text;
}

int formatter_part(struct formatter *f, const struct record_view *v, enum serde_part part,
		   struct str *out, struct err *err)
{
	struct slice bytes = part == SERDE_KEY ? v->record->key : v->record->value;
	int rc;

	*out = STR_NULL;
	if (serde_has(f->serde, part)) {
		struct serde_text text;

		rc = serde_decode(f->serde, part, bytes, &text, err);
		if (rc == 0)
			*out = formatter_pretty(f, text.text);
		return rc;
	}
	if (!bytes.data)
		return 0;
	rc = field_text(part == SERDE_KEY ? f->key_as : f->value_as, bytes, &f->scratch, out,
			&f->exception, err);
	if (rc == 0)
		*out = formatter_pretty(f, *out);
	return rc;
}

/* The same for a column. */
static int formatter_column(struct formatter *f, const struct record_view *v, enum serde_part part,
			    struct str *out, struct err *err)
{
	struct slice bytes = part == SERDE_KEY ? v->record->key : v->record->value;
	int rc;

	if (!bytes.data && !serde_has(f->serde, part))
		return formatter_field(f, part == SERDE_KEY ? f->key_as : f->value_as, bytes, out,
				       err);
	rc = formatter_part(f, v, part, out, err);
	if (rc == 0 && str_is_null(*out))
		*out = f->null_literal;
	return rc;
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
		rc = formatter_field(f, f->headers_as, header.value, &value, err);
		if (rc == 0)
			out_bytes(&text, value.data, value.len);
	}
	*out = (struct str){arena_memdup(&f->scratch, text.data, text.len), text.len};
	out_fini(&text);
	return rc;
}

static void format_number(const struct formatter *f, const char *label, int64_t number,
			  bool has_more)
{
	print_bytes(label, strlen(label));
	print_int(number);
	column_end(f, has_more);
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
		rc = formatter_column(f, v, SERDE_KEY, &key, err);
	if (rc == 0 && f->print_value)
		rc = formatter_column(f, v, SERDE_VALUE, &value, err);
	if (rc < 0)
		return rc;
	if (f->print_timestamp && r->timestamp == NO_TIMESTAMP) {
		print_str(STR_LIT("NO_TIMESTAMP"));
		column_end(f, --left > 0);
	} else if (f->print_timestamp) {
		format_number(f, v->is_log_append_time ? "LogAppendTime:" : "CreateTime:",
			      r->timestamp, --left > 0);
	}
	if (f->print_partition)
		format_number(f, "Partition:", v->partition, --left > 0);
	if (f->print_offset)
		format_number(f, "Offset:", r->offset, --left > 0);
	if (f->print_delivery) {
		print_str(STR_LIT("Delivery:NOT_PRESENT"));
		column_end(f, --left > 0);
	}
	if (f->print_epoch) {
		print_str(STR_LIT("Epoch:NOT_PRESENT"));
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

static int format_template(struct formatter *f, const struct record_view *v, struct err *err)
{
	struct str key = STR_NULL, value = STR_NULL;
	int rc = 0;

	if (template_has_key(f->template))
		rc = formatter_part(f, v, SERDE_KEY, &key, err);
	if (rc == 0 && template_has_value(f->template))
		rc = formatter_part(f, v, SERDE_VALUE, &value, err);
	if (f->has_null_literal && str_is_null(key))
		key = f->null_literal;
	if (f->has_null_literal && str_is_null(value))
		value = f->null_literal;
	if (rc == 0)
		template_print(f->template, v, key, value);
	return rc;
}

int formatter_print(struct formatter *f, const struct record_view *v, struct err *err)
{
	int rc = 0;

	f->exception = NULL;
	switch (f->kind) {
	case FORMAT_NOTHING: break;
	case FORMAT_JSON: rc = json_format(f, v, err); break;
	case FORMAT_HEX: line_format(v, false); break;
	case FORMAT_BASE64: line_format(v, true); break;
	case FORMAT_HEXDUMP: hexdump_format(v); break;
	case FORMAT_TEMPLATE: rc = format_template(f, v, err); break;
	case FORMAT_DEFAULT: rc = format_default(f, v, err); break;
	default:
		f->exception = "java.lang.RuntimeException";
		rc = internal_format(f, v->record, err);
		break;
	}
	if (f->scratch.total_bytes > 0)
		arena_reset(&f->scratch);
	return rc;
}
