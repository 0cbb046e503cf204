/* Topics and partitions. */
#include "metadata/delta.h"

#include "base/fault.h"
#include "base/mem.h"

#define PARTITION_NO_CHANGE (-2) /* PartitionChangeRecord.Leader */
#define PARTITIONS_MAX 10000000  /* of one topic: a bound for what a damaged record can ask for */

/* What a partition shall have; arrays are borrowed. */
struct partition_new {
	struct node_list replicas, isr, elr, last_known_elr, adding, removing;
	const struct uuid *directories;
	uint32_t directory_count;
};

static struct node_list list_of(const int32_t *ids, int32_t count)
{
	return (struct node_list){ids, count > 0 ? (uint32_t)count : 0};
}

static struct node_list lists_pack(int32_t **at, struct node_list from)
{
	struct node_list list = {*at, from.count};

	if (from.count)
		memcpy(*at, from.ids, from.count * sizeof(int32_t));
	*at += from.count;
	return list;
}

static void lists_unref(struct image_lists *lists)
{
	if (lists && atomic_fetch_sub_explicit(&lists->ref_count, 1, memory_order_acq_rel) == 1)
		free(lists);
}

/* Gives the partition its own copy of all arrays, and lets go of the ones it had. A replica whose
 * directory is not said has DIRECTORY_MIGRATING. */
static void partition_set_lists(struct image_partition *p, const struct partition_new *from)
{
	size_t ids = (size_t)from->replicas.count + from->isr.count + from->elr.count +
		     from->last_known_elr.count + from->adding.count + from->removing.count;
	size_t dirs_at = sizeof(struct image_lists) + ids * sizeof(int32_t);
	struct image_lists *lists =
		xcalloc(1, dirs_at + from->replicas.count * sizeof(struct uuid));
	struct uuid *dirs = (struct uuid *)(void *)((char *)lists + dirs_at);
	int32_t *at = lists->ids;

	atomic_init(&lists->ref_count, 1);
	p->replicas = lists_pack(&at, from->replicas);
	p->isr = lists_pack(&at, from->isr);
	p->elr = lists_pack(&at, from->elr);
	p->last_known_elr = lists_pack(&at, from->last_known_elr);
	p->adding = lists_pack(&at, from->adding);
	p->removing = lists_pack(&at, from->removing);
	for (uint32_t i = 0; i < from->replicas.count && i < from->directory_count; i++)
		dirs[i] = from->directories[i];
	p->directories = dirs;
	lists_unref(p->lists);
	p->lists = lists;
}

static void topic_destroy(struct image_item *item)
{
	struct image_topic *t = CONTAINER_OF(item, struct image_topic, item);

	for (int32_t i = 0; i < t->partition_count; i++)
		lists_unref(t->partitions[i].lists);
	free(t->partitions);
	free(t);
}

static struct image_topic *topic_new(uint64_t edit, struct str name, struct uuid id)
{
	struct packer p;
	struct image_topic *t = packer_alloc(&p, sizeof(*t), PACKER_STR(name));

	item_init(&t->item, edit, topic_destroy);
	t->name = packer_str(&p, name);
	t->id = id;
	return t;
}

static void topic_put(struct image_delta *d, struct image_topic *t)
{
	pmap_put(&d->image.topics_by_name, d->edit, key_of_str(t->name), &t->item);
	pmap_put(&d->image.topics_by_id, d->edit, key_of_uuid(&t->id), item_ref(&t->item));
}

/* The topic as this delta may change it: a copy, once per edit. NULL if there is none. */
static struct image_topic *topic_own(struct image_delta *d, struct uuid id)
{
	struct image_item *found = pmap_get(&d->image.topics_by_id, key_of_uuid(&id));
	struct image_topic *old, *t;

	if (!found)
		return NULL;
	old = CONTAINER_OF(found, struct image_topic, item);
	if (found->edit == d->edit)
		return old;
	t = topic_new(d->edit, old->name, old->id);
	t->partition_count = old->partition_count;
	t->partition_cap = (uint32_t)old->partition_count;
	if (old->partition_count)
		t->partitions = xmemdup(old->partitions,
					(size_t)old->partition_count * sizeof(*t->partitions));
	for (int32_t i = 0; i < t->partition_count; i++)
		if (t->partitions[i].lists)
			atomic_fetch_add_explicit(&t->partitions[i].lists->ref_count, 1,
						  memory_order_relaxed);
	topic_put(d, t);
	return t;
}

static int topic_add(struct image_delta *d, const struct topic_record *r, struct err *err)
{
	if (image_topic_by_name(&d->image, r->name))
		return err_set(err, E_CORRUPT, "topic '%.*s' exists already", STR(r->name));
	if (image_topic_by_id(&d->image, r->topic_id))
		return err_set(err, E_CORRUPT, "the id of topic '%.*s' is taken", STR(r->name));
	topic_put(d, topic_new(d->edit, r->name, r->topic_id));
	return 0;
}

static int topic_remove(struct image_delta *d, const struct remove_topic_record *r, struct err *err)
{
	const struct image_topic *t = image_topic_by_id(&d->image, r->topic_id);

	if (!t)
		return err_set(err, E_CORRUPT, "removes a topic that does not exist");
	item_ref(&t->item);
	delta_remove_config(d, CONFIG_RESOURCE_TOPIC, t->name);
	pmap_remove(&d->image.topics_by_name, d->edit, key_of_str(t->name));
	pmap_remove(&d->image.topics_by_id, d->edit, key_of_uuid(&t->id));
	item_unref((struct image_item *)(uintptr_t)&t->item);
	return 0;
}

/* Makes the array reach `index`; what lies between are holes. */
static struct image_partition *topic_partition(struct image_topic *t, int32_t index)
{
	while (t->partition_count <= index) {
		if ((uint32_t)t->partition_count == t->partition_cap) {
			t->partition_cap = MAX(t->partition_cap * 2, (uint32_t)index + 1);
			t->partitions = xreallocarray(t->partitions, t->partition_cap,
						      sizeof(*t->partitions));
		}
		t->partitions[t->partition_count] = (struct image_partition){
			.index = t->partition_count,
			.leader = NO_LEADER,
			.leader_epoch = -1,
			.partition_epoch = -1,
		};
		t->partition_count++;
	}
	return &t->partitions[index];
}

static int partition_add(struct image_delta *d, const struct partition_record *r, struct err *err)
{
	struct image_topic *t = topic_own(d, r->topic_id);
	struct image_partition *p;
	struct partition_new lists = {
		.replicas = list_of(r->replicas, r->replicas_count),
		.isr = list_of(r->isr, r->isr_count),
		.elr = list_of(r->eligible_leader_replicas, r->eligible_leader_replicas_count),
		.last_known_elr = list_of(r->last_known_elr, r->last_known_elr_count),
		.adding = list_of(r->adding_replicas, r->adding_replicas_count),
		.removing = list_of(r->removing_replicas, r->removing_replicas_count),
		.directories = r->directories,
		.directory_count = r->directories_count > 0 ? (uint32_t)r->directories_count : 0,
	};

	if (!t)
		return err_set(err, E_CORRUPT, "partition of a topic that does not exist");
	if (r->partition_id < 0 || r->partition_id >= PARTITIONS_MAX || r->leader_epoch < 0)
		return err_set(err, E_CORRUPT, "impossible partition %d of topic '%.*s'",
			       r->partition_id, STR(t->name));
	p = topic_partition(t, r->partition_id);
	p->leader = r->leader;
	p->leader_epoch = r->leader_epoch;
	p->partition_epoch = r->partition_epoch;
	p->recovery = r->leader_recovery_state == 1 ? LEADER_RECOVERING : LEADER_RECOVERED;
	partition_set_lists(p, &lists);
	return 0;
}

static int partition_change(struct image_delta *d, const struct partition_change_record *r,
			    struct err *err)
{
	struct image_topic *t = topic_own(d, r->topic_id);
	struct image_partition *p;
	struct partition_new lists;

	if (!image_partition(t, r->partition_id))
		return err_set(err, E_CORRUPT, "changes a partition that does not exist");
	p = &t->partitions[r->partition_id];
	lists = (struct partition_new){
		.replicas = p->replicas,
		.isr = p->isr,
		.elr = p->elr,
		.last_known_elr = p->last_known_elr,
		.adding = p->adding,
		.removing = p->removing,
		.directories = p->directories,
		.directory_count = p->replicas.count,
	};
	if (r->isr_count >= 0)
		lists.isr = list_of(r->isr, r->isr_count);
	if (r->replicas_count >= 0)
		lists.replicas = list_of(r->replicas, r->replicas_count);
	if (r->adding_replicas_count >= 0)
		lists.adding = list_of(r->adding_replicas, r->adding_replicas_count);
	if (r->removing_replicas_count >= 0)
		lists.removing = list_of(r->removing_replicas, r->removing_replicas_count);
	if (r->eligible_leader_replicas_count >= 0)
		lists.elr = list_of(r->eligible_leader_replicas, r->eligible_leader_replicas_count);
	if (r->last_known_elr_count >= 0)
		lists.last_known_elr = list_of(r->last_known_elr, r->last_known_elr_count);
	if (r->directories_count >= 0) {
		lists.directories = r->directories;
		lists.directory_count = (uint32_t)r->directories_count;
	}
	if (r->leader != PARTITION_NO_CHANGE) {
		p->leader = r->leader;
		p->leader_epoch += FAULT(leader_epoch_kept) ? 0 : 1;
	}
	if (r->leader_recovery_state >= 0)
		p->recovery = r->leader_recovery_state == 1 ? LEADER_RECOVERING : LEADER_RECOVERED;
	p->partition_epoch++;
	partition_set_lists(p, &lists);
	return 0;
}

static void topic_clear_elr(struct image_delta *d, struct uuid id)
{
	struct image_topic *t = topic_own(d, id);

	for (int32_t i = 0; i < t->partition_count; i++) {
		struct image_partition *p = &t->partitions[i];
		struct partition_new lists = {
			.replicas = p->replicas,
			.isr = p->isr,
			.adding = p->adding,
			.removing = p->removing,
			.directories = p->directories,
			.directory_count = p->replicas.count,
		};

		if (p->elr.count || p->last_known_elr.count)
			partition_set_lists(p, &lists);
	}
}

static bool topic_has_elr(const struct image_topic *t)
{
	for (int32_t i = 0; i < t->partition_count; i++)
		if (t->partitions[i].elr.count || t->partitions[i].last_known_elr.count)
			return true;
	return false;
}

static int clear_elr(struct image_delta *d, const struct clear_elr_record *r, struct err *err)
{
	const struct image_topic *t;

	if (r->topic_name.len) {
		t = image_topic_by_name(&d->image, r->topic_name);
		if (!t)
			return err_set(err, E_CORRUPT, "clears the ELR of unknown topic '%.*s'",
				       STR(r->topic_name));
		if (topic_has_elr(t))
			topic_clear_elr(d, t->id);
		return 0;
	}
	for (t = image_topic_next(&d->image, STR_NULL); t;) {
		struct uuid id = t->id;

		if (topic_has_elr(t)) {
			topic_clear_elr(d, id);
			t = image_topic_by_id(&d->image, id);
		}
		t = image_topic_next(&d->image, t->name);
	}
	return 0;
}

int delta_topic_record(struct image_delta *d, enum metadata_record_type type, const void *record,
		       struct err *err)
{
	switch (type) {
	case TOPIC_RECORD: return topic_add(d, record, err);
	case REMOVE_TOPIC_RECORD: return topic_remove(d, record, err);
	case PARTITION_RECORD: return partition_add(d, record, err);
	case PARTITION_CHANGE_RECORD: return partition_change(d, record, err);
	default: assert(type == CLEAR_ELR_RECORD); return clear_elr(d, record, err);
	}
}
