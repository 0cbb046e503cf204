/* If this fails, some message does not survive being written and read again. */
#include "wire/random_message.h"

#include "base/limits.h"
#include "base/mem.h"
#include "wire/api.h"
#include "wire/json.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SEEDS 12

struct sample {
	const struct message_desc *message;
	int16_t version;
	uint64_t seed;
	struct arena arena;
	void *msg;
	struct out out;
};

static void sample_fail(struct sample *s, const char *what)
{
	fail_msg("%s v%d seed %lu: %s", s->message->name, s->version, (unsigned long)s->seed, what);
}

/* Bytes in a heap block of their own, so that the sanitizer sees a read past the end. */
static void *sample_decode(struct sample *s, uint8_t *bytes, size_t len)
{
	void *msg = arena_alloc(&s->arena, s->message->body->size);
	struct err err = {0};

	/* The fields that the decoder has to set must not be right by accident. */
	memset(msg, 0xa5, s->message->body->size);
	if (message_decode(s->message, s->version, (struct slice){NULL, bytes, len}, NULL,
			   &s->arena, msg, &err) < 0)
		sample_fail(s, err.text);
	return msg;
}

static void check_bytes(struct sample *s)
{
	uint8_t *bytes = xmemdup(s->out.data, s->out.len);
	void *again = sample_decode(s, bytes, s->out.len);

	if (!message_equal(s->message, s->version, s->msg, again))
		sample_fail(s, "decode(encode(x)) is not x");
	if (!message_equal(s->message, -1, again, message_copy(s->message, &s->arena, again)))
		sample_fail(s, "the copy differs");
	free(bytes);
}

/* The bytes put together from the parts are the bytes written at once. */
static void check_parts(struct sample *s)
{
	struct wire_parts parts = {.arena = &s->arena};
	struct out out, whole;
	size_t from = 0;

	out_init(&out, MESSAGE_BYTES_MAX);
	out_init(&whole, MESSAGE_BYTES_MAX);
	if (message_encode(s->message, s->version, s->msg, &out, &parts, NULL) < 0)
		sample_fail(s, "encode with parts");
	for (size_t i = 0; i < parts.count; i++) {
		out_bytes(&whole, out.data + from, parts.items[i].pos - from);
		out_bytes(&whole, parts.items[i].records.data, parts.items[i].records.len);
		from = parts.items[i].pos;
	}
	if (out.len > from)
		out_bytes(&whole, out.data + from, out.len - from);
	assert_int_equal(out.len + parts.bytes, s->out.len);
	assert_int_equal(whole.len, s->out.len);
	if (whole.len && memcmp(whole.data, s->out.data, whole.len) != 0)
		sample_fail(s, "parts give other bytes");
	out_fini(&out);
	out_fini(&whole);
}

static void check_json(struct sample *s)
{
	struct err err = {0};
	json_t *json = message_to_json(s->message, s->version, s->msg, WIRE_JSON_RECORDS, &err);
	void *again = arena_alloc(&s->arena, s->message->body->size);

	if (!json)
		sample_fail(s, err.text);
	memset(again, 0xa5, s->message->body->size);
	if (message_from_json(s->message, s->version, json, &s->arena, again, &err) < 0)
		sample_fail(s, err.text);
	if (!message_equal(s->message, s->version, s->msg, again))
		sample_fail(s, "JSON and back is not x");
	json_decref(json);
}

static void check_sample(const struct message_desc *m, int16_t version, uint64_t seed)
{
	struct sample s = {.message = m, .version = version, .seed = seed};
	struct err err = {0};
	size_t size;

	arena_init(&s.arena);
	out_init(&s.out, MESSAGE_BYTES_MAX);
	s.msg = random_message(m, version, seed, &s.arena);
	if (message_encode(m, version, s.msg, &s.out, NULL, &err) < 0)
		sample_fail(&s, err.text);
	assert_int_equal(message_size(m, version, s.msg, &size, NULL), 0);
	assert_int_equal(size, s.out.len);
	check_bytes(&s);
	check_parts(&s);
	check_json(&s);
	out_fini(&s.out);
	arena_fini(&s.arena);
}

static void test_every_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < wire_message_count; i++) {
		const struct message_desc *m = wire_messages[i];

		for (int16_t version = m->min_version; version <= m->max_version; version++) {
			for (uint64_t seed = 1; seed <= SEEDS; seed++)
				check_sample(m, version, seed * 1000 + i);
		}
	}
}

#define DENSE_COUNT 40
#define DENSE_TOTAL_MAX 20000

/* The smallest bytes with the most memory: one array of every struct is full of defaults. */
static void dense_struct(const struct wire_struct *s, int16_t version, struct rng *rng,
			 struct arena *arena, int *left, void *ptr)
{
	const struct wire_field *arrays[64];
	size_t array_count = 0;

	for (size_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];

		if (f->flags & WIRE_ARRAY && wire_field_in(f, version))
			arrays[array_count++] = f;
	}
	if (array_count && *left > 0) {
		const struct wire_field *f = arrays[rng_below(rng, array_count)];
		int32_t count = DENSE_COUNT;
		size_t size = wire_value_size(f);
		char *items = arena_array(arena, (size_t)count, size);

		*left -= count;
		for (int32_t i = 0; f->type == WIRE_STRUCT && i < count; i++) {
			wire_init(f->child, items + (size_t)i * size);
			dense_struct(f->child, version, rng, arena, left, items + (size_t)i * size);
		}
		memcpy((char *)ptr + f->at, &items, sizeof(items));
		memcpy((char *)ptr + f->count_at, &count, sizeof(count));
	}
}

/* The bound on memory for each byte never hits a legal message. */
static void test_dense_messages(void **state)
{
	struct rng rng;

	(void)state;
	rng_init(&rng, 7);
	for (size_t i = 0; i < wire_message_count; i++) {
		const struct message_desc *m = wire_messages[i];

		for (int n = 0; n < 5; n++) {
			int16_t version = n < 4 ? m->max_version : m->min_version;
			struct sample s = {.message = m, .version = version};
			int left = DENSE_TOTAL_MAX;
			void *msg;

			arena_init(&s.arena);
			out_init(&s.out, MESSAGE_BYTES_MAX);
			s.msg = arena_alloc(&s.arena, m->body->size);
			wire_init(m->body, s.msg);
			dense_struct(m->body, version, &rng, &s.arena, &left, s.msg);
			if (message_encode(m, version, s.msg, &s.out, NULL, NULL) == 0) {
				msg = sample_decode(&s, s.out.data, s.out.len);
				assert_true(message_equal(m, version, s.msg, msg));
			}
			out_fini(&s.out);
			arena_fini(&s.arena);
		}
	}
}

/* Any damage to a frame ends in an error or in some message, never in a bad read; and what could
 * be read can be written again. */
static void test_damaged_bytes(void **state)
{
	struct rng rng;

	(void)state;
	rng_init(&rng, 42);
	for (size_t i = 0; i < wire_message_count; i++) {
		const struct message_desc *m = wire_messages[i];
		struct sample s = {.message = m, .version = m->max_version};

		arena_init(&s.arena);
		out_init(&s.out, MESSAGE_BYTES_MAX);
		s.msg = random_message(m, s.version, i, &s.arena);
		assert_int_equal(message_encode(m, s.version, s.msg, &s.out, NULL, NULL), 0);
		for (int n = 0; n < 100 && s.out.len; n++) {
			uint8_t *bytes = xmemdup(s.out.data, s.out.len);
			void *msg = arena_alloc(&s.arena, m->body->size);
			size_t used, size;

			for (uint64_t flips = 1 + rng_below(&rng, 3); flips > 0; flips--)
				bytes[rng_below(&rng, s.out.len)] = (uint8_t)rng_next(&rng);
			if (message_decode(m, s.version, (struct slice){NULL, bytes, s.out.len},
					   &used, &s.arena, msg, NULL) == 0) {
				assert_true(used <= s.out.len);
				assert_int_equal(message_size(m, s.version, msg, &size, NULL), 0);
			}
			free(bytes);
		}
		out_fini(&s.out);
		arena_fini(&s.arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message),
		cmocka_unit_test(test_dense_messages),
		cmocka_unit_test(test_damaged_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
