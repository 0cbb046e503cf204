/* Metadata images on their way to the shards, and the dynamic configs in them. */
#include "server/server_int.h"

#include "base/mem.h"
#include "base/say.h"
#include "group/group.h"
#include "replica/replica.h"

#include <stdio.h>

#define SAY_PLACE "broker/metadata"

struct image_delivery {
	struct task task;
	struct server *server;
	const struct image *image; /* one reference for the shard */
	bool is_first;
};

/* ---- On each shard -------------------------------------------------------------------------- */

/* The dynamic configs of this broker, or of the cluster's default (id ""). */
static const struct image_config *image_broker_config(const struct image *image, const char *id)
{
	return image ? image_config(image, CONFIG_RESOURCE_BROKER, str_of(id)) : NULL;
}

static void shard_apply_configs(struct server_shard *s, const struct image *before,
				const struct image *after)
{
	const struct image_config *own, *cluster;
	const struct config *old = s->shard.config;
	char id[16];

	snprintf(id, sizeof(id), "%d", s->shard.broker->node_id);
	own = image_broker_config(after, id);
	cluster = image_broker_config(after, "");
	if (own == image_broker_config(before, id) && cluster == image_broker_config(before, ""))
		return;
	s->shard.config = config_with_dynamic(
		s->server->config, own ? own->entries : NULL, own ? own->entry_count : 0,
		cluster ? cluster->entries : NULL, cluster ? cluster->entry_count : 0);
	replica_set_configure(s->shard.replicas, s->shard.config);
	group_coordinator_configure(s->shard.groups, s->shard.config);
	if (s->shard.control) {
		control_set_config(s->shard.control, s->shard.config);
		listener_set_limit(&s->server->listener_set, s->shard.config);
	}
	config_unref(old);
}

/* A topic that is gone has no counters any more, unless another of its name is there. */
static void shard_topic_changed(void *ctx, const struct image_topic *before,
				const struct image_topic *after)
{
	struct shard *s = ctx;

	if (!after && !image_topic_by_name(s->image, before->name))
		metrics_forget_topic(s->metrics, before->name);
}

static void image_applied(struct task *task, struct shard *on);

static void image_apply(struct task *task, struct shard *on)
{
	struct image_delivery *delivery = CONTAINER_OF(task, struct image_delivery, task);
	const struct image *before = on->image;

	if (delivery->is_first) {
		/* whatever was shown before: nothing of it was applied */
		image_unref(before);
		before = image_empty();
	}
	shard_apply_configs(shard_impl(on), before, delivery->image);
	replica_set_apply(on->replicas, before, delivery->image);
	if (replica_set_is_opening(on->replicas))
		shard_timer_start(on, &shard_impl(on)->tick_timer, 1);
	group_coordinator_apply(on->groups, before, delivery->image);
	on->image = delivery->image;
	image_diff_topics(before, on->image, shard_topic_changed, on);
	image_unref(before);
	task->run = image_applied;
	shard_post(shard_control(on->broker), task);
}

static void image_shown(struct task *task, struct shard *on);

/* Nothing is done about it: the shard can speak of it, that is all. */
static void image_show(struct task *task, struct shard *on)
{
	struct image_delivery *delivery = CONTAINER_OF(task, struct image_delivery, task);

	image_unref(on->image);
	on->image = delivery->image;
	task->run = image_shown;
	shard_post(shard_control(on->broker), task);
}

/* ---- On shard 0 ----------------------------------------------------------------------------- */

static void images_caught_up(struct server *server)
{
	atomic_store(&server->state, SERVER_RUNNING);
	checkpoints_start(server);
	control_unfence(server->control);
}

void images_begin(struct server *server)
{
	listener_set_start(&server->controller_set);
	if (config_is_broker(server->config))
		return;
	/* It has no partitions to lose: the shards see the log as it is read. */
	server->is_caught_up = true;
	atomic_store(&server->state, SERVER_RUNNING);
	uv_sem_post(&server->ready);
}

/* The doors open when every shard knows that this broker is unfenced: a client that asked earlier
 * would be told of a cluster without brokers, and some do not ask again for minutes. */
static void images_open_doors(struct server *server)
{
	if (!server->is_unfenced || server->is_open || server->applying > 0)
		return;
	server->is_open = true;
	listener_set_start(&server->listener_set);
	uv_sem_post(&server->ready);
}

static void image_applied(struct task *task, struct shard *on UNUSED)
{
	struct image_delivery *delivery = CONTAINER_OF(task, struct image_delivery, task);
	struct server *server = delivery->server;

	free(delivery);
	assert(server->applying > 0);
	server->applying--;
	if (server->applying == 0 && atomic_load(&server->state) == SERVER_STARTING)
		images_caught_up(server);
	images_open_doors(server);
}

/* A controller is asked for features and nodes also before its broker has registered. */
static void images_show(struct server *server)
{
	if (!config_is_controller(server->config) || server->showing > 0)
		return;
	server->shown = server->latest;
	for (unsigned i = 0; i < server->broker.shard_count; i++) {
		struct image_delivery *delivery = xcalloc(1, sizeof(*delivery));

		delivery->task.run = image_show;
		delivery->server = server;
		delivery->image = image_ref(server->latest);
		server->showing++;
		shard_post(server->broker.shards[i], &delivery->task);
	}
}

static void image_shown(struct task *task, struct shard *on UNUSED)
{
	struct image_delivery *delivery = CONTAINER_OF(task, struct image_delivery, task);
	struct server *server = delivery->server;

	free(delivery);
	assert(server->showing > 0);
	server->showing--;
	if (!server->is_caught_up && server->shown != server->latest)
		images_show(server);
}

/* Each shard gets every image, so that an operation's answer never overtakes what it changed. */
static void images_deliver(struct server *server)
{
	bool is_first = !server->has_delivered;

	server->has_delivered = true;
	for (unsigned i = 0; i < server->broker.shard_count; i++) {
		struct image_delivery *delivery = xcalloc(1, sizeof(*delivery));

		delivery->task.run = image_apply;
		delivery->server = server;
		delivery->image = image_ref(server->latest);
		delivery->is_first = is_first;
		server->applying++;
		shard_post(server->broker.shards[i], &delivery->task);
	}
}

/* While the log is replayed the shards wait: a half-read log would look to them as if topics were
 * gone. */
void server_on_image(void *ctx, const struct image *image)
{
	struct server *server = ctx;

	image_unref(server->latest);
	server->latest = image;
	if (server->is_caught_up)
		images_deliver(server);
	else
		images_show(server);
}

void server_on_caught_up(void *ctx)
{
	struct server *server = ctx;

	if (server->is_caught_up)
		return; /* no broker: images_begin() */
	assert(server->latest);
	say_info("metadata is read up to offset %lld: opening the partitions",
		 (long long)image_offset(server->latest));
	server->is_caught_up = true;
	images_deliver(server);
}

void server_on_ready(void *ctx)
{
	struct server *server = ctx;

	server->is_unfenced = true;
	images_open_doors(server);
}
