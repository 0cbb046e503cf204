/* Wrong here: what a record is printed as cannot be read back, or says something else. */
#include "unit/support.h"

#include "unit/cmd/capture.h"

#include "cmd/consumer/formatter.h"
#include "cmd/consumer/grep.h"
#include "cmd/consumer/pretty.h"
#include "cmd/consumer/tail.h"
#include "cmd/consumer/template.h"
#include "cmd/print.h"

#include <string.h>

static struct err err;

#define BYTES(text) ((struct slice){.data = (const uint8_t *)(text), .len = sizeof(text) - 1})

/* Headers: h1=v1, n=null, and an empty value under an empty name. */
static const uint8_t headers[] = {4, 'h', '1', 4, 'v', '1', 2, 'n', 1, 0, 0};

static struct record record = {.offset = 42,
			       .timestamp = 1755858862123,
			       .headers = headers,
			       .headers_len = sizeof(headers),
			       .header_count = 3};
static const struct record_view view = {.topic = {"t", 1}, .partition = 3, .record = &record};

/* Prints the record in one of the forms. */
static int print_as(const char *form, bool is_pretty)
{
	struct formatter f;
	struct props props;
	int rc;

	props_init(&props);
	assert_int_equal(formatter_init(&f, form, &props, &err), 0);
	f.is_pretty = is_pretty;
	rc = formatter_print(&f, &view, &err);
	formatter_fini(&f);
	props_fini(&props);
	return rc;
}

static void test_json(void **state)
{
	(void)state;
	capture_start();
	record.key = SLICE_NULL;
	record.value = BYTES("");
	assert_int_equal(print_as("json", false), 0);
	assert_printed("{\"topic\":\"t\",\"partition\":3,\"offset\":42,\"timestamp\":1755858862123,"
		       "\"timestampType\":\"CreateTime\",\"headers\":[{\"key\":\"h1\",\"value\":"
		       "\"v1\"},{\"key\":\"n\",\"value\":null},{\"key\":\"\",\"value\":\"\"}],"
		       "\"key\":null,\"value\":\"\"}\n");
	record.header_count = 0;
	record.headers_len = 0;
	record.key = BYTES("\xff\x00");
	record.value = BYTES("\"\\\x01\n\xc5\x99");
	assert_int_equal(print_as("json", false), 0);
	assert_printed("{\"topic\":\"t\",\"partition\":3,\"offset\":42,\"timestamp\":1755858862123,"
		       "\"timestampType\":\"CreateTime\",\"headers\":[],\"key\":\"/wA=\","
		       "\"keyEncoding\":\"base64\",\"value\":\"\\\"\\\\\\u0001\\n\xc5\x99\"}\n");
	record.value = BYTES("{}");
	assert_int_equal(print_as("json", true), 0);
	assert_printed("{\n  \"topic\": \"t\",\n  \"partition\": 3,\n  \"offset\": 42,\n"
		       "  \"timestamp\": 1755858862123,\n  \"timestampType\": \"CreateTime\",\n"
		       "  \"headers\": [],\n  \"key\": \"/wA=\",\n  \"keyEncoding\": \"base64\",\n"
		       "  \"value\": \"{}\"\n}\n");
	record.header_count = 3;
	record.headers_len = sizeof(headers);
	capture_stop();
}

static void test_lines(void **state)
{
	(void)state;
	capture_start();
	record.key = SLICE_NULL;
	record.value = BYTES("\x00\xffz");
	assert_int_equal(print_as("hex", false), 0);
	assert_printed("-\t00ff7a\t6831:7631,6e:-,:\t1755858862123\t3\n");
	record.key = BYTES("");
	assert_int_equal(print_as("base64", false), 0);
	assert_printed("\tAP96\taDE=:djE=,bg==:-,:\t1755858862123\t3\n");
	record.header_count = 1;
	record.headers_len = 6;
	record.value = BYTES("0123456789abcdef\x01");
	assert_int_equal(print_as("hexdump", false), 0);
	assert_printed("t-3@42  CreateTime:1755858862123\nheader h1: 2 bytes\n"
		       "  00000000: 7631                                     v1\n"
		       "key: 0 bytes\nvalue: 17 bytes\n"
		       "  00000000: 3031 3233 3435 3637 3839 6162 6364 6566  0123456789abcdef\n"
		       "  00000010: 01                                       .\n");
	record.header_count = 3;
	record.headers_len = sizeof(headers);
	capture_stop();
}

static void template_prints(const char *text, const char *key, const char *value,
			    const char *expected)
{
	struct template *t = template_new(text, &err);

	assert_non_null(t);
	template_print(t, &view, str_of(key), str_of(value));
	assert_printed(expected);
	template_free(t);
}

static void test_templates(void **state)
{
	static const char *const bad[] = {"%", "a%", "%x", "%5s", "%{"};

	(void)state;
	record.key = SLICE_NULL;
	record.value = BYTES("hello");
	capture_start();
	template_prints("%t/%p@%o %T %k=%s|%h|%K %S%%\\n", NULL, "hello",
			"t/3@42 1755858862123 =hello|h1=v1,n=NULL,=|-1 5%\n");
	template_prints("\\x41\\65\\t\\r\\q\\\\%s", NULL, "", "AA\t\rq\\");
	template_prints("no hole", NULL, NULL, "no hole");
	template_prints("\\", NULL, NULL, "\\");
	capture_stop();
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_null(template_new(bad[i], &err));
	assert_int_equal(err.code, E_USAGE);
}

static void test_pretty(void **state)
{
	static const struct {
		const char *text, *expected; /* NULL: left as it is */
	} cases[] = {
		{"{\"a\":1,\"b\":[1, 2],\"c\":{}}",
		 "{\n  \"a\": 1,\n  \"b\": [\n    1,\n    2\n  ],\n  \"c\": {}\n}"},
		{" [ ] ", "[]"},
		{"[\"}\\\"]\"]", "[\n  \"}\\\"]\"\n]"},
		{"{\"n\":1e400}", "{\n  \"n\": 1e400\n}"},
		{"text", NULL},
		{"", NULL},
		{"1", NULL},
		{"{", NULL},
		{"[}", NULL},
		{"{}{}", NULL},
		{"[\"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct out out;

		out_init(&out, 1 << 20);
		assert_int_equal(pretty_write(&out, str_of(cases[i].text)),
				 cases[i].expected != NULL);
		out_byte(&out, 0);
		if (cases[i].expected)
			assert_string_equal(out.data, cases[i].expected);
		out_fini(&out);
	}
}

static void test_grep(void **state)
{
	struct grep *g = grep_new("^\xc5\x99.$", "grep", &err);

	(void)state;
	assert_true(grep_finds(g, STR_LIT("\xc5\x99\xc5\xa1"))); /* one character each */
	assert_false(grep_finds(g, STR_LIT("x")));
	assert_false(grep_finds(g, STR_NULL));
	grep_free(g);
	g = grep_new("b.d", "grep", &err);
	assert_true(grep_finds(g, STR_LIT("\xff\xfe-b\xff"
					  "d"))); /* bytes that are no UTF-8 */
	assert_true(grep_finds(g, STR_LIT("abcd")));
	grep_free(g);
	assert_null(grep_new("a(", "grep-key", &err));
	assert_int_equal(err.code, E_USAGE);
	assert_non_null(strstr(err.text, "--grep-key 'a(': missing closing parenthesis"));
}

static void test_tail(void **state)
{
	static const int64_t times[] = {5, 1, 9, 9, 3, 7, 2, 8, 9, 4};
	static const int64_t expected[] = {2, 3, 8}; /* the three of time 9, as they came */
	struct tail *t = tail_new(3);
	const struct record_view *v;
	size_t n = 0;

	(void)state;
	for (int round = 0; round < 4; round++)
		for (size_t i = 0; i < ARRAY_LEN(times); i++) {
			record.offset = (int64_t)i;
			record.timestamp = round == 3 ? times[i] : times[i] - 100;
			tail_add(t, &view);
		}
	tail_sort(t);
	while ((v = tail_next(t))) {
		assert_int_equal(v->record->offset, expected[n++]);
		assert_int_equal(v->record->value.len, record.value.len);
		assert_memory_equal(v->record->value.data, record.value.data, record.value.len);
	}
	assert_int_equal(n, 3);
	tail_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),      cmocka_unit_test(test_lines),
		cmocka_unit_test(test_templates), cmocka_unit_test(test_pretty),
		cmocka_unit_test(test_grep),      cmocka_unit_test(test_tail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
