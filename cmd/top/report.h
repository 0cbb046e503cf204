/* The cluster as text and as JSON, for pipes and files. */
#ifndef KAVKA_CMD_TOP_REPORT_H
#define KAVKA_CMD_TOP_REPORT_H

#include "cmd/top/rows.h"

/* What happened after event number `events_told` is part of both. */
struct report_options {
	struct str detail; /* a topic whose partitions are told too; null: none */
	bool shows_internal;
	uint64_t events_told;
};

void report_text(struct top_model *m, const struct report_options *options, struct arena *a);
/* One object on one line; its shape is in kavka-top(1). */
void report_json(struct top_model *m, const struct report_options *options);

#endif
