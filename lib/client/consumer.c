#define SAY_PLACE "client/consumer"
#include "client/consumer_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/say.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <strings.h>

static void consumer_pump_fire(struct client_timer *t);
static void consumer_metadata(struct client_watcher *w);

/* ---- Making ---------------------------------------------------------------------------------- */

/* PnDTnHnMn.nS as java.time.Duration has it; milliseconds, or -1. */
static int64_t duration_parse(const char *text)
{
	double total = 0;
	bool is_time = false, has_any = false;

	if (*text++ != 'P')
		return -1;
	while (*text) {
		char *end;
		double n;

		if (*text == 'T') {
			is_time = true;
			text++;
			continue;
		}
		n = strtod(text, &end);
		if (end == text || n < 0)
			return -1;
		switch (*end) {
		case 'D': total += is_time ? -1e30 : n * 86400; break;
		case 'H': total += is_time ? n * 3600 : -1e30; break;
		case 'M': total += is_time ? n * 60 : -1e30; break;
		case 'S': total += is_time ? n : -1e30; break;
		default: return -1;
		}
		has_any = true;
		text = end + 1;
	}
	return has_any && total >= 0 && total < 9e12 ? (int64_t)(total * 1000) : -1;
}

static int consumer_configure(struct consumer *k, struct err *err)
{
	const struct client_config *cfg = k->client->cfg;
	const char *reset = client_config_str(cfg, CC_AUTO_OFFSET_RESET);

	k->min_bytes = (int32_t)client_config_int(cfg, CC_FETCH_MIN_BYTES);
	k->max_bytes = (int32_t)client_config_int(cfg, CC_FETCH_MAX_BYTES);
	k->max_wait_ms = (int32_t)client_config_int(cfg, CC_FETCH_MAX_WAIT_MS);
	k->partition_bytes = (int32_t)client_config_int(cfg, CC_MAX_PARTITION_FETCH_BYTES);
	k->is_committed_only =
		strcasecmp(client_config_str(cfg, CC_ISOLATION_LEVEL), "read_committed") == 0;
	k->check_crcs = client_config_bool(cfg, CC_CHECK_CRCS);
	k->auto_commit = client_config_bool(cfg, CC_ENABLE_AUTO_COMMIT);
	k->allow_create = client_config_bool(cfg, CC_ALLOW_AUTO_CREATE_TOPICS);
	k->exclude_internal = client_config_bool(cfg, CC_EXCLUDE_INTERNAL_TOPICS);
	k->rack = client_config_str(cfg, CC_CLIENT_RACK);
	k->records_max = k->options.records_max;
	if (!k->records_max && client_config_is_set(cfg, CC_MAX_POLL_RECORDS))
		k->records_max = (size_t)client_config_int(cfg, CC_MAX_POLL_RECORDS);
	k->reset_timestamp = OFFSET_END;
	if (strcasecmp(reset, "earliest") == 0)
		k->reset_timestamp = OFFSET_BEGINNING;
	else if (strcasecmp(reset, "none") == 0)
		k->reset_is_none = true;
	else if (strncasecmp(reset, "by_duration:", 12) == 0) {
		k->reset_duration_ms = duration_parse(reset + 12);
		if (k->reset_duration_ms < 0)
			return err_set(err, E_INVALID,
				       "auto.offset.reset=%s: expected by_duration:PnDTnHnMn.nS",
				       reset);
	}
	return 0;
}

int consumer_new(struct consumer **out, struct client *client,
		 const struct consumer_options *options, struct err *err)
{
	struct consumer *k = xcalloc(1, sizeof(*k));
	int rc;

	assert(client_config_role(client->cfg) == CLIENT_CONSUMER);
	k->client = client;
	if (options)
		k->options = *options;
	map_init(&k->parts);
	map_init(&k->fetchers);
	list_init(&k->part_list);
	list_init(&k->fetched);
	list_init(&k->offset_calls);
	arena_init(&k->commit_arena);
	k->compressor = compressor_new();
	k->pump_timer.fire = consumer_pump_fire;
	k->commit_timer.fire = commit_timer_fire;
	k->watcher.metadata_changed = consumer_metadata;
	member_init(k);
	client_watch(client, &k->watcher);
	rc = consumer_configure(k, err);
	if (rc < 0) {
		consumer_free(k);
		return rc;
	}
	*out = k;
	return 0;
}

static void topics_drop(struct consumer *k)
{
	for (size_t i = 0; i < k->topic_count; i++) {
		client_unwant_topic(k->client, k->topics[i]);
		free((char *)(uintptr_t)k->topics[i].data);
	}
	free(k->topics);
	k->topics = NULL;
	k->topic_count = 0;
}

static void parts_drop(struct consumer *k)
{
	struct kpart *part;

	LIST_FOREACH(&k->part_list, part, struct kpart, link)
		consumer_part_remove(k, part);
}

int consumer_close(struct consumer *k, struct err *err)
{
	bool is_member = k->mode == CONSUME_TOPICS || k->mode == CONSUME_PATTERN;
	int rc = 0;

	if (k->is_closing)
		return 0;
	k->is_closing = true;
	client_timer_stop(k->client, &k->commit_timer);
	if (k->auto_commit && (!is_member || k->member.generation >= 0))
		rc = consumer_commit(k, err);
	if (is_member && !str_is_null(k->member.group)) {
		struct err second = {0};
		int left = member_leave(k, &second);

		if (rc == 0 && left < 0) {
			rc = left;
			if (err)
				*err = second;
		}
	}
	fetch_close(k);
	return rc;
}

void consumer_free(struct consumer *k)
{
	if (!k)
		return;
	client_unwatch(&k->watcher);
	client_timer_stop(k->client, &k->pump_timer);
	client_timer_stop(k->client, &k->commit_timer);
	member_fini(k);
	commit_fini(k);
	position_fini(k);
	parts_drop(k);
	fetch_fini(k);
	topics_drop(k);
	map_fini(&k->parts);
	compressor_free(k->compressor);
	pcre2_code_free(k->pattern);
	free(k->records);
	free(k);
}

/* ---- Partitions ------------------------------------------------------------------------------ */

static char *part_key(struct str topic, int32_t index, char *small, size_t size)
{
	char *key = topic.len + sizeof(index) <= size ? small : xmalloc(topic.len + sizeof(index));

	memcpy(key, &index, sizeof(index));
	if (topic.len)
		memcpy(key + sizeof(index), topic.data, topic.len);
	return key;
}

struct kpart *consumer_part(const struct consumer *k, struct str topic, int32_t index)
{
	char small[272];
	char *key = part_key(topic, index, small, sizeof(small));
	struct map_node *node = map_get(&k->parts, key, topic.len + sizeof(index));

	if (key != small)
		free(key);
	return node ? CONTAINER_OF(node, struct kpart, map_node) : NULL;
}

struct kpart *consumer_part_add(struct consumer *k, struct str topic, int32_t index)
{
	struct kpart *part = xcalloc(1, sizeof(*part));

	part->key_len = topic.len + sizeof(index);
	part->key = part_key(topic, index, NULL, 0);
	part->topic = (struct str){part->key + sizeof(index), topic.len};
	part->index = index;
	part->position = part->fetch_offset = OFFSET_NONE;
	part->committed = part->high_watermark = part->log_start_offset = -1;
	part->last_stable_offset = -1;
	part->position_epoch = part->fetched_epoch = part->checked_epoch = -1;
	part->preferred_node = -1;
	map_put(&k->parts, &part->map_node, part->key, part->key_len);
	list_push_back(&k->part_list, &part->link);
	client_want_topic(k->client, part->topic, k->allow_create);
	return part;
}

void consumer_part_remove(struct consumer *k, struct kpart *part)
{
	decode_drop(k, part);
	fetch_part_gone(k, part);
	if (k->handed == part)
		k->handed = NULL;
	map_remove(&k->parts, &part->map_node);
	list_remove(&part->link);
	client_unwant_topic(k->client, part->topic);
	free(part->key);
	free(part);
}

void consumer_part_seek(struct consumer *k, struct kpart *part, int64_t offset)
{
	part->seek_count++;
	part->fail_count = 0;
	part->not_before_ms = 0;
	part->is_at_end = part->is_checking = false;
	part->position_epoch = part->fetched_epoch = part->checked_epoch = -1;
	if (offset >= 0) {
		part->state = PART_READY;
		part->position = part->fetch_offset = offset;
	} else if (offset == OFFSET_COMMITTED) {
		part->state = PART_NEW;
	} else {
		part->state = PART_RESET;
		part->reset_timestamp = offset;
	}
	consumer_pump(k);
}

/* ---- Subscriptions --------------------------------------------------------------------------- */

static int str_order(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Takes over the list of topics; true if it is another than before. */
static bool consumer_set_topics(struct consumer *k, const struct str *topics, size_t count)
{
	struct str *sorted = xcalloc(count + 1, sizeof(*sorted));
	size_t unique = 0;
	bool same;

	for (size_t i = 0; i < count; i++)
		sorted[i] = topics[i];
	qsort(sorted, count, sizeof(*sorted), str_order);
	for (size_t i = 0; i < count; i++)
		if (unique == 0 || !str_eq(sorted[i], sorted[unique - 1]))
			sorted[unique++] = sorted[i];
	same = unique == k->topic_count;
	for (size_t i = 0; same && i < unique; i++)
		same = str_eq(sorted[i], k->topics[i]);
	if (same) {
		free(sorted);
		return false;
	}
	for (size_t i = 0; i < unique; i++) {
		sorted[i].data = xstrndup(sorted[i].data, sorted[i].len);
		client_want_topic(k->client, sorted[i], k->allow_create);
	}
	topics_drop(k);
	k->topics = sorted;
	k->topic_count = unique;
	k->subscription++;
	return true;
}

static int consumer_begin(struct consumer *k, enum consumer_mode mode, struct err *err)
{
	if (mode != CONSUME_ASSIGNED && str_is_null(k->member.group))
		return err_set(err, E_INVALID, "subscribing needs a group.id");
	if (k->mode == CONSUME_ASSIGNED && mode != CONSUME_ASSIGNED)
		parts_drop(k);
	pcre2_code_free(k->pattern);
	k->pattern = NULL;
	k->mode = mode;
	k->err = (struct err){0};
	return 0;
}

int consumer_subscribe(struct consumer *k, const struct str *topics, size_t count,
		       struct err *err)
{
	int rc = consumer_begin(k, CONSUME_TOPICS, err);

	if (rc < 0)
		return rc;
	(void)consumer_set_topics(k, topics, count);
	member_subscribe(k);
	return 0;
}

struct pattern_match {
	struct consumer *consumer;
	struct str *topics;
	size_t count, cap;
	pcre2_match_data *data;
};

static bool pattern_topic(void *ctx, const struct client_topic *t)
{
	struct pattern_match *pm = ctx;

	if (t->is_internal && pm->consumer->exclude_internal)
		return true;
	if (pcre2_match(pm->consumer->pattern, (PCRE2_SPTR)t->name.data, t->name.len, 0, 0,
			pm->data, NULL) < 0)
		return true;
	pm->topics = grow_array(pm->topics, pm->count, &pm->cap, sizeof(*pm->topics));
	pm->topics[pm->count++] = t->name;
	return true;
}

/* Looks which topics match now. */
static void consumer_match(struct consumer *k)
{
	struct pattern_match pm = {.consumer = k};

	if (!k->client->meta.is_known)
		return;
	pm.data = pcre2_match_data_create_from_pattern(k->pattern, NULL);
	client_each_topic(k->client, pattern_topic, &pm);
	pcre2_match_data_free(pm.data);
	if (consumer_set_topics(k, pm.topics, pm.count) || k->member.state == MEMBER_NONE)
		member_subscribe(k);
	free(pm.topics);
}

int consumer_subscribe_pattern(struct consumer *k, const char *pattern, struct err *err)
{
	PCRE2_UCHAR text[256];
	PCRE2_SIZE at;
	pcre2_code *code;
	int error, rc;

	code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
			     PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF, &error, &at, NULL);
	if (!code) {
		pcre2_get_error_message(error, text, sizeof(text));
		return err_set(err, E_INVALID, "pattern '%s': %s at character %zu", pattern,
			       (char *)text, (size_t)at + 1);
	}
	rc = consumer_begin(k, CONSUME_PATTERN, err);
	if (rc < 0) {
		pcre2_code_free(code);
		return rc;
	}
	k->pattern = code;
	client_want_all(k->client);
	consumer_match(k);
	return 0;
}

int consumer_assign(struct consumer *k, const struct position *positions, size_t count,
		    struct err *err)
{
	struct kpart *part;
	int rc;

	if (k->mode == CONSUME_TOPICS || k->mode == CONSUME_PATTERN)
		return err_set(err, E_INVALID, "assigning by hand does not go with a subscription");
	rc = consumer_begin(k, CONSUME_ASSIGNED, err);
	if (rc < 0)
		return rc;
	LIST_FOREACH(&k->part_list, part, struct kpart, link)
		part->is_kept = false;
	for (size_t i = 0; i < count; i++) {
		part = consumer_part(k, positions[i].topic, positions[i].partition);
		if (!part)
			part = consumer_part_add(k, positions[i].topic, positions[i].partition);
		part->is_kept = true;
		consumer_part_seek(k, part, positions[i].offset);
	}
	LIST_FOREACH(&k->part_list, part, struct kpart, link)
		if (!part->is_kept)
			consumer_part_remove(k, part);
	commit_start_timer(k);
	return 0;
}

/* ---- Events ---------------------------------------------------------------------------------- */

void consumer_pump(struct consumer *k)
{
	if (!k->is_closing)
		client_timer_start(k->client, &k->pump_timer, 0);
}

static void consumer_pump_now(struct consumer *k)
{
	int64_t now = client_now(k->client), wake_ms = INT64_MAX;

	client_timer_stop(k->client, &k->pump_timer);
	if (k->is_closing)
		return;
	position_pump(k, now, &wake_ms);
	fetch_pump(k, now, &wake_ms);
	if (wake_ms != INT64_MAX && !heap_linked(&k->pump_timer.node))
		client_timer_start(k->client, &k->pump_timer, MAX(wake_ms - now, 1));
}

static void consumer_pump_fire(struct client_timer *t)
{
	consumer_pump_now(CONTAINER_OF(t, struct consumer, pump_timer));
}

/* A topic that does not exist may come; one that is refused will not. */
static void consumer_refused(struct consumer *k)
{
	for (size_t i = 0; i < k->topic_count; i++) {
		const struct client_topic *t = client_topic(k->client, k->topics[i]);
		struct err err = {0};

		if (!t || (t->error != KERR_INVALID_TOPIC_EXCEPTION &&
			   t->error != KERR_TOPIC_AUTHORIZATION_FAILED))
			continue;
		err_set(&err, E_KAFKA, "topic '%.*s': %s", STR(k->topics[i]),
			kafka_error_text(t->error));
		err.kafka_error = t->error;
		consumer_error(k, E_KAFKA, &err);
	}
}

static void consumer_metadata(struct client_watcher *w)
{
	struct consumer *k = CONTAINER_OF(w, struct consumer, watcher);

	if (k->mode == CONSUME_TOPICS)
		consumer_refused(k);
	if (k->mode == CONSUME_PATTERN)
		consumer_match(k);
	member_metadata(k);
	consumer_pump(k);
}

void consumer_error(struct consumer *k, int rc, const struct err *err)
{
	if (k->err.code)
		return;		/* the first one is the cause */
	k->err = *err;
	k->err.code = rc;
}

/* ---- Polling --------------------------------------------------------------------------------- */

static bool poll_is_over(void *ctx)
{
	struct consumer *k = ctx;
	struct fetched *f;

	if (k->err.code || k->current || k->is_woken)
		return true;
	LIST_FOREACH(&k->fetched, f, struct fetched, link)
		if (!f->part->is_paused || f->seek_count != f->part->seek_count)
			return true;
	return false;
}

/* The caller is done with the last batch: tells if that was the end of its partition. */
static void poll_release(struct consumer *k)
{
	struct kpart *part = k->handed;
	int64_t end;

	k->handed = NULL;
	if (!part || part->is_at_end || part->fetched_count > 1 ||
	    (k->current && k->current->part == part && k->in_batch))
		return;
	end = k->is_committed_only ? part->last_stable_offset : part->high_watermark;
	if (end < 0 || part->position < end)
		return;
	part->is_at_end = true;
	if (k->options.at_end)
		k->options.at_end(k->options.ctx, part->topic, part->index, part->position);
}

/* Errors of the metadata request that no call of ours would tell. */
static void poll_metadata_error(struct consumer *k)
{
	struct err *why = &k->client->meta.err;

	if (why->code != E_UNREACHABLE && why->code != E_AUTH && why->code != E_UNSUPPORTED)
		return;
	consumer_error(k, why->code, why);
	*why = (struct err){0};
	client_refresh(k->client);
}

int consumer_poll(struct consumer *k, int64_t timeout_ms, struct consumer_batch *out,
		  struct err *err)
{
	int64_t until = client_now(k->client) + timeout_ms;
	int rc;

	poll_release(k);
	member_poll(k);
	consumer_pump_now(k);
	for (;;) {
		rc = k->err.code ? 0 : decode_next(k, out, err);
		if (rc != 0) {
			/* What was taken makes room: the next fetch goes out before the caller
			 * works on this one. */
			if (!k->in_batch)
				consumer_pump_now(k);
			break;
		}
		poll_metadata_error(k);
		if (k->err.code) {
			rc = k->err.code;
			if (err)
				*err = k->err;
			k->err = (struct err){0};
			break;
		}
		consumer_pump_now(k);
		if (k->options.before_wait)
			k->options.before_wait(k->options.ctx);
		k->in_poll = true;
		rc = client_wait(k->client, poll_is_over, k,
				 timeout_ms < 0 ? -1 : MAX(until - client_now(k->client), 0));
		k->in_poll = false;
		member_poll(k);
		if (rc == E_TIMEOUT && !k->err.code) {
			poll_metadata_error(k);
			rc = 0;
			if (!k->err.code)
				break;
		}
		if (rc == E_INTERRUPTED) {
			err_set(err, rc, "%s", err_text(rc));
			break;
		}
		if (k->is_woken) {
			k->is_woken = false;
			rc = 0;
			break;
		}
	}
	return rc;
}

void consumer_wake(struct consumer *k)
{
	k->is_woken = true;
}

/* ---- Looking and steering -------------------------------------------------------------------- */

size_t consumer_assignment(const struct consumer *k, struct position *out, size_t max)
{
	struct kpart *part;
	size_t count = 0;

	LIST_FOREACH(&k->part_list, part, struct kpart, link)
	{
		if (count < max)
			out[count] = (struct position){
				.topic = part->topic,
				.partition = part->index,
				.offset = part->state == PART_READY ? part->position : OFFSET_NONE,
				.leader_epoch = part->position_epoch,
			};
		count++;
	}
	return count;
}

int64_t consumer_position(const struct consumer *k, struct str topic, int32_t partition)
{
	struct kpart *part = consumer_part(k, topic, partition);

	return part && part->state == PART_READY ? part->position : OFFSET_NONE;
}

int consumer_seek(struct consumer *k, struct str topic, int32_t partition, int64_t offset)
{
	struct kpart *part = consumer_part(k, topic, partition);

	if (!part)
		return E_NOT_FOUND;
	consumer_part_seek(k, part, offset);
	return 0;
}

int consumer_pause(struct consumer *k, struct str topic, int32_t partition, bool is_paused)
{
	struct kpart *part = consumer_part(k, topic, partition);

	if (!part)
		return E_NOT_FOUND;
	part->is_paused = is_paused;
	consumer_pump(k);
	return 0;
}

int64_t consumer_lag(const struct consumer *k, struct str topic, int32_t partition)
{
	struct kpart *part = consumer_part(k, topic, partition);
	int64_t end;

	if (!part || part->state != PART_READY)
		return -1;
	end = k->is_committed_only ? part->last_stable_offset : part->high_watermark;
	return end < 0 ? -1 : MAX(end - part->position, (int64_t)0);
}

const struct consumer_stats *consumer_stats(struct consumer *k)
{
	return &k->stats;
}

const char *consumer_member_id(const struct consumer *k)
{
	return k->member.id;
}

int32_t consumer_generation(const struct consumer *k)
{
	return k->member.generation;
}
