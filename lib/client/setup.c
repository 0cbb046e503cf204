/* The first requests of a connection: ApiVersions, then SASL if it is wanted. An older broker
 * answers an ApiVersions it does not have with the range it has; then once more, lower. */
#define SAY_PLACE "client/setup"
#include "client/client_int.h"

#include "base/mem.h"
#include "base/say.h"

#include <stdio.h>

static void setup_versions(struct link *l);
static void setup_handshake(struct link *l);
static void setup_token(struct link *l, struct slice server);

static void setup_fail(struct link *l, int rc, const char *text)
{
	struct err err = {0};

	err_set(&err, rc, "%s:%d: %s", l->node->host, l->node->port, text);
	link_fail(l, rc, &err);
}

static void setup_send(struct link *l, int16_t api_key, int16_t version, const void *body)
{
	struct err err = {0};
	struct pending *p;

	l->setup_api = api_by_key(api_key);
	l->setup_version = version;
	p = link_send(l, l->setup_api, version, body, &err);
	if (!p) {
		setup_fail(l, err.code, err_message(&err));
		return;
	}
	conn_send(&l->lc->conn, &p->frame);
}

void setup_start(struct link *l)
{
	l->state = LINK_SETUP;
	l->sasl_until_ms = 0;
	setup_versions(l);
}

void setup_fini(struct link *l)
{
	sasl_client_free(l->sasl);
	l->sasl = NULL;
	l->setup_api = NULL;
}

static void setup_versions(struct link *l)
{
	struct client *c = l->client;
	struct api_versions_request request;
	int16_t version = c->versions_version;

	WIRE_INIT(api_versions_request, &request);
	request.client_software_name = STR_LIT("kavka");
	request.client_software_version = str_of(KAVKA_VERSION);
	if (version >= 5 && l->node->id >= 0 && c->meta.cluster_id &&
	    client_config_bool(c->cfg, CC_METADATA_CLUSTER_CHECK_ENABLE)) {
		request.cluster_id = str_of(c->meta.cluster_id);
		request.node_id = l->node->id;
	}
	setup_send(l, API_API_VERSIONS, version, &request);
}

static void setup_versions_lower(struct link *l, const struct api_versions_response *r)
{
	struct client *c = l->client;
	int16_t version = 0;

	for (int32_t i = 0; i < r->api_keys_count; i++)
		if (r->api_keys[i].api_key == API_API_VERSIONS)
			version = MIN(r->api_keys[i].max_version, l->setup_version - 1);
	if (l->setup_version == 0 || version < 0) {
		setup_fail(l, E_UNSUPPORTED, "the broker supports no version of ApiVersions that "
					     "we know");
		return;
	}
	c->versions_version = version;
	setup_versions(l);
}

static void setup_versions_done(struct link *l, const struct api_versions_response *r)
{
	struct client *c = l->client;

	if (r->error_code == KERR_UNSUPPORTED_VERSION) {
		setup_versions_lower(l, r);
		return;
	}
	if (r->error_code == KERR_REBOOTSTRAP_REQUIRED) {
		setup_fail(l, E_CLOSED, "this broker belongs to another cluster by now");
		meta_forget_nodes(c);
		return;
	}
	if (r->error_code) {
		setup_fail(l, E_MALFORMED, kafka_error_text(r->error_code));
		return;
	}
	for (int i = 0; i < API_KEYS_MAX; i++)
		l->versions[i] = (struct version_range){0, -1};
	for (int32_t i = 0; i < r->api_keys_count; i++) {
		int16_t key = r->api_keys[i].api_key;

		if (key >= 0 && key < API_KEYS_MAX)
			l->versions[key] = (struct version_range){r->api_keys[i].min_version,
								  r->api_keys[i].max_version};
	}
	if (c->use_sasl)
		setup_handshake(l);
	else
		link_ready(l);
}

/* ---- SASL ------------------------------------------------------------------------------------ */

static void setup_handshake(struct link *l)
{
	struct client *c = l->client;
	struct sasl_handshake_request request;

	if (l->versions[API_SASL_HANDSHAKE].max < 1 || l->versions[API_SASL_AUTHENTICATE].max < 0) {
		setup_fail(l, E_UNSUPPORTED, "the broker does not offer SASL on this listener");
		return;
	}
	WIRE_INIT(sasl_handshake_request, &request);
	request.mechanism = str_of(client_config_str(c->cfg, CC_SASL_MECHANISM));
	setup_send(l, API_SASL_HANDSHAKE, 1, &request);
}

static void setup_handshake_done(struct link *l, const struct sasl_handshake_response *r)
{
	struct client *c = l->client;
	const char *mechanism = client_config_str(c->cfg, CC_SASL_MECHANISM);
	struct err err = {0};
	int rc;

	if (r->error_code) {
		struct out text;

		out_init(&text, ERR_TEXT_MAX);
		out_printf(&text, "the broker does not offer SASL mechanism %s (it has:",
			   mechanism);
		for (int32_t i = 0; i < r->mechanisms_count; i++)
			out_printf(&text, " %.*s", STR(r->mechanisms[i]));
		out_text(&text, ")");
		out_byte(&text, '\0');
		setup_fail(l, E_AUTH, (char *)text.data);
		out_fini(&text);
		return;
	}
	rc = sasl_client_new(&l->sasl, mechanism, c->sasl_user, c->sasl_password, c->sasl_is_token,
			     &err);
	if (rc < 0)
		setup_fail(l, rc, err.text);
	else
		setup_token(l, SLICE_NULL);
}

/* Makes the next token from the server's and sends it. */
static void setup_token(struct link *l, struct slice server)
{
	struct sasl_authenticate_request request;
	struct err err = {0};
	struct out token;
	int rc;

	out_init(&token, 1 << 20);
	rc = sasl_client_step(l->sasl, server, &token, &err);
	if (rc < 0) {
		setup_fail(l, rc, err_message(&err));
	} else if (sasl_client_is_done(l->sasl)) {
		setup_fini(l);
		link_ready(l);
	} else {
		WIRE_INIT(sasl_authenticate_request, &request);
		request.auth_bytes = (struct slice){NULL, token.data, token.len};
		setup_send(l, API_SASL_AUTHENTICATE,
			   MIN(l->versions[API_SASL_AUTHENTICATE].max, (int16_t)2), &request);
	}
	out_fini(&token);
}

static void setup_authenticate_done(struct link *l, const struct sasl_authenticate_response *r)
{
	struct client *c = l->client;

	if (r->error_code) {
		char text[512];

		snprintf(text, sizeof(text), "%.*s",
			 STR(r->error_message.len ? r->error_message
						  : str_of(kafka_error_text(r->error_code))));
		setup_fail(l, E_AUTH, text);
		return;
	}
	/* A tenth before the end, and never all connections at once. */
	if (r->session_lifetime_ms > 0)
		l->sasl_until_ms = client_now(c) + r->session_lifetime_ms * 85 / 100 +
				   (int64_t)rng_below(&c->rng,
						      (uint64_t)r->session_lifetime_ms / 10 + 1);
	setup_token(l, r->auth_bytes);
}

static void setup_strange(struct link *l, const struct err *why)
{
	char text[ERR_TEXT_MAX / 2];

	snprintf(text, sizeof(text), "the answer is not a Kafka broker's (%s)", err_message(why));
	setup_fail(l, E_MALFORMED, text);
}

/* ---- Answers --------------------------------------------------------------------------------- */

void setup_frame(struct link *l, struct slice frame)
{
	const struct api *api = l->setup_api;
	int16_t version = l->setup_version;
	struct arena arena;
	struct err err = {0};
	int32_t correlation_id;
	void *body;
	int rc;

	l->setup_api = NULL;
	if (!api) {
		slice_unref(&frame);
		setup_fail(l, E_MALFORMED, "an answer to nothing that was asked");
		return;
	}
	arena_init(&arena);
	rc = response_decode(api, &version, frame, &arena, &correlation_id, &body, &err);
	if (rc < 0)
		setup_strange(l, &err);
	else if (api->key == API_API_VERSIONS)
		setup_versions_done(l, body);
	else if (api->key == API_SASL_HANDSHAKE)
		setup_handshake_done(l, body);
	else
		setup_authenticate_done(l, body);
	arena_fini(&arena);
	slice_unref(&frame);
}

/* ---- What was learned ------------------------------------------------------------------------ */

static const struct link *setup_ready_link(struct client *c, int32_t node_id)
{
	struct node *n;

	if (node_id >= 0) {
		n = meta_node(c, node_id);
		return n && n->links[LANE_MAIN] && n->links[LANE_MAIN]->state == LINK_READY
			       ? n->links[LANE_MAIN]
			       : NULL;
	}
	LIST_FOREACH(&c->node_list, n, struct node, list_node)
		for (int i = 0; i < LANE_COUNT; i++)
			if (n->links[i] && n->links[i]->state == LINK_READY)
				return n->links[i];
	for (unsigned i = 0; i < c->bootstrap_count; i++)
		if (c->bootstrap[i]->links[LANE_MAIN] &&
		    c->bootstrap[i]->links[LANE_MAIN]->state == LINK_READY)
			return c->bootstrap[i]->links[LANE_MAIN];
	return NULL;
}

int client_api_version(struct client *c, int32_t node_id, int16_t api_key)
{
	const struct link *l = setup_ready_link(c, node_id);
	const struct api *api = api_by_key(api_key);

	if (!l || !api || api_key >= API_KEYS_MAX || l->versions[api_key].max < api->min_version ||
	    l->versions[api_key].min > api_max_stable(api))
		return -1;
	return MIN(l->versions[api_key].max, api_max_stable(api));
}

int client_api_versions(struct client *c, int32_t node_id, struct arena *arena,
			struct api_versions_response **out, struct err *err)
{
	struct api_versions_request *request = WIRE_NEW(arena, api_versions_request);

	request->client_software_name = STR_LIT("kavka");
	request->client_software_version = STR_LIT(KAVKA_VERSION);
	return client_call(c, node_id < 0 ? TO_ANY : TO_NODE(node_id), API_API_VERSIONS, request,
			   arena, (void **)out, NULL, err);
}
