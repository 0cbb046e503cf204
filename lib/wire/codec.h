/* The codec: one implementation that reads, writes, sizes, compares and copies every message at
 * every version, by its descriptor (wire/desc.h, generated wire/messages.h).
 *
 *	struct metadata_request *req = WIRE_NEW(arena, metadata_request);	// every default set
 *	req->topics = WIRE_ARRAY(arena, metadata_request_topic, 1);
 *	req->topics_count = 1;
 *	req->topics[0].name = STR_LIT("orders");
 *	rc = message_encode(&metadata_request_desc, 12, req, &out, NULL, err);
 *
 * What decoding gives borrows the bytes it was decoded from: strings, bytes and records point into
 * them; only arrays and nullable structs take memory, from the arena. A struct slice (bytes and
 * records fields) carries the frame's `buf` without a reference of its own: slice_ref() keeps it
 * beyond the frame.
 *
 * A frame may come from anyone: every length is checked against what is left before anything is
 * allocated, and the arena memory of one message is bounded by DECODE_BYTES_MAX. Unknown tagged
 * fields are skipped and not kept.
 *
 * Null: strings and slices have data == NULL, arrays have count == -1, nullable structs are a NULL
 * pointer. A null string, bytes, records or array is written as an empty one where the schema
 * never allows null; where it allows null only in other versions, that is E_UNSUPPORTED.
 * A field that the version lacks is dropped if it has its default or is ignorable, else writing
 * fails with E_UNSUPPORTED.
 *
 * Errors name the place: "FetchRequest v12: Topics[3].Partitions[0].Records at byte 120: ends too
 * early". All functions may be called from any thread. */
#ifndef KAVKA_WIRE_CODEC_H
#define KAVKA_WIRE_CODEC_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "wire/desc.h"
#include "wire/messages.h"

/* Arena memory of one decoded message: a fixed part, and so much for each byte of the frame. The
 * densest legal message (an array of arrays of one empty string) needs half of that. */
#define DECODE_BYTES_BASE (64 * 1024)
#define DECODE_BYTES_RATIO 32
#define DECODE_BYTES_MAX(frame_len) (DECODE_BYTES_BASE + (frame_len) * (size_t)DECODE_BYTES_RATIO)

/* ---- Making messages ---- */

/* A struct with every field at its default. TYPE without "struct": WIRE_NEW(arena, vote_request).
 * A nullable struct starts as NULL, an array as empty (or null, if that is its default). */
#define WIRE_NEW(arena, type) ((struct type *)wire_array_new(&type##_struct, (arena), 1))
/* `count` such structs, for an array field. */
#define WIRE_ARRAY(arena, type, count) \
	((struct type *)wire_array_new(&type##_struct, (arena), (size_t)(count)))
/* The same for a struct that is already there. */
#define WIRE_INIT(type, ptr) \
	((void)sizeof((ptr) == (struct type *)0), wire_init(&type##_struct, (ptr)))

void *wire_array_new(const struct wire_struct *s, struct arena *arena, size_t count);
void wire_init(const struct wire_struct *s, void *ptr);
static inline void message_init(const struct message_desc *m, void *msg)
{
	wire_init(m->body, msg);
}
static inline void *message_new(const struct message_desc *m, struct arena *arena)
{
	return wire_array_new(m->body, arena, 1);
}

/* ---- Reading ---- */

/* Decodes the body of a message that begins at the first of `bytes` into `msg` (the caller's, of
 * m->body->size bytes; every field is set, those that the version lacks to their defaults).
 * `used` gets the number of bytes read; NULL means that there must be no more bytes than that.
 * Borrows `bytes` for as long as the message lives.
 * Returns 0, E_SHORT, E_MALFORMED, E_TOO_LARGE (DECODE_BYTES_MAX), or E_UNSUPPORTED (version). */
MUST_USE int message_decode(const struct message_desc *m, int16_t version, struct slice bytes,
			    size_t *used, struct arena *arena, void *msg, struct err *err);

/* ---- Writing ---- */

/* Records that follow out->data[pos - 1] and were not copied: what goes to the wire is the bytes
 * of `out` with each part's `records` put in at its `pos` (ascending). The codec looks at nothing
 * but records.len, so `data` need not be memory: a file range can travel here as well, in whatever
 * form the caller gave it (data != NULL). */
struct wire_part {
	size_t pos;
	struct slice records;	/* borrowed, as it stood in the message */
};

struct wire_parts {
	struct arena *arena;	/* set by the caller; the rest starts as zero */
	struct wire_part *items;
	size_t count, cap;
	size_t bytes;		/* sum of the lengths */
};

/* Appends the body of `msg` to `out`. With `parts`, non-empty records are left out and listed
 * there; without (NULL) they are copied like everything else.
 * Returns 0, E_UNSUPPORTED (see above, or the version itself), E_INVALID (a string above 32767
 * bytes, a negative count), or E_TOO_LARGE (out->max). After an error `out` has some of it. */
MUST_USE int message_encode(const struct message_desc *m, int16_t version, const void *msg,
			    struct out *out, struct wire_parts *parts, struct err *err);

/* Length of the encoded body, records included; gives the same errors. */
MUST_USE int message_size(const struct message_desc *m, int16_t version, const void *msg,
			  size_t *size, struct err *err);

/* ---- Values ---- */

/* Whether both are the same at `version` (fields that it lacks do not count), or in every field
 * with version -1. Null differs from empty where null is allowed in some version. */
bool message_equal(const struct message_desc *m, int16_t version, const void *a, const void *b);
bool wire_equal(const struct wire_struct *s, int16_t version, const void *a, const void *b);

/* Whether every field has its default. */
bool wire_is_default(const struct wire_struct *s, const void *ptr);
bool wire_field_is_default(const struct wire_field *f, const void *ptr);

/* A deep copy in `arena`: strings (terminated), bytes and records too (buf == NULL). */
void *message_copy(const struct message_desc *m, struct arena *arena, const void *msg);
/* Fills `to`, not initialised before. */
void wire_copy(const struct wire_struct *s, struct arena *arena, void *to, const void *from);

/* ---- For walkers of descriptors: json.c, tests ---- */

/* Size of one value in C, of an array's element, or of the struct itself. */
size_t wire_value_size(const struct wire_field *f);
static inline int32_t wire_count(const struct wire_field *f, const void *ptr)
{
	return *(const int32_t *)(const void *)((const char *)ptr + f->count_at);
}
static inline const void *wire_at(const struct wire_field *f, const void *ptr)
{
	return (const char *)ptr + f->at;
}

#endif
