/* What happened between two moments of a cluster, one line each: "broker 2 gone", "lecture-3:
 * leader 2 -> 1", "lecture-3: isr 1,2,3 -> 1,3". Where many partitions changed alike, one line
 * counts them. Pure. */
#ifndef KAVKA_CMD_TOP_EVENTS_H
#define KAVKA_CMD_TOP_EVENTS_H

#include "cmd/top/snapshot.h"

#include "cmd/output.h"

#define EVENTS_MAX 500
#define EVENT_TEXT_MAX 160
/* So many partitions that changed alike get a line each. */
#define EVENTS_ALIKE_MAX 8

struct top_event {
	int64_t wall_ms;
	enum tone tone;
	char text[EVENT_TEXT_MAX];
};

/* The last EVENTS_MAX of them. */
struct top_events {
	struct top_event items[EVENTS_MAX];
	uint64_t total; /* that there ever were */
};

unsigned events_count(const struct top_events *e);
/* The `age`-th newest, 0 being the last; age < events_count(). */
const struct top_event *events_at(const struct top_events *e, unsigned age);
/* The ages of all, in the order in which they are shown: the last sample's first, and those of one
 * sample as they came, causes before effects. Returns their count. */
unsigned events_order(const struct top_events *e, unsigned ages[EVENTS_MAX]);
/* "12:04:31", the machine's time, into EVENT_TIME_MAX bytes; returns its length. */
#define EVENT_TIME_MAX 16
size_t event_time(int64_t wall_ms, char *text);
void events_add(struct top_events *e, int64_t wall_ms, enum tone tone, const char *fmt, ...)
	PRINTF_LIKE(4, 5);

/* Both are settled; `before` is not empty. */
void events_compare(struct top_events *e, const struct snapshot *before,
		    const struct snapshot *now);

#endif
