/* DescribeLogDirs and AlterReplicaLogDirs: where replicas lie on this node's disks.
 * Source: ReplicaManager.describeLogDirs, alterReplicaLogDirs. */
#include "api/fanout.h"
#include "api/handlers.h"
#include "api/partitions.h"
#include "wire/codec.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

/* The directory's name as clients know it: absolute. */
static struct str dir_path(struct request *r, unsigned dir)
{
	const char *path = replica_set_dir_path(r->shard->replicas, dir);
	char *absolute = realpath(path, NULL);
	struct str copy = str_of(arena_strdup(&r->arena, absolute ? absolute : path));

	free(absolute);
	return copy;
}

/* ---- DescribeLogDirs ----------------------------------------------------------------------- */

/* What a shard says of one of its partitions. */
struct dir_item {
	struct str topic;
	int32_t index;
	bool is_here, has_future;
	unsigned dir, future_dir;
	int64_t size_bytes, offset_lag;
	int64_t future_size_bytes, future_offset_lag;
};

static void describe_visit(struct fanout_part *part)
{
	FANOUT_FOREACH(part, at)
	{
		struct dir_item *item = at->out;
		struct partition *p = replica_set_find(part->on->replicas, at->topic_id, at->index);

		if (!p || !p->log)
			continue;
		item->is_here = true;
		item->dir = p->dir;
		item->size_bytes = log_size_bytes(p->log);
		item->offset_lag =
			MAX(partition_high_watermark(p) - partition_log_end_offset(p), 0);
		if (!p->future)
			continue;
		item->has_future = true;
		item->future_dir = p->future_dir;
		item->future_size_bytes = log_size_bytes(p->future);
		item->future_offset_lag = partition_log_end_offset(p) - log_end_offset(p->future);
	}
}

/* The partitions of one directory, in the order of the items (topic by topic). */
static void describe_fill_topics(struct fanout *f, unsigned dir,
				 struct describe_log_dirs_response_result *out)
{
	struct arena *arena = &f->request->arena;
	struct describe_log_dirs_response_partition *partitions =
		WIRE_ARRAY(arena, describe_log_dirs_response_partition, 2 * f->item_count);
	struct describe_log_dirs_response_topic *topic = NULL;
	unsigned count = 0;

	out->topics = WIRE_ARRAY(arena, describe_log_dirs_response_topic, f->item_count);
	for (unsigned i = 0; i < 2 * f->item_count; i++) {
		const struct dir_item *item = f->items[i / 2].out;
		bool is_future = i % 2;
		struct describe_log_dirs_response_partition *p = &partitions[count];

		if (is_future ? !item->has_future || item->future_dir != dir
			      : !item->is_here || item->dir != dir)
			continue;
		if (!topic || !str_eq(topic->name, item->topic)) {
			topic = &out->topics[out->topics_count++];
			topic->name = item->topic;
			topic->partitions = p;
		}
		p->partition_index = item->index;
		p->is_future_key = is_future;
		p->partition_size = is_future ? item->future_size_bytes : item->size_bytes;
		p->offset_lag = is_future ? item->future_offset_lag : item->offset_lag;
		topic->partitions_count++;
		count++;
	}
}

static void describe_fill_volume(struct describe_log_dirs_response_result *out, const char *path)
{
	struct statvfs fs;

	if (statvfs(path, &fs) < 0)
		return;
	out->total_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
	out->usable_bytes = (int64_t)(fs.f_bavail * fs.f_frsize);
}

static void describe_answer(struct fanout *f)
{
	struct request *r = f->request;
	struct replica_set *set = r->shard->replicas;
	struct describe_log_dirs_response *response = r->response;
	unsigned dir_count = replica_set_dir_count(set);

	response->results = WIRE_ARRAY(&r->arena, describe_log_dirs_response_result, dir_count);
	response->results_count = (int32_t)dir_count;
	for (unsigned dir = 0; dir < dir_count; dir++) {
		struct describe_log_dirs_response_result *out = &response->results[dir];

		out->log_dir = dir_path(r, dir);
		if (replica_set_dir_is_offline(set, dir)) {
			out->error_code = KERR_KAFKA_STORAGE_ERROR;
			continue;
		}
		out->is_cordoned = replica_set_dir_is_cordoned(set, r->shard->image, dir);
		describe_fill_topics(f, dir, out);
		describe_fill_volume(out, out->log_dir.data);
	}
}

static void describe_add(struct fanout *f, const struct image_topic *topic, int32_t index)
{
	const struct image_partition *partition = image_partition(topic, index);
	struct request *r = f->request;
	struct dir_item *item;

	if (!partition || !node_list_has(partition->replicas, r->shard->broker->node_id))
		return;
	item = arena_zalloc(&r->arena, sizeof(*item));
	item->topic = str_dup(&r->arena, topic->name); /* the image may be gone by then */
	item->index = index;
	fanout_add(f, topic->id, index, NULL, item);
}

static struct fanout *describe_all(struct request *r)
{
	const struct image *image = r->shard->image;
	const struct image_topic *topic;
	unsigned count = 0;
	struct fanout *f;

	for (topic = image_topic_next(image, STR_NULL); topic;
	     topic = image_topic_next(image, topic->name))
		count += (unsigned)topic->partition_count;
	f = fanout_new(r, count, describe_visit, describe_answer);
	for (topic = image_topic_next(image, STR_NULL); topic;
	     topic = image_topic_next(image, topic->name))
		for (int32_t i = 0; i < topic->partition_count; i++)
			describe_add(f, topic, i);
	return f;
}

static struct fanout *describe_some(struct request *r)
{
	const struct describe_log_dirs_request *body = r->body;
	unsigned count = 0;
	struct fanout *f;

	for (int32_t i = 0; i < body->topics_count; i++)
		count += (unsigned)body->topics[i].partitions_count;
	f = fanout_new(r, count, describe_visit, describe_answer);
	for (int32_t i = 0; i < body->topics_count; i++) {
		const struct image_topic *topic =
			image_topic_by_name(r->shard->image, body->topics[i].topic);

		for (int32_t j = 0; j < body->topics[i].partitions_count; j++)
			describe_add(f, topic, body->topics[i].partitions[j]);
	}
	return f;
}

void handle_describe_log_dirs(struct request *r)
{
	const struct describe_log_dirs_request *body = r->body;

	fanout_start(body->topics_count < 0 ? describe_all(r) : describe_some(r));
	request_done(r);
}

/* ---- AlterReplicaLogDirs ------------------------------------------------------------------- */

#define FUTURE_SUFFIX_LEN (1 + 32 + 7) /* ".HEX-future" */

struct move_item {
	unsigned dir;
	struct alter_replica_log_dirs_response_alter_replica_log_dir_partition_result *out;
};

static void move_visit(struct fanout_part *part)
{
	FANOUT_FOREACH(part, at)
	{
		struct move_item *item = at->out;
		struct partition *p = replica_set_find(part->on->replicas, at->topic_id, at->index);

		item->out->error_code =
			p ? (int16_t)partition_move(p, item->dir) : KERR_REPLICA_NOT_AVAILABLE;
	}
}

/* The number of the directory of that path; -1: not one of ours. */
static int move_find_dir(struct request *r, struct str path)
{
	struct replica_set *set = r->shard->replicas;

	for (unsigned dir = 0; dir < replica_set_dir_count(set); dir++)
		if (str_eq(path, dir_path(r, dir)) || str_is(path, replica_set_dir_path(set, dir)))
			return (int)dir;
	return -1;
}

static enum kafka_error move_check(struct request *r, struct str topic, int32_t index, int dir)
{
	char number[16];
	int number_len = snprintf(number, sizeof(number), "-%d", index);

	if (topic.len + (size_t)number_len + FUTURE_SUFFIX_LEN > 255)
		return KERR_INVALID_TOPIC_EXCEPTION;
	if (dir < 0)
		return KERR_LOG_DIR_NOT_FOUND;
	if (replica_set_dir_is_offline(r->shard->replicas, (unsigned)dir))
		return KERR_KAFKA_STORAGE_ERROR;
	if (replica_set_dir_is_cordoned(r->shard->replicas, r->shard->image, (unsigned)dir))
		return KERR_INVALID_REPLICA_ASSIGNMENT;
	return image_partition(image_topic_by_name(r->shard->image, topic), index)
		       ? KERR_NONE
		       : KERR_REPLICA_NOT_AVAILABLE;
}

static void
move_split_topic(struct request *r, struct fanout *f, int dir,
		 const struct alter_replica_log_dirs_request_alter_replica_log_dir_topic *in,
		 struct alter_replica_log_dirs_response_alter_replica_log_dir_topic_result *out)
{
	out->topic_name = in->name;
	out->partitions_count = in->partitions_count;
	out->partitions = WIRE_ARRAY(
		&r->arena, alter_replica_log_dirs_response_alter_replica_log_dir_partition_result,
		in->partitions_count);
	for (int32_t i = 0; i < in->partitions_count; i++) {
		enum kafka_error error = move_check(r, in->name, in->partitions[i], dir);
		struct move_item *item;

		out->partitions[i].partition_index = in->partitions[i];
		out->partitions[i].error_code = (int16_t)error;
		if (error != KERR_NONE)
			continue;
		item = arena_zalloc(&r->arena, sizeof(*item));
		item->dir = (unsigned)dir;
		item->out = &out->partitions[i];
		fanout_add(f, topic_id_of(r->shard->image, in->name), in->partitions[i], NULL,
			   item);
	}
}

void handle_alter_replica_log_dirs(struct request *r)
{
	const struct alter_replica_log_dirs_request *body = r->body;
	struct alter_replica_log_dirs_response *response = r->response;
	unsigned partition_count = 0, topic_count = 0;
	struct fanout *f;

	for (int32_t i = 0; i < body->dirs_count; i++) {
		topic_count += (unsigned)body->dirs[i].topics_count;
		for (int32_t j = 0; j < body->dirs[i].topics_count; j++)
			partition_count += (unsigned)body->dirs[i].topics[j].partitions_count;
	}
	f = fanout_new(r, partition_count, move_visit, NULL);
	response->results = WIRE_ARRAY(
		&r->arena, alter_replica_log_dirs_response_alter_replica_log_dir_topic_result,
		topic_count);
	for (int32_t i = 0; i < body->dirs_count; i++) {
		int dir = move_find_dir(r, body->dirs[i].path);

		for (int32_t j = 0; j < body->dirs[i].topics_count; j++)
			move_split_topic(r, f, dir, &body->dirs[i].topics[j],
					 &response->results[response->results_count++]);
	}
	fanout_start(f);
	request_done(r);
}
