/* A line of hexadecimal (or base64) digits as a record, in the form in which `consumer --output
 *hex` prints one (cmd/consumer/line_format.h):
 *
 *	[KEY TAB] VALUE [TAB HEADERS [TAB TIMESTAMP [TAB PARTITION]]]
 *
 *	6b	68656c6c6f	6831:7631,6832:-	1755858862123
 *
 * No digits are empty bytes, "-" is null. HEADERS are NAME:VALUE joined by ",", both in digits.
 * A line without TAB is a value. */
#ifndef KAVKA_CMD_DIGITS_RECORD_H
#define KAVKA_CMD_DIGITS_RECORD_H

#include "cmd/producer/record_reader.h"

#include "base/arena.h"

struct digits_reader {
	bool is_base64;
	struct arena scratch; /* of the record at hand */
	struct record_header *headers;
	size_t header_cap;
};

void digits_reader_init(struct digits_reader *r, bool is_base64);
void digits_reader_fini(struct digits_reader *r);

/* 0 or E_MALFORMED. What `out` holds is borrowed from the reader, until the next call. */
MUST_USE int digits_reader_parse(struct digits_reader *r, struct str line, struct line_record *out,
				 struct err *err);

/* Pairs of hexadecimal digits, blanks between bytes; bytes in `arena`. 0 or E_MALFORMED. */
MUST_USE int hex_decode(struct arena *arena, struct str text, struct slice *out, struct err *err);

#endif
