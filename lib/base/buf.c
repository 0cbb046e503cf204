#include "buf.h"

#include "mem.h"

#include <stdarg.h>
#include <stdio.h>

struct buf *buf_new(size_t size)
{
	struct buf *b = xmalloc(sizeof(*b) + size);

	atomic_init(&b->ref_count, 1);
	b->size = size;
	b->release = NULL;
	return b;
}

struct buf *buf_ref(struct buf *b)
{
	unsigned before = atomic_fetch_add_explicit(&b->ref_count, 1, memory_order_relaxed);

	assert(before > 0);
	return b;
}

void buf_unref(struct buf *b)
{
	unsigned before;

	if (!b)
		return;
	before = atomic_fetch_sub_explicit(&b->ref_count, 1, memory_order_acq_rel);
	assert(before > 0);
	if (before > 1)
		return;
	if (b->release)
		b->release(b);
	else
		free(b);
}

struct buf *buf_resize(struct buf *b, size_t size)
{
	assert(atomic_load(&b->ref_count) == 1);
	assert(!b->release);
	b = xrealloc(b, sizeof(*b) + size);
	b->size = size;
	return b;
}

struct slice slice_of(struct buf *b, size_t pos, size_t len)
{
	assert(pos <= b->size && len <= b->size - pos);
	return (struct slice){b, b->data + pos, len};
}

struct slice slice_ref(struct slice s)
{
	if (s.buf)
		buf_ref(s.buf);
	else if (s.data)
		return slice_copy(s.data, s.len);
	return s;
}

struct slice slice_copy(const void *data, size_t len)
{
	struct buf *b = buf_new(len);

	if (len)
		memcpy(b->data, data, len);
	return slice_of(b, 0, len);
}

void slice_unref(struct slice *s)
{
	buf_unref(s->buf);
	*s = SLICE_NULL;
}

int str_cmp(struct str a, struct str b)
{
	size_t common = MIN(a.len, b.len);
	int order = common ? memcmp(a.data, b.data, common) : 0;

	return order ? order : (a.len > b.len) - (a.len < b.len);
}

struct str str_dup(struct arena *a, struct str s)
{
	if (!s.data)
		return s;
	return (struct str){arena_strndup(a, s.data, s.len), s.len};
}

void out_init(struct out *o, size_t max)
{
	*o = (struct out){.max = max};
}

void out_fini(struct out *o)
{
	free(o->data);
	*o = (struct out){.max = o->max};
}

void out_reset(struct out *o)
{
	o->len = 0;
	o->failed = false;
}

uint8_t *out_reserve(struct out *o, size_t len)
{
	if (o->failed || len > o->max - o->len) {
		o->failed = true;
		return NULL;
	}
	if (len > o->cap - o->len) {
		o->cap = MIN(MAX(MAX(o->cap * 2, o->len + len), (size_t)256),
			     MAX(o->max, o->len + len));
		o->data = xrealloc(o->data, o->cap);
	}
	return o->data + o->len;
}

void out_bytes(struct out *o, const void *data, size_t len)
{
	uint8_t *room = len > 0 ? out_reserve(o, len) : NULL;

	if (!room)
		return;
	memcpy(room, data, len);
	o->len += len;
}

void out_text(struct out *o, const char *text)
{
	out_bytes(o, text, strlen(text));
}

void out_byte(struct out *o, uint8_t byte)
{
	out_bytes(o, &byte, 1);
}

void out_printf(struct out *o, const char *fmt, ...)
{
	va_list args, again;
	uint8_t *room;
	int len;

	va_start(args, fmt);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	assert(len >= 0);
	room = out_reserve(o, (size_t)len + 1);
	if (room) {
		vsnprintf((char *)room, (size_t)len + 1, fmt, again);
		o->len += (size_t)len;
	}
	va_end(again);
}

struct buf *out_to_buf(struct out *o)
{
	struct buf *b = buf_new(o->len);

	if (o->len)
		memcpy(b->data, o->data, o->len);
	out_reset(o);
	return b;
}
