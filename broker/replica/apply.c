/* From one metadata image to the next: which replicas are here, who leads them, their configs. */
#include "base/mem.h"
#include "base/say.h"
#include "replica/fetcher.h"

#include <errno.h>
#include <stdio.h>

/* Of the partitions that are new so many are opened at once, and fewer if the disk is slow. */
#define OPENED_AT_ONCE 16
#define OPENING_US 5000

/* ---- What the directories hold at start ------------------------------------------------------ */

/* A partition directory found at start: its name -> where it is. */
struct found {
	struct map_node node;
	unsigned dir;
	char name[LOG_DIR_NAME_MAX];
	char future_name[LOG_DIR_NAME_MAX]; /* of the directory; struct apply.futures only */
};

struct apply {
	struct replica_set *set;
	const struct image *image;
	int64_t started_us;
	struct map found;   /* empty but for the first image */
	struct map futures; /* what the metadata takes for a replica, amid a move; likewise */
	unsigned scan_dir;
	unsigned tried_count; /* internal topics aside */
	unsigned opened_count, deleted_count, scanned_count;
};

static struct apply apply_begin(struct replica_set *set, const struct image *image)
{
	struct apply a = {.set = set, .image = image, .started_us = env_mono_us(set->options.env)};

	map_init(&a.found);
	map_init(&a.futures);
	return a;
}

/* A topic whose partitions were too many to be opened at once: of set->opening. */
struct opening {
	struct list_node link;
	struct uuid topic_id;
	int32_t next; /* the partitions below it are here, if they should be */
};

/* Whether the directory belongs to a partition that this node should have, and whether it is this
 * shard's to look after. One that says no id counts as the topic's of that name. */
static bool found_is_wanted(const struct apply *a, const struct log_dir_entry *entry, bool *is_ours)
{
	const struct replica_options *options = &a->set->options;
	const struct image_topic *topic = image_topic_by_name(a->image, entry->topic);
	const struct image_partition *partition = image_partition(topic, entry->partition);
	bool has_id = !uuid_is_zero(entry->topic_id);
	struct uuid id = has_id || !topic ? entry->topic_id : topic->id;

	*is_ours = options->owns(options->ctx, id, entry->partition);
	return partition && uuid_eq(id, topic->id) &&
	       node_list_has(partition->replicas, options->node_id);
}

/* Whether the metadata says that the replica is in the directory that is being looked through. */
static bool found_is_assigned(const struct apply *a, const struct log_dir_entry *entry)
{
	const struct replica_set *set = a->set;
	const struct image_partition *p =
		image_partition(image_topic_by_name(a->image, entry->topic), entry->partition);

	return p && uuid_eq(partition_assigned_dir(set, p), replica_set_dir_id(set, a->scan_dir));
}

/* `how`: log_dir_set_aside or log_dir_discard. */
static void found_remove(const struct apply *a, unsigned dir, const char *name,
			 int (*how)(struct log_dir *dir, const char *name, struct err *err))
{
	struct log_dir *log_dir = a->set->dirs[dir].log_dir;
	struct err err = {0};

	if (how(log_dir, name, &err) < 0)
		say_warn("%s/%s: %s", log_dir->path, name, err_message(&err));
}

static void found_put(struct map *map, const struct apply *a, const struct log_dir_entry *entry)
{
	struct found *found = xcalloc(1, sizeof(*found));

	found->dir = a->scan_dir;
	snprintf(found->name, sizeof(found->name), "%.*s-%d", STR(entry->topic), entry->partition);
	memcpy(found->future_name, entry->name, sizeof(found->future_name));
	map_put(map, &found->node, found->name, strlen(found->name));
}

static int found_add(void *ctx, const struct log_dir_entry *entry)
{
	struct apply *a = ctx;
	const char *path = a->set->dirs[a->scan_dir].log_dir->path;
	char name[LOG_DIR_NAME_MAX];
	struct map_node *twin;
	struct found *other;
	bool is_wanted, is_ours, is_assigned;

	if (str_is(entry->topic, "__cluster_metadata"))
		return 0;
	if (entry->kind != LOG_DIR_PARTITION && entry->kind != LOG_DIR_FUTURE)
		return 0;
	is_wanted = found_is_wanted(a, entry, &is_ours);
	if (!is_ours)
		return 0;
	is_assigned = found_is_assigned(a, entry);
	if (entry->kind == LOG_DIR_FUTURE) {
		snprintf(name, sizeof(name), "%.*s-%d", STR(entry->topic), entry->partition);
		if (is_wanted && is_assigned && !map_get(&a->futures, name, strlen(name)))
			found_put(&a->futures, a, entry);
		else /* an unfinished move starts again from nothing */
			found_remove(a, a->scan_dir, entry->name, log_dir_discard);
		return 0;
	}
	if (!is_wanted) {
		say_warn("%s/%s belongs to no partition of this node: set aside as -stray", path,
			 entry->name);
		found_remove(a, a->scan_dir, entry->name, log_dir_set_aside);
		return 0;
	}
	twin = map_get(&a->found, entry->name, strlen(entry->name));
	if (!twin) {
		found_put(&a->found, a, entry);
		return 0;
	}
	other = CONTAINER_OF(twin, struct found, node);
	say_error("%s is in two log directories: the one in %s is set aside as -stray", entry->name,
		  is_assigned ? a->set->dirs[other->dir].log_dir->path : path);
	if (is_assigned) {
		found_remove(a, other->dir, entry->name, log_dir_set_aside);
		other->dir = a->scan_dir;
	} else {
		found_remove(a, a->scan_dir, entry->name, log_dir_set_aside);
	}
	return 0;
}

/* The log that was to be replaced is there: then it is the replica, which has all that was
 * acknowledged. Else the one that was to replace it is, as the controller believes. */
static void apply_futures(struct apply *a)
{
	struct found *found;

	MAP_FOREACH (&a->futures, found, struct found, node) {
		struct log_dir *dir = a->set->dirs[found->dir].log_dir;
		struct err err = {0};

		map_remove(&a->futures, &found->node);
		if (map_get(&a->found, found->name, strlen(found->name))) {
			found_remove(a, found->dir, found->future_name, log_dir_discard);
			free(found);
		} else if (log_dir_promote(dir, found->future_name, &err) < 0) {
			say_error("%s/%s: %s", dir->path, found->future_name, err_message(&err));
			free(found);
		} else {
			say_warn("%s: the log is in no directory that can be read; what had been "
				 "copied to %s takes its place",
				 found->name, dir->path);
			map_put(&a->found, &found->node, found->name, strlen(found->name));
		}
	}
	map_fini(&a->futures);
}

static void apply_scan_dirs(struct apply *a)
{
	struct replica_set *set = a->set;

	for (a->scan_dir = 0; a->scan_dir < set->dir_count; a->scan_dir++) {
		struct err err = {0};

		if (set->dirs[a->scan_dir].is_offline)
			continue;
		if (log_dir_list(set->dirs[a->scan_dir].log_dir, found_add, a, &err) < 0)
			say_error("%s: %s", set->dirs[a->scan_dir].log_dir->path,
				  err_message(&err));
	}
}

static void apply_free_found(struct apply *a)
{
	struct found *found;

	MAP_FOREACH (&a->found, found, struct found, node) {
		map_remove(&a->found, &found->node);
		free(found);
	}
	map_fini(&a->found);
}

static struct found *apply_found(const struct apply *a, const struct partition *p)
{
	char name[LOG_DIR_NAME_MAX];
	int len = snprintf(name, sizeof(name), "%.*s-%d", STR(p->topic), p->index);
	struct map_node *node = map_get(&a->found, name, (size_t)len);

	return node ? CONTAINER_OF(node, struct found, node) : NULL;
}

/* ---- Opening --------------------------------------------------------------------------------- */

struct uuid partition_assigned_dir(const struct replica_set *set,
				   const struct image_partition *from)
{
	for (uint32_t i = 0; i < from->replicas.count; i++)
		if (from->replicas.ids[i] == set->options.node_id)
			return from->directories ? from->directories[i] : DIRECTORY_UNASSIGNED;
	return DIRECTORY_UNASSIGNED;
}

/* Where a new replica goes: the assigned directory, or the one with the fewest, if possible none
 * that is cordoned. -1: nowhere; its log may be in a directory that is offline. */
static int partition_choose_dir(const struct apply *a, const struct image_partition *from)
{
	const struct replica_set *set = a->set;
	struct uuid assigned = partition_assigned_dir(set, from);
	bool has_offline = false, best_is_cordoned = false;
	int best = -1;

	for (unsigned i = 0; i < set->dir_count; i++) {
		const struct replica_dir *dir = &set->dirs[i];
		bool is_cordoned;

		if (dir->is_offline) {
			has_offline = true;
			continue;
		}
		if (uuid_eq(dir->log_dir->meta.directory_id, assigned))
			return (int)i;
		is_cordoned = replica_set_dir_is_cordoned(set, a->image, i);
		if (best < 0 || is_cordoned < best_is_cordoned ||
		    (is_cordoned == best_is_cordoned &&
		     dir->partition_count < set->dirs[best].partition_count)) {
			best = (int)i;
			best_is_cordoned = is_cordoned;
		}
	}
	if (has_offline && !uuid_eq(assigned, DIRECTORY_UNASSIGNED) &&
	    !uuid_eq(assigned, DIRECTORY_LOST))
		return -1;
	return best;
}

static int partition_open_log(struct partition *p, const struct found *found,
			      const struct image_partition *from, struct err *err)
{
	struct replica_set *set = p->set;
	struct log_dir *dir = set->dirs[p->dir].log_dir;
	struct log_options options = LOG_OPTIONS_DEFAULT;
	struct log_config config;
	char *path = log_dir_partition_path(dir, p->topic, p->index);
	int rc;

	partition_log_config(p, &config);
	options.topic_id = p->topic_id;
	options.failed = replica_set_log_failed;
	options.ctx = p;
	/* Checkpoints tell of what was there at start; a partition made later is another one. */
	if (found) {
		options.recovery_point =
			log_dir_offset(dir, LOG_DIR_RECOVERY_POINT, p->topic, p->index, 0);
		options.log_start_offset =
			log_dir_offset(dir, LOG_DIR_LOG_START, p->topic, p->index, 0);
		options.high_watermark =
			log_dir_offset(dir, LOG_DIR_HIGH_WATERMARK, p->topic, p->index, 0);
		options.cleaner_offset =
			log_dir_offset(dir, LOG_DIR_CLEANER, p->topic, p->index, -1);
		options.was_clean = dir->was_clean;
		options.leader_epoch_max = from->leader_epoch;
	}
	rc = log_open(&p->log, set->pool, path, &config, &options, err);
	free(path);
	return rc;
}

static void partition_open(struct apply *a, struct partition *p, const struct image_partition *from)
{
	struct replica_set *set = a->set;
	const struct found *found = apply_found(a, p);
	int chosen = found ? (int)found->dir : partition_choose_dir(a, from);
	const struct log_recovery *recovery;
	struct err err = {0};
	int rc;

	if (chosen < 0) {
		say_error("%.*s-%d: not opened, its log may be in a directory that is offline",
			  STR(p->topic), p->index);
		return;
	}
	p->dir = (unsigned)chosen;
	p->has_dir = true;
	p->assigned_dir = partition_assigned_dir(set, from);
	rc = partition_open_log(p, found, from, &err);
	if (rc < 0) {
		struct replica_dir *dir = &set->dirs[p->dir];

		say_error("%.*s-%d: %s", STR(p->topic), p->index, err_message(&err));
		if (rc > E_SHORT && rc != -ENOSPC && !dir->is_offline) { /* -errno: the disk */
			dir->is_offline = true;
			dir->fail_rc = rc;
			dir->fail_text = xstrdup(err_message(&err));
			REPLICA_SET_FOREACH (set, other)
				if (other->dir == p->dir)
					partition_set_offline(other);
		}
		return;
	}
	if (set->options.dir_chosen && !uuid_eq(p->assigned_dir, replica_set_dir_id(set, p->dir)))
		set->options.dir_chosen(set->options.ctx, p);
	/* Not offline any more; the metadata says which of the two it is. */
	p->role = PARTITION_FOLLOWER;
	set->dirs[p->dir].partition_count++;
	a->opened_count++;
	recovery = log_get_recovery(p->log);
	a->scanned_count += recovery->was_scanned;
	if (recovery->truncated_bytes > 0)
		say_warn("%.*s-%d: recovery cut off %lld bytes that were not whole", STR(p->topic),
			 p->index, (long long)recovery->truncated_bytes);
}

static void apply_open(struct apply *a, const struct image_topic *topic,
		       const struct image_partition *from)
{
	struct partition *p = partition_new(a->set, topic->id, topic->name, from->index);

	a->tried_count += !topic_is_internal(topic->name);
	partition_configure(p, a->image);
	replica_set_add(a->set, p);
	partition_open(a, p, from);
	partition_set_metadata(p, from);
}

/* ---- Deleting -------------------------------------------------------------------------------- */

static void apply_delete(struct apply *a, struct partition *p, enum kafka_error error)
{
	struct replica_set *set = a->set;
	struct log *log = p->log;
	struct err err = {0};

	replica_set_remove(set, p);
	follow_stop(p);
	p->is_move_asked = false;
	partition_cancel_move(p);
	p->log = NULL;
	p->role = PARTITION_OFFLINE;
	partition_drop_waiters(p, error);
	if (log) {
		if (set->cleaner)
			cleaner_forget(set->cleaner, log);
		set->dirs[p->dir].partition_count--;
		if (log_delete(log, &err) < 0)
			say_error("%.*s-%d: cannot delete: %s", STR(p->topic), p->index,
				  err_message(&err));
	}
	if (p->dead_log)
		log_abandon(p->dead_log);
	p->dead_log = NULL;
	partition_free(p);
	a->deleted_count++;
}

/* ---- The difference -------------------------------------------------------------------------- */

/* Whether it is better opened later, so that the partitions that are here are not held up. Not at
 * start: nobody is served yet. Coordinators look for theirs at once, and those are few. */
static bool apply_has_enough(const struct apply *a, const struct image_topic *topic)
{
	const struct replica_options *options = &a->set->options;
	unsigned limit = options->opened_at_once ? options->opened_at_once : OPENED_AT_ONCE;

	if (!a->set->image || a->tried_count == 0 || topic_is_internal(topic->name))
		return false;
	return a->tried_count >= limit || env_mono_us(options->env) - a->started_us > OPENING_US;
}

static void apply_open_later(struct replica_set *set, struct uuid topic_id, int32_t index)
{
	struct opening *o;

	LIST_FOREACH (&set->opening, o, struct opening, link) {
		if (!uuid_eq(o->topic_id, topic_id))
			continue;
		o->next = MIN(o->next, index);
		return;
	}
	o = xcalloc(1, sizeof(*o));
	o->topic_id = topic_id;
	o->next = index;
	list_push_back(&set->opening, &o->link);
}

static void apply_partition(struct apply *a, const struct image_topic *topic,
			    const struct image_partition *to)
{
	struct replica_set *set = a->set;
	struct partition *p;
	bool is_here;

	if (!set->options.owns(set->options.ctx, topic->id, to->index))
		return;
	p = replica_set_find(set, topic->id, to->index);
	is_here = node_list_has(to->replicas, set->options.node_id);
	if (!p && is_here && apply_has_enough(a, topic))
		apply_open_later(set, topic->id, to->index);
	else if (!p && is_here)
		apply_open(a, topic, to);
	else if (p && is_here)
		partition_set_metadata(p, to);
	else if (p)
		apply_delete(a, p, KERR_NOT_LEADER_OR_FOLLOWER);
}

static void apply_topic(void *ctx, const struct image_topic *before,
			const struct image_topic *after)
{
	struct apply *a = ctx;

	if (after) {
		for (int32_t i = 0; i < after->partition_count; i++)
			apply_partition(a, after, &after->partitions[i]);
		return;
	}
	for (int32_t i = 0; i < before->partition_count; i++) {
		struct partition *p = replica_set_find(a->set, before->id, i);

		if (p)
			apply_delete(a, p, KERR_UNKNOWN_TOPIC_OR_PARTITION);
	}
}

/* The configs hold before the partitions change: a smaller ISR may come with a larger
 * min.insync.replicas, and must not be measured by the one before. What may have become possible is
 * looked at when they have changed: who leads no more raises no high watermark. */
static void apply_topic_config(struct apply *a, struct str name, bool is_after)
{
	const struct image_topic *topic = image_topic_by_name(a->image, name);

	for (int32_t i = 0; topic && i < topic->partition_count; i++) {
		struct partition *p = replica_set_find(a->set, topic->id, i);

		if (!p)
			continue;
		if (!is_after) {
			partition_configure(p, a->image);
			continue;
		}
		partition_wake(p);
		partition_advance(p); /* min.insync.replicas may have gone down */
	}
}

static int config_compare(const struct image_config *a, const struct image_config *b)
{
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	return str_cmp(a->name, b->name);
}

/* Both lists are in the same order, and unchanged entries are the same object. */
static void apply_configs(struct apply *a, const struct image *before, bool is_after)
{
	const struct image_config *old = before ? image_config_next(before, NULL) : NULL;
	const struct image_config *new = image_config_next(a->image, NULL);

	while (old || new) {
		int order = !old ? 1 : !new ? -1 : config_compare(old, new);
		const struct image_config *changed = order > 0 ? new : old;

		if ((order != 0 || old != new) && changed->type == CONFIG_RESOURCE_TOPIC)
			apply_topic_config(a, changed->name, is_after);
		if (order <= 0)
			old = image_config_next(before, old);
		if (order >= 0)
			new = image_config_next(a->image, new);
	}
}

/* Unchanged entries are the same object. */
static bool image_nodes_differ(const struct image *before, const struct image *after)
{
	const struct image_broker *a = before ? image_broker_next(before, -1) : NULL;
	const struct image_broker *b = image_broker_next(after, -1);

	while (a && a == b) {
		a = image_broker_next(before, a->id);
		b = image_broker_next(after, b->id);
	}
	return a != b;
}

void replica_set_apply(struct replica_set *set, const struct image *old_image,
		       const struct image *image)
{
	struct apply a;

	if (set->is_closed)
		return;
	a = apply_begin(set, image);
	replica_set_enter(set);
	if (!set->image)
		apply_scan_dirs(&a);
	apply_futures(&a);
	if (set->image)
		apply_configs(&a, old_image, false);
	image_diff_topics(old_image, image, apply_topic, &a);
	if (set->image)
		apply_configs(&a, old_image, true);
	apply_free_found(&a);
	image_unref(set->image);
	set->image = image_ref(image);
	if (image_nodes_differ(old_image, image))
		REPLICA_SET_FOREACH (set, p)
			partition_brokers_changed(p);
	fetchers_apply(set);
	replica_set_leave(set);
	if (a.scanned_count > 0)
		say_info("partitions opened: %u, by recovery: %u, in %lld ms", a.opened_count,
			 a.scanned_count,
			 (long long)(env_mono_us(set->options.env) - a.started_us) / 1000);
	else if (a.opened_count > 0 || a.deleted_count > 0)
		say_debug("partitions opened: %u, deleted: %u", a.opened_count, a.deleted_count);
}

/* ---- Opened later ---------------------------------------------------------------------------- */

static void opening_free(struct opening *o)
{
	list_remove(&o->link);
	free(o);
}

void replica_set_stop_opening(struct replica_set *set)
{
	struct opening *o;

	LIST_FOREACH (&set->opening, o, struct opening, link)
		opening_free(o);
}

/* The topic as it is now; it may be gone. */
static bool opening_step(struct apply *a, struct opening *o)
{
	const struct image_topic *topic = image_topic_by_id(a->image, o->topic_id);

	while (topic && o->next < topic->partition_count && !apply_has_enough(a, topic))
		apply_partition(a, topic, &topic->partitions[o->next++]);
	return topic && o->next < topic->partition_count;
}

void replica_set_open_more(struct replica_set *set)
{
	struct apply a = apply_begin(set, set->image);
	struct opening *o;

	LIST_FOREACH (&set->opening, o, struct opening, link) {
		if (opening_step(&a, o))
			break;
		opening_free(o);
	}
	fetchers_apply(set);
}

void replica_set_open_now(struct replica_set *set, struct uuid topic_id, int32_t index)
{
	const struct image_topic *topic;
	const struct image_partition *to;
	struct apply a;

	/* Nearly always: every write comes by here. */
	if (!replica_set_is_opening(set))
		return;
	if (set->is_closed || replica_set_find(set, topic_id, index))
		return;
	topic = image_topic_by_id(set->image, topic_id);
	to = image_partition(topic, index);
	if (!to)
		return;
	a = apply_begin(set, set->image);
	replica_set_enter(set);
	apply_partition(&a, topic, to);
	fetchers_apply(set);
	replica_set_leave(set);
}

bool replica_set_is_opening(const struct replica_set *set)
{
	return !list_empty(&set->opening);
}
