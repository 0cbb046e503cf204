/* Simulated metadata quorums: the Raft core of several nodes, with its log and snapshots, on model
 * disks and a bad network. See README.md.
 *
 *	quorum [--seed N] [--seeds COUNT] [--seconds N] [--verbose]
 *
 * What must hold after every step: an epoch has one leader; what one node calls agreed is the same
 * on all nodes, for ever; a node's high watermark never goes back while it runs. In the end, when
 * all faults stop: there is a leader, it takes records, and every voter and observer gets them. */
#include "sim/disk.h"
#include "sim/world.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/say.h"
#include "config/config.h"
#include "raft/raft.h"
#include "raft/quorum_state.h"
#include "wire/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAY_PLACE "sim"
#define EPOCHS_MAX 4096
#define PEACE_LIMIT_US (120 * 1000 * 1000)

struct cluster;

struct node {
	struct cluster *cluster;
	unsigned index;
	struct env env;
	struct env_ops ops;
	struct sim_disk *disk;
	struct raft *raft;      /* NULL: down */
	unsigned incarnation;   /* of the process: older messages and works are void */
	int64_t tick_us;        /* of the tick that is planned */
	int64_t applied;        /* next offset to read */
	int64_t high_watermark; /* last seen in this life */
	int32_t applied_epoch;  /* of the last batch read */
	struct work *works;     /* under way */
	int64_t up_at_us;       /* when it is started again */
};

/* One of the batches that some node called agreed. */
struct agreed {
	int64_t base_offset, next_offset;
	uint32_t crc;
	int32_t epoch;
};

struct cluster {
	struct world world;
	unsigned voters, nodes; /* the rest observes */
	bool is_static;         /* kraft.version 0 */
	bool knows_pre_vote;
	bool is_peaceful;
	uint32_t disk_fault, fsync_fault;
	struct quorum_voter static_voters[WORLD_NODES_MAX];
	struct node node[WORLD_NODES_MAX];
	int32_t leader_of[EPOCHS_MAX];
	struct agreed *agreed;
	size_t agreed_count, agreed_cap;
	uint64_t appended, crashes, elections, snapshots, downloads, voter_changes;
};

static struct {
	bool verbose;
	int64_t seconds;
	char failure[512];
	jmp_buf escape;
} run;

static void __attribute__((noreturn, format(printf, 2, 3)))
fail(struct cluster *c, const char *fmt, ...)
{
	va_list args;
	size_t len;

	va_start(args, fmt);
	vsnprintf(run.failure, sizeof(run.failure), fmt, args);
	va_end(args);
	len = strlen(run.failure);
	snprintf(run.failure + len, sizeof(run.failure) - len, " (at %.3f s)",
		 (double)(world_now_us(&c->world) - 1000000) / 1e6);
	longjmp(run.escape, 1);
}

/* ---- The nodes' environment ------------------------------------------------------------------ */

struct work {
	struct work *next;
	struct node *node;
	unsigned incarnation;
	struct env_work *work;
};

static struct node *env_node(struct env *env)
{
	return env->impl;
}

static struct sim_disk *env_disk(struct env *env)
{
	return env_node(env)->disk;
}

static int64_t node_wall_ms(struct env *env)
{
	return 1700000000000 + world_now_us(&env_node(env)->cluster->world) / 1000;
}

static int64_t node_mono_us(struct env *env)
{
	return world_now_us(&env_node(env)->cluster->world);
}

static void node_random(struct env *env, void *data, size_t len)
{
	rng_fill(&env_node(env)->cluster->world.rng, data, len);
}

static void node_plan(struct node *n);
static void node_look(struct node *n);
static void node_crash(struct node *n, const char *why);

static void work_run(void *ctx)
{
	struct work *w = ctx, **at = &w->node->works;
	struct node *n = w->node;

	if (w->work) {
		while (*at != w)
			at = &(*at)->next;
		*at = w->next;
		w->work->run(w->work);
		w->work->done(w->work);
		node_look(n);
	}
	free(w);
}

static void node_work(struct env *env, struct env_work *work)
{
	struct node *n = env_node(env);
	struct work *w = xcalloc(1, sizeof(*w));

	*w = (struct work){n->works, n, n->incarnation, work};
	n->works = w;
	world_at(&n->cluster->world,
		 world_now_us(&n->cluster->world) + 100 +
			 (int64_t)world_below(&n->cluster->world, 5000),
		 work_run, free, w);
}

static int node_fault(void *ctx, enum sim_fault what)
{
	struct node *n = ctx;
	struct cluster *c = n->cluster;

	if (c->is_peaceful || what == SIM_READ)
		return 0;
	return world_chance(&c->world, what == SIM_FSYNC ? c->fsync_fault : c->disk_fault) ? -EIO
											   : 0;
}

static struct uuid directory_of(unsigned index)
{
	return (struct uuid){{9, 9, [15] = (uint8_t)(200 + index)}};
}

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

/* A request at the node that it is for. */
struct inbound {
	struct raft_inbound in;
	struct packet *packet;
	struct node *node;
	struct arena arena;
	void *body;
};

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

/* An operator's request: nobody carries the answer back. */
static void admin_answer(struct raft_inbound *in, const void *response)
{
	struct inbound *i = CONTAINER_OF(in, struct inbound, in);
	const struct add_raft_voter_response *added = response;

	if (in->api == API_ADD_RAFT_VOTER && added->error_code == KERR_NONE)
		i->node->cluster->voter_changes++;
	say_debug("the operator's %s is answered: %s", api_by_key(in->api)->name,
		  kafka_error_name(added->error_code));
	arena_fini(&i->arena);
	free(i);
}

static void inbound_answer(struct raft_inbound *in, const void *response)
{
	struct inbound *i = CONTAINER_OF(in, struct inbound, in);
	struct packet *p = i->packet, *back = xmemdup(p, sizeof(*p));
	int rc;

	back->from = p->to;
	back->to = p->from;
	back->is_response = true;
	back->bytes = encode(p->cluster, p->api->response, p->version, response, &rc);
	if (rc < 0)
		fail(p->cluster, "%s response cannot be said in version %d", p->api->name,
		     p->version);
	world_send(&p->cluster->world, back->from, back->to, response_arrives, packet_free,
		   packet_copy, back);
	packet_free(p);
	arena_fini(&i->arena);
	free(i);
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
	i = xcalloc(1, sizeof(*i));
	i->packet = p;
	i->node = n;
	arena_init(&i->arena);
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

static void node_send(void *ctx, const struct raft_request *request)
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

/* ---- What must hold -------------------------------------------------------------------------- */

static void check_batch(struct node *n, const struct batch *b)
{
	struct cluster *c = n->cluster;
	struct agreed now = {b->base_offset, batch_next_offset(b), b->crc,
			     b->partition_leader_epoch};
	size_t low = 0, high = c->agreed_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (c->agreed[middle].next_offset <= now.base_offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < c->agreed_count) {
		const struct agreed *a = &c->agreed[low];

		if (memcmp(a, &now, sizeof(now)) != 0)
			fail(c,
			     "node %u has agreed on %" PRId64 "..%" PRId64
			     " of epoch %d, but others on %" PRId64 "..%" PRId64 " of epoch %d",
			     n->index + 1, now.base_offset, now.next_offset, now.epoch,
			     a->base_offset, a->next_offset, a->epoch);
		return;
	}
	if (c->agreed_count && c->agreed[c->agreed_count - 1].next_offset != now.base_offset)
		fail(c,
		     "node %u has agreed on %" PRId64 " of epoch %d, but only %" PRId64
		     " is known to be",
		     n->index + 1, now.base_offset, now.epoch,
		     c->agreed[c->agreed_count - 1].next_offset);
	c->agreed = grow_array(c->agreed, c->agreed_count, &c->agreed_cap, sizeof(*c->agreed));
	memset(&c->agreed[c->agreed_count], 0, sizeof(now));
	c->agreed[c->agreed_count++] = now;
}

static int64_t agreed_end(const struct cluster *c)
{
	return c->agreed_count ? c->agreed[c->agreed_count - 1].next_offset : 0;
}

/* Reads what is agreed since the last time. */
static void node_apply(struct node *n)
{
	struct err err = {0};

	for (;;) {
		struct slice bytes;
		const uint8_t *data;
		struct batch b;
		size_t len;
		int rc = raft_read(n->raft, n->applied, 64 * 1024, &bytes, &err);

		if (rc == E_OFFSET_RANGE) {
			struct snapshot_id id = raft_latest_snapshot(n->raft);

			if (id.end_offset <= n->applied)
				fail(n->cluster,
				     "node %u: the log starts behind %" PRId64
				     " without a snapshot",
				     n->index + 1, n->applied);
			n->applied = id.end_offset;
			n->applied_epoch = id.epoch;
			n->cluster->downloads++;
			continue;
		}
		if (rc < 0)
			fail(n->cluster, "node %u cannot read its log: %s", n->index + 1, err.text);
		if (!bytes.data)
			return;
		data = bytes.data;
		len = bytes.len;
		while (batch_next(&b, &data, &len) > 0) {
			check_batch(n, &b);
			n->applied = batch_next_offset(&b);
			n->applied_epoch = b.partition_leader_epoch;
		}
		slice_unref(&bytes);
	}
}

/* After each event of a node. */
static void node_look(struct node *n)
{
	struct cluster *c = n->cluster;
	struct err err = {0};
	int64_t high_watermark;
	int32_t epoch;

	if (!n->raft)
		return;
	if (raft_failed(n->raft, &err) < 0) {
		node_crash(n, err.text);
		return;
	}
	raft_flush(n->raft);
	epoch = raft_epoch(n->raft);
	if (epoch >= EPOCHS_MAX)
		fail(c, "node %u is in epoch %d: elections without end", n->index + 1, epoch);
	if (raft_role(n->raft) == RAFT_LEADER) {
		if (c->leader_of[epoch] == 0) {
			c->leader_of[epoch] = (int32_t)n->index + 1;
			c->elections++;
		}
		if (c->leader_of[epoch] != (int32_t)n->index + 1)
			fail(c, "epoch %d has two leaders: %d and %u", epoch, c->leader_of[epoch],
			     n->index + 1);
	}
	high_watermark = raft_high_watermark(n->raft);
	if (high_watermark < n->high_watermark && high_watermark >= 0)
		fail(c, "node %u: the high watermark went from %" PRId64 " back to %" PRId64,
		     n->index + 1, n->high_watermark, high_watermark);
	n->high_watermark = MAX(n->high_watermark, high_watermark);
	if (high_watermark > raft_log_end(n->raft))
		fail(c, "node %u: the high watermark is above the log end", n->index + 1);
	node_apply(n);
	world_note(&c->world, (uint64_t)n->applied << 20 ^ (uint64_t)epoch << 4 ^ n->index);
	node_plan(n);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

struct tick {
	struct node *node;
	unsigned incarnation;
	int64_t at_us;
};

static void tick_run(void *ctx)
{
	struct tick *t = ctx;
	struct node *n = t->node;
	struct err err = {0};

	if (n->raft && n->incarnation == t->incarnation && n->tick_us == t->at_us) {
		n->tick_us = INT64_MAX;
		if (raft_tick(n->raft, &err) == 0 || n->raft)
			node_look(n);
	}
	free(t);
}

static void node_plan(struct node *n)
{
	int64_t at_us = raft_deadline_us(n->raft);
	struct tick *t;

	if (at_us >= n->tick_us || at_us == INT64_MAX)
		return;
	at_us = MAX(at_us, world_now_us(&n->cluster->world) + 1);
	t = xcalloc(1, sizeof(*t));
	*t = (struct tick){n, n->incarnation, at_us};
	n->tick_us = at_us;
	world_at(&n->cluster->world, at_us, tick_run, free, t);
}

static void node_wake(void *ctx UNUSED)
{
}

static void node_start(struct node *n)
{
	struct cluster *c = n->cluster;
	struct raft_address bootstrap[WORLD_NODES_MAX];
	struct raft_options options = {
		.env = &n->env,
		.metadata_dir = "/data",
		.node_id = (int32_t)n->index + 1,
		.directory_id = directory_of(n->index),
		.voters = c->static_voters,
		.voter_count = c->is_static ? c->voters : 0,
		.endpoint = {STR_LIT("CONTROLLER"), STR_LIT("sim"), (int32_t)n->index + 1, 0},
		.cluster_id = STR_LIT("sim"),
		.bootstrap = bootstrap,
		.bootstrap_count = c->nodes,
		.election_timeout_ms = 1000,
		.fetch_timeout_ms = 2000,
		.election_backoff_max_ms = 1000,
		.request_timeout_ms = 2000,
		.retry_backoff_ms = 20,
		.fetch_max_bytes = 16 * 1024,
		.fetch_snapshot_max_bytes = 300,
		.segment_bytes = 8 * 1024,
		.segment_ms = 1 << 30,
		.retention_bytes = 24 * 1024,
		.retention_ms = 1 << 30,
		.wake = node_wake,
		.send = node_send,
		.ctx = n,
	};
	struct err err = {0};

	for (unsigned i = 0; i < c->nodes; i++)
		bootstrap[i] = (struct raft_address){STR_LIT("sim"), (uint16_t)(i + 1)};
	sim_disk_power_on(n->disk);
	n->incarnation++;
	n->tick_us = INT64_MAX;
	n->high_watermark = -1;
	if (raft_open(&n->raft, &options, &err) < 0) {
		n->raft = NULL;
		if (err.code != -EIO && err.code != E_OFFLINE)
			fail(c, "node %u does not start: %s", n->index + 1, err.text);
		sim_disk_crash(n->disk);
		n->up_at_us = world_now_us(&c->world) + 100000;
		return;
	}
	n->applied = MAX(raft_log_start(n->raft), 0);
	if (raft_tick(n->raft, &err) == 0 || n->raft)
		node_look(n);
}

/* The power goes. */
static void node_crash(struct node *n, const char *why)
{
	struct cluster *c = n->cluster;
	struct raft *raft = n->raft;

	if (!raft)
		return;
	if (run.verbose)
		printf("%10.3f node %u crashes: %s\n", (double)world_now_us(&c->world) / 1e6,
		       n->index + 1, why);
	c->crashes++;
	n->raft = NULL;
	sim_disk_crash(n->disk);
	while (n->works) {
		struct work *w = n->works;

		n->works = w->next;
		w->work->run(w->work);
		w->work->done(w->work);
		w->work = NULL;
	}
	raft_close(raft);
	n->incarnation++;
	n->up_at_us = world_now_us(&c->world) + 1000 +
		      (int64_t)world_below(&c->world,
					   world_chance(&c->world, 200000) ? 20000000 : 2000000);
}

/* What `kavka storage format` leaves. */
static void node_format(struct node *n)
{
	struct cluster *c = n->cluster;
	struct voters_record_voter voters[WORLD_NODES_MAX];
	struct voters_record_endpoint endpoints[WORLD_NODES_MAX];
	struct snapshot_header header = {.now_ms = 1, .kraft_version = 1};
	struct voters_record record;
	struct snapshot_writer w;
	struct err err = {0};

	WIRE_INIT(voters_record, &record);
	record.voters = voters;
	record.voters_count = (int32_t)c->voters;
	for (unsigned i = 0; i < c->voters; i++) {
		WIRE_INIT(voters_record_voter, &voters[i]);
		WIRE_INIT(voters_record_endpoint, &endpoints[i]);
		endpoints[i].name = STR_LIT("CONTROLLER");
		/* has moved since: each voter tells the leader */
		endpoints[i].host = STR_LIT("old");
		endpoints[i].port = (uint16_t)(i + 1);
		voters[i].voter_id = (int32_t)i + 1;
		voters[i].voter_directory_id = directory_of(i);
		voters[i].endpoints = &endpoints[i];
		voters[i].endpoints_count = 1;
		voters[i].kraft_version_feature.max_supported_version = 1;
	}
	/* an observer learns the voters from the log */
	header.voters = n->index < c->voters ? &record : NULL;
	if (n->env.ops->mkdir(&n->env, "/data") < 0 ||
	    n->env.ops->mkdir(&n->env, "/data/__cluster_metadata-0") < 0)
		fail(c, "format");
	if (!c->is_static && n->index < c->voters &&
	    (snapshot_writer_open(&w, &n->env, "/data/__cluster_metadata-0", SNAPSHOT_BOOTSTRAP,
				  &header, &err) < 0 ||
	     snapshot_writer_finish(&w, &err) < 0))
		fail(c, "format: %s", err.text);
	if (n->env.ops->fsync_dir(&n->env, "/data") < 0 || n->env.ops->fsync_dir(&n->env, "") < 0)
		fail(c, "format");
}

static void node_snapshot(struct node *n)
{
	struct snapshot_id id = {n->applied, n->applied_epoch};
	struct snapshot_header header = {.now_ms = node_wall_ms(&n->env),
					 .kraft_version = raft_kraft_version(n->raft),
					 .voters = raft_voters(n->raft)};
	struct snapshot_writer w;
	struct err err = {0};

	if (id.end_offset <= 0 || id.end_offset <= raft_latest_snapshot(n->raft).end_offset ||
	    id.end_offset > raft_high_watermark(n->raft))
		return;
	if (snapshot_writer_open(&w, &n->env, raft_dir(n->raft), id, &header, &err) < 0) {
		node_crash(n, "snapshot");
		return;
	}
	if (snapshot_writer_finish(&w, &err) < 0) {
		node_crash(n, "snapshot");
		return;
	}
	n->cluster->snapshots++;
	raft_snapshot_written(n->raft, id);
	if (raft_clean(n->raft, &err) < 0)
		node_crash(n, "clean");
}

/* ---- What happens ---------------------------------------------------------------------------- */

static void append_some(struct node *n)
{
	struct cluster *c = n->cluster;
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder batch;
	struct err err = {0};
	int64_t last;
	uint64_t count = 1 + world_below(&c->world, 4);
	char text[200];

	batch_builder_init(&batch, &options);
	for (uint64_t i = 0; i < count; i++) {
		int len = snprintf(text, sizeof(text), "%*" PRIu64,
				   (int)world_below(&c->world, 150) + 1, c->appended++);
		struct slice value = {.data = (const uint8_t *)text, .len = (size_t)len};

		if (batch_builder_add(&batch, node_wall_ms(&n->env), SLICE_NULL, value, NULL, 0) <
		    0)
			fail(c, "batch");
	}
	/* a disk that refuses is seen by node_look() */
	if (raft_append(n->raft, &batch, &last, &err) == 0)
		world_note(&c->world, (uint64_t)last);
	batch_builder_fini(&batch);
	node_look(n);
}

/* The operator adds or removes a voter: any node, however the others are. */
static void change_voters(struct cluster *c, struct node *leader)
{
	struct node *n = &c->node[world_below(&c->world, c->nodes)];
	bool is_voter = false;
	struct inbound *i = xcalloc(1, sizeof(*i));
	struct remove_raft_voter_request *removed;
	struct add_raft_voter_request *added;
	struct raft_replica replica;

	arena_init(&i->arena);
	i->node = leader;
	for (size_t at = 0; raft_replica_at(leader->raft, at, &replica); at++)
		is_voter =
			is_voter || (replica.is_voter && replica.node_id == (int32_t)n->index + 1);
	if (is_voter) {
		i->body = removed = WIRE_NEW(&i->arena, remove_raft_voter_request);
		i->in.api = API_REMOVE_RAFT_VOTER;
		removed->cluster_id = STR_LIT("sim");
		removed->voter_id = (int32_t)n->index + 1;
		removed->voter_directory_id = directory_of(n->index);
	} else {
		i->body = added = WIRE_NEW(&i->arena, add_raft_voter_request);
		i->in.api = API_ADD_RAFT_VOTER;
		added->cluster_id = STR_LIT("sim");
		added->voter_id = (int32_t)n->index + 1;
		added->voter_directory_id = directory_of(n->index);
		added->listeners = WIRE_ARRAY(&i->arena, add_raft_voter_request_listener, 1);
		added->listeners_count = 1;
		added->listeners[0].name = STR_LIT("CONTROLLER");
		added->listeners[0].host = STR_LIT("sim");
		added->listeners[0].port = (uint16_t)(n->index + 1);
		added->ack_when_committed = world_below(&c->world, 2);
	}
	i->in.body = i->body;
	i->in.listener = STR_LIT("CONTROLLER");
	i->in.arena = &i->arena;
	i->in.answer = admin_answer;
	raft_receive(leader->raft, &i->in);
	node_look(leader);
}

static void cluster_act(struct cluster *c)
{
	struct world *w = &c->world;
	struct node *n = &c->node[world_below(w, c->nodes)];
	uint64_t dice = world_below(w, 1000);

	for (unsigned i = 0; i < c->nodes; i++) {
		if (c->node[i].raft && raft_role(c->node[i].raft) == RAFT_LEADER)
			append_some(&c->node[i]);
	}
	if (dice < 6 && n->raft) {
		node_crash(n, "by chance");
	} else if (dice < 8) {
		for (unsigned i = 0; i < c->nodes; i++)
			node_crash(&c->node[i], "all at once");
	} else if (dice < 14) {
		world_partition(w, (unsigned)world_below(w, 1u << c->nodes),
				world_below(w, 3) == 0);
	} else if (dice < 30) {
		world_heal(w);
	} else if (dice < 34 && n->raft && raft_role(n->raft) == RAFT_LEADER) {
		struct err err = {0};

		if (raft_resign(n->raft, &err) == 0)
			node_look(n);
	} else if (dice < 60 && n->raft) {
		node_snapshot(n);
	} else if (dice < 75 && !c->is_static) {
		for (unsigned i = 0; i < c->nodes; i++) {
			if (c->node[i].raft && raft_role(c->node[i].raft) == RAFT_LEADER)
				change_voters(c, &c->node[i]);
		}
	} else if (dice < 80) {
		w->faults.loss = (uint32_t)world_below(w, 3) * 100000;
	}
	for (unsigned i = 0; i < c->nodes; i++) {
		if (!c->node[i].raft && world_now_us(w) >= c->node[i].up_at_us)
			node_start(&c->node[i]);
	}
}

static void cluster_init(struct cluster *c, uint64_t seed)
{
	struct world *w = &c->world;

	memset(c, 0, sizeof(*c));
	world_init(w, seed);
	c->voters = 1 + 2 * (unsigned)world_below(w, 3); /* 1, 3 or 5 */
	if (c->voters == 1 && world_below(w, 3))
		c->voters = 3;
	c->nodes = c->voters + (unsigned)world_below(w, 3);
	c->is_static = world_below(w, 3) == 0;
	c->knows_pre_vote = world_below(w, 5) != 0;
	w->faults = (struct world_faults){.loss = (uint32_t)world_below(w, 100000),
					  .duplicate = (uint32_t)world_below(w, 100000),
					  .delay_us_max = 200 + (int64_t)world_below(w, 50000),
					  .slow = (uint32_t)world_below(w, 5000)};
	c->disk_fault = world_below(w, 3) ? 0 : (uint32_t)world_below(w, 200);
	c->fsync_fault = world_below(w, 3) ? 0 : (uint32_t)world_below(w, 2000);
	for (unsigned i = 0; i < c->voters; i++)
		c->static_voters[i] = (struct quorum_voter){(int32_t)i + 1, "sim", (int32_t)i + 1};
	for (unsigned i = 0; i < c->nodes; i++) {
		struct node *n = &c->node[i];
		struct sim_disk_options disk = {&w->rng, node_fault, n};

		n->cluster = c;
		n->index = i;
		n->ops = (struct env_ops){.wall_ms = node_wall_ms,
					  .mono_us = node_mono_us,
					  .random = node_random,
					  .work = node_work};
		sim_disk_ops(&n->ops, env_disk);
		n->env = (struct env){&n->ops, n};
		n->disk = sim_disk_new(&disk);
	}
	c->is_peaceful = true;
	for (unsigned i = 0; i < c->nodes; i++)
		node_format(&c->node[i]);
	c->is_peaceful = false;
	for (unsigned i = 0; i < c->nodes; i++)
		node_start(&c->node[i]);
}

static void cluster_fini(struct cluster *c)
{
	for (unsigned i = 0; i < c->nodes; i++) {
		if (c->node[i].raft)
			node_crash(&c->node[i], "the end");
	}
	world_fini(&c->world);
	for (unsigned i = 0; i < c->nodes; i++)
		sim_disk_free(c->node[i].disk);
	free(c->agreed);
}

/* Are all of one mind, with everything agreed? */
static bool cluster_is_settled(const struct cluster *c, int64_t wanted)
{
	if (agreed_end(c) < wanted)
		return false;
	for (unsigned i = 0; i < c->nodes; i++) {
		if (!c->node[i].raft || c->node[i].applied < agreed_end(c))
			return false;
	}
	return true;
}

/* All faults stop: within the limit everything must be agreed again. */
static void cluster_peace(struct cluster *c)
{
	int64_t end_us = world_now_us(&c->world) + PEACE_LIMIT_US;
	int64_t wanted = agreed_end(c) + 1;
	int32_t appended_epoch = -1;

	c->is_peaceful = true;
	world_heal(&c->world);
	c->world.faults = (struct world_faults){.delay_us_max = 2000};
	for (unsigned i = 0; i < c->nodes; i++) {
		if (!c->node[i].raft)
			node_start(&c->node[i]);
	}
	while (appended_epoch < 0 || !cluster_is_settled(c, wanted)) {
		int64_t next_us = world_now_us(&c->world) + 50000;

		if (next_us > end_us)
			fail(c, "no agreement within %d s of peace: agreed up to %" PRId64,
			     PEACE_LIMIT_US / 1000000, agreed_end(c));
		while (world_step(&c->world, next_us))
			;
		for (unsigned i = 0; i < c->nodes; i++) {
			if (!c->node[i].raft)
				node_start(&c->node[i]);
			/* what a leader that is deposed has appended may go */
			if (c->node[i].raft && raft_role(c->node[i].raft) == RAFT_LEADER &&
			    raft_high_watermark(c->node[i].raft) >= 0 &&
			    raft_epoch(c->node[i].raft) > appended_epoch) {
				append_some(&c->node[i]);
				appended_epoch = raft_epoch(c->node[i].raft);
				wanted = raft_log_end(c->node[i].raft);
			}
		}
	}
}

/* Returns whether all held. */
static bool run_seed(uint64_t seed, uint64_t *trace)
{
	static struct cluster c;
	int64_t end_us;

	if (setjmp(run.escape)) {
		printf("seed %" PRIu64 ": FAILED: %s\n", seed, run.failure);
		return false;
	}
	cluster_init(&c, seed);
	end_us = world_now_us(&c.world) + run.seconds * 1000000;
	while (world_now_us(&c.world) < end_us) {
		int64_t next_us =
			world_now_us(&c.world) + 20000 + (int64_t)world_below(&c.world, 100000);

		while (world_step(&c.world, next_us))
			;
		cluster_act(&c);
	}
	cluster_peace(&c);
	*trace = c.world.trace;
	if (run.verbose)
		printf("seed %" PRIu64 ": %u voters, %u nodes, %s: %zu batches up to %" PRId64
		       ", %" PRIu64 " elections, %" PRIu64 " crashes, %" PRIu64
		       " snapshots, %" PRIu64 " loaded, %" PRIu64 " voters added\n",
		       seed, c.voters, c.nodes, c.is_static ? "static" : "dynamic", c.agreed_count,
		       agreed_end(&c), c.elections, c.crashes, c.snapshots, c.downloads,
		       c.voter_changes);
	cluster_fini(&c);
	return true;
}

int main(int argc, char **argv)
{
	uint64_t first = 1, count = 200, failed = 0, trace = 0, again = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	run.seconds = 60;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--verbose") == 0) {
			run.verbose = true;
		} else if (i + 1 < argc && strcmp(argv[i], "--seed") == 0) {
			first = strtoull(argv[++i], NULL, 10);
			count = 1;
		} else if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0) {
			count = strtoull(argv[++i], NULL, 10);
		} else if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0) {
			run.seconds = strtoll(argv[++i], NULL, 10);
		} else {
			fprintf(stderr, "usage: quorum [--seed N] [--seeds COUNT] [--seconds N] "
					"[--verbose]\n");
			return 2;
		}
	}
	say_setup(&(struct say_options){.level = run.verbose && count == 1 ? SAY_DEBUG : SAY_NONE});
	for (uint64_t seed = first; seed < first + count; seed++) {
		if (!run_seed(seed, &trace)) {
			printf("again with: %s --seed %" PRIu64 " --seconds %" PRId64
			       " --verbose\n",
			       argv[0], seed, run.seconds);
			failed++;
			continue;
		}
		/* one seed, one history: or a failure could not be looked at again */
		if (seed == first && (!run_seed(seed, &again) || again != trace)) {
			printf("seed %" PRIu64 ": FAILED: two runs differ\n", seed);
			failed++;
		}
	}
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", count - MIN(failed, count), failed);
	return failed ? 1 : 0;
}
