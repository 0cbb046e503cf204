/* Random messages for tests, made from descriptors: every field that the version has gets a value
 * now and then null, empty or its default. Seeded: the same seed, the same message. */
#ifndef KAVKA_TESTS_RANDOM_MESSAGE_H
#define KAVKA_TESTS_RANDOM_MESSAGE_H

#include "base/rng.h"
#include "wire/codec.h"

#define RANDOM_LEN_MAX 20
#define RANDOM_COUNT_MAX 3

struct random_maker {
	struct rng rng;
	struct arena *arena;
	int16_t version;
};

static void random_struct(struct random_maker *r, const struct wire_struct *s, void *ptr);

static uint8_t *random_bytes(struct random_maker *r, size_t *len)
{
	uint8_t *bytes;

	*len = rng_below(&r->rng, 4) ? rng_below(&r->rng, RANDOM_LEN_MAX) : 0;
	bytes = arena_alloc(r->arena, *len + 1);
	rng_fill(&r->rng, bytes, *len);
	return bytes;
}

static struct str random_text(struct random_maker *r)
{
	size_t len;
	char *text = (char *)random_bytes(r, &len);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(' ' + (unsigned char)text[i] % 95);
	return (struct str){text, len};
}

static void random_value(struct random_maker *r, const struct wire_field *f, void *at)
{
	uint64_t bits = rng_next(&r->rng) >> rng_below(&r->rng, 64);
	struct slice *bytes = at;

	bits = rng_below(&r->rng, 2) ? bits : -bits;
	switch ((enum wire_type)f->type) {
	case WIRE_BOOL: *(bool *)at = bits & 1; break;
	case WIRE_INT8: *(int8_t *)at = (int8_t)bits; break;
	case WIRE_INT16:
	case WIRE_UINT16: *(uint16_t *)at = (uint16_t)bits; break;
	case WIRE_INT32:
	case WIRE_UINT32: *(uint32_t *)at = (uint32_t)bits; break;
	case WIRE_INT64: *(int64_t *)at = (int64_t)bits; break;
	case WIRE_FLOAT64: *(double *)at = (double)(int64_t)bits / 3; break;
	case WIRE_UUID: rng_fill(&r->rng, at, sizeof(struct uuid)); break;
	case WIRE_STRING: *(struct str *)at = random_text(r); break;
	case WIRE_BYTES:
	case WIRE_RECORDS:
		*bytes = SLICE_NULL;
		bytes->data = random_bytes(r, &bytes->len);
		break;
	case WIRE_STRUCT: random_struct(r, f->child, at); break;
	}
}

static void random_null(const struct wire_field *f, void *ptr)
{
	char *at = (char *)ptr + f->at;
	int32_t none = -1;

	if (f->flags & WIRE_ARRAY)
		memcpy((char *)ptr + f->count_at, &none, sizeof(none));
	else if (f->flags & WIRE_POINTER)
		memset(at, 0, sizeof(void *));
	else
		memset(at, 0, wire_value_size(f));
}

static void random_field(struct random_maker *r, const struct wire_field *f, void *ptr)
{
	char *at = (char *)ptr + f->at, *items;
	size_t size = wire_value_size(f);
	int32_t count;

	if (wire_field_nullable(f, r->version) && rng_below(&r->rng, 4) == 0) {
		random_null(f, ptr);
	} else if (f->flags & WIRE_ARRAY) {
		count = (int32_t)rng_below(&r->rng, RANDOM_COUNT_MAX + 1);
		items = arena_array(r->arena, (size_t)count + 1, size);
		for (int32_t i = 0; i < count; i++)
			random_value(r, f, items + (size_t)i * size);
		memcpy(at, &items, sizeof(items));
		memcpy((char *)ptr + f->count_at, &count, sizeof(count));
	} else if (f->flags & WIRE_POINTER) {
		items = arena_array(r->arena, 1, size);
		random_struct(r, f->child, items);
		memcpy(at, &items, sizeof(items));
	} else {
		random_value(r, f, at);
	}
}

static void random_struct(struct random_maker *r, const struct wire_struct *s, void *ptr)
{
	wire_init(s, ptr);
	for (size_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];

		/* A nullable struct is NULL after wire_init, whatever its default is. */
		if (wire_field_in(f, r->version) &&
		    (rng_below(&r->rng, 6) || f->flags & WIRE_POINTER))
			random_field(r, f, ptr);
	}
}

static void *random_message(const struct message_desc *m, int16_t version, uint64_t seed,
			    struct arena *arena)
{
	struct random_maker r = {.arena = arena, .version = version};
	void *msg = arena_alloc(arena, m->body->size);

	rng_init(&r.rng, seed);
	random_struct(&r, m->body, msg);
	return msg;
}

#endif
