#include "api/alter_isr.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/say.h"
#include "controller/control.h"
#include "replica/replica.h"
#include "shard/shard.h"
#include "wire/codec.h"
#include "wire/messages.h"

#define SAY_PLACE "broker/api"

#define RETRY_MS 50

struct isr_change {
	struct uuid topic_id;
	int32_t index;
	/* as sent: an answer to something older says nothing of what is pending now */
	int32_t leader_epoch, partition_epoch;
	bool is_answered;
};

struct alter_isr {
	struct shard *shard;
	struct timer timer; /* sends when the turn is over, or a while after a failure */
	bool is_scheduled, is_sent;
	struct control_op op;
	struct arena arena; /* of the operation */
	struct isr_change *waiting, *sent;
	size_t waiting_count, waiting_cap, sent_count, sent_cap;
	size_t next_answer; /* of `sent`, where to look first */
};

static void alter_isr_send(struct alter_isr *a);

/* ---- What waits ------------------------------------------------------------------------------ */

static void alter_isr_timer(struct timer *timer, struct shard *on UNUSED)
{
	alter_isr_send(CONTAINER_OF(timer, struct alter_isr, timer));
}

static void alter_isr_schedule(struct alter_isr *a, int64_t delay_ms)
{
	if (a->is_scheduled || a->is_sent || a->waiting_count == 0)
		return;
	a->is_scheduled = true;
	shard_timer_start(a->shard, &a->timer, delay_ms);
}

static void alter_isr_wait(struct alter_isr *a, struct partition *p)
{
	if (p->is_isr_queued)
		return;
	p->is_isr_queued = true;
	a->waiting = grow_array(a->waiting, a->waiting_count, &a->waiting_cap, sizeof(*a->waiting));
	a->waiting[a->waiting_count++] =
		(struct isr_change){.topic_id = p->topic_id, .index = p->index};
}

void alter_isr_note(struct shard *s, struct partition *p)
{
	struct alter_isr *a = s->alter_isr;

	if (!a) {
		a = s->alter_isr = xcalloc(1, sizeof(*a));
		a->shard = s;
		a->timer.fire = alter_isr_timer;
		arena_init(&a->arena);
	}
	alter_isr_wait(a, p);
	alter_isr_schedule(a, 0);
}

void alter_isr_free(struct alter_isr *a)
{
	if (!a)
		return;
	assert(!a->is_sent);
	shard_timer_stop(a->shard, &a->timer);
	arena_fini(&a->arena);
	free(a->waiting);
	free(a->sent);
	free(a);
}

/* ---- Sending --------------------------------------------------------------------------------- */

static struct partition *alter_isr_pending(struct alter_isr *a, const struct isr_change *change)
{
	struct partition *p = replica_set_find(a->shard->replicas, change->topic_id, change->index);

	return p && partition_is_leader(p) && p->isr.pending != ISR_COMMITTED ? p : NULL;
}

static int64_t alter_isr_broker_epoch(const struct shard *s, const struct partition *p, int32_t id,
				      int64_t own_epoch)
{
	for (unsigned i = 0; i < p->isr.follower_count; i++)
		if (p->isr.followers[i].id == id)
			return p->isr.followers[i].broker_epoch;
	return id == s->broker->node_id ? own_epoch : -1;
}

/* Version 3 has the epochs of the brokers beside their ids, version 2 ids only: both are filled. */
static void alter_isr_fill(struct alter_isr *a, const struct partition *p, int64_t own_epoch,
			   struct alter_partition_request_partition_data *out)
{
	out->partition_index = p->index;
	out->leader_epoch = p->leader_epoch;
	out->partition_epoch = p->partition_epoch;
	out->leader_recovery_state = LEADER_RECOVERED;
	out->new_isr_with_epochs =
		WIRE_ARRAY(&a->arena, alter_partition_request_broker_state, p->isr.proposed_count);
	out->new_isr_with_epochs_count = (int32_t)p->isr.proposed_count;
	for (unsigned i = 0; i < p->isr.proposed_count; i++) {
		struct alter_partition_request_broker_state *state = &out->new_isr_with_epochs[i];

		state->broker_id = p->isr.proposed[i];
		state->broker_epoch =
			alter_isr_broker_epoch(a->shard, p, state->broker_id, own_epoch);
	}
}

static void alter_isr_add(struct alter_isr *a, const struct partition *p, int64_t own_epoch,
			  struct alter_partition_request *request)
{
	struct alter_partition_request_topic_data *topic =
		&request->topics[request->topics_count++];

	topic->topic_id = p->topic_id;
	topic->partitions_count = 1;
	topic->partitions = WIRE_NEW(&a->arena, alter_partition_request_partition_data);
	alter_isr_fill(a, p, own_epoch, topic->partitions);
	a->sent = grow_array(a->sent, a->sent_count, &a->sent_cap, sizeof(*a->sent));
	a->sent[a->sent_count++] = (struct isr_change){
		.topic_id = p->topic_id,
		.index = p->index,
		.leader_epoch = p->leader_epoch,
		.partition_epoch = p->partition_epoch,
	};
}

static void alter_isr_done(struct control_op *op);

static void alter_isr_send(struct alter_isr *a)
{
	struct shard *s = a->shard;
	const struct image_broker *self = image_broker(s->image, s->broker->node_id);
	struct alter_partition_request *request;

	a->is_scheduled = false;
	if (a->is_sent)
		return;
	arena_reset(&a->arena);
	request = WIRE_NEW(&a->arena, alter_partition_request);
	request->broker_id = s->broker->node_id;
	request->broker_epoch = self ? self->epoch : -1;
	request->topics =
		WIRE_ARRAY(&a->arena, alter_partition_request_topic_data, a->waiting_count);
	a->sent_count = a->next_answer = 0;
	for (size_t i = 0; i < a->waiting_count; i++) {
		struct partition *p =
			replica_set_find(s->replicas, a->waiting[i].topic_id, a->waiting[i].index);

		if (p)
			p->is_isr_queued = false;
		if (p && alter_isr_pending(a, &a->waiting[i]))
			alter_isr_add(a, p, request->broker_epoch, request);
	}
	a->waiting_count = 0;
	if (a->sent_count == 0)
		return;
	a->is_sent = true;
	a->op = (struct control_op){
		.kind = CONTROL_ALTER_PARTITION,
		.version = 3,
		.request = request,
		.response = WIRE_NEW(&a->arena, alter_partition_response),
		.arena = &a->arena,
		.done = alter_isr_done,
	};
	control_submit(s, &a->op);
}

/* ---- Answers --------------------------------------------------------------------------------- */

/* Answers come in the order of what was sent, as a rule. */
static struct isr_change *alter_isr_sent(struct alter_isr *a, struct uuid topic_id, int32_t index)
{
	for (size_t i = 0; i < a->sent_count; i++) {
		struct isr_change *change = &a->sent[(a->next_answer + i) % a->sent_count];

		if (change->index != index || !uuid_eq(change->topic_id, topic_id))
			continue;
		a->next_answer = (size_t)(change - a->sent) + 1;
		return change;
	}
	return NULL;
}

static void alter_isr_answer(struct alter_isr *a, struct uuid topic_id,
			     const struct alter_partition_response_partition_data *in)
{
	struct isr_change *change = alter_isr_sent(a, topic_id, in->partition_index);
	struct partition *p = change ? alter_isr_pending(a, change) : NULL;

	if (!change || change->is_answered)
		return;
	change->is_answered = true;
	if (!p)
		return;
	if (p->leader_epoch != change->leader_epoch ||
	    p->partition_epoch != change->partition_epoch) {
		alter_isr_wait(a, p); /* another change by now */
		return;
	}
	if (in->error_code != KERR_NONE)
		say_info("%.*s-%d: the controller does not take the change of the ISR: %s",
			 STR(p->topic), p->index, kafka_error_name(in->error_code));
	partition_isr_answered(p, (enum kafka_error)in->error_code, in->partition_epoch);
}

static void alter_isr_done(struct control_op *op)
{
	struct alter_isr *a = CONTAINER_OF(op, struct alter_isr, op);
	const struct alter_partition_response *response = op->response;
	bool is_retried = false;

	if (op->error != KERR_NONE || response->error_code != KERR_NONE) {
		say_debug("changing the ISR of %zu partitions: %s", a->sent_count,
			  kafka_error_name(op->error != KERR_NONE ? (int)op->error
								  : response->error_code));
		response = NULL;
	}
	for (int32_t i = 0; response && i < response->topics_count; i++) {
		for (int32_t j = 0; j < response->topics[i].partitions_count; j++) {
			alter_isr_answer(a, response->topics[i].topic_id,
					 &response->topics[i].partitions[j]);
			is_retried |= response->topics[i].partitions[j].error_code != KERR_NONE;
		}
	}
	for (size_t i = 0; i < a->sent_count; i++) {
		struct partition *p =
			a->sent[i].is_answered ? NULL : alter_isr_pending(a, &a->sent[i]);

		if (!p)
			continue;
		alter_isr_wait(a, p);
		is_retried = true;
	}
	/* Only now, so that what the answers made partitions propose again waits as well. */
	a->is_sent = false;
	alter_isr_schedule(a, is_retried ? RETRY_MS : 0);
}
