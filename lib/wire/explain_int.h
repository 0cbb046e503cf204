/* Shared by explain.c and explain_records.c only. */
#ifndef KAVKA_WIRE_EXPLAIN_INT_H
#define KAVKA_WIRE_EXPLAIN_INT_H

#include "wire/errors.h"
#include "wire/explain.h"

#define EXPLAIN_VALUE_MAX 512

struct explain {
	explain_fn line;
	void *ctx;
};

void explain_emit(struct explain *e, size_t pos, const uint8_t *bytes, size_t len,
		  const char *field, const char *fmt, ...) PRINTF_LIKE(6, 7);
/* In quotes, with escapes, cut when it is long. Returns `text`. */
const char *explain_text(const uint8_t *data, size_t len, char text[EXPLAIN_VALUE_MAX]);
/* The record set `records`, which begins at `pos` of the frame; never fails: what is damaged is
 * said in a line. */
void explain_records(struct explain *e, struct slice records, size_t pos, const char *path);

#endif
