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

/* The wait before another try; it doubles with each. */
#define RETRY_MS_MIN 100
#define RETRY_MS_MAX 10000

struct dir_choice {
	struct uuid dir_id, topic_id;
	int32_t index;
};

/* Choices of one turn, or of one that failed; then the operation. */
struct dir_batch {
	struct shard *shard;
	struct timer timer;
	unsigned failure_count; /* in a row */
	struct control_op op;
	struct arena arena;
	struct dir_choice *items;
	size_t count, cap;
};

void assign_dirs_free(struct dir_batch *batch)
{
	if (!batch)
		return;
	shard_timer_stop(batch->shard, &batch->timer);
	arena_fini(&batch->arena);
	free(batch->items);
	free(batch);
}

static void batch_add(struct dir_batch *batch, const struct dir_choice *choice)
{
	batch->items = grow_array(batch->items, batch->count, &batch->cap, sizeof(*batch->items));
	batch->items[batch->count++] = *choice;
}

static void batch_send(struct timer *timer, struct shard *on);

static struct dir_batch *batch_new(struct shard *s)
{
	struct dir_batch *batch = xcalloc(1, sizeof(*batch));

	batch->shard = s;
	batch->timer.fire = batch_send;
	arena_init(&batch->arena);
	return batch;
}

/* Those whose replica still is, or is to be, where it was then, also if that directory has failed:
 * only who knows where a replica is can tell that it is gone. */
static void batch_retry(struct dir_batch *batch)
{
	struct shard *s = batch->shard;
	int64_t wait_ms =
		MIN((int64_t)RETRY_MS_MIN << MIN(batch->failure_count, 10u), RETRY_MS_MAX);
	bool is_first = !s->dir_batch;

	if (is_first)
		s->dir_batch = batch_new(s);
	s->dir_batch->failure_count = batch->failure_count + 1;
	for (size_t i = 0; i < batch->count; i++) {
		const struct dir_choice *choice = &batch->items[i];
		const struct partition *p =
			replica_set_find(s->replicas, choice->topic_id, choice->index);

		if (p && uuid_eq(partition_wanted_dir(p), choice->dir_id))
			batch_add(s->dir_batch, choice);
	}
	if (is_first)
		shard_timer_start(s, &s->dir_batch->timer, wait_ms);
}

static void batch_done(struct control_op *op)
{
	struct dir_batch *batch = CONTAINER_OF(op, struct dir_batch, op);
	const struct assign_replicas_to_dirs_response *response = op->response;
	enum kafka_error error =
		op->error != KERR_NONE ? op->error : (enum kafka_error)response->error_code;

	if (error != KERR_NONE) {
		say_debug("the controller did not take the directories of %zu replicas: %s",
			  batch->count, kafka_error_name(error));
		batch_retry(batch);
	}
	assign_dirs_free(batch);
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

static void batch_send(struct timer *timer, struct shard *on)
{
	struct dir_batch *batch = CONTAINER_OF(timer, struct dir_batch, timer);
	const struct image_broker *self = image_broker(on->image, on->broker->node_id);
	struct assign_replicas_to_dirs_request *request;

	on->dir_batch = NULL;
	if (batch->count == 0) {
		assign_dirs_free(batch);
		return;
	}
	request = batch_request(batch);
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
	if (!s->dir_batch) {
		s->dir_batch = batch_new(s);
		shard_timer_start(s, &s->dir_batch->timer, 0);
	}
	batch_add(s->dir_batch, &(struct dir_choice){
					.dir_id = partition_wanted_dir(p),
					.topic_id = p->topic_id,
					.index = p->index,
				});
}
