/* The frame of a simulator's program: options, one seed after the other, what is said of a seed
 * that fails.
 *
 *	--seed N        this one alone
 *	--seeds COUNT   so many, from 1 or --from N on
 *	--seconds N     of faults, on the simulated clock, in each
 *	--stop          ends at the first seed that fails
 *	--verbose       more of each seed; with one seed everything
 *	--fault NAME    with this deliberate fault (lib/base/fault.h)
 *	--faults        lists those that this simulator finds: name, seeds, sentence
 *
 * The first seed runs twice, and both histories must be equal: or no failure could be looked at
 * again. Exit status 0, 1 (a seed failed), 2 (usage). */
#ifndef KAVKA_TESTS_SIM_RUN_H
#define KAVKA_TESTS_SIM_RUN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

struct run_program {
	const char *name;
	int64_t seconds; /* without --seconds */
	/* Runs a seed; `trace` gives a sum over its history. Does not return if something does not
	 * hold: run_fail(). */
	void (*run)(uint64_t seed, int64_t seconds, uint64_t *trace);
	bool forks; /* each seed in a process of its own, which need not free anything */
};

int run_main(const struct run_program *program, int argc, char **argv);

/* Ends the seed: something does not hold. Ends the arguments, too. */
void run_fail(int64_t now_us, const char *fmt, va_list args) __attribute__((noreturn));
bool run_is_verbose(void);

#endif
