/* Broken options would make scripts written for Apache's tools fail, or worse, do something else.
 */
#include "unit/support.h"

#include "cmd/command.h"

struct test_args {
	bool list, describe;
	const char *topic, *state, *codec, *server;
	int64_t partitions, timeout;
	struct opt_list props;
};

#define AT(field) offsetof(struct test_args, field)

static const struct opt rows[] = {
	{"list", OPT_FLAG, AT(list), .help = "List."},
	{"describe", OPT_FLAG, AT(describe), .help = "Describe."},
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .old = "subject", .help = "Topic."},
	{"state", OPT_OPTIONAL, AT(state), .arg = "state", .needs = "list describe",
	 .help = "State."},
	{"compression-codec", OPT_OPTIONAL, AT(codec), .arg = "codec", .help = "Codec."},
	{"partitions", OPT_INT, AT(partitions), .arg = "count", .min = 1, .max = 100,
	 .help = "Partitions."},
	{"timeout", OPT_INT, AT(timeout), .arg = "ms", .min = 0, .max = INT64_MAX, .value = "1000",
	 .help = "Timeout."},
	{"bootstrap-server", OPT_STRING, AT(server), .arg = "server", .brief = 'b',
	 .help = "Server."},
	{"property", OPT_LIST, AT(props), .arg = "prop", .help = "Property."},
	{"zookeeper", OPT_GONE, 0, .help = "use --bootstrap-server."},
	OPT_END,
};

static int run_nothing(struct run *run, void *args)
{
	(void)run;
	(void)args;
	return 0;
}

static const struct command jopt = {
	.name = "test", .alias = "kafka-test", .dialect = JOPT, .summary = "test", .opts = rows,
	.args_size = sizeof(struct test_args), .run = run_nothing,
};

struct storage_test_args {
	const char *config;
	bool ignore;
	struct opt_list features;
};

static const struct opt argparse_rows[] = {
	{"config", OPT_STRING, offsetof(struct storage_test_args, config), .arg = "file",
	 .brief = 'c', .flags = OPT_REQUIRED, .help = "Config."},
	{"ignore-formatted", OPT_FLAG, offsetof(struct storage_test_args, ignore), .brief = 'g',
	 .help = "Ignore."},
	{"feature", OPT_LIST, offsetof(struct storage_test_args, features), .arg = "f",
	 .brief = 'f', .help = "Feature."},
	OPT_END,
};

static const struct command argparse = {
	.name = "test", .dialect = ARGPARSE, .summary = "test", .opts = argparse_rows,
	.args_size = sizeof(struct storage_test_args), .run = run_nothing,
};

#define WORDS(...) ((char *[]){__VA_ARGS__})
#define COUNT(...) ((int)(sizeof(WORDS(__VA_ARGS__)) / sizeof(char *)))

static struct run run;
static struct test_args args;
static struct err err;

static int parse_as(const struct command *command, bool is_apache, void *to, int argc, char **argv)
{
	arena_fini(&run.arena);
	run = (struct run){.command = command, .is_apache = is_apache, .name = "test"};
	arena_init(&run.arena);
	err = (struct err){0};
	return opt_parse(&run, argc, argv, to, &err);
}

#define parse(is_apache, ...) \
	(args = (struct test_args){0}, \
	 parse_as(&jopt, (is_apache), &args, COUNT(__VA_ARGS__), WORDS(__VA_ARGS__)))

static void test_forms(void **state)
{
	(void)state;
	assert_int_equal(parse(true, "--topic", "a", "-partitions", "3", "-property=x=y",
			       "--property", "z"), 0);
	assert_string_equal(args.topic, "a");
	assert_int_equal(args.partitions, 3);
	assert_int_equal(args.props.count, 2);
	assert_string_equal(args.props.items[0], "x=y");
	assert_string_equal(args.props.items[1], "z");
	assert_int_equal(args.timeout, 1000);
	assert_false(opt_given(&run, "timeout"));
	assert_int_equal(opt_given_count(&run, "topic list partitions"), 2);

	assert_int_equal(parse(true, "--topic="), 0);
	assert_string_equal(args.topic, "");
	assert_int_equal(parse(true, "--list=anything", "word"), 0);
	assert_true(args.list);
	assert_int_equal(run.word_count, 1);
	assert_int_equal(parse(true, "--", "--list", "-x"), 0);
	assert_false(args.list);
	assert_int_equal(run.word_count, 2);
	assert_int_equal(parse(false, "--subject", "old"), 0);
	assert_string_equal(args.topic, "old");
}

static void expect(int rc, const char *text)
{
	assert_int_equal(rc, E_USAGE);
	assert_string_equal(err.text, text);
}

static void test_letters(void **state)
{
	static char *const forms[][2] = {
		{"-b", "h:1"}, {"-b=h:1", "--list"}, {"-bh:1", "--list"},
		{"--bootstrap-server", "h:1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		assert_int_equal(parse(false, forms[i][0], forms[i][1]), 0);
		assert_string_equal(args.server, "h:1");
		assert_int_equal(parse(true, forms[i][0], forms[i][1]), 0);
		assert_string_equal(args.server, "h:1");
	}
	assert_int_equal(parse(false, "-h"), 0);
	assert_true(run.wants_help);
	/* Apache's tools of this dialect have no -h. */
	expect(parse(true, "-h"), "h is not a recognized option");
	/* A long name with one dash is not a letter with its value. */
	assert_int_equal(parse(true, "-bootstrap-server", "h:2"), 0);
	assert_string_equal(args.server, "h:2");
}

static void test_advice(void **state)
{
	(void)state;
	expect(parse(true, "-topic-lecture"),
	       "topic-lecture is not a recognized option; did you mean --topic lecture?");
	assert_true(run.is_advised);
	expect(parse(false, "list"), "'list' belongs to no option; did you mean --list?");
	expect(parse(false, "--list", "xyzzy"), "'xyzzy' belongs to no option");
	expect(parse(true, "--nothing-like-it"), "nothing-like-it is not a recognized option");
	assert_false(run.is_advised);
}

static void test_values_that_look_like_options(void **state)
{
	(void)state;
	assert_int_equal(parse(true, "--topic", "--list"), 0);
	assert_string_equal(args.topic, "--list");
	assert_false(args.list);
	/* An optional value is not taken from an option that is known ... */
	assert_int_equal(parse(true, "--list", "--state", "--topic", "a"), 0);
	assert_true(opt_given(&run, "state"));
	assert_null(args.state);
	assert_string_equal(args.topic, "a");
	/* ... but from anything else, and "=" gives the empty text. */
	assert_int_equal(parse(true, "--list", "--state", "stable,empty"), 0);
	assert_string_equal(args.state, "stable,empty");
	assert_int_equal(parse(true, "--compression-codec="), 0);
	assert_string_equal(args.codec, "");
	assert_int_equal(parse(true, "--compression-codec"), 0);
	assert_null(args.codec);
}

static void test_messages_of_apache(void **state)
{
	(void)state;
	expect(parse(true, "--nothing-like-it"), "nothing-like-it is not a recognized option");
	expect(parse(true, "--top", "a"), "top is not a recognized option; did you mean --topic?");
	expect(parse(true, "--LIST"), "LIST is not a recognized option");
	expect(parse(true, "-xyz"), "x is not a recognized option");
	expect(parse(true, "--topic"), "Option topic requires an argument");
	expect(parse(true, "--partitions", "x"), "Cannot parse argument 'x' of option partitions");
	expect(parse(true, "--partitions", " 3"),
	       "Cannot parse argument ' 3' of option partitions");
	expect(parse(true, "--partitions", "9999999999999999999"),
	       "Cannot parse argument '9999999999999999999' of option partitions");
	assert_int_equal(parse(true, "--partitions", "+3"), 0);
	expect(parse(true, "--topic", "a", "--topic", "b"),
	       "Found multiple arguments for option topic, but you asked for only one");
	expect(parse(true, "--state"),
	       "Option(s) [state] are unavailable given other options on the command line");
}

static void test_messages_of_our_own(void **state)
{
	(void)state;
	expect(parse(false, "--topic-lecture"),
	       "unknown option --topic-lecture; did you mean --topic lecture?");
	expect(parse(false, "--tpoic", "a"), "unknown option --tpoic; did you mean --topic?");
	expect(parse(false, "--partition", "3"),
	       "unknown option --partition; did you mean --partitions?");
	expect(parse(false, "--part", "3"), "unknown option --part; did you mean --partitions?");
	expect(parse(false, "--partitions", "0"), "--partitions: 0 is not in 1..100");
	expect(parse(false, "--partitions", "many"), "--partitions: 'many' is not a whole number");
	expect(parse(false, "--topic"), "--topic needs a value: --topic topic");
	expect(parse(false, "--state"), "--state goes only with --list");
	expect(parse(false, "--zookeeper", "h:2181"),
	       "--zookeeper is gone: use --bootstrap-server.");
}

static void test_checks_between_options(void **state)
{
	(void)state;
	assert_int_equal(parse(true, "--list", "--partitions", "3"), 0);
	expect(opt_conflict(&run, "partitions", "describe list", &err),
	       "Option \"[partitions]\" can't be used with option \"[list]\"");
	assert_int_equal(opt_conflict(&run, "topic", "list", &err), 0);
	assert_int_equal(opt_conflict(&run, "partitions", "describe topic", &err), 0);
	expect(opt_require(&run, "topic", &err), "Missing required argument \"[topic]\"");
	assert_int_equal(opt_require(&run, "list", &err), 0);
	assert_int_equal(parse(false, "--list", "--partitions", "3"), 0);
	expect(opt_conflict(&run, "partitions", "list", &err),
	       "--partitions cannot be used with --list");
	expect(opt_require(&run, "topic", &err), "--topic is missing");
}

static void test_argparse(void **state)
{
	struct storage_test_args s = {0};

	(void)state;
	assert_int_equal(
		parse_as(&argparse, true, &s, 5, WORDS("-cfile", "-g", "-f", "a=1", "--fe=b")), 0);
	assert_string_equal(s.config, "file");
	assert_true(s.ignore);
	assert_int_equal(s.features.count, 2);
	s = (struct storage_test_args){0};
	assert_int_equal(parse_as(&argparse, true, &s, 2, WORDS("--conf", "x")), 0);
	assert_string_equal(s.config, "x");
	expect(parse_as(&argparse, true, &s, 1, WORDS("-g")), "argument --config/-c is required");
	expect(parse_as(&argparse, true, &s, 1, WORDS("-c")),
	       "argument --config/-c: expected one argument");
	expect(parse_as(&argparse, true, &s, 1, WORDS("--zzz")), "unrecognized arguments: '--zzz'");
	assert_int_equal(parse_as(&argparse, true, &s, 1, WORDS("--help")), 0);
	assert_true(run.wants_help);
}

/* A bad table must not ship. */
static void test_table_check(void **state)
{
	static const struct opt twice[] = {{"a", OPT_FLAG, 0, .help = "A."},
					   {"a", OPT_FLAG, 1, .help = "B."}, OPT_END};
	static const struct opt no_help[] = {{"a", OPT_FLAG, 0, .help = ""}, OPT_END};
	static const struct opt no_range[] = {{"a", OPT_INT, 0, .arg = "n", .help = "A."}, OPT_END};
	static const struct opt no_arg[] = {{"a", OPT_STRING, 0, .help = "A."}, OPT_END};
	static const struct opt frame[] = {{"help", OPT_FLAG, 0, .help = "A."}, OPT_END};
	static const struct opt outside[] = {{"a", OPT_FLAG, 400, .help = "A."}, OPT_END};
	static const struct opt needs[] = {{"a", OPT_FLAG, 0, .needs = "b", .help = "A."}, OPT_END};
	static const struct opt words[] = {{"a", OPT_STRING, 0, .arg = "x", .help = "A.",
					    .complete = COMPLETE_WORDS}, OPT_END};
	static const struct opt letter[] = {{"a", OPT_FLAG, 0, .brief = 'a', .help = "A."},
					    {"b", OPT_FLAG, 1, .brief = 'a', .help = "B."},
					    OPT_END};
	const struct opt *bad[] = {twice, no_help, no_range, no_arg, frame, outside, needs, words,
				   letter};

	(void)state;
	assert_int_equal(opt_check(&jopt, &err), 0);
	assert_int_equal(opt_check(&argparse, &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct command c = jopt;

		c.opts = bad[i];
		err = (struct err){0};
		assert_int_equal(opt_check(&c, &err), E_INVALID);
		assert_true(err.text[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_letters),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_values_that_look_like_options),
		cmocka_unit_test(test_messages_of_apache),
		cmocka_unit_test(test_messages_of_our_own),
		cmocka_unit_test(test_checks_between_options),
		cmocka_unit_test(test_argparse),
		cmocka_unit_test(test_table_check),
	};
	int rc;

	arena_init(&run.arena);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	arena_fini(&run.arena);
	return rc;
}
