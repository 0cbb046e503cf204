/* Variable-length integers: base-128 groups, least significant first, bit 7 says that more follow.
 *
 * Unsigned varints (at most 5 bytes) are lengths and counts of flexible messages; signed ones are
 * zigzag coded (at most 5 or 10 bytes) and live in record bodies. Readers take the bytes left and
 * give the number of bytes used, 0 when the bytes end too early, -1 when the number is too long:
 *
 *	n = uvarint_read(&value, data + pos, len - pos);
 *	if (n <= 0)
 *		return n ? E_MALFORMED : E_SHORT;
 *	pos += n;
 *
 * Writers need room for the longest form and give the number of bytes written. */
#ifndef KAVKA_WIRE_VARINT_H
#define KAVKA_WIRE_VARINT_H

#include "base/check.h"

#define UVARINT_BYTES_MAX 5
#define VARLONG_BYTES_MAX 10

MUST_USE static inline int uvarint_read(uint32_t *out, const uint8_t *data, size_t len)
{
	uint32_t value = 0;

	for (size_t i = 0; i < UVARINT_BYTES_MAX; i++) {
		if (i == len)
			return 0;
		value |= (uint32_t)(data[i] & 0x7f) << (7 * i);
		if (!(data[i] & 0x80)) {
			*out = value;
			return (int)i + 1;
		}
	}
	return -1;
}

MUST_USE static inline int uvarlong_read(uint64_t *out, const uint8_t *data, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < VARLONG_BYTES_MAX; i++) {
		if (i == len)
			return 0;
		value |= (uint64_t)(data[i] & 0x7f) << (7 * i);
		if (!(data[i] & 0x80)) {
			*out = value;
			return (int)i + 1;
		}
	}
	return -1;
}

static inline int uvarint_write(uint8_t *data, uint32_t value)
{
	int len = 0;

	while (value >= 0x80) {
		data[len++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	data[len++] = (uint8_t)value;
	return len;
}

static inline int uvarlong_write(uint8_t *data, uint64_t value)
{
	int len = 0;

	while (value >= 0x80) {
		data[len++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	data[len++] = (uint8_t)value;
	return len;
}

static inline int uvarlong_len(uint64_t value)
{
	int len = 1;

	while (value >= 0x80) {
		value >>= 7;
		len++;
	}
	return len;
}
static inline int uvarint_len(uint32_t value)
{
	return uvarlong_len(value);
}

/* Zigzag: 0, -1, 1, -2, ... become 0, 1, 2, 3, ... */
static inline uint32_t zigzag32(int32_t n)
{
	return ((uint32_t)n << 1) ^ (uint32_t)(n >> 31);
}
static inline uint64_t zigzag64(int64_t n)
{
	return ((uint64_t)n << 1) ^ (uint64_t)(n >> 63);
}
static inline int32_t unzigzag32(uint32_t n)
{
	return (int32_t)(n >> 1 ^ -(n & 1));
}
static inline int64_t unzigzag64(uint64_t n)
{
	return (int64_t)(n >> 1 ^ -(n & 1));
}

/* Signed varint (32 bits) and varlong (64 bits). */
MUST_USE static inline int varint_read(int32_t *out, const uint8_t *data, size_t len)
{
	uint32_t value;
	int used = uvarint_read(&value, data, len);

	if (used > 0)
		*out = unzigzag32(value);
	return used;
}
MUST_USE static inline int varlong_read(int64_t *out, const uint8_t *data, size_t len)
{
	uint64_t value;
	int used = uvarlong_read(&value, data, len);

	if (used > 0)
		*out = unzigzag64(value);
	return used;
}
static inline int varint_write(uint8_t *data, int32_t n)
{
	return uvarint_write(data, zigzag32(n));
}
static inline int varlong_write(uint8_t *data, int64_t n)
{
	return uvarlong_write(data, zigzag64(n));
}
static inline int varint_len(int32_t n)
{
	return uvarint_len(zigzag32(n));
}
static inline int varlong_len(int64_t n)
{
	return uvarlong_len(zigzag64(n));
}

#endif
