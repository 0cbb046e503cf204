/* If these fail: a profile loses its password, or a change eats what people wrote into the file. */
#include "unit/support.h"

#include "cmd/profile.h"

#include "base/env.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/kavka-profile-XXXXXX";
static char path[256];
static struct err err;

static void write_text(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void assert_file(const char *text)
{
	struct env env;
	char *data;
	size_t len;

	env_posix_init(&env);
	assert_int_equal(env_read_file(&env, path, 1 << 16, &data, &len), 0);
	assert_string_equal(data, text);
	free(data);
}

static struct profiles *open_profiles(void)
{
	struct profiles *p = NULL;

	err = (struct err){0};
	assert_int_equal(profiles_open(&p, &err), 0);
	return p;
}

static void save(struct profiles *p)
{
	assert_int_equal(profiles_save(p, &err), 0);
	profiles_free(p);
}

static int setup(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static void test_a_new_file(void **state)
{
	struct profiles *p = open_profiles();
	struct stat st;

	(void)state;
	assert_null(profiles_name(p, 0));
	assert_null(profiles_current(p));
	assert_int_equal(profiles_set(p, "lab", "bootstrap.servers", "a:1,b:2", &err), 0);
	assert_int_equal(profiles_set(p, "prod", "sasl.jaas.config", "x \\ y\n\tz = 1;", &err), 0);
	assert_int_equal(profiles_use(p, "lab", &err), 0);
	assert_int_equal(profiles_use(p, "lba", &err), E_NOT_FOUND);
	assert_string_equal(err.text, "there is no profile 'lba'; did you mean lab?");
	save(p);
	assert_file("current = lab\n\n[lab]\nbootstrap.servers = a:1,b:2\n\n[prod]\n"
		    "sasl.jaas.config = x \\\\ y\\n\\tz = 1;\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static const char written[] = "# mine\n"
			      "current=one\n"
			      "\n"
			      "[one]\n"
			      "  # the old one\n"
			      "bootstrap.servers : a:1\n"
			      "sasl.jaas.config = module \\\n"
			      "\t[two] \\\n"
			      "\tpassword\n"
			      "\n"
			      "  [ two ]\n"
			      "[two]\r\n"
			      "client.id\tme\n"
			      "bootstrap.servers=b:2\n"
			      "bootstrap.servers=c:3\n";

/* Comments, blanks and the order stay; a continued value is one value, and no title is in it. */
static void test_edited_by_hand(void **state)
{
	struct profiles *p;
	struct props props;

	(void)state;
	write_text(written);
	p = open_profiles();
	assert_string_equal(profiles_name(p, 0), "one");
	assert_string_equal(profiles_name(p, 1), " two ");
	assert_string_equal(profiles_name(p, 2), "two");
	assert_null(profiles_name(p, 3));
	assert_string_equal(profiles_current(p), "one");
	props_init(&props);
	assert_int_equal(profiles_read(p, "one", &props, &err), 0);
	assert_int_equal(props.count, 2);
	assert_string_equal(props_get(&props, "sasl.jaas.config"), "module [two] password");
	props_fini(&props);
	save(p);
	assert_file(written);

	p = open_profiles();
	assert_int_equal(profiles_remove(p, " two ", &err), 0);
	assert_int_equal(profiles_set(p, "one", "sasl.jaas.config", "m", &err), 0);
	assert_int_equal(profiles_set(p, "one", "client.id", "x", &err), 0);
	assert_int_equal(profiles_set(p, "two", "bootstrap.servers", "d:4", &err), 0);
	assert_int_equal(profiles_set(p, "two", "client.id", NULL, &err), 0);
	assert_int_equal(profiles_use(p, "two", &err), 0);
	save(p);
	assert_file("# mine\ncurrent = two\n\n[one]\n  # the old one\nbootstrap.servers : a:1\n"
		    "sasl.jaas.config = m\nclient.id = x\n\n[two]\r\nbootstrap.servers = d:4\n");

	p = open_profiles();
	assert_int_equal(profiles_remove(p, "two", &err), 0);
	assert_null(profiles_current(p));
	save(p);
	assert_file("# mine\n\n[one]\n  # the old one\nbootstrap.servers : a:1\n"
		    "sasl.jaas.config = m\nclient.id = x\n\n");
}

static void test_what_cannot_be(void **state)
{
	struct profiles *p = NULL;

	(void)state;
	write_text("[one\n");
	assert_int_equal(profiles_open(&p, &err), E_MALFORMED);
	assert_non_null(strstr(err.text, "line 1: a title is [NAME]"));
	write_text("");
	p = open_profiles();
	assert_int_equal(profiles_set(p, "a b", "client.id", "x", &err), E_INVALID);
	assert_int_equal(profiles_set(p, "", "client.id", "x", &err), E_INVALID);
	assert_int_equal(profiles_set(p, "-x", "client.id", "x", &err), E_INVALID);
	assert_int_equal(profiles_set(p, "x", "[client.id", "x", &err), E_INVALID);
	assert_int_equal(profiles_remove(p, "x", &err), E_NOT_FOUND);
	profiles_free(p);
}

/* Every value comes back as it was given. */
static void test_values_survive(void **state)
{
	static const char *const values[] = {
		" leading", "trailing ", "a\\nb", "tab\tnewline\nreturn\r\f", "#no comment", "= :",
		"ends in \\", "\\u0041 not A", "čeština", "[x]",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct profiles *p = open_profiles();
		struct props props;

		assert_int_equal(profiles_set(p, "p", "client.id", values[i], &err), 0);
		assert_int_equal(profiles_set(p, "p", "odd = key", values[i], &err), 0);
		save(p);
		p = open_profiles();
		props_init(&props);
		assert_int_equal(profiles_read(p, "p", &props, &err), 0);
		assert_int_equal(props.count, 2);
		assert_string_equal(props_get(&props, "client.id"), values[i]);
		assert_string_equal(props_get(&props, "odd = key"), values[i]);
		props_fini(&props);
		profiles_free(p);
	}
}

static void test_written_by_another_command(void **state)
{
	struct props props;
	struct profiles *p;

	(void)state;
	props_init(&props);
	props_set(&props, "bootstrap.servers", "a:1");
	assert_int_equal(profile_write("lab", &props, true, &err), 0);
	props_fini(&props);
	props_init(&props);
	props_set(&props, "client.id", "x");
	assert_int_equal(profile_write("lab", &props, false, &err), 0);
	props_fini(&props);
	p = open_profiles();
	assert_string_equal(profiles_current(p), "lab");
	props_init(&props);
	assert_int_equal(profiles_read(p, "lab", &props, &err), 0);
	assert_int_equal(props.count, 1);
	props_fini(&props);
	profiles_free(p);
}

/* Dot files are often links into a repository. */
static void test_a_link_stays_a_link(void **state)
{
	char elsewhere[300];
	struct profiles *p;
	struct stat st;

	(void)state;
	snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", dir);
	fclose(fopen(elsewhere, "w"));
	assert_int_equal(symlink(elsewhere, path), 0);
	p = open_profiles();
	assert_int_equal(profiles_set(p, "p", "client.id", "x", &err), 0);
	save(p);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_file("[p]\nclient.id = x\n");
	unlink(elsewhere);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_new_file, setup),
		cmocka_unit_test_setup(test_edited_by_hand, setup),
		cmocka_unit_test_setup(test_what_cannot_be, setup),
		cmocka_unit_test_setup(test_values_survive, setup),
		cmocka_unit_test_setup(test_written_by_another_command, setup),
		cmocka_unit_test_setup(test_a_link_stays_a_link, setup),
	};
	int rc;

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/kavka/config", dir);
	setenv("XDG_CONFIG_HOME", dir, 1);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	snprintf(path, sizeof(path), "%s/kavka", dir);
	rmdir(path);
	rmdir(dir);
	return rc;
}
