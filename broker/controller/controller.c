#include "controller/controller.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"
#include "controller/controller_int.h"

#include <inttypes.h>

#define SAY_PLACE "broker/controller"

static const struct {
	op_run run;
	op_fail fail;
	bool is_atomic;
} op_kinds[CONTROL_OP_COUNT] = {
#define X(kind, name, atomic) [kind] = {name##_run, name##_fail, atomic},
	CONTROLLER_OPS(X)
#undef X
		[CONTROL_ADD_VOTER] = {.fail = add_voter_fail},
	[CONTROL_REMOVE_VOTER] = {.fail = remove_voter_fail},
};

static void queue_init(struct op_queue *q)
{
	q->first = NULL;
	q->end = &q->first;
}

static void queue_push(struct op_queue *q, struct control_op *op)
{
	op->next = NULL;
	*q->end = op;
	q->end = &op->next;
}

static struct control_op *queue_pop(struct op_queue *q)
{
	struct control_op *op = q->first;

	if (!op)
		return NULL;
	q->first = op->next;
	if (!q->first)
		q->end = &q->first;
	return op;
}

struct controller *controller_new(const struct controller_options *options,
				  const struct image *image)
{
	struct controller *c = xcalloc(1, sizeof(*c));
	uint64_t seed;

	c->options = *options;
	c->env = options->env;
	c->raft = options->raft;
	c->config = options->config;
	c->env->ops->random(c->env, &seed, sizeof(seed));
	rng_init(&c->rng, seed);
	c->incarnation_id = new_id(c->env);
	list_init(&c->pending);
	queue_init(&c->waiting);
	queue_init(&c->done);
	delta_init(&c->tip, image);
	delta_set_kraft_version(&c->tip, raft_kraft_version(c->raft));
	c->last = delta_publish(&c->tip, image_offset(image), image_epoch(image),
				image_timestamp_ms(image));
	c->committed = image_ref(c->last);
	c->has_new_image = image_offset(image) >= 0;
	c->tip_end = image_offset(image) + 1;
	return c;
}

static void pending_free(struct pending_image *p)
{
	list_remove(&p->link);
	image_unref(p->image);
	free(p);
}

void controller_free(struct controller *c)
{
	struct pending_image *p;

	if (!c)
		return;
	assert(!c->waiting.first && !c->done.first);
	LIST_FOREACH (&c->pending, p, struct pending_image, link)
		pending_free(p);
	delta_fini(&c->tip);
	image_unref(c->last);
	image_unref(c->committed);
	free(c->tracks);
	free(c);
}

void controller_set_config(struct controller *c, const struct config *config)
{
	c->config = config;
}

/* It may have lost the lead since it last settled: a node that was paused finds so. */
bool controller_is_active(const struct controller *c)
{
	return c->is_active && raft_role(c->raft) == RAFT_LEADER &&
	       raft_epoch(c->raft) == c->active_epoch;
}

struct uuid controller_incarnation_id(const struct controller *c)
{
	return c->incarnation_id;
}

int64_t controller_record_bytes(const struct controller *c)
{
	return c->record_bytes;
}

bool elr_enabled(const struct image *image)
{
	return image_feature_level(image, STR_LIT(ELR_VERSION_FEATURE)) > 0;
}

struct uuid new_id(struct env *env)
{
	struct uuid id;
	uint8_t random[16];

	do
		env->ops->random(env, random, sizeof(random));
	while (!uuid_from_random(&id, random));
	return id;
}

/* ---- Images ---------------------------------------------------------------------------------- */

void controller_commit_image(struct controller *c, const struct image *image)
{
	image_unref(c->committed);
	c->committed = image;
	c->has_new_image = true;
}

const struct image *controller_take_image(struct controller *c)
{
	if (!c->has_new_image)
		return NULL;
	c->has_new_image = false;
	return image_ref(c->committed);
}

struct control_op *controller_take_done(struct controller *c)
{
	return queue_pop(&c->done);
}

/* ---- Changes --------------------------------------------------------------------------------- */

static void change_begin_batch(struct change *ch)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;

	options.max_bytes = METADATA_BATCH_BYTES_MAX;
	batch_builder_init(&ch->batch, &options);
}

static void change_init(struct change *ch, struct controller *c, struct arena *arena,
			bool is_atomic)
{
	*ch = (struct change){
		.c = c,
		.arena = arena,
		.is_atomic = is_atomic,
		.timestamp_ms = env_wall_ms(c->env),
		.last_offset = -1,
	};
	out_init(&ch->scratch, METADATA_BATCH_BYTES_MAX);
	change_begin_batch(ch);
}

static void change_fini(struct change *ch)
{
	batch_builder_fini(&ch->batch);
	out_fini(&ch->scratch);
}

int64_t change_next_offset(const struct change *ch)
{
	return raft_log_end(ch->c->raft) + ch->batch.record_count;
}

/* What the tip has since its last image is forgotten. */
static void change_undo(struct change *ch)
{
	delta_reset(&ch->c->tip, ch->c->last);
	batch_builder_fini(&ch->batch);
	change_begin_batch(ch);
}

/* A disk that does not take records is no place to lead from: another voter shall. */
static void controller_step_down(struct controller *c, int rc)
{
	struct err err = {0};

	if (rc == E_TOO_LARGE || raft_voters(c->raft)->voters_count < 2 ||
	    raft_failed(c->raft, NULL) < 0)
		return;
	say_error("the metadata log cannot be written: resigning");
	if (raft_resign(c->raft, &err) < 0)
		say_error("%s", err_message(&err));
}

/* Appends what was collected; the tip's image waits for its commit. */
static void change_append(struct change *ch)
{
	struct controller *c = ch->c;
	struct pending_image *p;

	if (ch->rc < 0 || ch->batch.record_count == 0)
		return;
	if (!controller_is_active(c)) {
		ch->rc = err_set(&ch->err, E_CLOSED, "node %d does not lead the quorum any more",
				 c->options.node_id);
		return;
	}
	c->record_bytes += (int64_t)batch_builder_bytes(&ch->batch);
	ch->rc = raft_append(c->raft, &ch->batch, &ch->last_offset, &ch->err);
	if (ch->rc < 0) {
		controller_step_down(c, ch->rc);
		return;
	}
	change_begin_batch(ch);
	c->tip_end = ch->last_offset + 1;
	if (delta_in_transaction(&c->tip))
		return;
	delta_set_kraft_version(&c->tip, raft_kraft_version(c->raft));
	image_unref(c->last);
	c->last = delta_publish(&c->tip, ch->last_offset, raft_epoch(c->raft), ch->timestamp_ms);
	p = xcalloc(1, sizeof(*p));
	p->last_offset = ch->last_offset;
	p->image = image_ref(c->last);
	list_push_back(&c->pending, &p->link);
}

static bool change_is_full(const struct change *ch, size_t more_bytes)
{
	return ch->batch.record_count >= RECORDS_PER_BATCH_MAX ||
	       batch_builder_bytes(&ch->batch) + record_size_max(0, more_bytes, NULL, 0) >
		       METADATA_BATCH_BYTES_MAX;
}

void change_add(struct change *ch, const struct message_desc *desc, int16_t version,
		const void *record)
{
	struct slice value;

	if (ch->rc < 0)
		return;
	out_reset(&ch->scratch);
	ch->rc = metadata_record_encode(desc, version, record, &ch->scratch, &ch->err);
	if (ch->rc < 0)
		return;
	value = (struct slice){.data = ch->scratch.data, .len = ch->scratch.len};
	if (!ch->is_atomic && change_is_full(ch, value.len))
		change_append(ch);
	if (ch->rc == 0)
		ch->rc =
			batch_builder_add(&ch->batch, ch->timestamp_ms, SLICE_NULL, value, NULL, 0);
	if (ch->rc == 0)
		ch->rc = delta_replay(&ch->c->tip, (enum metadata_record_type)desc->key, record,
				      change_next_offset(ch) - 1, &ch->err);
	ch->record_count++;
	if (ch->is_atomic && ch->rc == 0 && ch->record_count > RECORDS_PER_USER_OP_MAX)
		ch->rc = err_set(&ch->err, E_TOO_LARGE,
				 "Excessively large number of records per request.");
}

/* ---- Operations ------------------------------------------------------------------------------ */

static enum kafka_error error_of_failure(int rc)
{
	if (rc == E_TOO_LARGE)
		return KERR_POLICY_VIOLATION;
	if (rc == E_CLOSED)
		return KERR_NOT_CONTROLLER;
	if (rc == E_OFFLINE || rc > E_SHORT) /* or -errno */
		return KERR_KAFKA_STORAGE_ERROR;
	return KERR_UNKNOWN_SERVER_ERROR;
}

void control_op_fail(struct control_op *op, enum kafka_error error, struct str text)
{
	op->error = error;
	if (op_kinds[op->kind].fail)
		op_kinds[op->kind].fail(op, error, text);
}

static void op_finish(struct controller *c, struct control_op *op, enum kafka_error error,
		      struct str text)
{
	control_op_fail(op, error, text);
	queue_push(&c->done, op);
}

/* The answer waits until all that it speaks of is committed. */
static void op_wait(struct controller *c, struct control_op *op)
{
	op->commit_offset = c->tip_end - 1;
	if ((op->commit_offset < raft_high_watermark(c->raft) && !c->waiting.first) ||
	    FAULT(answer_before_commit))
		queue_push(&c->done, op);
	else
		queue_push(&c->waiting, op);
}

void controller_submit(struct controller *c, struct control_op *op)
{
	struct change ch;

	assert(op_kinds[op->kind].run);
	op->error = KERR_NONE;
	if (op->deadline_us && env_mono_us(c->env) >= op->deadline_us) {
		op_finish(c, op, KERR_REQUEST_TIMED_OUT, STR_NULL);
		return;
	}
	if (!controller_is_active(c)) {
		op_finish(c, op, KERR_NOT_CONTROLLER,
			  raft_leader_id(c->raft) < 0
				  ? STR_LIT("No controller appears to be active.")
				  : op_text(op, "The active controller appears to be node %d.",
					    raft_leader_id(c->raft)));
		return;
	}
	change_init(&ch, c, op->arena, op_kinds[op->kind].is_atomic);
	op_kinds[op->kind].run(&ch, op);
	if (ch.is_discarded && ch.rc == 0)
		change_undo(&ch);
	change_append(&ch);
	if (ch.rc < 0) {
		say_error("an operation failed: %s", err_message(&ch.err));
		change_undo(&ch);
		/* a leader that had to resign leaves it to the next */
		op_finish(c, op,
			  controller_is_active(c) ? error_of_failure(ch.rc) : KERR_NOT_CONTROLLER,
			  str_dup(op->arena, str_of(ch.err.text)));
	} else {
		op_wait(c, op);
	}
	change_fini(&ch);
}

void controller_abandon(struct controller *c, enum kafka_error error)
{
	struct control_op *op;

	while ((op = queue_pop(&c->waiting)) != NULL)
		op_finish(c, op, error, STR_NULL);
}

/* ---- Taking over and giving up --------------------------------------------------------------- */

int controller_change(struct controller *c, bool is_atomic, void (*work)(struct change *ch),
		      struct err *err)
{
	struct arena arena;
	struct change ch;
	int rc;

	arena_init(&arena);
	change_init(&ch, c, &arena, is_atomic);
	work(&ch);
	change_append(&ch);
	rc = ch.rc;
	if (rc < 0) {
		err_set(err, rc, "%s", err_message(&ch.err));
		change_undo(&ch);
	}
	change_fini(&ch);
	arena_fini(&arena);
	return rc;
}

static void change_add_bytes(struct change *ch, struct slice value)
{
	const struct record_type *type;
	int16_t version;
	void *record;

	if (ch->rc < 0)
		return;
	ch->rc = metadata_record_decode(RECORDS_METADATA, value, ch->arena, &type, &version,
					&record, &ch->err);
	if (ch->rc == 0)
		change_add(ch, type->value, version, record);
}

static void abort_transaction(struct change *ch)
{
	struct abort_transaction_record r;

	WIRE_INIT(abort_transaction_record, &r);
	r.reason = STR_LIT("Controller failover");
	change_add(ch, &abort_transaction_record_desc, 0, &r);
}

/* What the cluster begins with. Under ELR the cluster has a min.insync.replicas of its own. */
static void bootstrap(struct change *ch)
{
	const struct controller_options *o = &ch->c->options;
	bool in_transaction = metadata_has_transactions(o->bootstrap_metadata_version);
	struct begin_transaction_record begin;
	struct end_transaction_record end;
	struct config_record min_isr;

	WIRE_INIT(begin_transaction_record, &begin);
	begin.name = STR_LIT("Bootstrap records");
	if (in_transaction)
		change_add(ch, &begin_transaction_record_desc, 0, &begin);
	for (size_t i = 0; i < o->bootstrap_count; i++)
		change_add_bytes(ch, o->bootstrap[i]);
	if (elr_enabled(tip(ch))) {
		WIRE_INIT(config_record, &min_isr);
		min_isr.resource_type = CONFIG_RESOURCE_BROKER;
		min_isr.resource_name = STR_LIT("");
		min_isr.name = STR_LIT("min.insync.replicas");
		min_isr.value = str_of(arena_printf(
			ch->arena, "%d", config_i32(ch->c->config, CONFIG_MIN_INSYNC_REPLICAS)));
		change_add(ch, &config_record_desc, 0, &min_isr);
	}
	WIRE_INIT(end_transaction_record, &end);
	if (in_transaction)
		change_add(ch, &end_transaction_record_desc, 0, &end);
}

/* From a version on, controllers are in the metadata as brokers are. */
static bool controller_registers(const struct controller *c)
{
	const struct image *image = delta_image(&c->tip);
	const struct image_controller *self = image_controller(image, c->options.node_id);

	return image_metadata_version(image) >= METADATA_3_7_IV0 &&
	       !str_is_null(c->options.endpoint.host) &&
	       !(self && uuid_eq(self->incarnation_id, c->incarnation_id));
}

static int controller_activate(struct controller *c, struct err *err)
{
	int rc = 0;

	c->is_active = true;
	c->active_epoch = raft_epoch(c->raft);
	c->last_tick_us = c->next_no_op_us = c->next_balance_us = c->next_unclean_us = 0;
	say_info("node %d is the active controller at epoch %d", c->options.node_id,
		 c->active_epoch);
	if (delta_in_transaction(&c->tip))
		rc = controller_change(c, true, abort_transaction, err);
	if (rc == 0 && image_metadata_version(delta_image(&c->tip)) == 0)
		rc = controller_change(c, true, bootstrap, err);
	if (rc == 0 && controller_registers(c))
		rc = controller_change(c, true, brokers_register_controller, err);
	if (rc == 0)
		brokers_activate(c);
	else
		c->is_active = false;
	return rc;
}

/* What was not committed may never have been: forget it. */
static void controller_resign(struct controller *c)
{
	struct pending_image *p;

	say_info("node %d is not the active controller any more", c->options.node_id);
	c->is_active = false;
	c->track_count = 0;
	LIST_FOREACH (&c->pending, p, struct pending_image, link)
		pending_free(p);
	delta_reset(&c->tip, c->committed);
	image_unref(c->last);
	c->last = image_ref(c->committed);
	c->tip_end = image_offset(c->committed) + 1;
	controller_abandon(c, KERR_NOT_CONTROLLER);
}

int controller_settle(struct controller *c, struct err *err)
{
	int64_t high_watermark = raft_high_watermark(c->raft);
	bool leads = raft_role(c->raft) == RAFT_LEADER && raft_failed(c->raft, NULL) == 0;
	struct pending_image *p;
	int rc = 0;

	if (c->is_active && (!leads || raft_epoch(c->raft) != c->active_epoch))
		controller_resign(c);
	if (!c->is_active) {
		rc = controller_load(c, err);
		if (rc == 0 && leads && high_watermark > raft_epoch_start(c->raft) &&
		    c->tip_end == raft_log_end(c->raft))
			rc = controller_activate(c, err);
		/* it could not write and resigned: there are others */
		if (rc < 0 && leads && raft_role(c->raft) != RAFT_LEADER &&
		    raft_failed(c->raft, NULL) == 0) {
			controller_resign(c);
			rc = 0;
		}
	}
	LIST_FOREACH (&c->pending, p, struct pending_image, link) {
		if (p->last_offset >= high_watermark)
			break;
		controller_commit_image(c, image_ref(p->image));
		pending_free(p);
	}
	while (c->waiting.first && c->waiting.first->commit_offset < high_watermark)
		queue_push(&c->done, queue_pop(&c->waiting));
	return rc;
}
