/* The other nodes: who votes, how each is reached, and what is under way to it. */
#include "base/fault.h"
#include "base/mem.h"
#include "raft/raft_int.h"

/* ---- The voters ------------------------------------------------------------------------------ */

bool raft_is_self(const struct raft *r, const struct voters_record_voter *v)
{
	return v->voter_id == r->options.node_id &&
	       (uuid_is_zero(v->voter_directory_id) ||
		uuid_eq(v->voter_directory_id, r->options.directory_id));
}

size_t raft_majority(const struct raft *r)
{
	return (size_t)r->voters->voters_count / 2 + 1;
}

bool raft_is_alone(const struct raft *r)
{
	return r->is_voter && r->peer_count == 0;
}

bool raft_may_stand(const struct raft *r)
{
	return r->is_voter || (r->was_voter && r->voters_offset >= r->high_watermark);
}

/* The endpoint of this node's own controller listener, or else the first one. */
static const struct voters_record_endpoint *endpoint_of(const struct raft *r,
							const struct voters_record_voter *v)
{
	for (int32_t i = 0; i < v->endpoints_count; i++) {
		if (str_eq(v->endpoints[i].name, r->endpoint_name))
			return &v->endpoints[i];
	}
	return v->endpoints_count ? &v->endpoints[0] : NULL;
}

static void peer_init(struct raft *r, struct raft_peer *peer, const struct voters_record_voter *v)
{
	const struct voters_record_endpoint *e = endpoint_of(r, v);
	struct raft_peer *old = raft_peer_find(r, v->voter_id, v->voter_directory_id);

	*peer = (struct raft_peer){.end_offset = -1,
				   .last_fetch_us = INT64_MIN,
				   .last_fetch_ms = -1,
				   .last_caught_up_ms = -1};
	if (old)
		*peer = *old;
	for (size_t i = 0; !old && i < r->observer_count; i++) {
		const struct raft_observer *o = &r->observers[i];

		if (o->node_id != v->voter_id || !uuid_eq(o->directory_id, v->voter_directory_id))
			continue;
		peer->end_offset = o->end_offset;
		peer->last_fetch_ms = o->last_fetch_ms;
		peer->last_caught_up_ms = o->last_caught_up_ms;
		peer->last_fetch_end = o->last_fetch_end;
	}
	peer->link.node_id = v->voter_id;
	peer->link.host = e ? e->host : STR_NULL;
	peer->link.port = e ? e->port : 0;
	peer->directory_id = v->voter_directory_id;
}

void raft_set_voters(struct raft *r, const struct voters_record *voters, int64_t offset)
{
	struct arena oldest = r->old_voters_arena;
	struct raft_peer *peers;
	size_t count = 0;

	/* `voters` may be what one of the arenas holds */
	r->old_voters_arena = r->voters_arena;
	r->old_voters = r->voters;
	arena_init(&r->voters_arena);
	r->voters = message_copy(&voters_record_desc, &r->voters_arena, voters);
	r->voters_offset = offset;
	r->was_voter = r->is_voter;
	r->is_voter = false;
	peers = xcalloc((size_t)r->voters->voters_count + 1, sizeof(*peers));
	for (int32_t i = 0; i < r->voters->voters_count; i++) {
		if (raft_is_self(r, &r->voters->voters[i]))
			r->is_voter = true;
		else
			peer_init(r, &peers[count++], &r->voters->voters[i]);
	}
	free(r->peers);
	r->peers = peers;
	r->peer_count = count;
	for (size_t i = 0; i < r->observer_count;) {
		const struct raft_observer *o = &r->observers[i];

		if (raft_peer_find(r, o->node_id, o->directory_id))
			r->observers[i] = r->observers[--r->observer_count];
		else
			i++;
	}
	arena_fini(&oldest);
}

static bool key_fits(struct uuid a, struct uuid b)
{
	return uuid_is_zero(a) || uuid_is_zero(b) || uuid_eq(a, b);
}

struct raft_peer *raft_peer_find(struct raft *r, int32_t node_id, struct uuid directory_id)
{
	for (size_t i = 0; i < r->peer_count; i++) {
		if (r->peers[i].link.node_id == node_id &&
		    key_fits(r->peers[i].directory_id, directory_id))
			return &r->peers[i];
	}
	return NULL;
}

bool raft_voter_address(const struct raft *r, int32_t node_id, struct str *host, uint16_t *port)
{
	for (size_t i = 0; i < r->peer_count; i++) {
		const struct raft_link *link = &r->peers[i].link;

		if (link->node_id != node_id || str_is_null(link->host))
			continue;
		*host = link->host;
		*port = link->port;
		return true;
	}
	return false;
}

/* ---- Links ----------------------------------------------------------------------------------- */

static int64_t link_ready_us(const struct raft *r, const struct raft_link *link)
{
	if (link->request_id && FAULT(request_never_late))
		return INT64_MAX;
	if (link->request_id)
		return link->sent_us + r->options.request_timeout_ms * 1000;
	return link->ready_us;
}

bool raft_link_is_ready(const struct raft *r, const struct raft_link *link)
{
	return r->options.send && !str_is_null(link->host) &&
	       raft_now_us(r) >= link_ready_us(r, link);
}

void raft_link_send(struct raft *r, struct raft_link *link, enum api_key api, const void *body)
{
	struct raft_request request = {
		.id = ++r->last_request_id,
		.node_id = link->node_id,
		.host = link->host,
		.port = link->port,
		.api = api,
		.body = body,
	};

	link->request_id = request.id;
	link->api = api;
	link->sent_us = raft_now_us(r);
	r->options.send(r->options.ctx, &request);
}

void raft_link_back_off(struct raft *r, struct raft_link *link)
{
	link->ready_us = raft_now_us(r) + r->options.retry_backoff_ms * 1000;
}

static void link_reset(struct raft_link *link)
{
	link->request_id = 0;
	link->ready_us = 0;
}

void raft_links_reset(struct raft *r)
{
	for (size_t i = 0; i < r->peer_count; i++)
		link_reset(&r->peers[i].link);
	for (size_t i = 0; i < r->bootstrap_count; i++)
		link_reset(&r->bootstrap[i]);
	link_reset(&r->leader);
	link_reset(&r->change.probe);
}

struct raft_link *raft_link_of(struct raft *r, uint64_t id)
{
	if (id == 0)
		return NULL;
	for (size_t i = 0; i < r->peer_count; i++) {
		if (r->peers[i].link.request_id == id)
			return &r->peers[i].link;
	}
	for (size_t i = 0; i < r->bootstrap_count; i++) {
		if (r->bootstrap[i].request_id == id)
			return &r->bootstrap[i];
	}
	if (r->change.probe.request_id == id)
		return &r->change.probe;
	return r->leader.request_id == id ? &r->leader : NULL;
}

struct raft_peer *raft_peer_of(struct raft *r, const struct raft_link *link)
{
	for (size_t i = 0; i < r->peer_count; i++) {
		if (&r->peers[i].link == link)
			return &r->peers[i];
	}
	return NULL;
}

/* Who of the peers is to be asked or told something in this role. */
static bool peer_wants_request(const struct raft *r, const struct raft_peer *peer)
{
	switch (r->role) {
	case RAFT_PROSPECTIVE:
	case RAFT_CANDIDATE: return peer->ballot == BALLOT_OPEN;
	case RAFT_RESIGNED: return !peer->has_ended;
	default: return false;
	}
}

/* When raft_follow() has something to send. */
static int64_t follow_deadline_us(const struct raft *r)
{
	int64_t deadline_us = INT64_MAX;

	if (r->durable_end < log_end_offset(r->log) && !FAULT(fetch_before_flush))
		return INT64_MAX; /* the flush's end will tell */
	if (r->role == RAFT_FOLLOWER) {
		deadline_us = link_ready_us(r, &r->leader);
		if (r->leader.request_id)
			return deadline_us;
	}
	/* one at a time: as long as an answer may come nobody else is asked */
	for (size_t i = 0; i < r->bootstrap_count; i++) {
		const struct raft_link *link = &r->bootstrap[i];

		if (link->request_id && link_ready_us(r, link) > raft_now_us(r))
			return MIN(deadline_us, link_ready_us(r, link));
	}
	for (size_t i = 0; i < r->bootstrap_count; i++)
		deadline_us = MIN(deadline_us, link_ready_us(r, &r->bootstrap[i]));
	return deadline_us;
}

int64_t raft_links_deadline_us(const struct raft *r)
{
	int64_t deadline_us = INT64_MAX;

	if (!r->options.send)
		return deadline_us;
	for (size_t i = 0; i < r->peer_count; i++) {
		if (peer_wants_request(r, &r->peers[i]) && !str_is_null(r->peers[i].link.host))
			deadline_us = MIN(deadline_us, link_ready_us(r, &r->peers[i].link));
	}
	if (r->role == RAFT_LEADER && r->change.api)
		deadline_us = MIN(deadline_us, r->change.deadline_us);
	if (r->role == RAFT_LEADER)
		return MIN(deadline_us, r->begin_us);
	if (r->role == RAFT_FOLLOWER || r->role == RAFT_UNATTACHED)
		return MIN(deadline_us, follow_deadline_us(r));
	return deadline_us;
}
