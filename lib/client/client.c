#define SAY_PLACE "client"
#include "client/client_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/say.h"

#include <stdio.h>
#include <strings.h>

static void client_uv_timer(uv_timer_t *timer);
static void client_sweep(struct client_timer *t);
static void client_bury(struct client_timer *t);

static bool client_is_abandoned;

bool client_has_left(void)
{
	return client_is_abandoned;
}

/* ---- Making ---------------------------------------------------------------------------------- */

/* One "host:port" or "[v6]:port" into a bootstrap node; a "SCHEME://" in front is let pass. */
static int client_add_bootstrap(struct client *c, const char *text, struct err *err)
{
	const char *scheme = strstr(text, "://");
	const char *host = scheme ? scheme + 3 : text;
	const char *colon = strrchr(host, ':');
	size_t host_len;
	char *end;
	long port;

	if (!colon || colon == host)
		return err_set(err, E_INVALID, "bootstrap.servers: '%s': expected HOST:PORT", text);
	port = strtol(colon + 1, &end, 10);
	if (*end || end == colon + 1 || port < 1 || port > 65535)
		return err_set(err, E_INVALID, "bootstrap.servers: '%s': no valid port", text);
	host_len = (size_t)(colon - host);
	if (host[0] == '[' && host_len > 2 && host[host_len - 1] == ']') {
		host++;
		host_len -= 2;
	} else if (memchr(host, ':', host_len)) {
		return err_set(err, E_INVALID,
			       "bootstrap.servers: '%s': write an IPv6 address as [ADDRESS]:PORT",
			       text);
	}
	c->bootstrap = xreallocarray(c->bootstrap, c->bootstrap_count + 1,
				     sizeof(*c->bootstrap));
	c->bootstrap[c->bootstrap_count] =
		node_new(c, -1 - (int32_t)c->bootstrap_count, (struct str){host, host_len},
			 (int32_t)port, STR_NULL);
	c->bootstrap_count++;
	return 0;
}

static int client_bootstrap(struct client *c, struct err *err)
{
	const char *list = client_config_str(c->cfg, CC_BOOTSTRAP_SERVERS);
	char *copy, *at, *word;
	int rc = 0;

	if (!list) {
		list = client_config_str(c->cfg, CC_BOOTSTRAP_CONTROLLERS);
		c->is_controllers = list != NULL;
	}
	if (!list)
		return err_set(err, E_INVALID, "bootstrap.servers is not set");
	copy = at = xstrdup(list);
	while (rc == 0 && (word = strsep(&at, ", \t")))
		if (*word)
			rc = client_add_bootstrap(c, word, err);
	free(copy);
	if (rc == 0 && c->bootstrap_count == 0)
		rc = err_set(err, E_INVALID, "bootstrap.servers is empty");
	/* Several clients begin at several brokers. */
	if (c->bootstrap_count > 1)
		c->bootstrap_at = (unsigned)rng_below(&c->rng, c->bootstrap_count);
	return rc;
}

int client_tls_context(const struct client_config *cfg, struct tls_context **out, struct err *err)
{
	const char *check = client_config_str(cfg, CC_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM);
	struct tls_options o = {
		.keystore_type = client_config_str(cfg, CC_SSL_KEYSTORE_TYPE),
		.keystore_location = client_config_str(cfg, CC_SSL_KEYSTORE_LOCATION),
		.keystore_password = client_config_str(cfg, CC_SSL_KEYSTORE_PASSWORD),
		.keystore_key = client_config_str(cfg, CC_SSL_KEYSTORE_KEY),
		.keystore_certificate_chain =
			client_config_str(cfg, CC_SSL_KEYSTORE_CERTIFICATE_CHAIN),
		.key_password = client_config_str(cfg, CC_SSL_KEY_PASSWORD),
		.truststore_type = client_config_str(cfg, CC_SSL_TRUSTSTORE_TYPE),
		.truststore_location = client_config_str(cfg, CC_SSL_TRUSTSTORE_LOCATION),
		.truststore_password = client_config_str(cfg, CC_SSL_TRUSTSTORE_PASSWORD),
		.truststore_certificates = client_config_str(cfg, CC_SSL_TRUSTSTORE_CERTIFICATES),
		.protocol = client_config_str(cfg, CC_SSL_PROTOCOL),
		.enabled_protocols = client_config_str(cfg, CC_SSL_ENABLED_PROTOCOLS),
		.cipher_suites = client_config_str(cfg, CC_SSL_CIPHER_SUITES),
		.verify_host = check && strcasecmp(check, "https") == 0,
	};

	return tls_context_new(out, &o, err);
}

static int client_security(struct client *c, struct err *err)
{
	const char *protocol = client_config_str(c->cfg, CC_SECURITY_PROTOCOL);
	const char *module;
	int rc = 0;

	c->use_sasl = strncasecmp(protocol, "SASL", 4) == 0;
	c->use_tls = strcasecmp(protocol, "SSL") == 0 || strcasecmp(protocol, "SASL_SSL") == 0;
	if (c->use_sasl)
		rc = jaas_parse(client_config_str(c->cfg, CC_SASL_JAAS_CONFIG), &c->arena, &module,
				&c->sasl_user, &c->sasl_password, &c->sasl_is_token, err);
	if (rc == 0 && c->use_sasl && (!c->sasl_user || !c->sasl_password))
		rc = err_set(err, E_INVALID, "sasl.jaas.config has no username or password");
	if (rc == 0 && c->use_tls)
		rc = client_tls_context(c->cfg, &c->tls, err);
	return rc;
}

static void client_loop_init(struct client *c, const struct client_options *options)
{
	int rc;

	c->loop = options && options->loop ? options->loop : &c->own_loop;
	if (c->loop == &c->own_loop) {
		rc = uv_loop_init(c->loop);
		assert(rc == 0);
	}
	uv_timer_init(c->loop, &c->uv_timer);
	c->uv_timer.data = c;
	c->handle_count = 1;
	uv_update_time(c->loop);
}

/* What Java's first client of its kind calls itself. */
static char *client_default_id(const struct client_config *cfg)
{
	const char *group = client_config_str(cfg, CC_GROUP_ID);
	const char *instance = client_config_str(cfg, CC_GROUP_INSTANCE_ID);

	switch (client_config_role(cfg)) {
	case CLIENT_PRODUCER:
		return xstrdup("producer-1");
	case CLIENT_CONSUMER:
		return xasprintf("consumer-%s-%s", group ? group : "null",
				 instance ? instance : "1");
	case CLIENT_ADMIN:
		break;
	}
	return xstrdup("adminclient-1");
}

int client_new(struct client **out, struct client_config *cfg,
	       const struct client_options *options, struct err *err)
{
	const char *id = client_config_str(cfg, CC_CLIENT_ID);
	struct client *c;
	uint64_t seed;
	int rc = client_config_check(cfg, err);

	if (rc < 0)
		return rc;
	c = xcalloc(1, sizeof(*c));
	c->cfg = cfg;
	arena_init(&c->arena);
	rng_system(&seed, sizeof(seed));
	rng_init(&c->rng, seed);
	list_init(&c->watchers);
	list_init(&c->node_list);
	list_init(&c->graveyard);
	list_init(&c->waiting);
	list_init(&c->failed);
	map_init(&c->nodes);
	map_init(&c->coordinators);
	heap_init(&c->timers);
	heap_init(&c->deadlines);
	heap_init(&c->wakes);
	if ((!id || !*id) && options)
		id = options->name;
	c->client_id = id && *id ? xstrdup(id) : client_default_id(cfg);
	c->unreachable_ms = options && options->unreachable_ms ? options->unreachable_ms
							       : CLIENT_UNREACHABLE_MS;
	reach_init(c);
	c->sweep_timer.fire = client_sweep;
	c->bury_timer.fire = client_bury;
	c->versions_version = api_max_stable(api_by_key(API_API_VERSIONS));
	client_loop_init(c, options);
	meta_init(c);
	rc = client_bootstrap(c, err);
	if (rc == 0)
		rc = client_security(c, err);
	if (rc < 0) {
		client_free(c);
		return rc;
	}
	client_timer_start(c, &c->sweep_timer, CLIENT_SWEEP_MS);
	*out = c;
	return 0;
}

static void client_timer_closed(uv_handle_t *handle)
{
	client_handle_gone(handle->data);
}

void client_handle_gone(struct client *c)
{
	assert(c->handle_count > 0);
	c->handle_count--;
}

void client_free(struct client *c)
{
	struct err err = {0};
	struct node *n;

	if (!c)
		return;
	c->is_freeing = true;
	err_set(&err, E_INTERRUPTED, "the client was closed");
	MAP_FOREACH(&c->nodes, n, struct node, map_node)
		for (int i = 0; i < LANE_COUNT; i++)
			if (n->links[i])
				link_fail(n->links[i], E_INTERRUPTED, &err);
	for (unsigned i = 0; i < c->bootstrap_count; i++)
		for (int j = 0; j < LANE_COUNT; j++)
			if (c->bootstrap[i]->links[j])
				link_fail(c->bootstrap[i]->links[j], E_INTERRUPTED, &err);
	call_fail_all(c, E_INTERRUPTED, &err);
	coord_fini(c);
	meta_fini(c);
	client_bury(&c->bury_timer);
	MAP_FOREACH(&c->nodes, n, struct node, map_node)
	{
		map_remove(&c->nodes, &n->map_node);
		list_remove(&n->list_node);
		node_free(n);
	}
	for (unsigned i = 0; i < c->bootstrap_count; i++)
		node_free(c->bootstrap[i]);
	uv_close((uv_handle_t *)&c->uv_timer, client_timer_closed);
	while (c->handle_count > (c->loop == &c->own_loop ? c->lookup_count : 0))
		uv_run(c->loop, UV_RUN_ONCE);
	if (c->handle_count > 0)
		uv_run(c->loop, UV_RUN_NOWAIT);		/* lookups that had not begun */
	if (c->handle_count > 0) {
		/* The system's lookup of a name cannot be ended, and may take half a minute. */
		client_is_abandoned = true;
		return;
	}
	if (c->loop == &c->own_loop) {
		uv_run(c->loop, UV_RUN_DEFAULT);
		uv_loop_close(c->loop);
	}
	tls_context_unref(c->tls);
	map_fini(&c->nodes);
	map_fini(&c->coordinators);
	heap_fini(&c->timers);
	heap_fini(&c->deadlines);
	heap_fini(&c->wakes);
	arena_fini(&c->arena);
	free(c->bootstrap);
	free(c->brokers);
	free(c->client_id);
	free(c);
}

uv_loop_t *client_loop(struct client *c)
{
	return c->loop;
}

struct client_config *client_config_of(struct client *c)
{
	return c->cfg;
}

/* ---- Timers ---------------------------------------------------------------------------------- */

int64_t client_now(struct client *c)
{
	(void)c;
	return clock_mono_ms();
}

void client_timer_start(struct client *c, struct client_timer *t, int64_t delay_ms)
{
	assert(t->fire);
	heap_remove(&c->timers, &t->node);
	heap_push(&c->timers, &t->node, client_now(c) + delay_ms);
	client_update_timer(c);
}

void client_timer_stop(struct client *c, struct client_timer *t)
{
	heap_remove(&c->timers, &t->node);
}

/* Sets libuv's one timer to the earliest of ours. */
void client_update_timer(struct client *c)
{
	const struct heap *heaps[] = {&c->timers, &c->deadlines, &c->wakes};
	int64_t when = INT64_MAX, now;

	if (c->is_freeing)
		return;
	for (size_t i = 0; i < ARRAY_LEN(heaps); i++) {
		struct heap_node *top = heap_top(heaps[i]);

		if (top && top->when < when)
			when = top->when;
	}
	if (when == INT64_MAX) {
		uv_timer_stop(&c->uv_timer);
		return;
	}
	now = client_now(c);
	/* libuv counts from the time its loop last looked at. */
	uv_update_time(c->loop);
	uv_timer_start(&c->uv_timer, client_uv_timer, when > now ? (uint64_t)(when - now) : 0, 0);
}

static void client_uv_timer(uv_timer_t *timer)
{
	struct client *c = timer->data;
	int64_t now = client_now(c);
	/* Timers started meanwhile wait for the next turn. */
	size_t budget = c->timers.count;
	struct heap_node *top;

	while (budget-- > 0 && (top = heap_top(&c->timers)) && top->when <= now) {
		struct client_timer *t = CONTAINER_OF(top, struct client_timer, node);

		heap_remove(&c->timers, top);
		t->fire(t);
	}
	while ((top = heap_top(&c->wakes)) && top->when <= now) {
		heap_remove(&c->wakes, top);
		call_wake(CONTAINER_OF(top, struct call, wake));
	}
	while ((top = heap_top(&c->deadlines)) && top->when <= now) {
		heap_remove(&c->deadlines, top);
		call_deadline(CONTAINER_OF(top, struct call, deadline));
	}
	client_update_timer(c);
}

int64_t client_backoff_ms(struct client *c, unsigned attempt)
{
	int64_t base = client_config_int(c->cfg, CC_RETRY_BACKOFF_MS);
	int64_t max = client_config_int(c->cfg, CC_RETRY_BACKOFF_MAX_MS);
	int64_t ms = base;

	if (base > max)
		max = base;
	for (unsigned i = 1; i < attempt && ms < max; i++)
		ms *= 2;
	ms = MIN(ms, max);
	/* A fifth more or less. */
	return ms * 4 / 5 + (int64_t)rng_below(&c->rng, (uint64_t)(ms * 2 / 5) + 1);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

struct wait {
	struct client_timer timer;
	bool is_over;
};

static void wait_fire(struct client_timer *t)
{
	CONTAINER_OF(t, struct wait, timer)->is_over = true;
}

int client_wait(struct client *c, bool (*done)(void *ctx), void *ctx, int64_t timeout_ms)
{
	struct wait wait = {.timer.fire = wait_fire};
	int rc = 0;

	if (timeout_ms >= 0)
		client_timer_start(c, &wait.timer, timeout_ms);
	while (rc == 0 && !done(ctx)) {
		if (c->is_interrupted)
			rc = E_INTERRUPTED;
		else if (wait.is_over)
			rc = E_TIMEOUT;
		else
			uv_run(c->loop, UV_RUN_ONCE);
	}
	client_timer_stop(c, &wait.timer);
	if (rc == E_INTERRUPTED)
		c->is_interrupted = false;
	return rc;
}

void client_interrupt(struct client *c)
{
	c->is_interrupted = true;
	uv_stop(c->loop);
}

/* ---- From time to time ----------------------------------------------------------------------- */

static void client_sweep(struct client_timer *t)
{
	struct client *c = CONTAINER_OF(t, struct client, sweep_timer);
	int64_t idle_ms = client_config_int(c->cfg, CC_CONNECTIONS_MAX_IDLE_MS);
	int64_t max_age = client_config_int(c->cfg, CC_METADATA_MAX_AGE_MS);
	int64_t now = client_now(c);
	struct node *n;

	MAP_FOREACH(&c->nodes, n, struct node, map_node)
		for (int i = 0; i < LANE_COUNT; i++)
			if (n->links[i])
				link_close_idle(n->links[i], now, idle_ms);
	if (c->meta.is_known && now - c->meta.updated_ms >= max_age)
		client_refresh(c);
	client_timer_start(c, t, CLIENT_SWEEP_MS);
}

/* Nodes that went away are freed outside of the callbacks of their links. */
static void client_bury(struct client_timer *t)
{
	struct client *c = CONTAINER_OF(t, struct client, bury_timer);
	struct list_node *node;

	while ((node = list_pop_front(&c->graveyard)))
		node_free(LIST_ENTRY(node, struct node, list_node));
}

void client_watch(struct client *c, struct client_watcher *w)
{
	list_push_back(&c->watchers, &w->link);
}

void client_unwatch(struct client_watcher *w)
{
	list_remove(&w->link);
}
