/* Producers: each writes numbers to every partition, one batch at a time and partition. The
 * idempotent ones ask again until they have an answer; those without sequences also give up now and
 * then, as they do when delivery.timeout.ms is over, and acks=0 does not ask. */
#include "sim/clients.h"

#include "base/say.h"

#include <inttypes.h>
#include <stdio.h>

#define SAY_PLACE "sim"
#define RETRY_MS 150
/* One of so many batches without an answer is given up. */
#define GIVE_UP 8

static const struct producer_kind {
	int16_t acks;
	bool has_sequences;
	uint64_t pause_ms; /* between batches, at most */
} kinds[SIM_PRODUCERS] = {
	{-1, true, 160},  {-1, true, 160}, {-1, true, 160},
	{-1, false, 400}, {1, false, 400}, {0, false, 400},
};

struct producer_part {
	struct producer *producer;
	int32_t partition;
	int64_t next;  /* number of the next record that was not sent yet */
	int64_t first; /* of the batch under way */
	int32_t count; /* records in it; 0: none */
	int32_t sequence;
	int32_t leader_epoch; /* of whom it was sent to, by then */
	int64_t acked_end;    /* behind the last batch that was acknowledged */
};

struct producer {
	struct client client;
	unsigned index;
	const struct producer_kind *kind;
	int64_t id;
	int16_t epoch;
	struct producer_part parts[SIM_PARTITIONS];
};

static void part_step(void *ctx);

static void part_later(struct producer_part *p, int64_t delay_ms)
{
	client_at(&p->producer->client, delay_ms, part_step, p);
}

/* ---- Batches --------------------------------------------------------------------------------- */

static struct slice part_batch(struct producer_part *p)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder batch;
	struct slice bytes = SLICE_NULL;
	struct sim *s = p->producer->client.sim;

	if (p->producer->kind->has_sequences) {
		options.producer_id = p->producer->id;
		options.producer_epoch = p->producer->epoch;
		options.base_sequence = p->sequence;
	}
	batch_builder_init(&batch, &options);
	for (int32_t i = 0; i < p->count; i++) {
		char text[64];
		int len = snprintf(text, sizeof(text), "%u %" PRId64, p->producer->index,
				   p->first + i);
		struct slice value = {.data = (const uint8_t *)text, .len = (size_t)len};

		if (batch_builder_add(&batch, env_wall_ms(&s->node[s->nodes].env), SLICE_NULL,
				      value, NULL, 0) < 0)
			sim_fail(s, "a batch cannot be made");
	}
	if (batch_builder_finish(&batch, NULL, &bytes) < 0)
		sim_fail(s, "a batch cannot be made");
	batch_builder_fini(&batch);
	return bytes;
}

/* The batch under way is over. */
static void part_next(struct producer_part *p)
{
	p->sequence += p->count;
	p->count = 0;
	part_later(p, (int64_t)world_below(&p->producer->client.sim->world,
					   p->producer->kind->pause_ms));
}

static void part_again(struct producer_part *p)
{
	struct client *c = &p->producer->client;

	client_refresh(c);
	if (!p->producer->kind->has_sequences && world_below(&c->sim->world, GIVE_UP) == 0)
		part_next(p);
	else
		part_later(p, RETRY_MS);
}

static void part_acked(struct producer_part *p, int64_t base_offset)
{
	struct producer *producer = p->producer;
	struct sim *s = producer->client.sim;

	for (int32_t i = 0; i < p->count; i++) {
		if (producer->kind->acks != 1)
			checks_acked(s, p->partition, base_offset < 0 ? -1 : base_offset + i,
				     producer->index, p->first + i);
		if (!producer->kind->has_sequences)
			promises_acked(s, p->partition, producer->index, p->first + i,
				       p->leader_epoch);
	}
	s->produced += (uint64_t)p->count;
	if (base_offset >= 0)
		p->acked_end = base_offset + p->count;
	part_next(p);
}

static void part_answered(struct producer_part *p,
			  const struct produce_response_partition_produce_response *a)
{
	struct sim *s = p->producer->client.sim;

	say_debug("%.3f producer %u, partition %d: records %" PRId64 "+%d, sequence %d, leader %d: "
		  "%s at %" PRId64,
		  (double)sim_now_us(s) / 1e6, p->producer->index, p->partition, p->first, p->count,
		  p->sequence, p->producer->client.leader[p->partition],
		  kafka_error_name((enum kafka_error)a->error_code), a->base_offset);
	switch (a->error_code) {
	case KERR_NONE: part_acked(p, a->base_offset); return;
	case KERR_UNKNOWN_PRODUCER_ID:
	case KERR_INVALID_PRODUCER_EPOCH:
	case KERR_DUPLICATE_SEQUENCE_NUMBER:
	case KERR_CORRUPT_MESSAGE:
	case KERR_INVALID_RECORD:
		sim_fail(s, "producer %u, partition %d, record %" PRId64 ": %s", p->producer->index,
			 p->partition, p->first, kafka_error_name((enum kafka_error)a->error_code));
	default:
		/* Also OUT_OF_ORDER_SEQUENCE_NUMBER: who led long ago, and does not know better
		 * yet, lacks what came before. */
		part_again(p);
	}
}

static void part_done(void *owner, const void *response)
{
	const struct produce_response *m = response;
	struct producer_part *p = owner;

	if (m && m->responses_count == 1 && m->responses[0].partition_responses_count == 1) {
		part_answered(p, &m->responses[0].partition_responses[0]);
		return;
	}
	part_again(p);
}

static void part_send(struct producer_part *p)
{
	struct produce_request m;
	struct produce_request_topic_produce_data topic;
	struct produce_request_partition_produce_data data;
	struct client *c = &p->producer->client;
	unsigned to = (unsigned)c->leader[p->partition] - 1;

	WIRE_INIT(produce_request, &m);
	WIRE_INIT(produce_request_topic_produce_data, &topic);
	WIRE_INIT(produce_request_partition_produce_data, &data);
	m.acks = p->producer->kind->acks;
	m.timeout_ms = 3000;
	m.topic_data = &topic;
	m.topic_data_count = 1;
	topic.name = STR_LIT(SIM_TOPIC);
	topic.partition_data = &data;
	topic.partition_data_count = 1;
	data.index = p->partition;
	data.records = part_batch(p);
	p->leader_epoch = checks_epoch_on(c->sim, to, SIM_TOPIC, p->partition);
	if (m.acks == 0) {
		client_tell(c, to, API_PRODUCE, 11, &m);
		/* nobody says when the leader is another one */
		if (world_below(&c->sim->world, 16) == 0)
			client_refresh(c);
		part_next(p);
	} else {
		client_ask(c, to, API_PRODUCE, 11, &m, part_done, p);
	}
	slice_unref(&data.records);
}

static void part_step(void *ctx)
{
	struct producer_part *p = ctx;
	struct client *c = &p->producer->client;
	int64_t delay_ms;

	if (p->count == 0 && c->sim->is_peaceful)
		return;
	delay_ms = client_wait(c, p->partition);
	if (delay_ms) {
		part_later(p, delay_ms);
		return;
	}
	if (p->count == 0) {
		p->first = p->next;
		p->count = 1 + (int32_t)world_below(&c->sim->world, 3);
		p->next += p->count;
	}
	part_send(p);
}

/* ---- Ids ------------------------------------------------------------------------------------- */

static void producer_begin(void *ctx);

static void producer_ready(struct producer *p)
{
	for (int32_t i = 0; i < SIM_PARTITIONS; i++)
		part_step(&p->parts[i]);
}

static void producer_has_id(void *owner, const void *response)
{
	const struct init_producer_id_response *m = response;
	struct producer *p = owner;

	if (!m || m->error_code != KERR_NONE) {
		client_at(&p->client, RETRY_MS, producer_begin, p);
		return;
	}
	p->id = m->producer_id;
	p->epoch = m->producer_epoch;
	for (unsigned other = 0; other < SIM_IDEMPOTENT; other++) {
		if (&p->client.sim->producers[other] != p &&
		    p->client.sim->producers[other].id == p->id)
			sim_fail(p->client.sim, "two producers have the id %" PRId64, p->id);
	}
	producer_ready(p);
}

static void producer_begin(void *ctx)
{
	struct producer *p = ctx;
	struct init_producer_id_request m;

	if (!p->kind->has_sequences) {
		producer_ready(p);
		return;
	}
	WIRE_INIT(init_producer_id_request, &m);
	m.transactional_id = STR_NULL;
	m.transaction_timeout_ms = 60000;
	client_ask(&p->client, client_any_broker(&p->client), API_INIT_PRODUCER_ID, 4, &m,
		   producer_has_id, p);
}

/* Sequences tell when records are lost: with these nobody goes on. */
static bool producer_runs(const struct sim *s, unsigned i)
{
	return s->power != POWER_ANY || !kinds[i].has_sequences;
}

void producers_start(struct sim *s)
{
	s->producers = xcalloc(SIM_PRODUCERS, sizeof(*s->producers));
	for (unsigned i = 0; i < SIM_PRODUCERS; i++) {
		struct producer *p = &s->producers[i];

		client_init(&p->client, s);
		p->index = i;
		p->kind = &kinds[i];
		p->id = -1;
		for (int32_t k = 0; k < SIM_PARTITIONS; k++)
			p->parts[k] = (struct producer_part){.producer = p, .partition = k};
		if (producer_runs(s, i))
			client_at(&p->client, 1000, producer_begin, p);
	}
}

bool producers_are_idle(const struct sim *s)
{
	for (unsigned i = 0; i < SIM_PRODUCERS; i++)
		for (int32_t k = 0; k < SIM_PARTITIONS; k++)
			if (producer_runs(s, i) &&
			    ((kinds[i].has_sequences && s->producers[i].id < 0) ||
			     s->producers[i].parts[k].count))
				return false;
	return true;
}

int64_t producer_next(const struct sim *s, unsigned producer, int32_t partition)
{
	return s->producers[producer].parts[partition].next;
}

int64_t producers_acked(const struct sim *s, int32_t partition)
{
	int64_t acked = INT64_MAX;

	for (unsigned i = 0; i < SIM_PRODUCERS; i++)
		if (producer_runs(s, i) && kinds[i].has_sequences)
			acked = MIN(acked, s->producers[i].parts[partition].acked_end);
	return acked;
}
