#include "base/fault.h"

#ifdef KAVKA_FAULTS
#include <string.h>

enum fault fault_active;

static const struct fault_row rows[] = {
	[FAULT_NONE] = {0},
#define ROW(name, simulator, seeds, text) [FAULT_##name] = {#name, #simulator, seeds, text},
#include "base/fault.def"
#undef ROW
};

const struct fault_row *fault_at(size_t i)
{
	return i < FAULT_COUNT ? &rows[i] : NULL;
}

bool fault_set(const char *name)
{
	fault_active = FAULT_NONE;
	for (size_t i = 1; name && i < FAULT_COUNT; i++) {
		if (strcmp(rows[i].name, name) == 0)
			fault_active = (enum fault)i;
	}
	return !name || fault_active != FAULT_NONE;
}
#endif
