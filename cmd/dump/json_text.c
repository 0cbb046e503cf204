#include "cmd/dump/json_text.h"
#include "cmd/number_text.h"

#include <inttypes.h>
#include <string.h>

static void json_text_string(struct out *out, const char *text, size_t len)
{
	static const char letters[32] = {
		['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
	size_t plain = 0;

	out_byte(out, '"');
	for (size_t i = 0; i < len; i++) {
		uint8_t c = (uint8_t)text[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		out_bytes(out, text + plain, i - plain);
		plain = i + 1;
		if (c >= 0x20)
			out_printf(out, "\\%c", c);
		else if (letters[c])
			out_printf(out, "\\%c", letters[c]);
		else
			out_printf(out, "\\u%04X", c);
	}
	out_bytes(out, text + plain, len - plain);
	out_byte(out, '"');
}

static void json_text_real(struct out *out, double value)
{
	char text[NUMBER_TEXT_MAX];
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	out_text(out, number_text_double(bits, text));
}

/* As deep as the schema of messages is. */
void json_text(struct out *out, const json_t *json)
{
	const char *key;
	json_t *value;
	size_t index;
	bool first = true;

	switch (json_typeof(json)) {
	case JSON_OBJECT:
		out_byte(out, '{');
		json_object_foreach((json_t *)json, key, value)
		{
			if (!first)
				out_byte(out, ',');
			first = false;
			json_text_string(out, key, strlen(key));
			out_byte(out, ':');
			json_text(out, value);
		}
		out_byte(out, '}');
		break;
	case JSON_ARRAY:
		out_byte(out, '[');
		json_array_foreach(json, index, value)
		{
			if (index > 0)
				out_byte(out, ',');
			json_text(out, value);
		}
		out_byte(out, ']');
		break;
	case JSON_STRING:
		json_text_string(out, json_string_value(json), json_string_length(json));
		break;
	case JSON_INTEGER: out_printf(out, "%" PRId64, (int64_t)json_integer_value(json)); break;
	case JSON_REAL: json_text_real(out, json_real_value(json)); break;
	case JSON_TRUE: out_text(out, "true"); break;
	case JSON_FALSE: out_text(out, "false"); break;
	case JSON_NULL: out_text(out, "null"); break;
	}
}
