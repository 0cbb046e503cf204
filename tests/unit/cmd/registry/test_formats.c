/* Wrong here: keys and values without Avro (JSON, digits, numbers, Protobuf) change on their way.
 */
#include "unit/support.h"

#include "cmd/registry/json_text.h"
#include "cmd/registry/plain.h"
#include "cmd/registry/protobuf.h"

#include <stdio.h>

static struct err err;
static char text[4096];

static const char *taken(struct out *out, int rc)
{
	if (rc < 0)
		snprintf(text, sizeof(text), "%s", err_message(&err));
	else
		snprintf(text, sizeof(text), "%.*s", (int)out->len, (const char *)out->data);
	out_fini(out);
	return text;
}

static const char *compact(const char *json)
{
	struct out out;

	out_init(&out, 4096);
	return taken(&out, json_text_compact(&out, str_of(json), &err));
}

static void json_keeps_what_was_written(void **state)
{
	static const char *const bad[] = {
		"",      " ",   "{",          "[1,]",    "{\"a\" 1}",   "{a:1}", "01",  "1.",
		"-",     "1e",  "\"\n\"",     "\"\\x\"", "\"\\u12g4\"", "\"",    "tru", "nul",
		"[1 2]", "1 2", "{\"a\":1,}", "]",       "\xff",        "+1"};
	char deep[JSON_TEXT_DEPTH_MAX * 2 + 3];

	(void)state;
	assert_string_equal(
		compact(" { \"a\" : [ 1 , 2.50 , -0e+1 ] ,\n\"b c\":\"x  y\\u00e9\" } "),
		"{\"a\":[1,2.50,-0e+1],\"b c\":\"x  y\\u00e9\"}");
	assert_string_equal(compact("123456789012345678901234567890.10"),
			    "123456789012345678901234567890.10");
	assert_string_equal(compact("[true,false,null,[],{}]"), "[true,false,null,[],{}]");
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		err = (struct err){0};
		compact(bad[i]);
		if (err.code != E_MALFORMED)
			fail_msg("accepted: %s", bad[i]);
	}
	memset(deep, '[', JSON_TEXT_DEPTH_MAX + 1);
	memset(deep + JSON_TEXT_DEPTH_MAX + 1, ']', JSON_TEXT_DEPTH_MAX + 1);
	deep[sizeof(deep) - 1] = '\0';
	assert_string_equal(compact(deep), "is nested deeper than 512");
}

static const char *read_plain(const char *format, const void *bytes, size_t len)
{
	struct out out;
	bool is_json;

	out_init(&out, 4096);
	return taken(&out,
		     plain_read(plain_format_of(format), (struct slice){.data = bytes, .len = len},
				&out, &is_json, &err));
}

static void assert_plain(const char *format, const char *written, const void *bytes, size_t len)
{
	struct out out;

	out_init(&out, 4096);
	assert_int_equal(plain_write(plain_format_of(format), str_of(written), &out, &err), 0);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.data ? out.data : (uint8_t *)"", bytes, len);
	out_fini(&out);
	assert_string_equal(read_plain(format, bytes, len), written);
}

static void numbers_as_kafka_writes_them(void **state)
{
	(void)state;
	assert_plain("short", "-2", "\xff\xfe", 2);
	assert_plain("int", "2147483647", "\x7f\xff\xff\xff", 4);
	assert_plain("long", "-9223372036854775808", "\x80\0\0\0\0\0\0\0", 8);
	assert_plain("float", "1.5", "\x3f\xc0\0\0", 4);
	assert_plain("double", "-2.0", "\xc0\0\0\0\0\0\0\0", 8);
	assert_plain("boolean", "true", "\1", 1);
	assert_plain("hex", "00ff7a", "\0\xffz", 3);
	assert_plain("base64", "AP96", "\0\xffz", 3);
	assert_plain("base64", "AA==", "\0", 1);
	assert_plain("string", "a b", "a b", 3);
	assert_plain("uuid", "123e4567-e89b-12d3-a456-426614174000",
		     "123e4567-e89b-12d3-a456-426614174000", 36);
	assert_string_equal(read_plain("int", "abc", 3), "has 3 bytes, a int has 4");
}

static void text_that_does_not_fit(void **state)
{
	static const struct {
		const char *format, *text;
	} bad[] = {{"short", "32768"},
		   {"int", "x"},
		   {"int", ""},
		   {"long", "1.5"},
		   {"long", "9223372036854775808"},
		   {"boolean", "yes"},
		   {"double", "1,5"},
		   {"hex", "0"},
		   {"hex", "0g"},
		   {"base64", "*"},
		   {"base64", "A"},
		   {"uuid", "1"},
		   {"json", "{"}};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		struct out out;

		out_init(&out, 4096);
		if (plain_write(plain_format_of(bad[i].format), str_of(bad[i].text), &out, &err) !=
		    E_MALFORMED)
			fail_msg("%s accepted: %s", bad[i].format, bad[i].text);
		out_fini(&out);
	}
}

#define PROTO \
	"syntax = \"proto3\"; // message Not { }\n package lab.x;\n" \
	"option java_package = \"message Neither {\";\n" \
	"message First { string message = 1; enum E { A = 0; } /* message No {} */ }\n" \
	"message Outer { message Inner1 {} oneof o { int32 a = 1; } message Inner2 {} }\n"

static const char *name_at(const char *schema, int32_t a, int32_t b)
{
	struct protobuf_schema *s = protobuf_schema_new();
	const struct protobuf_named *message;

	protobuf_schema_add(s, schema);
	protobuf_schema_link(s);
	message = protobuf_schema_find(s, (const int32_t[]){a, b}, b < 0 ? 1 : 2);
	snprintf(text, sizeof(text), "%s", message ? message->name : "");
	protobuf_schema_free(s);
	return text;
}

static void protobuf_names(void **state)
{
	(void)state;
	assert_string_equal(name_at(PROTO, 0, -1), "lab.x.First");
	assert_string_equal(name_at(PROTO, 1, -1), "lab.x.Outer");
	assert_string_equal(name_at(PROTO, 1, 1), "lab.x.Outer.Inner2");
	assert_string_equal(name_at(PROTO, 1, 2), "");
	assert_string_equal(name_at(PROTO, 2, -1), "");
	assert_string_equal(name_at("message A {}", 0, -1), "A");
	assert_string_equal(name_at("/*", 0, -1), "");
	assert_string_equal(name_at("message A {", 0, 0), "");
	/* package = "p", message_type { name = "M" nested_type { name = "N" } } */
	assert_string_equal(name_at("EgFwIggKAU0aAwoBTg==", 0, 0), "p.M.N");
}

/* The fields that are shown, or the message. */
static const char *fields_of(const char *proto, const void *bytes, size_t len)
{
	struct protobuf_schema *s = protobuf_schema_new();
	struct out out;
	char *start, *end;
	int rc;

	protobuf_schema_add(s, proto);
	protobuf_schema_link(s);
	out_init(&out, 4096);
	rc = protobuf_read(s, "s", (struct slice){.data = bytes, .len = len}, &out, &err);
	taken(&out, rc);
	protobuf_schema_free(s);
	start = rc == 0 ? strstr(text, "\"fields\":") : NULL;
	if (!start)
		return text;
	end = strstr(start, ",\"indexes\":");
	*end = '\0';
	return start + strlen("\"fields\":");
}

#define UNKNOWN "\0\x08\x96\1\x12\2hi\x1a\2\x08\1\x12\0\x22\2\xff\xff\x2d\1\0\0\0"

static void protobuf_unknown_fields(void **state)
{
	(void)state;
	/* 1: varint 150; 2: "hi"; 3: { 1: 1 }; 2 again; 4: bytes; 5: fixed32 */
	assert_string_equal(fields_of("", UNKNOWN, sizeof(UNKNOWN) - 1),
			    "{\"1\":150,\"2\":[\"hi\",\"\"],\"3\":{\"1\":1},"
			    "\"4\":{\"base64\":\"//8=\"},\"5\":1}");
	assert_string_equal(fields_of("message A {}", "\0", 1), "{}");
	assert_string_equal(fields_of("", "\xff", 1), "has no good message indexes behind its id");
	assert_string_equal(fields_of("", "\x90\3", 2),
			    "has no good message indexes behind its id");
	/* What does not fit the schema stands under its number. */
	assert_string_equal(
		fields_of("message A { string s = 1; Other o = 2; }", "\0\x08\5\x12\2\x08\1", 7),
		"{\"1\":5,\"2\":{\"1\":1}}");
}

#define TYPES \
	"syntax = 'proto3'; package p;\n" \
	"enum Color { option allow_alias = true; RED = 0; BLUE = 2; OFF = -1; }\n" \
	"message A { reserved 90 to 99; optional sint32 a = 1; repeated int32 b = 2 " \
	"[packed = true]; bytes c = 3; Color d = 4; map<string, B> e = 5; oneof o { " \
	"uint64 f = 6; bool g = 7; } .p.A.C h = 8; message C { double i = 1; } float j = 9; " \
	"repeated string k = 10; fixed32 l = 11; int32 m = 12; } message B { int64 n = 1; }"

static void protobuf_known_fields(void **state)
{
	(void)state;
	assert_string_equal(fields_of(TYPES, "\0\x08\3", 3), "{\"a\":-2}");
	assert_string_equal(fields_of(TYPES, "\0\x12\3\1\x96\1", 6), "{\"b\":[1,150]}");
	assert_string_equal(fields_of(TYPES, "\0\x10\1\x10\2", 5), "{\"b\":[1,2]}");
	/* The last of the packed ones is not whole. */
	assert_string_equal(fields_of(TYPES, "\0\x12\2\1\x96\x10\2", 7),
			    "{\"2\":[{\"base64\":\"AZY=\"},2]}");
	assert_string_equal(fields_of(TYPES, "\0\x1a\2hi", 5), "{\"c\":\"aGk=\"}");
	assert_string_equal(fields_of(TYPES, "\0\x20\2", 3), "{\"d\":\"BLUE\"}");
	assert_string_equal(fields_of(TYPES, "\0\x20\1", 3), "{\"d\":1}");
	assert_string_equal(fields_of(TYPES, "\0\x2a\7\x0a\1x\x12\2\x08\5\x2a\0", 12),
			    "{\"e\":{\"x\":{\"n\":5},\"\":null}}");
	assert_string_equal(fields_of(TYPES, "\0\x2a\3\x0a\1\0", 6),
			    "{\"e\":[{\"key\":\"\\u0000\"}]}");
	assert_string_equal(fields_of(TYPES, "\0\x30\xff\xff\xff\xff\xff\xff\xff\xff\xff\1", 12),
			    "{\"f\":\"18446744073709551615\"}");
	assert_string_equal(fields_of(TYPES, "\0\x38\1", 3), "{\"g\":true}");
	assert_string_equal(fields_of(TYPES, "\0\x42\x09\x09\0\0\0\0\0\0\xf8\x3f", 12),
			    "{\"h\":{\"i\":1.5}}");
	assert_string_equal(fields_of(TYPES, "\0\x4d\0\0\xc0\x7f", 6), "{\"j\":\"NaN\"}");
	assert_string_equal(fields_of(TYPES, "\0\x52\1a", 4), "{\"k\":[\"a\"]}");
	assert_string_equal(fields_of(TYPES, "\0\x5d\xff\xff\xff\xff", 6), "{\"l\":4294967295}");
	assert_string_equal(fields_of(TYPES, "\0\x60\xfe\xff\xff\xff\xff\xff\xff\xff\xff\1", 12),
			    "{\"m\":-2}");
}

static void protobuf_bytes(void **state)
{
	struct out out;

	(void)state;
	out_init(&out, 4096);
	assert_int_equal(
		protobuf_write(STR_LIT("{\"indexes\":[1,0],\"data\":\"CAE=\"}"), &out, &err), 0);
	assert_int_equal(out.len, 5);
	assert_memory_equal(out.data, "\4\2\0\x08\1", 5);
	out_reset(&out);
	/* What else is there does not matter. */
	assert_int_equal(protobuf_write(STR_LIT("{\"fields\":{\"a\":\"\\u0000\"},"
						"\"indexes\":[0],\"data\":\"CAE=\"}"),
					&out, &err),
			 0);
	assert_memory_equal(out.data, "\0\x08\1", 3);
	out_reset(&out);
	assert_int_equal(protobuf_write(STR_LIT("{\"a\":1}"), &out, &err), E_MALFORMED);
	out_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_keeps_what_was_written),
		cmocka_unit_test(numbers_as_kafka_writes_them),
		cmocka_unit_test(text_that_does_not_fit),
		cmocka_unit_test(protobuf_names),
		cmocka_unit_test(protobuf_unknown_fields),
		cmocka_unit_test(protobuf_known_fields),
		cmocka_unit_test(protobuf_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
