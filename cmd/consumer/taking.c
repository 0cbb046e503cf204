#include "cmd/consumer/taking.h"

#include "base/clock.h"
#include "base/mem.h"
#include "client/admin.h"
#include "wire/errors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOPIC_WAIT_MS 500 /* between two looks for a topic that is not there yet */

/* ---- By hand ------------------------------------------------------------------------------ */

static const struct client_topic *taking_topic(const struct consuming *k)
{
	return client_topic(k->connection.client, str_of(k->args->topic));
}

static bool topic_is_known(void *ctx)
{
	const struct client_topic *t = taking_topic(ctx);

	return t && t->is_known && (t->error == 0 || t->partition_count > 0);
}

static int topic_refused(const struct consuming *k, int16_t error, struct err *err)
{
	err_set(err, E_KAFKA, "topic '%s': %s", k->args->topic, kafka_error_text(error));
	if (err)
		err->kafka_error = error;
	return E_KAFKA;
}

/* --timeout-ms counts here too. */
static int topic_wait_once(struct consuming *k, int64_t began_ms, struct err *err)
{
	bool is_limited = opt_given(k->run, "timeout-ms") && k->args->timeout_ms >= 0;
	int64_t left = is_limited ? began_ms + k->args->timeout_ms - clock_mono_ms() : INT64_MAX;
	int rc;

	if (left <= 0)
		return err_set(err, E_TIMEOUT, "no record came for %lld ms",
			       (long long)k->args->timeout_ms);
	rc = client_wait(k->connection.client, topic_is_known, k,
			 MIN(left, (int64_t)TOPIC_WAIT_MS));
	if (rc == E_TIMEOUT)
		return 0;
	return rc < 0 ? err_set(err, rc, "%s", err_text(rc)) : 0;
}

/* Is the topic there? It is not made, and nothing is said about it. */
static int topic_look(struct consuming *k, bool *is_there, struct err *err)
{
	struct str name = str_of(k->args->topic);
	struct metadata_response *r;
	struct arena arena;
	int16_t error = 0;
	int rc;

	arena_init(&arena);
	rc = admin_metadata(k->connection.client, &name, 1, &arena, &r, err);
	if (rc == 0 && r->topics_count > 0)
		error = r->topics[0].error_code;
	*is_there = rc == 0 && r->topics_count > 0 && error == 0;
	if (error && !kafka_error_is_retriable(error))
		rc = topic_refused(k, error, err);
	arena_fini(&arena);
	return rc;
}

/* The topic's metadata; where it does not exist, its partitions are waited for (the client warns of
 * it), unless the run is to end by itself. */
static int topic_wait(struct consuming *k, struct err *err)
{
	struct client *c = k->connection.client;
	int64_t began_ms = clock_mono_ms();
	bool is_there;
	int rc = topic_look(k, &is_there, err);

	if (rc < 0)
		return rc;
	if (!is_there && range_has_end(&k->range))
		return err_set(err, E_NOT_FOUND, "topic '%s' does not exist", k->args->topic);
	client_want_topic(c, str_of(k->args->topic),
			  client_config_bool(k->connection.config, CC_ALLOW_AUTO_CREATE_TOPICS));
	for (;;) {
		const struct client_topic *t;

		rc = client_refresh_wait(c, err);
		if (rc < 0)
			return rc;
		t = taking_topic(k);
		if (topic_is_known(k))
			return 0;
		if (t && t->error && !kafka_error_is_retriable(t->error))
			return topic_refused(k, t->error, err);
		rc = topic_wait_once(k, began_ms, err);
		if (rc < 0)
			return rc;
	}
}

/* Positions of the partitions that were asked for, or of all, in *out (free()). */
static int taking_list(struct consuming *k, int32_t first, struct position **out, size_t *count,
		       struct err *err)
{
	const struct consumer_args *args = k->args;
	size_t all =
		args->partition_count ? args->partition_count : (size_t)(k->part_count - first);

	*out = xcalloc(all + 1, sizeof(**out));
	*count = all;
	for (size_t i = 0; i < all; i++) {
		int32_t index = args->partition_count ? args->partitions[i] : first + (int32_t)i;

		(*out)[i] = (struct position){.topic = str_of(args->topic),
					      .partition = index,
					      .offset = OFFSET_COMMITTED,
					      .leader_epoch = -1};
		if (index < k->part_count || k->run->is_apache)
			continue;
		free(*out);
		*out = NULL;
		return err_set(err, E_NOT_FOUND, "topic '%s' has no partition %d: it has 0 to %d",
			       args->topic, index, k->part_count - 1);
	}
	return 0;
}

static int taking_resolve(struct consuming *k, struct position *parts, size_t count,
			  struct err *err)
{
	if (!range_is_asking(&k->range))
		return 0;
	return range_resolve(&k->range, k->connection.client, parts, count, clock_wall_ms(), err);
}

static void taking_changed(struct client_watcher *w)
{
	struct consuming *k = CONTAINER_OF(w, struct consuming, watcher);
	const struct client_topic *t = taking_topic(k);

	if (t && t->partition_count > k->part_count)
		consumer_wake(k->consumer);
}

static int taking_by_hand(struct consuming *k, struct err *err)
{
	struct position *parts;
	size_t count;
	int rc = 0;

	/* Apache's tool takes a partition that it was told whether it is there or not. */
	if (!k->run->is_apache) {
		rc = topic_wait(k, err);
		if (rc < 0)
			return rc;
		k->part_count = taking_topic(k)->partition_count;
		k->watcher.metadata_changed = taking_changed;
		k->is_watching = true;
		client_watch(k->connection.client, &k->watcher);
	}
	rc = taking_list(k, 0, &parts, &count, err);
	if (rc < 0)
		return rc;
	rc = taking_resolve(k, parts, count, err);
	if (rc == 0)
		rc = consumer_assign(k->consumer, parts, count, err);
	free(parts);
	return rc;
}

/* The topic has more partitions than we took: theirs are new, and read from their beginning. */
static int taking_grow(struct consuming *k, struct err *err)
{
	const struct client_topic *t = taking_topic(k);
	size_t old_count = (size_t)k->part_count, count;
	struct position *parts;
	int rc;

	if (k->args->partition_count > 0 || k->part_count == 0 || !t ||
	    t->partition_count <= k->part_count || range_has_end(&k->range))
		return 0;
	k->part_count = t->partition_count;
	rc = taking_list(k, 0, &parts, &count, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		int64_t now = consumer_position(k->consumer, parts[i].topic, parts[i].partition);

		parts[i].offset = i >= old_count       ? OFFSET_BEGINNING
				  : now != OFFSET_NONE ? now
						       : OFFSET_COMMITTED;
	}
	rc = consumer_assign(k->consumer, parts, count, err);
	free(parts);
	return rc;
}

static void taking_missing(void *ctx, const struct position *at, int64_t first, int64_t end)
{
	struct consuming *k = ctx;

	output_note(k->run,
		    "%.*s-%d: there is no offset %lld, the records are from %lld to before "
		    "%lld: beginning with the %s",
		    STR(at->topic), at->partition, (long long)at->offset, (long long)first,
		    (long long)end, at->offset < first ? "oldest" : "next one");
}

int taking_begin(struct consuming *k, struct err *err)
{
	const struct consumer_args *args = k->args;

	range_init(&k->range, args->from, args->end, args->stop_ms,
		   strcmp(client_config_str(k->connection.config, CC_ISOLATION_LEVEL),
			  "read_committed") == 0);
	if (!k->run->is_apache) {
		k->range.missing = taking_missing;
		k->range.ctx = k;
	}
	if (args->topic && !*args->topic)
		return err_set(
			err, E_INVALID,
			k->run->is_apache
				? "Topic collection to subscribe to cannot contain null or empty "
				  "topic"
				: "--topic is empty");
	if (args->assigns)
		return taking_by_hand(k, err);
	if (args->include)
		return consumer_subscribe_pattern(k->consumer, args->include, err);
	return consumer_subscribe(k->consumer, &(struct str){args->topic, strlen(args->topic)}, 1,
				  err);
}

/* ---- By a group --------------------------------------------------------------------------- */

static void fresh_drop(struct consuming *k)
{
	for (size_t i = 0; i < k->fresh_count; i++)
		free((char *)(uintptr_t)k->fresh[i].topic.data);
	k->fresh_count = 0;
}

void taking_fini(struct consuming *k)
{
	if (k->is_watching)
		client_unwatch(&k->watcher);
	fresh_drop(k);
	free(k->fresh);
	range_fini(&k->range);
}

/* Held until they have their range: the brokers cannot be asked from here. */
void taking_assigned(void *ctx, const struct position *parts, size_t count)
{
	struct consuming *k = ctx;

	if (!range_is_asking(&k->range))
		return;
	for (size_t i = 0; i < count; i++) {
		struct position *p;

		k->fresh = grow_array(k->fresh, k->fresh_count, &k->fresh_cap, sizeof(*k->fresh));
		p = &k->fresh[k->fresh_count++];
		*p = parts[i];
		p->topic.data = xstrndup(parts[i].topic.data, parts[i].topic.len);
		if (consumer_pause(k->consumer, parts[i].topic, parts[i].partition, true) < 0)
			continue;
	}
	consumer_wake(k->consumer);
}

void taking_revoked(void *ctx, const struct position *parts, size_t count)
{
	struct consuming *k = ctx;

	for (size_t i = 0; i < count; i++)
		range_forget(&k->range, parts[i].topic, parts[i].partition);
}

void taking_at_end(void *ctx, struct str topic, int32_t partition, int64_t offset)
{
	struct consuming *k = ctx;

	(void)topic;
	(void)partition;
	(void)offset;
	k->was_there = true;
	if (range_has_end(&k->range))
		consumer_wake(k->consumer);
}

static int fresh_resolve(struct consuming *k, struct err *err)
{
	struct position *parts = k->fresh;
	size_t count = k->fresh_count;
	int rc;

	if (count == 0)
		return 0;
	/* A rebalance may come while we ask: it fills another list. */
	k->fresh = NULL;
	k->fresh_count = k->fresh_cap = 0;
	rc = taking_resolve(k, parts, count, err);
	for (size_t i = 0; i < count; i++) {
		const struct position *p = &parts[i];

		if (rc == 0 && p->offset != OFFSET_COMMITTED &&
		    consumer_seek(k->consumer, p->topic, p->partition, p->offset) < 0)
			range_forget(&k->range, p->topic, p->partition);
		else if (consumer_pause(k->consumer, p->topic, p->partition, false) < 0)
			range_forget(&k->range, p->topic, p->partition);
		free((char *)(uintptr_t)p->topic.data);
	}
	free(parts);
	return rc;
}

/* ---- The end of the range ----------------------------------------------------------------- */

static bool part_ends(struct consuming *k, struct range_part *part, int64_t now_ms)
{
	struct str topic = str_of(part->topic);
	int64_t position = consumer_position(k->consumer, topic, part->partition);

	if (part->is_done)
		return true;
	if (part->end_offset >= 0)
		part->is_done = position >= part->end_offset;
	else if (k->range.end_ms >= 0 && k->range.end_ms <= now_ms)
		part->is_done = consumer_lag(k->consumer, topic, part->partition) == 0;
	return part->is_done;
}

static void range_step(struct consuming *k)
{
	struct range *r = &k->range;
	int64_t now_ms = clock_wall_ms();
	size_t left = 0;

	for (size_t i = 0; i < r->count; i++) {
		struct range_part *part = &r->parts[i];

		if (!part_ends(k, part, now_ms)) {
			left++;
		} else if (!part->is_paused) {
			part->is_paused = true;
			if (consumer_pause(k->consumer, str_of(part->topic), part->partition,
					   true) < 0)
				continue; /* not ours any more */
		}
	}
	/* A member without partitions waits: others may leave theirs to it. */
	if (r->count > 0 && left == 0)
		k->is_done = true;
}

int taking_step(struct consuming *k, struct err *err)
{
	int rc = fresh_resolve(k, err);

	if (rc == 0 && k->args->assigns)
		rc = taking_grow(k, err);
	if (rc == 0 && range_has_end(&k->range))
		range_step(k);
	return rc;
}
