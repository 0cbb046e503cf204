/* What `topics --describe` prints, from plain data: knows no client and no protocol. */
#ifndef KAVKA_CMD_TOPICS_PRINT_H
#define KAVKA_CMD_TOPICS_PRINT_H

#include "cmd/output.h"

#include "base/buf.h"
#include "base/uuid.h"

#include <stdbool.h>

/* Broker ids; is_unknown prints N/A where the broker did not say. */
struct broker_list {
	const int32_t *ids;
	unsigned count;
	bool is_unknown;
};

struct partition_view {
	int32_t index;
	int32_t leader; /* -1: none */
	struct broker_list replicas, isr, elr, last_known_elr;
	struct broker_list adding, removing;
	bool is_reassigned; /* then adding and removing are printed */
	int64_t bytes;      /* of all replicas; -1: not known */
};

struct config_view {
	struct str name, value;
};

struct topic_view {
	struct str name;
	struct uuid id;
	bool is_internal;
	const struct partition_view *partitions; /* sorted by index */
	unsigned partition_count;
	const struct config_view *configs; /* that differ from the defaults */
	unsigned config_count;
	int min_insync_replicas; /* 1 if not known */
	bool has_sizes;          /* of the partitions */
};

/* Which rows of --describe are wanted. */
struct topics_report {
	bool under_replicated, unavailable, under_min_isr, at_min_isr;
	bool overrides_only; /* header lines of topics with configs */
	const int32_t *live_brokers;
	unsigned live_broker_count;
};

bool topics_report_filters(const struct topics_report *r);
void topics_print_description(const struct topic_view *t, const struct topics_report *r);
/* The table: a row for each partition. */
void topics_grid_init(struct grid *g, struct arena *a, bool has_sizes);
void topics_grid_add(struct grid *g, const struct topic_view *t, const struct topics_report *r);
void topics_print_json(const struct topic_view *t, const struct topics_report *r);

#endif
