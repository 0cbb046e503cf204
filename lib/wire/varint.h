/* Variable-length integers of the protocol: 7 bits a byte, lowest first, high bit = more follows.
 * "u" forms are unsigned (compact lengths, tags); the others are zigzag (records).
 *
 * Readers give the bytes used (1 to 10), or 0 when the bytes end too early or the number is longer
 * than its type allows (5 bytes for 32 bits, 10 for 64). Writers give the bytes written; `p` has
 * room for VARINT32_BYTES_MAX or VARINT64_BYTES_MAX. */
#ifndef KAVKA_WIRE_VARINT_H
#define KAVKA_WIRE_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define VARINT32_BYTES_MAX 5
#define VARINT64_BYTES_MAX 10

static inline uint32_t zigzag32(int32_t v)
{
	return ((uint32_t)v << 1) ^ (uint32_t)(v >> 31);
}
static inline uint64_t zigzag64(int64_t v)
{
	return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}
static inline int32_t unzigzag32(uint32_t v)
{
	return (int32_t)(v >> 1) ^ -(int32_t)(v & 1);
}
static inline int64_t unzigzag64(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static inline size_t uvarint32_read(const uint8_t *p, const uint8_t *end, uint32_t *out)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < VARINT32_BYTES_MAX; i++) {
		if (p + i >= end)
			return 0;
		if (i == 4 && p[i] > 0x0f)
			return 0;
		value |= (uint32_t)(p[i] & 0x7f) << (7 * i);
		if (p[i] < 0x80) {
			*out = value;
			return i + 1;
		}
	}
	return 0;
}

static inline size_t uvarint64_read(const uint8_t *p, const uint8_t *end, uint64_t *out)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < VARINT64_BYTES_MAX; i++) {
		if (p + i >= end)
			return 0;
		if (i == 9 && p[i] > 0x01)
			return 0;
		value |= (uint64_t)(p[i] & 0x7f) << (7 * i);
		if (p[i] < 0x80) {
			*out = value;
			return i + 1;
		}
	}
	return 0;
}

static inline size_t varint32_read(const uint8_t *p, const uint8_t *end, int32_t *out)
{
	uint32_t raw;
	size_t used = uvarint32_read(p, end, &raw);

	if (used)
		*out = unzigzag32(raw);
	return used;
}

static inline size_t varint64_read(const uint8_t *p, const uint8_t *end, int64_t *out)
{
	uint64_t raw;
	size_t used = uvarint64_read(p, end, &raw);

	if (used)
		*out = unzigzag64(raw);
	return used;
}

static inline size_t uvarint64_write(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		p[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	p[n++] = (uint8_t)v;
	return n;
}
static inline size_t uvarint32_write(uint8_t *p, uint32_t v)
{
	return uvarint64_write(p, v);
}
static inline size_t varint32_write(uint8_t *p, int32_t v)
{
	return uvarint64_write(p, zigzag32(v));
}
static inline size_t varint64_write(uint8_t *p, int64_t v)
{
	return uvarint64_write(p, zigzag64(v));
}

/* Bytes that a writer takes. */
static inline size_t uvarint64_size(uint64_t v)
{
	return (size_t)(70 - __builtin_clzll(v | 1)) / 7;
}
static inline size_t uvarint32_size(uint32_t v)
{
	return uvarint64_size(v);
}
static inline size_t varint32_size(int32_t v)
{
	return uvarint64_size(zigzag32(v));
}
static inline size_t varint64_size(int64_t v)
{
	return uvarint64_size(zigzag64(v));
}

#endif
