/* Arguments with a grammar of their own: misread, they change the wrong config, partition, offset.
 */
#include "unit/support.h"

#include "cmd/groups/groups_int.h"
#include "cmd/topics/topics_int.h"

#include <stdio.h>
#include <unistd.h>

static struct run run;
static struct err err;

static int setup(void **state)
{
	(void)state;
	arena_init(&run.arena);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_fini(&run.arena);
	return 0;
}

static const char *assignment_of(const char *argument)
{
	static char text[256];
	struct assignment *items;
	size_t len = 0;
	int32_t count;

	err = (struct err){0};
	if (assignment_parse(&run.arena, argument, &items, &count, &err) < 0)
		return err.text;
	for (int32_t i = 0; i < count; i++) {
		for (int32_t j = 0; j < items[i].count; j++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d",
						j ? ":" : "", items[i].ids[j]);
		len += (size_t)snprintf(text + len, sizeof(text) - len, ";");
	}
	return text;
}

static void test_replica_assignment(void **state)
{
	(void)state;
	assert_string_equal(assignment_of("1:2,2:3"), "1:2;2:3;");
	assert_string_equal(assignment_of(" 1 , 2 "), "1;2;");
	assert_string_equal(assignment_of("1:1"),
			    "Partition replica lists may not contain duplicate entries: 1");
	assert_string_equal(assignment_of("1:2,1"),
			    "Partition 1 has different replication factor: [1]");
	assert_string_equal(assignment_of("1,x"), "For input string: \"x\"");
	assert_string_equal(assignment_of("1,"), "For input string: \"\"");
}

static int file_of(const char *text, bool one_group, struct reset_row **rows, size_t *count)
{
	char path[] = "/tmp/kavka-csv-XXXXXX";
	struct groups_args args = {.from_file = path};
	struct groups groups = {.run = &run, .args = &args, .arena = &run.arena};
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	err = (struct err){0};
	rc = reset_file_read(&groups, one_group, rows, count, &err);
	unlink(path);
	return rc;
}

static void test_reset_file(void **state)
{
	struct reset_row *rows;
	size_t count;

	(void)state;
	assert_int_equal(file_of("t,0,4\r\n\ng,t,1,5", true, &rows, &count), 0);
	assert_int_equal(count, 2);
	assert_true(str_is_null(rows[0].group));
	assert_int_equal(rows[0].offset, 4);
	assert_true(str_is(rows[1].group, "g"));
	assert_int_equal(rows[1].partition, 1);
	assert_int_equal(file_of("\"a,b\",t,1,5\n", false, &rows, &count), 0);
	assert_true(str_is(rows[0].group, "a,b"));
	assert_int_equal(file_of("t,0,4\n", false, &rows, &count), E_USAGE);
	assert_int_equal(file_of("t,0\n", true, &rows, &count), E_USAGE);
	assert_int_equal(file_of("a,b,c,d,e\n", true, &rows, &count), E_USAGE);
	assert_int_equal(file_of("t,0,x\n", true, &rows, &count), E_USAGE);
	assert_int_equal(file_of("t,-1,3\n", true, &rows, &count), E_USAGE);
	assert_non_null(strstr(err.text, ":1: partition or offset is no number"));
	assert_int_equal(file_of("", true, &rows, &count), 0);
	assert_int_equal(count, 0);
}

static void test_bootstrap_addresses(void **state)
{
	static const char *const good[] = {"h:1", "h:1,i:2", "[::1]:9092", "PLAINTEXT://h:9092"};
	static const char *const bad[] = {"h", "h:", "h:1,i", ":x", "9092"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(connect_check_bootstrap(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(connect_check_bootstrap(bad[i], &err), E_USAGE);
		assert_string_equal(err.text,
				    "Please provide valid host:port like host1:9091,host2:9092\n");
	}
	assert_int_equal(connect_check_bootstrap("", &err), E_USAGE);
	assert_string_equal(err.text, "Error while validating the bootstrap address\n");
	assert_int_equal(connect_check_bootstrap(NULL, &err), E_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_replica_assignment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_file, setup, teardown),
		cmocka_unit_test(test_bootstrap_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
