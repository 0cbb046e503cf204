/* JSON texts, read in place: no tree is made, so that numbers keep their digits and objects their
 * order, and a million lines cost little. Checks all of RFC 8259 but that text is UTF-8: bytes
 * pass as they are.
 *
 *	struct json_scan s = json_scan_of(line);
 *	rc = json_open(&s, '{', &err);
 *	while (rc == 0 && json_member(&s, &name, &rc, &err))
 *		rc = json_value(&s, &value, &err);
 *	if (rc == 0)
 *		rc = json_finish(&s, &err);
 *
 * Errors are E_MALFORMED: "column 17: ...", counted in bytes from 1. Borrows the text. */
#ifndef KAVKA_CMD_JSON_SCAN_H
#define KAVKA_CMD_JSON_SCAN_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

/* How deep values may lie in each other. */
#define JSON_DEPTH_MAX 512

struct json_scan {
	const char *start, *pos, *end;
	bool has_before; /* a value stands before, in this object or array */
};

enum json_kind { JSON_NULL_VALUE, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_value {
	enum json_kind kind;
	struct str raw;   /* its text; that of a string without the quotes */
	bool has_escapes; /* of a string: json_unescape() is needed */
};

struct json_scan json_scan_of(struct str text);

/* The next value, as a whole. */
MUST_USE int json_value(struct json_scan *s, struct json_value *out, struct err *err);
/* Into an object or array. */
MUST_USE int json_open(struct json_scan *s, char bracket, struct err *err);
/* Is there another member (its name is given, without quotes, escapes left as they are) or
 * element? At the end the bracket is passed. An error sets *rc and gives false. */
bool json_member(struct json_scan *s, struct str *name, int *rc, struct err *err);
bool json_element(struct json_scan *s, int *rc, struct err *err);
/* Nothing but white space is left. */
MUST_USE int json_finish(struct json_scan *s, struct err *err);

/* Appends the text of a string. E_MALFORMED: half of a surrogate pair. */
MUST_USE int json_unescape(struct out *out, struct str raw, struct err *err);
/* Appends a value without the white space between its parts. */
void json_compact(struct out *out, struct str raw);
/* A whole number; false if it is none or does not fit. */
bool json_int(const struct json_value *v, int64_t *out);

#endif
