/* Headers and frames: int32 size, header, body.
 *
 * Server:	request_header_decode(), api_has_version(), request_body_decode(), then
 *		response_encode().
 * Client:	request_encode(), then response_decode() with what was asked. */
#ifndef KAVKA_WIRE_HEADER_H
#define KAVKA_WIRE_HEADER_H

#include "wire/api.h"
#include "wire/codec.h"

#define FRAME_SIZE_BYTES 4	/* the int32 in front of every frame */

/* Reads the header of a request; `frame` begins after the size. `*api` and `*used` (bytes of the
 * header) are set on success. The version may be one that the API does not have: the caller looks
 * with api_has_version() and answers (ApiVersions) or hangs up (all others).
 * The client id borrows the frame.
 * Returns 0, E_SHORT, E_MALFORMED, E_TOO_LARGE, or E_UNSUPPORTED (no such API). */
MUST_USE int request_header_decode(struct slice frame, struct request_header *header,
				   const struct api **api, size_t *used, struct err *err);

/* Header and body of a request at once; gives the body in `arena`. Bytes after the body are let
 * pass, as Kafka does. */
MUST_USE int request_decode(struct slice frame, struct arena *arena, struct request_header *header,
			    const struct api **api, void **body, struct err *err);

/* Appends size, header and body of a request. `client_id` may be null. `parts` as in
 * message_encode(); the size counts them. Out's bytes before are left alone, and are restored when
 * it fails. Errors: message_encode()'s. */
MUST_USE int request_encode(const struct api *api, int16_t version, int32_t correlation_id,
			    struct str client_id, const void *body, struct out *out,
			    struct wire_parts *parts, struct err *err);

/* The same for a response. */
MUST_USE int response_encode(const struct api *api, int16_t version, int32_t correlation_id,
			     const void *body, struct out *out, struct wire_parts *parts,
			     struct err *err);

/* Reads the correlation id of a response: its first four bytes. Returns 0 or E_SHORT. */
MUST_USE int response_correlation_id(struct slice frame, int32_t *correlation_id);

/* Reads header and body of a response to a request of `api` at `version`; gives the body in
 * `arena`. `frame` begins after the size. An ApiVersions response that is not what was asked for
 * is read once more as version 0 (what a broker sends that lacks the version); `*version` says
 * which it was. Bytes after the body are let pass. Errors: message_decode()'s. */
MUST_USE int response_decode(const struct api *api, int16_t *version, struct slice frame,
			     struct arena *arena, int32_t *correlation_id, void **body,
			     struct err *err);

#endif
