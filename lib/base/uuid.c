#include "uuid.h"

#include "err.h"
#include "rng.h"

static const char uuid_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

bool uuid_from_random(struct uuid *out, const uint8_t random[16])
{
	char text[UUID_TEXT_LEN + 1];

	memcpy(out->bytes, random, 16);
	out->bytes[6] = (uint8_t)((out->bytes[6] & 0x0f) | 0x40);
	out->bytes[8] = (uint8_t)((out->bytes[8] & 0x3f) | 0x80);
	return uuid_format(*out, text)[0] != '-';
}

struct uuid uuid_random(void)
{
	uint8_t random[16];
	struct uuid u;

	do {
		rng_system(random, sizeof(random));
	} while (!uuid_from_random(&u, random));
	return u;
}

struct uuid uuid_from_words(uint64_t most, uint64_t least)
{
	struct uuid u;

	put_be64(u.bytes, most);
	put_be64(u.bytes + 8, least);
	return u;
}

char *uuid_format(struct uuid u, char text[UUID_TEXT_LEN + 1])
{
	uint32_t bits = 0;
	int count = 0, len = 0;

	for (int i = 0; i < 16; i++) {
		bits = bits << 8 | u.bytes[i];
		for (count += 8; count >= 6; count -= 6)
			text[len++] = uuid_digits[bits >> (count - 6) & 63];
	}
	text[len++] = uuid_digits[bits << (6 - count) & 63];
	assert(len == UUID_TEXT_LEN);
	text[len] = '\0';
	return text;
}

int uuid_parse(struct uuid *out, struct str text)
{
	uint32_t bits = 0;
	int count = 0, len = 0;

	while (text.len > UUID_TEXT_LEN && text.data[text.len - 1] == '=')
		text.len--;
	if (text.len != UUID_TEXT_LEN)
		return E_MALFORMED;
	for (size_t i = 0; i < text.len; i++) {
		const char *digit = text.data[i] ? strchr(uuid_digits, text.data[i]) : NULL;

		if (!digit)
			return E_MALFORMED;
		bits = bits << 6 | (uint32_t)(digit - uuid_digits);
		count += 6;
		if (count >= 8 && len < 16) {
			count -= 8;
			out->bytes[len++] = (uint8_t)(bits >> count);
		}
	}
	return 0;
}
