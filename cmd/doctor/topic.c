/* Can a topic be written and read? */
#include "cmd/doctor/doctor_int.h"

#include "base/clock.h"
#include "wire/batch.h"

#include <inttypes.h>
#include <string.h>

#define RESOURCE_TOPIC 2
#define PROBE_KEY "kavka-doctor"
/* What a consumer of this program would take for a record from the future. */
#define FUTURE_MS (60 * 60 * 1000)

static const char *topic_remedy(int code)
{
	switch (code) {
	case KERR_UNKNOWN_TOPIC_OR_PARTITION: return "make it: kavka topics --create --topic NAME";
	case KERR_TOPIC_AUTHORIZATION_FAILED:
		return "give this user the rights to Describe, Read and Write it (kafka-acls)";
	default: return "see the broker's log";
	}
}

/* ---- State -------------------------------------------------------------------------------- */

static void check_partition(struct doctor *d, const char *name,
			    const struct metadata_response_partition *p, int64_t min_isr)
{
	const char *subject = arena_printf(&d->run->arena, "%s-%d", name, p->partition_index);
	const char *replicas = doctor_ids(d, p->replica_nodes, p->replica_nodes_count);
	const char *isr = doctor_ids(d, p->isr_nodes, p->isr_nodes_count);
	const struct doctor_broker *leader = doctor_broker(d, p->leader_id);

	if (p->leader_id < 0)
		finding(d, LEVEL_FAIL, "topic", subject,
			arena_printf(&d->run->arena, "start one of its brokers: %s", replicas),
			"no leader: it can be neither written nor read (replicas %s, in sync %s)",
			replicas, isr);
	else if (!leader || !leader->is_reachable)
		finding(d, LEVEL_FAIL, "topic", subject, "see the findings of that broker above",
			"its leader, broker %d, cannot be reached from here", p->leader_id);
	else if (p->isr_nodes_count < MIN(min_isr, (int64_t)p->replica_nodes_count))
		finding(d, LEVEL_FAIL, "topic", subject, "bring the missing replicas back",
			"acks=all is refused: %d in sync (%s of %s), min.insync.replicas is "
			"%" PRId64,
			p->isr_nodes_count, isr, replicas, min_isr);
	else if (min_isr > p->replica_nodes_count)
		finding(d, LEVEL_WARN, "topic", subject,
			arena_printf(&d->run->arena,
				     "kavka configs --alter --entity-type topics --entity-name %s "
				     "--add-config min.insync.replicas=%d",
				     name, p->replica_nodes_count),
			"min.insync.replicas is %" PRId64
			", but it has %d replica%s: older brokers "
			"refuse acks=all then",
			min_isr, p->replica_nodes_count, p->replica_nodes_count == 1 ? "" : "s");
	else
		finding(d, LEVEL_OK, "topic", subject, NULL,
			"leader %d, in sync %s of %s, min.insync.replicas %" PRId64, p->leader_id,
			isr, replicas, min_isr);
}

static void check_sizes(struct doctor *d, const char *name,
			const struct describe_configs_response_result *configs)
{
	int64_t max = doctor_number(configs, "max.message.bytes", -1);
	int64_t ours = 1048576; /* max.request.size of a producer, unless it is set */

	if (max < 0)
		return;
	if (max < ours)
		finding(d, LEVEL_WARN, "topic", name,
			"a producer with larger batches gets MESSAGE_TOO_LARGE: lower its "
			"max.request.size and batch.size, or raise max.message.bytes",
			"max.message.bytes is %" PRId64 ", below the %" PRId64
			" that producers send by default",
			max, ours);
	else
		finding(d, LEVEL_OK, "topic", name, NULL,
			"records up to max.message.bytes %" PRId64
			" (a producer's max.request.size is %" PRId64 " by default)",
			max, ours);
}

static void check_future(struct doctor *d, const char *name, int32_t partitions)
{
	struct position *positions =
		arena_array(&d->run->arena, (size_t)partitions + 1, sizeof(*positions));
	int64_t *times = arena_array(&d->run->arena, (size_t)partitions + 1, sizeof(*times));
	int64_t newest = -1, ahead_ms;
	struct err err = {0};

	for (int32_t i = 0; i < partitions; i++)
		positions[i] = (struct position){str_of(name), i, -3, -1, STR_NULL, 0};
	if (admin_offsets(d->client, positions, (size_t)partitions, false, times, &err) < 0)
		return;
	for (int32_t i = 0; i < partitions; i++)
		newest = MAX(newest, times[i]);
	ahead_ms = newest - clock_wall_ms();
	if (newest > 0 && ahead_ms > FUTURE_MS)
		finding(d, LEVEL_WARN, "clock", name,
			"the clock of a producer or of this machine is wrong: retention by time "
			"keeps such records longer",
			"its newest record is %" PRId64 " minutes in the future", ahead_ms / 60000);
}

/* ---- Writing and reading ------------------------------------------------------------------ */

static int probe_write(struct doctor *d, const struct metadata_response_topic *topic,
		       int32_t partition, const char *value, int64_t *offset, int64_t *append_ms,
		       struct err *err)
{
	struct arena *a = &d->run->arena;
	struct produce_request *request = WIRE_NEW(a, produce_request);
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct produce_response *response;
	struct batch_builder bb;
	struct slice key = {NULL, (const uint8_t *)PROBE_KEY, strlen(PROBE_KEY)}, records;
	int rc;

	batch_builder_init(&bb, &options);
	rc = batch_builder_add(&bb, clock_wall_ms(), key,
			       (struct slice){NULL, (const uint8_t *)value, strlen(value)}, NULL,
			       0);
	if (rc == 0)
		rc = batch_builder_finish(&bb, NULL, &records);
	batch_builder_fini(&bb);
	if (rc < 0)
		return err_set(err, rc, "%s", err_text(rc));
	request->acks = -1;
	request->timeout_ms = (int32_t)d->args->timeout_ms;
	request->topic_data = WIRE_ARRAY(a, produce_request_topic_produce_data, 1);
	request->topic_data_count = 1;
	request->topic_data[0].name = topic->name;
	request->topic_data[0].topic_id = topic->topic_id;
	request->topic_data[0].partition_data =
		WIRE_ARRAY(a, produce_request_partition_produce_data, 1);
	request->topic_data[0].partition_data_count = 1;
	request->topic_data[0].partition_data[0].index = partition;
	request->topic_data[0].partition_data[0].records = records;
	rc = client_call(d->client, TO_LEADER(topic->name, partition), API_PRODUCE, request, a,
			 (void **)&response, NULL, err);
	slice_unref(&records);
	if (rc < 0)
		return rc;
	if (response->responses_count < 1 || response->responses[0].partition_responses_count < 1)
		return err_set(err, E_MALFORMED, "an answer without the partition");
	if (response->responses[0].partition_responses[0].error_code)
		return admin_error(err, response->responses[0].partition_responses[0].error_code,
				   response->responses[0].partition_responses[0].error_message,
				   "writing");
	*offset = response->responses[0].partition_responses[0].base_offset;
	*append_ms = response->responses[0].partition_responses[0].log_append_time_ms;
	return 0;
}

/* Whether the record at `offset` of what was fetched has the value. */
static bool probe_matches(struct slice records, int64_t offset, const char *value)
{
	const uint8_t *data = records.data;
	size_t left = records.len;
	struct record_iter it;
	struct record r;
	struct batch b;

	while (batch_next(&b, &data, &left) > 0) {
		if (batch_codec(&b) || record_iter_init(&it, &b, NULL, 0) < 0)
			continue;
		while (record_next(&it, &r) > 0) {
			if (r.offset == offset && r.value.len == strlen(value) &&
			    memcmp(r.value.data, value, r.value.len) == 0)
				return true;
		}
	}
	return false;
}

static int probe_read(struct doctor *d, const struct metadata_response_topic *topic,
		      int32_t partition, int64_t offset, const char *value, struct err *err)
{
	struct arena *a = &d->run->arena;
	struct fetch_request *request = WIRE_NEW(a, fetch_request);
	struct fetch_response *response;
	int rc;

	request->max_wait_ms = 500;
	request->min_bytes = 1;
	request->max_bytes = 4 << 20;
	request->topics = WIRE_ARRAY(a, fetch_request_topic, 1);
	request->topics_count = 1;
	request->topics[0].topic = topic->name;
	request->topics[0].topic_id = topic->topic_id;
	request->topics[0].partitions = WIRE_ARRAY(a, fetch_request_partition, 1);
	request->topics[0].partitions_count = 1;
	request->topics[0].partitions[0].partition = partition;
	request->topics[0].partitions[0].fetch_offset = offset;
	request->topics[0].partitions[0].partition_max_bytes = 4 << 20;
	rc = client_call(d->client, TO_LEADER(topic->name, partition), API_FETCH, request, a,
			 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	if (response->error_code)
		return admin_error(err, response->error_code, STR_NULL, "reading");
	if (response->responses_count < 1 || response->responses[0].partitions_count < 1)
		return err_set(err, E_MALFORMED, "an answer without the partition");
	if (response->responses[0].partitions[0].error_code)
		return admin_error(err, response->responses[0].partitions[0].error_code, STR_NULL,
				   "reading");
	if (!probe_matches(response->responses[0].partitions[0].records, offset, value))
		return err_set(err, E_NOT_FOUND,
			       "the record at offset %" PRId64 " is not the one that was written",
			       offset);
	return 0;
}

static void check_probe(struct doctor *d, const char *name,
			const struct metadata_response_topic *topic)
{
	const char *value = arena_printf(&d->run->arena, "written by kavka doctor at %" PRId64,
					 clock_wall_ms());
	const char *subject = arena_printf(&d->run->arena, "%s-%d", name, 0);
	int64_t start_ms = clock_mono_ms(), before_ms = clock_wall_ms(), written_ms;
	int64_t offset, append_ms;
	struct err err = {0};
	int rc = probe_write(d, topic, 0, value, &offset, &append_ms, &err);

	written_ms = clock_mono_ms() - start_ms;
	if (rc < 0) {
		finding(d, LEVEL_FAIL, "probe", subject,
			err.kafka_error == KERR_TOPIC_AUTHORIZATION_FAILED
				? "give this user the right to Write it (kafka-acls)"
				: "see the findings above and the broker's log",
			"a record cannot be written: %s", err_message(&err));
		return;
	}
	start_ms = clock_mono_ms();
	rc = probe_read(d, topic, 0, offset, value, &err);
	if (rc < 0)
		finding(d, LEVEL_FAIL, "probe", subject,
			err.kafka_error == KERR_TOPIC_AUTHORIZATION_FAILED
				? "give this user the right to Read it (kafka-acls)"
				: "see the broker's log",
			"a record was written, but cannot be read: %s", err_message(&err));
	else
		finding(d, LEVEL_OK, "probe", subject, NULL,
			"a record was written with acks=all in %" PRId64 " ms (offset %" PRId64
			") and read in %" PRId64 " ms",
			written_ms, offset, clock_mono_ms() - start_ms);
	if (append_ms > 0)
		finding(d, LEVEL_INFO, "clock", subject, NULL,
			"the leader's clock is %" PRId64 " ms ahead of this machine's (+-%" PRId64
			", by LogAppendTime)",
			append_ms - before_ms - written_ms / 2, written_ms / 2 + 1);
}

void doctor_topic(struct doctor *d, const char *name)
{
	static const char *const keys[] = {"min.insync.replicas", "max.message.bytes"};
	const struct describe_configs_response_result *configs;
	const struct metadata_response_topic *topic;
	struct str names[1] = {str_of(name)};
	struct metadata_response *r;
	struct err err = {0};

	finding_section(d, "topic %s", name);
	if (admin_metadata(d->client, names, 1, &d->run->arena, &r, &err) < 0 ||
	    r->topics_count < 1) {
		finding(d, LEVEL_FAIL, "topic", name, "see the broker's log", "%s",
			err_message(&err));
		return;
	}
	topic = &r->topics[0];
	if (topic->error_code) {
		finding(d, LEVEL_FAIL, "topic", name, topic_remedy(topic->error_code), "%s",
			topic->error_code == KERR_UNKNOWN_TOPIC_OR_PARTITION
				? "there is no such topic"
				: kafka_error_text(topic->error_code));
		return;
	}
	configs = doctor_configs(d, RESOURCE_TOPIC, name, keys, ARRAY_LEN(keys), &err);
	for (int32_t i = 0; i < topic->partitions_count; i++)
		check_partition(d, name, &topic->partitions[i], doctor_number(configs, keys[0], 1));
	check_sizes(d, name, configs);
	check_future(d, name, topic->partitions_count);
	if (d->args->probe)
		check_probe(d, name, topic);
}
