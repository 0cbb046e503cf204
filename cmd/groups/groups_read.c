/* What the cluster says of groups, as plain data. */
#include "cmd/groups/groups_int.h"
#include "cmd/kafka_error.h"

#include "base/mem.h"
#include "client/admin.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int str_case_is(struct str s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.data, text, s.len) == 0;
}

/* ---- list --------------------------------------------------------------------------------- */

static bool list_wants(const struct list_groups_response_listed_group *from, const char *types)
{
	bool is_kind = from->group_type.len == 0 || str_case_is(from->group_type, "classic") ||
		       str_case_is(from->group_type, "consumer");

	if (types && !groups_word_is_in(types, from->group_type))
		return false;
	if (!is_kind)
		return types != NULL;
	return from->protocol_type.len == 0 || str_is(from->protocol_type, "consumer");
}

/* "consumer" as brokers say it -> "Consumer" as it is printed. */
static struct str type_name(struct str type)
{
	static const char *const names[] = {"Classic", "Consumer", "Share", "Streams"};

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (str_case_is(type, names[i]))
			return str_of(names[i]);
	}
	return STR_LIT("Unknown");
}

static int list_take(struct groups *g, const struct call *calls, size_t call_count,
		     const char *types, struct group_view **out, size_t *count, struct err *err)
{
	struct group_view *views;
	size_t max = 0;
	int rc = 0;

	for (size_t i = 0; i < call_count; i++) {
		const struct list_groups_response *response = calls[i].response;

		if (calls[i].rc < 0) {
			if (rc == 0)
				*err = calls[i].err;
			rc = calls[i].rc;
		} else if (response->error_code != KERR_NONE) {
			rc = kafka_error_set(err, response->error_code, STR_NULL);
		} else {
			max += (size_t)response->groups_count;
		}
	}
	views = *out = arena_array(g->arena, max + 1, sizeof(*views));
	for (size_t i = 0; i < call_count; i++) {
		const struct list_groups_response *response = calls[i].response;

		for (int32_t n = 0; rc == 0 && n < response->groups_count; n++) {
			const struct list_groups_response_listed_group *from = &response->groups[n];

			if (!list_wants(from, types))
				continue;
			views[(*count)++] = (struct group_view){
				.id = str_dup(g->arena, from->group_id),
				.type = type_name(from->group_type),
				.protocol = str_dup(g->arena, from->protocol_type),
				.state = from->group_state.len
						 ? str_dup(g->arena, from->group_state)
						 : STR_LIT("Unknown")};
		}
	}
	return rc;
}

int groups_list(struct groups *g, const char *types, struct group_view **out, size_t *count,
		struct err *err)
{
	struct list_groups_request *request = WIRE_NEW(g->arena, list_groups_request);
	struct call *calls;
	size_t call_count;
	int rc;

	*count = 0;
	rc = admin_every_broker(g->client, API_LIST_GROUPS, request, g->arena, &calls, &call_count,
				err);
	if (rc < 0)
		return rc;
	rc = list_take(g, calls, call_count, types, out, count, err);
	for (size_t i = 0; i < call_count; i++)
		call_fini(&calls[i]);
	return rc;
}

static int name_cmp(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

int groups_names(struct groups *g, struct str **out, size_t *count, struct err *err)
{
	const struct opt_list *given = &g->args->groups;
	struct group_view *views;
	size_t view_count, kept = 0;
	struct str *names;
	int rc;

	if (g->args->all_groups) {
		rc = groups_list(g, NULL, &views, &view_count, err);
		if (rc < 0)
			return rc;
		names = arena_array(g->arena, view_count + 1, sizeof(*names));
		for (size_t i = 0; i < view_count; i++)
			names[i] = views[i].id;
	} else {
		view_count = given->count;
		names = arena_array(g->arena, view_count + 1, sizeof(*names));
		for (size_t i = 0; i < view_count; i++)
			names[i] = str_of(given->items[i]);
	}
	qsort(names, view_count, sizeof(*names), name_cmp);
	for (size_t i = 0; i < view_count; i++) {
		if (kept == 0 || !str_eq(names[kept - 1], names[i]))
			names[kept++] = names[i];
	}
	*out = names;
	*count = kept;
	return 0;
}

/* ---- One group ---------------------------------------------------------------------------- */

static int assignment_cmp(const void *a, const void *b)
{
	const struct group_assignment *x = a, *y = b;
	int order = str_cmp(x->topic, y->topic);

	return order ? order : x->partition < y->partition ? -1 : x->partition > y->partition;
}

int position_cmp(const void *a, const void *b)
{
	const struct position *x = a, *y = b;
	int order = str_cmp(x->topic, y->topic);

	return order ? order : x->partition < y->partition ? -1 : x->partition > y->partition;
}

static void read_coordinator(struct groups *g, struct group_view *view)
{
	int32_t id = client_coordinator(g->client, TARGET_GROUP, view->id);
	const struct client_broker *b = id >= 0 ? client_broker(g->client, id) : NULL;

	/* FindCoordinator told who it is; where it is, as clients are told, is in Metadata. */
	if (id >= 0 && !b && client_refresh_wait(g->client, NULL) == 0)
		b = client_broker(g->client, id);

	view->coordinator_id = id;
	view->coordinator_host = b ? str_of(b->host) : STR_LIT("unknown");
	view->coordinator_port = b ? b->port : -1;
}

static void read_new_assignment(struct groups *g,
				const struct consumer_group_describe_response_assignment *from,
				const struct group_assignment **out, unsigned *out_count)
{
	struct group_assignment *items;
	size_t count = 0;

	for (int32_t i = 0; i < from->topic_partitions_count; i++)
		count += (size_t)from->topic_partitions[i].partitions_count;
	items = arena_array(g->arena, count + 1, sizeof(*items));
	count = 0;
	for (int32_t i = 0; i < from->topic_partitions_count; i++) {
		const struct consumer_group_describe_response_topic_partitions *t =
			&from->topic_partitions[i];

		for (int32_t p = 0; p < t->partitions_count; p++)
			items[count++] = (struct group_assignment){t->topic_name, t->partitions[p]};
	}
	qsort(items, count, sizeof(*items), assignment_cmp);
	*out = items;
	*out_count = (unsigned)count;
}

/* KIP-848 groups. 1: read; 0: not such a group, or the broker does not know them. */
static int read_new(struct groups *g, struct group_view *view, struct err *err)
{
	struct consumer_group_describe_request *request =
		WIRE_NEW(g->arena, consumer_group_describe_request);
	const struct consumer_group_describe_response_described_group *from;
	struct consumer_group_describe_response *response;
	struct group_member *members;
	int rc;

	request->group_ids = &view->id;
	request->group_ids_count = 1;
	rc = client_call(g->client, TO_GROUP(view->id), API_CONSUMER_GROUP_DESCRIBE, request,
			 g->arena, (void **)&response, NULL, err);
	if (rc == E_UNSUPPORTED)
		return 0;
	if (rc < 0)
		return rc;
	if (response->groups_count != 1)
		return 0;
	from = &response->groups[0];
	if (from->error_code == KERR_GROUP_ID_NOT_FOUND ||
	    from->error_code == KERR_UNSUPPORTED_VERSION)
		return 0;
	if (from->error_code != KERR_NONE)
		return kafka_error_set(err, from->error_code, from->error_message);
	view->type = STR_LIT("Consumer");
	view->state = from->group_state;
	view->strategy = from->assignor_name;
	view->epoch = from->group_epoch;
	view->assignment_epoch = from->assignment_epoch;
	members = arena_array(g->arena, (size_t)from->members_count + 1, sizeof(*members));
	for (int32_t i = 0; i < from->members_count; i++) {
		const struct consumer_group_describe_response_member *m = &from->members[i];

		members[i] = (struct group_member){.id = m->member_id,
						   .instance_id = m->instance_id,
						   .client_id = m->client_id,
						   .host = m->client_host,
						   .current_epoch = m->member_epoch,
						   .target_epoch = from->assignment_epoch,
						   .is_classic = m->member_type == 0};
		read_new_assignment(g, &m->assignment, &members[i].assignment,
				    &members[i].assignment_count);
		read_new_assignment(g, &m->target_assignment, &members[i].target,
				    &members[i].target_count);
	}
	view->members = members;
	view->member_count = (unsigned)from->members_count;
	return 1;
}

static int read_classic_member(struct groups *g,
			       const struct describe_groups_response_described_group_member *from,
			       struct group_member *to)
{
	struct group_assignment *items;
	struct position *positions;
	size_t count = 0;
	int rc = 0;

	*to = (struct group_member){.id = from->member_id,
				    .instance_id = from->group_instance_id,
				    .client_id = from->client_id,
				    .host = from->client_host,
				    .current_epoch = -1,
				    .target_epoch = -1,
				    .is_classic = true};
	if (from->member_assignment.len > 0)
		rc = admin_assignment_parse(from->member_assignment, g->arena, &positions, &count);
	if (rc < 0 || count == 0)
		return rc;
	items = arena_array(g->arena, count, sizeof(*items));
	for (size_t i = 0; i < count; i++)
		items[i] = (struct group_assignment){positions[i].topic, positions[i].partition};
	qsort(items, count, sizeof(*items), assignment_cmp);
	to->assignment = items;
	to->assignment_count = (unsigned)count;
	return 0;
}

static int read_classic(struct groups *g, struct group_view *view, struct err *err)
{
	struct describe_groups_request *request = WIRE_NEW(g->arena, describe_groups_request);
	const struct describe_groups_response_described_group *from;
	struct describe_groups_response *response;
	struct group_member *members;
	int rc;

	request->groups = &view->id;
	request->groups_count = 1;
	rc = client_call(g->client, TO_GROUP(view->id), API_DESCRIBE_GROUPS, request, g->arena,
			 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	if (response->groups_count != 1)
		return err_set(err, E_MALFORMED, "DescribeGroups answered without the group");
	from = &response->groups[0];
	if (from->error_code != KERR_NONE)
		return kafka_error_set(err, from->error_code, from->error_message);
	if (from->protocol_type.len > 0 && !str_is(from->protocol_type, "consumer"))
		return err_set(err, E_INVALID, "GroupId %.*s is not a consumer group (%.*s).",
			       STR(view->id), STR(from->protocol_type));
	view->type = STR_LIT("Classic");
	view->state = from->group_state;
	view->strategy = from->protocol_data;
	view->epoch = view->assignment_epoch = -1;
	members = arena_array(g->arena, (size_t)from->members_count + 1, sizeof(*members));
	for (int32_t i = 0; rc == 0 && i < from->members_count; i++)
		rc = read_classic_member(g, &from->members[i], &members[i]);
	view->members = members;
	view->member_count = (unsigned)from->members_count;
	return rc < 0 ? err_set(err, rc, "a member's assignment cannot be read") : 0;
}

int groups_read(struct groups *g, struct str id, struct group_view *out, struct err *err)
{
	int rc;

	*out = (struct group_view){.id = id};
	rc = read_new(g, out, err);
	if (rc == 0)
		rc = read_classic(g, out, err);
	if (rc < 0)
		return rc;
	read_coordinator(g, out);
	return 0;
}

/* ---- Offsets ------------------------------------------------------------------------------ */

/* Most partitions first; equal ones stay in order. */
static void order_members(const struct group_view *view, const struct group_member **order)
{
	for (unsigned i = 0; i < view->member_count; i++) {
		const struct group_member *m = &view->members[i];
		unsigned at = i;

		while (at > 0 && order[at - 1]->assignment_count < m->assignment_count) {
			order[at] = order[at - 1];
			at--;
		}
		order[at] = m;
	}
}

static struct position *position_find(struct position *items, size_t count, struct str topic,
				      int32_t partition)
{
	struct position wanted = {.topic = topic, .partition = partition};

	return bsearch(&wanted, items, count, sizeof(*items), position_cmp);
}

static int read_ends(struct groups *g, struct group_partition *rows, unsigned count,
		     struct err *err)
{
	struct position *ends = arena_array(g->arena, count + 1, sizeof(*ends));
	int rc;

	for (unsigned i = 0; i < count; i++)
		ends[i] = (struct position){.topic = rows[i].topic,
					    .partition = rows[i].partition,
					    .offset = OFFSET_END,
					    .leader_epoch = -1};
	rc = admin_offsets(g->client, ends, count, false, NULL, err);
	if (rc < 0)
		return rc;
	for (unsigned i = 0; i < count; i++)
		rows[i].end =
			ends[i].error == 0 && ends[i].offset >= 0 ? ends[i].offset : OFFSET_UNKNOWN;
	return 0;
}

/* --lag-only: partitions whose lag is 0 are dropped. */
static unsigned keep_lagging(struct group_partition *rows, unsigned count)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < count; i++) {
		if (group_partition_lag(&rows[i]) != 0)
			rows[kept++] = rows[i];
	}
	return kept;
}

int groups_read_offsets(struct groups *g, struct group_view *view, struct err *err)
{
	const struct group_member **order;
	struct group_partition *rows;
	struct position *committed;
	size_t committed_count, max;
	unsigned count = 0;
	int rc;

	rc = admin_group_offsets(g->client, view->id, NULL, 0, g->arena, &committed,
				 &committed_count, err);
	if (rc < 0)
		return rc;
	qsort(committed, committed_count, sizeof(*committed), position_cmp);
	max = committed_count;
	for (unsigned i = 0; i < view->member_count; i++)
		max += view->members[i].assignment_count;
	rows = arena_array(g->arena, max + 1, sizeof(*rows));
	order = arena_array(g->arena, view->member_count + 1, sizeof(*order));
	order_members(view, order);
	for (unsigned i = 0; i < view->member_count; i++) {
		for (unsigned n = 0; n < order[i]->assignment_count; n++) {
			const struct group_assignment *a = &order[i]->assignment[n];
			struct position *p =
				position_find(committed, committed_count, a->topic, a->partition);

			rows[count++] = (struct group_partition){
				.topic = a->topic,
				.partition = a->partition,
				.committed = p && p->offset >= 0 ? p->offset : OFFSET_UNKNOWN,
				.leader_epoch = p ? p->leader_epoch : -1,
				.owner = order[i]};
			if (p)
				p->error = -2; /* shown already */
		}
	}
	for (size_t i = 0; i < committed_count; i++) {
		if (committed[i].error != -2)
			rows[count++] = (struct group_partition){
				.topic = committed[i].topic,
				.partition = committed[i].partition,
				.committed = committed[i].offset >= 0 ? committed[i].offset
								      : OFFSET_UNKNOWN,
				.leader_epoch = committed[i].leader_epoch};
	}
	rc = read_ends(g, rows, count, err);
	view->partitions = rows;
	view->partition_count = g->args->lag_only ? keep_lagging(rows, count) : count;
	return rc;
}
