#include "cmd/top/model.h"

#include "base/mem.h"
#include "cmd/top/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 300

void model_init(struct top_model *m)
{
	*m = (struct top_model){0};
	snapshot_init(&m->snapshots[0]);
	snapshot_init(&m->snapshots[1]);
	history_set_init(&m->histories);
}

void model_fini(struct top_model *m)
{
	snapshot_fini(&m->snapshots[0]);
	snapshot_fini(&m->snapshots[1]);
	history_set_fini(&m->histories);
}

struct snapshot *model_next(struct top_model *m)
{
	struct snapshot *s = &m->snapshots[!m->now_index];

	snapshot_reset(s);
	return s;
}

static struct history *model_history(struct top_model *m, const char *kind, struct str name,
				     int32_t number, double value)
{
	char key[NAME_MAX_BYTES];
	struct history *h;

	snprintf(key, sizeof(key), "%s:%.*s:%d", kind, STR(name), number);
	h = history_get(&m->histories, key);
	history_push(h, value);
	return h;
}

/* The newest values join their histories. */
static void model_remember(struct top_model *m, struct snapshot *now)
{
	struct top_topic *focus = m->focus.data ? snapshot_topic(now, m->focus) : NULL;

	m->rate = model_history(m, "rate", STR_NULL, 0, now->rate);
	m->lag = model_history(m, "lag", STR_NULL, 0,
			       now->lag == NOT_KNOWN ? NAN : (double)now->lag);
	for (int32_t i = 0; i < now->broker_count; i++)
		now->brokers[i].history = model_history(m, "broker", STR_NULL, now->brokers[i].id,
							now->brokers[i].rate);
	for (int32_t i = 0; i < now->topic_count; i++)
		now->topics[i].history =
			model_history(m, "topic", now->topics[i].name, 0, now->topics[i].rate);
	for (int32_t i = 0; focus && i < focus->partition_count; i++)
		focus->partitions[i].history =
			model_history(m, "partition", focus->name, i, focus->partitions[i].rate);
	for (int32_t i = 0; i < now->group_count; i++) {
		const struct top_group *g = &now->groups[i];

		now->groups[i].history = model_history(m, "group", g->id, 0,
						       g->lag == NOT_KNOWN ? NAN : (double)g->lag);
	}
	history_set_round(&m->histories);
}

void model_take(struct top_model *m)
{
	struct snapshot *before = model_now(m), *now = &m->snapshots[!m->now_index];
	char took[FIGURE_MAX];

	snapshot_settle(now, before);
	if (m->is_unreachable) {
		figure_duration(took, (now->wall_ms - m->unreachable_ms + 500) / 1000);
		events_add(&m->events, now->wall_ms, TONE_GREEN,
			   "the cluster is there again, after %s", took);
	}
	if (m->has_data)
		events_compare(&m->events, before, now);
	model_remember(m, now);
	m->now_index = !m->now_index;
	m->has_data = true;
	m->is_unreachable = false;
	m->sample_count++;
}

void model_failed(struct top_model *m, const struct err *err, int64_t wall_ms)
{
	struct snapshot *now = model_now(m);

	m->err = *err;
	/* Each try times out; why is what is behind that. */
	if (strncmp(err->text, "timed out: ", 11) == 0)
		memmove(m->err.text, m->err.text + 11, strlen(m->err.text + 11) + 1);
	if (m->is_unreachable)
		return;
	m->is_unreachable = true;
	m->unreachable_ms = wall_ms;
	events_add(&m->events, wall_ms, TONE_RED, "cluster unreachable");
	for (int32_t i = 0; i < now->broker_count; i++) {
		if (now->brokers[i].state != BROKER_UP)
			continue;
		now->brokers[i].state = BROKER_SILENT;
		now->brokers[i].rate = NAN;
		now->up_count--;
	}
}
