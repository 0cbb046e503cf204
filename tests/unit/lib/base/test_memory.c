/* Broken if this fails: arenas, shared buffers, bounded writers. */
#include "unit/support.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/rng.h"

static void arena_memory_is_aligned_and_apart(void **state)
{
	struct arena a;
	struct rng rng;
	unsigned char *blocks[300];
	size_t sizes[300];

	(void)state;
	arena_init(&a);
	rng_init(&rng, 3);
	for (int i = 0; i < 300; i++) {
		sizes[i] = rng_below(&rng, i % 17 == 0 ? 100000 : 200);
		blocks[i] = arena_alloc(&a, sizes[i]);
		assert_int_equal((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
		memset(blocks[i], i & 0xff, sizes[i]);
	}
	for (int i = 0; i < 300; i++)
		for (size_t j = 0; j < sizes[i]; j++)
			assert_int_equal(blocks[i][j], i & 0xff);
	arena_reset(&a);
	assert_non_null(arena_alloc(&a, 10));
	arena_fini(&a);
}

static void arena_prints(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_string_equal(arena_printf(&a, "%d-%s", 42, "x"), "42-x");
	assert_string_equal(arena_strndup(&a, "abcdef", 3), "abc");
	arena_fini(&a);
}

static void arena_takes_over_anothers_memory(void **state)
{
	struct arena a, b;
	char *text;

	(void)state;
	arena_init(&a);
	arena_init(&b);
	arena_alloc(&a, 100);
	text = arena_strdup(&b, "kept");
	arena_absorb(&a, &b);
	assert_null(b.blocks);
	assert_string_equal(text, "kept");
	arena_alloc(&a, 5000);
	assert_string_equal(text, "kept");
	arena_fini(&a);
}

static unsigned released;

static void count_release(struct buf *b)
{
	released++;
	free(b);
}

static void buffer_goes_with_its_last_reference(void **state)
{
	struct buf *b = buf_new(10);
	struct slice s;

	(void)state;
	released = 0;
	b->release = count_release;
	memcpy(b->data, "0123456789", 10);
	s = slice_ref(slice_of(buf_ref(b), 2, 3));
	buf_unref(b);
	buf_unref(b);
	assert_int_equal(released, 0);
	assert_memory_equal(s.data, "234", 3);
	slice_unref(&s);
	assert_int_equal(released, 1);
	assert_null(s.data);
	slice_unref(&s);
}

static void borrowed_slice_is_copied_when_kept(void **state)
{
	char bytes[] = "abc";
	struct slice kept = slice_ref((struct slice){NULL, (const uint8_t *)bytes, 3});

	(void)state;
	bytes[0] = 'X';
	assert_memory_equal(kept.data, "abc", 3);
	slice_unref(&kept);
}

static void writer_stops_at_its_bound(void **state)
{
	struct out o;

	(void)state;
	out_init(&o, 10);
	out_text(&o, "12345");
	out_text(&o, "67890");
	assert_false(o.failed);
	out_byte(&o, 'x');
	assert_true(o.failed);
	out_byte(&o, 'y');
	assert_int_equal(o.len, 10);
	out_reset(&o);
	out_printf(&o, "%03d", 7);
	assert_memory_equal(o.data, "007", 3);
	out_fini(&o);
}

static void strings_compare_bytewise(void **state)
{
	(void)state;
	assert_true(str_cmp(STR_LIT("a"), STR_LIT("ab")) < 0);
	assert_true(str_cmp(STR_LIT("\xff"), STR_LIT("a")) > 0);
	assert_int_equal(str_cmp(STR_NULL, STR_LIT("")), 0);
	assert_true(str_is(STR_LIT("abc"), "abc"));
	assert_true(str_is_null(str_of(NULL)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_memory_is_aligned_and_apart),
		cmocka_unit_test(arena_prints),
		cmocka_unit_test(arena_takes_over_anothers_memory),
		cmocka_unit_test(buffer_goes_with_its_last_reference),
		cmocka_unit_test(borrowed_slice_is_copied_when_kept),
		cmocka_unit_test(writer_stops_at_its_bound),
		cmocka_unit_test(strings_compare_bytewise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
