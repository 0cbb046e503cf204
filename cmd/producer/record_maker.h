/* What the input has, into records: the format of lines, and what options fix for all of them.
 *
 *	rc = record_maker_init(&m, &args, &props, is_apache, &err);
 *	rc = record_maker_line(&m, line, &record, &err);	// for each line
 *	rc = record_maker_whole(&m, bytes, &record, &err);	// or for each file
 *	record_maker_fini(&m);
 *
 * Lines of text have the grammar of record_reader.h, JSON that of json_record.h, hex and base64
 * that of digits_record.h. A key, partition or timestamp of the line goes
 * before the fixed one; fixed headers stand before those of the line. */
#ifndef KAVKA_CMD_RECORD_MAKER_H
#define KAVKA_CMD_RECORD_MAKER_H

#include "cmd/producer/digits_record.h"
#include "cmd/producer/json_record.h"
#include "cmd/producer/record_reader.h"

enum input_format { INPUT_TEXT, INPUT_JSON, INPUT_HEX, INPUT_BASE64, INPUT_FILE };
#define INPUT_WORDS "text json hex base64 file"

struct producer_args;
struct serde;

struct record_maker {
	enum input_format format;
	bool repairs;      /* bytes that are no UTF-8 become U+FFFD, as at Apache's */
	bool is_tombstone; /* the value is null; a line is a key */
	struct str topic;  /* null: each line names its own */
	int32_t partition; /* -1: not fixed */
	int64_t timestamp;
	struct slice key;
	struct record_header *headers; /* the fixed ones, then those of the record at hand */
	size_t fixed_count, header_cap;
	bool ignore_partition; /* a partitioner was asked for */
	struct serde *serde;   /* borrowed; NULL: keys and values are sent as they come */
	struct record_reader reader;
	struct json_reader json;
	struct digits_reader digits;
	struct out repaired;
	int64_t line_number; /* of the line at hand, from 1 */
};

/* Borrows `args` and `props` (the reader's). 0, or E_INVALID, E_USAGE. */
MUST_USE int record_maker_init(struct record_maker *m, const struct producer_args *args,
			       struct props *props, bool is_apache, struct err *err);
void record_maker_fini(struct record_maker *m);

/* What `out` holds is borrowed from the line and the maker, until the next call. 0, E_MALFORMED,
 * or what a schema registry gives. */
MUST_USE int record_maker_line(struct record_maker *m, struct str line, struct line_record *out,
			       struct err *err);
MUST_USE int record_maker_whole(struct record_maker *m, struct str bytes, struct line_record *out,
				struct err *err);

#endif
