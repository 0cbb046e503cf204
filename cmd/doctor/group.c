/* A consumer group: who coordinates it, what state it is in, how far behind it is. */
#include "cmd/doctor/doctor_int.h"

#include <inttypes.h>
#include <string.h>

static const char *group_remedy(int code)
{
	switch (code) {
	case KERR_COORDINATOR_NOT_AVAILABLE:
		return "the topic __consumer_offsets has no leader for it or cannot be made: see "
		       "the findings above";
	case KERR_GROUP_AUTHORIZATION_FAILED:
		return "give this user the rights to Describe and Read the group (kafka-acls)";
	case KERR_COORDINATOR_LOAD_IN_PROGRESS: return "the coordinator is starting: wait";
	default: return "see the broker's log";
	}
}

struct group_state {
	const char *state; /* "Stable" */
	int32_t members;
};

/* Of the classic protocol. 0, or < 0 with err. */
static int classic_state(struct doctor *d, const char *id, struct group_state *out, struct err *err)
{
	struct arena *a = &d->run->arena;
	struct describe_groups_request *request = WIRE_NEW(a, describe_groups_request);
	struct describe_groups_response *response;
	struct str *names = arena_alloc(a, sizeof(*names));
	int rc;

	*names = str_of(id);
	request->groups = names;
	request->groups_count = 1;
	rc = client_call(d->client, TO_GROUP(*names), API_DESCRIBE_GROUPS, request, a,
			 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	if (response->groups_count < 1)
		return err_set(err, E_MALFORMED, "an answer without the group");
	if (response->groups[0].error_code &&
	    response->groups[0].error_code != KERR_GROUP_ID_NOT_FOUND)
		return admin_error(err, response->groups[0].error_code,
				   response->groups[0].error_message, "group %s", id);
	out->state = arena_strndup(a, response->groups[0].group_state.data,
				   response->groups[0].group_state.len);
	out->members = response->groups[0].members_count;
	return 0;
}

/* Of the newer protocol: false if it is no such group. */
static bool consumer_state(struct doctor *d, const char *id, struct group_state *out)
{
	struct arena *a = &d->run->arena;
	struct consumer_group_describe_request *request =
		WIRE_NEW(a, consumer_group_describe_request);
	struct consumer_group_describe_response *response;
	struct str *names = arena_alloc(a, sizeof(*names));
	struct err err = {0};

	*names = str_of(id);
	request->group_ids = names;
	request->group_ids_count = 1;
	if (client_call(d->client, TO_GROUP(*names), API_CONSUMER_GROUP_DESCRIBE, request, a,
			(void **)&response, NULL, &err) < 0 ||
	    response->groups_count < 1 || response->groups[0].error_code)
		return false;
	out->state = arena_strndup(a, response->groups[0].group_state.data,
				   response->groups[0].group_state.len);
	out->members = response->groups[0].members_count;
	return true;
}

static void tell_state(struct doctor *d, const char *id, const struct group_state *g)
{
	if (strcmp(g->state, "Dead") == 0)
		finding(d, LEVEL_WARN, "group", id,
			"check group.id; groups without members lose their offsets after "
			"offsets.retention.minutes",
			"there is no such group");
	else if (strcmp(g->state, "Empty") == 0)
		finding(d, LEVEL_WARN, "group", id,
			"start its consumers; if they run, they use "
			"another group.id or another cluster",
			"it has no members");
	else if (strcmp(g->state, "Stable") == 0)
		finding(d, LEVEL_OK, "group", id, NULL, "stable, %d member%s", g->members,
			g->members == 1 ? "" : "s");
	else
		finding(d, LEVEL_WARN, "group", id,
			"ask again: if it stays so, members take longer than max.poll.interval.ms "
			"between polls, or come and go",
			"it is rebalancing (%s, %d member%s)", g->state, g->members,
			g->members == 1 ? "" : "s");
}

/* Committed offsets against what the partitions have. */
static void check_lag(struct doctor *d, const char *id, bool has_members)
{
	struct position *committed, *ends, *starts;
	int64_t lag = 0, worst = 0;
	size_t count, lost = 0, counted = 0;
	const char *where = "";
	struct err err = {0};

	if (admin_group_offsets(d->client, str_of(id), NULL, 0, &d->run->arena, &committed, &count,
				&err) < 0) {
		finding(d, LEVEL_WARN, "group", id, NULL, "its offsets cannot be read: %s",
			err_message(&err));
		return;
	}
	if (count == 0) {
		finding(d, LEVEL_INFO, "group", id, NULL, "it has committed nothing");
		return;
	}
	ends = arena_memdup(&d->run->arena, committed, count * sizeof(*ends));
	starts = arena_memdup(&d->run->arena, committed, count * sizeof(*starts));
	for (size_t i = 0; i < count; i++) {
		ends[i].offset = OFFSET_END;
		starts[i].offset = OFFSET_BEGINNING;
	}
	if (admin_offsets(d->client, ends, count, false, NULL, &err) < 0 ||
	    admin_offsets(d->client, starts, count, false, NULL, &err) < 0) {
		finding(d, LEVEL_WARN, "group", id, NULL, "its lag is not known: %s",
			err_message(&err));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		int64_t behind = ends[i].offset - committed[i].offset;

		if (ends[i].error || starts[i].error || committed[i].offset < 0)
			continue;
		counted++;
		lost += committed[i].offset < starts[i].offset ||
			committed[i].offset > ends[i].offset;
		lag += MAX(behind, (int64_t)0);
		if (behind > worst) {
			worst = behind;
			where = arena_printf(&d->run->arena, ", most of it in %.*s-%d",
					     STR(committed[i].topic), committed[i].partition);
		}
	}
	if (lost)
		finding(d, LEVEL_WARN, "group", id,
			"these consumers go by auto.offset.reset: records were deleted before they "
			"were read, or the topic was made anew",
			"%zu committed offset%s outside of what the partitions have", lost,
			lost == 1 ? " is" : "s are");
	finding(d, lag > 0 && !has_members ? LEVEL_WARN : LEVEL_OK, "group", id, NULL,
		"%" PRId64 " records behind in %zu partition%s%s", lag, counted,
		counted == 1 ? "" : "s", where);
}

void doctor_group(struct doctor *d, const char *id)
{
	struct group_state g = {.state = ""};
	struct err err = {0};
	int rc = 0;

	finding_section(d, "group %s", id);
	if (!consumer_state(d, id, &g))
		rc = classic_state(d, id, &g, &err);
	if (rc < 0) {
		finding(d, LEVEL_FAIL, "group", id, group_remedy(err.kafka_error), "%s",
			err_message(&err));
		return;
	}
	tell_state(d, id, &g);
	if (strcmp(g.state, "Dead") != 0)
		check_lag(d, id, g.members > 0);
}
