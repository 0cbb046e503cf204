/* If these fail, a lab comes up with other nodes, ports or configs than it had, or a broken file of
 * one is taken for a lab. */
#include "unit/support.h"

#include "base/env.h"
#include "cmd/lab/lab_int.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
	struct arena arena;
	char home[64];
	struct lab lab;
};

static int fixture_init(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));
	struct lab_args args = {.name = "one"};

	arena_init(&f->arena);
	snprintf(f->home, sizeof(f->home), "/tmp/kavka-lab-XXXXXX");
	assert_non_null(mkdtemp(f->home));
	setenv("XDG_STATE_HOME", f->home, 1);
	assert_int_equal(lab_locate(&f->lab, &f->arena, &args, NULL), 0);
	assert_int_equal(lab_make_dir(f->lab.dir, NULL), 0);
	*state = f;
	return 0;
}

static int fixture_fini(void **state)
{
	struct fixture *f = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", f->home);
	assert_int_equal(system(command), 0);
	arena_fini(&f->arena);
	test_free(f);
	return 0;
}

static void write_state(struct fixture *f, const char *text)
{
	struct env env;

	env_posix_init(&env);
	assert_int_equal(
		env_write_file(&env, lab_path(&f->lab, "lab.properties"), text, strlen(text)), 0);
}

static void it_is_where_the_state_of_programs_is(void **state)
{
	struct fixture *f = *state;
	struct lab_args elsewhere = {.dir = "some/where"};
	struct lab lab;
	char here[512];

	assert_string_equal(f->lab.dir, arena_printf(&f->arena, "%s/kavka/labs/one", f->home));
	assert_int_equal(lab_locate(&lab, &f->arena, &elsewhere, NULL), 0);
	assert_non_null(getcwd(here, sizeof(here)));
	assert_string_equal(lab.dir, arena_printf(&f->arena, "%s/some/where", here));
	assert_string_equal(lab.name, LAB_NAME_DEFAULT);
}

static void what_is_saved_is_loaded(void **state)
{
	struct fixture *f = *state;
	const char *configs[] = {"log.dirs.x=a=b", "sasl.x=c:\\d \\u0041"};
	struct lab_args args = {.name = "one"};
	struct lab lab;

	f->lab.cluster_id = "abc";
	f->lab.configs = configs;
	f->lab.config_count = 2;
	f->lab.profile = "one";
	f->lab.node_count = 2;
	f->lab.nodes[0] = (struct lab_node){
		.id = 1,
		.is_broker = true,
		.rack = "b",
		.doors = {[DOOR_CLIENT] = {9092, 20001}, [DOOR_INTERNAL] = {20002, 20003}}};
	f->lab.nodes[1] = (struct lab_node){
		.id = 7, .is_controller = true, .doors = {[DOOR_CONTROLLER] = {20004, 20004}}};
	assert_int_equal(lab_save(&f->lab, NULL), 0);
	assert_int_equal(lab_open(&lab, &f->arena, &args, NULL), 0);
	assert_string_equal(lab.name, "one");
	assert_string_equal(lab.cluster_id, "abc");
	assert_string_equal(lab.profile, "one");
	assert_null(lab.profile_before);
	assert_int_equal(lab.config_count, 2);
	assert_string_equal(lab.configs[0], configs[0]);
	assert_string_equal(lab.configs[1], configs[1]);
	assert_int_equal(lab.node_count, 2);
	assert_string_equal(lab.nodes[0].rack, "b");
	assert_int_equal(lab.nodes[0].doors[DOOR_CLIENT].port, 9092);
	assert_int_equal(lab.nodes[0].doors[DOOR_CLIENT].node_port, 20001);
	assert_int_equal(lab.nodes[0].doors[DOOR_CONTROLLER].port, 0);
	assert_string_equal(lab_roles(&lab.nodes[1]), "controller");
	assert_int_equal(lab.nodes[1].doors[DOOR_CONTROLLER].node_port, 20004);
	assert_null(lab.nodes[1].rack);
	assert_string_equal(lab_bootstrap(&lab), "127.0.0.1:9092");
	assert_true(lab_node_mask(&lab) == (END_BIT(1) | END_BIT(7)));
	assert_null(lab_node(&lab, 2));
}

static void refuses(struct fixture *f, const char *text, const char *why)
{
	struct lab_args args = {.name = "one"};
	struct err err = {0};
	struct lab lab;

	write_state(f, text);
	assert_int_equal(lab_open(&lab, &f->arena, &args, &err), E_MALFORMED);
	assert_non_null(strstr(err.text, why));
	assert_non_null(strstr(err.text, "lab.properties"));
}

static void a_broken_file_is_told(void **state)
{
#define HEAD "name=one\ncluster.id=x\n"
	struct fixture *f = *state;

	refuses(f, "name=one\n", "no nodes, no cluster.id or no name");
	refuses(f, HEAD "nodes=1,x\n", "node 1 is incomplete");
	refuses(f, HEAD "nodes=x\n", "nodes: 'x'");
	refuses(f, HEAD "nodes=64\n", "nodes: '64'");
	refuses(f, HEAD "nodes=0\n", "nodes: '0'");
	refuses(f, HEAD "nodes=1,1\nnode.1.roles=broker\nnode.1.client=1\n", "nodes: '1'");
	refuses(f, HEAD "nodes=1\nnode.1.roles=broker\nnode.1.client=70000\n",
		"'70000' is no port");
	refuses(f, HEAD "nodes=1\nnode.1.roles=broker\nnode.1.client=1:\n", "'1:' is no port");
	refuses(f, HEAD "nodes=1\nnode.1.roles=broker\n", "incomplete");
	refuses(f, HEAD "nodes=1\nnode.1.roles=controller\nnode.1.client=1\n", "incomplete");
#undef HEAD
}

static void one_that_is_not_there_has_a_near_miss(void **state)
{
	struct fixture *f = *state;
	struct lab_args args = {.name = "onne"};
	struct err err = {0};
	struct lab lab;

	assert_int_equal(lab_open(&lab, &f->arena, &args, &err), E_NOT_FOUND);
	assert_non_null(strstr(err.text, "kavka lab up makes one"));
	write_state(f, "");
	assert_int_equal(lab_open(&lab, &f->arena, &args, &err), E_NOT_FOUND);
	assert_non_null(strstr(err.text, "did you mean one?"));
	args.name = "a/b";
	assert_int_equal(lab_open(&lab, &f->arena, &args, &err), E_USAGE);
	args.name = "..";
	assert_int_equal(lab_open(&lab, &f->arena, &args, &err), E_USAGE);
}

static void a_majority_is_more_than_half(void **state)
{
	struct node_status nodes[LAB_ENDS_MAX] = {0};
	struct lab lab = {.node_count = 4};

	(void)state;
	for (int i = 0; i < 4; i++)
		lab.nodes[i] = (struct lab_node){.id = i + 1, .is_controller = i < 3};
	nodes[1].state = nodes[4].state = NODE_RUNNING;
	assert_false(lab_has_quorum(&lab, nodes));
	nodes[2].state = NODE_PAUSED;
	assert_false(lab_has_quorum(&lab, nodes));
	nodes[2].state = NODE_RUNNING;
	assert_true(lab_has_quorum(&lab, nodes));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_init, fixture_fini)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(it_is_where_the_state_of_programs_is),
		TEST(what_is_saved_is_loaded),
		TEST(a_broken_file_is_told),
		TEST(one_that_is_not_there_has_a_near_miss),
		cmocka_unit_test(a_majority_is_more_than_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
