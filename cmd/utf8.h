/* UTF-8, as far as commands must look at it. */
#ifndef KAVKA_CMD_UTF8_H
#define KAVKA_CMD_UTF8_H

#include "base/buf.h"

#include <stdbool.h>

/* Length of the character at the start of `left` > 0 bytes; 0 if there is none. Then *bad (if not
 * NULL) is how many bytes belong to what was begun there, at least 1. */
size_t utf8_char_len(const uint8_t *p, size_t left, size_t *bad);

/* How many bytes at the start are UTF-8. Fast for ASCII. */
size_t utf8_valid_len(struct str s);
static inline bool utf8_is_valid(struct str s)
{
	return utf8_valid_len(s) == s.len;
}

/* Appends `s` with U+FFFD in place of what is no UTF-8, as Java's decoder does it. */
void utf8_repair(struct out *out, struct str s);

#endif
