#include "cmd/top/events.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#define IDS_TEXT_MAX 64

unsigned events_count(const struct top_events *e)
{
	return (unsigned)MIN(e->total, (uint64_t)EVENTS_MAX);
}

const struct top_event *events_at(const struct top_events *e, unsigned age)
{
	assert(age < events_count(e));
	return &e->items[(e->total - 1 - age) % EVENTS_MAX];
}

unsigned events_order(const struct top_events *e, unsigned ages[EVENTS_MAX])
{
	unsigned count = events_count(e), at = 0;

	while (at < count) {
		unsigned begin = at, end = at;

		while (end < count && events_at(e, end)->wall_ms == events_at(e, begin)->wall_ms)
			end++;
		for (unsigned i = end; i-- > begin;)
			ages[at++] = i;
	}
	return count;
}

size_t event_time(int64_t wall_ms, char *text)
{
	time_t seconds = wall_ms / 1000;
	struct tm parts;

	localtime_r(&seconds, &parts);
	return strftime(text, EVENT_TIME_MAX, "%H:%M:%S", &parts);
}

void events_add(struct top_events *e, int64_t wall_ms, enum tone tone, const char *fmt, ...)
{
	struct top_event *event = &e->items[e->total++ % EVENTS_MAX];
	va_list args;

	event->wall_ms = wall_ms;
	event->tone = tone;
	va_start(args, fmt);
	vsnprintf(event->text, sizeof(event->text), fmt, args);
	va_end(args);
}

/* ---- Brokers ------------------------------------------------------------------------------ */

struct comparison {
	struct top_events *events;
	const struct snapshot *before, *now;
};

static void broker_new(struct comparison *c, const struct top_broker *b)
{
	if (b->state != BROKER_GONE)
		events_add(c->events, c->now->wall_ms, TONE_GREEN, "broker %d is new: %.*s:%d",
			   b->id, STR(b->host), b->port);
}

static void broker_changed(struct comparison *c, const struct top_broker *was,
			   const struct top_broker *b)
{
	int64_t at = c->now->wall_ms;

	if (was->state == b->state)
		return;
	switch (b->state) {
	case BROKER_UP:
		events_add(c->events, at, TONE_GREEN,
			   was->state == BROKER_GONE ? "broker %d is back"
						     : "broker %d answers again",
			   b->id);
		break;
	case BROKER_SILENT:
		if (was->state == BROKER_GONE)
			events_add(c->events, at, TONE_YELLOW,
				   "broker %d is back, but does not answer", b->id);
		else
			events_add(c->events, at, TONE_RED, "broker %d does not answer%s%.*s",
				   b->id, b->reason.len ? ": " : "", STR(b->reason));
		break;
	case BROKER_GONE:
		events_add(c->events, at, TONE_RED, "broker %d gone%s", b->id,
			   b->is_fenced ? ": the controller has fenced it" : "");
		break;
	}
}

static void brokers_compare(struct comparison *c)
{
	for (int32_t i = 0; i < c->now->broker_count; i++) {
		const struct top_broker *b = &c->now->brokers[i];
		const struct top_broker *was = snapshot_broker(c->before, b->id);

		if (was)
			broker_changed(c, was, b);
		else
			broker_new(c, b);
	}
	if (c->now->quorum_leader != c->before->quorum_leader && c->now->quorum_leader >= 0 &&
	    c->before->quorum_leader >= 0)
		events_add(c->events, c->now->wall_ms, TONE_YELLOW, "quorum leader %d -> %d",
			   c->before->quorum_leader, c->now->quorum_leader);
}

/* ---- Partitions --------------------------------------------------------------------------- */

enum change {
	CHANGE_OFFLINE,
	CHANGE_ONLINE,
	CHANGE_LEADER,
	CHANGE_SHRINK,
	CHANGE_GROW,
	CHANGE_REPLICAS,
	CHANGE_COUNT
};

/* How many partitions changed alike, and whether it is about the same broker in all of them. */
struct tally {
	int32_t count;
	int32_t broker; /* -1: several */
	int32_t in_sync_count;
};

/* "1,2,3" */
static const char *ids_text(char text[IDS_TEXT_MAX], const int32_t *ids, int32_t count)
{
	size_t at = 0;

	text[0] = '\0';
	for (int32_t i = 0; i < count && at < IDS_TEXT_MAX - 12; i++)
		at += (size_t)snprintf(text + at, IDS_TEXT_MAX - at, "%s%d", i ? "," : "", ids[i]);
	return count > 0 ? text : "none";
}

static bool ids_same(const int32_t *a, int32_t a_count, const int32_t *b, int32_t b_count)
{
	for (int32_t i = 0; i < a_count; i++)
		if (!id_is_among(b, b_count, a[i]))
			return false;
	return a_count == b_count;
}

/* The first of `a` that is not in `b`; -1: none. */
static int32_t ids_missing(const int32_t *a, int32_t a_count, const int32_t *b, int32_t b_count)
{
	for (int32_t i = 0; i < a_count; i++)
		if (!id_is_among(b, b_count, a[i]))
			return a[i];
	return -1;
}

/* Which changes there are, as bits, and the broker that each is about. */
static unsigned partition_changes(const struct top_partition *was, const struct top_partition *p,
				  int32_t brokers[CHANGE_COUNT])
{
	unsigned changes = 0;

	if (was->leader != p->leader) {
		enum change change = p->leader < 0     ? CHANGE_OFFLINE
				     : was->leader < 0 ? CHANGE_ONLINE
						       : CHANGE_LEADER;

		changes |= 1u << change;
		brokers[change] = change == CHANGE_ONLINE ? p->leader : was->leader;
	}
	if (!ids_same(was->replicas, was->replica_count, p->replicas, p->replica_count)) {
		changes |= 1u << CHANGE_REPLICAS;
		brokers[CHANGE_REPLICAS] = -1;
	}
	if (!ids_same(was->isr, was->isr_count, p->isr, p->isr_count)) {
		enum change change = p->isr_count < was->isr_count ? CHANGE_SHRINK : CHANGE_GROW;

		changes |= 1u << change;
		brokers[change] =
			change == CHANGE_SHRINK
				? ids_missing(was->isr, was->isr_count, p->isr, p->isr_count)
				: ids_missing(p->isr, p->isr_count, was->isr, was->isr_count);
	}
	return changes;
}

static void partition_tell(struct comparison *c, const struct top_topic *t,
			   const struct top_partition *was, const struct top_partition *p,
			   enum change change)
{
	char from[IDS_TEXT_MAX], to[IDS_TEXT_MAX];
	int64_t at = c->now->wall_ms;

	switch (change) {
	case CHANGE_LEADER:
		events_add(c->events, at, TONE_YELLOW, "%.*s-%d: leader %d -> %d", STR(t->name),
			   p->index, was->leader, p->leader);
		break;
	case CHANGE_OFFLINE:
		events_add(c->events, at, TONE_RED, "%.*s-%d: offline, leader %d -> none",
			   STR(t->name), p->index, was->leader);
		break;
	case CHANGE_ONLINE:
		events_add(c->events, at, TONE_GREEN, "%.*s-%d: online again, leader %d",
			   STR(t->name), p->index, p->leader);
		break;
	case CHANGE_SHRINK:
	case CHANGE_GROW:
		events_add(c->events, at, change == CHANGE_GROW ? TONE_GREEN : TONE_YELLOW,
			   "%.*s-%d: isr %s -> %s%s", STR(t->name), p->index,
			   ids_text(from, was->isr, was->isr_count),
			   ids_text(to, p->isr, p->isr_count),
			   change == CHANGE_GROW && !partition_is_under_replicated(p)
				   ? ", back in sync"
				   : "");
		break;
	case CHANGE_REPLICAS:
		events_add(c->events, at, TONE_PLAIN, "%.*s-%d: replicas %s -> %s", STR(t->name),
			   p->index, ids_text(from, was->replicas, was->replica_count),
			   ids_text(to, p->replicas, p->replica_count));
		break;
	case CHANGE_COUNT: break;
	}
}

static void tally_tell(struct comparison *c, const struct tally *t, enum change change)
{
	char who[32] = "", in_sync[48] = "";
	int64_t at = c->now->wall_ms;

	if (t->broker >= 0)
		snprintf(who, sizeof(who), " %d", t->broker);
	switch (change) {
	case CHANGE_LEADER:
		events_add(c->events, at, TONE_YELLOW, "%d partitions have other leaders%s%s",
			   t->count, t->broker >= 0 ? " than" : "", who);
		break;
	case CHANGE_OFFLINE:
		events_add(c->events, at, TONE_RED, "%d partitions are offline%s%s", t->count,
			   t->broker >= 0 ? ", their leader was" : "", who);
		break;
	case CHANGE_ONLINE:
		events_add(c->events, at, TONE_GREEN, "%d partitions are online again%s%s",
			   t->count, t->broker >= 0 ? ", their leader is" : "", who);
		break;
	case CHANGE_SHRINK:
		events_add(c->events, at, TONE_YELLOW, "%d partitions: the isr lost%s", t->count,
			   t->broker >= 0 ? who : " members");
		break;
	case CHANGE_GROW:
		if (t->in_sync_count > 0)
			snprintf(in_sync, sizeof(in_sync), ", %d back in sync", t->in_sync_count);
		events_add(c->events, at, TONE_GREEN, "%d partitions: the isr gained%s%s", t->count,
			   t->broker >= 0 ? who : " members", in_sync);
		break;
	case CHANGE_REPLICAS:
		events_add(c->events, at, TONE_PLAIN, "%d partitions have other replicas",
			   t->count);
		break;
	case CHANGE_COUNT: break;
	}
}

/* Counts the changes of the topic's partitions. */
static void topic_count(const struct top_topic *was, const struct top_topic *t,
			struct tally tallies[CHANGE_COUNT])
{
	for (int32_t i = 0; i < MIN(was->partition_count, t->partition_count); i++) {
		const struct top_partition *p = &t->partitions[i];
		int32_t brokers[CHANGE_COUNT];
		unsigned changes = partition_changes(&was->partitions[i], p, brokers);

		for (enum change n = 0; n < CHANGE_COUNT; n++) {
			if (!(changes & 1u << n))
				continue;
			if (tallies[n].count++ == 0)
				tallies[n].broker = brokers[n];
			else if (tallies[n].broker != brokers[n])
				tallies[n].broker = -1;
			tallies[n].in_sync_count += !partition_is_under_replicated(p);
		}
	}
}

static void topic_tell(struct comparison *c, const struct top_topic *was, const struct top_topic *t,
		       enum change change)
{
	for (int32_t i = 0; i < MIN(was->partition_count, t->partition_count); i++) {
		int32_t brokers[CHANGE_COUNT];

		if (partition_changes(&was->partitions[i], &t->partitions[i], brokers) &
		    1u << change)
			partition_tell(c, t, &was->partitions[i], &t->partitions[i], change);
	}
}

static const struct top_topic *topic_before(const struct comparison *c, const struct top_topic *t)
{
	const struct top_topic *was = snapshot_topic(c->before, t->name);

	return was && uuid_eq(was->id, t->id) ? was : NULL;
}

static void topics_compare(struct comparison *c)
{
	struct tally tallies[CHANGE_COUNT] = {0};
	const struct top_topic *was;

	for (int32_t i = 0; i < c->now->topic_count; i++) {
		was = topic_before(c, &c->now->topics[i]);
		if (was)
			topic_count(was, &c->now->topics[i], tallies);
	}
	for (enum change n = 0; n < CHANGE_COUNT; n++) {
		if (tallies[n].count > EVENTS_ALIKE_MAX)
			tally_tell(c, &tallies[n], n);
		if (tallies[n].count == 0 || tallies[n].count > EVENTS_ALIKE_MAX)
			continue;
		for (int32_t i = 0; i < c->now->topic_count; i++) {
			was = topic_before(c, &c->now->topics[i]);
			if (was)
				topic_tell(c, was, &c->now->topics[i], n);
		}
	}
}

static void topics_come_and_go(struct comparison *c)
{
	int64_t at = c->now->wall_ms;

	for (int32_t i = 0; i < c->now->topic_count; i++) {
		const struct top_topic *t = &c->now->topics[i];
		const struct top_topic *was = snapshot_topic(c->before, t->name);

		if (!was)
			events_add(c->events, at, TONE_GREEN, "topic %.*s created, %d partition%s",
				   STR(t->name), t->partition_count,
				   t->partition_count == 1 ? "" : "s");
		else if (!uuid_eq(was->id, t->id))
			events_add(c->events, at, TONE_YELLOW, "topic %.*s deleted and made anew",
				   STR(t->name));
		else if (was->partition_count != t->partition_count)
			events_add(c->events, at, TONE_PLAIN, "topic %.*s: %d -> %d partitions",
				   STR(t->name), was->partition_count, t->partition_count);
	}
	for (int32_t i = 0; i < c->before->topic_count; i++)
		if (!snapshot_topic(c->now, c->before->topics[i].name))
			events_add(c->events, at, TONE_YELLOW, "topic %.*s deleted",
				   STR(c->before->topics[i].name));
}

/* ---- Groups ------------------------------------------------------------------------------- */

static void group_changed(struct comparison *c, const struct top_group *was,
			  const struct top_group *g)
{
	int64_t at = c->now->wall_ms;

	if (g->is_carried)
		return;
	if (was->member_count >= 0 && g->member_count >= 0 && was->member_count != g->member_count)
		events_add(c->events, at,
			   g->member_count < was->member_count ? TONE_YELLOW : TONE_GREEN,
			   "group %.*s: %d -> %d members, %.*s", STR(g->id), was->member_count,
			   g->member_count, STR(g->state));
	else if (!str_eq(was->state, g->state))
		events_add(c->events, at, TONE_PLAIN, "group %.*s: %.*s -> %.*s", STR(g->id),
			   STR(was->state), STR(g->state));
	if (was->coordinator != g->coordinator)
		events_add(c->events, at, TONE_YELLOW, "group %.*s: coordinator %d -> %d",
			   STR(g->id), was->coordinator, g->coordinator);
}

static void groups_compare(struct comparison *c)
{
	for (int32_t i = 0; i < c->now->group_count; i++) {
		const struct top_group *g = &c->now->groups[i];
		const struct top_group *was = snapshot_group(c->before, g->id);

		if (was)
			group_changed(c, was, g);
		else
			events_add(c->events, c->now->wall_ms, TONE_GREEN, "group %.*s is new",
				   STR(g->id));
	}
	for (int32_t i = 0; i < c->before->group_count; i++)
		if (!snapshot_group(c->now, c->before->groups[i].id))
			events_add(c->events, c->now->wall_ms, TONE_YELLOW, "group %.*s gone",
				   STR(c->before->groups[i].id));
}

void events_compare(struct top_events *e, const struct snapshot *before, const struct snapshot *now)
{
	struct comparison c = {e, before, now};

	brokers_compare(&c);
	topics_come_and_go(&c);
	topics_compare(&c);
	groups_compare(&c);
}
