/* What coordinators tell of their groups. ListGroups of a broker names those that it coordinates,
 * so that nobody has to be asked for the coordinator, and all of them fit in one request each. */
#include "cmd/top/sampler_int.h"

#include "base/clock.h"
#include "base/mem.h"
#include "client/admin.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool type_is(struct str type, const char *text)
{
	return type.len == strlen(text) && strncasecmp(type.data, text, type.len) == 0;
}

/* The group of that name among those of the request: mostly the `guess`-th. NULL: none. */
static struct top_group *ask_group(struct sampler *s, const struct ask *ask, struct str id,
				   size_t guess)
{
	for (size_t i = 0; i < ask->group_count; i++) {
		size_t at = ask->groups[(guess + i) % ask->group_count];

		if (str_eq(s->groups[at].id, id))
			return &s->groups[at];
	}
	return NULL;
}

static struct sampler_point *point_add(struct sampler *s, const struct top_group *g,
				       struct str topic, int32_t partition)
{
	struct sampler_point *p;

	s->points = grow_array(s->points, s->point_count, &s->point_cap, sizeof(*s->points));
	p = &s->points[s->point_count++];
	*p = (struct sampler_point){.group = (size_t)(g - s->groups),
				    .at = {.topic = str_dup(&s->into->arena, topic),
					   .partition = partition,
					   .committed = NOT_KNOWN,
					   .member = -1}};
	return p;
}

/* ---- Members ------------------------------------------------------------------------------ */

static void group_begin_members(struct sampler *s, struct top_group *g, struct str state,
				int32_t count)
{
	g->state = str_dup(&s->into->arena, state);
	g->members = arena_array(&s->into->arena, (size_t)count + 1, sizeof(*g->members));
	g->member_count = 0;
}

static struct top_member *group_add_member(struct sampler *s, struct top_group *g, struct str id,
					   struct str client_id, struct str host)
{
	struct arena *a = &s->into->arena;
	struct top_member *m = &g->members[g->member_count++];

	/* Java writes addresses as "/127.0.0.1". */
	if (host.len > 0 && host.data[0] == '/')
		host = (struct str){host.data + 1, host.len - 1};
	*m = (struct top_member){
		.id = str_dup(a, id), .client_id = str_dup(a, client_id), .host = str_dup(a, host)};
	return m;
}

static void member_reads(struct sampler *s, struct top_group *g, struct top_member *m,
			 struct str topic, int32_t partition)
{
	point_add(s, g, topic, partition)->at.member = (int32_t)(m - g->members);
	m->partition_count++;
}

static void classic_answer(struct sampler *s, struct ask *ask)
{
	const struct describe_groups_response *r = ask->call.response;

	for (int32_t i = 0; ask->call.rc == 0 && i < r->groups_count; i++) {
		const struct describe_groups_response_described_group *from = &r->groups[i];
		struct top_group *g = ask_group(s, ask, from->group_id, (size_t)i);

		if (!g || from->error_code)
			continue;
		group_begin_members(s, g, from->group_state, from->members_count);
		for (int32_t n = 0; n < from->members_count; n++) {
			const struct describe_groups_response_described_group_member *of =
				&from->members[n];
			struct top_member *m = group_add_member(s, g, of->member_id, of->client_id,
								of->client_host);
			struct position *positions;
			size_t count = 0;

			if (of->member_assignment.len == 0 ||
			    admin_assignment_parse(of->member_assignment, &s->arena, &positions,
						   &count) < 0)
				continue;
			for (size_t p = 0; p < count; p++)
				member_reads(s, g, m, positions[p].topic, positions[p].partition);
		}
	}
}

static void modern_answer(struct sampler *s, struct ask *ask)
{
	const struct consumer_group_describe_response *r = ask->call.response;

	for (int32_t i = 0; ask->call.rc == 0 && i < r->groups_count; i++) {
		const struct consumer_group_describe_response_described_group *from = &r->groups[i];
		struct top_group *g = ask_group(s, ask, from->group_id, (size_t)i);

		if (!g || from->error_code)
			continue;
		group_begin_members(s, g, from->group_state, from->members_count);
		for (int32_t n = 0; n < from->members_count; n++) {
			const struct consumer_group_describe_response_member *of =
				&from->members[n];
			struct top_member *m = group_add_member(s, g, of->member_id, of->client_id,
								of->client_host);

			for (int32_t t = 0; t < of->assignment.topic_partitions_count; t++) {
				const struct consumer_group_describe_response_topic_partitions *to =
					&of->assignment.topic_partitions[t];

				for (int32_t p = 0; p < to->partitions_count; p++)
					member_reads(s, g, m, to->topic_name, to->partitions[p]);
			}
		}
	}
}

/* ---- Offsets ------------------------------------------------------------------------------ */

static void offset_take(struct sampler *s, const struct top_group *g, struct str topic,
			int32_t partition, int64_t offset, int16_t error)
{
	if (!error && offset >= 0)
		point_add(s, g, topic, partition)->at.committed = offset;
}

static void offsets_of_one(struct sampler *s, struct top_group *g,
			   const struct offset_fetch_response *r)
{
	if (r->error_code)
		return;
	g->at_us = clock_mono_us();
	for (int32_t t = 0; t < r->topics_count; t++)
		for (int32_t i = 0; i < r->topics[t].partitions_count; i++) {
			const struct offset_fetch_response_partition *p =
				&r->topics[t].partitions[i];

			offset_take(s, g, r->topics[t].name, p->partition_index,
				    p->committed_offset, p->error_code);
		}
}

static void offsets_answer(struct sampler *s, struct ask *ask)
{
	const struct offset_fetch_response *r = ask->call.response;

	if (ask->call.rc < 0)
		return;
	if (ask->call.version < 8) {
		offsets_of_one(s, &s->groups[ask->groups[0]], r);
		return;
	}
	for (int32_t i = 0; i < r->groups_count; i++) {
		const struct offset_fetch_response_group *from = &r->groups[i];
		struct top_group *g = ask_group(s, ask, from->group_id, (size_t)i);

		if (!g || from->error_code)
			continue;
		g->at_us = clock_mono_us();
		for (int32_t t = 0; t < from->topics_count; t++)
			for (int32_t n = 0; n < from->topics[t].partitions_count; n++) {
				const struct offset_fetch_response_partitions *p =
					&from->topics[t].partitions[n];

				offset_take(s, g, from->topics[t].name, p->partition_index,
					    p->committed_offset, p->error_code);
			}
	}
}

static void offsets_prepare(struct call *call, int16_t version)
{
	const struct ask *ask = call->owner;
	struct sampler *s = ask->sampler;
	struct offset_fetch_request *request = WIRE_NEW(&s->arena, offset_fetch_request);

	if (version >= 8) {
		request->groups =
			WIRE_ARRAY(&s->arena, offset_fetch_request_group, ask->group_count);
		request->groups_count = (int32_t)ask->group_count;
		for (size_t i = 0; i < ask->group_count; i++) {
			request->groups[i].group_id = s->groups[ask->groups[i]].id;
			request->groups[i].topics_count = -1;
		}
	} else {
		request->group_id = s->groups[ask->groups[0]].id;
		request->topics_count = -1;
	}
	call->request = request;
}

static void ask_offsets(struct sampler *s, int32_t node_id, const size_t *groups, size_t count)
{
	struct ask *ask = sampler_ask(s, node_id, API_OFFSET_FETCH, NULL, offsets_answer);

	ask->groups = groups;
	ask->group_count = count;
	ask->call.prepare = offsets_prepare;
	ask->call.version_min = 2; /* all partitions */
	ask->call.version_max = 9; /* topics by name */
	sampler_send(s, ask);
}

/* ---- The groups of a broker --------------------------------------------------------------- */

/* Those of s->groups from `first` on that `wants` takes. */
static size_t groups_pick(struct sampler *s, size_t first, bool (*wants)(const struct top_group *g),
			  size_t **out)
{
	size_t count = 0;

	*out = arena_array(&s->arena, s->group_count - first + 1, sizeof(**out));
	for (size_t i = first; i < s->group_count; i++)
		if (wants(&s->groups[i]))
			(*out)[count++] = i;
	return count;
}

static bool group_is_modern(const struct top_group *g)
{
	return type_is(g->type, "consumer");
}

/* Brokers that do not tell types have no other one. */
static bool group_is_classic(const struct top_group *g)
{
	return g->type.len == 0 || type_is(g->type, "classic");
}

static bool group_has_offsets(const struct top_group *g)
{
	return !type_is(g->type, "share");
}

static void groups_ask_members(struct sampler *s, int32_t node_id, size_t first, bool is_modern)
{
	size_t *picked;
	size_t count =
		groups_pick(s, first, is_modern ? group_is_modern : group_is_classic, &picked);
	struct str *names = arena_array(&s->arena, count + 1, sizeof(*names));
	struct ask *ask;

	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++)
		names[i] = s->groups[picked[i]].id;
	if (is_modern) {
		struct consumer_group_describe_request *request =
			WIRE_NEW(&s->arena, consumer_group_describe_request);

		request->group_ids = names;
		request->group_ids_count = (int32_t)count;
		ask = sampler_ask(s, node_id, API_CONSUMER_GROUP_DESCRIBE, request, modern_answer);
	} else {
		struct describe_groups_request *request =
			WIRE_NEW(&s->arena, describe_groups_request);

		request->groups = names;
		request->groups_count = (int32_t)count;
		ask = sampler_ask(s, node_id, API_DESCRIBE_GROUPS, request, classic_answer);
	}
	ask->groups = picked;
	ask->group_count = count;
	sampler_send(s, ask);
}

static void groups_ask_offsets(struct sampler *s, int32_t node_id, size_t first)
{
	bool takes_many = client_api_version(s->client, node_id, API_OFFSET_FETCH) >= 8;
	size_t *picked;
	size_t count = groups_pick(s, first, group_has_offsets, &picked);

	if (count > 0 && takes_many)
		ask_offsets(s, node_id, picked, count);
	for (size_t i = 0; i < count && !takes_many; i++)
		ask_offsets(s, node_id, &picked[i], 1);
}

/* While a coordinator moves, two brokers may name the same group. */
static bool groups_have(const struct sampler *s, size_t count, struct str id)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(s->groups[i].id, id))
			return true;
	return false;
}

static bool group_is_listed(const struct list_groups_response_listed_group *g)
{
	/* Those of Connect and others have no partitions. */
	return g->protocol_type.len == 0 || str_is(g->protocol_type, "consumer") ||
	       str_is(g->protocol_type, "share") || str_is(g->protocol_type, "streams");
}

static void groups_answer(struct sampler *s, struct ask *ask)
{
	const struct list_groups_response *r = ask->call.response;
	struct arena *a = &s->into->arena;
	size_t first = s->group_count;

	if (ask->call.rc < 0 || r->error_code)
		s->into->has_all_groups = false;
	if (ask->call.rc < 0)
		return;
	for (int32_t i = 0; i < r->groups_count; i++) {
		const struct list_groups_response_listed_group *from = &r->groups[i];

		if (!group_is_listed(from) || groups_have(s, first, from->group_id))
			continue;
		s->groups =
			grow_array(s->groups, s->group_count, &s->group_cap, sizeof(*s->groups));
		s->groups[s->group_count++] =
			(struct top_group){.id = str_dup(a, from->group_id),
					   .type = str_dup(a, from->group_type),
					   .state = str_dup(a, from->group_state),
					   .coordinator = ask->node_id,
					   .member_count = -1};
	}
	if (s->group_count == first)
		return;
	groups_ask_members(s, ask->node_id, first, false);
	groups_ask_members(s, ask->node_id, first, true);
	groups_ask_offsets(s, ask->node_id, first);
}

void sampler_ask_groups(struct sampler *s, int32_t node_id)
{
	struct list_groups_request *request = WIRE_NEW(&s->arena, list_groups_request);

	sampler_send(s, sampler_ask(s, node_id, API_LIST_GROUPS, request, groups_answer));
}

/* ---- The end ------------------------------------------------------------------------------ */

static int point_cmp(const void *a, const void *b)
{
	const struct sampler_point *x = a, *y = b;
	int order;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	order = str_cmp(x->at.topic, y->at.topic);
	return order ? order
		     : (x->at.partition > y->at.partition) - (x->at.partition < y->at.partition);
}

void sampler_take_groups(struct sampler *s)
{
	struct arena *a = &s->into->arena;
	struct top_group_partition *all = arena_array(a, s->point_count + 1, sizeof(*all));
	size_t count = 0;

	if (s->point_count > 1)
		qsort(s->points, s->point_count, sizeof(*s->points), point_cmp);
	for (size_t i = 0; i < s->point_count; i++) {
		const struct sampler_point *p = &s->points[i];
		struct top_group *g = &s->groups[p->group];

		if (i > 0 && point_cmp(p, p - 1) == 0) {
			/* The same partition: one said the offset, the other who reads it. */
			all[count - 1].committed = MAX(all[count - 1].committed, p->at.committed);
			all[count - 1].member = MAX(all[count - 1].member, p->at.member);
			continue;
		}
		if (g->partition_count++ == 0)
			g->partitions = &all[count];
		all[count++] = p->at;
	}
	s->into->groups = arena_array(a, s->group_count + 1, sizeof(*s->into->groups));
	if (s->group_count > 0)
		memcpy(s->into->groups, s->groups, s->group_count * sizeof(*s->groups));
	s->into->group_count = (int32_t)s->group_count;
}
