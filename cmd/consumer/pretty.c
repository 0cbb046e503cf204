#include "cmd/consumer/pretty.h"

#include <string.h>

#define PRETTY_DEPTH_MAX 512 /* of brackets; deeper JSON is left as it is */

static void pretty_line(struct out *out, unsigned depth)
{
	out_byte(out, '\n');
	for (unsigned i = 0; i < depth; i++)
		out_bytes(out, "  ", 2);
}

/* The end of the string that begins at `at`, or 0. */
static size_t pretty_string(struct str s, size_t at)
{
	for (at++; at < s.len; at++) {
		if (s.data[at] == '\\')
			at++;
		else if (s.data[at] == '"')
			return at + 1;
	}
	return 0;
}

static size_t pretty_blank(struct str s, size_t at)
{
	while (at < s.len && strchr(" \t\r\n", s.data[at]) && s.data[at])
		at++;
	return at;
}

bool pretty_write(struct out *out, struct str s)
{
	char closing[PRETTY_DEPTH_MAX];
	unsigned depth = 0;
	size_t at = pretty_blank(s, 0), end;

	if (at == s.len || (s.data[at] != '{' && s.data[at] != '['))
		return false;
	for (; at < s.len; at = pretty_blank(s, at)) {
		char c = s.data[at];

		if (c == '"') {
			end = pretty_string(s, at);
			if (end == 0)
				return false;
			out_bytes(out, s.data + at, end - at);
			at = end;
			continue;
		}
		at++;
		if (c == '{' || c == '[') {
			if (depth == PRETTY_DEPTH_MAX)
				return false;
			closing[depth++] = c == '{' ? '}' : ']';
			out_byte(out, (uint8_t)c);
			end = pretty_blank(s, at);
			if (end < s.len && s.data[end] == closing[depth - 1]) {
				out_byte(out, (uint8_t)s.data[end]);
				at = end + 1;
				depth--;
			} else {
				pretty_line(out, depth);
			}
		} else if (c == '}' || c == ']') {
			if (depth == 0 || closing[depth - 1] != c)
				return false;
			pretty_line(out, --depth);
			out_byte(out, (uint8_t)c);
		} else {
			out_byte(out, (uint8_t)c);
			if (c == ',')
				pretty_line(out, depth);
			else if (c == ':')
				out_byte(out, ' ');
		}
		if (depth == 0)
			return pretty_blank(s, at) == s.len;
	}
	return false;
}
