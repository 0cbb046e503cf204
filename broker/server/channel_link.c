/* The connection of a channel: looking up the name, connecting, TLS, ApiVersions, and the wait
 * before it is tried again. */
#include "server/channel_int.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/say.h"
#include "config/config.h"
#include "server/listener_tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <strings.h>

#define SAY_PLACE "broker/channel"

static void link_connect(struct channel *c);
static void link_setup_expired(struct timer *timer, struct shard *on);
static void link_retry(struct timer *timer, struct shard *on);

/* ---- The end of an attempt ------------------------------------------------------------------- */

void channel_link_close(struct channel *c)
{
	struct channel_conn *cc = c->cc;

	if (c->lookup) {
		c->lookup->channel = NULL;
		uv_cancel((uv_req_t *)&c->lookup->req);
		c->lookup = NULL;
	}
	if (!cc)
		return;
	c->cc = NULL;
	cc->channel = NULL;
	conn_close(&cc->conn);
}

void channel_link_fail(struct channel *c, int rc, const struct err *err)
{
	bool was_idle =
		c->state == CHANNEL_READY && list_empty(&c->in_flight) && list_empty(&c->failed);
	int64_t backoff_ms = CHANNEL_BACKOFF_MS;

	say_debug("%s:%d: %s", c->host, c->port, err_message(err));
	if (c->state == CHANNEL_READY)
		c->fail_count = 0;
	c->state = CHANNEL_DOWN;
	c->feature_count = 0;
	shard_timer_stop(&c->shard->shard, &c->setup_timer);
	channel_link_close(c);
	for (unsigned i = 0; i < c->fail_count && backoff_ms < CHANNEL_BACKOFF_MAX_MS; i++)
		backoff_ms *= 2;
	c->fail_count++;
	channel_fail_all(c, rc, err);
	/* The other node may close what nobody uses: that says nothing about the next attempt. */
	if (was_idle)
		return;
	c->retry_timer.fire = link_retry;
	shard_timer_start(&c->shard->shard, &c->retry_timer,
			  MIN(backoff_ms, CHANNEL_BACKOFF_MAX_MS));
}

static void link_retry(struct timer *timer, struct shard *on UNUSED)
{
	struct channel *c = CONTAINER_OF(timer, struct channel, retry_timer);

	if (!list_empty(&c->queue))
		channel_link_start(c);
}

/* ---- The connection's callbacks -------------------------------------------------------------- */

static struct channel *link_channel(struct conn *conn)
{
	struct channel_conn *cc = conn->owner;

	return cc->channel ? CAST(channel, cc->channel, CHANNEL_MAGIC) : NULL;
}

/* Asks for ApiVersions, in the version that the other node is known to have. */
static void link_ask_versions(struct channel *c)
{
	struct api_versions_request request;
	struct err err = {0};
	int rc;

	WIRE_INIT(api_versions_request, &request);
	request.client_software_name = STR_LIT("kavka");
	request.client_software_version = STR_LIT(KAVKA_VERSION);
	rc = channel_send_own(c, API_API_VERSIONS, c->setup_version, &request, &err);
	if (rc < 0)
		channel_link_fail(c, rc, &err);
}

static int64_t link_setup_ms(const struct channel *c)
{
	const struct config *config = c->shard->shard.config;
	int64_t ms = config_i64(config, CONFIG_SOCKET_CONNECTION_SETUP_TIMEOUT_MS);
	int64_t max_ms = config_i64(config, CONFIG_SOCKET_CONNECTION_SETUP_TIMEOUT_MAX_MS);

	for (unsigned i = 0; i < c->fail_count && ms < max_ms; i++)
		ms *= 2;
	return MAX(MIN(ms, max_ms), 1);
}

static void link_connected(struct conn *conn)
{
	struct channel *c = link_channel(conn);

	if (!c)
		return;
	c->state = CHANNEL_SETUP;
	shard_timer_start(&c->shard->shard, &c->setup_timer, link_setup_ms(c));
	link_ask_versions(c);
}

static void link_frame(struct conn *conn, struct slice frame)
{
	struct channel *c = link_channel(conn);

	if (c)
		channel_answered(c, frame);
	else
		slice_unref(&frame);
}

static void link_closed(struct conn *conn, int rc, const struct err *why)
{
	struct channel *c = link_channel(conn);
	struct err err = {0};

	if (!c)
		return;
	if (c->state == CHANNEL_CONNECTING && rc != E_AUTH &&
	    c->address_at + 1 < c->address_count) {
		c->address_at++;
		channel_link_close(c);
		link_connect(c);
		return;
	}
	if (rc == 0)
		err_set(&err, E_CLOSED, "%s",
			c->state == CHANNEL_SETUP
				? "closed at the first request (is TLS wanted there, or not?)"
				: "closed by the other node");
	else
		err_set(&err, rc, "%s", err_message(why));
	channel_link_fail(c, err.code, &err);
}

static void link_freed(struct conn *conn)
{
	free(conn->owner);
}

static const struct conn_ops link_ops = {
	.connected = link_connected,
	.frame = link_frame,
	.closed = link_closed,
	.freed = link_freed,
};

/* What the listener asks for beside a plain connection. */
static int link_prepare(struct channel *c, struct err *err)
{
	switch (c->security_protocol) {
	case SECURITY_PLAINTEXT: return 0;
	case SECURITY_SSL:
		if (c->tls)
			return 0;
		return listener_tls_client(&c->tls, c->shard->shard.config, c->listener, err);
	default:
		return err_set(err, E_UNSUPPORTED, "listener %s: no SASL between nodes",
			       c->listener);
	}
}

/* ---- Connecting ------------------------------------------------------------------------------ */

static void link_add_address(struct channel *c, const struct sockaddr *address)
{
	size_t len = address->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						   : sizeof(struct sockaddr_in6);
	struct sockaddr_in *out = (struct sockaddr_in *)&c->addresses[c->address_count];

	if (c->address_count == CHANNEL_ADDRESSES_MAX ||
	    (address->sa_family != AF_INET && address->sa_family != AF_INET6))
		return;
	memcpy(out, address, len);
	/* The port is at the same place in both families. */
	out->sin_port = htons(c->port);
	c->address_count++;
}

/* Addresses that need no lookup: numbers, and "localhost" (RFC 6761). */
static bool link_known_address(struct channel *c)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, c->host, &in.sin_addr) == 1) {
		link_add_address(c, (struct sockaddr *)&in);
	} else if (inet_pton(AF_INET6, c->host, &in6.sin6_addr) == 1) {
		link_add_address(c, (struct sockaddr *)&in6);
	} else if (strcasecmp(c->host, "localhost") == 0) {
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		in6.sin6_addr = in6addr_loopback;
		link_add_address(c, (struct sockaddr *)&in);
		link_add_address(c, (struct sockaddr *)&in6);
	}
	return c->address_count > 0;
}

static void link_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
	struct channel_lookup *lookup = CONTAINER_OF(req, struct channel_lookup, req);
	struct channel *c = lookup->channel;
	struct err err = {0};

	free(lookup);
	if (!c) {
		uv_freeaddrinfo(list);
		return;
	}
	c->lookup = NULL;
	for (struct addrinfo *at = list; status == 0 && at; at = at->ai_next)
		link_add_address(c, at->ai_addr);
	uv_freeaddrinfo(list);
	if (status == 0 && c->address_count > 0) {
		link_connect(c);
		return;
	}
	err_set(&err, status < 0 ? status : E_UNREACHABLE, "%s",
		status == UV_EAI_NONAME ? "unknown host name"
		: status < 0            ? uv_strerror(status)
					: "the name has no address");
	channel_link_fail(c, err.code, &err);
}

static void link_resolve(struct channel *c)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	struct channel_lookup *lookup = xcalloc(1, sizeof(*lookup));
	struct err err = {0};
	int rc;

	lookup->channel = c;
	c->lookup = lookup;
	c->state = CHANNEL_RESOLVING;
	rc = uv_getaddrinfo(&c->shard->loop, &lookup->req, link_resolved, c->host, NULL, &hints);
	if (rc == 0)
		return;
	c->lookup = NULL;
	free(lookup);
	err_sys(&err, rc, "looking up the name");
	channel_link_fail(c, rc, &err);
}

void channel_link_start(struct channel *c)
{
	struct err err = {0};
	int rc;

	if (c->state != CHANNEL_DOWN || heap_linked(&c->retry_timer.node))
		return;
	rc = link_prepare(c, &err);
	if (rc < 0) {
		channel_link_fail(c, rc, &err);
		return;
	}
	c->address_count = c->address_at = 0;
	c->setup_timer.fire = link_setup_expired;
	shard_timer_start(&c->shard->shard, &c->setup_timer, link_setup_ms(c));
	if (link_known_address(c))
		link_connect(c);
	else
		link_resolve(c);
}

/* Tries the addresses from address_at on. */
static void link_connect(struct channel *c)
{
	struct err err = {0};
	int rc = E_UNREACHABLE;

	c->state = CHANNEL_CONNECTING;
	for (; c->address_at < c->address_count; c->address_at++) {
		struct channel_conn *cc = xcalloc(1, sizeof(*cc));

		cc->channel = c;
		cc->conn.owner = cc;
		cc->conn.frame_bytes_max = RESPONSE_FRAME_BYTES_MAX;
		rc = conn_connect(&cc->conn, &c->shard->loop, &link_ops,
				  (struct sockaddr *)&c->addresses[c->address_at], c->tls, c->host,
				  &err);
		if (rc == 0) {
			c->cc = cc;
			if (c->address_at + 1 < c->address_count)
				shard_timer_start(&c->shard->shard, &c->setup_timer,
						  MIN(CHANNEL_ADDRESS_MS, link_setup_ms(c)));
			return;
		}
		free(cc);
	}
	channel_link_fail(c, rc, &err);
}

static void link_setup_expired(struct timer *timer, struct shard *on UNUSED)
{
	struct channel *c = CONTAINER_OF(timer, struct channel, setup_timer);
	struct err err = {0};

	if (c->state == CHANNEL_CONNECTING && c->address_at + 1 < c->address_count) {
		c->address_at++;
		channel_link_close(c);
		shard_timer_start(&c->shard->shard, &c->setup_timer, link_setup_ms(c));
		link_connect(c);
		return;
	}
	err_set(&err, E_TIMEOUT, "%s",
		c->state == CHANNEL_SETUP ? "connected, but no answer in time (is it a Kafka node?)"
					  : "no connection in time");
	channel_link_fail(c, E_TIMEOUT, &err);
}

/* ---- ApiVersions ----------------------------------------------------------------------------- */

/* The other node is older: what it has of ApiVersions is in its answer. */
static void link_versions_lower(struct channel *c, const struct api_versions_response *m)
{
	int16_t version = c->setup_version == 0 ? -1 : 0;
	struct err err = {0};

	for (int32_t i = 0; i < m->api_keys_count; i++)
		if (m->api_keys[i].api_key == API_API_VERSIONS)
			version = MIN(m->api_keys[i].max_version, (int16_t)(c->setup_version - 1));
	if (version < 0) {
		err_set(&err, E_UNSUPPORTED, "the node has no version of ApiVersions that we know");
		channel_link_fail(c, E_UNSUPPORTED, &err);
		return;
	}
	c->setup_version = version;
	link_ask_versions(c);
}

static void link_keep_versions(struct channel *c, const struct api_versions_response *m)
{
	arena_reset(&c->known);
	for (unsigned i = 0; i < CHANNEL_APIS; i++) {
		c->versions[i].min = 0;
		c->versions[i].max = -1;
	}
	for (int32_t i = 0; i < m->api_keys_count; i++) {
		int16_t key = m->api_keys[i].api_key;

		if (key < 0 || key >= CHANNEL_APIS)
			continue;
		c->versions[key].min = m->api_keys[i].min_version;
		c->versions[key].max = m->api_keys[i].max_version;
	}
	c->feature_count = 0;
	for (int32_t i = 0;
	     i < m->supported_features_count && c->feature_count < CHANNEL_FEATURES_MAX; i++)
		c->features[c->feature_count++] = (struct channel_feature){
			.name = str_dup(&c->known, m->supported_features[i].name),
			.min = m->supported_features[i].min_version,
			.max = m->supported_features[i].max_version,
		};
}

void channel_link_versions(struct channel *c, const struct api_versions_response *m)
{
	struct err err = {0};

	if (m->error_code == KERR_UNSUPPORTED_VERSION) {
		link_versions_lower(c, m);
		return;
	}
	if (m->error_code) {
		err_set(&err, E_MALFORMED, "ApiVersions: %s",
			kafka_error_text((enum kafka_error)m->error_code));
		channel_link_fail(c, E_MALFORMED, &err);
		return;
	}
	link_keep_versions(c, m);
	shard_timer_stop(&c->shard->shard, &c->setup_timer);
	c->state = CHANNEL_READY;
	c->fail_count = 0;
	/* It may be a newer one next time. */
	c->setup_version = CHANNEL_VERSIONS_VERSION;
	channel_flush(c);
}
