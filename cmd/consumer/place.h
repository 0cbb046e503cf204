/* Places in a partition as users name them, in the forms of kcat, kaf and rpk:
 *
 *	beginning earliest oldest start		the oldest record
 *	end latest newest			behind the newest
 *	stored committed			where the group is
 *	42	-10	+10			an offset; so many before the end, behind the
 *beginning
 *	@TIME s@TIME				the first record of that time or a later one
 *	e@TIME					where to stop (in --offset, as kcat has it)
 *
 * TIME: milliseconds since 1970, "2026-08-01", "2026-08-01T17:30:00+02:00" (UTC without a zone),
 * "now", or a span before now: -90s -15m -2h -7d -1w. */
#ifndef KAVKA_CMD_CONSUMER_PLACE_H
#define KAVKA_CMD_CONSUMER_PLACE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum place_kind {
	PLACE_NONE, /* nothing was said */
	PLACE_BEGINNING,
	PLACE_END,
	PLACE_STORED,
	PLACE_OFFSET,          /* value: >= 0 */
	PLACE_BEFORE_END,      /* value: so many records, as offsets count them */
	PLACE_AFTER_BEGINNING, /* the same */
	PLACE_TIME,            /* value: milliseconds */
	PLACE_STOP_TIME,       /* e@: the same */
};

struct place {
	enum place_kind kind;
	int64_t value;
};

/* 0 or E_INVALID with what is wrong; `now_ms` is what "now" means. */
MUST_USE int place_parse(const char *text, int64_t now_ms, struct place *out, struct err *err);
MUST_USE int place_parse_time(const char *text, int64_t now_ms, int64_t *ms, struct err *err);

/* "0", "0,2-4": sorted, each once. Gives *out (free()). 0 or E_INVALID. */
MUST_USE int place_parse_partitions(const char *text, int32_t **out, size_t *count,
				    struct err *err);

#endif
