/* A line of JSON as a record, in the shape in which `consumer --output json` prints one:
 *
 *	{"topic":"t","partition":0,"offset":7,"timestamp":1787500000000,"timestampType":"CreateTime",
 *	 "headers":[{"key":"h","value":"v"}],"key":"k","value":"AP8=","valueEncoding":"base64"}
 *
 * Only "value" must be there; null is a tombstone. A key or value that is no string is taken as its
 * compact JSON text. "keyEncoding" and "valueEncoding" say base64 or hex. A timestamp may be an ISO
 * date. Headers may also be an object, {"h":"v"}, or a flat list, ["h","v"]. "payload", "ts" and
 * "msg" are other tools' names of value and timestamp. What a record gets only when it is stored
 * (offset, timestampType, ...) is passed over; other names are refused, as a misspelt one would
 * lose what it says. */
#ifndef KAVKA_CMD_JSON_RECORD_H
#define KAVKA_CMD_JSON_RECORD_H

#include "cmd/producer/record_reader.h"

#include "base/arena.h"

struct json_reader {
	struct arena scratch; /* of the record at hand */
	struct out text;
	struct record_header *headers;
	size_t header_cap;
	/* Keys or values are turned into bytes by a schema: their JSON text is kept as it is, a
	 * string with its quotes. */
	bool key_as_json, value_as_json;
};

void json_reader_init(struct json_reader *r);
void json_reader_fini(struct json_reader *r);

/* 0 or E_MALFORMED. What `out` holds is borrowed from the line and the reader, until the next
 * call. */
MUST_USE int json_reader_parse(struct json_reader *r, struct str line, struct line_record *out,
			       struct err *err);

#endif
