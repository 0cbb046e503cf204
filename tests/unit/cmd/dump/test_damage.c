/* If this fails: a damaged file brings `kavka dump` or `kavka cat` down. The files of
 * tests/cli/dump are cut, and bits and bytes of them changed, by a seed. */
#include "unit/support.h"

#include "cmd/command.h"
#include "cmd/print.h"

#include "base/env.h"
#include "base/mem.h"
#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 500
#define FILE_BYTES_MAX 4096
#define FIRST "00000000000000000000"
#define SECOND "00000000000000000007"

extern const struct command cmd_dump, cmd_cat;

static const char *const names[] = {
	"lecture-0/" FIRST ".log",
	"lecture-0/" SECOND ".log",
	"lecture-0/" FIRST ".index",
	"lecture-0/" FIRST ".timeindex",
	"lecture-0/" SECOND ".snapshot",
	"lecture-0/" SECOND ".txnindex",
	"lecture-0/leader-epoch-checkpoint",
	"old/" FIRST ".log",
	"offsets/" FIRST ".log",
	"transactions/" FIRST ".log",
	"metadata/" FIRST ".log",
	"metadata/" FIRST "-0000000000.checkpoint",
	"remote/" FIRST ".log",
	"share/" FIRST ".log",
	"numbers/" FIRST ".log",
};

static const char *const options[] = {
	"--deep-iteration",
	"--print-data-log",
	"--offsets-decoder",
	"--transaction-log-decoder",
	"--cluster-metadata-decoder",
	"--remote-log-metadata-decoder",
	"--share-group-state-decoder",
	"--index-sanity-check",
	"--verify-index-only",
	"--skip-record-metadata",
	"--value-decoder-class=LongDecoder",
};

static struct out sink, sink_errors;
static uint64_t said_count;

/* Runs the command; its exit code is one that it may have. */
static void run_command(const struct command *command, bool is_apache, const char *option,
			const char *form, const char *path)
{
	char *argv[] = {(char *)option, (char *)form, (char *)path};
	struct run run = {.command = command, .name = "test", .is_apache = is_apache};
	struct err err = {0};
	void *args;
	int code;

	arena_init(&run.arena);
	args = arena_zalloc(&run.arena, command->args_size + 1);
	assert_int_equal(opt_parse(&run, 3, argv, args, &err), 0);
	code = command->run(&run, args);
	assert_true(code == EXIT_OK || code == EXIT_FAILED || code == EXIT_PARTIAL);
	arena_fini(&run.arena);
	print_flush();
	said_count += sink_errors.len > 0;
	out_reset(&sink);
	out_reset(&sink_errors);
}

static void damage(struct rng *rng, uint8_t *data, size_t *len)
{
	size_t pos;

	switch (rng_below(rng, 5)) {
	case 0: *len = rng_below(rng, *len + 1); break;
	case 1:
		memset(data + *len, 0, 64);
		*len += rng_below(rng, 64);
		break;
	case 2:
		pos = rng_below(rng, *len);
		rng_fill(rng, data + pos, rng_below(rng, MIN(*len - pos, (size_t)16)) + 1);
		break;
	default:
		/* Mostly in the heads of batches, where lengths and counts are. */
		for (uint64_t i = rng_below(rng, 4) + 1; i > 0; i--) {
			pos = rng_below(rng, rng_below(rng, 2) ? MIN(*len, (size_t)80) : *len);
			data[pos] ^= (uint8_t)(1u << rng_below(rng, 8));
		}
		break;
	}
}

static void write_file(const char *path, const uint8_t *data, size_t len)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static void test_damage(void **state)
{
	char directory[] = "/tmp/kavka-damage-XXXXXX", command[512], path[256], partition[128];
	struct env env;
	struct rng rng;

	(void)state;
	env_posix_init(&env);
	rng_init(&rng, 20);
	assert_non_null(mkdtemp(directory));
	snprintf(command, sizeof(command), "cp -r %s/cli/dump/. %s", TESTS_DIR, directory);
	assert_int_equal(system(command), 0);
	out_init(&sink, SIZE_MAX / 2);
	out_init(&sink_errors, SIZE_MAX / 2);
	print_capture(&sink, &sink_errors);
	for (int i = 0; i < ROUNDS; i++) {
		const char *name = names[rng_below(&rng, ARRAY_LEN(names))];
		const char *option = options[rng_below(&rng, ARRAY_LEN(options))];
		uint8_t data[FILE_BYTES_MAX + 64];
		char *whole;
		size_t len, was;

		snprintf(path, sizeof(path), "%s/%s", directory, name);
		assert_int_equal(env_read_file(&env, path, FILE_BYTES_MAX, &whole, &was), 0);
		len = was;
		memcpy(data, whole, len);
		damage(&rng, data, &len);
		write_file(path, data, len);
		snprintf(partition, sizeof(partition), "%s/lecture-0", directory);
		run_command(&cmd_dump, false, option, i % 2 ? "--json" : "--output=text", path);
		run_command(&cmd_dump, true, option, "--files", path);
		run_command(&cmd_dump, false, option, "--json", partition);
		run_command(&cmd_cat, false,
			    i % 2 ? "--isolation-level=read_committed" : "--offset=-5",
			    i % 3 ? "--json" : "--output=text", partition);
		write_file(path, (uint8_t *)whole, was);
		free(whole);
	}
	/* Most of what was done to them is found out. */
	assert_true(said_count > ROUNDS);
	print_capture(NULL, NULL);
	out_fini(&sink);
	out_fini(&sink_errors);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_damage)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
