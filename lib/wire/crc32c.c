#include "crc32c.h"

#include "base/check.h"

#include <isa-l/crc.h>
#include <limits.h>

uint32_t crc32c_more(uint32_t crc, const void *data, size_t len)
{
	unsigned char *at = (unsigned char *)(uintptr_t)data;	/* ISA-L reads only */
	uint32_t state = ~crc;

	while (len > 0) {
		int part = (int)MIN(len, (size_t)INT_MAX / 2);

		state = crc32_iscsi(at, part, state);
		at += part;
		len -= (size_t)part;
	}
	return ~state;
}

uint32_t crc32c(const void *data, size_t len)
{
	return crc32c_more(0, data, len);
}
