/* Records into text: the formatters of the console consumer. Output goes to print.h's buffer. */
#ifndef KAVKA_CMD_FORMATTER_H
#define KAVKA_CMD_FORMATTER_H

#include "base/props.h"
#include "wire/batch.h"

#include <stdbool.h>

enum formatter_kind {
	FORMAT_DEFAULT,
	FORMAT_LOGGING,
	FORMAT_NOTHING,
	FORMAT_OFFSETS,		/* __consumer_offsets, commits */
	FORMAT_GROUP_METADATA,	/* __consumer_offsets, groups */
	FORMAT_TRANSACTIONS,	/* __transaction_state */
	FORMAT_SHARE_STATE,	/* __share_group_state */
	FORMAT_JSON,		/* kavka's own: one object a line */
};

enum deserializer {
	AS_BYTES,		/* as they are */
	AS_STRING, AS_LONG, AS_INTEGER, AS_SHORT, AS_FLOAT, AS_DOUBLE, AS_BOOLEAN, AS_UUID,
	AS_ESCAPED,		/* org.apache.kafka.common.serialization.BytesDeserializer */
	AS_VOID,
};

struct formatter {
	enum formatter_kind kind;
	bool print_timestamp, print_partition, print_offset, print_delivery, print_epoch;
	bool print_headers, print_key, print_value;
	struct str key_separator, line_separator, headers_separator, null_literal;
	bool ends_lines; /* a newline behind records of internal topics, which Apache's lack */
	enum deserializer key_as, value_as, headers_as;
	struct arena scratch;
};

/* A record as it was consumed. */
struct record_view {
	struct str topic;
	int32_t partition;
	bool is_log_append_time;
	const struct record *record;	/* borrowed */
};

/* By class name (of any release) or NULL for the default one; reads the properties, borrows them.
 * 0 or E_INVALID (no such class: the message is its name). Unknown deserializer classes are
 * reported and leave the bytes as they are. */
MUST_USE int formatter_init(struct formatter *f, const char *class_name, struct props *props,
			    struct err *err);
void formatter_fini(struct formatter *f);

/* Prints one record. 0, or E_MALFORMED: its bytes do not fit the deserializer or record type;
 * nothing was printed. */
MUST_USE int formatter_print(struct formatter *f, const struct record_view *r, struct err *err);

#endif
