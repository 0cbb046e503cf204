/* What administrators ask: ListGroups, DescribeGroups, DeleteGroups. */
#include "group_int.h"

#include "base/mem.h"
#include "base/say.h"

#include <stdio.h>
#include <strings.h>

#define SAY_PLACE "broker/group"

/* ---- ListGroups ---- */

static struct str trim(struct str s)
{
	while (s.len && (uint8_t)s.data[0] <= ' ') {
		s.data++;
		s.len--;
	}
	while (s.len && (uint8_t)s.data[s.len - 1] <= ' ')
		s.len--;
	return s;
}

/* An empty filter lets everything pass. */
static bool passes(const struct str *filter, int32_t count, const char *word)
{
	for (int32_t i = 0; i < count; i++) {
		struct str wanted = trim(filter[i]);

		if (wanted.len == strlen(word) && strncasecmp(wanted.data, word, wanted.len) == 0)
			return true;
	}
	return count <= 0;
}

enum kafka_error group_list(struct group_coordinator *gc, const struct list_groups_request *request,
			    struct arena *arena, struct list_groups_response_listed_group **groups,
			    size_t *count)
{
	size_t total = 0, n = 0;
	struct group *g;

	*groups = NULL;
	*count = 0;
	if (gc->is_stopped)
		return KERR_COORDINATOR_NOT_AVAILABLE;
	for (int32_t i = 0; i < gc->partition_count; i++) {
		if (gc->partitions[i] && gc->partitions[i]->state == GROUPS_LOADING)
			return KERR_COORDINATOR_LOAD_IN_PROGRESS;
		if (gc->partitions[i])
			total += gc->partitions[i]->groups.count;
	}
	*groups = arena_array(arena, total + 1, sizeof(**groups));
	for (int32_t i = 0; i < gc->partition_count; i++) {
		struct group_partition *gp = gc->partitions[i];

		if (!gp || gp->state != GROUPS_ACTIVE)
			continue;
		MAP_FOREACH(&gp->groups, g, struct group, by_id) {
			const char *state = group_state_name(g->state);

			if (!passes(request->states_filter, request->states_filter_count, state) ||
			    !passes(request->types_filter, request->types_filter_count, "classic"))
				continue;
			(*groups)[n++] = (struct list_groups_response_listed_group){
				.group_id = str_dup(arena, g->id),
				.protocol_type = g->protocol_type
							 ? str_dup(arena, str_of(g->protocol_type))
							 : STR_LIT(""),
				.group_state = str_of(state),
				.group_type = STR_LIT("classic"),
			};
		}
	}
	*count = n;
	return KERR_NONE;
}

/* ---- DescribeGroups ---- */

static struct slice copy_slice(struct arena *arena, struct slice s)
{
	if (!s.len)
		return (struct slice){.data = (const uint8_t *)""};
	return (struct slice){.data = arena_memdup(arena, s.data, s.len), .len = s.len};
}

static void describe_group(const struct group *g, struct describe_call *d)
{
	struct describe_groups_response_described_group *r = d->response;
	struct arena *arena = d->call.arena;
	bool is_stable = g->state == GROUP_STABLE;
	struct group_member *m;

	r->group_state = str_of(group_state_name(g->state));
	r->protocol_type =
		g->protocol_type ? str_dup(arena, str_of(g->protocol_type)) : STR_LIT("");
	r->protocol_data = is_stable && g->protocol_name ? str_dup(arena, str_of(g->protocol_name))
							 : STR_LIT("");
	r->members = arena_array(arena, (size_t)g->member_count + 1, sizeof(*r->members));
	LIST_FOREACH(&g->members, m, struct group_member, link)
		r->members[r->members_count++] =
			(struct describe_groups_response_described_group_member){
				.member_id = str_dup(arena, m->id),
				.group_instance_id = str_dup(arena, m->instance_id),
				.client_id = str_dup(arena, m->client_id),
				.client_host = str_dup(arena, m->client_host),
				.member_metadata = is_stable
					? copy_slice(arena,
						     group_member_metadata(m, g->protocol_name))
					: copy_slice(arena, SLICE_NULL),
				.member_assignment = copy_slice(arena, m->assignment),
			};
}

void group_describe(struct group_coordinator *gc, struct describe_call *d)
{
	struct describe_groups_response_described_group *r = d->response;
	enum kafka_error error = KERR_NONE;
	struct group_partition *gp = group_partition_of(gc, d->call.partition, &error);
	struct group *g = gp ? group_find(gp, d->group_id) : NULL;

	r->group_id = d->group_id;
	if (str_is_null(d->group_id) && gp)
		error = KERR_INVALID_GROUP_ID;
	if (error == KERR_NONE && g) {
		describe_group(g, d);
	} else if (error == KERR_NONE) {
		r->group_state = STR_LIT("Dead");
		if (d->call.version >= 6) {
			error = KERR_GROUP_ID_NOT_FOUND;
			r->error_message = str_of(arena_printf(
				d->call.arena, "Group %.*s not found.", STR(d->group_id)));
		}
	}
	r->error_code = (int16_t)error;
	d->call.done(&d->call);
}

/* ---- DeleteGroups ---- */

static void delete_answer(void *arg, enum kafka_error error)
{
	struct delete_call *d = arg;

	d->response->error_code = (int16_t)error;
	d->call.done(&d->call);
}

static enum kafka_error delete_write(struct group *g, int64_t *required_offset)
{
	struct group_offset *o;
	struct group_write w;

	group_write_begin(&w, g->gp);
	MAP_FOREACH(&g->offsets, o, struct group_offset, node)
		group_write_offset_tombstone(&w, g->id, o->topic, o->partition);
	group_txn_write_tombstones(&w, g);
	group_foreign_write_tombstones(&w, g);
	group_write_group_tombstone(&w, g->id);
	return group_write_append(&w, required_offset);
}

void group_delete(struct group_coordinator *gc, struct delete_call *d)
{
	enum kafka_error error = KERR_NONE;
	struct group_partition *gp = group_partition_of(gc, d->call.partition, &error);
	struct group *g = gp ? group_find(gp, d->group_id) : NULL;
	int64_t required_offset = 0;

	d->response->group_id = d->group_id;
	if (gp && str_is_null(d->group_id))
		error = KERR_INVALID_GROUP_ID;
	else if (gp && !g)
		error = KERR_GROUP_ID_NOT_FOUND;
	else if (gp && g->state != GROUP_EMPTY)
		error = KERR_NON_EMPTY_GROUP;
	if (error == KERR_NONE)
		error = delete_write(g, &required_offset);
	if (error != KERR_NONE) {
		delete_answer(d, error);
		return;
	}
	say_info("group %.*s: deleted", STR(g->id));
	group_txn_forget(gp, g->id, STR_NULL, 0);
	group_free(g);
	group_wait_committed(gp, required_offset, delete_answer, d);
}

/* ---- Metrics ---- */

void group_count(const struct group_coordinator *gc, struct group_counts *out)
{
	struct group *g;

	*out = (struct group_counts){0};
	for (int32_t i = 0; i < gc->partition_count; i++) {
		if (!gc->partitions[i])
			continue;
		MAP_FOREACH(&gc->partitions[i]->groups, g, struct group, by_id) {
			out->groups++;
			out->offsets += g->offsets.count;
			out->empty += g->state == GROUP_EMPTY;
			out->preparing_rebalance += g->state == GROUP_PREPARING_REBALANCE;
			out->completing_rebalance += g->state == GROUP_COMPLETING_REBALANCE;
			out->stable += g->state == GROUP_STABLE;
			out->dead += g->state == GROUP_DEAD;
		}
	}
}
