#include "cmd/consumer/tail.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct tail_record {
	struct record_view view;
	struct record record;
	uint64_t number; /* in order of arrival: decides between equal times */
	uint8_t bytes[]; /* topic, key, value, headers */
};

/* Up to twice as many as wanted are kept, then sorted, and the older half is dropped. */
struct tail {
	struct tail_record **records;
	size_t records_max, count, cap, at;
	uint64_t added;
};

struct tail *tail_new(size_t records_max)
{
	struct tail *t = xcalloc(1, sizeof(*t));

	t->records_max = records_max;
	return t;
}

void tail_free(struct tail *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->count; i++)
		free(t->records[i]);
	free(t->records);
	free(t);
}

/* Copies bytes to *to and moves it on; null stays null. */
static const uint8_t *tail_copy(uint8_t **to, const void *data, size_t len)
{
	uint8_t *copy = *to;

	if (!data)
		return NULL;
	memcpy(copy, data, len);
	*to += len;
	return copy;
}

static int tail_order(const void *a, const void *b)
{
	const struct tail_record *x = *(struct tail_record *const *)a;
	const struct tail_record *y = *(struct tail_record *const *)b;

	if (x->record.timestamp != y->record.timestamp)
		return x->record.timestamp < y->record.timestamp ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

void tail_sort(struct tail *t)
{
	size_t dropped = 0;

	if (t->count > 0)
		qsort(t->records, t->count, sizeof(*t->records), tail_order);
	if (t->count > t->records_max)
		dropped = t->count - t->records_max;
	for (size_t i = 0; i < dropped; i++)
		free(t->records[i]);
	t->count -= dropped;
	if (dropped > 0)
		memmove(t->records, t->records + dropped, t->count * sizeof(*t->records));
}

void tail_add(struct tail *t, const struct record_view *v)
{
	const struct record *r = v->record;
	struct tail_record *copy =
		xmalloc(sizeof(*copy) + v->topic.len + r->key.len + r->value.len + r->headers_len);
	uint8_t *to = copy->bytes;

	copy->view = *v;
	copy->record = *r;
	copy->number = t->added++;
	copy->view.record = &copy->record;
	copy->view.topic.data = (const char *)tail_copy(&to, v->topic.data, v->topic.len);
	copy->record.key.data = tail_copy(&to, r->key.data, r->key.len);
	copy->record.value.data = tail_copy(&to, r->value.data, r->value.len);
	copy->record.headers = tail_copy(&to, r->headers, r->headers_len);
	copy->record.key.buf = copy->record.value.buf = NULL;
	t->records = grow_array(t->records, t->count, &t->cap, sizeof(*t->records));
	t->records[t->count++] = copy;
	if (t->count >= 2 * t->records_max + 16)
		tail_sort(t);
}

const struct record_view *tail_next(struct tail *t)
{
	return t->at < t->count ? &t->records[t->at++]->view : NULL;
}
