/* If these fail: a command's table is wrong, or its help, manual and completion tell different
 * things. */
#include "unit/support.h"

#include "cmd/command.h"

#include "base/buf.h"
#include "base/env.h"
#include "base/mem.h"

#include <stdio.h>

/* The table of the binary. */
#define main kavka_main
int kavka_main(int argc, char **argv);
#include "cmd/main.c"
#undef main

static void test_every_row_is_good(void **state)
{
	(void)state;
	for (unsigned i = 0; table[i]; i++) {
		struct err err = {0};

		if (opt_check(table[i], &err) < 0)
			fail_msg("%s", err.text);
	}
}

static char *text_of(struct out *o)
{
	out_byte(o, 0);
	return (char *)o->data;
}

static void check_rows(const struct command *c, const char *help, const char *man)
{
	for (const struct opt *o = c->opts; o->name; o++) {
		bool shown = o->type != OPT_GONE && !(o->flags & OPT_OLD);
		char in_help[128], in_man[128];

		snprintf(in_help, sizeof(in_help), "--%s%s", o->name, o->arg ? " " : "");
		snprintf(in_man, sizeof(in_man), " Fl -%s%s", o->name, o->arg ? " " : "\n");
		if ((strstr(help, in_help) != NULL) != shown && shown)
			fail_msg("%s --%s is not in the help", c->name, o->name);
		if ((strstr(man, in_man) != NULL) != shown)
			fail_msg("%s --%s: the manual disagrees", c->name, o->name);
	}
}

static void test_help_and_manual_agree(void **state)
{
	(void)state;
	for (unsigned i = 0; table[i]; i++) {
		struct out help, man;

		out_init(&help, 1 << 20);
		out_init(&man, 1 << 20);
		help_write(&help, table[i], false, 80);
		man_write_options(&man, table[i]);
		check_rows(table[i], text_of(&help), text_of(&man));
		for (unsigned s = 0; table[i]->subs && table[i]->subs[s]; s++)
			check_rows(table[i]->subs[s], (char *)help.data, (char *)man.data);
		out_fini(&help);
		out_fini(&man);
	}
}

static void test_every_command_has_a_page(void **state)
{
	struct env env;

	(void)state;
	env_posix_init(&env);
	for (unsigned i = 0; table[i]; i++) {
		char path[1024], name[128], *text;
		size_t len;

		/* These two are in kavka(1). */
		if (table[i] == &cmd_help || table[i] == &cmd_complete)
			continue;
		snprintf(path, sizeof(path), "%s/../man/kavka-%s.1.in", TESTS_DIR, table[i]->name);
		if (env_read_file(&env, path, 1 << 20, &text, &len) < 0)
			fail_msg("%s is missing", path);
		snprintf(name, sizeof(name), ".Nm kavka-%s\n", table[i]->name);
		assert_non_null(strstr(text, name));
		assert_non_null(strstr(text, "\n@OPTIONS@\n"));
		if (table[i]->alias)
			assert_non_null(strstr(text, table[i]->alias));
		free(text);
	}
}

static void test_names_are_found(void **state)
{
	(void)state;
	commands = table;
	assert_ptr_equal(command_find("topics"), &cmd_topics);
	assert_null(command_find("kafka-topics"));
	assert_ptr_equal(command_find_alias("kafka-topics"), &cmd_topics);
	assert_ptr_equal(command_find_alias("kafka-console-consumer.sh"), &cmd_consumer);
	assert_null(command_find_alias(".sh"));
	assert_null(command_find_alias("kafka-topic"));
	assert_non_null(command_find_sub(&cmd_storage, "format"));
	assert_null(command_find_sub(&cmd_storage, "forma"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_row_is_good),
		cmocka_unit_test(test_help_and_manual_agree),
		cmocka_unit_test(test_every_command_has_a_page),
		cmocka_unit_test(test_names_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
