/* What members of a consumer group tell each other: subscriptions and assignments, the bytes in
 * JoinGroup and SyncGroup. A version number, then the message of that version; newer versions only
 * append, so they are read as the newest we know. */
#define SAY_PLACE "client/subscription"
#include "client/consumer_int.h"

#include "base/mem.h"
#include "base/say.h"

#define SUBSCRIPTION_VERSION 3
#define ASSIGNMENT_VERSION 3
/* One member's subscription or assignment, as we write it. */
#define SUBSCRIPTION_BYTES_MAX (64 * 1024 * 1024)

static struct slice out_to_arena(struct out *o, struct arena *arena)
{
	struct slice s = {NULL, arena_memdup(arena, o->data, o->len), o->len};

	out_fini(o);
	return s;
}

static void out_be16(struct out *o, int16_t n)
{
	uint8_t bytes[2];

	put_be16(bytes, (uint16_t)n);
	out_bytes(o, bytes, 2);
}

static void out_be32(struct out *o, int32_t n)
{
	uint8_t bytes[4];

	put_be32(bytes, (uint32_t)n);
	out_bytes(o, bytes, 4);
}

/* Owned partitions, by topic. */
static int32_t owned_topics(struct consumer *k, struct arena *arena,
			    struct consumer_protocol_subscription_topic_partition **out)
{
	struct consumer_protocol_subscription_topic_partition *topics =
		WIRE_ARRAY(arena, consumer_protocol_subscription_topic_partition,
			   k->parts.count + 1);
	struct kpart *part;
	int32_t count = 0;

	LIST_FOREACH(&k->part_list, part, struct kpart, link)
	{
		int32_t i = 0;

		while (i < count && !str_eq(topics[i].topic, part->topic))
			i++;
		if (i == count) {
			topics[count++].topic = part->topic;
			topics[i].partitions =
				arena_array(arena, k->parts.count, sizeof(int32_t));
		}
		topics[i].partitions[topics[i].partitions_count++] = part->index;
	}
	*out = topics;
	return count;
}

/* The sticky assignors' own data: what the member had, and since when. */
static struct slice sticky_data(const struct consumer_protocol_subscription *s,
				enum assignor assignor, int32_t generation, struct arena *arena)
{
	struct out o;

	out_init(&o, SUBSCRIPTION_BYTES_MAX);
	if (assignor == ASSIGNOR_STICKY) {
		out_be32(&o, s->owned_partitions_count);
		for (int32_t i = 0; i < s->owned_partitions_count; i++) {
			out_be16(&o, (int16_t)s->owned_partitions[i].topic.len);
			out_bytes(&o, s->owned_partitions[i].topic.data,
				  s->owned_partitions[i].topic.len);
			out_be32(&o, s->owned_partitions[i].partitions_count);
			for (int32_t j = 0; j < s->owned_partitions[i].partitions_count; j++)
				out_be32(&o, s->owned_partitions[i].partitions[j]);
		}
	}
	out_be32(&o, generation);
	return out_to_arena(&o, arena);
}

struct slice subscription_encode(struct consumer *k, enum assignor assignor, struct arena *arena)
{
	struct consumer_protocol_subscription s;
	struct err err = {0};
	struct out o;

	WIRE_INIT(consumer_protocol_subscription, &s);
	s.topics = k->topics;
	s.topics_count = (int32_t)k->topic_count;
	s.owned_partitions_count = owned_topics(k, arena, &s.owned_partitions);
	s.generation_id = k->member.generation;
	if (k->rack)
		s.rack_id = str_of(k->rack);
	if (assignor == ASSIGNOR_STICKY || assignor == ASSIGNOR_COOPERATIVE_STICKY)
		s.user_data = sticky_data(&s, assignor, k->member.generation, arena);
	/* Eager members have given up what they had; the sticky data keeps it. */
	if (!assignor_is_cooperative(assignor))
		s.owned_partitions_count = 0;
	out_init(&o, SUBSCRIPTION_BYTES_MAX);
	out_be16(&o, SUBSCRIPTION_VERSION);
	if (message_encode(&consumer_protocol_subscription_desc, SUBSCRIPTION_VERSION, &s, &o, NULL,
			   &err) < 0)
		say_warn("%s", err.text);
	return out_to_arena(&o, arena);
}

/* What `sticky` members had, from their own data: topics, partitions, generation. */
static void sticky_parse(struct slice data, struct arena *arena, struct assign_member *out)
{
	const uint8_t *p = data.data, *end = p + data.len;
	size_t cap = data.len / 4 + 1;
	uint32_t topics;

	if (data.len < 4)
		return;
	out->owned = arena_array(arena, cap, sizeof(*out->owned));
	out->owned_count = 0;
	topics = be32(p);
	p += 4;
	for (uint32_t i = 0; i < topics && end - p >= 2; i++) {
		struct str topic = {(const char *)p + 2, be16(p)};
		uint32_t count;

		p += 2;
		if ((size_t)(end - p) < topic.len + 4)
			return;
		p += topic.len;
		count = be32(p);
		p += 4;
		for (uint32_t j = 0; j < count && end - p >= 4; j++, p += 4) {
			if (out->owned_count == cap)
				return;
			out->owned[out->owned_count].topic = topic;
			out->owned[out->owned_count++].partition = (int32_t)be32(p);
		}
	}
	out->generation = end - p >= 4 ? (int32_t)be32(p) : -1;
}

int subscription_decode(struct slice bytes, enum assignor assignor, struct arena *arena,
			struct assign_member *out)
{
	struct consumer_protocol_subscription *s =
		WIRE_NEW(arena, consumer_protocol_subscription);
	struct slice body;
	size_t used, count = 0;
	int16_t version;
	int rc;

	if (bytes.len < 2)
		return E_SHORT;
	version = (int16_t)be16(bytes.data);
	if (version < 0)
		return E_MALFORMED;
	body = (struct slice){bytes.buf, bytes.data + 2, bytes.len - 2};
	rc = message_decode(&consumer_protocol_subscription_desc,
			    MIN(version, (int16_t)SUBSCRIPTION_VERSION), body, &used, arena, s,
			    NULL);
	if (rc < 0)
		return rc;
	out->topics = s->topics;
	out->topic_count = (size_t)s->topics_count;
	out->generation = s->generation_id;
	for (int32_t i = 0; i < s->owned_partitions_count; i++)
		count += (size_t)s->owned_partitions[i].partitions_count;
	out->owned = arena_array(arena, count + 1, sizeof(*out->owned));
	for (int32_t i = 0; i < s->owned_partitions_count; i++)
		for (int32_t j = 0; j < s->owned_partitions[i].partitions_count; j++) {
			out->owned[out->owned_count].topic = s->owned_partitions[i].topic;
			out->owned[out->owned_count++].partition =
				s->owned_partitions[i].partitions[j];
		}
	if (assignor == ASSIGNOR_STICKY)
		sticky_parse(s->user_data, arena, out);
	else if (assignor == ASSIGNOR_COOPERATIVE_STICKY && s->user_data.len >= 4 &&
		 out->generation < 0)
		out->generation = (int32_t)be32(s->user_data.data);
	return 0;
}

struct slice assignment_encode(const struct assign_member *m, const struct assign_topic *topics,
			       struct arena *arena)
{
	struct consumer_protocol_assignment a;
	struct out o;
	int32_t n = -1;

	WIRE_INIT(consumer_protocol_assignment, &a);
	a.assigned_partitions = WIRE_ARRAY(arena, consumer_protocol_assignment_topic_partition,
					   m->assigned_count + 1);
	/* Ordered by topic. */
	for (size_t i = 0; i < m->assigned_count; i++) {
		struct consumer_protocol_assignment_topic_partition *t;

		if (i == 0 || m->assigned[i].topic != m->assigned[i - 1].topic) {
			t = &a.assigned_partitions[++n];
			t->topic = topics[m->assigned[i].topic].name;
			t->partitions = arena_array(arena, m->assigned_count, sizeof(int32_t));
		}
		t = &a.assigned_partitions[n];
		t->partitions[t->partitions_count++] = m->assigned[i].partition;
	}
	a.assigned_partitions_count = n + 1;
	out_init(&o, SUBSCRIPTION_BYTES_MAX);
	out_be16(&o, ASSIGNMENT_VERSION);
	if (message_encode(&consumer_protocol_assignment_desc, ASSIGNMENT_VERSION, &a, &o, NULL,
			   NULL) < 0)
		say_warn("an assignment cannot be encoded");
	return out_to_arena(&o, arena);
}
