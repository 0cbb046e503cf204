/* The life of a node: its clock, disk and works, how it is formatted, started and loses power. */
#include "sim/quorum.h"

#include "base/mem.h"
#include "base/say.h"
#include "wire/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define SAY_PLACE "sim"
/* Ticks in a row without a moment between them: nobody waits so impatiently. */
#define SPINS_MAX 100

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

int64_t node_wall_ms(struct env *env)
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
			 (int64_t)world_below(&n->cluster->world, n->cluster->work_us_max),
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

struct uuid directory_of(unsigned index)
{
	return (struct uuid){{9, 9, [15] = (uint8_t)(200 + index)}};
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
		n->spins = t->at_us <= n->last_tick_us + 1 ? n->spins + 1 : 0;
		n->last_tick_us = t->at_us;
		if (n->spins > SPINS_MAX)
			fail(n->cluster, "node %u wants a tick all the time", n->index + 1);
		n->tick_us = INT64_MAX;
		if (raft_tick(n->raft, &err) == 0 || n->raft)
			node_look(n);
	}
	free(t);
}

void node_plan(struct node *n)
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

void node_start(struct node *n)
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
		.election_timeout_ms = c->election_timeout_ms,
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
	n->is_doomed = false;
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
	say_debug("%.3f node %u is up: epoch %d, log %" PRId64 "..%" PRId64
		  ", newest snapshot %" PRId64 "-%d",
		  (double)world_now_us(&c->world) / 1e6, n->index + 1, raft_epoch(n->raft),
		  raft_log_start(n->raft), raft_log_end(n->raft),
		  raft_latest_snapshot(n->raft).end_offset, raft_latest_snapshot(n->raft).epoch);
	if (raft_tick(n->raft, &err) == 0 || n->raft)
		node_look(n);
}

/* The power goes. */
void node_crash(struct node *n, const char *why)
{
	struct cluster *c = n->cluster;
	struct raft *raft = n->raft;

	if (!raft)
		return;
	if (run_is_verbose())
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
	inbounds_drop(n);
	n->incarnation++;
	n->up_at_us = world_now_us(&c->world) + 1000 +
		      (int64_t)world_below(&c->world,
					   world_chance(&c->world, 200000) ? 20000000 : 2000000);
}

/* What `kavka storage format` leaves. */
void node_format(struct node *n)
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

void node_snapshot(struct node *n)
{
	struct snapshot_id id = {n->applied, n->applied_epoch};
	struct snapshot_header header = {.now_ms = node_wall_ms(&n->env),
					 .kraft_version = raft_kraft_version(n->raft),
					 .voters = raft_voters_at(n->raft, id.end_offset)};
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
	say_debug("%.3f node %u has a snapshot %" PRId64 "-%d",
		  (double)world_now_us(&n->cluster->world) / 1e6, n->index + 1, id.end_offset,
		  id.epoch);
	raft_snapshot_written(n->raft, id);
	if (raft_clean(n->raft, &err) < 0)
		node_crash(n, "clean");
}

void node_init(struct node *n, struct cluster *c, unsigned index)
{
	struct sim_disk_options disk = {&c->world.rng, node_fault, n, 0};

	n->cluster = c;
	n->index = index;
	list_init(&n->inbounds);
	n->ops = (struct env_ops){.wall_ms = node_wall_ms,
				  .mono_us = node_mono_us,
				  .random = node_random,
				  .work = node_work};
	sim_disk_ops(&n->ops, env_disk);
	n->env = (struct env){&n->ops, n};
	n->disk = sim_disk_new(&disk);
}
