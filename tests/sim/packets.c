/* Messages between nodes: encoded and decoded as on the wire, carried by the world. */
#include "sim/quorum.h"

#include "base/mem.h"
#include "base/say.h"
#include "wire/codec.h"

#include <inttypes.h>
#include <stdio.h>

#define SAY_PLACE "sim"

/* ---- Messages -------------------------------------------------------------------------------- */

struct packet {
	struct cluster *cluster;
	unsigned from, to;
	unsigned incarnation; /* of the asker */
	uint64_t id;
	const struct api *api;
	int16_t version;
	bool is_response;
	int rc; /* response: there is none, and why */
	struct slice bytes;
};

static void packet_free(void *ctx)
{
	struct packet *p = ctx;

	slice_unref(&p->bytes);
	free(p);
}

static void *packet_copy(const void *ctx)
{
	struct packet *p = xmemdup(ctx, sizeof(*p));

	p->bytes = slice_ref(p->bytes);
	return p;
}

static struct slice encode(struct cluster *c, const struct message_desc *desc, int16_t version,
			   const void *message, int *rc)
{
	struct out out;
	struct err err = {0};
	struct slice bytes = SLICE_NULL;

	out_init(&out, 64 * 1024 * 1024);
	*rc = message_encode(desc, version, message, &out, NULL, &err);
	if (*rc < 0 && *rc != E_UNSUPPORTED)
		fail(c, "%s: %s", desc->name, err.text);
	if (*rc == 0)
		bytes = slice_copy(out.data, out.len);
	out_fini(&out);
	return bytes;
}

static void response_arrives(void *ctx)
{
	struct packet *p = ctx;
	struct node *n = &p->cluster->node[p->to];
	struct arena arena;
	struct err err = {0};
	void *body;

	if (n->raft && p->incarnation == n->incarnation) {
		say_debug("%.3f %u <- %u: %s response %" PRIu64 " of %zu bytes: %s",
			  (double)world_now_us(&p->cluster->world) / 1e6, p->to + 1, p->from + 1,
			  p->api->name, p->id, p->bytes.len, err_text(p->rc));
		arena_init(&arena);
		body = message_new(p->api->response, &arena);
		if (p->rc == 0 && message_decode(p->api->response, p->version, p->bytes, NULL,
						 &arena, body, &err) < 0)
			fail(p->cluster, "%s: %s", p->api->name, err.text);
		raft_responded(n->raft, p->id, p->rc == 0 ? body : NULL, p->rc);
		arena_fini(&arena);
		node_look(n);
	}
	packet_free(p);
}

static struct inbound *inbound_make(struct node *n, struct packet *p)
{
	struct inbound *i = xcalloc(1, sizeof(*i));

	i->packet = p;
	i->node = n;
	arena_init(&i->arena);
	list_push_back(&n->inbounds, &i->link);
	return i;
}

static void inbound_free(struct inbound *i)
{
	list_remove(&i->link);
	if (i->packet)
		packet_free(i->packet);
	arena_fini(&i->arena);
	free(i);
}

void inbounds_drop(struct node *n)
{
	while (!list_empty(&n->inbounds))
		inbound_free(CONTAINER_OF(n->inbounds.next, struct inbound, link));
}

/* An operator's request: nobody carries the answer back. */
static void admin_answer(struct raft_inbound *in, const void *response)
{
	struct inbound *i = CONTAINER_OF(in, struct inbound, in);
	const struct add_raft_voter_response *added = response;

	if (in->api == API_ADD_RAFT_VOTER && added->error_code == KERR_NONE)
		i->node->cluster->voter_changes++;
	say_debug("the operator's %s is answered: %s", api_by_key(in->api)->name,
		  kafka_error_name(added->error_code));
	inbound_free(i);
}

static void inbound_answer(struct raft_inbound *in, const void *response)
{
	struct inbound *i = CONTAINER_OF(in, struct inbound, in);
	struct packet *p = i->packet, *back = xmemdup(p, sizeof(*p));
	int rc;

	back->from = p->to;
	back->to = p->from;
	back->is_response = true;
	if (in->api == API_VOTE && world_chance(&p->cluster->world, p->cluster->vote_crash))
		i->node->is_doomed = !p->cluster->is_peaceful;
	back->bytes = encode(p->cluster, p->api->response, p->version, response, &rc);
	if (rc < 0)
		fail(p->cluster, "%s response cannot be said in version %d", p->api->name,
		     p->version);
	world_send(&p->cluster->world, back->from, back->to, response_arrives, packet_free,
		   packet_copy, back);
	inbound_free(i);
}

/* What the server around the core would say. */
static void answer_api_versions(struct inbound *i)
{
	struct api_versions_response *m = WIRE_NEW(&i->arena, api_versions_response);

	m->supported_features =
		WIRE_ARRAY(&i->arena, api_versions_response_supported_feature_key, 1);
	m->supported_features_count = 1;
	m->supported_features[0].name = STR_LIT("kraft.version");
	m->supported_features[0].max_version = 1;
	inbound_answer(&i->in, m);
}

static void request_arrives(void *ctx)
{
	struct packet *p = ctx;
	struct node *n = &p->cluster->node[p->to];
	struct inbound *i;
	struct err err = {0};

	if (!n->raft) {
		p->rc = E_UNREACHABLE;
		p->to = p->from;
		response_arrives(p);
		return;
	}
	i = inbound_make(n, p);
	i->body = message_new(p->api->request, &i->arena);
	if (message_decode(p->api->request, p->version, p->bytes, NULL, &i->arena, i->body, &err) <
	    0)
		fail(p->cluster, "%s: %s", p->api->name, err.text);
	i->in = (struct raft_inbound){.api = (enum api_key)p->api->key,
				      .body = i->body,
				      .listener = STR_LIT("CONTROLLER"),
				      .arena = &i->arena,
				      .answer = inbound_answer};
	if (p->api->key == API_API_VERSIONS)
		answer_api_versions(i);
	else
		raft_receive(n->raft, &i->in);
	node_look(n);
}

void node_send(void *ctx, const struct raft_request *request)
{
	struct node *n = ctx;
	struct cluster *c = n->cluster;
	const struct api *api = api_by_key(request->api);
	struct packet *p = xcalloc(1, sizeof(*p));
	unsigned to = request->port - 1;

	*p = (struct packet){.cluster = c,
			     .from = n->index,
			     .to = to,
			     .incarnation = n->incarnation,
			     .id = request->id,
			     .api = api,
			     .version = api_max_stable(api)};
	if (api->key == API_VOTE && !c->knows_pre_vote)
		p->version = 1;
	p->bytes = encode(c, api->request, p->version, request->body, &p->rc);
	if (to >= c->nodes || p->rc < 0) {
		p->to = n->index;
		p->rc = p->rc < 0 ? p->rc : E_UNREACHABLE;
		world_at(&c->world, world_now_us(&c->world) + 10, response_arrives, packet_free, p);
		return;
	}
	say_debug("%.3f %u -> %u: %s %" PRIu64 " of %zu bytes",
		  (double)world_now_us(&c->world) / 1e6, n->index + 1, to + 1, api->name, p->id,
		  p->bytes.len);
	world_send(&c->world, n->index, to, request_arrives, packet_free, packet_copy, p);
}

struct inbound *inbound_new(struct node *n, enum api_key api)
{
	struct inbound *i = inbound_make(n, NULL);

	i->body = message_new(api_by_key(api)->request, &i->arena);
	i->in = (struct raft_inbound){.api = api,
				      .body = i->body,
				      .listener = STR_LIT("CONTROLLER"),
				      .arena = &i->arena,
				      .answer = admin_answer};
	return i;
}

void inbound_deliver(struct inbound *i)
{
	struct node *n = i->node;

	raft_receive(n->raft, &i->in);
	node_look(n);
}
