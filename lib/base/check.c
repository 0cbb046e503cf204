#include "check.h"

#include <stdio.h>
#include <stdlib.h>

NORETURN void check_failed(const char *expr, const char *file, int line, const char *func)
{
	fprintf(stderr, "kavka: assertion failed: %s (%s:%d, %s)\n", expr, file, line, func);
	abort();
}

void *check_magic(void *ptr, uint32_t magic, const char *type)
{
	uint32_t *found = ptr;

	if (!found || *found != magic)
		check_failed(type, "handle with the wrong magic number", 0, "CAST");
	return ptr;
}
