/* Wrong here: records in Avro are shown as something that they are not, or written so that others
 * read something else; or foreign bytes bring a reader down. */
#include "unit/support.h"

#include "cmd/registry/avro.h"

#include <stdio.h>

static struct err err;

static struct avro_schema *schema_of(const char *text)
{
	struct avro_schema *s = avro_schema_new();

	err = (struct err){0};
	if (avro_schema_add(s, str_of(text), &err) < 0)
		fail_msg("%s: %s", text, err.text);
	return s;
}

/* The JSON of bytes given in hexadecimal, or the message. */
static const char *read_hex(const char *schema, const char *hex)
{
	static char text[4096];
	struct avro_schema *s = schema_of(schema);
	uint8_t bytes[256];
	struct slice slice = {.data = bytes, .len = strlen(hex) / 2};
	struct out json;
	int rc;

	for (size_t i = 0; i < slice.len; i++)
		sscanf(hex + 2 * i, "%2hhx", &bytes[i]);
	out_init(&json, 1 << 24);
	rc = avro_read(s, slice, &json, &err);
	if (rc < 0)
		snprintf(text, sizeof(text), "%s", err_message(&err));
	else
		snprintf(text, sizeof(text), "%.*s", (int)json.len, (const char *)json.data);
	out_fini(&json);
	avro_schema_free(s);
	return text;
}

/* The bytes of a JSON text in hexadecimal, or the message. */
static const char *write_hex(const char *schema, const char *json)
{
	static char text[4096];
	struct avro_schema *s = schema_of(schema);
	struct out bytes;
	int rc;

	out_init(&bytes, 1 << 20);
	rc = avro_write(s, str_of(json), &bytes, &err);
	text[0] = '\0';
	if (rc < 0)
		snprintf(text, sizeof(text), "%s", err_message(&err));
	for (size_t i = 0; rc == 0 && i < bytes.len; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes.data[i]);
	out_fini(&bytes);
	avro_schema_free(s);
	return text;
}

static void assert_both(const char *schema, const char *json, const char *hex)
{
	assert_string_equal(write_hex(schema, json), hex);
	assert_string_equal(read_hex(schema, hex), json);
}

static void scalars(void **state)
{
	(void)state;
	assert_both("\"null\"", "null", "");
	assert_both("\"boolean\"", "true", "01");
	assert_both("\"int\"", "0", "00");
	assert_both("\"int\"", "-1", "01");
	assert_both("\"int\"", "-2147483648", "ffffffff0f");
	assert_both("\"int\"", "2147483647", "feffffff0f");
	assert_both("\"long\"", "-9223372036854775808", "ffffffffffffffffff01");
	assert_both("\"long\"", "9223372036854775807", "feffffffffffffffff01");
	assert_both("\"float\"", "1.5", "0000c03f");
	assert_both("\"double\"", "-0.1", "9a9999999999b9bf");
	assert_both("\"double\"", "\"NaN\"", "000000000000f87f");
	assert_both("\"float\"", "\"-Infinity\"", "000080ff");
	assert_both("\"string\"", "\"\"", "00");
}

static void strings(void **state)
{
	(void)state;
	assert_both("\"string\"", "\"ž\\n\\\"\\\\\\u0001\"", "0cc5be0a225c01");
	assert_string_equal(write_hex("\"string\"", "\"\\u0000\\ud83d\\udc0e\""), "0a00f09f908e");
	assert_string_equal(read_hex("\"string\"", "0441ff"), "\"A\xef\xbf\xbd\"");
	assert_both("\"bytes\"", "\"a\\u0000\xc3\xbf\"", "066100ff");
	assert_string_equal(write_hex("\"bytes\"", "\"\xc5\xbe\""),
			    "wants bytes: characters from \\u0000 to \\u00ff");
	assert_both("{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "\"ab\"", "6162");
	assert_string_equal(write_hex("{\"type\":\"fixed\",\"name\":\"F\",\"size\":2}", "\"a\""),
			    "wants the 2 bytes of F, has 1");
}

static void numbers_that_do_not_fit(void **state)
{
	(void)state;
	assert_string_equal(write_hex("\"int\"", "2147483648"), "2147483648 is too large for int");
	assert_string_equal(write_hex("\"long\"", "1.0"), "wants long, has a fraction");
	assert_string_equal(write_hex("\"float\"", "1e300"), "1e+300 is too large for float");
	assert_string_equal(write_hex("\"int\"", "\"1\""), "wants int, has a string");
	assert_string_equal(write_hex("\"double\"", "5"), "0000000000001440");
	assert_string_equal(read_hex("\"int\"", "8080808010"),
			    "has 2147483648 where an int should be");
	assert_string_equal(read_hex("\"long\"", "80808080808080808080"),
			    "has a number of more than 64 bits at byte 0");
	assert_string_equal(read_hex("\"boolean\"", "02"), "has byte 2 where a boolean should be");
}

static void complex_types(void **state)
{
	const char *list = "{\"type\":\"array\",\"items\":\"long\"}";
	const char *map = "{\"type\":\"map\",\"values\":\"int\"}";
	const char *suit = "{\"type\":\"enum\",\"name\":\"S\",\"symbols\":[\"A\",\"B\"]}";

	(void)state;
	assert_both(list, "[]", "00");
	assert_both(list, "[1,-1]", "04020100");
	/* A negative count is followed by the size of the block; there may be several blocks. */
	assert_string_equal(read_hex(list, "03040201020600"), "[1,-1,3]");
	assert_both(map, "{}", "00");
	assert_both(map, "{\"a\":1,\"b\":2}",
		    "04026102026204"
		    "00");
	assert_both(suit, "\"B\"", "02");
	assert_string_equal(write_hex(suit, "\"C\""), "'C' is no symbol of S; did you mean A?");
	assert_string_equal(read_hex(suit, "04"), "has symbol 2 of S, which has 2");
}

#define USER \
	"{\"type\":\"record\",\"name\":\"lab.User\",\"fields\":[" \
	"{\"name\":\"name\",\"type\":\"string\"}," \
	"{\"name\":\"age\",\"type\":[\"null\",\"int\"],\"default\":null}," \
	"{\"name\":\"boss\",\"type\":[\"null\",\"User\"],\"default\":null}," \
	"{\"name\":\"raw\",\"type\":\"bytes\",\"default\":\"\\u00ff\"}]}"

static void records(void **state)
{
	(void)state;
	assert_both(USER,
		    "{\"name\":\"A\",\"age\":{\"int\":5},\"boss\":{\"lab.User\":{\"name\":\"B\","
		    "\"age\":null,\"boss\":null,\"raw\":\"\"}},\"raw\":\"x\"}",
		    "0241020a0202420000000278");
	/* Plain JSON, defaults, and the short name of a branch. */
	assert_string_equal(write_hex(USER, "{\"name\":\"A\",\"age\":5}"), "0241020a0002ff");
	assert_string_equal(
		write_hex(USER, "{\"name\":\"A\",\"boss\":{\"User\":{\"name\":\"B\"}}}"),
		"0241000202420000"
		"02ff02ff");
	assert_string_equal(write_hex(USER, "{\"age\":5}"), "lab.User: field name is missing");
	assert_string_equal(write_hex(USER, "{\"name\":\"A\",\"aeg\":5}"),
			    "lab.User has no field aeg; did you mean age?");
	assert_string_equal(write_hex(USER, "{\"name\":\"A\",\"age\":\"x\"}"),
			    "age: wants int, has a string");
	assert_string_equal(write_hex(USER, "[]"), "wants record lab.User, has an array");
}

static void unions(void **state)
{
	(void)state;
	assert_both("[\"null\",\"string\"]", "null", "00");
	assert_both("[\"string\",\"null\"]", "{\"string\":\"\"}", "0000");
	assert_string_equal(write_hex("[\"null\",\"string\"]", "\"a\""), "020261");
	assert_string_equal(write_hex("[\"bytes\",\"string\"]", "\"a\""),
			    "fits bytes and string: say which, {\"bytes\":...}");
	/* A number goes where it is kept whole. */
	assert_string_equal(write_hex("[\"double\",\"int\",\"long\"]", "2147483648"),
			    "00000000000000e041");
	assert_string_equal(write_hex("[\"int\",\"long\"]", "2147483648"), "028080808010");
	assert_string_equal(write_hex("[\"null\",\"int\"]", "true"), "wants int, has true");
	assert_string_equal(write_hex("[\"boolean\",\"int\"]", "{}"),
			    "has an object, which fits no branch of the union");
	assert_string_equal(read_hex("[\"null\",\"int\"]", "04"), "has branch 2 of a union of 2");
	/* An object may look like a named branch and be a map. */
	assert_string_equal(
		write_hex("[\"int\",{\"type\":\"map\",\"values\":\"string\"}]", "{\"int\":\"x\"}"),
		"020206696e74027800");
}

static void references(void **state)
{
	struct avro_schema *s = schema_of("{\"type\":\"fixed\",\"name\":\"a.F\",\"size\":1}");
	struct out json;

	(void)state;
	assert_int_equal(avro_schema_add(s,
					 STR_LIT("{\"type\":\"record\",\"name\":\"R\","
						 "\"namespace\":\"a\",\"fields\":[{\"name\":"
						 "\"f\",\"type\":\"F\"}]}"),
					 &err),
			 0);
	assert_string_equal(avro_schema_name(s), "a.R");
	out_init(&json, 100);
	assert_int_equal(
		avro_read(s, (struct slice){.data = (const uint8_t *)"x", .len = 1}, &json, &err),
		0);
	assert_memory_equal(json.data, "{\"f\":\"x\"}", json.len);
	out_fini(&json);
	avro_schema_free(s);
}

static void bad_schemas(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"5",
		"null",
		"\"strin\"",
		"[]",
		"[\"int\",\"int\"]",
		"[[\"int\"]]",
		"{\"type\":\"record\"}",
		"{\"type\":\"record\",\"name\":\"1\",\"fields\":[]}",
		"{\"type\":\"record\",\"name\":\"A\"}",
		"{\"type\":\"array\"}",
		"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"a\"}]}",
		"{\"type\":\"record\",\"name\":\"A\",\"fields\":[{\"name\":\"a\",\"type\":\"int\"},"
		"{\"name\":\"a\",\"type\":\"int\"}]}",
		"{\"type\":\"enum\",\"name\":\"E\"}",
		"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[1]}",
		"{\"type\":\"fixed\",\"name\":\"F\"}",
		"{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}",
		"[{\"type\":\"fixed\",\"name\":\"F\",\"size\":1},"
		"{\"type\":\"enum\",\"name\":\"F\",\"symbols\":[]}]",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		struct avro_schema *s = avro_schema_new();

		err = (struct err){0};
		if (avro_schema_add(s, str_of(bad[i]), &err) != E_INVALID || !err.text[0])
			fail_msg("accepted: %s", bad[i]);
		avro_schema_free(s);
	}
}

/* Each cut of a good datum is an error, never a crash; so are lengths that nothing stands behind.
 */
static void cut_and_giant(void **state)
{
	static const char hex[] = "0241020a0202420000000278";
	char part[sizeof(hex)];

	(void)state;
	for (size_t len = 0; len < sizeof(hex) - 1; len += 2) {
		memcpy(part, hex, len);
		part[len] = '\0';
		err = (struct err){0};
		read_hex(USER, part);
		assert_int_equal(err.code, E_MALFORMED);
	}
	assert_string_equal(read_hex("\"string\"", "feffffffffffffffff0161"),
			    "wants 9223372036854775807 bytes for string at byte 10, 1 are left");
	assert_string_equal(read_hex("\"bytes\"", "01"),
			    "wants -1 bytes for bytes at byte 1, 0 are left");
	assert_string_equal(
		read_hex("{\"type\":\"array\",\"items\":\"null\"}", "feffffffffffffffff01"),
		"has more values than bytes");
	assert_string_equal(read_hex("{\"type\":\"record\",\"name\":\"R\",\"fields\":["
				     "{\"name\":\"r\",\"type\":\"R\"}]}",
				     "") +
				    strlen(err.text) - strlen("is nested deeper than 200"),
			    "is nested deeper than 200");
	assert_string_equal(read_hex("\"null\"", "00"), "goes on for 1 bytes behind its end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scalars),
		cmocka_unit_test(strings),
		cmocka_unit_test(numbers_that_do_not_fit),
		cmocka_unit_test(complex_types),
		cmocka_unit_test(records),
		cmocka_unit_test(unions),
		cmocka_unit_test(references),
		cmocka_unit_test(bad_schemas),
		cmocka_unit_test(cut_and_giant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
