/* Bytes and what they mean: --hex and --decode. */
#include "cmd/api/api_int.h"
#include "cmd/json_out.h"
#include "cmd/print.h"

#include "base/env.h"
#include "base/mem.h"
#include "wire/explain.h"
#include "wire/header.h"
#include "wire/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEX_ROW_BYTES 8
#define HEX_WIDTH (HEX_ROW_BYTES * 3 - 1)
/* Of one field; the rest is counted. */
#define HEX_FIELD_BYTES_MAX 256
#define DECODE_FILE_BYTES_MAX (256 * 1024 * 1024)

struct hex_line {
	struct explain_line line; /* texts in the arena */
};

struct hex {
	struct run *run;
	struct hex_line *lines;
	size_t count, cap;
	unsigned field_width;
};

static void hex_add(void *ctx, const struct explain_line *line)
{
	struct hex *h = ctx;
	struct hex_line *to;

	if (h->count == h->cap) {
		h->cap = MAX(h->cap * 2, (size_t)64);
		h->lines = xrealloc(h->lines, h->cap * sizeof(*h->lines));
	}
	to = &h->lines[h->count++];
	to->line = *line;
	to->line.field = arena_strdup(&h->run->arena, line->field);
	to->line.value = arena_strdup(&h->run->arena, line->value);
	h->field_width = MAX(h->field_width, (unsigned)strlen(line->field));
}

static void hex_row(const struct explain_line *l, size_t from, unsigned field_width)
{
	size_t n = l->bytes ? MIN(l->len - from, (size_t)HEX_ROW_BYTES) : 0;
	const char *dim = tone_on(TONE_DIM), *off = tone_off();

	if (l->bytes)
		print_text("%s%06zx%s  ", dim, l->pos + from, off);
	else
		print_text("%6s  ", "");
	for (size_t i = 0; i < n; i++)
		print_text(i ? " %02x" : "%02x", l->bytes[from + i]);
	if (from == 0)
		print_text("%*s  %s%-*s%s  %s", (int)(HEX_WIDTH - (n ? n * 3 - 1 : 0)), "",
			   tone_on(TONE_CYAN), (int)field_width, l->field, off, l->value);
	print_byte('\n');
}

static void hex_text(const struct hex *h)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct explain_line *l = &h->lines[i].line;
		size_t shown = l->bytes ? MIN(l->len, (size_t)HEX_FIELD_BYTES_MAX) : 0;

		hex_row(l, 0, h->field_width);
		for (size_t at = HEX_ROW_BYTES; at < shown; at += HEX_ROW_BYTES)
			hex_row(l, at, h->field_width);
		if (l->bytes && shown < l->len)
			print_text("        ... %zu more bytes\n", l->len - shown);
	}
}

static void hex_json(const struct hex *h, const char *title)
{
	for (size_t i = 0; i < h->count; i++) {
		const struct explain_line *l = &h->lines[i].line;
		struct json_out j = {0};
		char *bytes = xmalloc(l->len * 2 + 1);

		bytes[0] = '\0';
		for (size_t at = 0; l->bytes && at < l->len; at++)
			snprintf(bytes + at * 2, 3, "%02x", l->bytes[at]);
		json_out_open(&j, NULL, '{');
		json_out_text(&j, "message", title);
		if (l->bytes)
			json_out_int(&j, "offset", (int64_t)l->pos);
		else
			json_out_null(&j, "offset");
		json_out_int(&j, "length", (int64_t)l->len);
		json_out_text(&j, "bytes", l->bytes ? bytes : NULL);
		json_out_text(&j, "field", l->field);
		json_out_text(&j, "value", l->value);
		json_out_close(&j, '}');
		print_byte('\n');
		free(bytes);
	}
}

int api_hex_print(struct run *run, const char *title, const struct api *response_of,
		  int16_t version, struct slice frame, enum output_format format, struct err *err)
{
	struct hex h = {.run = run};
	int rc = response_of ? explain_response(response_of, version, frame, hex_add, &h, err)
			     : explain_request(frame, hex_add, &h, err);

	if (format == OUTPUT_JSON) {
		hex_json(&h, title);
	} else {
		print_text("%s%s, %zu bytes%s\n", tone_on(TONE_BOLD), title, frame.len, tone_off());
		hex_text(&h);
	}
	free(h.lines);
	return rc;
}

/* ---- --decode ----------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Hexadecimal digits with blanks, ':' or line ends between them; false: something else. */
static bool hex_parse(const char *text, size_t len, struct out *out)
{
	int high = -1;

	out_reset(out);
	if (len > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		text += 2, len -= 2;
	for (size_t i = 0; i < len; i++) {
		int digit = hex_digit(text[i]);

		if (digit < 0) {
			if (!isspace((unsigned char)text[i]) && text[i] != ':')
				return false;
		} else if (high < 0) {
			high = digit;
		} else {
			out_byte(out, (uint8_t)(high << 4 | digit));
			high = -1;
		}
	}
	return high < 0 && out->len > 0;
}

/* The bytes that were given: in hex, or in a file as they are or in hex. */
static int decode_bytes(const char *given, struct out *out, struct err *err)
{
	struct env env;
	char *data;
	size_t len;
	int rc;

	if (hex_parse(given, strlen(given), out))
		return 0;
	env_posix_init(&env);
	rc = env_read_file(&env, strcmp(given, "-") == 0 ? "/dev/stdin" : given,
			   DECODE_FILE_BYTES_MAX, &data, &len);
	if (rc < 0)
		return err_sys(err, rc, "--decode: neither hexadecimal nor a file: %.200s", given);
	if (!hex_parse(data, len, out)) {
		out_reset(out);
		out_bytes(out, data, len);
	}
	free(data);
	return 0;
}

/* A frame with its size, whether it was captured with or without. */
static struct slice decode_frame(struct run *run, const struct out *bytes)
{
	uint8_t *frame;

	if (bytes->len > FRAME_SIZE_BYTES && be32(bytes->data) == bytes->len - FRAME_SIZE_BYTES)
		return (struct slice){NULL, arena_memdup(&run->arena, bytes->data, bytes->len),
				      bytes->len};
	frame = arena_alloc(&run->arena, bytes->len + FRAME_SIZE_BYTES);
	put_be32(frame, (uint32_t)bytes->len);
	memcpy(frame + FRAME_SIZE_BYTES, bytes->data, bytes->len);
	return (struct slice){NULL, frame, bytes->len + FRAME_SIZE_BYTES};
}

static int decode_body(struct run *run, const struct message_desc *m, int16_t version, void *body,
		       json_t *header, enum output_format format, struct err *err)
{
	json_t *json = json_object(), *part;

	(void)run;
	json_object_set_new(json, "header", header);
	part = message_to_json(m, version, body, WIRE_JSON_BATCHES, err);
	if (!part) {
		json_decref(json);
		return err->code;
	}
	json_object_set_new(json, "body", part);
	api_print_json(json, format);
	return 0;
}

static int decode_request(struct run *run, struct slice frame, enum output_format format,
			  struct err *err)
{
	struct slice inner = {NULL, frame.data + FRAME_SIZE_BYTES, frame.len - FRAME_SIZE_BYTES};
	struct request_header header;
	const struct api *api;
	json_t *json;
	void *body;
	int rc = request_decode(inner, &run->arena, &header, &api, &body, err);

	if (rc < 0)
		return rc;
	json = json_object();
	json_object_set_new(json, "api", json_string(api->name));
	json_object_set_new(json, "requestApiKey", json_integer(header.request_api_key));
	json_object_set_new(json, "requestApiVersion", json_integer(header.request_api_version));
	json_object_set_new(json, "correlationId", json_integer(header.correlation_id));
	json_object_set_new(json, "clientId",
			    header.client_id.data
				    ? json_stringn(header.client_id.data, header.client_id.len)
				    : json_null());
	return decode_body(run, api->request, header.request_api_version, body, json, format, err);
}

static int decode_response(struct run *run, const struct api *api, int16_t version,
			   struct slice frame, enum output_format format, struct err *err)
{
	struct slice inner = {NULL, frame.data + FRAME_SIZE_BYTES, frame.len - FRAME_SIZE_BYTES};
	int32_t correlation_id;
	json_t *json;
	void *body;
	int rc = response_decode(api, &version, inner, &run->arena, &correlation_id, &body, err);

	if (rc < 0)
		return rc;
	json = json_object();
	json_object_set_new(json, "api", json_string(api->name));
	json_object_set_new(json, "version", json_integer(version));
	json_object_set_new(json, "correlationId", json_integer(correlation_id));
	return decode_body(run, api->response, version, body, json, format, err);
}

int api_decode(struct run *run, const struct api_args *args, const struct api *api,
	       enum output_format format, struct err *err)
{
	struct out bytes;
	struct slice frame;
	int16_t version = 0;
	int rc;

	if (args->response && (!api || args->version == VERSION_NOT_GIVEN))
		return err_set(err, E_USAGE,
			       "a response does not say what it answers: name the "
			       "request and its --version");
	if (args->response) {
		rc = api_version_of(args, api, 0, &version, err);
		if (rc < 0)
			return rc;
	}
	out_init(&bytes, DECODE_FILE_BYTES_MAX);
	rc = decode_bytes(args->decode, &bytes, err);
	frame = rc == 0 ? decode_frame(run, &bytes) : SLICE_NULL;
	out_fini(&bytes);
	if (rc < 0)
		return rc;
	if (args->hex)
		return api_hex_print(run, args->response ? "response" : "request",
				     args->response ? api : NULL, version, frame, format, err);
	if (args->response)
		return decode_response(run, api, version, frame, format, err);
	return decode_request(run, frame, format, err);
}
