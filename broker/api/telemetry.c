/* GetTelemetrySubscriptions and PushTelemetry (KIP-714). kavka has no exporter, so a client is told
 * that no metrics are wanted, and what it pushes anyway is checked and dropped. What Kafka's rules
 * ask of a client (its id, the interval, the subscription) holds all the same.
 *
 * A client instance belongs to one shard, as a partition with its id would, so that its state is
 * the same whichever connection it comes by. Source:
 * server/.../ClientMetricsManager.java */
#include "api/fanout.h"
#include "api/handlers.h"
#include "api/telemetry.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "config/config.h"
#include "wire/compress.h"
#include "wire/crc32c.h"

#include <stdio.h>

#define TELEMETRY_INSTANCES_MAX 16384 /* of a shard: 128 bytes each; Kafka's bound for a broker */
#define TELEMETRY_INTERVAL_MS 300000  /* the default of a subscription */
#define TELEMETRY_BYTES_MAX (1024 * 1024)

struct telemetry_instance {
	struct map_node node;
	struct list_node link; /* least recently used first */
	struct uuid id;
	int64_t last_get_ms, last_push_ms; /* 0: never */
	enum kafka_error last_error;
	bool has_pushed; /* since it asked last */
	bool is_terminated;
};

struct telemetry {
	struct map instances;
	struct list_node lru;
};

void telemetry_free(struct telemetry *t)
{
	struct list_node *node;

	if (!t)
		return;
	while ((node = list_pop_front(&t->lru)) != NULL) {
		struct telemetry_instance *i = LIST_ENTRY(node, struct telemetry_instance, link);

		map_remove(&t->instances, &i->node);
		free(i);
	}
	map_fini(&t->instances);
	free(t);
}

static struct telemetry_instance *telemetry_instance_of(struct shard *on, struct uuid id)
{
	struct telemetry_instance *i;
	struct map_node *node;

	if (!on->telemetry) {
		on->telemetry = xcalloc(1, sizeof(*on->telemetry));
		map_init(&on->telemetry->instances);
		list_init(&on->telemetry->lru);
	}
	node = map_get(&on->telemetry->instances, id.bytes, sizeof(id.bytes));
	if (node) {
		i = CONTAINER_OF(node, struct telemetry_instance, node);
		list_remove(&i->link);
		list_push_back(&on->telemetry->lru, &i->link);
		return i;
	}
	if (on->telemetry->instances.count >= TELEMETRY_INSTANCES_MAX) {
		i = LIST_FIRST(&on->telemetry->lru, struct telemetry_instance, link);
		map_remove(&on->telemetry->instances, &i->node);
		list_remove(&i->link);
		free(i);
	}
	i = xcalloc(1, sizeof(*i));
	i->id = id;
	map_put(&on->telemetry->instances, &i->node, i->id.bytes, sizeof(i->id.bytes));
	list_push_back(&on->telemetry->lru, &i->link);
	return i;
}

/* Of what is subscribed (nothing, at the default interval) and the client. */
static int32_t telemetry_subscription_id(struct uuid id)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "[]%d", TELEMETRY_INTERVAL_MS);

	return (int32_t)(crc32c(text, (size_t)len) ^ be32(id.bytes) ^ be32(id.bytes + 4) ^
			 be32(id.bytes + 8) ^ be32(id.bytes + 12));
}

/* Ids with the first half zero are kept for other uses, as of log directories. */
static bool telemetry_id_is_reserved(struct uuid id)
{
	return be64(id.bytes) == 0;
}

/* ---- GetTelemetrySubscriptions ------------------------------------------------------------- */

static bool telemetry_may_get(const struct telemetry_instance *i, int64_t now_ms)
{
	if (i->last_get_ms == 0 && i->last_push_ms == 0)
		return true;
	return now_ms - MAX(i->last_get_ms, i->last_push_ms) >= TELEMETRY_INTERVAL_MS ||
	       i->last_error == KERR_UNKNOWN_SUBSCRIPTION_ID ||
	       i->last_error == KERR_UNSUPPORTED_COMPRESSION_TYPE;
}

static void get_visit(struct fanout_part *part)
{
	static int8_t codecs[] = {COMPRESSION_ZSTD, COMPRESSION_LZ4, COMPRESSION_GZIP,
				  COMPRESSION_SNAPPY};
	struct get_telemetry_subscriptions_response *out = part->first->out;
	int64_t now_ms = env_mono_us(part->on->env) / 1000 + 1;
	struct telemetry_instance *i = telemetry_instance_of(part->on, out->client_instance_id);

	if (!telemetry_may_get(i, now_ms)) {
		out->error_code = KERR_THROTTLING_QUOTA_EXCEEDED;
		return;
	}
	i->last_get_ms = now_ms;
	i->has_pushed = false;
	i->last_error = KERR_NONE;
	out->subscription_id = telemetry_subscription_id(i->id);
	out->accepted_compression_types = codecs;
	out->accepted_compression_types_count = ARRAY_LEN(codecs);
	out->push_interval_ms = TELEMETRY_INTERVAL_MS;
	out->telemetry_max_bytes =
		(int32_t)MIN(config_i64(part->on->config, CONFIG_TELEMETRY_MAX_BYTES), INT32_MAX);
	out->delta_temporality = true;
}

void handle_get_telemetry_subscriptions(struct request *r)
{
	const struct get_telemetry_subscriptions_request *body = r->body;
	struct get_telemetry_subscriptions_response *response = r->response;
	struct fanout *f = fanout_new(r, 1, get_visit, NULL);
	uint8_t random[16];

	response->client_instance_id = body->client_instance_id;
	while (uuid_is_zero(response->client_instance_id)) {
		r->shard->env->ops->random(r->shard->env, random, sizeof(random));
		if (!uuid_from_random(&response->client_instance_id, random))
			response->client_instance_id = (struct uuid){0};
	}
	fanout_add(f, response->client_instance_id, 0, NULL, response);
	fanout_start(f);
	request_done(r);
}

/* ---- PushTelemetry ------------------------------------------------------------------------- */

static enum kafka_error telemetry_check_push(const struct telemetry_instance *i,
					     const struct push_telemetry_request *in,
					     int64_t bytes_max, int64_t now_ms)
{
	if (i->is_terminated)
		return KERR_INVALID_REQUEST;
	if (i->has_pushed && !in->terminating && now_ms - i->last_push_ms < TELEMETRY_INTERVAL_MS)
		return KERR_THROTTLING_QUOTA_EXCEEDED;
	if (in->subscription_id != telemetry_subscription_id(i->id))
		return KERR_UNKNOWN_SUBSCRIPTION_ID;
	if (in->compression_type < COMPRESSION_NONE || in->compression_type > COMPRESSION_ZSTD)
		return KERR_UNSUPPORTED_COMPRESSION_TYPE;
	if ((int64_t)in->metrics.len > bytes_max)
		return KERR_TELEMETRY_TOO_LARGE;
	return KERR_NONE;
}

static void push_visit(struct fanout_part *part)
{
	const struct push_telemetry_request *in = part->first->in;
	struct push_telemetry_response *out = part->first->out;
	int64_t now_ms = env_mono_us(part->on->env) / 1000 + 1;
	struct telemetry_instance *i = telemetry_instance_of(part->on, in->client_instance_id);
	enum kafka_error error = telemetry_check_push(
		i, in, config_i64(part->on->config, CONFIG_TELEMETRY_MAX_BYTES), now_ms);

	i->last_push_ms = now_ms;
	i->has_pushed = true;
	i->last_error = error;
	i->is_terminated |= in->terminating && error == KERR_NONE;
	out->error_code = (int16_t)error;
}

void handle_push_telemetry(struct request *r)
{
	const struct push_telemetry_request *body = r->body;
	struct push_telemetry_response *response = r->response;
	struct fanout *f;

	if (telemetry_id_is_reserved(body->client_instance_id)) {
		response->error_code = KERR_INVALID_REQUEST;
		request_done(r);
		return;
	}
	f = fanout_new(r, 1, push_visit, NULL);
	fanout_add(f, body->client_instance_id, 0, body, response);
	fanout_start(f);
	request_done(r);
}
