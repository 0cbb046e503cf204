/* Records as lines that lose nothing, which the producer reads back (--input hex, --input base64):
 *
 *	KEY TAB VALUE TAB HEADERS TAB TIMESTAMP TAB PARTITION NEWLINE
 *
 * KEY and VALUE are the bytes in hexadecimal (or base64) digits: no digits for empty, "-" for null.
 * HEADERS are NAME:VALUE joined by ",", names and values in the same digits, a value "-" for null;
 * nothing if there are none. TIMESTAMP is in decimal, milliseconds since 1970, -1 for none;
 * so is PARTITION.
 *
 *	6b	68656c6c6f	6831:7631,6832:-	1755858862123	0
 *
 * And a form for the eye, which nobody reads back: hexdump. */
#ifndef KAVKA_CMD_CONSUMER_LINE_FORMAT_H
#define KAVKA_CMD_CONSUMER_LINE_FORMAT_H

#include "cmd/consumer/formatter.h"

void line_format(const struct record_view *v, bool is_base64);

/* A head line, then headers, key and value, sixteen bytes a line with their offset and what of
 * them is ASCII. */
void hexdump_format(const struct record_view *v);

#endif
