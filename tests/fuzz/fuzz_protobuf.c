/* Foreign bytes as Protobuf behind its schema, and as a schema: must end in JSON, from which the
 * same bytes can be made again, or in an error. */
#include <string.h>

#include "base/check.h"
#include "cmd/registry/json_text.h"
#include "cmd/registry/protobuf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define JSON_BYTES_MAX (1 << 24)

#define TYPES \
	"package p; enum E { A = 0; } message M { sint64 a = 1; repeated fixed32 b = 2; " \
	"map<string, M> c = 3; M d = 4; E e = 5; bytes f = 6; message N { double g = 1; } }"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *end = memchr(data, '\0', len);
	const char *text = end && end > data ? (const char *)data : TYPES;
	size_t text_len = end ? (size_t)(end - data) + 1 : 0;
	struct slice bytes = {.data = data + text_len, .len = len - text_len};
	struct protobuf_schema *schema = protobuf_schema_new();
	struct out json, compact, again;
	struct err err = {0};

	out_init(&json, JSON_BYTES_MAX);
	out_init(&compact, JSON_BYTES_MAX);
	out_init(&again, JSON_BYTES_MAX);
	protobuf_schema_add(schema, text);
	protobuf_schema_link(schema);
	if (protobuf_read(schema, "subject", bytes, &json, &err) == 0) {
		struct str shown = {(const char *)json.data, json.len};

		/* It is JSON, and as short as it can be. */
		assert(json_text_compact(&compact, shown, &err) == 0);
		assert(compact.len == json.len && memcmp(compact.data, json.data, json.len) == 0);
		/* Message indexes have several forms; the payload has one. */
		assert(protobuf_write(shown, &again, &err) == 0);
		assert(again.len <= bytes.len);
	} else {
		assert(err.code < 0 && err.text[0]);
	}
	protobuf_schema_free(schema);
	out_fini(&json);
	out_fini(&compact);
	out_fini(&again);
	return 0;
}
