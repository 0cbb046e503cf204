/* The idempotent producer: an id from the cluster, and a sequence number for each record of a
 * partition, so that a broker knows a batch that comes twice and misses one that does not come.
 *
 * When a batch is given up, the broker must not wait for its numbers: if it certainly was not
 * written, those behind it move up; if that is not known, the producer begins anew with another
 * id, as soon as nothing is in flight and it is known of every other batch whether it was written:
 * under a new number it would be written twice. */
#define SAY_PLACE "client/producer"
#include "client/producer_int.h"

#include "base/say.h"

static void idempotence_ask(struct producer *p);
static void idempotence_done(struct call *call);
static void idempotence_again(struct client_timer *t);

bool idempotence_is_ready(struct producer *p)
{
	if (!p->is_idempotent || p->pid_state == PID_READY || p->pid_state == PID_WAIT)
		return true;
	if (p->pid_state == PID_NONE)
		idempotence_ask(p);
	return false;
}

static void idempotence_ask(struct producer *p)
{
	if (p->fatal.code)
		return;
	WIRE_INIT(init_producer_id_request, &p->pid_request);
	p->pid_request.transactional_id = STR_NULL;
	p->pid_request.transaction_timeout_ms = INT32_MAX;
	p->pid_call = (struct call){
		.target = TO_ANY,
		.api_key = API_INIT_PRODUCER_ID,
		.request = &p->pid_request,
		.timeout_ms = -1,
		.done = idempotence_done,
		.owner = p,
	};
	p->pid_state = PID_ASKING;
	client_request(p->client, &p->pid_call);
}

static void idempotence_again(struct client_timer *t)
{
	struct producer *p = CONTAINER_OF(t, struct producer, pid_timer);

	idempotence_ask(p);
}

static void idempotence_done(struct call *call)
{
	struct producer *p = call->owner;
	const struct init_producer_id_response *r = call->response;
	struct err err = call->err;
	int rc = call->rc;
	int code = 0;

	if (rc == 0) {
		code = r->error_code;
		p->producer_id = r->producer_id;
		p->producer_epoch = r->producer_epoch;
	}
	call_fini(call);
	p->pid_state = PID_NONE;
	if (rc == 0 && code == 0) {
		p->pid_state = PID_READY;
		p->pid_attempts = 0;
		produce_pump(p);
		return;
	}
	if (rc == E_UNSUPPORTED) {
		say_warn("%s: producing without idempotence", err.text);
		p->is_idempotent = false;
		produce_pump(p);
		return;
	}
	if (rc == E_UNREACHABLE || rc == E_INTERRUPTED)
		return;		/* the next record may try again */
	if (rc == E_AUTH) {
		p->fatal = err;
		produce_pump(p);
		return;
	}
	if (code && !kafka_error_is_retriable(code)) {
		err_set(&p->fatal, E_KAFKA, "asking for a producer id: %s", kafka_error_text(code));
		p->fatal.kafka_error = code;
		produce_pump(p);
		return;
	}
	p->pid_state = PID_ASKING;
	p->pid_timer.fire = idempotence_again;
	client_timer_start(p->client, &p->pid_timer,
			   client_backoff_ms(p->client, ++p->pid_attempts));
}

void idempotence_assign(struct producer *p, struct pbatch *b)
{
	if (!p->is_idempotent)
		return;
	if (!b->has_sequence || b->producer_id != p->producer_id) {
		b->has_sequence = true;
		b->base_sequence = b->part->next_sequence;
		b->part->next_sequence =
			sequence_add(b->part->next_sequence, (int32_t)b->record_count);
	}
	b->producer_id = p->producer_id;
	b->producer_epoch = p->producer_epoch;
	if (b->is_finished) {
		batch_set_producer((uint8_t *)(uintptr_t)b->data.data, b->producer_id,
				   b->producer_epoch, b->base_sequence, false);
		return;
	}
	b->builder.options.producer_id = b->producer_id;
	b->builder.options.producer_epoch = b->producer_epoch;
	b->builder.options.base_sequence = b->base_sequence;
}

void idempotence_gave_up(struct producer *p, struct pbatch *b)
{
	struct pbatch *other;

	if (!p->is_idempotent || !b->has_sequence || b->producer_id != p->producer_id)
		return;
	if (b->may_be_written) {
		b->may_be_written = false; /* nobody asks any more */
		idempotence_renew(p);
		return;
	}
	LIST_FOREACH(&b->part->batches, other, struct pbatch, link)
		if (other != b && other->has_sequence && other->producer_id == p->producer_id)
			other->base_sequence =
				sequence_add(other->base_sequence, -(int32_t)b->record_count);
	b->part->next_sequence = sequence_add(b->part->next_sequence, -(int32_t)b->record_count);
}

bool idempotence_is_open(const struct producer *p, const struct pbatch *b)
{
	return b->may_be_written && b->has_sequence && b->producer_id == p->producer_id;
}

void idempotence_not_there(struct ppart *part)
{
	struct pbatch *b;

	LIST_FOREACH(&part->batches, b, struct pbatch, link)
		b->may_be_written = false;
}

static bool idempotence_has_open(struct producer *p)
{
	struct ppart *part;
	struct pbatch *b;

	LIST_FOREACH(&p->active, part, struct ppart, active)
		LIST_FOREACH(&part->batches, b, struct pbatch, link)
			if (idempotence_is_open(p, b))
				return true;
	return false;
}

/* All partitions begin again at 0 under the new id, with what is still queued. */
static void idempotence_reset(struct producer *p)
{
	struct ptopic *t;

	MAP_FOREACH(&p->topics, t, struct ptopic, node)
		for (int32_t i = 0; i < t->part_count; i++) {
			struct pbatch *b;

			t->parts[i]->next_sequence = 0;
			t->parts[i]->is_numbered = false;
			LIST_FOREACH(&t->parts[i]->batches, b, struct pbatch, link)
				b->has_sequence = false;
		}
	p->producer_id = -1;
	p->pid_state = PID_NONE;
	idempotence_ask(p);
}

void idempotence_renew(struct producer *p)
{
	if (p->is_idempotent && p->pid_state == PID_READY)
		p->pid_state = PID_WAIT;
}

void idempotence_settled(struct producer *p)
{
	if (p->pid_state == PID_WAIT && p->request_count == 0 && !idempotence_has_open(p))
		idempotence_reset(p);
}
