#include "api/describe.h"

#define TOPIC_NAME_LEN_MAX 249

static int32_t *ids_of(struct node_list list)
{
	return (int32_t *)(uintptr_t)list.ids;	/* responses are only read */
}

/* Can clients of this listener use replica `i`? */
static bool replica_is_online(struct request *r, const struct image_partition *p, uint32_t i)
{
	const struct image_broker *broker = image_broker(r->shard->image, p->replicas.ids[i]);

	return broker && !broker->fenced && image_broker_endpoint(broker, str_of(r->listener)) &&
	       image_broker_dir_online(broker, p->directories[i]);
}

void partition_view(struct request *r, const struct image_partition *p, struct partition_view *out)
{
	const struct image_broker *leader =
		p->leader >= 0 ? image_broker(r->shard->image, p->leader) : NULL;

	*out = (struct partition_view){
		.leader_id = p->leader,
		.replicas = ids_of(p->replicas),
		.replica_count = (int32_t)p->replicas.count,
		.isr = ids_of(p->isr),
		.isr_count = (int32_t)p->isr.count,
		.offline = arena_array(&r->arena, p->replicas.count, sizeof(int32_t)),
	};
	if (!leader)
		out->error = KERR_LEADER_NOT_AVAILABLE;
	else if (!image_broker_endpoint(leader, str_of(r->listener)))
		out->error = KERR_LISTENER_NOT_FOUND;
	if (out->error)
		out->leader_id = -1;
	for (uint32_t i = 0; i < p->replicas.count; i++)
		if (!replica_is_online(r, p, i))
			out->offline[out->offline_count++] = p->replicas.ids[i];
}

int32_t any_broker_id(const struct request *r)
{
	const struct image *image = r->shard->image;
	int32_t chosen = -1;
	uint32_t seen = 0;

	for (const struct image_broker *b = image_broker_next(image, -1); b;
	     b = image_broker_next(image, b->id)) {
		uint32_t word;

		if (b->fenced || !image_broker_endpoint(b, str_of(r->listener)))
			continue;
		if (seen++ > 0) {
			r->shard->env->ops->random(r->shard->env, &word, sizeof(word));
			if (word % seen)
				continue;
		}
		chosen = b->id;
	}
	return chosen;
}

bool topic_name_is_valid(struct str name)
{
	if (name.len == 0 || name.len > TOPIC_NAME_LEN_MAX || str_is(name, ".") ||
	    str_is(name, ".."))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.data[i];

		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
		    c != '.' && c != '_' && c != '-')
			return false;
	}
	return true;
}

bool node_id_of(struct str text, int32_t *id)
{
	int64_t value = 0;
	size_t i = text.len > 1 && (text.data[0] == '-' || text.data[0] == '+');

	if (text.len == 0 || text.len > sizeof("-2147483648"))
		return false;
	for (; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (text.data[i] - '0');
	}
	if (text.data[0] == '-')
		value = -value;
	*id = (int32_t)value;
	return value >= INT32_MIN && value <= INT32_MAX;
}
