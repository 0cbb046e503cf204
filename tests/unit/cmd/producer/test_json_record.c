/* Wrong here: lines of JSON, hex or base64 become other records than they say. */
#include "unit/support.h"

#include "cmd/producer/digits_record.h"
#include "cmd/producer/json_record.h"
#include "cmd/producer/json_scan.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static struct err err;

/* ---- JSON texts --------------------------------------------------------------------------- */

/* A copy without anything behind it, so that a read past the end is seen. */
static struct str exact(const char *text)
{
	size_t len = strlen(text);
	char *copy = xmalloc(len ? len : 1);

	memcpy(copy, text, len);
	return (struct str){copy, len};
}

static int scan(const char *text)
{
	struct str s = exact(text);
	struct json_scan scan = json_scan_of(s);
	struct json_value v;
	int rc = json_value(&scan, &v, &err);

	if (rc == 0)
		rc = json_finish(&scan, &err);
	free((char *)(uintptr_t)s.data);
	return rc;
}

static void test_json_texts(void **state)
{
	static const char *const good[] = {
		"null",
		" true ",
		"false",
		"0",
		"-0",
		"12.50e+3",
		"1E9",
		"\"\"",
		"\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"",
		"[]",
		"{}",
		"[1,[2,[3]],{}]",
		"{\"a\":{\"b\":[]},\"c\":1}",
		"\t[ 1 , 2 ]\r\n",
	};
	static const char *const bad[] = {
		"",          " ",         "nul",         "tru",       "01",         "-",
		"1.",        "1e",        ".5",          "+1",        "\"",         "\"\\\"",
		"\"\\x\"",   "\"\\u12\"", "\"\\u12g4\"", "\"\\",      "\"a\nb\"",   "[",
		"[1",        "[1,",       "[1,]",        "[1 2]",     "[,1]",       "{",
		"{\"a\"",    "{\"a\":",   "{\"a\":1",    "{\"a\":1,", "{\"a\":1,}", "{a:1}",
		"{\"a\" 1}", "{1:1}",     "[1}",         "{\"a\":1]", "1 2",        "[] []",
		"'a'",
	};
	char deep[2 * JSON_DEPTH_MAX + 3];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		if (scan(good[i]) != 0)
			fail_msg("%s: %s", good[i], err.text);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (scan(bad[i]) != E_MALFORMED)
			fail_msg("%s: taken", bad[i]);
	}
	for (int more = 0; more < 2; more++) {
		size_t depth = JSON_DEPTH_MAX + (size_t)more;

		memset(deep, '[', depth);
		memset(deep + depth, ']', depth);
		deep[2 * depth] = '\0';
		assert_int_equal(scan(deep), more ? E_MALFORMED : 0);
	}
}

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		bool fits;
		int64_t number;
	} cases[] = {
		{"0", true, 0},
		{"-7", true, -7},
		{"9223372036854775807", true, INT64_MAX},
		{"9223372036854775808", false, 0},
		{"99999999999999999999", false, 0},
		{"1.0", false, 0},
		{"1e3", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_value v = {.kind = JSON_NUMBER, .raw = str_of(cases[i].text)};
		int64_t number = 0;

		assert_int_equal(json_int(&v, &number), cases[i].fits);
		assert_int_equal(number, cases[i].number);
	}
}

/* ---- Records ------------------------------------------------------------------------------ */

static struct json_reader json;
static struct digits_reader digits;

/* "KEY|VALUE|HEADERS|PARTITION|TIMESTAMP|TOPIC", null as ~; or the error. */
static const char *record_text(int rc, const struct line_record *r)
{
	static char text[1024];
	int len;

	if (rc < 0)
		return err.text;
#define NULLABLE(data, len) (data) ? (int)(len) : 1, (data) ? (const char *)(data) : "~"
	len = snprintf(text, sizeof(text), "%.*s|%.*s|", NULLABLE(r->key.data, r->key.len),
		       NULLABLE(r->value.data, r->value.len));
	for (size_t i = 0; i < r->header_count; i++)
		len += snprintf(text + len, sizeof(text) - (size_t)len, "%s%.*s=%.*s", i ? "," : "",
				STR(r->headers[i].key),
				NULLABLE(r->headers[i].value.data, r->headers[i].value.len));
	snprintf(text + len, sizeof(text) - (size_t)len, "|%d|%lld|%.*s", r->partition,
		 (long long)r->timestamp, STR(r->topic));
#undef NULLABLE
	return text;
}

static const char *json_record(const char *line)
{
	struct line_record r;
	struct str s = exact(line);
	const char *text = record_text(json_reader_parse(&json, s, &r, &err), &r);

	free((char *)(uintptr_t)s.data);
	return text;
}

static const char *digits_record(const char *line)
{
	struct line_record r;
	struct str s = exact(line);
	const char *text = record_text(digits_reader_parse(&digits, s, &r, &err), &r);

	free((char *)(uintptr_t)s.data);
	return text;
}

static void test_json_records(void **state)
{
	static const struct {
		const char *line, *record;
	} cases[] = {
		{"{\"value\":\"v\"}", "~|v||-1|-1|"},
		{"{\"topic\":\"t\",\"partition\":3,\"offset\":9,\"timestamp\":5,"
		 "\"timestampType\":\"CreateTime\",\"headers\":[{\"key\":\"h\",\"value\":\"v\"},"
		 "{\"key\":\"n\",\"value\":null}],\"key\":\"k\",\"value\":\"v\"}",
		 "k|v|h=v,n=~|3|5|t"},
		{"{\"key\":\"\",\"value\":null}", "|~||-1|-1|"},
		{"{\"key\":null,\"value\":\"\",\"headers\":null,\"partition\":null,"
		 "\"timestamp\":null}",
		 "~|||-1|-1|"},
		{"{\"key\":[1, 2],\"value\":{\"a b\" : \"x y\", \"c\":1.50}}",
		 "[1,2]|{\"a b\":\"x y\",\"c\":1.50}||-1|-1|"},
		{"{\"value\":\"\\u0041\\n\\ud83d\\ude00\"}", "~|A\n\xf0\x9f\x98\x80||-1|-1|"},
		{"{\"value\":\"aGk=\",\"valueEncoding\":\"base64\",\"key\":\"68 69\","
		 "\"keyEncoding\":\"hex\"}",
		 "hi|hi||-1|-1|"},
		{"{\"value\":1,\"headers\":{\"a\":\"b\",\"c\":[ 1 ]}}", "~|1|a=b,c=[1]|-1|-1|"},
		{"{\"value\":1,\"headers\":[\"a\",\"b\",\"c\",null]}", "~|1|a=b,c=~|-1|-1|"},
		{"{\"value\":1,\"headers\":[{\"key\":\"aA==\",\"keyEncoding\":\"base64\","
		 "\"value\":\"dg==\",\"valueEncoding\":\"base64\"}]}",
		 "~|1|h=v|-1|-1|"},
		{"{\"value\":1,\"timestamp\":\"1970-01-01T00:00:01Z\"}", "~|1||-1|1000|"},
		{"{\"payload\":\"p\",\"ts\":7,\"tstype\":\"create\",\"broker\":1}", "~|p||-1|7|"},
		{"{\"value\":\"\\ud83d\"}", "\"value\": half of a surrogate pair in '\\ud83d'"},
		{"{\"value\":1,\"value\":2}", "\"value\" stands there twice"},
		{"{\"value\":1,\"payload\":2}", "\"payload\" stands there twice"},
		{"{}", "no \"value\" (write \"value\":null for a tombstone)"},
		{"{\"valu\":1}", "a record has no \"valu\"; did you mean \"value\"?"},
		{"{\"value\":1} x", "column 13: something stands behind the value"},
		{"[1]", "column 1: a JSON object is wanted here, {...}"},
		{"{\"value\":\"%\",\"valueEncoding\":\"base64\"}", "\"value\" is not base64: '%'"},
		{"{\"value\":\"%\",\"valueEncoding\":\"rot13\"}",
		 "\"valueEncoding\" is base64, hex or utf-8, not 'rot13'"},
		{"{\"value\":1,\"partition\":-2}", "\"partition\" is a number from 0, not -2"},
		{"{\"value\":1,\"headers\":[\"a\"]}", "\"headers\": header 'a' has no value"},
		{"{\"value\":1,\"headers\":[{\"value\":1}]}",
		 "\"headers\": a header needs a \"key\" in text"},
		{"{\"value\":1,\"headers\":7}", "\"headers\": a list or an object is wanted"},
		{"{\"value\":1,\"timestamp\":\"soon\"}",
		 "\"timestamp\" is milliseconds since 1970, or a date as 2026-08-01T12:00:00Z, not "
		 "soon"},
	};

	(void)state;
	json_reader_init(&json);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_string_equal(json_record(cases[i].line), cases[i].record);
	json_reader_fini(&json);
}

/* Each line cut at each byte: an error, and nothing is read behind the end. */
static void test_json_cut(void **state)
{
	static const char line[] = "{\"key\":\"\\u00e9\",\"value\":[1.5e3,{\"a\":null}],"
				   "\"headers\":[{\"key\":\"h\",\"value\":\"\\n\"},{}]}";

	(void)state;
	json_reader_init(&json);
	for (size_t len = 0; len < sizeof(line) - 1; len++) {
		char *part = xstrndup(line, len);
		struct str s = exact(part);
		struct line_record r;

		assert_int_equal(json_reader_parse(&json, s, &r, &err), E_MALFORMED);
		free((char *)(uintptr_t)s.data);
		free(part);
	}
	json_reader_fini(&json);
}

/* Where a schema makes the bytes, the JSON text stays, a string with its quotes. */
static void test_json_for_schemas(void **state)
{
	(void)state;
	json_reader_init(&json);
	json.value_as_json = true;
	assert_string_equal(json_record("{\"key\":\"k\",\"value\":\"v\"}"), "k|\"v\"||-1|-1|");
	assert_string_equal(json_record("{\"value\":{\"a\": 1}}"), "~|{\"a\": 1}||-1|-1|");
	assert_string_equal(json_record("{\"value\":null}"), "~|~||-1|-1|");
	assert_string_equal(json_record("{\"value\":\"aGk=\",\"valueEncoding\":\"base64\"}"),
			    "~|hi||-1|-1|");
	json_reader_fini(&json);
}

static void test_digits(void **state)
{
	static const struct {
		bool is_base64;
		const char *line, *record;
	} cases[] = {
		{false, "6869", "~|hi||-1|-1|"},
		{false, "", "~|||-1|-1|"},
		{false, "-", "~|~||-1|-1|"},
		{false, "6B\t68 69\t68:76,6e:-\t17\t2", "k|hi|h=v,n=~|2|17|"},
		{false, "\t\t\t-1", "|||-1|-1|"},
		{false, "-\t-\t:", "~|~|=|-1|-1|"},
		{true, "aw==\taGk=\taA==:dg==\t5", "k|hi|h=v|-1|5|"},
		{false, "6", "the value: '6' (at digit 1) is no pair of hexadecimal digits"},
		{false, "686g", "the value: '6g' (at digit 3) is no pair of hexadecimal digits"},
		{false, "6b\t\t68", "header '68' has no value, NAME:VALUE"},
		{false, "\t\t\tx", "'x' is no timestamp"},
		{false, "\t\t\t\t2147483648", "'2147483648' is no partition"},
		{false, "\t\t\t\t\t", "more than key, value, headers, timestamp and partition"},
		{true, "%", "the value is not base64: '%'"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		digits_reader_init(&digits, cases[i].is_base64);
		assert_string_equal(digits_record(cases[i].line), cases[i].record);
		digits_reader_fini(&digits);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_texts),       cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_json_records),     cmocka_unit_test(test_json_cut),
		cmocka_unit_test(test_json_for_schemas), cmocka_unit_test(test_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
