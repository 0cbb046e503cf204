#include "sim/run.h"

#include "base/fault.h"
#include "base/say.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* What this time the world began with. */
#define WORLD_START_US 1000000

static struct {
	const struct run_program *program;
	const char *argv0, *fault;
	uint64_t first, count, failed;
	int64_t seconds;
	bool verbose, stop;
	char failure[512];
	char again[512]; /* the command */
	jmp_buf escape;
} run;

bool run_is_verbose(void)
{
	return run.verbose;
}

void run_fail(int64_t now_us, const char *fmt, va_list args)
{
	size_t len;

	vsnprintf(run.failure, sizeof(run.failure), fmt, args);
	va_end(args);
	len = strlen(run.failure);
	snprintf(run.failure + len, sizeof(run.failure) - len, " (at %.3f s)",
		 (double)(now_us - WORLD_START_US) / 1e6);
	longjmp(run.escape, 1);
}

/* ---- Seeds ----------------------------------------------------------------------------------- */

static void seed_begins(uint64_t seed)
{
	snprintf(run.failure, sizeof(run.failure), "seed %" PRIu64 ": FAILED: it crashed\n", seed);
	snprintf(run.again, sizeof(run.again),
		 "again with: %s --seed %" PRIu64 " --seconds %" PRId64 " --verbose%s%s\n",
		 run.argv0, seed, run.seconds, run.fault ? " --fault " : "",
		 run.fault ? run.fault : "");
}

/* An assertion, or worse: nothing is safe any more but to say which seed it was. */
static void crashed(int number)
{
	(void)!write(STDOUT_FILENO, run.failure, strlen(run.failure));
	(void)!write(STDOUT_FILENO, run.again, strlen(run.again));
	signal(number, SIG_DFL);
	raise(number);
}

static bool run_seed(uint64_t seed, uint64_t *trace);

/* The same in a child, which gives the trace through a pipe. */
static bool run_child(uint64_t seed, uint64_t *trace)
{
	int ends[2], status;
	pid_t child;

	fflush(stdout);
	if (pipe(ends) < 0 || (child = fork()) < 0) {
		perror(run.program->name);
		exit(2);
	}
	if (child == 0) {
		bool ok = run_seed(seed, trace);

		fflush(stdout);
		(void)!write(ends[1], trace, sizeof(*trace));
		_exit(ok ? 0 : 1);
	}
	close(ends[1]);
	if (read(ends[0], trace, sizeof(*trace)) != sizeof(*trace))
		*trace = 0;
	close(ends[0]);
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Returns whether all held. */
static bool run_seed(uint64_t seed, uint64_t *trace)
{
	seed_begins(seed);
	if (setjmp(run.escape)) {
		printf("seed %" PRIu64 ": FAILED: %s\n%s", seed, run.failure, run.again);
		return false;
	}
	run.program->run(seed, run.seconds, trace);
	return true;
}

static void run_seeds(void)
{
	for (uint64_t seed = run.first; seed < run.first + run.count; seed++) {
		bool (*one)(uint64_t seed, uint64_t * trace) =
			run.program->forks ? run_child : run_seed;
		uint64_t trace = 0, again = 0;

		if (!one(seed, &trace)) {
			run.failed++;
			if (run.stop)
				return;
		} else if (seed == run.first && (!one(seed, &again) || again != trace)) {
			printf("seed %" PRIu64 ": FAILED: two runs differ\n", seed);
			run.failed++;
		}
	}
}

/* ---- Options --------------------------------------------------------------------------------- */

static int usage(void)
{
	fprintf(stderr,
		"usage: %s [--seed N | --seeds COUNT [--from N]] [--seconds N] [--stop] "
		"[--verbose] [--fault NAME] [--faults]\n",
		run.program->name);
	return 2;
}

#ifdef KAVKA_FAULTS
static int list_faults(void)
{
	const struct fault_row *row;

	for (size_t i = 1; (row = fault_at(i)) != NULL; i++) {
		if (strcmp(row->simulator, run.program->name) == 0)
			printf("%s %u %s\n", row->name, row->seeds, row->text);
	}
	return 0;
}

static bool use_fault(void)
{
	return fault_set(run.fault);
}
#else
static int list_faults(void)
{
	fprintf(stderr, "%s: built without faults (cmake -DKAVKA_FAULTS=ON)\n", run.program->name);
	return 2;
}

static bool use_fault(void)
{
	return !run.fault || list_faults() == 0;
}
#endif

int run_main(const struct run_program *program, int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	run.program = program;
	run.argv0 = argv[0];
	run.seconds = program->seconds;
	run.first = 1;
	run.count = 200;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--verbose") == 0) {
			run.verbose = true;
		} else if (strcmp(argv[i], "--stop") == 0) {
			run.stop = true;
		} else if (strcmp(argv[i], "--faults") == 0) {
			return list_faults();
		} else if (i + 1 == argc) {
			return usage();
		} else if (strcmp(argv[i], "--seed") == 0) {
			run.first = strtoull(argv[++i], NULL, 10);
			run.count = 1;
		} else if (strcmp(argv[i], "--from") == 0) {
			run.first = strtoull(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--seeds") == 0) {
			run.count = strtoull(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--seconds") == 0) {
			run.seconds = strtoll(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--fault") == 0) {
			run.fault = argv[++i];
		} else {
			return usage();
		}
	}
	if (!use_fault())
		return usage();
	say_setup(&(struct say_options){.level = run.verbose && run.count == 1 ? SAY_DEBUG
									       : SAY_NONE});
	signal(SIGABRT, crashed);
	signal(SIGSEGV, crashed);
	run_seeds();
	printf("%" PRIu64 " passed, %" PRIu64 " failed\n", run.count - MIN(run.failed, run.count),
	       run.failed);
	return run.failed ? 1 : 0;
}
