/* What `groups` prints, from plain data: knows no client and no protocol. */
#ifndef KAVKA_CMD_GROUPS_PRINT_H
#define KAVKA_CMD_GROUPS_PRINT_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>

#define OFFSET_UNKNOWN INT64_MIN

struct group_partition {
	struct str topic;
	int32_t partition;
	int64_t committed;                /* OFFSET_UNKNOWN: no commit */
	int64_t end;                      /* OFFSET_UNKNOWN: no leader */
	int32_t leader_epoch;             /* of the commit, -1: unknown */
	const struct group_member *owner; /* NULL: nobody */
};

struct group_assignment {
	struct str topic;
	int32_t partition;
};

struct group_member {
	struct str id, instance_id, client_id, host; /* instance_id may be null */
	const struct group_assignment *assignment;   /* sorted by topic, partition */
	unsigned assignment_count;
	const struct group_assignment *target;
	unsigned target_count;
	int32_t current_epoch, target_epoch; /* -1: none (classic) */
	bool is_classic;
};

struct group_view {
	struct str id, type, protocol, state, strategy;
	struct str coordinator_host;
	int32_t coordinator_port, coordinator_id;
	const struct group_member *members;
	unsigned member_count;
	int32_t epoch, assignment_epoch;          /* -1: none (classic) */
	const struct group_partition *partitions; /* in print order */
	unsigned partition_count;
};

/* OFFSET_UNKNOWN where committed or end offset is. */
int64_t group_partition_lag(const struct group_partition *p);
/* Of all partitions; those unknown count as 0. */
int64_t group_lag(const struct group_view *g);

struct groups_list_columns {
	bool type, state;
};

void groups_print_list(struct arena *a, const struct group_view *groups, unsigned count,
		       struct groups_list_columns columns);
/* The line about the group's state on stdout or stderr; returns false if the rest of a description
 * would be meaningless (no such group). */
bool groups_print_status(const struct group_view *g);
void groups_print_offsets(struct arena *a, const struct group_view *g, bool verbose);
void groups_print_members(struct arena *a, const struct group_view *g, bool verbose);
void groups_print_state(struct arena *a, const struct group_view *g, bool verbose);

/* ---- groups_table.c: JSON and --output table ------------------------------------------------ */

enum groups_table { GROUPS_TABLE_OFFSETS, GROUPS_TABLE_MEMBERS, GROUPS_TABLE_STATE };

void groups_print_list_table(struct arena *a, const struct group_view *groups, unsigned count);
void groups_print_table(struct arena *a, const struct group_view *groups, unsigned count,
			enum groups_table which);
void groups_print_list_json(const struct group_view *groups, unsigned count);
void groups_print_json(const struct group_view *g);

struct reset_row {
	struct str group, topic;
	int32_t partition;
	int64_t offset;
};

/* Sorted by group, topic, partition. */
void groups_print_reset(struct arena *a, const struct reset_row *rows, unsigned count);
void groups_print_csv(const struct reset_row *rows, unsigned count, bool with_group);
void groups_print_reset_table(struct arena *a, const struct reset_row *rows, unsigned count);
void groups_print_reset_json(const struct reset_row *rows, unsigned count, bool is_done);

/* "a:0,1;b:2", "-" if empty. */
const char *group_assignment_text(struct arena *a, const struct group_assignment *items,
				  unsigned count);

#endif
