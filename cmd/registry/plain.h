/* Keys and values without a schema: text, JSON, digits, and numbers as Kafka's serializers of these
 * names write them (big-endian). */
#ifndef KAVKA_CMD_REGISTRY_PLAIN_H
#define KAVKA_CMD_REGISTRY_PLAIN_H

#include "base/buf.h"
#include "base/err.h"

enum plain_format {
	PLAIN_STRING,
	PLAIN_JSON,
	PLAIN_HEX,
	PLAIN_BASE64,
	PLAIN_SHORT,
	PLAIN_INT,
	PLAIN_LONG,
	PLAIN_FLOAT,
	PLAIN_DOUBLE,
	PLAIN_BOOLEAN,
	PLAIN_UUID,
	PLAIN_FORMAT_COUNT,
};

/* "string", "json" ...; PLAIN_FORMAT_COUNT: none of these. */
enum plain_format plain_format_of(const char *word);

/* Append text of bytes, bytes of text. E_MALFORMED: they do not fit the format. *is_json: the text
 * is a JSON value as it is. */
MUST_USE int plain_read(enum plain_format format, struct slice bytes, struct out *text,
			bool *is_json, struct err *err);
MUST_USE int plain_write(enum plain_format format, struct str text, struct out *bytes,
			 struct err *err);

/* Digits, without line ends. Decoding takes base64 with and without padding; blanks between the
 * digits of hex. */
void plain_hex(struct out *text, struct slice bytes);
void plain_base64(struct out *text, struct slice bytes);
MUST_USE int plain_unhex(struct str text, struct out *bytes, struct err *err);
MUST_USE int plain_unbase64(struct str text, struct out *bytes, struct err *err);

#endif
