/* Topics that come into being because somebody asked for them. */
#include "base/mem.h"
#include "base/say.h"
#include "controller/control_int.h"

#define SAY_PLACE "broker/controller"

struct auto_create {
	struct task task;
	struct list_node link;
	struct control *control;
	struct control_op op;
	struct arena arena;
	char name[];
};

static void add_config(struct create_topics_request_creatable_topic *t, const char *name,
		       const char *value)
{
	struct create_topics_request_creatable_topic_config *config =
		&t->configs[t->configs_count++];

	config->name = str_of(name);
	config->value = str_of(value);
}

static const char *number(struct auto_create *a, const struct config *c, enum config_key key)
{
	return arena_printf(&a->arena, "%lld", (long long)config_i64(c, key));
}

/* Topics of the brokers themselves have counts and configs of their own. */
static void fill_internal(struct auto_create *a, const struct config *c,
			  struct create_topics_request_creatable_topic *t)
{
	t->configs = WIRE_ARRAY(&a->arena, create_topics_request_creatable_topic_config, 5);
	if (str_is(t->name, "__consumer_offsets")) {
		t->num_partitions = config_i32(c, CONFIG_OFFSETS_TOPIC_NUM_PARTITIONS);
		t->replication_factor =
			(int16_t)config_i32(c, CONFIG_OFFSETS_TOPIC_REPLICATION_FACTOR);
		add_config(t, "cleanup.policy", "compact");
		add_config(t, "compression.type", "producer");
		add_config(t, "segment.bytes", number(a, c, CONFIG_OFFSETS_TOPIC_SEGMENT_BYTES));
	} else if (str_is(t->name, "__transaction_state")) {
		t->num_partitions = config_i32(c, CONFIG_TRANSACTION_STATE_LOG_NUM_PARTITIONS);
		t->replication_factor =
			(int16_t)config_i32(c, CONFIG_TRANSACTION_STATE_LOG_REPLICATION_FACTOR);
		add_config(t, "unclean.leader.election.enable", "false");
		add_config(t, "compression.type", "uncompressed");
		add_config(t, "cleanup.policy", "compact");
		add_config(t, "min.insync.replicas",
			   number(a, c, CONFIG_TRANSACTION_STATE_LOG_MIN_ISR));
		add_config(t, "segment.bytes",
			   number(a, c, CONFIG_TRANSACTION_STATE_LOG_SEGMENT_BYTES));
	} else if (str_is(t->name, "__share_group_state")) {
		t->num_partitions =
			config_i32(c, CONFIG_SHARE_COORDINATOR_STATE_TOPIC_NUM_PARTITIONS);
		t->replication_factor = (int16_t)config_i32(
			c, CONFIG_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR);
		add_config(t, "cleanup.policy", "delete");
		add_config(t, "compression.type", "uncompressed");
		add_config(t, "min.insync.replicas",
			   number(a, c, CONFIG_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR));
		add_config(t, "segment.bytes",
			   number(a, c, CONFIG_SHARE_COORDINATOR_STATE_TOPIC_SEGMENT_BYTES));
		add_config(t, "retention.ms", "-1");
	}
}

static void auto_create_free(struct auto_create *a)
{
	list_remove(&a->link);
	arena_fini(&a->arena);
	free(a);
}

static void auto_create_done(struct control_op *op)
{
	struct auto_create *a = CONTAINER_OF(op, struct auto_create, op);
	struct create_topics_response *response = op->response;
	const struct create_topics_response_creatable_topic_result *result = response->topics;

	if (response->topics_count != 1) /* another node's words */
		say_warn("topic %s was asked for, but the controller says nothing of it", a->name);
	else if (result->error_code && result->error_code != KERR_TOPIC_ALREADY_EXISTS)
		say_warn("topic %s was asked for and could not be created: %s %.*s", a->name,
			 kafka_error_name(result->error_code), STR(result->error_message));
	auto_create_free(a);
}

static bool is_under_way(const struct control *c, const char *name)
{
	const struct auto_create *other;

	LIST_FOREACH (&c->auto_creates, other, struct auto_create, link)
		if (strcmp(other->name, name) == 0)
			return true;
	return false;
}

static void auto_create_arrived(struct control *c, struct auto_create *a)
{
	struct create_topics_request *request;

	if (is_under_way(c, a->name) || c->life.state == LIFE_STOPPED ||
	    (c->latest && image_topic_by_name(c->latest, str_of(a->name)))) {
		auto_create_free(a);
		return;
	}
	list_push_back(&c->auto_creates, &a->link);
	a->control = c;
	request = WIRE_NEW(&a->arena, create_topics_request);
	request->topics = WIRE_ARRAY(&a->arena, create_topics_request_creatable_topic, 1);
	request->topics_count = 1;
	request->topics[0].name = str_of(a->name);
	request->topics[0].num_partitions = -1;
	request->topics[0].replication_factor = -1;
	fill_internal(a, c->options.config, &request->topics[0]);
	a->op = (struct control_op){
		.kind = CONTROL_CREATE_TOPICS,
		.version = 7,
		.request = request,
		.response = WIRE_NEW(&a->arena, create_topics_response),
		.arena = &a->arena,
		.done = auto_create_done,
	};
	control_submit_own(c, &a->op);
}

static void auto_create_run(struct task *task, struct shard *on)
{
	struct auto_create *a = CONTAINER_OF(task, struct auto_create, task);

	if (on->control)
		auto_create_arrived(on->control, a);
	else
		auto_create_free(a);
}

void control_auto_create(struct shard *from, struct str topic_name)
{
	struct auto_create *a = xcalloc(1, sizeof(*a) + topic_name.len + 1);

	memcpy(a->name, topic_name.data, topic_name.len);
	arena_init(&a->arena);
	a->task.run = auto_create_run;
	shard_post(shard_control(from->broker), &a->task);
}
