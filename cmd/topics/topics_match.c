/* Which topics --topic means, and waiting for them. */
#include "cmd/filter.h"
#include "cmd/kafka_error.h"
#include "cmd/topics/topics_int.h"

#include "base/clock.h"
#include "base/near.h"
#include "client/admin.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int name_cmp(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Nothing fits. Under our own name the nearest topic is named. */
static int match_none(struct topics *t, const char *wanted, bool is_error, struct err *err)
{
	struct metadata_response *all;
	struct err ignored = {0};
	struct near near;

	if (!is_error || !wanted)
		return 0;
	if (t->run->is_apache)
		return err_set(err, E_NOT_FOUND, "Topic '%s' does not exist as expected", wanted);
	near_init(&near, wanted);
	if (admin_metadata(t->client, NULL, 0, t->arena, &all, &ignored) == 0) {
		for (int32_t i = 0; i < all->topics_count; i++)
			near_offer(&near, str_dup(t->arena, all->topics[i].name).data);
	}
	if (near.best)
		return err_set(err, E_NOT_FOUND, "there is no topic '%s'; did you mean %s?", wanted,
			       near.best);
	return err_set(err, E_NOT_FOUND,
		       "there is no topic '%s' (kavka topics --list tells which there are)",
		       wanted);
}

/* Has the cluster a topic of exactly this name? 1, 0 or an error. */
static int match_exists(struct topics *t, struct str name, struct err *err)
{
	struct metadata_response *response;
	int rc = admin_metadata(t->client, &name, 1, t->arena, &response, err);

	if (rc < 0)
		return rc;
	for (int32_t i = 0; i < response->topics_count; i++) {
		const struct metadata_response_topic *topic = &response->topics[i];

		if (!str_eq(topic->name, name))
			continue;
		if (topic->error_code == KERR_UNKNOWN_TOPIC_OR_PARTITION ||
		    topic->error_code == KERR_INVALID_TOPIC_EXCEPTION)
			return 0;
		if (topic->error_code == KERR_TOPIC_AUTHORIZATION_FAILED)
			return kafka_error_set(err, topic->error_code, STR_NULL);
		return 1;
	}
	return 0;
}

/* Adds what one --topic means among all topics; NULL: everything. */
static int match_one(struct topics *t, const char *wanted, bool is_error,
		     const struct metadata_response *all, struct topic_names *out, bool *by_pattern,
		     struct err *err)
{
	struct filter *filter = wanted ? filter_new(wanted, err) : NULL;
	size_t before = out->count;
	bool is_exact = false;

	if (wanted && !filter)
		return E_INVALID;
	/* "a.b" is a pattern, but under our own name a topic called so comes first: deleting it
	 * does not delete "axb". */
	for (int32_t i = 0; !t->run->is_apache && wanted && i < all->topics_count; i++)
		is_exact |= str_is(all->topics[i].name, wanted);
	for (int32_t i = 0; i < all->topics_count; i++) {
		const struct metadata_response_topic *topic = &all->topics[i];
		bool is_internal = topic->is_internal || filter_is_internal(topic->name);

		if (t->args->exclude_internal && is_internal)
			continue;
		if (is_exact ? !str_is(topic->name, wanted)
			     : filter && !filter_matches(filter, topic->name))
			continue;
		/* Nobody means these by a pattern. */
		if (!t->run->is_apache && t->args->delete &&is_internal && !is_exact)
			continue;
		out->items[out->count++] = topic->name;
	}
	*by_pattern |= !is_exact && wanted && !filter_literal(filter);
	filter_free(filter);
	return out->count == before ? match_none(t, wanted, is_error, err) : 0;
}

/* One name, which needs no list of all topics. 1: done; 0: it is a pattern. */
static int match_literal(struct topics *t, bool is_error, struct topic_names *out, struct err *err)
{
	const char *wanted = t->args->topics.items[0];
	struct filter *filter = filter_new(wanted, err);
	const char *literal = filter ? filter_literal(filter) : NULL;
	struct str name;
	int rc;

	if (!filter)
		return E_INVALID;
	if (!literal) {
		filter_free(filter);
		return 0;
	}
	name = str_dup(t->arena, str_of(literal));
	filter_free(filter);
	rc = match_exists(t, name, err);
	if (rc < 0)
		return rc;
	if (rc == 0 || (t->args->exclude_internal && filter_is_internal(name)))
		return match_none(t, wanted, is_error, err) < 0 ? err->code : 1;
	out->items = arena_array(t->arena, 1, sizeof(*out->items));
	out->items[out->count++] = name;
	return 1;
}

static int match_all(struct topics *t, bool is_error, struct topic_names *out, bool *by_pattern,
		     struct err *err)
{
	const struct opt_list *wanted = &t->args->topics;
	struct metadata_response *all;
	size_t kept = 0;
	int rc;

	*out = (struct topic_names){0};
	if (wanted->count == 1) {
		rc = match_literal(t, is_error, out, err);
		if (rc != 0)
			return MIN(rc, 0);
	}
	rc = admin_metadata(t->client, NULL, 0, t->arena, &all, err);
	if (rc < 0)
		return rc;
	out->items = arena_array(t->arena, (size_t)all->topics_count * MAX(wanted->count, 1u) + 1,
				 sizeof(*out->items));
	if (wanted->count == 0)
		rc = match_one(t, NULL, is_error, all, out, by_pattern, err);
	for (unsigned i = 0; rc == 0 && i < wanted->count; i++)
		rc = match_one(t, wanted->items[i], is_error, all, out, by_pattern, err);
	qsort(out->items, out->count, sizeof(*out->items), name_cmp);
	for (size_t i = 0; i < out->count; i++) {
		if (kept == 0 || !str_eq(out->items[kept - 1], out->items[i]))
			out->items[kept++] = out->items[i];
	}
	out->count = kept;
	return rc;
}

int topics_match(struct topics *t, struct topic_names *out, bool *by_pattern, struct err *err)
{
	bool unused = false;

	return match_all(t, !t->args->if_exists, out, by_pattern ? by_pattern : &unused, err);
}

int topics_match_any(struct topics *t, struct topic_names *out, struct err *err)
{
	bool unused = false;

	return match_all(t, false, out, &unused, err);
}

/* ---- Waiting ------------------------------------------------------------------------------ */

#define WAIT_STEP_MS 50

static bool wait_never(void *ctx)
{
	(void)ctx;
	return false;
}

/* Is it as it is waited for? */
static bool wait_is_over(const struct metadata_response_topic *topic, bool gone)
{
	if (gone)
		return topic->error_code == KERR_UNKNOWN_TOPIC_OR_PARTITION;
	if (topic->error_code != KERR_NONE || topic->partitions_count == 0)
		return false;
	for (int32_t p = 0; p < topic->partitions_count; p++) {
		if (topic->partitions[p].leader_id < 0)
			return false;
	}
	return true;
}

int topics_settle(struct topics *t, const struct topic_names *names, struct err *err)
{
	struct err ignored = {0};

	if (names->count == 0 || t->args->dry_run)
		return 0;
	if (t->args->wait)
		return topics_wait(t, names, false, TOPICS_WAIT_MS, err);
	/* Brokers hear of new topics a moment after the controller has answered. */
	(void)(topics_wait(t, names, false, TOPICS_SETTLE_MS, &ignored) < 0);
	return 0;
}

int topics_wait(struct topics *t, const struct topic_names *names, bool gone, int64_t limit_ms,
		struct err *err)
{
	int64_t until = clock_mono_ms() + limit_ms;

	for (;;) {
		struct metadata_response *response;
		int32_t open = 0;
		int rc = admin_metadata(t->client, names->items, names->count, t->arena, &response,
					err);

		if (rc < 0)
			return rc;
		for (int32_t i = 0; i < response->topics_count; i++)
			open += !wait_is_over(&response->topics[i], gone);
		if (open == 0)
			return 0;
		if (clock_mono_ms() >= until)
			return err_set(err, E_TIMEOUT,
				       gone ? "%d topics are still there after %d s"
					    : "%d topics lack leaders after %d s",
				       open, (int)(limit_ms / 1000));
		rc = client_wait(t->client, wait_never, NULL, WAIT_STEP_MS);
		if (rc < 0 && rc != E_TIMEOUT)
			return err_set(err, rc, "%s", err_text(rc));
	}
}
