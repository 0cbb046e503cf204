/* What is shown: the last two moments of the cluster, what happened, and the last values of its
 * figures. Moments are put into model_next() and handed over with model_take(), or model_failed()
 * when the cluster could not be asked. Pure. */
#ifndef KAVKA_CMD_TOP_MODEL_H
#define KAVKA_CMD_TOP_MODEL_H

#include "cmd/top/events.h"

#include "base/err.h"

struct top_model {
	struct snapshot snapshots[2];
	unsigned now_index;
	bool has_data;
	uint64_t sample_count;
	/* The cluster cannot be asked: since when (wall clock), and why. */
	bool is_unreachable;
	int64_t unreachable_ms;
	struct err err;
	struct top_events events;
	struct history_set histories;
	struct history *rate, *lag; /* of the whole cluster */
	/* Histories are kept for the partitions of this topic; null: of none. */
	struct str focus;
};

void model_init(struct top_model *m);
void model_fini(struct top_model *m);

/* The moment that is shown; empty before the first one. */
static inline struct snapshot *model_now(struct top_model *m)
{
	return &m->snapshots[m->now_index];
}
/* An empty one, to be filled. */
struct snapshot *model_next(struct top_model *m);
void model_take(struct top_model *m);
void model_failed(struct top_model *m, const struct err *err, int64_t wall_ms);

#endif
