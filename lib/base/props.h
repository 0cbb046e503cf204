/* Java properties (java.util.Properties.load): `key=value`, `key: value`, `key value`, `#` and `!`
 * comments, trailing backslash joins lines, \t \n \r \f \uXXXX escapes. Order of first
 * appearance is kept; a later value of the same key replaces the earlier one. Bytes are UTF-8
 * (Kafka's files are ISO-8859-1 by the letter; both agree on ASCII). */
#ifndef KAVKA_BASE_PROPS_H
#define KAVKA_BASE_PROPS_H

#include "arena.h"
#include "err.h"

#include <stdbool.h>

struct prop {
	const char *key, *value;	/* in the arena of the props */
	unsigned line;			/* 1-based, 0: set by props_set */
	bool used;			/* for the caller's bookkeeping */
};

struct props {
	struct arena arena;
	struct prop *items;
	size_t count, cap;
};

void props_init(struct props *p);
void props_fini(struct props *p);

/* Adds what is in the text; E_MALFORMED with line number for a bad \u escape. */
MUST_USE int props_parse(struct props *p, const char *text, size_t len, struct err *err);
/* Adds what is in the file; -errno, E_TOO_LARGE or E_MALFORMED, message with path. */
MUST_USE int props_read(struct props *p, const char *path, struct err *err);
/* Sets or replaces one. Copies both. */
void props_set(struct props *p, const char *key, const char *value);
/* Parses "key=value" as given on a command line; E_USAGE if there is no '='. */
MUST_USE int props_set_pair(struct props *p, const char *pair, struct err *err);
/* The value, or NULL. */
const char *props_get(const struct props *p, const char *key);

#endif
