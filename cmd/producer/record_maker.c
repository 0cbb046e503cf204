#include "cmd/producer/record_maker.h"
#include "cmd/producer/producer_int.h"
#include "cmd/registry/serde.h"
#include "cmd/time_text.h"
#include "cmd/utf8.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

static const char *const input_names[] = {"text", "json", "hex", "base64", "file"};

/* ---- What is fixed ------------------------------------------------------------------------ */

static int maker_format(struct record_maker *m, const char *name, struct err *err)
{
	for (unsigned i = 0; name && i < ARRAY_LEN(input_names); i++) {
		if (strcmp(name, input_names[i]) == 0) {
			m->format = (enum input_format)i;
			return 0;
		}
	}
	return name ? err_set(err, E_USAGE, "--input is text, json, hex, base64 or file, not %s",
			      name)
		    : 0;
}

/* "NAME=VALUE", or "NAME:VALUE" as other tools have it: whichever comes first. */
static int maker_header(struct record_maker *m, const char *text, struct err *err)
{
	size_t len = strcspn(text, "=:");
	struct record_header *h;

	if (!text[len])
		return err_set(err, E_USAGE, "--header %s: write --header NAME=VALUE", text);
	m->headers = grow_array(m->headers, m->fixed_count, &m->header_cap, sizeof(*m->headers));
	h = &m->headers[m->fixed_count++];
	h->key = (struct str){text, len};
	h->value = (struct slice){.data = (const uint8_t *)text + len + 1,
				  .len = strlen(text + len + 1)};
	return 0;
}

/* Milliseconds since 1970, or an ISO date. */
static int maker_timestamp(struct record_maker *m, const char *text, struct err *err)
{
	char *end;

	if (!text)
		return 0;
	errno = 0;
	m->timestamp = strtoll(text, &end, 10);
	if (*text && !*end && !errno && m->timestamp >= 0)
		return 0;
	if (time_parse(text, &m->timestamp, NULL) == 0)
		return 0;
	return err_set(err, E_USAGE,
		       "--timestamp %s: write milliseconds since 1970, or a date as "
		       "2026-08-01T12:00:00Z",
		       text);
}

/* Is the text of this format JSON? */
static bool format_is_json(const char *format)
{
	static const char *const names[] = {"avro", "json-schema", "protobuf", "registry", "json"};

	for (unsigned i = 0; format && i < ARRAY_LEN(names); i++) {
		if (strcmp(format, names[i]) == 0)
			return true;
	}
	return false;
}

int record_maker_init(struct record_maker *m, const struct producer_args *args, struct props *props,
		      bool is_apache, struct err *err)
{
	int rc;

	*m = (struct record_maker){
		.repairs = is_apache,
		.is_tombstone = args->tombstone,
		.topic = str_of(args->topic),
		.partition = (int32_t)args->partition,
		.timestamp = -1,
		.key = {.data = (const uint8_t *)args->key,
			.len = args->key ? strlen(args->key) : 0},
		.ignore_partition = args->partitioner != NULL,
	};
	json_reader_init(&m->json);
	m->json.key_as_json = format_is_json(args->registry.key_format);
	m->json.value_as_json = format_is_json(args->registry.value_format);
	out_init(&m->repaired, SIZE_MAX / 2);
	rc = record_reader_init(&m->reader, props, err);
	if (rc == 0)
		rc = maker_format(m, args->input, err);
	digits_reader_init(&m->digits, m->format == INPUT_BASE64);
	if (rc == 0)
		rc = maker_timestamp(m, args->timestamp, err);
	for (unsigned i = 0; rc == 0 && i < args->headers.count; i++)
		rc = maker_header(m, args->headers.items[i], err);
	return rc;
}

void record_maker_fini(struct record_maker *m)
{
	record_reader_fini(&m->reader);
	json_reader_fini(&m->json);
	digits_reader_fini(&m->digits);
	out_fini(&m->repaired);
	free(m->headers);
	m->headers = NULL;
}

/* ---- One record --------------------------------------------------------------------------- */

static int maker_text(struct record_maker *m, struct str line, struct line_record *out,
		      struct err *err)
{
	int rc;

	/* Apache's tool reads text: other bytes do not survive it. Ours sends them as they are. */
	if (m->repairs && !utf8_is_valid(line)) {
		out_reset(&m->repaired);
		utf8_repair(&m->repaired, line);
		line = (struct str){(const char *)m->repaired.data, m->repaired.len};
	}
	m->reader.line_number = m->line_number - 1;
	rc = record_reader_parse(&m->reader, line, out, err);
	return rc;
}

static void maker_headers(struct record_maker *m, struct line_record *out)
{
	size_t count = m->fixed_count;

	if (count == 0)
		return;
	for (size_t i = 0; i < out->header_count; i++) {
		m->headers = grow_array(m->headers, count, &m->header_cap, sizeof(*m->headers));
		m->headers[count++] = out->headers[i];
	}
	out->headers = m->headers;
	out->header_count = count;
}

/* Text into the bytes that --key-format or --value-format makes of it. */
static int maker_encode(struct record_maker *m, enum serde_part part, struct str topic,
			struct slice *bytes, struct err *err)
{
	struct str text = {(const char *)bytes->data, bytes->len};
	int rc;

	if (!serde_has(m->serde, part))
		return 0;
	rc = serde_encode(m->serde, part, topic, text, bytes, err);
	return rc < 0 ? err_add(err, rc, "line %lld", (long long)m->line_number) : 0;
}

/* Puts in what the options fix. */
static int maker_complete(struct record_maker *m, struct line_record *out, struct err *err)
{
	bool key_is_bytes = out->key.data && out->key_is_bytes;
	int rc = 0;

	if (!out->key.data)
		out->key = m->key;
	if (m->is_tombstone)
		out->value = SLICE_NULL;
	if (!str_is_null(m->topic))
		out->topic = m->topic;
	if (m->ignore_partition)
		out->partition = -1;
	else if (out->partition < 0)
		out->partition = m->partition;
	if (out->timestamp < 0)
		out->timestamp = m->timestamp;
	maker_headers(m, out);
	if (str_is_null(out->topic) || out->topic.len == 0)
		return err_set(err, E_MALFORMED, "line %lld: no \"topic\", and no --topic for all",
			       (long long)m->line_number);
	if (!key_is_bytes)
		rc = maker_encode(m, SERDE_KEY, out->topic, &out->key, err);
	if (rc == 0 && !out->value_is_bytes)
		rc = maker_encode(m, SERDE_VALUE, out->topic, &out->value, err);
	return rc;
}

int record_maker_line(struct record_maker *m, struct str line, struct line_record *out,
		      struct err *err)
{
	int rc;

	m->line_number++;
	if (m->format == INPUT_JSON)
		rc = json_reader_parse(&m->json, line, out, err);
	else if (m->format == INPUT_TEXT)
		rc = maker_text(m, line, out, err);
	else
		rc = digits_reader_parse(&m->digits, line, out, err);
	if (rc < 0)
		return m->format == INPUT_TEXT
			       ? rc
			       : err_add(err, rc, "line %lld", (long long)m->line_number);
	if (m->is_tombstone && !out->key.data)
		out->key = out->value;
	return maker_complete(m, out, err);
}

int record_maker_whole(struct record_maker *m, struct str bytes, struct line_record *out,
		       struct err *err)
{
	m->line_number++;
	*out = (struct line_record){
		.partition = -1,
		.timestamp = -1,
		.value = {.data = (const uint8_t *)bytes.data, .len = bytes.len}};
	return maker_complete(m, out, err);
}
