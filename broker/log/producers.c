/* What a partition remembers of idempotent and transactional producers.
 * Source: ProducerStateManager.java, ProducerAppendInfo.java, ProducerStateEntry.java. */
#include "base/err.h"
#include "base/fault.h"
#include "base/mem.h"
#include "log/log_int.h"

#define LATE_TRANSACTION_BUFFER_MS (5 * 60 * 1000)

void producers_init(struct producers *p)
{
	*p = (struct producers){0};
	map_init(&p->by_id);
	map_init(&p->verifications);
	list_init(&p->ongoing);
	list_init(&p->ended);
}

static void producers_remove(struct producers *p, struct producer *producer)
{
	map_remove(&p->by_id, &producer->node);
	list_remove(&producer->ongoing);
	free(producer);
}

static void verification_remove(struct producers *p, struct txn_verification *v)
{
	map_remove(&p->verifications, &v->node);
	free(v);
}

void producers_clear(struct producers *p)
{
	struct txn_verification *v;
	struct producer *producer;
	struct list_node *node;

	MAP_FOREACH(&p->by_id, producer, struct producer, node)
		producers_remove(p, producer);
	MAP_FOREACH(&p->verifications, v, struct txn_verification, node)
		verification_remove(p, v);
	while ((node = list_pop_front(&p->ended)))
		free(LIST_ENTRY(node, struct ended_txn, link));
	map_fini(&p->by_id);
	map_fini(&p->verifications);
	map_init(&p->by_id);
	map_init(&p->verifications);
	p->end_offset = 0;
}

struct producer *producers_get(const struct producers *p, int64_t producer_id)
{
	struct map_node *node = map_get(&p->by_id, &producer_id, sizeof(producer_id));

	return node ? CONTAINER_OF(node, struct producer, node) : NULL;
}

static struct txn_verification *verification_get(const struct producers *p, int64_t producer_id)
{
	struct map_node *node = map_get(&p->verifications, &producer_id, sizeof(producer_id));

	return node ? CONTAINER_OF(node, struct txn_verification, node) : NULL;
}

static struct producer *producers_make(struct producers *p, int64_t producer_id)
{
	struct producer *producer = producers_get(p, producer_id);

	if (producer)
		return producer;
	producer = xcalloc(1, sizeof(*producer));
	producer->producer_id = producer_id;
	producer->producer_epoch = NO_PRODUCER_EPOCH;
	producer->coordinator_epoch = -1;
	producer->last_timestamp = NO_TIMESTAMP;
	producer->txn_first_offset = -1;
	map_put(&p->by_id, &producer->node, &producer->producer_id, sizeof(producer_id));
	return producer;
}

/* Keeps the list in the order of first offsets; nearly always it goes last. */
static void ongoing_add(struct producers *p, struct producer *producer)
{
	struct list_node *at = p->ongoing.prev;

	while (at != &p->ongoing && LIST_ENTRY(at, struct producer, ongoing)->txn_first_offset >
					    producer->txn_first_offset)
		at = at->prev;
	list_insert(&producer->ongoing, at);
}

void producers_restore(struct producers *p, const struct producer *from)
{
	struct producer *producer = producers_make(p, from->producer_id);

	producer->producer_epoch = from->producer_epoch;
	producer->coordinator_epoch = from->coordinator_epoch;
	producer->last_timestamp = from->last_timestamp;
	producer->batch_count = from->batch_count;
	memcpy(producer->batches, from->batches, sizeof(from->batches));
	if (list_linked(&producer->ongoing))
		list_remove(&producer->ongoing);
	producer->txn_first_offset = from->txn_first_offset;
	if (producer->txn_first_offset >= 0)
		ongoing_add(p, producer);
}

/* ---- Checking ------------------------------------------------------------------------------- */

static int32_t last_sequence(const struct producer *producer)
{
	return producer->batch_count ? producer->batches[producer->batch_count - 1].last_sequence
				     : NO_SEQUENCE;
}

static const struct producer_batch *find_duplicate(const struct producer *producer,
						   const struct batch *b)
{
	for (unsigned i = 0; i < producer->batch_count; i++) {
		const struct producer_batch *known = &producer->batches[i];

		if (known->last_sequence == batch_last_sequence(b) &&
		    known->offset_delta == b->last_offset_delta)
			return known;
	}
	return NULL;
}

static enum kafka_error check_marker(const struct producer *producer, const struct batch *b,
				     int8_t transaction_version, const char **text)
{
	enum control_type type;
	int32_t coordinator_epoch;
	struct record_iter it;
	struct record r;

	if (record_iter_init(&it, b, NULL, 0) < 0 || record_next(&it, &r) != 1 ||
	    control_marker_parse(&r, &type, &coordinator_epoch) < 0)
		return KERR_NONE;	/* no marker: nothing to hold against it */
	if (!producer)
		return KERR_NONE;
	*text = "the marker's producer epoch is old";
	if (b->producer_epoch < producer->producer_epoch)
		return KERR_INVALID_PRODUCER_EPOCH;
	if (transaction_version >= 2 && b->producer_epoch == producer->producer_epoch &&
	    producer->txn_first_offset >= 0 && b->producer_epoch != INT16_MAX)
		return KERR_INVALID_PRODUCER_EPOCH;
	*text = "the marker's coordinator epoch is old";
	if (coordinator_epoch < producer->coordinator_epoch)
		return KERR_TRANSACTION_COORDINATOR_FENCED;
	*text = NULL;
	return KERR_NONE;
}

static enum kafka_error check_sequence(const struct log *log, const struct producer *producer,
				       const struct batch *b, const char **text)
{
	const struct txn_verification *v = verification_get(&log->producers, b->producer_id);
	int32_t last;

	*text = "the sequence number does not follow the producer's last one";
	if (v && b->base_sequence > v->lowest_sequence)
		return KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
	if (!producer || producer->producer_epoch == NO_PRODUCER_EPOCH) {
		if (v && v->supports_epoch_bump && b->base_sequence != 0)
			return KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
		*text = NULL;
		return KERR_NONE;
	}
	last = last_sequence(producer);
	if (producer->producer_epoch != b->producer_epoch
		    ? b->base_sequence != 0
		    : b->base_sequence != (last == INT32_MAX ? 0 : last + 1))
		return KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
	*text = NULL;
	return KERR_NONE;
}

enum kafka_error producers_check(struct log *log, const struct batch *b,
				 const struct log_append *request,
				 const struct producer_batch **duplicate, const char **text)
{
	const struct producer *producer;
	bool is_client = request->origin == LOG_ORIGIN_CLIENT;

	*duplicate = NULL;
	*text = NULL;
	if (!batch_has_producer_id(b) || FAULT(sequence_unseen))
		return KERR_NONE;
	producer = producers_get(&log->producers, b->producer_id);
	if (batch_is_control(b))
		return check_marker(producer, b, request->transaction_version, text);
	if (is_client && producer && producer->producer_epoch == b->producer_epoch)
		*duplicate = find_duplicate(producer, b);
	if (*duplicate && !FAULT(retry_refused))
		return KERR_NONE;
	*text = "the producer epoch is old";
	if (producer && b->producer_epoch < producer->producer_epoch)
		return KERR_INVALID_PRODUCER_EPOCH;
	if (is_client && request->verify_txn && batch_is_transactional(b) &&
	    !(producer && producer->txn_first_offset >= 0 &&
	      producer->producer_epoch == b->producer_epoch)) {
		const struct txn_verification *v =
			verification_get(&log->producers, b->producer_id);

		*text = "the records are not part of an open transaction";
		if (!v || request->verification_guard == 0 ||
		    v->guard != request->verification_guard)
			return KERR_INVALID_TXN_STATE;
	}
	*text = "records without a transaction while the producer has one open";
	if (producer && producer->txn_first_offset >= 0 && !batch_is_transactional(b))
		return KERR_INVALID_TXN_STATE;
	*text = NULL;
	return is_client ? check_sequence(log, producer, b, text) : KERR_NONE;
}

/* ---- Taking note ---------------------------------------------------------------------------- */

static void producer_set_epoch(struct producer *producer, int16_t producer_epoch)
{
	if (producer->producer_epoch == producer_epoch)
		return;
	producer->batch_count = 0;
	producer->producer_epoch = producer_epoch;
}

static void note_data(struct producers *p, const struct batch *b)
{
	struct producer *producer = producers_make(p, b->producer_id);

	producer_set_epoch(producer, b->producer_epoch);
	if (producer->batch_count == PRODUCER_BATCHES) {
		memmove(producer->batches, producer->batches + 1,
			(PRODUCER_BATCHES - 1) * sizeof(producer->batches[0]));
		producer->batch_count--;
	}
	producer->batches[producer->batch_count++] = (struct producer_batch){
		.last_sequence = batch_last_sequence(b),
		.offset_delta = b->last_offset_delta,
		.last_offset = batch_last_offset(b),
		.timestamp = b->max_timestamp,
	};
	producer->last_timestamp = b->max_timestamp;
	if (batch_is_transactional(b) && producer->txn_first_offset < 0) {
		producer->txn_first_offset = b->base_offset;
		ongoing_add(p, producer);
	}
}

/* The transaction that `producer` has open ends at `marker_offset`. */
static void end_txn(struct producers *p, struct producer *producer, int64_t marker_offset,
		    bool is_abort, struct aborted_txn *aborted)
{
	struct ended_txn *ended = xcalloc(1, sizeof(*ended));
	struct list_node *at = p->ended.prev;
	struct producer *oldest;

	list_remove(&producer->ongoing);
	oldest = LIST_FIRST(&p->ongoing, struct producer, ongoing);
	if (is_abort)
		*aborted = (struct aborted_txn){
			.producer_id = producer->producer_id,
			.first_offset = producer->txn_first_offset,
			.last_offset = marker_offset,
			.last_stable_offset = oldest ? oldest->txn_first_offset : marker_offset + 1,
		};
	ended->first_offset = producer->txn_first_offset;
	ended->last_offset = marker_offset;
	while (at != &p->ended &&
	       LIST_ENTRY(at, struct ended_txn, link)->first_offset > ended->first_offset)
		at = at->prev;
	list_insert(&ended->link, at);
	producer->txn_first_offset = -1;
}

static int note_control(struct producers *p, const struct batch *b, struct aborted_txn *aborted)
{
	struct producer *producer;
	enum control_type type;
	int32_t coordinator_epoch;
	struct record_iter it;
	struct record r;
	int rc = record_iter_init(&it, b, NULL, 0);

	if (rc < 0)
		return rc;
	rc = record_next(&it, &r);
	if (rc <= 0)
		return rc;	/* empty: the cleaner took all of the transaction away */
	rc = control_marker_parse(&r, &type, &coordinator_epoch);
	if (rc < 0)
		return 0;	/* another control record, or a newer one */
	producer = producers_make(p, b->producer_id);
	producer_set_epoch(producer, b->producer_epoch);
	if (producer->txn_first_offset >= 0)
		end_txn(p, producer, r.offset, type == CONTROL_ABORT, aborted);
	producer->coordinator_epoch = coordinator_epoch;
	producer->last_timestamp = r.timestamp;
	return 0;
}

int producers_note(struct producers *p, const struct batch *b, struct aborted_txn *aborted)
{
	int rc = 0;

	aborted->first_offset = -1;
	if (batch_has_producer_id(b)) {
		if (batch_is_control(b) && batch_codec(b) != COMPRESSION_NONE)
			rc = E_MALFORMED;
		else if (batch_is_control(b))
			rc = note_control(p, b, aborted);
		else
			note_data(p, b);
		if (batch_is_transactional(b)) {
			struct txn_verification *v = verification_get(p, b->producer_id);

			if (v)
				verification_remove(p, v);
		}
	}
	p->end_offset = batch_next_offset(b);
	return rc;
}

int64_t producers_first_unstable(const struct producers *p)
{
	const struct producer *producer = LIST_FIRST(&p->ongoing, struct producer, ongoing);
	const struct ended_txn *ended = LIST_FIRST(&p->ended, struct ended_txn, link);

	if (!producer)
		return ended ? ended->first_offset : -1;
	return ended ? MIN(producer->txn_first_offset, ended->first_offset)
		     : producer->txn_first_offset;
}

void producers_high_watermark(struct producers *p, int64_t high_watermark)
{
	struct ended_txn *ended;

	LIST_FOREACH(&p->ended, ended, struct ended_txn, link) {
		if (ended->last_offset >= high_watermark)
			continue;
		list_remove(&ended->link);
		free(ended);
	}
}

void producers_expire(struct producers *p, int64_t now_ms, int64_t expiration_ms)
{
	struct txn_verification *v;
	struct producer *producer;

	MAP_FOREACH(&p->by_id, producer, struct producer, node)
		if (producer->txn_first_offset < 0 &&
		    now_ms - producer->last_timestamp >= expiration_ms)
			producers_remove(p, producer);
	MAP_FOREACH(&p->verifications, v, struct txn_verification, node)
		if (now_ms - v->created_ms >= expiration_ms)
			verification_remove(p, v);
}

/* ---- What log.h offers ---------------------------------------------------------------------- */

unsigned log_producer_count(const struct log *log)
{
	return (unsigned)log->producers.by_id.count;
}

void log_producers(const struct log *log, void (*each)(void *ctx, const struct log_producer *p),
		   void *ctx)
{
	const struct producer *producer;

	MAP_FOREACH(&log->producers.by_id, producer, struct producer, node) {
		struct log_producer out = {
			.producer_id = producer->producer_id,
			.producer_epoch = producer->producer_epoch,
			.last_sequence = last_sequence(producer),
			.last_timestamp = producer->last_timestamp,
			.coordinator_epoch = producer->coordinator_epoch,
			.txn_start_offset = producer->txn_first_offset,
		};

		each(ctx, &out);
	}
}

uint64_t log_txn_verify_start(struct log *log, int64_t producer_id, int16_t producer_epoch,
			      int32_t base_sequence, bool supports_epoch_bump)
{
	struct producers *p = &log->producers;
	const struct producer *producer = producers_get(p, producer_id);
	struct txn_verification *v;

	if (producer && producer->txn_first_offset >= 0 &&
	    producer->producer_epoch == producer_epoch)
		return 0;
	v = verification_get(p, producer_id);
	if (!v) {
		v = xcalloc(1, sizeof(*v));
		v->producer_id = producer_id;
		v->guard = ++p->last_guard;
		v->created_ms = env_wall_ms(log_env(log));
		v->lowest_sequence = base_sequence;
		v->producer_epoch = producer_epoch;
		v->supports_epoch_bump = supports_epoch_bump;
		map_put(&p->verifications, &v->node, &v->producer_id, sizeof(v->producer_id));
	} else if (v->producer_epoch == producer_epoch) {
		v->lowest_sequence = MIN(v->lowest_sequence, base_sequence);
	} else {
		v->producer_epoch = producer_epoch;
		v->lowest_sequence = base_sequence;
		v->supports_epoch_bump = supports_epoch_bump;
	}
	return v->guard;
}

unsigned log_late_txn_count(const struct log *log)
{
	int64_t limit = log->pool->options.transaction_timeout_max_ms + LATE_TRANSACTION_BUFFER_MS;
	int64_t now_ms = env_wall_ms(log_env(log));
	const struct producer *producer;
	unsigned count = 0;

	LIST_FOREACH(&log->producers.ongoing, producer, struct producer, ongoing)
		count += now_ms - producer->last_timestamp > limit;
	return count;
}
