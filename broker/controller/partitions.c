/* Partitions: who leads, who is in sync, when brokers come and go. */
#include "controller/controller_int.h"

#include "base/fault.h"
#include "base/mem.h"

#include <stdlib.h>

/* PartitionChangeRecord: what stays as it is. */
#define LEADER_UNCHANGED (-2)

/* ---- Lists ----------------------------------------------------------------------------------- */

struct node_list node_list_copy(struct arena *a, const int32_t *ids, uint32_t count)
{
	int32_t *copy = arena_array(a, count + 1, sizeof(*copy));

	if (count)
		memcpy(copy, ids, count * sizeof(*copy));
	return (struct node_list){copy, count};
}

struct node_list node_list_without(struct arena *a, struct node_list list, int32_t id)
{
	int32_t *ids = arena_array(a, list.count + 1, sizeof(*ids));
	uint32_t count = 0;

	for (uint32_t i = 0; i < list.count; i++)
		if (list.ids[i] != id)
			ids[count++] = list.ids[i];
	return (struct node_list){ids, count};
}

static struct node_list node_list_minus(struct arena *a, struct node_list list,
					struct node_list gone)
{
	for (uint32_t i = 0; i < gone.count; i++)
		list = node_list_without(a, list, gone.ids[i]);
	return list;
}

static bool node_list_has_all(struct node_list list, struct node_list wanted)
{
	for (uint32_t i = 0; i < wanted.count; i++)
		if (!node_list_has(list, wanted.ids[i]))
			return false;
	return true;
}

static bool node_list_eq(struct node_list a, struct node_list b)
{
	return a.count == b.count &&
	       (a.count == 0 || memcmp(a.ids, b.ids, a.count * sizeof(*a.ids)) == 0);
}

/* ---- Configs that decide --------------------------------------------------------------------- */

/* A topic's value: its own, the cluster's default, or this controller's. */
static struct str topic_value(const struct change *ch, struct str topic, const char *key,
			      const char *broker_key)
{
	struct str value = image_config_value(image_config(tip(ch), CONFIG_RESOURCE_TOPIC, topic),
					      str_of(key));

	if (!value.data)
		value = image_config_value(
			image_config(tip(ch), CONFIG_RESOURCE_BROKER, STR_LIT("")),
			str_of(broker_key));
	return value;
}

int32_t topic_min_isr(const struct change *ch, const struct image_topic *topic)
{
	struct str value =
		topic_value(ch, topic->name, "min.insync.replicas", "min.insync.replicas");

	if (value.data)
		return (int32_t)strtol(value.data, NULL, 10);
	return config_i32(ch->c->config, CONFIG_MIN_INSYNC_REPLICAS);
}

bool topic_unclean_election(const struct change *ch, struct str topic)
{
	struct str value = topic_value(ch, topic, "unclean.leader.election.enable",
				       "unclean.leader.election.enable");

	if (value.data)
		return str_is(value, "true");
	return config_bool(ch->c->config, CONFIG_UNCLEAN_LEADER_ELECTION_ENABLE);
}

/* ---- One change ------------------------------------------------------------------------------ */

void partition_change_init(struct partition_change *p, struct change *ch,
			   const struct image_topic *topic, const struct image_partition *partition)
{
	*p = (struct partition_change){
		.ch = ch,
		.topic = topic,
		.partition = partition,
		.election = topic_unclean_election(ch, topic->name) ? ELECT_UNCLEAN : ELECT_ONLINE,
		.isr = partition->isr,
		.replicas = partition->replicas,
		.adding = partition->adding,
		.removing = partition->removing,
		.recovery = -1,
		.extra_leader = NO_NODE,
		.barred_leader = NO_NODE,
		.unclean_broker = NO_NODE,
	};
}

/* The work on one change: what comes out of its targets. */
struct outcome {
	struct node_list isr, elr;
	int32_t leader;
	bool is_unclean;
	bool elr_enabled;
};

/* Every replica that is to stay in sync is there: the reassignment is over. */
static void complete_reassignment(struct partition_change *p)
{
	struct arena *a = p->ch->arena;
	struct node_list isr = node_list_minus(a, p->isr, p->removing);
	struct node_list replicas = node_list_minus(a, p->replicas, p->removing);

	if (p->adding.count == 0 && p->removing.count == 0)
		return;
	if (isr.count == 0 || replicas.count == 0 || !node_list_has_all(isr, p->adding))
		return;
	if (p->adding.count < p->removing.count && !node_list_has_all(isr, replicas))
		return;
	p->isr = isr;
	p->replicas = replicas;
	p->adding = p->removing = (struct node_list){NULL, 0};
	p->completes_reassignment = true;
}

static bool is_acceptable(const struct partition_change *p, int32_t id)
{
	const struct image_broker *b = image_broker(tip(p->ch), id);

	if (!b || id == p->barred_leader || id == p->unclean_broker)
		return false;
	if (id != p->extra_leader && !image_broker_is_active(b))
		return false;
	for (uint32_t i = 0; i < p->partition->replicas.count; i++)
		if (p->partition->replicas.ids[i] == id)
			return image_broker_dir_online(b, p->partition->directories[i]);
	return true;
}

static bool is_valid_leader(const struct partition_change *p, const struct outcome *o, int32_t id)
{
	bool is_in_sync = node_list_has(o->isr, id) || FAULT(leader_not_in_sync) ||
			  (o->elr_enabled && o->isr.count == 0 && node_list_has(o->elr, id));

	return is_in_sync && is_acceptable(p, id);
}

static bool first_valid(const struct partition_change *p, struct outcome *o)
{
	for (uint32_t i = 0; i < p->replicas.count; i++) {
		if (is_valid_leader(p, o, p->replicas.ids[i])) {
			o->leader = p->replicas.ids[i];
			return true;
		}
	}
	return false;
}

static bool last_known(const struct partition_change *p, struct outcome *o)
{
	if (!o->elr_enabled || o->isr.count || o->elr.count ||
	    p->partition->last_known_elr.count != 1 ||
	    !is_acceptable(p, p->partition->last_known_elr.ids[0]))
		return false;
	o->leader = p->partition->last_known_elr.ids[0];
	o->is_unclean = true;
	return true;
}

static void elect(const struct partition_change *p, struct outcome *o)
{
	int32_t leader = p->partition->leader;

	if (p->election == ELECT_PREFERRED && p->replicas.count &&
	    is_valid_leader(p, o, p->replicas.ids[0])) {
		o->leader = p->replicas.ids[0];
		return;
	}
	if (leader != NO_LEADER && is_valid_leader(p, o, leader)) {
		o->leader = leader;
		return;
	}
	if (first_valid(p, o) || last_known(p, o))
		return;
	for (uint32_t i = 0; p->election == ELECT_UNCLEAN && i < p->replicas.count; i++) {
		if (!is_acceptable(p, p->replicas.ids[i]))
			continue;
		o->leader = p->replicas.ids[i];
		o->is_unclean = true;
		return;
	}
	o->leader = NO_LEADER;
}

static int32_t effective_min_isr(const struct partition_change *p)
{
	return MIN(topic_min_isr(p->ch, p->topic), (int32_t)p->replicas.count);
}

/* Replicas that left the ISR while it was too small for acks=all hold all that was acknowledged. */
static void find_eligible(const struct partition_change *p, struct outcome *o)
{
	struct arena *a = p->ch->arena;
	int32_t min_isr = effective_min_isr(p);
	int32_t *ids;
	uint32_t count = 0;

	o->elr = (struct node_list){NULL, 0};
	if (!o->elr_enabled || (int32_t)o->isr.count >= min_isr)
		return;
	ids = arena_array(a, p->partition->elr.count + p->partition->isr.count + 1, sizeof(*ids));
	for (uint32_t i = 0; i < p->partition->elr.count + p->partition->isr.count; i++) {
		int32_t id = i < p->partition->elr.count
				     ? p->partition->elr.ids[i]
				     : p->partition->isr.ids[i - p->partition->elr.count];

		if (!node_list_has(o->isr, id) && id != p->unclean_broker &&
		    !node_list_has((struct node_list){ids, count}, id))
			ids[count++] = id;
	}
	o->elr = (struct node_list){ids, count};
}

static void set_list(int32_t **field, int32_t *field_count, struct node_list list)
{
	*field = (int32_t *)(uintptr_t)list.ids;
	*field_count = (int32_t)list.count;
}
#define SET_LIST(r, field, list) set_list(&(r)->field, &(r)->field##_count, (list))

static void set_elr(const struct partition_change *p, const struct outcome *o,
		    struct partition_change_record *r)
{
	const struct image_partition *old = p->partition;
	struct node_list none = {NULL, 0};
	struct node_list elr = o->elr;

	if (!o->elr_enabled)
		return;
	if (r->leader_recovery_state == LEADER_RECOVERING) {
		elr = none;
		if (old->last_known_elr.count)
			SET_LIST(r, last_known_elr, none);
	} else if (r->isr_count == 0 && old->leader != NO_LEADER &&
		   (old->last_known_elr.count != 1 || old->last_known_elr.ids[0] != old->leader)) {
		SET_LIST(r, last_known_elr, node_list_copy(p->ch->arena, &old->leader, 1));
	} else if (o->leader != NO_LEADER && old->last_known_elr.count) {
		SET_LIST(r, last_known_elr, none);
	}
	if (!node_list_eq(elr, old->elr))
		SET_LIST(r, eligible_leader_replicas, elr);
}

static void set_directories(const struct partition_change *p, struct partition_change_record *r)
{
	const struct image_partition *old = p->partition;
	struct uuid *dirs;

	if (!metadata_has_directories(metadata_version(p->ch)))
		return;
	if (!p->directories && node_list_eq(p->replicas, old->replicas))
		return;
	dirs = arena_array(p->ch->arena, p->replicas.count + 1, sizeof(*dirs));
	for (uint32_t i = 0; i < p->replicas.count; i++) {
		dirs[i] = p->directories ? p->directories[i]
					 : broker_new_dir(tip(p->ch), p->replicas.ids[i]);
		for (uint32_t j = 0; !p->directories && j < old->replicas.count; j++)
			if (old->replicas.ids[j] == p->replicas.ids[i])
				dirs[i] = old->directories[j];
	}
	if (p->replicas.count == old->replicas.count &&
	    memcmp(dirs, old->directories, p->replicas.count * sizeof(*dirs)) == 0)
		return;
	r->directories = dirs;
	r->directories_count = (int32_t)p->replicas.count;
}

static void set_leader(const struct partition_change *p, struct outcome *o,
		       struct partition_change_record *r)
{
	const struct image_partition *old = p->partition;

	if (o->leader != old->leader) {
		r->leader = o->leader;
		if (o->is_unclean) {
			o->isr = node_list_copy(p->ch->arena, &o->leader, 1);
			if (old->recovery != LEADER_RECOVERING)
				r->leader_recovery_state = LEADER_RECOVERING;
			o->elr = (struct node_list){NULL, 0};
		} else if (o->leader != NO_LEADER && !node_list_has(o->isr, o->leader)) {
			o->isr = node_list_copy(p->ch->arena, &o->leader, 1);
			o->elr = node_list_without(p->ch->arena, o->elr, o->leader);
			/* min.insync.replicas may be less than when they became eligible */
			if (effective_min_isr(p) <= 1)
				o->elr = (struct node_list){NULL, 0};
		}
		return;
	}
	/* Who lost its replica must learn it by a new epoch; of old, also who left the ISR. */
	if (!node_list_has_all(p->replicas, old->replicas) ||
	    (metadata_version(p->ch) < METADATA_3_6_IV0 && !node_list_has_all(o->isr, old->isr)))
		r->leader = old->leader;
}

static bool is_empty(const struct partition_change_record *r)
{
	return r->isr_count < 0 && r->leader == LEADER_UNCHANGED && r->replicas_count < 0 &&
	       r->removing_replicas_count < 0 && r->adding_replicas_count < 0 &&
	       r->leader_recovery_state < 0 && r->directories_count < 0 &&
	       r->eligible_leader_replicas_count < 0 && r->last_known_elr_count < 0;
}

bool partition_change_add(struct partition_change *p)
{
	const struct image_partition *old = p->partition;
	struct partition_change_record r;
	struct outcome o = {.leader = NO_LEADER, .elr_enabled = elr_enabled(tip(p->ch))};

	WIRE_INIT(partition_change_record, &r);
	r.topic_id = p->topic->id;
	r.partition_id = old->index;
	complete_reassignment(p);
	o.isr = p->isr;
	find_eligible(p, &o);
	elect(p, &o);
	set_leader(p, &o, &r);
	if (!node_list_eq(o.isr, old->isr) && (o.isr.count || o.elr_enabled))
		SET_LIST(&r, isr, o.isr);
	set_elr(p, &o, &r);
	if (!node_list_eq(p->replicas, old->replicas))
		SET_LIST(&r, replicas, p->replicas);
	if (!node_list_eq(p->removing, old->removing))
		SET_LIST(&r, removing_replicas, p->removing);
	if (!node_list_eq(p->adding, old->adding))
		SET_LIST(&r, adding_replicas, p->adding);
	if (p->recovery >= 0 && r.leader_recovery_state < 0 && p->recovery != (int8_t)old->recovery)
		r.leader_recovery_state = p->recovery;
	set_directories(p, &r);
	if (is_empty(&r))
		return false;
	change_add(p->ch, &partition_change_record_desc,
		   partition_record_version(metadata_version(p->ch)), &r);
	return true;
}

/* ---- Many ------------------------------------------------------------------------------------ */

/* Calls `visit` for each partition. Topics are found again by name after each change of theirs, as
 * a change may replace what an image points to. */
static void partitions_each(struct change *ch,
			    bool (*visit)(struct change *ch, const struct image_topic *topic,
					  const struct image_partition *p, void *ctx),
			    void *ctx)
{
	const struct image_topic *t = image_topic_next(tip(ch), STR_NULL);

	while (t && ch->rc == 0) {
		struct uuid id = t->id;

		for (int32_t i = 0; i < t->partition_count; i++) {
			const struct image_partition *p = image_partition(t, i);

			if (p && visit(ch, t, p, ctx))
				t = image_topic_by_id(tip(ch), id);
		}
		t = image_topic_next(tip(ch), t->name);
	}
}

/* ---- Another min.insync.replicas ------------------------------------------------------------- */

struct kept {
	struct partition_change_record *records;
	size_t count, cap;
	struct str topic; /* "": all */
};

static bool keep_elr(struct change *ch, const struct image_topic *t,
		     const struct image_partition *p, void *ctx)
{
	struct kept *kept = ctx;
	struct partition_change_record *r;

	if ((kept->topic.len && !str_eq(t->name, kept->topic)) || p->isr.count ||
	    (!p->elr.count && !p->last_known_elr.count))
		return false;
	kept->records = grow_array(kept->records, kept->count, &kept->cap, sizeof(*kept->records));
	r = &kept->records[kept->count++];
	WIRE_INIT(partition_change_record, r);
	r->topic_id = t->id;
	r->partition_id = p->index;
	if (p->elr.count)
		SET_LIST(r, eligible_leader_replicas,
			 node_list_copy(ch->arena, p->elr.ids, p->elr.count));
	if (p->last_known_elr.count)
		SET_LIST(r, last_known_elr,
			 node_list_copy(ch->arena, p->last_known_elr.ids, p->last_known_elr.count));
	return false;
}

void partitions_clear_elr(struct change *ch, struct str topic)
{
	struct kept kept = {.topic = topic};
	struct clear_elr_record clear;

	partitions_each(ch, keep_elr, &kept);
	WIRE_INIT(clear_elr_record, &clear);
	clear.topic_name = topic;
	change_add(ch, &clear_elr_record_desc, 0, &clear);
	for (size_t i = 0; i < kept.count; i++)
		change_add(ch, &partition_change_record_desc,
			   partition_record_version(metadata_version(ch)), &kept.records[i]);
	free(kept.records);
}

struct move {
	int32_t remove, add, unclean;
};

static bool move_one(struct change *ch, const struct image_topic *topic,
		     const struct image_partition *p, void *ctx)
{
	const struct move *m = ctx;
	struct partition_change change;
	bool concerns = (m->add != NO_NODE && p->leader == NO_LEADER) ||
			(m->remove != NO_NODE && node_list_has(p->isr, m->remove)) ||
			(m->unclean != NO_NODE &&
			 (node_list_has(p->isr, m->unclean) || node_list_has(p->elr, m->unclean)));

	if (!concerns)
		return false;
	partition_change_init(&change, ch, topic, p);
	change.isr = node_list_copy(ch->arena, p->isr.ids, p->isr.count);
	if (m->remove != NO_NODE)
		change.isr = node_list_without(ch->arena, change.isr, m->remove);
	if (m->unclean != NO_NODE)
		change.isr = node_list_without(ch->arena, change.isr, m->unclean);
	change.extra_leader = m->add;
	change.barred_leader = m->remove;
	change.unclean_broker = m->unclean;
	return partition_change_add(&change);
}

void partitions_move_leaders(struct change *ch, int32_t remove, int32_t add, int32_t unclean)
{
	struct move m = {remove, add, unclean};

	partitions_each(ch, move_one, &m);
}

struct leave_dir {
	int32_t broker_id;
	struct uuid dir;
};

static bool leave_dir_one(struct change *ch, const struct image_topic *topic,
			  const struct image_partition *p, void *ctx)
{
	const struct leave_dir *l = ctx;
	struct partition_change change;

	for (uint32_t i = 0; i < p->replicas.count; i++) {
		if (p->replicas.ids[i] != l->broker_id || !uuid_eq(p->directories[i], l->dir) ||
		    !node_list_has(p->isr, l->broker_id))
			continue;
		partition_change_init(&change, ch, topic, p);
		change.isr = node_list_without(ch->arena, p->isr, l->broker_id);
		change.barred_leader = l->broker_id;
		return partition_change_add(&change);
	}
	return false;
}

void partitions_leave_dir(struct change *ch, int32_t broker_id, struct uuid dir)
{
	struct leave_dir l = {broker_id, dir};

	partitions_each(ch, leave_dir_one, &l);
}

struct balance {
	int left;
	bool has_more;
};

static bool balance_one(struct change *ch, const struct image_topic *topic,
			const struct image_partition *p, void *ctx)
{
	struct balance *b = ctx;
	struct partition_change change;

	if (p->leader == NO_LEADER || p->replicas.count == 0 || p->leader == p->replicas.ids[0])
		return false;
	partition_change_init(&change, ch, topic, p);
	change.election = ELECT_PREFERRED;
	if (!is_acceptable(&change, p->replicas.ids[0]) ||
	    !node_list_has(p->isr, p->replicas.ids[0]))
		return false;
	if (b->left == 0) {
		b->has_more = true;
		return false;
	}
	b->left--;
	return partition_change_add(&change);
}

bool partitions_balance(struct change *ch, int max)
{
	struct balance b = {max, false};

	partitions_each(ch, balance_one, &b);
	return b.has_more;
}

static bool elect_unclean_one(struct change *ch, const struct image_topic *topic,
			      const struct image_partition *p, void *ctx)
{
	struct balance *b = ctx;
	struct partition_change change;

	if (p->leader != NO_LEADER || p->replicas.count == 0 ||
	    !topic_unclean_election(ch, topic->name))
		return false;
	if (b->left == 0) {
		b->has_more = true;
		return false;
	}
	partition_change_init(&change, ch, topic, p);
	if (!partition_change_add(&change))
		return false;
	b->left--;
	return true;
}

bool partitions_elect_unclean(struct change *ch, int max)
{
	struct balance b = {max, false};

	partitions_each(ch, elect_unclean_one, &b);
	return b.has_more;
}

bool partitions_lead_any(const struct image *image, int32_t broker_id)
{
	for (const struct image_topic *t = image_topic_next(image, STR_NULL); t;
	     t = image_topic_next(image, t->name))
		for (int32_t i = 0; i < t->partition_count; i++)
			if (t->partitions[i].leader == broker_id)
				return true;
	return false;
}
