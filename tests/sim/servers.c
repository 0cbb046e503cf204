/* A node's life: what broker/server does around the broker's own code. */
#include "sim/cluster.h"

#include "api/alter_isr.h"
#include "api/assign_dirs.h"
#include "base/say.h"
#include "metadata/storage_format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define SAY_PLACE "sim"
#define CHECKPOINT_MS 5000
#define STOP_MS 5000

/* ---- Configs --------------------------------------------------------------------------------- */

static void node_configure(struct sim_node *n)
{
	static const char *const common[] = {
		"log.dirs=/data",
		"controller.listener.names=CONTROLLER",
		"controller.quorum.election.timeout.ms=1000",
		"controller.quorum.fetch.timeout.ms=2000",
		"controller.quorum.election.backoff.max.ms=500",
		"controller.quorum.request.timeout.ms=1500",
		"broker.heartbeat.interval.ms=300",
		"broker.session.timeout.ms=3000",
		"replica.lag.time.max.ms=4000",
		"replica.fetch.backoff.ms=200",
		"replica.socket.timeout.ms=3000",
		"replica.fetch.max.bytes=400",    /* who was away is behind for a while */
		"offsets.topic.num.partitions=2", /* SIM_OFFSETS_PARTITIONS */
		"group.min.session.timeout.ms=1000",
		"group.initial.rebalance.delay.ms=200",
		"offsets.topic.replication.factor=3",
		"offsets.commit.timeout.ms=4000",
		"default.replication.factor=3",
		"min.insync.replicas=2",
		"auto.create.topics.enable=false",
		"leader.imbalance.check.interval.seconds=10",
		"metadata.log.max.record.bytes.between.snapshots=20000",
		"log.cleaner.enable=false",
	};
	struct sim *s = n->sim;
	struct config_load_options load = {0};
	const char *overrides[ARRAY_LEN(common) + 8];
	char text[8][512];
	struct err err = {0};
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(common); i++)
		overrides[load.override_count++] = common[i];
	snprintf(text[0], sizeof(text[0]), "node.id=%u", n->index + 1);
	snprintf(text[1], sizeof(text[1]), "process.roles=%s%s%s", n->is_broker ? "broker" : "",
		 n->is_broker && n->is_controller ? "," : "", n->is_controller ? "controller" : "");
	len = (size_t)snprintf(text[2], sizeof(text[2]), "listeners=");
	if (n->is_broker)
		len += (size_t)snprintf(
			text[2] + len, sizeof(text[2]) - len, "PLAINTEXT://n%u:%u%s", n->index + 1,
			SIM_BROKER_PORT + n->index + 1, n->is_controller ? "," : "");
	if (n->is_controller)
		snprintf(text[2] + len, sizeof(text[2]) - len, "CONTROLLER://n%u:%u", n->index + 1,
			 SIM_CONTROLLER_PORT + n->index + 1);
	len = (size_t)snprintf(text[3], sizeof(text[3]), "controller.quorum.%s=",
			       s->is_dynamic ? "bootstrap.servers" : "voters");
	for (unsigned i = 0, count = 0; i < s->nodes; i++) {
		if (!s->node[i].is_controller)
			continue;
		len += (size_t)snprintf(text[3] + len, sizeof(text[3]) - len, "%s",
					count++ ? "," : "");
		if (!s->is_dynamic)
			len += (size_t)snprintf(text[3] + len, sizeof(text[3]) - len, "%u@", i + 1);
		len += (size_t)snprintf(text[3] + len, sizeof(text[3]) - len, "n%u:%u", i + 1,
					SIM_CONTROLLER_PORT + i + 1);
	}
	snprintf(text[4], sizeof(text[4]), "kavka.shards=%u", s->shards);
	snprintf(text[5], sizeof(text[5]), "log.flush.interval.messages=%d",
		 s->power == POWER_FLUSHED ? 1
		 : s->power == POWER_ANY   ? 20
					   : 1000000000);
	for (size_t i = 0; i < 6; i++)
		overrides[load.override_count++] = text[i];
	load.overrides = overrides;
	if (config_load(&n->config, &load, &err) < 0)
		sim_fail(s, "the configs of node %u: %s", n->index + 1, err.text);
}

void sim_node_init(struct sim *s, unsigned index, bool is_broker, bool is_controller)
{
	struct sim_node *n = &s->node[index];

	*n = (struct sim_node){.sim = s,
			       .index = index,
			       .is_broker = is_broker,
			       .is_controller = is_controller,
			       .directory_id = {{7, 7, [15] = (uint8_t)(100 + index)}}};
	sim_node_env(n);
}

static void format_print(void *ctx UNUSED, const char *line UNUSED)
{
}

/* All controllers of a dynamic quorum. */
static void format_voters(struct sim *s, char *out, size_t cap)
{
	char id[UUID_TEXT_LEN + 1];
	size_t len = 0;

	for (unsigned i = 0; i < s->nodes; i++) {
		if (!s->node[i].is_controller)
			continue;
		len += (size_t)snprintf(out + len, cap - len, "%s%u@n%u:%u:%s", len ? "," : "",
					i + 1, i + 1, SIM_CONTROLLER_PORT + i + 1,
					uuid_format(s->node[i].directory_id, id));
	}
}

void sim_node_format(struct sim_node *n)
{
	static const char *const features[] = {"eligible.leader.replicas.version=0"};
	struct storage_format_options options = {.cluster_id = SIM_CLUSTER_ID,
						 .print = format_print,
						 .features = features,
						 .feature_count = n->sim->has_elr ? 0 : 1};
	struct err err = {0};
	struct log_dir *dir;
	char voters[512];

	node_configure(n);
	options.config = n->config;
	if (n->sim->is_dynamic && n->is_controller) {
		format_voters(n->sim, voters, sizeof(voters));
		options.initial_controllers = voters;
	}
	if (storage_format(&n->env, &options, &err) < 0)
		sim_fail(n->sim, "formatting node %u: %s", n->index + 1, err.text);
	/* the same ids in every run of the seed */
	if (log_dir_open(&dir, &n->env, "/data", &err) < 0 ||
	    log_dir_write_meta(dir, SIM_CLUSTER_ID, (int32_t)n->index + 1, n->directory_id, &err) <
		    0)
		sim_fail(n->sim, "formatting node %u: %s", n->index + 1, err.text);
	log_dir_close(dir);
}

/* ---- Images ---------------------------------------------------------------------------------- */

struct delivery {
	struct task task;
	struct life *life;
	const struct image *image;
};

static void image_applied(struct task *task, struct shard *on UNUSED)
{
	struct delivery *d = CONTAINER_OF(task, struct delivery, task);
	struct life *l = d->life;

	free(d);
	l->applying--;
	if (l->applying == 0 && !l->is_running) {
		l->is_running = true;
		control_unfence(l->control);
	}
	if (l->applying == 0 && l->is_unfenced)
		l->is_open = true;
}

static void image_apply(struct task *task, struct shard *on)
{
	struct delivery *d = CONTAINER_OF(task, struct delivery, task);
	const struct image *before = on->image;

	replica_set_apply(on->replicas, before, d->image);
	if (replica_set_is_opening(on->replicas))
		shard_timer_start(on, &sim_shard(on)->tick_timer, 1);
	group_coordinator_apply(on->groups, before, d->image);
	on->image = d->image;
	image_unref(before);
	task->run = image_applied;
	shard_post(shard_control(on->broker), task);
}

static void images_deliver(struct life *l)
{
	for (unsigned i = 0; i < l->broker.shard_count; i++) {
		struct delivery *d = xcalloc(1, sizeof(*d));

		d->task.run = image_apply;
		d->life = l;
		d->image = image_ref(l->latest);
		l->applying++;
		shard_post(l->broker.shards[i], &d->task);
	}
}

static void life_on_image(void *ctx, const struct image *image)
{
	struct life *l = ctx;

	image_unref(l->latest);
	l->latest = image;
	if (l->is_caught_up)
		images_deliver(l);
}

static void life_on_caught_up(void *ctx)
{
	struct life *l = ctx;

	if (l->is_caught_up)
		return;
	l->is_caught_up = true;
	images_deliver(l);
}

static void life_on_ready(void *ctx)
{
	struct life *l = ctx;

	l->is_unfenced = true;
	if (l->applying == 0)
		l->is_open = true;
}

/* ---- Checkpoints ----------------------------------------------------------------------------- */

struct lines {
	struct checkpoint_entry items[4][256];
	size_t counts[4];
};

static void checkpoint_line(void *ctx, const struct replica_report *report)
{
	struct lines *lines = ctx;
	int64_t offsets[4] = {[LOG_DIR_RECOVERY_POINT] = report->recovery_point,
			      [LOG_DIR_LOG_START] =
				      report->has_log_start ? report->log_start_offset : -1,
			      [LOG_DIR_HIGH_WATERMARK] = report->high_watermark,
			      [LOG_DIR_CLEANER] = -1};

	for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
		if (offsets[i] >= 0 && lines->counts[i] < ARRAY_LEN(lines->items[i]))
			lines->items[i][lines->counts[i]++] =
				(struct checkpoint_entry){report->topic, report->index, offsets[i]};
	}
}

static void life_checkpoint(struct life *l)
{
	static struct lines lines;
	struct err err = {0};

	memset(&lines, 0, sizeof(lines));
	for (unsigned i = 0; i < l->broker.shard_count; i++)
		replica_set_report(l->shards[i].shard.replicas, checkpoint_line, &lines);
	for (int which = LOG_DIR_RECOVERY_POINT; which <= LOG_DIR_HIGH_WATERMARK; which++) {
		if (log_dir_write_checkpoint(l->dir, (enum log_dir_checkpoint)which,
					     lines.items[which], lines.counts[which], &err) < 0)
			life_doom(l, "checkpoints cannot be written");
	}
}

static void checkpoint_fire(struct timer *timer, struct shard *on)
{
	life_checkpoint(sim_shard(on)->life);
	shard_timer_start(on, timer, CHECKPOINT_MS);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

void life_doom(struct life *l, const char *why)
{
	if (!l->is_doomed)
		l->why = why;
	l->is_doomed = true;
}

static void life_on_fatal(void *ctx, const struct err *err UNUSED)
{
	life_doom(ctx, "the metadata log failed");
}

static void life_dir_failed(void *ctx, unsigned dir UNUSED, int rc UNUSED, const char *text UNUSED)
{
	/* there is no other one */
	life_doom(((struct sim_shard *)ctx)->life, "the log directory failed");
}

static void life_over(struct life *l, bool is_silent)
{
	struct sim_node *n = l->node;
	struct sim *s = n->sim;

	l->is_over = true;
	n->life = NULL;
	links_end(l, is_silent);
	n->up_at_us = sim_now_us(s) + 200000 +
		      (int64_t)world_below(&s->world,
					   world_chance(&s->world, 300000) ? 20000000 : 3000000);
}

void sim_node_crash(struct sim_node *n, bool has_power, const char *why)
{
	struct sim *s = n->sim;
	struct life *l = n->life;

	if (!l)
		return;
	if (run_is_verbose())
		printf("%10.3f node %u %s: %s\n", (double)sim_now_us(s) / 1e6, n->index + 1,
		       has_power ? "dies" : "loses power", why);
	s->crashes++;
	life_over(l, !has_power || world_below(&s->world, 4) == 0);
	if (has_power) {
		sim_disk_kill(n->disk);
	} else {
		s->losses++;
		if (s->power == POWER_ANY)
			committed_lose(s);
		sim_disk_crash(n->disk);
	}
}

static void stop_ends(void *ctx)
{
	struct life *l = ctx;
	struct sim_node *n = l->node;
	struct err err = {0};
	bool clean = true;

	control_leave_quorum(l->control);
	for (unsigned i = 0; i < l->broker.shard_count; i++) {
		bool ok = true;

		group_coordinator_stop(l->shards[i].shard.groups);
		if (replica_set_close(l->shards[i].shard.replicas, &ok) < 0)
			clean = false;
		clean = clean && ok;
	}
	if (clean)
		life_checkpoint(l);
	if (clean && !l->is_doomed && n->is_broker)
		(void)!log_dir_mark_clean(l->dir, control_broker_epoch(l->control), &err);
	if (run_is_verbose())
		printf("%10.3f node %u has stopped\n", (double)sim_now_us(n->sim) / 1e6,
		       n->index + 1);
	life_over(l, false);
	sim_disk_kill(n->disk);
}

static void life_on_stopped(void *ctx)
{
	struct life *l = ctx;

	life_at(l, sim_now_us(l->node->sim) + 1000, stop_ends, l);
}

void sim_node_stop(struct sim_node *n)
{
	struct life *l = n->life;

	if (!l || l->is_stopping || !l->is_running)
		return;
	if (run_is_verbose())
		printf("%10.3f node %u is to stop\n", (double)sim_now_us(n->sim) / 1e6,
		       n->index + 1);
	n->sim->stops++;
	l->is_stopping = true;
	control_stop(l->control, STOP_MS);
}

/* ---- Start ----------------------------------------------------------------------------------- */

static bool life_owns(void *ctx, struct uuid topic_id, int32_t partition)
{
	struct sim_shard *s = ctx;

	return shard_owner(s->shard.broker, topic_id, partition) == &s->shard;
}

static void life_propose_isr(void *ctx, struct partition *p)
{
	alter_isr_note(&((struct sim_shard *)ctx)->shard, p);
}

static void life_dir_chosen(void *ctx, struct partition *p)
{
	assign_dirs_note(&((struct sim_shard *)ctx)->shard, p);
}

static void shard_tick(struct timer *timer, struct shard *on)
{
	shard_timer_start(on, timer, replica_set_tick(on->replicas));
}

static void shard_open(struct sim_shard *s, struct life *l)
{
	struct replica_options options = {
		.env = &l->node->env,
		.node_id = l->broker.node_id,
		.dirs = &l->dir,
		.dir_count = 1,
		.config = l->node->config,
		.ctx = s,
		.sweeps_dirs = s->shard.index == 0,
		.owns = life_owns,
		.dir_failed = life_dir_failed,
		.propose_isr = life_propose_isr,
		.dir_chosen = life_dir_chosen,
		.shard = &s->shard,
		.throttles = &l->throttles,
		.set_count = l->broker.shard_count,
		.opened_at_once = l->node->sim->opens_slowly ? 1 : 0,
	};

	s->shard.replicas = replica_set_new(&options);
	s->shard.groups = group_coordinator_new(&s->shard);
	s->tick_timer.fire = shard_tick;
	shard_timer_start(&s->shard, &s->tick_timer, 1000);
}

static int life_start_control(struct life *l, struct err *err)
{
	struct sim_node *n = l->node;
	char host[16];
	struct image_endpoint broker = {STR_LIT("PLAINTEXT"), STR_NULL,
					(uint16_t)(SIM_BROKER_PORT + n->index + 1), 0};
	struct image_endpoint controller = {STR_LIT("CONTROLLER"), STR_NULL,
					    (uint16_t)(SIM_CONTROLLER_PORT + n->index + 1), 0};
	struct control_options options = {
		.shard = &l->shards[0].shard,
		.env = &n->env,
		.config = n->config,
		.node_id = l->broker.node_id,
		.cluster_id = str_of(SIM_CLUSTER_ID),
		.is_controller = n->is_controller,
		.is_broker = n->is_broker,
		.metadata_dir = "/data",
		.metadata_dir_id = n->directory_id,
		.endpoints = &broker,
		.endpoint_count = n->is_broker ? 1 : 0,
		.log_dirs = &n->directory_id,
		.log_dir_count = 1,
		.previous_broker_epoch = l->dir->broker_epoch,
		.ctx = l,
		.on_image = life_on_image,
		.on_caught_up = life_on_caught_up,
		.on_ready = life_on_ready,
		.on_fatal = life_on_fatal,
		.on_stopped = life_on_stopped,
	};

	snprintf(host, sizeof(host), "n%u", n->index + 1);
	broker.host = controller.host = str_of(host);
	if (n->is_controller)
		options.controller_endpoint = controller;
	return control_start(&l->control, &options, err);
}

static int life_open(struct life *l, struct err *err)
{
	struct sim_node *n = l->node;
	int rc = log_dir_open(&l->dir, &n->env, "/data", err);

	if (rc == 0)
		rc = log_dir_load(l->dir, err);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < n->sim->shards; i++)
		shard_open(&l->shards[i], l);
	rc = life_start_control(l, err);
	if (rc < 0)
		return rc;
	l->shards[0].shard.control = l->control;
	if (!n->is_broker)
		l->is_caught_up = true;
	l->checkpoint_timer.fire = checkpoint_fire;
	shard_timer_start(&l->shards[0].shard, &l->checkpoint_timer, CHECKPOINT_MS);
	return 0;
}

void sim_node_start(struct sim_node *n)
{
	struct sim *s = n->sim;
	struct life *l = xcalloc(1, sizeof(*l));
	struct err err = {0};

	l->node = n;
	n->life = l;
	l->broker.node_id = (int32_t)n->index + 1;
	l->broker.cluster_id_text = SIM_CLUSTER_ID;
	l->broker.started_ms = env_wall_ms(&n->env);
	sim_disk_power_on(n->disk);
	for (unsigned i = 0; i < s->shards; i++)
		sim_shard_init(&l->shards[i], l, i);
	if (run_is_verbose())
		printf("%10.3f node %u starts\n", (double)sim_now_us(s) / 1e6, n->index + 1);
	if (life_open(l, &err) < 0) {
		if (err.code != -EIO && err.code != -ENOSPC && err.code != E_OFFLINE)
			sim_fail(s, "node %u does not start: %s", n->index + 1, err.text);
		sim_node_crash(n, true, "it does not start");
		return;
	}
	/* the controllers' door is open from here on */
	l->is_running = l->is_running || !n->is_broker;
}
