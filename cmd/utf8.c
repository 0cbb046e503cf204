#include "cmd/utf8.h"

size_t utf8_char_len(const uint8_t *p, size_t left, size_t *bad)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3
		: p[0] < 0xf5 ? 4 : 0;
	/* Bounds of the second byte: no overlong forms, surrogates, or code points that are none.
	 */
	uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
	uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
	size_t i;

	for (i = 1; i < len && i < left; i++) {
		if (p[i] < low || p[i] > high)
			break;
		low = 0x80;
		high = 0xbf;
	}
	if (len > 0 && i == len)
		return len;
	/* A surrogate: Java's decoder has its three bytes as one character that is none. */
	if (p[0] == 0xed && i == 1) {
		while (i < 3 && i < left && (p[i] & 0xc0) == 0x80)
			i++;
	}
	if (bad)
		*bad = i;
	return 0;
}

size_t utf8_valid_len(struct str s)
{
	const uint8_t *p = (const uint8_t *)s.data;
	size_t i = 0;

	while (i < s.len) {
		uint64_t eight;
		size_t len;

		if (s.len - i >= sizeof(eight)) {
			memcpy(&eight, p + i, sizeof(eight));
			if ((eight & 0x8080808080808080u) == 0) {
				i += sizeof(eight);
				continue;
			}
		}
		len = utf8_char_len(p + i, s.len - i, NULL);
		if (len == 0)
			return i;
		i += len;
	}
	return i;
}

void utf8_repair(struct out *out, struct str s)
{
	while (s.len > 0) {
		size_t len = utf8_valid_len(s), bad = 0;

		out_bytes(out, s.data, len);
		if (len == s.len)
			return;
		utf8_char_len((const uint8_t *)s.data + len, s.len - len, &bad);
		out_bytes(out, "\xef\xbf\xbd", 3);
		s.data += len + bad;
		s.len -= len + bad;
	}
}
