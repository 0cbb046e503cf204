#include "wire/explain.h"

#include "wire/explain_int.h"
#include "wire/header.h"
#include "wire/scan.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* Of a string or of bytes; longer ones end in dots. */
#define VALUE_CHARS_MAX 200

void explain_emit(struct explain *e, size_t pos, const uint8_t *bytes, size_t len,
		  const char *field, const char *fmt, ...)
{
	char value[EXPLAIN_VALUE_MAX];
	struct explain_line line = {pos, bytes, len, field, value};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	e->line(e->ctx, &line);
}

const char *explain_text(const uint8_t *data, size_t len, char text[EXPLAIN_VALUE_MAX])
{
	size_t to = 0, i;

	text[to++] = '"';
	for (i = 0; i < len && to < VALUE_CHARS_MAX; i++) {
		uint8_t c = data[i];

		if (c == '"' || c == '\\')
			to += (size_t)snprintf(text + to, 8, "\\%c", c);
		else if (c == '\n' || c == '\t')
			to += (size_t)snprintf(text + to, 8, "\\%c", c == '\n' ? 'n' : 't');
		else if (c < 0x20 || c >= 0x7f)
			to += (size_t)snprintf(text + to, 8, "\\x%02x", c);
		else
			text[to++] = (char)c;
	}
	snprintf(text + to, 8, "\"%s", i < len ? "..." : "");
	return text;
}

static bool name_ends(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len >= end_len && strcmp(name + len - end_len, end) == 0;
}

/* What a number stands for, "" if it is only a number. */
static const char *number_meaning(const struct wire_field *f, int64_t number, char text[64])
{
	const struct api *api;

	text[0] = '\0';
	if (f->type == WIRE_INT16 && name_ends(f->name, "ErrorCode")) {
		snprintf(text, 64, " (%s)", number ? kafka_error_name((int)number) : "NONE");
	} else if (f->type == WIRE_INT16 && name_ends(f->name, "ApiKey")) {
		api = api_by_key((int)number);
		if (api)
			snprintf(text, 64, " (%s)", api->name);
	}
	return text;
}

static void explain_value(struct explain *e, const struct scan_item *item, size_t base,
			  const char *path)
{
	char text[EXPLAIN_VALUE_MAX], meaning[64];
	const struct wire_field *f = item->field;
	size_t pos = base + item->pos;
	struct uuid id;
	double real;

	switch ((enum wire_type)f->type) {
	case WIRE_STRING:
		explain_emit(e, pos, item->bytes, item->len, path, "%s",
			     item->is_null ? "null"
					   : explain_text((const uint8_t *)item->text.data,
							  item->text.len, text));
		break;
	case WIRE_UUID:
		memcpy(&id, item->bytes, sizeof(id));
		explain_emit(e, pos, item->bytes, item->len, path, "%s", uuid_format(id, text));
		break;
	case WIRE_BOOL:
		explain_emit(e, pos, item->bytes, item->len, path, item->number ? "true" : "false");
		break;
	case WIRE_FLOAT64:
		memcpy(&real, &item->number, sizeof(real));
		explain_emit(e, pos, item->bytes, item->len, path, "%g", real);
		break;
	default:
		explain_emit(e, pos, item->bytes, item->len, path, "%" PRId64 "%s", item->number,
			     number_meaning(f, item->number, meaning));
	}
}

static void explain_content(struct explain *e, const struct scan_item *item, size_t base,
			    const char *path)
{
	char text[EXPLAIN_VALUE_MAX];
	const uint8_t *content = item->bytes + item->len;
	size_t pos = base + item->pos;

	if (item->is_null) {
		explain_emit(e, pos, item->bytes, item->len, path, "null");
		return;
	}
	explain_emit(e, pos, item->bytes, item->len, path, "%zu bytes", item->content_len);
	if (item->content_len == 0)
		return;
	if (item->field && item->field->type == WIRE_RECORDS)
		explain_records(e, (struct slice){NULL, content, item->content_len},
				pos + item->len, path);
	else
		explain_emit(e, pos + item->len, content, item->content_len, path, "%s",
			     explain_text(content, item->content_len, text));
}

static void explain_item(struct explain *e, const struct wire_scan *s, const struct scan_item *item,
			 size_t base)
{
	char path[EXPLAIN_VALUE_MAX], name[EXPLAIN_VALUE_MAX + 32];
	size_t pos = base + item->pos;

	wire_scan_path(s, path, sizeof(path));
	switch (item->kind) {
	case SCAN_VALUE: explain_value(e, item, base, path); break;
	case SCAN_CONTENT: explain_content(e, item, base, path); break;
	case SCAN_COUNT:
		if (item->is_null)
			explain_emit(e, pos, item->bytes, item->len, path, "null");
		else
			explain_emit(e, pos, item->bytes, item->len, path, "%" PRId64 " element%s",
				     item->number, item->number == 1 ? "" : "s");
		break;
	case SCAN_MARK:
		explain_emit(e, pos, item->bytes, item->len, path,
			     item->is_null ? "null" : "is there");
		break;
	case SCAN_TAGS:
		snprintf(name, sizeof(name), "%s%s(tags)", path, path[0] ? "." : "");
		explain_emit(e, pos, item->bytes, item->len, name, "%" PRId64 " tagged field%s",
			     item->number, item->number == 1 ? "" : "s");
		break;
	case SCAN_TAG:
		explain_emit(e, pos, item->bytes, item->len, path, "tag %" PRId64, item->number);
		break;
	case SCAN_UNKNOWN:
		explain_emit(e, pos, item->bytes, item->len + item->content_len, path,
			     "unknown tag %" PRId64 ", %zu bytes", item->number, item->content_len);
		break;
	}
}

static int explain_walk(struct explain *e, const struct message_desc *m, int16_t version,
			struct slice bytes, size_t base, size_t *used, struct err *err)
{
	struct wire_scan s;
	struct scan_item item;
	char path[EXPLAIN_VALUE_MAX];
	int rc;

	if (!message_has_version(m, version))
		return err_set(err, E_UNSUPPORTED, "%s: version %d is not known", m->name, version);
	wire_scan_init(&s, m, version, bytes.len);
	while ((rc = wire_scan_next(&s, bytes.data + s.pos, bytes.len - s.pos, &item)) > 0)
		explain_item(e, &s, &item, base);
	if (used)
		*used = s.pos;
	if (rc < 0)
		return err_set(err, rc, "%s v%d: %s at byte %zu: %s", m->name, version,
			       wire_scan_path(&s, path, sizeof(path)), base + s.pos, err_text(rc));
	return 0;
}

int explain_message(const struct message_desc *m, int16_t version, struct slice bytes, size_t base,
		    explain_fn line, void *ctx, size_t *used, struct err *err)
{
	struct explain e = {line, ctx};

	return explain_walk(&e, m, version, bytes, base, used, err);
}

/* Size, header, body, what is left. */
static int explain_frame(struct explain *e, struct slice frame, const struct message_desc *header,
			 int16_t header_version, const struct message_desc *body, int16_t version,
			 struct err *err)
{
	size_t pos = FRAME_SIZE_BYTES, used = 0;
	struct slice rest;
	int rc;

	explain_emit(e, 0, frame.data, FRAME_SIZE_BYTES, "(size)", "%" PRIu32, be32(frame.data));
	rest = (struct slice){NULL, frame.data + pos, frame.len - pos};
	rc = explain_walk(e, header, header_version, rest, pos, &used, err);
	if (rc < 0)
		return rc;
	pos += used;
	rest = (struct slice){NULL, frame.data + pos, frame.len - pos};
	rc = explain_walk(e, body, version, rest, pos, &used, err);
	pos += used;
	if (pos < frame.len)
		explain_emit(e, pos, frame.data + pos, frame.len - pos, "",
			     rc < 0 ? "not understood: %zu bytes" : "left over: %zu bytes",
			     frame.len - pos);
	return rc;
}

int explain_request(struct slice frame, explain_fn line, void *ctx, struct err *err)
{
	struct explain e = {line, ctx};
	const struct api *api;
	int16_t version;

	if (frame.len < FRAME_SIZE_BYTES + 4)
		return err_set(err, E_SHORT, "a request has at least 8 bytes");
	api = api_by_key((int16_t)be16(frame.data + FRAME_SIZE_BYTES));
	version = (int16_t)be16(frame.data + FRAME_SIZE_BYTES + 2);
	if (!api)
		return err_set(err, E_UNSUPPORTED, "there is no API %d",
			       (int16_t)be16(frame.data + FRAME_SIZE_BYTES));
	return explain_frame(&e, frame, &request_header_desc,
			     api_request_header_version(api, version), api->request, version, err);
}

int explain_response(const struct api *api, int16_t version, struct slice frame, explain_fn line,
		     void *ctx, struct err *err)
{
	struct explain e = {line, ctx};

	if (frame.len < FRAME_SIZE_BYTES + 4)
		return err_set(err, E_SHORT, "a response has at least 8 bytes");
	return explain_frame(&e, frame, &response_header_desc,
			     api_response_header_version(api, version), api->response, version,
			     err);
}
