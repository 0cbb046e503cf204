/* Inside `dump`: its options, one run of it, and what it finds wrong. */
#ifndef KAVKA_CMD_DUMP_INT_H
#define KAVKA_CMD_DUMP_INT_H

#include "cmd/command.h"
#include "cmd/dump/decoder.h"
#include "cmd/dump/segment_file.h"
#include "cmd/json_out.h"
#include "cmd/output.h"

struct dump_args {
	const char *files;
	bool print_data_log, deep_iteration, verify_index_only, index_sanity_check;
	int64_t max_message_size, max_bytes;
	const char *value_class, *key_class;
	bool offsets, transaction_log, cluster_metadata, remote_log_metadata, share_group_state;
	bool skip_record_metadata;
	struct output_args output;
};

/* What is told behind all files. The order is that of the texts. */
enum finding_kind {
	FINDING_INDEX,     /* an index entry, and the offset that is in the log there */
	FINDING_TIMESTAMP, /* timestamp of the index and of the log */
	FINDING_ORDER,     /* timestamp, and the one indexed before it */
	FINDING_OFFSET,    /* indexed offset, and what was found instead */
	FINDING_GAP,       /* an offset, and the one that follows it */
	FINDING_COUNT,
};

struct finding {
	int64_t first, second;
};

struct findings {
	struct finding *items; /* of the file at hand */
	size_t count, cap;
	uint64_t dropped_count;
	struct out text; /* of the files before */
};

struct dump {
	struct run *run;
	const struct dump_args *args;
	bool json, deep, contents;
	struct decoder decoder;
	struct compressor *compressor;
	struct findings findings[FINDING_COUNT];
	const char *path; /* as it was given */
	uint64_t problem_count;
};

void dump_find(struct dump *d, enum finding_kind kind, int64_t first, int64_t second);

/* {"type":TYPE,"file":PATH of what is open; the caller adds members and closes it. */
void dump_json_open(struct dump *d, struct json_out *j, const char *type);
void dump_json_close(struct json_out *j);

/* The base offset in a file's name. 0, or E_INVALID with Java's words. */
MUST_USE int dump_base_offset(const char *path, int64_t *out, struct err *err);
/* The file beside `path` with the same base offset; in `a`. */
const char *dump_sibling(struct arena *a, const char *path, const char *suffix);

/* One kind of file each; 0 or the error that ends the file. */
MUST_USE int dump_log(struct dump *d, struct err *err);
MUST_USE int dump_index(struct dump *d, struct err *err);
MUST_USE int dump_time_index(struct dump *d, struct err *err);
MUST_USE int dump_producers(struct dump *d, struct err *err);
MUST_USE int dump_aborted(struct dump *d, struct err *err);
/* leader-epoch-checkpoint and the checkpoints of a log directory; kavka's own. */
MUST_USE int dump_checkpoint(struct dump *d, struct err *err);

#endif
