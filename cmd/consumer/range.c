#include "cmd/consumer/range.h"

#include "base/mem.h"
#include "client/admin.h"
#include "wire/errors.h"

#include <stdlib.h>

void range_init(struct range *r, struct place from, struct place until, int64_t stop_ms,
		bool read_committed)
{
	*r = (struct range){
		.from = from, .until = until, .read_committed = read_committed, .end_ms = stop_ms};
	if (until.kind == PLACE_TIME)
		r->end_ms = until.value;
}

void range_fini(struct range *r)
{
	for (size_t i = 0; i < r->count; i++)
		free(r->parts[i].topic);
	free(r->parts);
	*r = (struct range){0};
}

struct range_part *range_part(struct range *r, struct str topic, int32_t partition)
{
	/* Batches of one partition come in rows. */
	for (size_t n = 0; n < r->count; n++) {
		size_t i = (r->last + n) % r->count;

		if (r->parts[i].partition == partition && str_is(topic, r->parts[i].topic)) {
			r->last = i;
			return &r->parts[i];
		}
	}
	return NULL;
}

void range_forget(struct range *r, struct str topic, int32_t partition)
{
	struct range_part *part = range_part(r, topic, partition);

	if (!part)
		return;
	free(part->topic);
	*part = r->parts[--r->count];
	r->last = 0;
}

static void range_remember(struct range *r, const struct position *p, int64_t end_offset)
{
	struct range_part *part = range_part(r, p->topic, p->partition);

	if (!part) {
		r->parts = grow_array(r->parts, r->count, &r->cap, sizeof(*r->parts));
		part = &r->parts[r->count++];
		*part = (struct range_part){.topic = xstrndup(p->topic.data, p->topic.len),
					    .partition = p->partition};
	}
	part->end_offset = end_offset;
	part->is_done = part->is_paused = false;
}

/* ---- Asking ------------------------------------------------------------------------------- */

/* Offsets of all partitions at one timestamp, or special timestamp; in *out (free()). */
static int range_ask(const struct range *r, struct client *client, const struct position *parts,
		     size_t count, int64_t timestamp, struct position **out, struct err *err)
{
	struct position *asked = xcalloc(count + 1, sizeof(*asked));
	int rc;

	for (size_t i = 0; i < count; i++) {
		asked[i] = parts[i];
		asked[i].offset = timestamp;
		asked[i].error = 0;
	}
	rc = admin_offsets(client, asked, count, r->read_committed, NULL, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (!asked[i].error)
			continue;
		rc = err_set(err, E_KAFKA, "%.*s-%d: %s", STR(parts[i].topic), parts[i].partition,
			     kafka_error_text(asked[i].error));
		if (err)
			err->kafka_error = asked[i].error;
	}
	*out = asked;
	return rc;
}

struct range_bounds {
	struct position *first, *end, *at_time; /* NULL: not asked for */
};

static bool place_needs_first(enum place_kind kind)
{
	return kind == PLACE_BEFORE_END || kind == PLACE_AFTER_BEGINNING;
}

static int range_ask_all(const struct range *r, struct client *client, const struct position *parts,
			 size_t count, int64_t now_ms, struct range_bounds *b, struct err *err)
{
	bool is_past = r->end_ms >= 0 && r->end_ms <= now_ms;
	bool is_checked = r->missing && r->from.kind == PLACE_OFFSET;
	int rc = 0;

	if (is_checked || place_needs_first(r->from.kind) || place_needs_first(r->until.kind))
		rc = range_ask(r, client, parts, count, OFFSET_BEGINNING, &b->first, err);
	if (rc == 0 &&
	    (is_checked || r->from.kind == PLACE_BEFORE_END || r->from.kind == PLACE_TIME ||
	     r->until.kind == PLACE_BEFORE_END || r->until.kind == PLACE_END || is_past))
		rc = range_ask(r, client, parts, count, OFFSET_END, &b->end, err);
	if (rc == 0 && r->from.kind == PLACE_TIME)
		rc = range_ask(r, client, parts, count, r->from.value, &b->at_time, err);
	return rc;
}

static int64_t range_offset(const struct place *place, const struct range_bounds *b, size_t i)
{
	switch (place->kind) {
	case PLACE_BEGINNING: return OFFSET_BEGINNING;
	case PLACE_END: return b->end ? b->end[i].offset : OFFSET_END;
	case PLACE_OFFSET: return place->value;
	case PLACE_BEFORE_END: return MAX(b->end[i].offset - place->value, b->first[i].offset);
	case PLACE_AFTER_BEGINNING: return b->first[i].offset + place->value;
	case PLACE_TIME:
		/* No record of that time or later: what comes next. */
		return b->at_time[i].offset >= 0 ? b->at_time[i].offset : b->end[i].offset;
	default: return OFFSET_COMMITTED;
	}
}

/* An offset that is not there: the broker would refuse it, and auto.offset.reset decide. */
static void range_check(const struct range *r, struct position *p, int64_t first, int64_t end)
{
	if (p->offset >= first && p->offset <= end)
		return;
	r->missing(r->ctx, p, first, end);
	p->offset = p->offset < first ? first : end;
}

int range_resolve(struct range *r, struct client *client, struct position *parts, size_t count,
		  int64_t now_ms, struct err *err)
{
	struct range_bounds b = {0};
	int rc = range_ask_all(r, client, parts, count, now_ms, &b, err);

	for (size_t i = 0; rc == 0 && i < count; i++) {
		int64_t end = -1;

		parts[i].offset = range_offset(&r->from, &b, i);
		if (r->missing && r->from.kind == PLACE_OFFSET)
			range_check(r, &parts[i], b.first[i].offset, b.end[i].offset);
		parts[i].leader_epoch = -1;
		if (r->until.kind == PLACE_TIME || r->until.kind == PLACE_NONE)
			end = b.end && r->end_ms >= 0 && r->end_ms <= now_ms ? b.end[i].offset : -1;
		else
			end = range_offset(&r->until, &b, i);
		if (range_has_end(r))
			range_remember(r, &parts[i], end);
	}
	free(b.first);
	free(b.end);
	free(b.at_time);
	return rc;
}
