/* A consumer: reads every partition from its leader, commits now and then, and begins again from
 * what is committed as if it were another process. */
#include "sim/clients.h"

#include <inttypes.h>
#include <stdio.h>

#define RETRY_MS 150

struct consumer_part {
	struct consumer *consumer;
	int32_t partition;
	int64_t position;
	int64_t asked;     /* the offset that the fetch under way is for */
	int64_t committed; /* the last offset that was acknowledged; -1: none */
	int64_t tried;     /* the highest that was ever sent */
};

struct consumer {
	struct client client;
	struct consumer_part parts[SIM_PARTITIONS];
	int32_t coordinator;          /* -1: not known */
	int64_t sent[SIM_PARTITIONS]; /* in the commit under way */
	bool is_starting;             /* positions come from the group */
};

static void part_fetch(void *ctx);
static void consumer_commit(void *ctx);

/* ---- Reading --------------------------------------------------------------------------------- */

static void part_record(struct consumer_part *p, const struct record *r)
{
	struct sim *s = p->consumer->client.sim;
	unsigned producer;
	int64_t number;
	char text[64];

	if (r->offset < p->position)
		return; /* the batch began earlier */
	if (r->offset != p->position)
		sim_fail(s, "partition %d: the reader at %" PRId64 " is given %" PRId64,
			 p->partition, p->position, r->offset);
	snprintf(text, sizeof(text), "%.*s", (int)r->value.len, (const char *)r->value.data);
	if (sscanf(text, "%u %" SCNd64, &producer, &number) != 2 || producer >= SIM_PRODUCERS)
		sim_fail(s, "partition %d, offset %" PRId64 ": '%s' was never written",
			 p->partition, r->offset, text);
	if (number < 0 || number >= producer_next(s, producer, p->partition))
		sim_fail(s, "partition %d, offset %" PRId64 ": '%s' was not written yet",
			 p->partition, r->offset, text);
	checks_read(s, p->partition, r->offset, producer, number);
	p->position = r->offset + 1;
	s->consumed++;
}

static void part_records(struct consumer_part *p, struct slice records)
{
	const uint8_t *data = records.data;
	size_t len = records.len;
	struct batch b;

	while (batch_next(&b, &data, &len) > 0) {
		struct record_iter it;
		struct record r;

		if (!batch_crc_ok(&b))
			sim_fail(p->consumer->client.sim,
				 "partition %d: the reader is given a damaged batch at %" PRId64,
				 p->partition, b.base_offset);
		if (record_iter_init(&it, &b, NULL, 1 << 20) < 0)
			continue;
		while (record_next(&it, &r) > 0)
			part_record(p, &r);
	}
}

static void part_fetched(void *owner, const void *response)
{
	const struct fetch_response *m = response;
	struct consumer_part *p = owner;
	struct client *c = &p->consumer->client;
	const struct fetch_response_partition_data *a;

	if (!m || m->error_code != KERR_NONE || m->responses_count != 1 ||
	    m->responses[0].partitions_count != 1) {
		client_refresh(c);
		client_at(c, RETRY_MS, part_fetch, p);
		return;
	}
	a = &m->responses[0].partitions[0];
	if (a->error_code == KERR_OFFSET_OUT_OF_RANGE)
		sim_fail(c->sim,
			 "partition %d: records up to %" PRId64 " were read, and are out of range",
			 p->partition, p->asked);
	if (a->error_code != KERR_NONE) {
		client_refresh(c);
		client_at(c, RETRY_MS, part_fetch, p);
		return;
	}
	/* the reader has begun again meanwhile */
	if (p->asked == p->position)
		part_records(p, a->records);
	client_at(c, 1 + (int64_t)world_below(&c->sim->world, 100), part_fetch, p);
}

static void part_fetch(void *ctx)
{
	struct consumer_part *p = ctx;
	struct client *c = &p->consumer->client;
	int64_t delay_ms = client_wait(c, p->partition);

	if (p->consumer->is_starting && delay_ms == 0)
		delay_ms = RETRY_MS;
	if (delay_ms) {
		client_at(c, delay_ms, part_fetch, p);
		return;
	}
	p->asked = p->position;
	client_fetch(c, p->partition, p->asked, 2000, part_fetched, p);
}

/* ---- The group ------------------------------------------------------------------------------- */

static void consumer_later(struct consumer *k, int64_t delay_ms)
{
	client_at(&k->client, delay_ms, consumer_commit, k);
}

static void coordinator_lost(struct consumer *k)
{
	k->coordinator = -1;
	consumer_later(k, RETRY_MS);
}

static void coordinator_found(void *owner, const void *response)
{
	const struct find_coordinator_response *m = response;
	struct consumer *k = owner;

	if (m && m->error_code == KERR_NONE)
		k->coordinator = m->node_id;
	consumer_later(k, RETRY_MS);
}

static void committed(void *owner, const void *response)
{
	const struct offset_commit_response *m = response;
	struct consumer *k = owner;
	struct sim *s = k->client.sim;

	if (!m || m->topics_count != 1) {
		coordinator_lost(k);
		return;
	}
	for (int32_t i = 0; i < m->topics[0].partitions_count; i++) {
		const struct offset_commit_response_partition *a = &m->topics[0].partitions[i];

		if (a->error_code != KERR_NONE) {
			coordinator_lost(k);
			return;
		}
		k->parts[a->partition_index].committed = k->sent[a->partition_index];
	}
	s->commits++;
	/* begin again, as another process would */
	if (world_below(&s->world, 4) == 0)
		k->is_starting = true;
	consumer_later(k, 100 + (int64_t)world_below(&s->world, 900));
}

static void send_commit(struct consumer *k)
{
	struct offset_commit_request m;
	struct offset_commit_request_topic topic;
	struct offset_commit_request_partition parts[SIM_PARTITIONS];

	WIRE_INIT(offset_commit_request, &m);
	WIRE_INIT(offset_commit_request_topic, &topic);
	m.group_id = STR_LIT(SIM_GROUP);
	m.topics = &topic;
	m.topics_count = 1;
	topic.name = STR_LIT(SIM_TOPIC);
	topic.partitions = parts;
	topic.partitions_count = k->client.partitions;
	for (int32_t i = 0; i < k->client.partitions; i++) {
		struct consumer_part *p = &k->parts[i];

		WIRE_INIT(offset_commit_request_partition, &parts[i]);
		parts[i].partition_index = i;
		parts[i].committed_offset = k->sent[i] = p->position;
		p->tried = MAX(p->tried, p->position);
	}
	client_ask(&k->client, (unsigned)k->coordinator - 1, API_OFFSET_COMMIT, 8, &m, committed,
		   k);
}

static void part_begins(struct consumer_part *p, int64_t offset)
{
	struct sim *s = p->consumer->client.sim;

	if (offset < p->committed)
		sim_fail(s,
			 "partition %d: offset %" PRId64 " is committed, but %" PRId64
			 " was acknowledged",
			 p->partition, offset, p->committed);
	if (offset > p->tried)
		sim_fail(s, "partition %d: offset %" PRId64 " is committed, which nobody sent",
			 p->partition, offset);
	p->position = MAX(offset, 0);
}

static void offsets_fetched(void *owner, const void *response)
{
	const struct offset_fetch_response *m = response;
	struct consumer *k = owner;

	if (!m || m->groups_count != 1 || m->groups[0].error_code != KERR_NONE ||
	    m->groups[0].topics_count != 1) {
		coordinator_lost(k);
		return;
	}
	for (int32_t i = 0; i < m->groups[0].topics[0].partitions_count; i++) {
		const struct offset_fetch_response_partitions *a =
			&m->groups[0].topics[0].partitions[i];

		if (a->error_code != KERR_NONE) {
			coordinator_lost(k);
			return;
		}
	}
	for (int32_t i = 0; i < m->groups[0].topics[0].partitions_count; i++) {
		const struct offset_fetch_response_partitions *a =
			&m->groups[0].topics[0].partitions[i];

		part_begins(&k->parts[a->partition_index], a->committed_offset);
	}
	k->is_starting = false;
	consumer_later(k, 500);
}

static void fetch_offsets(struct consumer *k)
{
	struct offset_fetch_request m;
	struct offset_fetch_request_group group;
	struct offset_fetch_request_topics topic;
	int32_t indexes[SIM_PARTITIONS];

	WIRE_INIT(offset_fetch_request, &m);
	WIRE_INIT(offset_fetch_request_group, &group);
	WIRE_INIT(offset_fetch_request_topics, &topic);
	for (int32_t i = 0; i < k->client.partitions; i++)
		indexes[i] = i;
	m.groups = &group;
	m.groups_count = 1;
	group.group_id = STR_LIT(SIM_GROUP);
	group.topics = &topic;
	group.topics_count = 1;
	topic.name = STR_LIT(SIM_TOPIC);
	topic.partition_indexes = indexes;
	topic.partition_indexes_count = k->client.partitions;
	client_ask(&k->client, (unsigned)k->coordinator - 1, API_OFFSET_FETCH, 8, &m,
		   offsets_fetched, k);
}

static void consumer_commit(void *ctx)
{
	struct consumer *k = ctx;
	struct find_coordinator_request m;

	if (k->coordinator >= 0) {
		if (k->is_starting)
			fetch_offsets(k);
		else
			send_commit(k);
		return;
	}
	WIRE_INIT(find_coordinator_request, &m);
	m.key = STR_LIT(SIM_GROUP);
	client_ask(&k->client, client_any_broker(&k->client), API_FIND_COORDINATOR, 3, &m,
		   coordinator_found, k);
}

/* ---- Life ------------------------------------------------------------------------------------ */

void consumer_start(struct sim *s)
{
	struct consumer *k = s->consumers = xcalloc(1, sizeof(*k));

	client_init(&k->client, s);
	k->coordinator = -1;
	k->is_starting = true;
	for (int32_t i = 0; i < SIM_PARTITIONS; i++) {
		k->parts[i] = (struct consumer_part){
			.consumer = k, .partition = i, .committed = -1, .tried = -1};
		client_at(&k->client, 2000, part_fetch, &k->parts[i]);
	}
	consumer_later(k, 2000);
}

int64_t consumer_position(const struct sim *s, int32_t partition)
{
	return s->consumers->parts[partition].position;
}

int64_t consumer_acked(const struct sim *s, int32_t partition)
{
	if (!s->consumers)
		return 0;
	return s->consumers->parts[partition].committed;
}
