#include "sim/clients.h"

#include <inttypes.h>
#include <stdio.h>

/* ---- Asking ---------------------------------------------------------------------------------- */

struct ask {
	struct channel_request rq;
	void (*done)(void *owner, const void *response);
	void *owner;
};

static void ask_done(struct channel_request *rq, int rc, const struct err *err UNUSED)
{
	struct ask *ask = rq->owner;

	ask->done(ask->owner, rc < 0 ? NULL : rq->response);
	free(ask);
}

static struct ask *ask_new(enum api_key api, int16_t version, const void *body)
{
	struct ask *ask = xcalloc(1, sizeof(*ask));

	ask->rq = (struct channel_request){.api = api,
					   .body = body,
					   .version_min = version,
					   .version_max = version,
					   .timeout_ms = ASK_TIMEOUT_MS,
					   .done = ask_done,
					   .owner = ask};
	return ask;
}

void client_init(struct client *c, struct sim *s)
{
	struct life *l = s->node[s->nodes].life;

	*c = (struct client){.sim = s, .shard = &l->shards[0]};
	for (unsigned i = 0; i < s->nodes; i++) {
		char host[16];

		if (!s->node[i].is_broker)
			continue;
		snprintf(host, sizeof(host), "n%u", i + 1);
		c->channels[i] = channel_new(
			&(struct channel_options){.shard = &l->shards[0].shard,
						  .host = str_of(host),
						  .port = (uint16_t)(SIM_BROKER_PORT + i + 1),
						  .client_id = "sim"});
	}
	for (unsigned i = 0; i < SIM_PARTITIONS; i++)
		c->leader[i] = -1;
}

void client_ask(struct client *c, unsigned to, enum api_key api, int16_t version, const void *body,
		void (*done)(void *owner, const void *response), void *owner)
{
	struct ask *ask = ask_new(api, version, body);

	ask->done = done;
	ask->owner = owner;
	channel_send(c->channels[to], &ask->rq);
}

void client_tell(struct client *c, unsigned to, enum api_key api, int16_t version, const void *body)
{
	struct ask *ask = ask_new(api, version, body);

	channel_send(c->channels[to], &ask->rq);
	channel_cancel(&ask->rq);
	free(ask);
}

unsigned client_any_broker(struct client *c)
{
	unsigned i;

	do {
		i = (unsigned)world_below(&c->sim->world, c->sim->nodes);
	} while (!c->channels[i]);
	return i;
}

void client_at(struct client *c, int64_t delay_ms, void (*run)(void *ctx), void *ctx)
{
	life_at(c->shard->life, sim_now_us(c->sim) + delay_ms * 1000, run, ctx);
}

/* ---- Metadata -------------------------------------------------------------------------------- */

static void refreshed(void *owner, const void *response)
{
	const struct metadata_response *m = response;
	struct client *c = owner;

	c->is_refreshing = false;
	if (!m || m->topics_count != 1 || m->topics[0].error_code != KERR_NONE)
		return;
	c->partitions = MAX(c->partitions, MIN(m->topics[0].partitions_count, SIM_PARTITIONS));
	for (int32_t i = 0; i < m->topics[0].partitions_count; i++) {
		const struct metadata_response_partition *p = &m->topics[0].partitions[i];

		/* who knows less than we do is not believed */
		if (p->partition_index >= SIM_PARTITIONS ||
		    p->leader_epoch < c->leader_epoch[p->partition_index])
			continue;
		c->leader[p->partition_index] = p->leader_id;
		c->leader_epoch[p->partition_index] = p->leader_epoch;
	}
}

void client_refresh(struct client *c)
{
	struct metadata_request m;
	struct metadata_request_topic topic;

	if (c->is_refreshing)
		return;
	c->is_refreshing = true;
	WIRE_INIT(metadata_request, &m);
	WIRE_INIT(metadata_request_topic, &topic);
	topic.name = STR_LIT(SIM_TOPIC);
	m.topics = &topic;
	m.topics_count = 1;
	m.allow_auto_topic_creation = false;
	client_ask(c, client_any_broker(c), API_METADATA, 12, &m, refreshed, c);
}

int64_t client_wait(struct client *c, int32_t partition)
{
	if (c->leader[partition] >= 0)
		return 0;
	if (partition >= c->sim->partitions)
		return 500;
	client_refresh(c);
	return 150;
}

void client_fetch(struct client *c, int32_t partition, int64_t offset, int32_t max_bytes,
		  void (*done)(void *owner, const void *response), void *owner)
{
	struct fetch_request m;
	struct fetch_request_topic topic;
	struct fetch_request_partition part;

	WIRE_INIT(fetch_request, &m);
	WIRE_INIT(fetch_request_topic, &topic);
	WIRE_INIT(fetch_request_partition, &part);
	m.max_wait_ms = 500;
	m.min_bytes = 1;
	m.max_bytes = 1 << 20;
	m.topics = &topic;
	m.topics_count = 1;
	topic.topic = STR_LIT(SIM_TOPIC);
	topic.partitions = &part;
	topic.partitions_count = 1;
	part.partition = partition;
	part.fetch_offset = offset;
	part.current_leader_epoch = c->leader_epoch[partition];
	part.partition_max_bytes = max_bytes;
	client_ask(c, (unsigned)c->leader[partition] - 1, API_FETCH, 12, &m, done, owner);
}

/* ---- The host -------------------------------------------------------------------------------- */

void clients_start(struct sim *s)
{
	struct sim_node *n = &s->node[s->nodes];
	struct life *l = xcalloc(1, sizeof(*l));

	*n = (struct sim_node){.sim = s, .index = s->nodes};
	sim_node_env(n);
	n->config = config_ref(s->node[0].config);
	n->life = l;
	l->node = n;
	sim_shard_init(&l->shards[0], l, 0);
	promises_start(s);
	admin_start(s);
	producers_start(s);
	/* readers would have to forget what they were told */
	if (s->power == POWER_ANY)
		return;
	consumer_start(s);
	members_start(s);
}
