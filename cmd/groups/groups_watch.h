/* The lag of groups as it changes: samples, the rates between two of them, and a frame of lines cut
 * to a terminal. Pure: knows no client. */
#ifndef KAVKA_CMD_GROUPS_WATCH_H
#define KAVKA_CMD_GROUPS_WATCH_H

#include "cmd/groups/groups_print.h"

/* Per second, between two samples; RATE_UNKNOWN if one of them lacks it. */
struct lag_rate {
	double read; /* records that the group moved on */
	double lag;  /* by how much the lag grows; below 0 it catches up */
};

#define RATE_UNKNOWN (-1e300)

/* One partition of one group at one time. */
struct lag_point {
	struct str group, topic; /* in the sample's arena */
	int32_t partition;
	int64_t committed, end;
};

struct lag_sample {
	struct arena arena;
	int64_t at_ms;            /* monotonic */
	struct lag_point *points; /* sorted by group, topic, partition */
	unsigned count;
};

void lag_sample_init(struct lag_sample *s);
void lag_sample_fini(struct lag_sample *s);
/* Replaces what is in it by these groups as they are at `at_ms`. */
void lag_sample_take(struct lag_sample *s, const struct group_view *groups, unsigned count,
		     int64_t at_ms);
/* How the partition changed since `before` was taken. */
struct lag_rate lag_rate_of(const struct lag_sample *before, struct str group,
			    const struct group_partition *now, int64_t at_ms);
/* Seconds until the lag is gone at that rate; -1: never, or not known. */
int64_t lag_catch_up_s(int64_t lag, const struct lag_rate *rate);
/* "12s", "3m40s", "2h05m", "9d" */
const char *lag_duration_text(struct arena *a, int64_t seconds);

/* The lines of `text` as one frame for a terminal: from the top left, each cut to `width` columns
 * and cleared to its end, at most `height` of them (then the last one says how many are missing),
 * what is below cleared. Escape sequences take no columns. */
void frame_write(struct out *to, const char *text, size_t len, unsigned width, unsigned height);

#endif
