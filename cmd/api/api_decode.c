/* Bytes that were captured elsewhere: --decode. */
#include "cmd/api/api_int.h"
#include "cmd/hex_dump.h"

#include "base/env.h"
#include "base/mem.h"
#include "wire/header.h"
#include "wire/json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DECODE_FILE_BYTES_MAX (256 * 1024 * 1024)

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
		return hex_dump_frame(&run->arena, args->response ? "response" : "request",
				      args->response ? api : NULL, version, frame,
				      format == OUTPUT_JSON, err);
	if (args->response)
		return decode_response(run, api, version, frame, format, err);
	return decode_request(run, frame, format, err);
}
