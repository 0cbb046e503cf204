/* --tail: the newest records of all partitions together, in order of time. */
#ifndef KAVKA_CMD_CONSUMER_TAIL_H
#define KAVKA_CMD_CONSUMER_TAIL_H

#include "cmd/consumer/formatter.h"

struct tail;

struct tail *tail_new(size_t records_max);
void tail_free(struct tail *t); /* NULL is fine */
/* Copies the record, and forgets the oldest if there are too many. */
void tail_add(struct tail *t, const struct record_view *v);
/* Sorts; then the records one after the other. NULL behind the last. */
void tail_sort(struct tail *t);
const struct record_view *tail_next(struct tail *t);

#endif
