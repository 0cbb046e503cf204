#include "api/assign_dirs.h"

#include "shard/shard.h"
#include "base/arena.h"
#include "base/mem.h"
#include "base/say.h"
#include "controller/control.h"
#include "replica/replica.h"
#include "wire/codec.h"
#include "wire/messages.h"

#define SAY_PLACE "broker/api"

struct dir_choice {
	struct uuid dir_id, topic_id;
	int32_t index;
};

/* Choices of one turn, then the operation. */
struct dir_batch {
	struct task task;
	struct control_op op;
	struct arena arena;
	struct dir_choice *items;
	size_t count, cap;
};

static void batch_done(struct control_op *op)
{
	struct dir_batch *batch = CONTAINER_OF(op, struct dir_batch, op);

	/* Nothing depends on it now; the next start finds the replicas and tells again. */
	if (op->error != KERR_NONE)
		say_warn("the controller did not take the directories of %zu replicas: %s",
			 batch->count, kafka_error_name(op->error));
	arena_fini(&batch->arena);
	free(batch->items);
	free(batch);
}

/* One entry per replica: directories and topics may repeat. */
static struct assign_replicas_to_dirs_request *batch_request(struct dir_batch *batch)
{
	struct arena *arena = &batch->arena;
	struct assign_replicas_to_dirs_request *request =
		WIRE_NEW(arena, assign_replicas_to_dirs_request);

	request->directories_count = (int32_t)batch->count;
	request->directories =
		WIRE_ARRAY(arena, assign_replicas_to_dirs_request_directory_data, batch->count);
	for (size_t i = 0; i < batch->count; i++) {
		struct assign_replicas_to_dirs_request_directory_data *dir =
			&request->directories[i];

		dir->id = batch->items[i].dir_id;
		dir->topics_count = 1;
		dir->topics = WIRE_NEW(arena, assign_replicas_to_dirs_request_topic_data);
		dir->topics->topic_id = batch->items[i].topic_id;
		dir->topics->partitions_count = 1;
		dir->topics->partitions =
			WIRE_NEW(arena, assign_replicas_to_dirs_request_partition_data);
		dir->topics->partitions->partition_index = batch->items[i].index;
	}
	return request;
}

static void batch_send(struct task *task, struct shard *on)
{
	struct dir_batch *batch = CONTAINER_OF(task, struct dir_batch, task);
	const struct image_broker *self = image_broker(on->image, on->broker->node_id);
	struct assign_replicas_to_dirs_request *request = batch_request(batch);

	on->dir_batch = NULL;
	request->broker_id = on->broker->node_id;
	request->broker_epoch = self ? self->epoch : -1;
	batch->op = (struct control_op){
		.kind = CONTROL_ASSIGN_DIRS,
		.request = request,
		.response = WIRE_NEW(&batch->arena, assign_replicas_to_dirs_response),
		.arena = &batch->arena,
		.done = batch_done,
	};
	control_submit(on, &batch->op);
}

void assign_dirs_note(struct shard *s, const struct partition *p)
{
	struct dir_batch *batch = s->dir_batch;

	if (!batch) {
		batch = s->dir_batch = xcalloc(1, sizeof(*batch));
		arena_init(&batch->arena);
		batch->task.run = batch_send;
		shard_post(s, &batch->task);
	}
	batch->items = grow_array(batch->items, batch->count, &batch->cap, sizeof(*batch->items));
	batch->items[batch->count++] = (struct dir_choice){
		.dir_id = replica_set_dir_id(p->set, p->dir),
		.topic_id = p->topic_id,
		.index = p->index,
	};
}
