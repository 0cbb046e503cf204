/* If this fails: --add-config and --delete-config change something else than was typed. */
#include "unit/support.h"

#include "cmd/configs/configs_int.h"

static struct run run;

static int parse(const char *add, struct opt_list delete, struct changes *out, struct err *err)
{
	struct configs_args args = {.add_config = add, .delete_config = delete};

	*err = (struct err){0};
	return configs_changes(&run, &args, out, err);
}

static void check(const struct changes *c, size_t i, const char *name, const char *value)
{
	assert_true(i < c->count);
	assert_true(str_is(c->items[i].name, name));
	assert_int_equal(c->items[i].is_delete, value == NULL);
	if (value)
		assert_true(str_is(c->items[i].value, value));
}

static void test_pairs_and_brackets(void **state)
{
	const char *deletions[] = {"a,b", "c"};
	struct changes c;
	struct err err;

	(void)state;
	assert_int_equal(parse("k=v", (struct opt_list){0}, &c, &err), 0);
	assert_int_equal(c.count, 1);
	check(&c, 0, "k", "v");
	assert_int_equal(parse("k=[a,b], l = x ,m=,n=[iterations=8192,password=p=q]",
			       (struct opt_list){0}, &c, &err),
			 0);
	assert_int_equal(c.count, 4);
	check(&c, 0, "k", "a,b");
	check(&c, 1, "l", "x");
	check(&c, 2, "m", "");
	check(&c, 3, "n", "iterations=8192,password=p=q");
	assert_int_equal(parse("k=v", (struct opt_list){deletions, 2}, &c, &err), 0);
	assert_int_equal(c.count, 4);
	check(&c, 0, "a", NULL);
	check(&c, 2, "c", NULL);
	check(&c, 3, "k", "v");
}

static void test_what_is_refused(void **state)
{
	static const char *const bad[] = {"k", "k=v,l", "k=v=w", "a b=c", "k*=1", ","};
	struct changes c;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		if (parse(bad[i], (struct opt_list){0}, &c, &err) != E_INVALID)
			fail_msg("'%s' was taken", bad[i]);
	}
	parse("a b=c", (struct opt_list){0}, &c, &err);
	assert_string_equal(err.text, "Invalid character found for config key: a b");
}

static int set_up(void **state)
{
	(void)state;
	arena_init(&run.arena);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_fini(&run.arena);
	return 0;
}

/* argv -> entities, as the parser leaves the lists. */
static int entities(struct configs_args *args, int argc, char **argv, struct entities *out,
		    struct err *err)
{
	run.argc = argc;
	run.argv = argv;
	*err = (struct err){0};
	return entities_read(&run, args, out, err);
}

static void test_names_and_defaults_count_by_place(void **state)
{
	const char *types[] = {"users", "clients"}, *names[] = {"c1"};
	char *argv[] = {"--entity-type", "users",   "--entity-default",
			"--entity-type", "clients", "--entity-name=c1"};
	struct configs_args args = {.describe = true,
				    .entity_types = {types, 2},
				    .entity_names = {names, 1},
				    .entity_default = true};
	struct entities e;
	struct err err;

	(void)state;
	assert_int_equal(entities(&args, 6, argv, &e, &err), 0);
	assert_int_equal(e.type_count, 2);
	assert_int_equal(e.name_count, 2);
	assert_int_equal(e.names[0].len, 0);
	assert_true(str_is(e.names[1], "c1"));
	args = (struct configs_args){.describe = true, .user_defaults = true, .client = "c"};
	assert_int_equal(entities(&args, 0, NULL, &e, &err), 0);
	assert_string_equal(e.types[0]->plural, "clients");
	assert_string_equal(e.types[1]->plural, "users");
}

static void test_entities_that_make_no_sense(void **state)
{
	const char *twice[] = {"topics", "topics"}, *mixed[] = {"topics", "brokers"};
	struct configs_args args = {.describe = true, .entity_types = {twice, 2}};
	struct entities e;
	struct err err;

	(void)state;
	assert_int_equal(entities(&args, 0, NULL, &e, &err), E_INVALID);
	assert_string_equal(err.text, "Duplicate entity type(s) specified: topics");
	args.entity_types = (struct opt_list){mixed, 2};
	assert_int_equal(entities(&args, 0, NULL, &e, &err), E_INVALID);
	args = (struct configs_args){.describe = true, .broker = "x"};
	assert_int_equal(entities(&args, 0, NULL, &e, &err), E_INVALID);
	assert_string_equal(err.text, "The entity name for brokers must be a valid integer broker "
				      "id, but it is: x");
	args = (struct configs_args){.alter = true, .user = "u"};
	assert_int_equal(entities(&args, 0, NULL, &e, &err), E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_pairs_and_brackets, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names_and_defaults_count_by_place, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_entities_that_make_no_sense, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
