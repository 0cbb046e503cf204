/* Foreign bytes as a datum of a schema, or as a schema and its datum: must end in JSON that makes
 * the same datum again, or in an error. */
#include <string.h>

#include "base/check.h"
#include "cmd/registry/avro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define JSON_BYTES_MAX (1 << 22)

static const char *const schemas[] = {
	"\"string\"",
	"\"double\"",
	"[\"null\",\"int\",\"long\",\"float\",\"bytes\",\"string\",\"boolean\"]",
	"{\"type\":\"array\",\"items\":[\"null\",{\"type\":\"array\",\"items\":\"null\"}]}",
	"{\"type\":\"record\",\"name\":\"a.R\",\"fields\":["
	"{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"A\",\"B\"]}},"
	"{\"name\":\"f\",\"type\":{\"type\":\"fixed\",\"name\":\"F\",\"size\":3}},"
	"{\"name\":\"l\",\"type\":{\"type\":\"array\",\"items\":\"long\"}},"
	"{\"name\":\"n\",\"type\":[\"null\",\"R\",\"E\"]}]}",
	/* Without a way back: keys of maps may come twice. */
	"{\"type\":\"map\",\"values\":[\"null\",{\"type\":\"map\",\"values\":\"bytes\"}]}",
};

#define FIXED_SCHEMAS (ARRAY_LEN(schemas) - 1)

static bool read_datum(const struct avro_schema *s, const uint8_t *data, size_t len,
		       struct out *json)
{
	struct err err = {0};

	if (avro_read(s, (struct slice){.data = data, .len = len}, json, &err) == 0)
		return true;
	assert(err.code < 0 && err.text[0]);
	return false;
}

static void write_again(const struct avro_schema *s, const struct out *json)
{
	struct out bytes, again;
	struct err err = {0};

	out_init(&bytes, JSON_BYTES_MAX);
	out_init(&again, JSON_BYTES_MAX);
	assert(avro_write(s, (struct str){(const char *)json->data, json->len}, &bytes, &err) == 0);
	assert(read_datum(s, bytes.data, bytes.len, &again));
	assert(again.len == json->len && memcmp(again.data, json->data, json->len) == 0);
	out_fini(&bytes);
	out_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct avro_schema *s = avro_schema_new();
	struct err err = {0};
	struct out json;
	size_t which;
	int rc;

	if (len == 0) {
		avro_schema_free(s);
		return 0;
	}
	which = data[0];
	data++;
	len--;
	out_init(&json, JSON_BYTES_MAX);
	if (which < ARRAY_LEN(schemas)) {
		rc = avro_schema_add(s, str_of(schemas[which]), &err);
		assert(rc == 0);
	} else {
		const uint8_t *end = memchr(data, '\n', len);
		size_t text_len = end ? (size_t)(end - data) : len;

		rc = avro_schema_add(s, (struct str){(const char *)data, text_len}, &err);
		assert(rc == 0 || err.text[0]);
		data += text_len;
		len -= text_len;
	}
	if (rc == 0 && read_datum(s, data, len, &json) && which < FIXED_SCHEMAS)
		write_again(s, &json);
	if (rc == 0 && which >= FIXED_SCHEMAS) {
		/* As text too. */
		out_reset(&json);
		rc = avro_write(s, (struct str){(const char *)data, len}, &json, NULL);
	}
	out_fini(&json);
	avro_schema_free(s);
	return 0;
}
