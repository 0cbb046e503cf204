/* Lines into records: the rules of the console producer's LineMessageReader.
 *
 *	[headers headers.delimiter] [key key.separator] value
 *
 * Bytes pass through as they are. What a record holds is borrowed from the line and from the
 * reader, until the next call. */
#ifndef KAVKA_CMD_RECORD_READER_H
#define KAVKA_CMD_RECORD_READER_H

#include "base/arena.h"
#include "base/props.h"
#include "wire/batch.h"

#include <stdbool.h>

struct record_reader {
	bool parse_key, parse_headers, ignore_error;
	struct str key_separator, headers_delimiter, headers_key_separator;
	struct str headers_separator;  /* a regular expression */
	struct str null_marker;        /* null: none */
	struct splitter *splitter;     /* of headers_separator; NULL: it is literal text */
	struct record_header *headers; /* of the record at hand */
	size_t header_cap;
	int64_t line_number;
};

struct line_record {
	struct str topic;                  /* null: the line names none */
	int32_t partition;                 /* -1: none */
	int64_t timestamp;                 /* milliseconds; -1: none */
	struct slice key, value;           /* borrowed */
	bool key_is_bytes, value_is_bytes; /* the line gave bytes: no schema applies */
	const struct record_header *headers;
	size_t header_count;
};

/* Reads the reader's properties (and marks them used); borrows them. 0 or E_INVALID. */
MUST_USE int record_reader_init(struct record_reader *r, struct props *props, struct err *err);
void record_reader_fini(struct record_reader *r);

/* 0, or E_MALFORMED with Apache's message. `r->line_number` counts the lines. */
MUST_USE int record_reader_parse(struct record_reader *r, struct str line, struct line_record *out,
				 struct err *err);

/* Properties' booleans: true, in any case, blanks around it ignored. */
bool props_true(const struct props *p, const char *key);

#endif
