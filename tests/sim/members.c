/* The members of a group that shares the partitions of the topic: they join, leave, die, come back,
 * and fall silent for longer than their session lasts. One of them is static. What their group owes
 * them is in team.c.
 *
 * Whoever leads a generation deals the partitions out as it likes, and again when there are more.
 */
#include "sim/clients.h"

#include "base/say.h"

#include <inttypes.h>
#include <stdio.h>

#define SAY_PLACE "sim"
#define SESSION_MS 3000
#define REBALANCE_MS 3000 /* not below SESSION_MS: nobody is thrown out for it who is heard of */
#define HEARTBEAT_MS 600
#define RETRY_MS 150

struct member_part {
	struct member *member;
	int32_t partition;
	int64_t position;
	int64_t asked;   /* the offset that the fetch under way is for */
	bool is_fetched; /* again and again, until it sees that it is not owned any more */
};

struct member {
	struct client client;
	unsigned index;
	unsigned life;        /* what was begun in an earlier one is forgotten */
	const char *instance; /* NULL: not static */
	bool is_up, is_in;    /* is_in: of a generation, as far as it knows */
	bool is_leader;
	char id[TEAM_NAME_MAX];
	int32_t coordinator; /* -1: not known */
	int32_t generation;
	unsigned owned; /* a bit for each partition */
	int32_t dealt;  /* partitions that there were when it led and dealt them out */
	int64_t silent_until_us;
	int64_t heard_us; /* a heartbeat that was answered well was sent then */
	struct member_part parts[SIM_PARTITIONS];
	/* what it was when it was in last, or what the process before it was */
	char old_id[TEAM_NAME_MAX];
	int32_t old_generation; /* -1: it never was */
};

static void member_step(struct member *m);

/* ---- Turns and requests ---------------------------------------------------------------------- */

struct turn {
	struct member *member;
	unsigned life;
	void (*done)(struct member *m, struct turn *t, const void *response);
	/* of commits */
	struct team_asked asked;
	int32_t generation;
	int64_t sent[SIM_PARTITIONS]; /* -1: not in it */
};

static struct turn *turn_new(struct member *m)
{
	struct turn *t = xcalloc(1, sizeof(*t));

	t->member = m;
	t->life = m->life;
	return t;
}

static void turn_begins(void *ctx)
{
	struct turn *t = ctx;

	if (t->life == t->member->life)
		member_step(t->member);
	free(t);
}

static void member_later(struct member *m, int64_t delay_ms)
{
	client_at(&m->client, delay_ms, turn_begins, turn_new(m));
}

static void turn_answered(void *owner, const void *response)
{
	struct turn *t = owner;

	if (t->life == t->member->life)
		t->done(t->member, t, response);
	free(t);
}

static void member_ask(struct member *m, struct turn *t, enum api_key api, int16_t version,
		       const void *body,
		       void (*done)(struct member *m, struct turn *t, const void *response))
{
	t->done = done;
	team_asks(m->client.sim, &t->asked);
	client_ask(&m->client, (unsigned)m->coordinator - 1, api, version, body, turn_answered, t);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static void member_out(struct member *m)
{
	if (m->is_in) {
		memcpy(m->old_id, m->id, sizeof(m->id));
		m->old_generation = m->generation;
	}
	m->is_in = false;
	m->is_leader = false;
	m->owned = 0;
}

/* The process is over; another one comes later. */
static void member_dies(struct member *m, int64_t away_ms)
{
	member_out(m);
	m->life++;
	m->is_up = false;
	m->id[0] = '\0';
	m->coordinator = -1;
	for (unsigned i = 0; i < SIM_NODES_MAX; i++)
		channel_free(m->client.channels[i]);
	client_init(&m->client, m->client.sim);
	member_later(m, away_ms);
}

static void member_again(struct member *m)
{
	member_out(m);
	member_later(m, 20);
}

/* Nobody who is heard of in time is thrown out. */
static void check_expelled(struct member *m)
{
	struct sim *s = m->client.sim;
	int64_t silent_us = sim_now_us(s) - m->heard_us;
	int32_t partition = coordinator_partition(STR_LIT(TEAM), SIM_OFFSETS_PARTITIONS);

	/* who led long ago, and does not know better yet, may well not know it */
	if (m->is_in && silent_us < SESSION_MS * 1000 &&
	    checks_epoch_on(s, (unsigned)m->coordinator - 1, OFFSETS_TOPIC, partition) ==
		    checks_epoch(s, OFFSETS_TOPIC, partition))
		sim_fail(s,
			 "node %d does not know member %s of generation %d, which it heard %d ms "
			 "ago",
			 m->coordinator, m->id, m->generation, (int)(silent_us / 1000));
}

static void member_failed(struct member *m, enum kafka_error error)
{
	switch (error) {
	case KERR_UNKNOWN_MEMBER_ID:
		check_expelled(m);
		member_out(m);
		m->id[0] = '\0';
		member_again(m);
		return;
	case KERR_ILLEGAL_GENERATION:
	case KERR_REBALANCE_IN_PROGRESS: member_again(m); return;
	case KERR_FENCED_INSTANCE_ID: member_dies(m, 500); return;
	case KERR_NONE: /* no answer */
	case KERR_NOT_COORDINATOR:
	case KERR_COORDINATOR_NOT_AVAILABLE: m->coordinator = -1; break;
	default: break;
	}
	member_later(m, RETRY_MS);
}

/* ---- Reading --------------------------------------------------------------------------------- */

static void part_fetch(void *ctx);

static void part_later(struct member_part *p, int64_t delay_ms)
{
	client_at(&p->member->client, delay_ms, part_fetch, p);
}

static void part_records(struct member_part *p, struct slice records)
{
	struct sim *s = p->member->client.sim;
	const uint8_t *data = records.data;
	size_t len = records.len;
	struct batch b;

	while (batch_next(&b, &data, &len) > 0) {
		int64_t end = batch_next_offset(&b);

		if (end <= p->position)
			continue;
		if (b.base_offset > p->position)
			sim_fail(s, "partition %d: the member at %" PRId64 " is given %" PRId64,
				 p->partition, p->position, b.base_offset);
		for (; p->position < end; p->position++)
			team_delivered(s, p->partition, p->position);
	}
}

static void part_fetched(void *owner, const void *response)
{
	const struct fetch_response *m = response;
	struct member_part *p = owner;
	struct client *c = &p->member->client;
	const struct fetch_response_partition_data *a = NULL;

	if (m && m->error_code == KERR_NONE && m->responses_count == 1 &&
	    m->responses[0].partitions_count == 1)
		a = &m->responses[0].partitions[0];
	if (!(p->member->owned & 1u << p->partition)) {
		p->is_fetched = false;
		return;
	}
	if (!a || a->error_code != KERR_NONE) {
		client_refresh(c);
		part_later(p, RETRY_MS);
		return;
	}
	/* it has begun again meanwhile */
	if (p->asked == p->position)
		part_records(p, a->records);
	part_later(p, 50 + (int64_t)world_below(&c->sim->world, 200));
}

static void part_fetch(void *ctx)
{
	struct member_part *p = ctx;
	struct client *c = &p->member->client;
	int64_t delay_ms = client_wait(c, p->partition);

	if (!(p->member->owned & 1u << p->partition)) {
		p->is_fetched = false;
		return;
	}
	delay_ms = MAX(delay_ms, (p->member->silent_until_us - sim_now_us(c->sim)) / 1000);
	if (delay_ms > 0) {
		part_later(p, delay_ms);
		return;
	}
	p->asked = p->position;
	client_fetch(c, p->partition, p->asked, 8000, part_fetched, p);
}

/* ---- The coordinator ------------------------------------------------------------------------- */

static void coordinator_found(struct member *m, struct turn *t UNUSED, const void *response)
{
	const struct find_coordinator_response *r = response;

	if (r && r->error_code == KERR_NONE)
		m->coordinator = r->node_id;
	member_later(m, r && r->error_code == KERR_NONE ? 1 : RETRY_MS);
}

static void find_coordinator(struct member *m)
{
	struct find_coordinator_request r;
	struct turn *t = turn_new(m);

	t->done = coordinator_found;
	WIRE_INIT(find_coordinator_request, &r);
	r.key = STR_LIT(TEAM);
	client_ask(&m->client, client_any_broker(&m->client), API_FIND_COORDINATOR, 3, &r,
		   turn_answered, t);
}

/* ---- Positions ------------------------------------------------------------------------------- */

static void positions_found(struct member *m, struct turn *t, const void *response)
{
	const struct offset_fetch_response *r = response;
	const struct offset_fetch_response_topics *topic;

	if (!r || r->groups_count != 1 || r->groups[0].error_code != KERR_NONE ||
	    r->groups[0].topics_count != 1) {
		/* it joins again, as one that cannot know how long this took */
		member_out(m);
		member_failed(m, r && r->groups_count == 1
					 ? (enum kafka_error)r->groups[0].error_code
					 : KERR_NONE);
		return;
	}
	topic = &r->groups[0].topics[0];
	for (int32_t i = 0; i < topic->partitions_count; i++) {
		if (topic->partitions[i].error_code != KERR_NONE) {
			member_again(m);
			return;
		}
	}
	for (int32_t i = 0; i < topic->partitions_count; i++) {
		const struct offset_fetch_response_partitions *a = &topic->partitions[i];
		struct member_part *p = &m->parts[a->partition_index];

		team_begins(m->client.sim, &t->asked, a->partition_index, a->committed_offset);
		p->position = MAX(a->committed_offset, 0);
		m->owned |= 1u << a->partition_index;
		if (p->is_fetched)
			continue;
		p->is_fetched = true;
		part_later(p, 1);
	}
	member_later(m, HEARTBEAT_MS);
}

static void find_positions(struct member *m, unsigned owned)
{
	struct offset_fetch_request r;
	struct offset_fetch_request_group group;
	struct offset_fetch_request_topics topic;
	int32_t indexes[SIM_PARTITIONS];

	WIRE_INIT(offset_fetch_request, &r);
	WIRE_INIT(offset_fetch_request_group, &group);
	WIRE_INIT(offset_fetch_request_topics, &topic);
	r.groups = &group;
	r.groups_count = 1;
	group.group_id = STR_LIT(TEAM);
	group.topics = &topic;
	group.topics_count = 1;
	topic.name = STR_LIT(SIM_TOPIC);
	topic.partition_indexes = indexes;
	for (int32_t i = 0; i < SIM_PARTITIONS; i++) {
		if (owned & 1u << i)
			indexes[topic.partition_indexes_count++] = i;
	}
	member_ask(m, turn_new(m), API_OFFSET_FETCH, 8, &r, positions_found);
}

/* ---- Joining --------------------------------------------------------------------------------- */

static struct str member_instance(const struct member *m)
{
	return m->instance ? str_of(m->instance) : STR_NULL;
}

static void late_committed(struct member *m, struct turn *t, const void *response)
{
	const struct offset_commit_response *r = response;

	if (r && r->topics_count == 1 && r->topics[0].partitions_count == 1 &&
	    r->topics[0].partitions[0].error_code == KERR_NONE)
		sim_fail(m->client.sim,
			 "member %u has committed as %s of generation %d, which is over", m->index,
			 m->old_id, t->generation);
}

/* A commit that was held up somewhere: of the generation before, or of the process before. */
static void commit_late(struct member *m)
{
	struct offset_commit_request r;
	struct offset_commit_request_topic topic;
	struct offset_commit_request_partition part;
	struct turn *t = turn_new(m);

	WIRE_INIT(offset_commit_request, &r);
	WIRE_INIT(offset_commit_request_topic, &topic);
	WIRE_INIT(offset_commit_request_partition, &part);
	r.group_id = STR_LIT(TEAM);
	r.generation_id_or_member_epoch = t->generation = m->old_generation;
	r.member_id = str_of(m->old_id);
	r.group_instance_id = member_instance(m);
	r.topics = &topic;
	r.topics_count = 1;
	topic.name = STR_LIT(SIM_TOPIC);
	topic.partitions = &part;
	topic.partitions_count = 1;
	member_ask(m, t, API_OFFSET_COMMIT, 8, &r, late_committed);
}

static void synced(struct member *m, struct turn *t, const void *response)
{
	const struct sync_group_response *r = response;
	unsigned owned;

	if (!r || r->error_code != KERR_NONE) {
		member_failed(m, r ? (enum kafka_error)r->error_code : KERR_NONE);
		return;
	}
	/* nothing: the leader did not know of it */
	owned = r->assignment.len == 5 ? r->assignment.data[4] : 0;
	if (r->assignment.len == 5 && (int32_t)be32(r->assignment.data) != t->generation)
		sim_fail(m->client.sim, "generation %d: %s is given what was dealt in %u",
			 t->generation, m->id, be32(r->assignment.data));
	team_assigned(m->client.sim, t->generation, m->instance ? m->instance : m->id, owned);
	say_debug("%.3f member %u, %s: generation %d, partitions %x",
		  (double)sim_now_us(m->client.sim) / 1e6, m->index, m->id, t->generation, owned);
	m->is_in = true;
	m->generation = t->generation;
	m->heard_us = INT64_MIN / 2;
	if (m->old_generation >= 0 &&
	    (m->old_generation != m->generation || strcmp(m->old_id, m->id) != 0) &&
	    world_below(&m->client.sim->world, 2))
		commit_late(m);
	if (owned)
		find_positions(m, owned);
	else
		member_later(m, HEARTBEAT_MS);
}

/* Each partition goes to some member, by chance. */
static void deal_out(struct member *m, const struct join_group_response *joined,
		     struct sync_group_request_assignment *out, uint8_t (*bytes)[5])
{
	struct world *w = &m->client.sim->world;
	uint64_t first = world_below(w, (uint64_t)joined->members_count);

	m->dealt = m->client.partitions;
	for (int32_t i = 0; i < joined->members_count; i++) {
		WIRE_INIT(sync_group_request_assignment, &out[i]);
		out[i].member_id = joined->members[i].member_id;
		out[i].assignment = (struct slice){.data = bytes[i], .len = 5};
		put_be32(bytes[i], (uint32_t)joined->generation_id);
		bytes[i][4] = 0;
	}
	for (int32_t i = 0; i < m->dealt; i++)
		bytes[(first + (uint64_t)i) % (uint64_t)joined->members_count][4] |=
			(uint8_t)(1u << i);
}

static void joined(struct member *m, struct turn *t UNUSED, const void *response)
{
	const struct join_group_response *r = response;
	struct sync_group_request_assignment assignments[SIM_MEMBERS * 8];
	uint8_t bytes[ARRAY_LEN(assignments)][5];
	struct sync_group_request sync;
	struct turn *next;

	if (r && (r->error_code == KERR_MEMBER_ID_REQUIRED || r->error_code == KERR_NONE))
		snprintf(m->id, sizeof(m->id), "%.*s", STR(r->member_id));
	if (!r || r->error_code != KERR_NONE) {
		if (r && r->error_code == KERR_MEMBER_ID_REQUIRED)
			member_later(m, 1);
		else
			member_failed(m, r ? (enum kafka_error)r->error_code : KERR_NONE);
		return;
	}
	m->is_leader = str_eq(r->leader, r->member_id);
	if (m->is_leader &&
	    (m->client.partitions == 0 || (size_t)r->members_count > ARRAY_LEN(assignments))) {
		client_refresh(&m->client);
		member_later(m, RETRY_MS);
		return;
	}
	WIRE_INIT(sync_group_request, &sync);
	sync.group_id = STR_LIT(TEAM);
	sync.generation_id = r->generation_id;
	sync.member_id = r->member_id;
	sync.group_instance_id = member_instance(m);
	sync.protocol_type = r->protocol_type;
	sync.protocol_name = r->protocol_name;
	if (m->is_leader && !r->skip_assignment) {
		deal_out(m, r, assignments, bytes);
		sync.assignments = assignments;
		sync.assignments_count = r->members_count;
	}
	next = turn_new(m);
	next->generation = r->generation_id;
	member_ask(m, next, API_SYNC_GROUP, 5, &sync, synced);
}

static void join(struct member *m)
{
	/* version 0 of a subscription: topics, and nothing of its own */
	static const uint8_t subscription[] = {0,   0,   0,   0,   0,   1,    0,    7,    'n', 'u',
					       'm', 'b', 'e', 'r', 's', 0xff, 0xff, 0xff, 0xff};
	struct join_group_request r;
	struct join_group_request_protocol protocol;

	WIRE_INIT(join_group_request, &r);
	WIRE_INIT(join_group_request_protocol, &protocol);
	r.group_id = STR_LIT(TEAM);
	r.session_timeout_ms = SESSION_MS;
	r.rebalance_timeout_ms = REBALANCE_MS;
	r.member_id = str_of(m->id);
	r.group_instance_id = member_instance(m);
	r.protocol_type = STR_LIT("consumer");
	r.protocols = &protocol;
	r.protocols_count = 1;
	protocol.name = STR_LIT("chance");
	protocol.metadata = (struct slice){.data = subscription, .len = sizeof(subscription)};
	member_ask(m, turn_new(m), API_JOIN_GROUP, 9, &r, joined);
}

/* ---- In a generation ------------------------------------------------------------------------- */

static void heartbeat_answered(struct member *m, struct turn *t, const void *response)
{
	const struct heartbeat_response *r = response;

	if (!r || r->error_code != KERR_NONE) {
		member_failed(m, r ? (enum kafka_error)r->error_code : KERR_NONE);
		return;
	}
	m->heard_us = t->sent[0];
	if (m->is_leader && m->client.partitions > m->dealt)
		member_again(m);
	else
		member_later(m, HEARTBEAT_MS);
}

static void send_heartbeat(struct member *m)
{
	struct heartbeat_request r;
	struct turn *t = turn_new(m);

	WIRE_INIT(heartbeat_request, &r);
	r.group_id = STR_LIT(TEAM);
	r.generation_id = m->generation;
	r.member_id = str_of(m->id);
	r.group_instance_id = member_instance(m);
	t->sent[0] = sim_now_us(m->client.sim);
	member_ask(m, t, API_HEARTBEAT, 4, &r, heartbeat_answered);
	/* of the partitions that there are now */
	if (m->is_leader && m->dealt < m->client.sim->partitions)
		client_refresh(&m->client);
}

static void committed(struct member *m, struct turn *t, const void *response)
{
	const struct offset_commit_response *r = response;
	enum kafka_error error = KERR_NONE;

	if (!r || r->topics_count != 1) {
		member_failed(m, KERR_NONE);
		return;
	}
	for (int32_t i = 0; i < r->topics[0].partitions_count; i++) {
		const struct offset_commit_response_partition *a = &r->topics[0].partitions[i];

		if (a->error_code != KERR_NONE)
			error = (enum kafka_error)a->error_code;
		else
			team_committed(m->client.sim, &t->asked, t->generation, a->partition_index,
				       t->sent[a->partition_index]);
	}
	if (error != KERR_NONE)
		member_failed(m, error);
	else
		send_heartbeat(m);
}

static void send_commit(struct member *m)
{
	struct offset_commit_request r;
	struct offset_commit_request_topic topic;
	struct offset_commit_request_partition parts[SIM_PARTITIONS];
	struct turn *t = turn_new(m);

	WIRE_INIT(offset_commit_request, &r);
	WIRE_INIT(offset_commit_request_topic, &topic);
	r.group_id = STR_LIT(TEAM);
	r.generation_id_or_member_epoch = m->generation;
	r.member_id = str_of(m->id);
	r.group_instance_id = member_instance(m);
	r.topics = &topic;
	r.topics_count = 1;
	topic.name = STR_LIT(SIM_TOPIC);
	topic.partitions = parts;
	for (int32_t i = 0; i < SIM_PARTITIONS; i++) {
		struct offset_commit_request_partition *p = &parts[topic.partitions_count];

		if (!(m->owned & 1u << i))
			continue;
		WIRE_INIT(offset_commit_request_partition, p);
		p->partition_index = i;
		p->committed_offset = t->sent[i] = m->parts[i].position;
		team_commits(m->client.sim, i, p->committed_offset);
		topic.partitions_count++;
	}
	t->generation = m->generation;
	member_ask(m, t, API_OFFSET_COMMIT, 8, &r, committed);
}

static void leave(struct member *m)
{
	struct leave_group_request r;
	struct leave_group_request_member_identity who;

	WIRE_INIT(leave_group_request, &r);
	WIRE_INIT(leave_group_request_member_identity, &who);
	r.group_id = STR_LIT(TEAM);
	r.members = &who;
	r.members_count = 1;
	who.member_id = str_of(m->id);
	who.group_instance_id = member_instance(m);
	client_tell(&m->client, (unsigned)m->coordinator - 1, API_LEAVE_GROUP, 5, &r);
	member_dies(m, 200 + (int64_t)world_below(&m->client.sim->world, 4000));
}

/* ---- Life ------------------------------------------------------------------------------------ */

static void member_step(struct member *m)
{
	struct sim *s = m->client.sim;
	uint64_t dice = s->is_peaceful ? 1000 : world_below(&s->world, 1000);

	m->is_up = true;
	if (sim_now_us(s) < m->silent_until_us && !s->is_peaceful) {
		member_later(m, (m->silent_until_us - sim_now_us(s)) / 1000 + 1);
	} else if (dice < 12 || (m->instance && dice < 50)) {
		/* a static one comes back before it is missed */
		member_dies(m, 200 + (int64_t)world_below(&s->world, m->instance ? 2000 : 6000));
	} else if (dice < 30) {
		m->silent_until_us =
			sim_now_us(s) + 1000 * (1000 + (int64_t)world_below(&s->world, 5000));
		member_later(m, 1);
	} else if (m->coordinator < 0) {
		find_coordinator(m);
	} else if (!m->is_in) {
		join(m);
	} else if (dice < 45) {
		leave(m);
	} else if (m->owned && world_below(&s->world, 2)) {
		send_commit(m);
	} else {
		send_heartbeat(m);
	}
}

void members_start(struct sim *s)
{
	team_start(s);
	s->members = xcalloc(SIM_MEMBERS, sizeof(*s->members));
	for (unsigned i = 0; i < SIM_MEMBERS; i++) {
		struct member *m = &s->members[i];

		client_init(&m->client, s);
		m->index = i;
		m->coordinator = m->old_generation = -1;
		m->instance = i == SIM_MEMBERS - 1 ? "fixed" : NULL;
		for (int32_t k = 0; k < SIM_PARTITIONS; k++)
			m->parts[k] = (struct member_part){.member = m, .partition = k};
		member_later(m, 2000 + (int64_t)world_below(&s->world, 4000));
	}
}

bool members_are_settled(const struct sim *s, char *why, size_t why_len)
{
	unsigned owned = 0;

	for (unsigned i = 0; i < SIM_MEMBERS; i++) {
		const struct member *m = &s->members[i];

		if (!m->is_up || !m->is_in || m->generation != s->members[0].generation) {
			snprintf(why, why_len, "member %u: generation %d, %s", i, m->generation,
				 m->is_in ? "not that of others" : "joining");
			return false;
		}
		owned |= m->owned;
	}
	if (owned != (1u << s->partitions) - 1)
		snprintf(why, why_len, "the members have partitions %x of %d", owned,
			 s->partitions);
	return owned == (1u << s->partitions) - 1;
}
