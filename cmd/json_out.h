/* JSON to stdout, written as it comes: no tree, commas are put by themselves.
 *
 *	struct json_out j = {0};
 *	json_out_open(&j, NULL, '{');
 *	json_out_text(&j, "topic", "a");
 *	json_out_int(&j, "partition", 3);
 *	json_out_close(&j, '}');
 *
 * `key` is NULL inside arrays and for the outermost value. */
#ifndef KAVKA_CMD_JSON_OUT_H
#define KAVKA_CMD_JSON_OUT_H

#include "base/buf.h"

#include <stdbool.h>

struct json_out {
	bool has_before;	/* a comma stands before the next value */
	bool is_pretty;		/* set by the caller: each value on its own line */
	unsigned depth;
};

void json_out_open(struct json_out *j, const char *key, char bracket);	/* '{' or '[' */
void json_out_close(struct json_out *j, char bracket);			/* '}' or ']' */
void json_out_str(struct json_out *j, const char *key, struct str value); /* null stays null */
void json_out_text(struct json_out *j, const char *key, const char *value);	/* NULL: null */
void json_out_int(struct json_out *j, const char *key, int64_t value);
/* NaN and the infinities, which JSON lacks, are null. */
void json_out_double(struct json_out *j, const char *key, double value);
void json_out_bool(struct json_out *j, const char *key, bool value);
/* Text that is JSON already. */
void json_out_raw(struct json_out *j, const char *key, struct str json);
void json_out_null(struct json_out *j, const char *key);
/* Bytes: as text if they are UTF-8; else in base64, with "KEYEncoding":"base64" behind it. */
void json_out_bytes(struct json_out *j, const char *key, struct str value);

#endif
