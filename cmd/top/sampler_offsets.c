/* What brokers tell of partitions: first and end offsets, sizes, eligible leaders. */
#include "cmd/top/sampler_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "client/consumer.h"

/* ---- Offsets ------------------------------------------------------------------------------ */

static void offsets_answer(struct sampler *s, struct ask *ask)
{
	const struct list_offsets_response *r = ask->call.response;
	int64_t now_us = clock_mono_us();

	for (int32_t i = 0; ask->call.rc == 0 && i < r->topics_count; i++) {
		const struct top_topic *t = snapshot_topic(s->into, r->topics[i].name);

		for (int32_t n = 0; t && n < r->topics[i].partitions_count; n++) {
			const struct list_offsets_response_partition_response *from =
				&r->topics[i].partitions[n];
			struct top_partition *p = topic_partition(t, from->partition_index);

			if (!p || from->error_code || from->offset < 0)
				continue;
			if (ask->is_first_offsets) {
				p->start = from->offset;
			} else {
				p->end = from->offset;
				p->end_at_us = now_us;
			}
		}
	}
}

/* The partitions of a topic that the broker leads; 0: none. */
static int32_t offsets_partitions(struct sampler *s, const struct top_topic *t, int32_t node_id,
				  int64_t timestamp, struct list_offsets_request_partition **out)
{
	int32_t count = 0;

	for (int32_t i = 0; i < t->partition_count; i++)
		count += t->partitions[i].leader == node_id;
	if (count == 0)
		return 0;
	*out = WIRE_ARRAY(&s->arena, list_offsets_request_partition, (size_t)count);
	count = 0;
	for (int32_t i = 0; i < t->partition_count; i++) {
		if (t->partitions[i].leader != node_id)
			continue;
		(*out)[count].partition_index = i;
		(*out)[count++].timestamp = timestamp;
	}
	return count;
}

void sampler_ask_offsets(struct sampler *s, int32_t node_id, bool is_first)
{
	struct list_offsets_request *request = WIRE_NEW(&s->arena, list_offsets_request);
	int64_t timestamp = is_first ? OFFSET_BEGINNING : OFFSET_END;
	struct ask *ask;

	request->replica_id = -1;
	request->timeout_ms = SAMPLER_NODE_MS;
	request->topics =
		WIRE_ARRAY(&s->arena, list_offsets_request_topic, (size_t)s->into->topic_count);
	for (int32_t i = 0; i < s->into->topic_count; i++) {
		const struct top_topic *t = &s->into->topics[i];
		struct list_offsets_request_topic *to = &request->topics[request->topics_count];

		to->partitions_count =
			offsets_partitions(s, t, node_id, timestamp, &to->partitions);
		if (to->partitions_count == 0)
			continue;
		to->name = t->name;
		request->topics_count++;
	}
	if (request->topics_count == 0)
		return;
	ask = sampler_ask(s, node_id, API_LIST_OFFSETS, request, offsets_answer);
	ask->is_first_offsets = is_first;
	sampler_send(s, ask);
}

/* ---- Log directories ---------------------------------------------------------------------- */

static int64_t add_known(int64_t a, int64_t b)
{
	return a == NOT_KNOWN ? b : b == NOT_KNOWN ? a : a + b;
}

static void log_dir_topic(struct sampler *s, struct top_broker *b,
			  const struct describe_log_dirs_response_topic *from)
{
	const struct top_topic *t = snapshot_topic(s->into, from->name);

	for (int32_t i = 0; i < from->partitions_count; i++) {
		struct top_partition *p =
			t ? topic_partition(t, from->partitions[i].partition_index) : NULL;
		int64_t bytes = from->partitions[i].partition_size;

		b->log_bytes += bytes;
		if (!p || from->partitions[i].is_future_key)
			continue;
		p->all_bytes = add_known(p->all_bytes, bytes);
		if (p->leader == b->id)
			p->bytes = bytes;
	}
}

static void log_dirs_answer(struct sampler *s, struct ask *ask)
{
	const struct describe_log_dirs_response *r = ask->call.response;
	struct top_broker *b = snapshot_broker(s->into, ask->node_id);

	if (ask->call.rc == E_UNSUPPORTED)
		s->lacks_log_dirs = true;
	/* Not allowed: an error, or (before version 3) no directory at all. */
	if (ask->call.rc < 0 || r->error_code || r->results_count == 0 || !b)
		return;
	b->log_bytes = 0;
	for (int32_t i = 0; i < r->results_count; i++) {
		const struct describe_log_dirs_response_result *dir = &r->results[i];

		if (dir->error_code)
			continue;
		b->disk_bytes = add_known(b->disk_bytes, dir->total_bytes);
		b->usable_bytes = add_known(b->usable_bytes, dir->usable_bytes);
		for (int32_t n = 0; n < dir->topics_count; n++)
			log_dir_topic(s, b, &dir->topics[n]);
	}
}

void sampler_ask_log_dirs(struct sampler *s, int32_t node_id)
{
	struct describe_log_dirs_request *request = WIRE_NEW(&s->arena, describe_log_dirs_request);

	request->topics_count = -1;
	sampler_send(s, sampler_ask(s, node_id, API_DESCRIBE_LOG_DIRS, request, log_dirs_answer));
}

/* ---- Eligible leaders of one topic -------------------------------------------------------- */

static void detail_ask(struct sampler *s, int32_t from_index);

static void detail_answer(struct sampler *s, struct ask *ask)
{
	const struct describe_topic_partitions_response *r = ask->call.response;

	const struct describe_topic_partitions_request *asked = ask->call.request;

	if (ask->call.rc == E_UNSUPPORTED)
		s->lacks_detail = true;
	if (ask->call.rc < 0)
		return;
	/* Only onwards: a broker shall not lead us in a circle. */
	if (r->next_cursor && str_eq(r->next_cursor->topic_name, s->detail) &&
	    r->next_cursor->partition_index > (asked->cursor ? asked->cursor->partition_index : 0))
		detail_ask(s, r->next_cursor->partition_index);
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct describe_topic_partitions_response_topic *from = &r->topics[i];
		const struct top_topic *t =
			from->error_code ? NULL : snapshot_topic(s->into, from->name);

		for (int32_t n = 0; t && n < from->partitions_count; n++) {
			const struct describe_topic_partitions_response_partition *of =
				&from->partitions[n];
			struct top_partition *p = topic_partition(t, of->partition_index);

			if (!p)
				continue;
			p->elr_count = MAX(of->eligible_leader_replicas_count, 0);
			p->elr = arena_memdup(&s->into->arena, of->eligible_leader_replicas,
					      (size_t)p->elr_count * sizeof(int32_t));
		}
	}
}

/* Brokers tell of no more than some 2000 partitions at once. */
static void detail_ask(struct sampler *s, int32_t from_index)
{
	struct describe_topic_partitions_request *request =
		WIRE_NEW(&s->arena, describe_topic_partitions_request);

	request->topics = WIRE_ARRAY(&s->arena, describe_topic_partitions_request_topic_request, 1);
	request->topics_count = 1;
	request->topics[0].name = s->detail;
	if (from_index > 0) {
		request->cursor = WIRE_NEW(&s->arena, describe_topic_partitions_request_cursor);
		request->cursor->topic_name = s->detail;
		request->cursor->partition_index = from_index;
	}
	sampler_send(s, sampler_ask(s, -1, API_DESCRIBE_TOPIC_PARTITIONS, request, detail_answer));
}

void sampler_ask_detail(struct sampler *s)
{
	if (snapshot_topic(s->into, s->detail))
		detail_ask(s, 0);
}
