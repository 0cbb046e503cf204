/* JSON to stdout, written as it comes: no tree, commas are put by themselves.
 *
 *	struct json j = {0};
 *	json_open(&j, NULL, '{');
 *	json_text(&j, "topic", "a");
 *	json_int(&j, "partition", 3);
 *	json_close(&j, '}');
 *
 * `key` is NULL inside arrays and for the outermost value. */
#ifndef KAVKA_CMD_JSON_H
#define KAVKA_CMD_JSON_H

#include "base/buf.h"

#include <stdbool.h>

struct json {
	bool has_before;	/* a comma stands before the next value */
};

void json_open(struct json *j, const char *key, char bracket);	/* '{' or '[' */
void json_close(struct json *j, char bracket);			/* '}' or ']' */
void json_str(struct json *j, const char *key, struct str value);	/* null stays null */
void json_text(struct json *j, const char *key, const char *value);	/* NULL: null */
void json_int(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
/* Bytes: as text if they are UTF-8; else in base64, with "KEYEncoding":"base64" behind it. */
void json_bytes(struct json *j, const char *key, struct str value);

#endif
