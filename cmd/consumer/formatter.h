/* Records into text: Apache's formatters, and kavka's own forms. Output goes to print.h's buffer.
 *
 *	formatter.c	DefaultMessageFormatter: columns, and the choice among all
 *	json_format.c	an object a record
 *	line_format.c	hex, base64: a line a record; hexdump: for the eye
 *	template.c	--format, as kcat's -f
 *	internal_format.c  Kafka's own topics
 *	field.c		deserializers */
#ifndef KAVKA_CMD_FORMATTER_H
#define KAVKA_CMD_FORMATTER_H

#include "cmd/consumer/field.h"
#include "cmd/registry/serde.h"

#include "base/props.h"
#include "wire/batch.h"

#include <stdbool.h>

enum formatter_kind {
	FORMAT_DEFAULT,
	FORMAT_NOTHING,
	FORMAT_OFFSETS,        /* __consumer_offsets, commits */
	FORMAT_GROUP_METADATA, /* __consumer_offsets, groups */
	FORMAT_SHARE_GROUP,    /* __consumer_offsets, share groups */
	FORMAT_TRANSACTIONS,   /* __transaction_state */
	FORMAT_SHARE_STATE,    /* __share_group_state */
	/* kavka's own */
	FORMAT_JSON,
	FORMAT_HEX,
	FORMAT_BASE64,
	FORMAT_HEXDUMP,
	FORMAT_TEMPLATE,
};

struct template;

struct formatter {
	enum formatter_kind kind;
	bool print_timestamp, print_partition, print_offset, print_delivery, print_epoch;
	bool print_headers, print_key, print_value;
	bool has_null_literal; /* somebody named one: templates print it too */
	struct str key_separator, line_separator, headers_separator, null_literal;
	/* Records of internal topics: a newline behind each, states of transactions by name. */
	bool ends_lines;
	bool decodes_null; /* Apache's way: the deserializer gets the null literal */
	enum deserializer key_as, value_as, headers_as;
	struct arena scratch;
	/* set by the caller after formatter_init(), both borrowed */
	struct template *template; /* FORMAT_TEMPLATE */
	struct serde *serde;       /* NULL: no format was asked for */
	bool is_pretty;            /* JSON in many lines */
	const char *exception;     /* Java's class for what formatter_print() failed with */
};

/* A record as it was consumed. */
struct record_view {
	struct str topic;
	int32_t partition;
	bool is_log_append_time;
	const struct record *record; /* borrowed */
};

/* By class name (of any release), a form of kavka's own, or NULL for the default one; reads the
 * properties, borrows them. 0 or E_INVALID (no such class: the message is its name). Deserializer
 * classes that are not known are told on stderr and leave the bytes as they are. */
MUST_USE int formatter_init(struct formatter *f, const char *class_name, struct props *props,
			    struct err *err);
void formatter_fini(struct formatter *f);

/* Prints one record. 0, or E_MALFORMED: its bytes do not fit the deserializer or record type; or
 * what serde_decode() failed with. Nothing was printed then. */
MUST_USE int formatter_print(struct formatter *f, const struct record_view *r, struct err *err);

/* Key or value as text that people read: decoded as asked for, pretty if asked for; null for null.
 * Borrows the record or f->scratch. */
MUST_USE int formatter_part(struct formatter *f, const struct record_view *v, enum serde_part part,
			    struct str *out, struct err *err);

#endif
