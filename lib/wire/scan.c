#include "wire/scan.h"

#include "wire/codec_int.h"
#include "wire/varint.h"

#include <stdio.h>

enum scan_phase { PHASE_FIELDS, PHASE_TAGS, PHASE_TAGGED };

/* What is left of the window while an item is read; nothing moves in the scan before it is whole.
 */
struct window {
	struct wire_scan *s;
	const uint8_t *data;
	size_t len, pos, left; /* left: bytes of the message, from the window's start */
};

static void scan_push(struct wire_scan *s, const struct wire_struct *of)
{
	assert(s->depth < (int)ARRAY_LEN(s->levels));
	s->levels[s->depth++] = (struct scan_level){.s = of, .index = -1};
}

void wire_scan_init(struct wire_scan *s, const struct message_desc *m, int16_t version, size_t len)
{
	assert(message_has_version(m, version));
	*s = (struct wire_scan){
		.m = m,
		.version = version,
		.is_flexible = wire_flexible(m, version),
		.end = len,
	};
	scan_push(s, m->body);
}

static int window_need(const struct window *w, size_t len)
{
	if (len > w->left - w->pos)
		return E_SHORT;
	return len > w->len - w->pos ? E_AGAIN : 0;
}

static int window_uvarint(struct window *w, uint32_t *out)
{
	int used = uvarint_read(out, w->data + w->pos, w->len - w->pos);

	if (used < 0)
		return E_MALFORMED;
	if (used == 0)
		return w->len == w->left ? E_SHORT : E_AGAIN;
	w->pos += (size_t)used;
	return 0;
}

static int window_length(struct window *w, const struct wire_field *f, bool narrow, int64_t *out)
{
	const uint8_t *at = w->data + w->pos;
	uint32_t value;
	int rc;

	if (w->s->is_flexible && !(f->flags & WIRE_INFLEXIBLE)) {
		rc = window_uvarint(w, &value);
		if (rc < 0)
			return rc;
		*out = (int64_t)value - 1;
	} else {
		rc = window_need(w, narrow ? 2 : 4);
		if (rc < 0)
			return rc;
		*out = narrow ? (int16_t)be16(at) : (int32_t)be32(at);
		w->pos += narrow ? 2 : 4;
	}
	if (*out > (narrow ? INT16_MAX : INT32_MAX))
		return E_MALFORMED;
	return 0;
}

/* The item is whole: we are behind it. */
static int scan_given(struct wire_scan *s, const struct window *w, struct scan_item *item)
{
	item->pos = s->pos;
	item->len = w->pos;
	item->bytes = w->data;
	s->pos += w->pos + item->content_len;
	return 1;
}

static int scan_number(struct window *w, const struct wire_field *f, struct scan_item *item)
{
	static const uint8_t sizes[WIRE_TYPE_COUNT] = {
		[WIRE_BOOL] = 1,   [WIRE_INT8] = 1,    [WIRE_INT16] = 2,
		[WIRE_UINT16] = 2, [WIRE_INT32] = 4,   [WIRE_UINT32] = 4,
		[WIRE_INT64] = 8,  [WIRE_FLOAT64] = 8, [WIRE_UUID] = 16,
	};
	const uint8_t *at = w->data + w->pos;
	int rc = window_need(w, sizes[f->type]);

	if (rc < 0)
		return rc;
	switch ((enum wire_type)f->type) {
	case WIRE_BOOL: item->number = *at != 0; break;
	case WIRE_INT8: item->number = (int8_t)*at; break;
	case WIRE_INT16: item->number = (int16_t)be16(at); break;
	case WIRE_UINT16: item->number = be16(at); break;
	case WIRE_INT32: item->number = (int32_t)be32(at); break;
	case WIRE_UINT32: item->number = be32(at); break;
	case WIRE_INT64:
	case WIRE_FLOAT64: item->number = (int64_t)be64(at); break;
	default: break;
	}
	w->pos += sizes[f->type];
	return 0;
}

/* One value that is no struct: a field's, or an element's. */
static int scan_value(struct window *w, const struct wire_field *f, struct scan_item *item)
{
	int64_t length = 0;
	int rc;

	item->kind = SCAN_VALUE;
	item->field = f;
	if (f->type != WIRE_STRING && f->type != WIRE_BYTES && f->type != WIRE_RECORDS)
		return scan_number(w, f, item);
	rc = window_length(w, f, f->type == WIRE_STRING, &length);
	if (rc < 0)
		return rc;
	item->is_null = length < 0;
	item->number = length = MAX(length, (int64_t)0);
	if ((size_t)length > w->left - w->pos)
		return E_SHORT;
	if (f->type != WIRE_STRING) {
		item->kind = SCAN_CONTENT;
		item->content_len = (size_t)length;
		return 0;
	}
	rc = window_need(w, (size_t)length);
	if (rc < 0)
		return rc;
	item->text =
		(struct str){item->is_null ? NULL : (const char *)w->data + w->pos, (size_t)length};
	w->pos += (size_t)length;
	return 0;
}

static int scan_count(struct window *w, struct scan_level *l, struct scan_item *item)
{
	int rc;

	item->kind = SCAN_COUNT;
	item->field = l->field;
	rc = window_length(w, l->field, false, &item->number);
	if (rc < 0)
		return rc;
	item->is_null = item->number < 0;
	if (item->number > (int64_t)(w->left - w->pos))
		return E_SHORT;
	l->left = (int32_t)MAX(item->number, (int64_t)0);
	l->is_begun = true;
	return 0;
}

static int scan_mark(struct window *w, struct scan_level *l, struct scan_item *item)
{
	uint32_t present;
	int rc;

	item->kind = SCAN_MARK;
	item->field = l->field;
	if (l->is_tagged) {
		rc = window_uvarint(w, &present);
		item->number = present;
		item->is_null = present == 0;
	} else {
		rc = window_need(w, 1);
		item->number = rc == 0 ? (int8_t)w->data[w->pos] : 0;
		item->is_null = item->number < 0;
		w->pos += rc == 0;
	}
	if (rc < 0)
		return rc;
	l->enter = !item->is_null;
	l->is_begun = true;
	return 0;
}

/* Begins the value of l->field. 1: an item; 0: go on; < 0. */
static int scan_begin(struct wire_scan *s, struct window *w, struct scan_level *l,
		      struct scan_item *item)
{
	const struct wire_field *f = l->field;
	int rc;

	if (f->flags & WIRE_ARRAY) {
		rc = scan_count(w, l, item);
	} else if (f->flags & WIRE_POINTER && wire_field_nullable(f, s->version)) {
		rc = scan_mark(w, l, item);
	} else if (f->type == WIRE_STRUCT) {
		l->is_begun = true;
		l->enter = true;
		return 0;
	} else {
		rc = scan_value(w, f, item);
		l->is_begun = rc == 0;
	}
	return rc < 0 ? rc : scan_given(s, w, item);
}

static int scan_tag(struct wire_scan *s, struct window *w, struct scan_level *l,
		    struct scan_item *item)
{
	const struct wire_field *f;
	uint32_t tag, size;
	int rc = window_uvarint(w, &tag);

	if (rc == 0)
		rc = window_uvarint(w, &size);
	if (rc < 0)
		return rc;
	if (size > w->left - w->pos)
		return E_SHORT;
	f = tag < l->s->tagged_count ? &l->s->fields[l->s->tagged[tag]] : NULL;
	item->number = tag;
	l->tags_left--;
	if (!f || !wire_field_in(f, s->version) || s->version < f->tagged_since) {
		item->kind = SCAN_UNKNOWN;
		item->content_len = size;
		return scan_given(s, w, item);
	}
	item->kind = SCAN_TAG;
	item->field = f;
	l->field = f;
	l->index = -1;
	l->is_tagged = true;
	l->is_begun = false;
	scan_given(s, w, item);
	l->tag_end = s->pos + size;
	return 1;
}

/* The next field that this version has, in its place or tagged. 1: an item; 0: go on; 2: the
 * struct is over. */
static int scan_advance(struct wire_scan *s, struct window *w, struct scan_level *l,
			struct scan_item *item)
{
	uint32_t count;
	int rc;

	l->field = NULL;
	l->index = -1;
	if (l->phase == PHASE_FIELDS) {
		while (l->next < l->s->field_count) {
			const struct wire_field *f = &l->s->fields[l->next++];

			if (!wire_field_in(f, s->version) || s->version >= f->tagged_since)
				continue;
			l->field = f;
			l->is_begun = false;
			return 0;
		}
		if (!s->is_flexible)
			return 2;
		l->phase = PHASE_TAGS;
	}
	if (l->phase == PHASE_TAGS) {
		rc = window_uvarint(w, &count);
		if (rc < 0)
			return rc;
		l->tags_left = count;
		l->phase = PHASE_TAGGED;
		item->kind = SCAN_TAGS;
		item->number = count;
		return scan_given(s, w, item);
	}
	return l->tags_left == 0 ? 2 : scan_tag(s, w, l, item);
}

/* One step inside of the field at hand. 1: an item; 0: go on; 2: the field is over. */
static int scan_inside(struct wire_scan *s, struct window *w, struct scan_level *l,
		       struct scan_item *item)
{
	int rc;

	if (!l->is_begun)
		return scan_begin(s, w, l, item);
	if (l->enter) {
		l->enter = false;
		scan_push(s, l->field->child);
		return 0;
	}
	if (l->left > 0 && l->field->type == WIRE_STRUCT) {
		l->index++;
		l->left--;
		scan_push(s, l->field->child);
		return 0;
	}
	if (l->left > 0) {
		rc = scan_value(w, l->field, item);
		if (rc < 0)
			return rc;
		l->index++;
		l->left--;
		return scan_given(s, w, item);
	}
	if (l->is_tagged && s->pos != l->tag_end)
		return E_MALFORMED;
	l->is_tagged = false;
	return 2;
}

int wire_scan_next(struct wire_scan *s, const uint8_t *window, size_t len, struct scan_item *item)
{
	struct window w = {.s = s, .data = window, .left = s->end - s->pos};
	int rc;

	w.len = MIN(len, w.left);
	*item = (struct scan_item){0};
	while (s->depth > 0) {
		struct scan_level *l = &s->levels[s->depth - 1];

		if (l->field) {
			rc = scan_inside(s, &w, l, item);
			if (rc != 2) {
				if (rc == 0)
					continue;
				return rc;
			}
		}
		rc = scan_advance(s, &w, l, item);
		if (rc == 2)
			s->depth--;
		else if (rc != 0)
			return rc;
	}
	return 0;
}

char *wire_scan_path(const struct wire_scan *s, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (int i = 0; i < s->depth; i++) {
		const struct scan_level *l = &s->levels[i];

		if (!l->field || len >= size)
			break;
		len += (size_t)snprintf(text + len, size - len, "%s%s", i ? "." : "",
					l->field->name);
		if (l->index >= 0 && len < size)
			len += (size_t)snprintf(text + len, size - len, "[%d]", l->index);
	}
	return text;
}

int32_t wire_scan_index(const struct wire_scan *s)
{
	return s->depth > 0 ? s->levels[0].index : -1;
}
