/* How much topics take on disk: DescribeLogDirs of every broker, added up. */
#include "cmd/kafka_error.h"
#include "cmd/topics/topics_int.h"

#include "base/mem.h"
#include "client/admin.h"

#include <stdio.h>
#include <stdlib.h>

struct topic_size {
	struct str topic;
	int32_t partition;
	int64_t bytes;
};

struct topic_sizes {
	struct topic_size *items; /* sorted, one for each partition */
	size_t count, cap;
};

static int size_cmp(const void *a, const void *b)
{
	const struct topic_size *x = a, *y = b;
	int order = str_cmp(x->topic, y->topic);

	return order ? order : x->partition < y->partition ? -1 : x->partition > y->partition;
}

static void sizes_add(struct topics *t, struct topic_sizes *s,
		      const struct describe_log_dirs_response_result *dir)
{
	for (int32_t i = 0; i < dir->topics_count; i++) {
		const struct describe_log_dirs_response_topic *topic = &dir->topics[i];
		struct str name = str_dup(t->arena, topic->name);

		for (int32_t p = 0; p < topic->partitions_count; p++) {
			if (s->count == s->cap)
				s->items =
					grow_array(s->items, s->count, &s->cap, sizeof(*s->items));
			s->items[s->count++] =
				(struct topic_size){name, topic->partitions[p].partition_index,
						    topic->partitions[p].partition_size};
		}
	}
}

/* The replicas of one partition become one item. */
static void sizes_merge(struct topic_sizes *s)
{
	size_t kept = 0;

	if (s->count > 0)
		qsort(s->items, s->count, sizeof(*s->items), size_cmp);
	for (size_t i = 0; i < s->count; i++) {
		if (kept > 0 && size_cmp(&s->items[kept - 1], &s->items[i]) == 0)
			s->items[kept - 1].bytes += s->items[i].bytes;
		else
			s->items[kept++] = s->items[i];
	}
	s->count = kept;
}

int topics_sizes_read(struct topics *t, struct topic_sizes **out, struct err *err)
{
	struct describe_log_dirs_request *request = WIRE_NEW(t->arena, describe_log_dirs_request);
	struct topic_sizes *s = arena_zalloc(t->arena, sizeof(*s));
	struct topic_size *grown;
	struct call *calls;
	size_t call_count, answered = 0;
	int rc;

	request->topics = NULL;
	request->topics_count = -1;
	rc = admin_every_broker(t->client, API_DESCRIBE_LOG_DIRS, request, t->arena, &calls,
				&call_count, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < call_count; i++) {
		const struct describe_log_dirs_response *response = calls[i].response;

		if (calls[i].rc < 0) {
			rc = calls[i].rc;
			*err = calls[i].err;
		} else if (response->error_code != KERR_NONE) {
			rc = kafka_error_set(err, response->error_code, STR_NULL);
		} else {
			answered++;
			for (int32_t d = 0; d < response->results_count; d++)
				sizes_add(t, s, &response->results[d]);
		}
		call_fini(&calls[i]);
	}
	sizes_merge(s);
	grown = s->items;
	s->items = arena_memdup(t->arena, grown, s->count * sizeof(*grown));
	free(grown);
	*out = s;
	return answered > 0 ? 0 : rc;
}

int64_t topics_sizes_of(const struct topic_sizes *s, struct str topic, int32_t partition)
{
	int64_t sum = -1;

	for (size_t low = 0, high = s->count; low < high;) {
		size_t middle = (low + high) / 2;

		if (str_cmp(s->items[middle].topic, topic) < 0)
			low = middle + 1;
		else
			high = middle;
		if (low < high)
			continue;
		for (; low < s->count && str_eq(s->items[low].topic, topic); low++) {
			if (partition < 0 || s->items[low].partition == partition)
				sum = MAX(sum, 0) + s->items[low].bytes;
		}
		return sum;
	}
	return sum;
}

const char *topics_size_text(struct arena *a, int64_t bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	double value = (double)bytes;
	unsigned unit = 0;

	if (bytes < 0)
		return "-";
	while (value >= 1024 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1024;
		unit++;
	}
	return arena_printf(a, unit && value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}
