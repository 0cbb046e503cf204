/* Where one is in the live view: which table, which row, sorted by what; and what keys do. Pure.
 *
 * There are four tables, each with a place of its own, and places below them: the partitions of a
 * topic, of a broker, of a group. Enter goes down, Esc back. */
#ifndef KAVKA_CMD_TOP_VIEW_H
#define KAVKA_CMD_TOP_VIEW_H

#include "cmd/top/keys.h"
#include "cmd/top/rows.h"

#define VIEW_TAB_COUNT 4
#define VIEW_DEPTH_MAX 4
#define VIEW_FILTER_MAX 64

struct place {
	enum top_scope scope;
	char of[ROW_KEY_MAX];   /* the topic, broker or group */
	char key[ROW_KEY_MAX];  /* of the row that is selected; "": the first one */
	size_t selected, first; /* row numbers: that one, and the uppermost that is shown */
	unsigned sort_column;
	bool is_reversed;
	char filter[VIEW_FILTER_MAX];
};

struct view {
	struct place tabs[VIEW_TAB_COUNT], below[VIEW_DEPTH_MAX];
	unsigned tab, depth;
	bool is_filtering; /* the filter is being typed */
	bool shows_help, is_paused, shows_internal, is_over;
	bool wants_sample, wants_redraw; /* for whoever runs it, who resets them */
	int64_t interval_ms;
	size_t page;      /* rows that fit on the screen, as drawn last */
	struct rows rows; /* of the present place */
	struct top_model *model;
};

/* What is in kavka top's help: the keys and what they do. */
struct view_help {
	const char *keys, *text;
};
extern const struct view_help view_helps[];

void view_init(struct view *v, struct top_model *m, int64_t interval_ms);
void view_fini(struct view *v);
struct place *view_place(struct view *v);
/* The topic whose partitions are looked at; null: none. */
struct str view_topic(struct view *v);
/* Goes to the partitions of a topic. */
void view_open_topic(struct view *v, struct str topic);
/* Lists the rows anew: after a sample, a key, or when the screen changed. */
void view_update(struct view *v);
void view_key(struct view *v, enum key key, struct str text);

#endif
