/* 128-bit ids as Kafka has them: 16 raw bytes on the wire, 22 characters of base64url (no padding)
 * as text. Zero means "none"; reserved values are in wire (see style of NOTATION, "uuid"). */
#ifndef KAVKA_BASE_UUID_H
#define KAVKA_BASE_UUID_H

#include "buf.h"

#define UUID_TEXT_LEN 22

struct uuid {
	uint8_t bytes[16];
};

static inline bool uuid_eq(struct uuid a, struct uuid b)
{
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}
static inline bool uuid_is_zero(struct uuid u)
{
	return uuid_eq(u, (struct uuid){0});
}
static inline int uuid_cmp(struct uuid a, struct uuid b)
{
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes));
}

/* Makes a random (version 4) id from 16 random bytes; never a reserved value, and (as Kafka's
 * Uuid.randomUuid) never one whose text starts with '-'. `fill` may be rng_system-like. */
struct uuid uuid_random(void);
/* The same from given random bytes; returns false if Kafka would draw again. */
bool uuid_from_random(struct uuid *out, const uint8_t random[16]);

struct uuid uuid_from_words(uint64_t most, uint64_t least);

/* Writes 22 characters and '\0'; returns `text`. */
char *uuid_format(struct uuid u, char text[UUID_TEXT_LEN + 1]);
/* 0 or E_MALFORMED (not 22 characters of base64url; "=" padding is accepted). */
MUST_USE int uuid_parse(struct uuid *out, struct str text);

#endif
