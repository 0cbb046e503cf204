/* Who can be reached. Commands must not keep people waiting for what will not come, nor give up on
 * a broker that is only slow:
 *
 * - No address of bootstrap.servers lets us in: after unreachable_ms calls fail, and the message
 *   names each address with its reason. A connection that is still being made gets a quarter more.
 * - An address lets us in and is silent: that is said, and waited for as long as
 *   socket.connection.setup.timeout.ms and request.timeout.ms allow.
 * - One address is late: the next one is tried beside it, and whoever answers first is asked.
 * - bootstrap.servers answer, but nothing that they advertise does: the brokers' listeners are set
 *   up for other clients. Calls to these brokers fail after unreachable_ms, and say so.
 *
 * Once a broker was reached, calls go on until their own deadlines: brokers come back. */
#define SAY_PLACE "client"
#include "client/client_int.h"

#include "base/say.h"

#include <errno.h>
#include <stdio.h>

/* An address that has not answered for so long is not waited for alone. */
#define REACH_LATE_MS 800

static void reach_unreachable(struct client_timer *t);
static void reach_late(struct client_timer *t);
static void reach_astray(struct client_timer *t);

void reach_init(struct client *c)
{
	c->unreachable_timer.fire = reach_unreachable;
	c->late_timer.fire = reach_late;
	c->astray_timer.fire = reach_astray;
}

/* ---- What is tried ------------------------------------------------------------------------- */

void reach_begin(struct client *c)
{
	if (c->is_connected || c->trying_ms)
		return;
	c->trying_ms = client_now(c);
	c->is_slow_told = false;
	if (c->unreachable_ms > 0)
		client_timer_start(c, &c->unreachable_timer, c->unreachable_ms);
	if (c->bootstrap_count > 1)
		client_timer_start(c, &c->late_timer, REACH_LATE_MS);
}

void reach_begin_node(struct client *c, const struct node *n)
{
	if (n->id < 0 || c->is_routed || c->unreachable_ms <= 0 ||
	    heap_linked(&c->astray_timer.node))
		return;
	c->astray_ms = client_now(c);
	client_timer_start(c, &c->astray_timer, c->unreachable_ms);
}

void reach_connected(struct client *c, struct node *n)
{
	if (n->id < 0)
		return;
	n->was_reached = true;
	c->is_routed = true;
	c->is_astray = false;
	client_timer_stop(c, &c->astray_timer);
}

/* Only an answer to a request counts: a broker that wants SASL hangs up after ApiVersions. */
void reach_answered(struct client *c)
{
	c->is_connected = true;
	c->trying_ms = 0;
	client_timer_stop(c, &c->unreachable_timer);
	client_timer_stop(c, &c->late_timer);
}

/* Calls for any broker that wait for a connection which does not come look again. */
static void reach_requeue(struct client *c)
{
	for (unsigned i = 0; i < c->bootstrap_count; i++) {
		struct link *l = c->bootstrap[i]->links[LANE_MAIN];
		struct list_node queue, *node;

		if (!l || l->state == LINK_READY || l->state == LINK_DOWN)
			continue;
		l->is_late = true;
		list_init(&queue);
		while ((node = list_pop_front(&l->queue)))
			list_push_back(&queue, node);
		while ((node = list_pop_front(&queue))) {
			struct call *call = LIST_ENTRY(node, struct call, link);

			if (call->target.kind == TARGET_ANY)
				call_unqueue(call);
			else
				list_push_back(&l->queue, node);
		}
	}
	call_route_all(c);
}

static void reach_late(struct client_timer *t)
{
	struct client *c = CONTAINER_OF(t, struct client, late_timer);

	if (c->is_connected)
		return;
	reach_requeue(c);
	client_timer_start(c, t, REACH_LATE_MS);
}

void reach_ready(struct client *c)
{
	if (!c->is_connected && c->bootstrap_count > 1)
		reach_requeue(c);
}

/* ---- Why not ------------------------------------------------------------------------------- */

/* What may be wrong, as a question; NULL if the reason says enough. */
static const char *reach_hint(const struct link *l)
{
	if (l->state == LINK_SETUP)
		return NULL;
	switch (l->err.code ? l->err.code : E_TIMEOUT) {
	case -ECONNREFUSED:
		return "is a broker running there? see kavka help broker";
	case UV_EAI_NONAME:
	case UV_EAI_NODATA:
		return "is the name right?";
	case UV_EAI_AGAIN:
		return "is the name server reachable?";
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		return "a firewall in between, or the wrong address?";
	case E_TIMEOUT:
		return l->state == LINK_RESOLVING ? "is the name server reachable?"
						  : "a firewall in between, or the wrong address?";
	default:
		return NULL;
	}
}

static void reach_add(const struct node *n, struct out *text, const char **hint)
{
	const struct link *l = NULL;
	char address[300];

	for (int i = 0; i < LANE_COUNT && !l; i++)
		if (n->links[i] && (n->links[i]->err.text[0] || n->links[i]->state != LINK_DOWN))
			l = n->links[i];
	if (!l)
		return;
	if (text->len > 0)
		out_text(text, "; ");
	if (n->id >= 0)
		out_printf(text, "broker %d: ", n->id);
	if (l->err.text[0] && l->state != LINK_SETUP) {
		out_text(text, l->err.text);
	} else {
		link_address(l, address, sizeof(address));
		out_printf(text, "%s: %s", address, link_waits_for(l));
	}
	if (!*hint)
		*hint = reach_hint(l);
}

int client_unreachable(struct client *c, struct err *err)
{
	const char *hint = NULL;
	struct out text;
	struct node *n;

	out_init(&text, ERR_TEXT_MAX);
	MAP_FOREACH(&c->nodes, n, struct node, map_node)
		reach_add(n, &text, &hint);
	for (unsigned i = 0; i < c->bootstrap_count; i++)
		reach_add(c->bootstrap[i], &text, &hint);
	if (hint)
		out_printf(&text, " (%s)", hint);
	err_set(err, E_UNREACHABLE, "%.*s", (int)text.len, text.len ? (char *)text.data : "");
	if (!text.len)
		err_set(err, E_UNREACHABLE, "no broker could be reached");
	out_fini(&text);
	return E_UNREACHABLE;
}

/* Fails what waits for a broker; connections that are still being made are given up. */
static void reach_give_up(struct client *c)
{
	struct err err = {0};

	c->trying_ms = 0;
	client_unreachable(c, &err);
	for (unsigned i = 0; i < c->bootstrap_count; i++) {
		struct link *l = c->bootstrap[i]->links[LANE_MAIN];

		if (l && l->state != LINK_DOWN)
			link_fail(l, E_UNREACHABLE, &err);
	}
	call_fail_all(c, E_UNREACHABLE, &err);
}

/* One line while somebody who was connected to takes his time. */
static void reach_tell_slow(struct client *c, const struct link *l)
{
	char address[300];

	if (c->is_slow_told)
		return;
	c->is_slow_told = true;
	link_address(l, address, sizeof(address));
	say_warn("%s: connected, but there is no answer yet; waiting (is it a Kafka broker?)",
		 address);
}

static void reach_unreachable(struct client_timer *t)
{
	struct client *c = CONTAINER_OF(t, struct client, unreachable_timer);
	int64_t spent_ms = client_now(c) - c->trying_ms;
	int64_t setup_ms = client_config_int(c->cfg, CC_SOCKET_CONNECTION_SETUP_TIMEOUT_MS);
	const struct link *slow = NULL;
	bool is_busy = false;

	if (c->is_connected)
		return;
	for (unsigned i = 0; i < c->bootstrap_count; i++) {
		const struct link *l = c->bootstrap[i]->links[LANE_MAIN];

		if (!l || l->state == LINK_DOWN)
			continue;
		is_busy = true;
		if ((l->state == LINK_READY && l->in_flight_count > 0) ||
		    (l->state == LINK_SETUP && spent_ms < setup_ms))
			slow = l;
	}
	if (slow && spent_ms >= c->unreachable_ms * 5 / 4)
		reach_tell_slow(c, slow);
	if (slow || (is_busy && spent_ms < c->unreachable_ms * 5 / 4))
		client_timer_start(c, t, c->unreachable_ms / 4);
	else
		reach_give_up(c);
}

void reach_refused(struct client *c, int rc, const struct err *err)
{
	struct err all = *err;

	if (c->is_connected)
		return;
	/* The others would refuse the same password. */
	for (unsigned i = 0; rc != E_AUTH && i < c->bootstrap_count; i++) {
		const struct link *l = c->bootstrap[i]->links[LANE_MAIN];

		if (!l || l->state != LINK_DOWN || !link_is_fatal(l->err.code))
			return;
	}
	if (rc == E_MALFORMED)
		rc = client_unreachable(c, &all);
	call_fail_all(c, rc, &all);
}

/* ---- What brokers advertise ---------------------------------------------------------------- */

static void reach_astray_text(struct client *c, struct err *err)
{
	const char *hint = NULL;
	const struct node *b = c->bootstrap[0];
	struct node *n;
	struct out text;

	for (unsigned i = 0; i < c->bootstrap_count; i++)
		if (c->bootstrap[i]->links[LANE_MAIN] &&
		    c->bootstrap[i]->links[LANE_MAIN]->state == LINK_READY)
			b = c->bootstrap[i];
	out_init(&text, ERR_TEXT_MAX / 2);
	LIST_FOREACH(&c->node_list, n, struct node, list_node)
		reach_add(n, &text, &hint);
	err_set(err, E_UNREACHABLE,
		"%s:%d answers, but what the brokers advertise cannot be reached from here: %.*s "
		"(check advertised.listeners of the brokers)",
		b->host, b->port, (int)text.len, text.len ? (char *)text.data : "");
	out_fini(&text);
}

bool reach_is_astray(struct client *c, struct err *err)
{
	if (!c->is_astray)
		return false;
	reach_astray_text(c, err);
	return true;
}

void reach_failed(struct client *c, struct node *n, const struct err *err)
{
	int64_t now = client_now(c);

	if (n->id < 0 || n->was_reached || n->is_told || c->is_freeing || c->unreachable_ms <= 0)
		return;
	if (!n->failing_ms)
		n->failing_ms = now;
	if (!c->is_routed || now - n->failing_ms < c->unreachable_ms)
		return;
	n->is_told = true;
	say_warn("broker %d cannot be reached where it says that it is: %s (check its "
		 "advertised.listeners); trying on", n->id, err->text);
}

static void reach_astray(struct client_timer *t)
{
	struct client *c = CONTAINER_OF(t, struct client, astray_timer);
	struct err err = {0};
	struct node *n;
	bool is_busy = false;

	if (c->is_routed)
		return;
	LIST_FOREACH(&c->node_list, n, struct node, list_node)
		for (int i = 0; i < LANE_COUNT; i++)
			is_busy |= n->links[i] && n->links[i]->state != LINK_DOWN;
	if (is_busy && client_now(c) - c->astray_ms < c->unreachable_ms * 5 / 4) {
		client_timer_start(c, t, c->unreachable_ms / 4);
		return;
	}
	c->is_astray = true;
	reach_astray_text(c, &err);
	LIST_FOREACH(&c->node_list, n, struct node, list_node)
		for (int i = 0; i < LANE_COUNT; i++)
			if (n->links[i] && n->links[i]->state != LINK_DOWN)
				link_fail(n->links[i], E_UNREACHABLE, &err);
	call_fail_routed(c, E_UNREACHABLE, &err);
	/* A consumer's poll tells errors of metadata. */
	c->meta.err = err;
}
