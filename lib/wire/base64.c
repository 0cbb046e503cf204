#include "wire/base64.h"

#include "base/err.h"

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(struct arena *arena, const void *data, size_t len, size_t *text_len)
{
	const uint8_t *bytes = data;
	char *text = arena_alloc(arena, BASE64_LEN(len) + 1), *to = text;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t bits = (uint32_t)bytes[i] << 16;

		bits |= left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0;
		bits |= left > 2 ? bytes[i + 2] : 0;
		*to++ = base64_digits[bits >> 18];
		*to++ = base64_digits[bits >> 12 & 63];
		*to++ = left > 1 ? base64_digits[bits >> 6 & 63] : '=';
		*to++ = left > 2 ? base64_digits[bits & 63] : '=';
	}
	*to = '\0';
	if (text_len)
		*text_len = (size_t)(to - text);
	return text;
}

int base64_decode(struct arena *arena, struct str text, struct slice *out)
{
	uint8_t *bytes, *to;
	uint32_t bits = 0;
	int count = 0, padding = 0;

	while (text.len && text.data[text.len - 1] == '=' && padding < 2) {
		text.len--;
		padding++;
	}
	if (text.len % 4 == 1 || (padding && (text.len + (size_t)padding) % 4))
		return E_MALFORMED;
	to = bytes = arena_alloc(arena, text.len / 4 * 3 + 3);
	for (size_t i = 0; i < text.len; i++) {
		const char *digit = text.data[i] ? strchr(base64_digits, text.data[i]) : NULL;

		if (!digit)
			return E_MALFORMED;
		bits = bits << 6 | (uint32_t)(digit - base64_digits);
		count += 6;
		if (count >= 8) {
			count -= 8;
			*to++ = (uint8_t)(bits >> count);
		}
	}
	*out = (struct slice){NULL, bytes, (size_t)(to - bytes)};
	return 0;
}
