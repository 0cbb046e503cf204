/* Walking the bytes of a message by its descriptor, item by item, in order and without memory of
 * its own: for what must see where each field lies (hex dumps) or look into messages that pass by
 * and are never there as a whole (proxies). codec.h is what reads messages into structs.
 *
 *	wire_scan_init(&s, &fetch_response_desc, 16, frame_len);
 *	while ((rc = wire_scan_next(&s, window, window_len, &item)) > 0) {
 *		...item.len bytes of the window, and item.content_len behind them, are behind us...
 *		window += item.len + item.content_len;
 *	}
 *
 * Nothing here trusts a byte: lengths are checked against the length of the whole message. An item
 * is given when all of it is in the window; contents of bytes, records and unknown tagged fields
 * need not be. */
#ifndef KAVKA_WIRE_SCAN_H
#define KAVKA_WIRE_SCAN_H

#include "wire/codec.h"

enum scan_kind {
	SCAN_VALUE,   /* number, id or string, with its length */
	SCAN_CONTENT, /* bytes or records: their length; then content_len bytes */
	SCAN_COUNT,   /* of an array: `number`, -1 for null */
	SCAN_MARK,    /* whether a nullable struct follows */
	SCAN_TAGS,    /* how many tagged fields follow */
	SCAN_TAG,     /* number and size of one; its value is the next item */
	SCAN_UNKNOWN, /* the same of one that this version does not have; then content_len bytes */
};

struct scan_item {
	enum scan_kind kind;
	const struct wire_field *field; /* NULL: SCAN_TAGS, SCAN_UNKNOWN */
	size_t pos, len;                /* within the message */
	size_t content_len;             /* not in `len` */
	int64_t number;                 /* of integers, counts and tags; bits of a float64 */
	bool is_null;
	struct str text;      /* of a string: points into the window */
	const uint8_t *bytes; /* of the item, in the window */
};

struct scan_level {
	const struct wire_struct *s;
	const struct wire_field *field; /* what we are in, NULL: nothing yet */
	int32_t index, left;            /* elements of an array: the one at hand (-1), to come */
	uint32_t tags_left;
	size_t tag_end;
	uint16_t next; /* field to come */
	uint8_t phase;
	bool enter;     /* the struct of `field` comes next */
	bool is_tagged; /* `field` is in a tagged field that ends at tag_end */
	bool is_begun;  /* its value was begun */
};

struct wire_scan {
	const struct message_desc *m;
	int16_t version;
	bool is_flexible;
	size_t pos, end;
	int depth;
	struct scan_level levels[WIRE_DEPTH_MAX + 2];
};

/* `len`: of the whole message. The version must be one that `m` has. */
void wire_scan_init(struct wire_scan *s, const struct message_desc *m, int16_t version, size_t len);

/* The next item of the bytes that begin at s->pos. 1; 0 at the end of the message (s->pos tells
 * where); E_AGAIN: the window ends inside the item, nothing has moved; E_SHORT, E_MALFORMED. */
MUST_USE int wire_scan_next(struct wire_scan *s, const uint8_t *window, size_t len,
			    struct scan_item *item);

/* "Topics[0].Partitions[1].Records" of the item given last. Returns `text`. */
char *wire_scan_path(const struct wire_scan *s, char *text, size_t size);

/* How many arrays the item given last is inside of, and at which element of the outermost. */
int32_t wire_scan_index(const struct wire_scan *s);

#endif
