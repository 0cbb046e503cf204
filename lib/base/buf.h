/* Bytes: refcounted buffers, slices into them, borrowed strings, and a growing writer.
 *
 * A received frame is one `struct buf`; what is decoded from it points into it. Keeping bytes
 * beyond the request means slice_ref(), not memcpy(). Reference counts are atomic, so a slice that
 * carries its own reference may go to another shard; the bytes are constant once shared. */
#ifndef KAVKA_BASE_BUF_H
#define KAVKA_BASE_BUF_H

#include "arena.h"
#include "check.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

struct buf {
	atomic_uint ref_count;	/* any thread, atomic */
	uint32_t pad;
	size_t size;		/* fixed after buf_new */
	/* Called instead of free() with the last reference, if set (memory of other origin). */
	void (*release)(struct buf *b);
	_Alignas(16) uint8_t data[];
};

struct buf *buf_new(size_t size);		/* one reference, bytes not initialised */
struct buf *buf_ref(struct buf *b);		/* gives back `b` */
void buf_unref(struct buf *b);			/* NULL is fine */
/* Grows or shrinks a buffer that nobody else refers to; it may move. Gives the buffer back. */
struct buf *buf_resize(struct buf *b, size_t size);

/* A part of a buffer, or (buf == NULL) borrowed bytes that outlive their use. */
struct slice {
	struct buf *buf;
	const uint8_t *data;	/* NULL: null, as the protocol has it */
	size_t len;
};

#define SLICE_NULL ((struct slice){0})

struct slice slice_of(struct buf *b, size_t pos, size_t len);	/* takes one reference of `b` */
struct slice slice_ref(struct slice s);		/* borrowed bytes (buf == NULL) are copied */
struct slice slice_copy(const void *data, size_t len);	/* gives a slice with its own buffer */
void slice_unref(struct slice *s);		/* also sets it to SLICE_NULL */

/* A borrowed string: not terminated, data == NULL is null. */
struct str {
	const char *data;
	size_t len;
};

#define STR_NULL ((struct str){0})
#define STR_LIT(s) ((struct str){"" s, sizeof(s) - 1})
/* For printf's %.*s */
#define STR(s) (int)(s).len, (s).data ? (s).data : ""

static inline struct str str_of(const char *text)
{
	return text ? (struct str){text, strlen(text)} : STR_NULL;
}
static inline bool str_is_null(struct str s)
{
	return !s.data;
}
static inline bool str_eq(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
static inline bool str_is(struct str a, const char *text)
{
	return str_eq(a, str_of(text));
}
int str_cmp(struct str a, struct str b);		/* bytewise, a prefix sorts first */
struct str str_dup(struct arena *a, struct str s);	/* null stays null; terminated copy */

/* A growing byte string. `max` bounds it: writing beyond sets `failed` and drops the bytes, so
 * that a chain of writes needs one check at its end. */
struct out {
	uint8_t *data;
	size_t len, cap, max;
	bool failed;
};

void out_init(struct out *o, size_t max);
void out_fini(struct out *o);
void out_reset(struct out *o);				/* empty again, memory kept */
uint8_t *out_reserve(struct out *o, size_t len);	/* room for len more, or NULL (failed) */
void out_bytes(struct out *o, const void *data, size_t len);
void out_text(struct out *o, const char *text);
void out_byte(struct out *o, uint8_t byte);
void out_printf(struct out *o, const char *fmt, ...) PRINTF_LIKE(2, 3);
struct buf *out_to_buf(struct out *o);			/* gives a buffer with the bytes; resets */

/* Big-endian loads and stores at any alignment. */
static inline uint16_t be16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}
static inline uint32_t be32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}
static inline uint64_t be64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}
static inline void put_be16(void *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof(v));
}
static inline void put_be32(void *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}
static inline void put_be64(void *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

#endif
