#include "controller/control.h"

#include "base/mem.h"
#include "base/say.h"
#include "controller/control_int.h"

#include <stdatomic.h>

#include <stdio.h>

#define SAY_PLACE "broker/controller"

static void control_pump(struct control *c);

/* ---- The pump -------------------------------------------------------------------------------- */

static void control_pump_run(struct task *task, struct shard *on UNUSED)
{
	struct control *c = CONTAINER_OF(task, struct control, pump_task);

	c->pump_posted = false;
	if (c->is_closed)
		free(c);
	else
		control_pump(c);
}

void control_pump_soon(struct control *c)
{
	if (c->pump_posted)
		return;
	c->pump_posted = true;
	shard_post(c->shard, &c->pump_task);
}

void control_wake(void *ctx)
{
	control_pump_soon(ctx);
}

static void control_fire(struct timer *timer, struct shard *on UNUSED)
{
	struct control *c = CONTAINER_OF(timer, struct control, timer);

	control_pump(c);
}

void control_fatal(struct control *c, const struct err *err)
{
	if (c->is_fatal)
		return;
	c->is_fatal = true;
	say_error("%s", err_message(err));
	controller_abandon(c->controller, KERR_KAFKA_STORAGE_ERROR);
	c->options.on_fatal(c->options.ctx, err);
}

static void control_schedule(struct control *c)
{
	int64_t now_us = env_mono_us(c->env);
	int64_t deadline = raft_deadline_us(c->raft);
	int64_t delay_us;

	deadline = MIN(deadline, controller_deadline_us(c->controller));
	deadline = MIN(deadline, lifecycle_deadline_us(c));
	deadline = MIN(deadline, enrolment_deadline_us(c));
	deadline = MIN(deadline, forward_deadline_us(c));
	deadline = MIN(deadline, snapshots_deadline_us(c));
	if (deadline == INT64_MAX || c->is_fatal)
		return;
	delay_us = MAX(deadline - now_us, 0);
	shard_timer_start(c->shard, &c->timer, (delay_us + 999) / 1000);
}

static void op_return(struct task *task, struct shard *on UNUSED)
{
	struct control_op *op = CONTAINER_OF(task, struct control_op, task);

	op->done(op);
}

void control_return(struct control *c UNUSED, struct control_op *op)
{
	if (!op->home) {
		op->done(op);
		return;
	}
	op->task.run = op_return;
	shard_post(op->home, &op->task);
}

static bool control_may_forward(const struct control *c, const struct control_op *op)
{
	return !op->stays_here && !c->is_fatal && c->life.state != LIFE_STOPPED;
}

/* What is committed becomes visible: first the image, then the answers that speak of it. */
static bool control_deliver(struct control *c)
{
	const struct image *image = controller_take_image(c->controller);
	struct control_op *op;
	bool any = image != NULL;

	if (image) {
		image_unref(c->latest);
		c->latest = image_ref(image);
		c->options.on_image(c->options.ctx, image);
	}
	while ((op = controller_take_done(c->controller)) != NULL) {
		any = true;
		/* whoever leads now may carry it out */
		if (op->error == KERR_NOT_CONTROLLER && control_may_forward(c, op))
			forward_submit(c, op);
		else
			control_return(c, op);
	}
	return any;
}

static void control_pump(struct control *c)
{
	struct err err = {0};
	int rc = raft_tick(c->raft, &err);

	controller_tick(c->controller);
	do {
		raft_flush(c->raft);
		if (rc == 0)
			rc = controller_settle(c->controller, &err);
		if (rc == 0)
			rc = raft_failed(c->raft, &err);
		if (rc < 0)
			control_fatal(c, &err);
		forward_tick(c);
		lifecycle_tick(c);
		enrolment_tick(c);
	} while (control_deliver(c));
	snapshots_tick(c);
	raft_flush(c->raft);
	atomic_store(&c->shard->broker->kraft_version, raft_kraft_version(c->raft));
	control_schedule(c);
}

/* ---- Operations ------------------------------------------------------------------------------ */

void control_run_here(struct control *c, struct control_op *op)
{
	if (op->kind == CONTROL_ADD_VOTER || op->kind == CONTROL_REMOVE_VOTER)
		voters_submit(c, op);
	else
		controller_submit(c->controller, op);
}

static void control_run(struct control *c, struct control_op *op)
{
	control_pump_soon(c);
	switch (op->kind) {
	case CONTROL_PRODUCER_ID: producer_ids_take(c, op); return;
	case CONTROL_LEADER:
		op->error = KERR_NONE;
		op->node_id = raft_leader_id(c->raft);
		control_return(c, op);
		return;
	default: break;
	}
	if (controller_is_active(c->controller) || !control_may_forward(c, op))
		control_run_here(c, op);
	else
		forward_submit(c, op);
}

static void op_arrived(struct task *task, struct shard *on)
{
	struct control_op *op = CONTAINER_OF(task, struct control_op, task);

	if (on->control) {
		control_run(on->control, op);
		return;
	}
	/* The broker has ended but for this request, whose connection is gone. */
	control_op_fail(op, KERR_NOT_CONTROLLER, STR_NULL);
	op->task.run = op_return;
	shard_post(op->home, &op->task);
}

void control_submit(struct shard *from, struct control_op *op)
{
	op->home = from;
	op->until_us = 0;
	op->is_doubtful = false;
	op->task.run = op_arrived;
	shard_post(shard_control(from->broker), &op->task);
}

void control_submit_own(struct control *c, struct control_op *op)
{
	op->home = NULL;
	op->until_us = 0;
	op->is_doubtful = false;
	control_run(c, op);
}

/* ---- Start and end --------------------------------------------------------------------------- */

static struct image_endpoint keep_endpoint(struct control *c, struct image_endpoint e)
{
	e.name = str_dup(&c->fixed, e.name);
	e.host = str_dup(&c->fixed, e.host);
	return e;
}

static void control_copy_options(struct control *c, const struct control_options *options)
{
	struct image_endpoint *endpoints =
		arena_array(&c->fixed, options->endpoint_count + 1, sizeof(*endpoints));
	const char **paths = arena_array(&c->fixed, options->log_dir_count + 1, sizeof(*paths));

	c->options = *options;
	c->options.cluster_id = str_dup(&c->fixed, options->cluster_id);
	c->options.metadata_dir = arena_strdup(&c->fixed, options->metadata_dir);
	c->options.rack = str_dup(&c->fixed, options->rack);
	c->options.controller_endpoint = keep_endpoint(c, options->controller_endpoint);
	for (uint32_t i = 0; i < options->endpoint_count; i++)
		endpoints[i] = keep_endpoint(c, options->endpoints[i]);
	c->options.endpoints = endpoints;
	if (options->log_dir_count)
		c->options.log_dirs =
			arena_memdup(&c->fixed, options->log_dirs,
				     options->log_dir_count * sizeof(*options->log_dirs));
	for (uint32_t i = 0; options->log_dir_paths && i < options->log_dir_count; i++)
		paths[i] = arena_strdup(&c->fixed, options->log_dir_paths[i]);
	c->options.log_dir_paths = options->log_dir_paths ? paths : NULL;
}

/* The image to begin with: of the newest snapshot, or nothing. */
static int control_first_image(struct control *c, const struct image **image, struct err *err)
{
	struct snapshot_id id = raft_latest_snapshot(c->raft);
	struct snapshot_contents contents;
	struct arena arena;
	int rc;

	if (id.end_offset <= 0) {
		*image = image_empty();
		return 0;
	}
	arena_init(&arena);
	rc = snapshot_read_image(c->env, raft_dir(c->raft), id, &arena, &contents, image, err);
	arena_fini(&arena);
	return rc;
}

static int control_open_controller(struct control *c, struct err *err)
{
	struct controller_options options = {
		.env = c->env,
		.raft = c->raft,
		.config = c->options.config,
		.node_id = c->options.node_id,
		.cluster_id = c->options.cluster_id,
		.has_broker = c->options.is_broker,
		.endpoint = c->options.controller_endpoint,
	};
	const struct image *image;
	int rc = control_first_image(c, &image, err);

	if (rc < 0)
		return rc;
	rc = bootstrap_load(c, raft_latest_snapshot(c->raft), raft_dir(c->raft),
			    &options.bootstrap_metadata_version, err);
	if (rc == 0) {
		options.bootstrap = c->bootstrap;
		options.bootstrap_count = c->bootstrap_count;
		c->controller = controller_new(&options, image);
	}
	image_unref(image);
	return rc;
}

int control_start(struct control **out, const struct control_options *options, struct err *err)
{
	struct control *c = xcalloc(1, sizeof(*c));
	int rc;

	arena_init(&c->fixed);
	c->env = options->env;
	c->shard = options->shard;
	c->timer.fire = control_fire;
	c->pump_task.run = control_pump_run;
	list_init(&c->auto_creates);
	list_init(&c->voter_trips);
	forward_init(c);
	control_copy_options(c, options);
	rc = control_open_raft(c, err);
	if (rc == 0)
		rc = control_open_controller(c, err);
	if (rc < 0) {
		control_close_raft(c);
		arena_fini(&c->fixed);
		free(c);
		return rc;
	}
	lifecycle_init(c);
	enrolment_init(c);
	producer_ids_init(c);
	snapshots_init(c);
	control_pump_soon(c);
	*out = c;
	return 0;
}

void control_close(struct control *c)
{
	struct control_op *op;

	if (!c)
		return;
	shard_timer_stop(c->shard, &c->timer);
	controller_abandon(c->controller, KERR_NOT_CONTROLLER);
	voters_abandon(c, KERR_NOT_CONTROLLER);
	while ((op = controller_take_done(c->controller)) != NULL)
		control_return(c, op);
	forward_abandon(c, KERR_NOT_CONTROLLER);
	producer_ids_fini(c);
	enrolment_fini(c);
	lifecycle_fini(c);
	snapshots_fini(c);
	control_close_raft(c);
	controller_free(c->controller);
	image_unref(c->latest);
	arena_fini(&c->fixed);
	c->is_closed = true;
	if (!c->pump_posted)
		free(c);
}

void control_set_config(struct control *c, const struct config *config)
{
	c->options.config = config;
	controller_set_config(c->controller, config);
	lifecycle_configured(c);
}

struct str control_listener_name(const struct control *c)
{
	size_t count;
	const char *const *names =
		config_list(c->options.config, CONFIG_CONTROLLER_LISTENER_NAMES, &count);

	if (!str_is_null(c->options.controller_endpoint.name))
		return c->options.controller_endpoint.name;
	return count ? str_of(names[0]) : STR_LIT("CONTROLLER");
}

int16_t control_listener_protocol(const struct control *c)
{
	struct str name = control_listener_name(c);
	enum security_protocol protocol;
	char text[256];

	snprintf(text, sizeof(text), "%.*s", STR(name));
	if (!config_listener_protocol(c->options.config, text, &protocol))
		return 0;
	return (int16_t)protocol;
}

int32_t control_leader_id(const struct control *c)
{
	return c ? raft_leader_id(c->raft) : -1;
}
