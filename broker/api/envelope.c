/* Envelope: a client's request that another broker passes on to the active controller. What is in
 * it is carried out as if the client had sent it here, and its answer goes back as bytes.
 *
 * An answer that says NOT_CONTROLLER anywhere is not given: the sender is told so instead, and asks
 * whoever is the controller now.
 * Source: server/.../EnvelopeUtils.java, network/Request.java */
#include "api/handlers.h"
#include "base/limits.h"
#include "base/say.h"
#include "controller/control.h"
#include "wire/header.h"

#include <arpa/inet.h>

#define SAY_PLACE "broker/api"

struct letter {
	struct request inner;
	struct request *outer;
};

static bool is_no_controller(const struct request *inner)
{
	const struct message_desc *m = inner->api->response;

	if (control_response_has_error(m, inner->response, KERR_NOT_CONTROLLER))
		return true;
	/* A change of the voters may be done by a leader that ends before it can say so: whoever
	 * asked for that is to know. */
	return inner->api->key == API_DESCRIBE_QUORUM &&
	       control_response_has_error(m, inner->response, KERR_NOT_LEADER_OR_FOLLOWER);
}

static void letter_encode(struct letter *l)
{
	struct envelope_response *response = l->outer->response;
	struct request *inner = &l->inner;
	struct err err = {0};
	struct out out;

	out_init(&out, MESSAGE_BYTES_MAX);
	if (response_encode(inner->api, inner->version, inner->correlation_id, inner->response,
			    &out, NULL, &err) < 0) {
		say_error("response to %s v%d in an envelope cannot be written: %s",
			  inner->api->name, inner->version, err_message(&err));
		response->error_code = KERR_UNKNOWN_SERVER_ERROR;
	} else {
		response->response_data.len = out.len - FRAME_SIZE_BYTES;
		response->response_data.data = arena_memdup(
			&l->outer->arena, out.data + FRAME_SIZE_BYTES, out.len - FRAME_SIZE_BYTES);
	}
	out_fini(&out);
}

static void letter_finished(struct request *inner)
{
	struct letter *l = CONTAINER_OF(inner, struct letter, inner);
	struct envelope_response *response = l->outer->response;

	if (inner->no_response || inner->close_after)
		response->error_code = KERR_UNKNOWN_SERVER_ERROR;
	else if (is_no_controller(inner))
		response->error_code = KERR_NOT_CONTROLLER;
	else
		letter_encode(l);
	request_release_kept(inner);
	arena_absorb(&l->outer->arena, &inner->arena);
	request_done(l->outer);
}

/* ---- What is in the envelope ----------------------------------------------------------------- */

/* "User:alice" out of a DefaultPrincipalData behind its version; NULL if it is none. */
static const char *principal_decode(struct arena *arena, struct slice bytes)
{
	struct default_principal_data data;
	struct err err;

	if (!bytes.data || bytes.len < 2 || bytes.data[0] != 0 || bytes.data[1] != 0)
		return NULL;
	bytes.data += 2;
	bytes.len -= 2;
	if (message_decode(&default_principal_data_desc, 0, bytes, NULL, arena, &data, &err) < 0)
		return NULL;
	return arena_printf(arena, "%.*s:%.*s", STR(data.type), STR(data.name));
}

/* "/127.0.0.1"; NULL if it is no address. */
static const char *host_decode(struct arena *arena, struct slice bytes)
{
	char text[INET6_ADDRSTRLEN];

	if (bytes.len != 4 && bytes.len != 16)
		return NULL;
	if (!inet_ntop(bytes.len == 4 ? AF_INET : AF_INET6, bytes.data, text, sizeof(text)))
		return NULL;
	return arena_printf(arena, bytes.len == 4 ? "/%s" : "/[%s]", text);
}

static enum kafka_error letter_open(struct letter *l)
{
	const struct envelope_request *envelope = l->outer->body;
	struct request *inner = &l->inner;
	struct request_header header;
	struct err err = {0};
	size_t used;

	inner->frame = envelope->request_data;
	inner->principal = principal_decode(&inner->arena, envelope->request_principal);
	if (!inner->principal)
		return KERR_PRINCIPAL_DESERIALIZATION_FAILURE;
	inner->client_host = host_decode(&inner->arena, envelope->client_host_address);
	if (!inner->client_host)
		return KERR_INVALID_REQUEST;
	if (request_header_decode(inner->frame, &header, &inner->api, &used, &err) < 0)
		return KERR_UNSUPPORTED_VERSION;
	if (!inner->api->is_forwardable || !api_handler_of(inner->api, inner->listener_type))
		return KERR_INVALID_REQUEST;
	inner->version = header.request_api_version;
	inner->correlation_id = header.correlation_id;
	inner->client_id = str_is_null(header.client_id) ? STR_LIT("") : header.client_id;
	if (!api_has_version(inner->api, inner->version))
		return KERR_UNSUPPORTED_VERSION;
	inner->body = message_new(inner->api->request, &inner->arena);
	if (message_decode(inner->api->request, inner->version,
			   (struct slice){inner->frame.buf, inner->frame.data + used,
					  inner->frame.len - used},
			   &used, &inner->arena, inner->body, &err) < 0)
		return KERR_UNSUPPORTED_VERSION;
	inner->response = message_new(inner->api->response, &inner->arena);
	return KERR_NONE;
}

void handle_envelope(struct request *r)
{
	struct envelope_response *response = r->response;
	struct letter *l = arena_zalloc(&r->arena, sizeof(*l));
	enum kafka_error error;

	l->outer = r;
	arena_init(&l->inner.arena);
	l->inner.shard = r->shard;
	l->inner.listener = r->listener;
	l->inner.listener_type = r->listener_type;
	l->inner.pending_count = 1;
	l->inner.received_us = r->received_us;
	l->inner.finished = letter_finished;
	error = letter_open(l);
	if (error) {
		response->error_code = (int16_t)error;
		arena_absorb(&r->arena, &l->inner.arena);
	} else {
		request_hold(r);
		api_handler_of(l->inner.api, l->inner.listener_type)(&l->inner);
	}
	request_done(r);
}
