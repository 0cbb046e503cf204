/* Deliberate faults: places where a core does the wrong thing on purpose, so that the simulator can
 * show that it would notice. Only a build with -DKAVKA_FAULTS=ON has them, and there only the one
 * that was chosen at run time is active; everywhere else FAULT() is the constant false and leaves
 * no code behind.
 *
 *	if (r->durable_end < log_end_offset(r->log) && !FAULT(fetch_before_flush))
 *
 * The names, with a sentence each, stand in fault.def. Process-wide: simulators have one thread. */
#ifndef KAVKA_BASE_FAULT_H
#define KAVKA_BASE_FAULT_H

#include <stdbool.h>
#include <stddef.h>

enum fault {
	FAULT_NONE,
#define ROW(name, simulator, seeds, text) FAULT_##name,
#include "fault.def"
#undef ROW
	FAULT_COUNT
};

struct fault_row {
	const char *name;
	const char *simulator; /* that notices it */
	unsigned seeds;        /* within which it does */
	const char *text;
};

#ifdef KAVKA_FAULTS
extern enum fault fault_active;
#define FAULT(name) (fault_active == FAULT_##name)

/* Makes this one active, and ends any other; NULL: none. False: there is no such fault. */
bool fault_set(const char *name);
/* From 1 on; NULL: there are not so many. */
const struct fault_row *fault_at(size_t i);
#else
#define FAULT(name) false
#endif

#endif
