/* Replaying __consumer_offsets: what a new leader knows of its groups. */
#include "group_int.h"

#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"
#include "wire/codec.h"
#include "wire/record_frame.h"
#include "wire/old_batch.h"

#define SAY_PLACE "broker/group"

/* Where a record is from, and memory until the next one. */
struct load_from {
	const struct batch *batch;
	const struct record *record;
	struct arena *arena;
};

/* ---- Offsets ---- */

/* Offsets may be there without a group: it was never more than a name (a "simple" group). */
static struct group *load_group(struct group_partition *gp, struct str id)
{
	struct group *g = group_find(gp, id);

	return g ? g : group_new(gp, id);
}

/* Forgets a group of which nothing is left. */
static void load_group_settle(struct group *g)
{
	if (g && !g->is_recorded && g->offsets.count == 0 && g->foreign.count == 0 &&
	    !group_txn_is_pending(g->gp, g->id, STR_NULL, 0))
		group_free(g);
}

static void load_offset_tombstone(struct group_partition *gp, struct str group, struct str topic,
				  int32_t partition)
{
	struct group *g = group_find(gp, group);
	struct group_offset *o = g ? group_offset(g, topic, partition) : NULL;

	group_txn_forget(gp, group, topic, partition);
	if (o)
		group_offset_remove(g, o);
	load_group_settle(g);
}

/* What a record says of an offset; in a transaction it counts when that commits. */
static void load_offset_value(struct group_partition *gp, const struct load_from *from,
			      const struct offset_commit_key *key,
			      const struct group_offset_value *value)
{
	if (batch_is_transactional(from->batch)) {
		/* The group is there from now on, whatever becomes of the transaction. */
		load_group(gp, key->group);
		group_txn_put(gp, from->batch->producer_id, key->group, key->topic, key->partition,
			      value, from->record->offset);
		return;
	}
	group_offset_put(load_group(gp, key->group), key->topic, key->partition, value, 0,
			 from->record->offset);
}

static int load_offset(struct group_partition *gp, const struct load_from *from,
		       const struct offset_commit_key *key, struct err *err)
{
	struct offset_commit_value *v;
	int16_t version;
	void *decoded;
	int rc;

	if (FAULT(offsets_not_loaded))
		return 0;
	if (!from->record->value.data) {
		load_offset_tombstone(gp, key->group, key->topic, key->partition);
		return 0;
	}
	rc = versioned_decode(&offset_commit_value_desc, from->record->value, from->arena, &version,
			      &decoded, err);
	if (rc < 0)
		return rc;
	v = decoded;
	load_offset_value(gp, from, key, &(struct group_offset_value){
		.offset = v->offset,
		.leader_epoch = v->leader_epoch,
		.metadata = v->metadata,
		.commit_timestamp_ms = v->commit_timestamp,
		.expire_timestamp_ms = v->expire_timestamp,
		.topic_id = v->topic_id,
	});
	return 0;
}

/* The key of the oldest kind has the same fields. */
static int load_legacy_offset(struct group_partition *gp, const struct load_from *from,
			      const struct legacy_offset_commit_key *legacy, struct err *err)
{
	struct offset_commit_key key = {legacy->group, legacy->topic, legacy->partition};
	struct legacy_offset_commit_value *v;
	int16_t version;
	void *decoded;
	int rc;

	if (!from->record->value.data) {
		load_offset_tombstone(gp, key.group, key.topic, key.partition);
		return 0;
	}
	rc = versioned_decode(&legacy_offset_commit_value_desc, from->record->value, from->arena,
			      &version, &decoded, err);
	if (rc < 0)
		return rc;
	v = decoded;
	load_offset_value(gp, from, &key, &(struct group_offset_value){
		.offset = v->offset,
		.leader_epoch = -1,
		.metadata = v->metadata,
		.commit_timestamp_ms = v->commit_timestamp,
		.expire_timestamp_ms = -1,
	});
	return 0;
}

/* ---- Groups ---- */

static void load_member(struct group *g, const struct group_metadata_value *v,
			const struct group_metadata_value_member_metadata *in)
{
	struct join_group_request_protocol protocol = {.name = v->protocol,
						       .metadata = in->subscription};
	struct group_member *m;

	if (group_member(g, in->member_id) || group_static_member(g, in->group_instance_id))
		return;
	m = member_new(in->member_id, in->group_instance_id, in->client_id, in->client_host);
	m->session_timeout_ms = in->session_timeout;
	m->rebalance_timeout_ms =
		in->rebalance_timeout == -1 ? in->session_timeout : in->rebalance_timeout;
	member_set_protocols(m, &protocol, str_is_null(v->protocol) ? 0 : 1);
	slice_unref(&m->assignment);
	m->assignment = slice_copy(in->assignment.data ? in->assignment.data : (const uint8_t *)"",
				   in->assignment.len);
	group_add_member(g, m, v->protocol_type);
}

/* Forgets members and generation, keeps the offsets. */
static void load_group_reset(struct group *g)
{
	struct group_member *m;

	LIST_FOREACH(&g->members, m, struct group_member, link) {
		group_take_member(g, m);
		member_free(m);
	}
	group_set_text(&g->protocol_type, STR_NULL);
	group_set_text(&g->protocol_name, STR_NULL);
	g->generation = 0;
	g->state = g->previous_state = GROUP_EMPTY;
	g->is_recorded = false;
}

static void load_group_tombstone(struct group_partition *gp, struct str id)
{
	struct group *g = group_find(gp, id);

	if (!g)
		return;
	load_group_reset(g);
	load_group_settle(g);
}

static int load_group_record(struct group_partition *gp, const struct load_from *from,
			     const struct group_metadata_key *key, struct err *err)
{
	struct group_metadata_value *v;
	struct group_member *leader;
	int16_t version;
	void *decoded;
	struct group *g;
	int rc;

	if (!from->record->value.data) {
		load_group_tombstone(gp, key->group);
		return 0;
	}
	rc = versioned_decode(&group_metadata_value_desc, from->record->value, from->arena,
			      &version, &decoded, err);
	if (rc < 0)
		return rc;
	v = decoded;
	g = load_group(gp, key->group);
	load_group_reset(g);
	g->is_recorded = true;
	g->generation = v->generation;
	g->state = g->previous_state = v->members_count > 0 ? GROUP_STABLE : GROUP_EMPTY;
	g->state_timestamp_ms = v->current_state_timestamp;
	if (v->protocol_type.len)
		group_set_text(&g->protocol_type, v->protocol_type);
	if (!str_is_null(v->protocol))
		group_set_text(&g->protocol_name, v->protocol);
	for (int32_t i = 0; i < v->members_count && !FAULT(members_not_loaded); i++)
		load_member(g, v, &v->members[i]);
	leader = str_is_null(v->leader) ? NULL : group_member(g, v->leader);
	if (leader)
		g->leader_id = leader->id;
	return 0;
}

/* ---- Batches ---- */

/* The key of every other kind begins with the group's id. */
static void load_foreign(struct group_partition *gp, const struct load_from *from,
			 const void *key)
{
	struct str group_id = *(const struct str *)key;
	bool is_tombstone = !from->record->value.data;
	struct group *g = is_tombstone ? group_find(gp, group_id) : load_group(gp, group_id);

	if (!g)
		return;
	group_foreign_put(g, from->record->key, is_tombstone);
	load_group_settle(g);
}

static int load_record(struct group_partition *gp, const struct load_from *from, struct err *err)
{
	const struct record_type *type;
	void *key;
	int rc;

	if (!from->record->key.data)
		return err_set(err, E_MALFORMED, "a record without a key");
	rc = coordinator_key_decode(RECORDS_GROUP, from->record->key, from->arena, &type, &key,
				    err);
	if (rc == 0 && type->key == &offset_commit_key_desc)
		return load_offset(gp, from, key, err);
	if (rc == 0 && type->key == &legacy_offset_commit_key_desc)
		return load_legacy_offset(gp, from, key, err);
	if (rc == 0 && type->key == &group_metadata_key_desc)
		return load_group_record(gp, from, key, err);
	if (rc == 0)
		load_foreign(gp, from, key);
	if (rc < 0 && rc != E_UNSUPPORTED)
		return rc;
	if (!gp->warned_unknown)
		say_warn("%s-%d: records of groups that are not classic have no effect (first "
			 "at offset %lld)",
			 OFFSETS_TOPIC, gp->index, (long long)from->record->offset);
	gp->warned_unknown = true;
	return 0;
}

/* The end of a transaction; other control records say nothing of groups. */
static int load_control(struct group_partition *gp, const struct batch *b, const struct record *r)
{
	enum control_type type;
	int32_t coordinator_epoch;
	int rc = control_record_type(r);

	if (rc != CONTROL_ABORT && rc != CONTROL_COMMIT)
		return 0;
	rc = control_marker_parse(r, &type, &coordinator_epoch);
	if (rc == 0)
		group_txn_end(gp, b->producer_id, type == CONTROL_COMMIT);
	return rc;
}

static int load_batch(struct group_partition *gp, const struct batch *b, struct err *err)
{
	struct group_coordinator *gc = gp->gc;
	struct record_iter it;
	struct record r;
	struct arena arena;
	int rc;

	if (batch_codec(b) != COMPRESSION_NONE && !gc->compressor)
		gc->compressor = compressor_new();
	rc = record_iter_init(&it, b, gc->compressor, 0);
	if (rc < 0)
		return err_set(err, rc, "batch at offset %lld: %s", (long long)b->base_offset,
			       err_text(rc));
	arena_init(&arena);
	while ((rc = record_next(&it, &r)) == 1) {
		rc = batch_is_control(b) ? load_control(gp, b, &r)
					 : load_record(gp, &(struct load_from){b, &r, &arena}, err);
		if (rc < 0) {
			rc = err_add(err, rc, "offset %lld", (long long)r.offset);
			break;
		}
		arena_reset(&arena);
	}
	arena_fini(&arena);
	return rc;
}

/* Commits from before Kafka 0.11. */
static int load_old(struct group_partition *gp, const struct batch *b, struct err *err)
{
	struct group_coordinator *gc = gp->gc;
	struct slice upgraded;
	struct batch v2;
	int rc;

	if (!gc->compressor)
		gc->compressor = compressor_new();
	rc = old_batch_upgrade(b, gc->compressor, &upgraded);
	if (rc == 0)
		rc = batch_parse(&v2, upgraded.data, upgraded.len);
	if (rc < 0)
		err_set(err, rc, "batch at offset %lld: %s", (long long)b->base_offset,
			err_text(rc));
	else
		rc = load_batch(gp, &v2, err);
	slice_unref(&upgraded);
	return rc;
}

int group_partition_load(struct group_partition *gp, const void *batches, size_t len,
			 struct err *err)
{
	const uint8_t *data = batches;
	struct batch b;
	int rc;

	assert(gp->state == GROUPS_LOADING);
	while ((rc = batch_next_any(&b, &data, &len)) == 1) {
		rc = b.magic < BATCH_MAGIC ? load_old(gp, &b, err) : load_batch(gp, &b, err);
		if (rc < 0)
			return rc;
		gp->load_offset = batch_next_offset(&b);
	}
	return rc < 0 ? err_set(err, rc, "%s", err_text(rc)) : 0;
}
