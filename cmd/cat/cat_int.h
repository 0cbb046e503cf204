/* Inside `cat`: its options, the partitions it reads, and transactions as their markers tell. */
#ifndef KAVKA_CMD_CAT_INT_H
#define KAVKA_CMD_CAT_INT_H

#include "cmd/command.h"
#include "cmd/consumer/formatter.h"
#include "cmd/consumer/grep.h"
#include "cmd/dump/segment_file.h"
#include "cmd/output.h"

struct cat_args {
	struct opt_list topics;
	int64_t partition;
	const char *offset, *until, *isolation_level, *formatter;
	struct opt_list formatter_properties;
	const char *key_deserializer, *value_deserializer;
	int64_t max_messages;
	const char *form; /* --output */
	const char *format, *grep, *grep_key;
	struct registry_args registry;
	bool json;
};

/* Where to begin or end in each partition. */
enum place_kind {
	PLACE_NONE, /* the log's own beginning or end */
	PLACE_OFFSET,
	PLACE_BEFORE_END, /* so many offsets */
	PLACE_TIME,       /* the first record that is not older */
};

struct cat_place {
	enum place_kind kind;
	int64_t value;
};

/* A partition's directory. */
struct cat_partition {
	const char *path;
	const char *topic;
	int32_t number;
	int64_t log_start; /* of the checkpoint beside it; 0: none */
};

/* One run. */
struct cat {
	struct run *run;
	const struct cat_args *args;
	struct formatter formatter;
	struct grep *grep, *grep_key; /* NULL: all records */
	struct compressor *compressor;
	struct cat_place from, until;
	bool is_committed;  /* read_committed */
	int64_t left_count; /* records still to be printed, < 0: no bound */
	uint64_t printed_count;
	int problem; /* the last error of a part that was left out */
};

/* A transaction that was aborted, or one that has not ended. */
struct cat_txn {
	int64_t producer_id;
	int64_t first_offset, last_offset; /* last: the marker's */
};

struct cat_txns {
	struct cat_txn *aborted; /* by producer and first offset */
	size_t aborted_count, aborted_cap;
	struct cat_txn *open;
	size_t open_count, open_cap;
};

void cat_txns_fini(struct cat_txns *t);
/* Takes note of a batch: in the log's order, control batches with their data. */
void cat_txns_add(struct cat_txns *t, const struct batch *b);
/* When all are there: sorts, and gives the last stable offset, at most `end_offset`. */
int64_t cat_txns_close(struct cat_txns *t, int64_t end_offset);
bool cat_txns_has_aborted(const struct cat_txns *t, const struct batch *b);

/* Prints the partition's records. Parts that cannot be read are told on stderr and left out, the
 * error goes to c->problem. */
void cat_partition(struct cat *c, const struct cat_partition *p);

#endif
