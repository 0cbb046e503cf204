#include "wire/header.h"

/* Where the frame begins, so that a failed one leaves nothing behind. */
struct frame_start {
	size_t len;
	bool had_failed;
	size_t parts_count, parts_bytes;
};

static struct frame_start frame_begin(struct out *out, const struct wire_parts *parts)
{
	static const uint8_t no_size_yet[FRAME_SIZE_BYTES];
	struct frame_start start = {
		.len = out->len,
		.had_failed = out->failed,
		.parts_count = parts ? parts->count : 0,
		.parts_bytes = parts ? parts->bytes : 0,
	};

	out_bytes(out, no_size_yet, sizeof(no_size_yet));
	return start;
}

static int frame_end(const struct frame_start *start, int rc, struct out *out,
		     struct wire_parts *parts, struct err *err)
{
	size_t size = 0;

	if (rc == 0) {
		size = out->len - start->len - FRAME_SIZE_BYTES;
		size += parts ? parts->bytes - start->parts_bytes : 0;
		if (size > INT32_MAX)
			rc = err_set(err, E_TOO_LARGE, "a frame of %zu bytes is too large", size);
	}
	if (rc < 0) {
		out->len = start->len;
		out->failed = start->had_failed;
		if (parts) {
			parts->count = start->parts_count;
			parts->bytes = start->parts_bytes;
		}
		return rc;
	}
	put_be32(out->data + start->len, (uint32_t)size);
	return 0;
}

int request_header_decode(struct slice frame, struct request_header *header,
			  const struct api **api, size_t *used, struct err *err)
{
	struct arena none;
	int key, version, rc;

	if (frame.len < 4)
		return err_set(err, E_SHORT, "request header: ends too early");
	key = (int16_t)be16(frame.data);
	version = (int16_t)be16(frame.data + 2);
	*api = api_by_key(key);
	if (!*api)
		return err_set(err, E_UNSUPPORTED, "request header: there is no API %d", key);
	arena_init(&none);
	rc = message_decode(&request_header_desc, api_request_header_version(*api, version), frame,
			    used, &none, header, err);
	assert(!none.blocks);
	return rc;
}

int request_decode(struct slice frame, struct arena *arena, struct request_header *header,
		   const struct api **api, void **body, struct err *err)
{
	size_t used, body_used;
	int rc;

	rc = request_header_decode(frame, header, api, &used, err);
	if (rc < 0)
		return rc;
	frame.data += used;
	frame.len -= used;
	*body = arena_alloc(arena, (*api)->request->body->size);
	return message_decode((*api)->request, header->request_api_version, frame, &body_used,
			      arena, *body, err);
}

int request_encode(const struct api *api, int16_t version, int32_t correlation_id,
		   struct str client_id, const void *body, struct out *out,
		   struct wire_parts *parts, struct err *err)
{
	struct request_header header = {
		.request_api_key = api->key,
		.request_api_version = version,
		.correlation_id = correlation_id,
		.client_id = client_id,
	};
	struct frame_start start = frame_begin(out, parts);
	int rc;

	rc = message_encode(&request_header_desc, api_request_header_version(api, version), &header,
			    out, NULL, err);
	if (rc == 0)
		rc = message_encode(api->request, version, body, out, parts, err);
	return frame_end(&start, rc, out, parts, err);
}

int response_encode(const struct api *api, int16_t version, int32_t correlation_id,
		    const void *body, struct out *out, struct wire_parts *parts, struct err *err)
{
	struct response_header header = {.correlation_id = correlation_id};
	struct frame_start start = frame_begin(out, parts);
	int rc;

	rc = message_encode(&response_header_desc, api_response_header_version(api, version),
			    &header, out, NULL, err);
	if (rc == 0)
		rc = message_encode(api->response, version, body, out, parts, err);
	return frame_end(&start, rc, out, parts, err);
}

int response_correlation_id(struct slice frame, int32_t *correlation_id)
{
	if (frame.len < 4)
		return E_SHORT;
	*correlation_id = (int32_t)be32(frame.data);
	return 0;
}

int response_decode(const struct api *api, int16_t *version, struct slice frame,
		    struct arena *arena, int32_t *correlation_id, void **body, struct err *err)
{
	struct response_header header;
	struct slice rest = frame;
	size_t used;
	int rc;

	rc = message_decode(&response_header_desc, api_response_header_version(api, *version),
			    frame, &used, arena, &header, err);
	if (rc < 0)
		return rc;
	*correlation_id = header.correlation_id;
	rest.data += used;
	rest.len -= used;
	*body = arena_alloc(arena, api->response->body->size);
	rc = message_decode(api->response, *version, rest, &used, arena, *body, err);
	if (rc < 0 && api->key == API_API_VERSIONS && *version > 0 &&
	    message_decode(api->response, 0, rest, &used, arena, *body, NULL) == 0) {
		*version = 0;
		return 0;
	}
	return rc;
}
