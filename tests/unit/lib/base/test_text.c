/* Broken if this fails: reading of properties files, ids as text, near misses, error lines. */
#include "unit/support.h"

#include "base/err.h"
#include "base/near.h"
#include "base/props.h"
#include "base/uuid.h"

#include <errno.h>

static void expect_prop(const char *text, const char *key, const char *value)
{
	struct props p;
	struct err err = {0};

	props_init(&p);
	assert_int_equal(props_parse(&p, text, strlen(text), &err), 0);
	assert_non_null(props_get(&p, key));
	assert_string_equal(props_get(&p, key), value);
	props_fini(&p);
}

/* Expected values are what java.util.Properties makes of the same bytes. */
static void properties_are_read_as_java_does(void **state)
{
	(void)state;
	expect_prop("a=b", "a", "b");
	expect_prop("a = b \n", "a", "b ");
	expect_prop("a:b\n", "a", "b");
	expect_prop("a b c\n", "a", "b c");
	expect_prop("  a\t=\tb", "a", "b");
	expect_prop("a=\n", "a", "");
	expect_prop("a\n", "a", "");
	expect_prop("a=1\na=2\n", "a", "2");
	expect_prop("a=x\\\n   y\n", "a", "xy");
	expect_prop("a=x\\\\\nb=1", "a", "x\\");
	expect_prop("a=\\u00e9\\t!\r\nb=1", "a", "\xc3\xa9\t!");
	expect_prop("a\\=b\\ c=d", "a=b c", "d");
	expect_prop("# a=1 \\\na=2", "a", "2");
	expect_prop("! no\na==b", "a", "=b");
	expect_prop("a=b\rc=d", "c", "d");
	expect_prop("a=b\\", "a", "b");
}

static void malformed_escape_is_named_with_its_line(void **state)
{
	struct props p;
	struct err err = {0};
	const char *text = "a=1\n\nb=\\u12x4\n";

	(void)state;
	props_init(&p);
	assert_int_equal(props_parse(&p, text, strlen(text), &err), E_MALFORMED);
	assert_non_null(strstr(err.text, "line 3"));
	props_fini(&p);
}

static void missing_file_is_named(void **state)
{
	struct props p;
	struct err err = {0};

	(void)state;
	props_init(&p);
	assert_int_equal(props_read(&p, "/nonexistent/x.properties", &err), -ENOENT);
	assert_string_equal(err.text, "/nonexistent/x.properties: No such file or directory");
	assert_int_equal(props_set_pair(&p, "novalue", &err), E_USAGE);
	assert_int_equal(props_set_pair(&p, "k=v=w", &err), 0);
	assert_string_equal(props_get(&p, "k"), "v=w");
	props_fini(&p);
}

static void uuid_text_is_kafkas(void **state)
{
	struct uuid u, back;
	char text[UUID_TEXT_LEN + 1];

	(void)state;
	/* Printed by org.apache.kafka.common.Uuid for these two words. */
	u = uuid_from_words(0x0123456789abcdefu, 0xfedcba9876543210u);
	assert_string_equal(uuid_format(u, text), "ASNFZ4mrze_-3LqYdlQyEA");
	assert_string_equal(uuid_format(uuid_from_words(0, 1), text), "AAAAAAAAAAAAAAAAAAAAAQ");
	for (int i = 0; i < 1000; i++) {
		u = uuid_random();
		assert_int_equal(uuid_parse(&back, str_of(uuid_format(u, text))), 0);
		assert_true(uuid_eq(u, back));
		assert_int_not_equal(text[0], '-');
	}
	assert_int_equal(uuid_parse(&back, STR_LIT("short")), E_MALFORMED);
	assert_int_equal(uuid_parse(&back, STR_LIT("AAAAAAAAAAAAAAAAAAAA/Q")), E_MALFORMED);
}

static void near_miss_is_offered(void **state)
{
	struct near n;

	(void)state;
	near_init(&n, "topc");
	near_offer(&n, "partitions");
	near_offer(&n, "topic");
	assert_string_equal(n.best, "topic");
	near_init(&n, "xyz");
	near_offer(&n, "topic");
	assert_null(n.best);
	assert_int_equal(near_distance("retention.ms", "retnetion.ms"), 1);
	assert_int_equal(near_distance("", "abc"), 3);
}

static void error_lines_are_built_from_inside(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(err_set(&err, E_CORRUPT, "batch %d", 3), E_CORRUPT);
	assert_int_equal(err_add(&err, E_CORRUPT, "segment %s", "x"), E_CORRUPT);
	assert_string_equal(err.text, "segment x: batch 3");
	assert_int_equal(err_add(NULL, -EIO, "nobody listens"), -EIO);
	assert_string_equal(err_text(E_SHORT), "ends too early");
	assert_string_equal(err_text(-ENOENT), "No such file or directory");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(properties_are_read_as_java_does),
		cmocka_unit_test(malformed_escape_is_named_with_its_line),
		cmocka_unit_test(missing_file_is_named),
		cmocka_unit_test(uuid_text_is_kafkas),
		cmocka_unit_test(near_miss_is_offered),
		cmocka_unit_test(error_lines_are_built_from_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
