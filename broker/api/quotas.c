#include "api/quotas.h"

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "metadata/image.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* Counts of clients that were not seen for so long are dropped. */
#define COUNTS_IDLE_MS (3600 * 1000)
/* Clients choose their ids: above this, those not seen for longest are forgotten (0.5 KB each). */
#define COUNTS_MAX 20000

struct quota_sample {
	int64_t started_ms;
	double amount;
};

/* What one client, or all clients of a user, or ..., did lately. */
struct quota_counts {
	struct map_node node;
	struct list_node link; /* of all, least recently used first */
	int64_t used_ms;
	unsigned current, used_count; /* of the samples */
	struct quota_sample *samples;
	char key[];
};

struct quotas {
	unsigned sample_count; /* fixed */
	int64_t sample_ms;     /* fixed */
	pthread_mutex_t lock;
	/* under the lock */
	struct map counts;
	struct list_node recent;
};

static const char *const quota_keys[QUOTA_KINDS] = {
	[QUOTA_PRODUCE] = "producer_byte_rate",
	[QUOTA_FETCH] = "consumer_byte_rate",
	[QUOTA_REQUEST] = "request_percentage",
};

/* ---- Which quota ----------------------------------------------------------------------------- */

struct str quota_user(const char *principal)
{
	const char *colon = strchr(principal, ':');

	return str_of(colon ? colon + 1 : principal);
}

/* How well the quota's names fit: 0 not at all; the larger, the more specific. */
static int quota_rank(const struct image_quota *q, struct str user, struct str client_id,
		      bool *by_user, bool *by_client)
{
	int rank = 0;

	*by_user = *by_client = false;
	for (uint32_t i = 0; i < q->part_count; i++) {
		const struct image_quota_part *part = &q->parts[i];
		bool is_user = str_is(part->type, "user");
		bool is_default = str_is_null(part->name);

		if (!is_user && !str_is(part->type, "client-id"))
			return 0;
		if (!is_default && !str_eq(part->name, is_user ? user : client_id))
			return 0;
		*(is_user ? by_user : by_client) = true;
		rank += is_user ? (is_default ? 3 : 6) : (is_default ? 1 : 2);
	}
	return rank;
}

static const double *quota_value(const struct image_quota *q, const char *key)
{
	for (uint32_t i = 0; i < q->value_count; i++)
		if (str_is(q->values[i].key, key))
			return &q->values[i].value;
	return NULL;
}

bool quota_find(const struct image *image, struct str user, struct str client_id,
		enum quota_kind kind, struct quota *out)
{
	int best = 0;

	for (const struct image_quota *q = image_quota_next(image, NULL); q;
	     q = image_quota_next(image, q)) {
		const double *value = quota_value(q, quota_keys[kind]);
		bool by_user, by_client;
		int rank = value ? quota_rank(q, user, client_id, &by_user, &by_client) : 0;

		if (rank <= best)
			continue;
		best = rank;
		*out = (struct quota){
			.kind = kind,
			.limit = *value,
			.user = by_user ? user : STR_NULL,
			.client_id = by_client ? client_id : STR_NULL,
		};
	}
	return best > 0;
}

/* ---- Counting -------------------------------------------------------------------------------- */

struct quotas *quotas_new(unsigned sample_count, int64_t sample_ms)
{
	struct quotas *q = xcalloc(1, sizeof(*q));
	int rc = pthread_mutex_init(&q->lock, NULL);

	assert(rc == 0);
	assert(sample_count > 0 && sample_ms > 0);
	q->sample_count = sample_count;
	q->sample_ms = sample_ms;
	map_init(&q->counts);
	list_init(&q->recent);
	return q;
}

static void counts_drop(struct quotas *q, struct quota_counts *c)
{
	map_remove(&q->counts, &c->node);
	list_remove(&c->link);
	free(c->samples);
	free(c);
}

void quotas_free(struct quotas *q)
{
	struct quota_counts *c;

	if (!q)
		return;
	LIST_FOREACH(&q->recent, c, struct quota_counts, link)
		counts_drop(q, c);
	map_fini(&q->counts);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* Kind, then each name with its length, or '-' for null: no two clients share a key. */
static struct quota_counts *counts_of(struct quotas *q, const struct quota *quota, int64_t now_ms)
{
	char lengths[64];
	int head = snprintf(lengths, sizeof(lengths), "%d %zd %zd ", (int)quota->kind,
			    str_is_null(quota->user) ? (ssize_t)-1 : (ssize_t)quota->user.len,
			    str_is_null(quota->client_id) ? (ssize_t)-1
							  : (ssize_t)quota->client_id.len);
	size_t key_len = (size_t)head + quota->user.len + quota->client_id.len;
	struct quota_counts *c = xcalloc(1, sizeof(*c) + key_len + 1);
	struct map_node *found;

	memcpy(c->key, lengths, (size_t)head);
	if (quota->user.len)
		memcpy(c->key + head, quota->user.data, quota->user.len);
	if (quota->client_id.len)
		memcpy(c->key + (size_t)head + quota->user.len, quota->client_id.data,
		       quota->client_id.len);
	found = map_get(&q->counts, c->key, key_len);
	if (found) {
		free(c);
		c = CONTAINER_OF(found, struct quota_counts, node);
		list_remove(&c->link);
	} else {
		c->samples = xcalloc(q->sample_count, sizeof(*c->samples));
		map_put(&q->counts, &c->node, c->key, key_len);
	}
	c->used_ms = now_ms;
	list_push_back(&q->recent, &c->link);
	return c;
}

static void counts_add(const struct quotas *q, struct quota_counts *c, double amount,
		       int64_t now_ms)
{
	struct quota_sample *s = &c->samples[c->current];

	if (c->used_count == 0) {
		c->used_count = 1;
		*s = (struct quota_sample){.started_ms = now_ms};
	} else if (now_ms - s->started_ms >= q->sample_ms) {
		c->current = (c->current + 1) % q->sample_count;
		c->used_count = MAX(c->used_count, c->current + 1);
		s = &c->samples[c->current];
		*s = (struct quota_sample){.started_ms = now_ms};
	}
	s->amount += amount;
}

/* The sum of the samples, and the time it is for: since the oldest began, but never less than all
 * samples but one take, or a first request would look like a flood. */
static double counts_sum(const struct quotas *q, struct quota_counts *c, int64_t now_ms,
			 int64_t *window_ms)
{
	int64_t oldest_ms = now_ms, full_count, full_min = (int64_t)q->sample_count - 1;
	double sum = 0;

	for (unsigned i = 0; i < c->used_count; i++) {
		struct quota_sample *s = &c->samples[i];

		if (now_ms - s->started_ms >= (int64_t)q->sample_count * q->sample_ms)
			*s = (struct quota_sample){.started_ms = now_ms};
		oldest_ms = MIN(oldest_ms, s->started_ms);
		sum += s->amount;
	}
	*window_ms = now_ms - oldest_ms;
	full_count = *window_ms / q->sample_ms;
	if (full_count < full_min)
		*window_ms += (full_min - full_count) * q->sample_ms;
	*window_ms = MAX(*window_ms, 1);
	return sum;
}

/* How long it takes until the rate is back at the limit. */
static int64_t counts_throttle_ms(const struct quotas *q, struct quota_counts *c,
				  const struct quota *quota, int64_t now_ms)
{
	int64_t window_ms, max_ms = INT32_MAX;
	double rate = counts_sum(q, c, now_ms, &window_ms) * 1000 / (double)window_ms;
	double over;

	if (quota->kind == QUOTA_REQUEST) {
		rate = rate * 100 / 1e6; /* microseconds a second -> percent */
		max_ms = q->sample_ms;
	}
	if (rate <= quota->limit)
		return 0;
	over = quota->limit > 0 ? (rate - quota->limit) / quota->limit * (double)window_ms
				: (double)max_ms;
	return over < (double)max_ms ? (int64_t)(over + 0.5) : max_ms;
}

int64_t quotas_note(struct quotas *q, const struct quota *quota, double amount, int64_t now_ms)
{
	struct quota_counts *c, *idle;
	int64_t throttle_ms;

	pthread_mutex_lock(&q->lock);
	c = counts_of(q, quota, now_ms);
	LIST_FOREACH(&q->recent, idle, struct quota_counts, link) {
		if (q->counts.count <= COUNTS_MAX && now_ms - idle->used_ms < COUNTS_IDLE_MS)
			break;
		counts_drop(q, idle);
	}
	counts_add(q, c, amount, now_ms);
	throttle_ms = counts_throttle_ms(q, c, quota, now_ms);
	pthread_mutex_unlock(&q->lock);
	return throttle_ms;
}

size_t quotas_burst_bytes(const struct quotas *q, const struct quota *quota)
{
	double bytes = quota->limit * (double)(MAX(q->sample_count, 2u) - 1) *
		       (double)q->sample_ms / 1000;

	return bytes < (double)INT32_MAX ? (size_t)MAX(bytes, 0) : INT32_MAX;
}
