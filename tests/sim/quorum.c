/* Simulated metadata quorums: the Raft core of several nodes, with its log and snapshots, on model
 * disks and a bad network. See README.md.
 *
 * What must hold after every step: an epoch has one leader; what one node calls agreed is the same
 * on all nodes, for ever; a node's high watermark never goes back while it runs. In the end, when
 * all faults stop: there is a leader, it takes records, and every voter and observer gets them. */
#include "sim/quorum.h"

#include "base/mem.h"
#include "base/say.h"
#include "wire/codec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SAY_PLACE "sim"
#define PEACE_LIMIT_US (120 * 1000 * 1000)

void fail(struct cluster *c, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	run_fail(world_now_us(&c->world), fmt, args);
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
			if (!batch_crc_ok(&b))
				fail(n->cluster,
				     "node %u has agreed on a damaged batch at %" PRId64,
				     n->index + 1, b.base_offset);
			check_batch(n, &b);
			n->applied = batch_next_offset(&b);
			n->applied_epoch = b.partition_leader_epoch;
		}
		slice_unref(&bytes);
	}
}

/* After each event of a node. */
void node_look(struct node *n)
{
	struct cluster *c = n->cluster;
	struct err err = {0};
	int64_t high_watermark;
	int32_t epoch;

	if (!n->raft)
		return;
	if (n->is_doomed) {
		node_crash(n, "after a vote");
		n->up_at_us = world_now_us(&c->world) + 1000;
		return;
	}
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
	int32_t id = (int32_t)n->index + 1;
	struct remove_raft_voter_request *removed;
	struct add_raft_voter_request *added;
	struct raft_replica replica;
	bool is_voter = false;
	struct inbound *i;

	for (size_t at = 0; raft_replica_at(leader->raft, at, &replica); at++)
		is_voter = is_voter || (replica.is_voter && replica.node_id == id);
	i = inbound_new(leader, is_voter ? API_REMOVE_RAFT_VOTER : API_ADD_RAFT_VOTER);
	if (is_voter) {
		removed = i->body;
		removed->cluster_id = STR_LIT("sim");
		removed->voter_id = id;
		removed->voter_directory_id = directory_of(n->index);
	} else {
		added = i->body;
		added->cluster_id = STR_LIT("sim");
		added->voter_id = id;
		added->voter_directory_id = directory_of(n->index);
		added->listeners = WIRE_ARRAY(&i->arena, add_raft_voter_request_listener, 1);
		added->listeners_count = 1;
		added->listeners[0].name = STR_LIT("CONTROLLER");
		added->listeners[0].host = STR_LIT("sim");
		added->listeners[0].port = (uint16_t)id;
		added->ack_when_committed = world_below(&c->world, 2);
	}
	inbound_deliver(i);
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
	} else if (dice < 75 && !c->is_static && c->knows_pre_vote) {
		/* Without pre-vote who was removed and does not know it raises the epoch above the
		 * leader's for ever, among those who do not vote any more either. */
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
	c->vote_crash = world_below(w, 4) ? 0 : 300000;
	/* so short that several stand at once */
	c->election_timeout_ms = world_below(w, 4) ? 1000 : 100;
	c->work_us_max = world_below(w, 3) ? 5000 : 200000;
	for (unsigned i = 0; i < c->voters; i++)
		c->static_voters[i] = (struct quorum_voter){(int32_t)i + 1, "sim", (int32_t)i + 1};
	for (unsigned i = 0; i < c->nodes; i++)
		node_init(&c->node[i], c, i);
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

static bool voters_are_equal(const struct voters_record *a, const struct voters_record *b)
{
	if (a->voters_count != b->voters_count)
		return false;
	for (int32_t i = 0; i < a->voters_count; i++) {
		if (a->voters[i].voter_id != b->voters[i].voter_id)
			return false;
	}
	return true;
}

/* Are all of one mind, with everything agreed, and by whom? */
static bool cluster_is_settled(const struct cluster *c, int64_t wanted)
{
	if (agreed_end(c) < wanted)
		return false;
	for (unsigned i = 0; i < c->nodes; i++) {
		if (!c->node[i].raft || c->node[i].applied < agreed_end(c) ||
		    !voters_are_equal(raft_voters(c->node[i].raft), raft_voters(c->node[0].raft)))
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

static void run_seed(uint64_t seed, int64_t seconds, uint64_t *trace)
{
	static struct cluster c;
	int64_t end_us;

	cluster_init(&c, seed);
	end_us = world_now_us(&c.world) + seconds * 1000000;
	while (world_now_us(&c.world) < end_us) {
		int64_t next_us =
			world_now_us(&c.world) + 20000 + (int64_t)world_below(&c.world, 100000);

		while (world_step(&c.world, next_us))
			;
		cluster_act(&c);
	}
	cluster_peace(&c);
	*trace = c.world.trace;
	if (run_is_verbose())
		printf("seed %" PRIu64 ": %u voters, %u nodes, %s: %zu batches up to %" PRId64
		       ", %" PRIu64 " elections, %" PRIu64 " crashes, %" PRIu64
		       " snapshots, %" PRIu64 " loaded, %" PRIu64 " voters added\n",
		       seed, c.voters, c.nodes, c.is_static ? "static" : "dynamic", c.agreed_count,
		       agreed_end(&c), c.elections, c.crashes, c.snapshots, c.downloads,
		       c.voter_changes);
	cluster_fini(&c);
}

int main(int argc, char **argv)
{
	return run_main(&(struct run_program){.name = "sim_quorum", .seconds = 60, .run = run_seed},
			argc, argv);
}
