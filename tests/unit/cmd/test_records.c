/* Wrong here: records that people type, pipe in or read are not what they think they are. */
#include "unit/support.h"

#include "unit/cmd/capture.h"

#include "cmd/filter.h"
#include "cmd/consumer/formatter.h"
#include "cmd/line_reader.h"
#include "cmd/number_text.h"
#include "cmd/producer/record_reader.h"
#include "cmd/time_text.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct err err;

/* ---- Lines -------------------------------------------------------------------------------- */

/* The lines of `text`, written to a pipe in pieces of `piece` bytes, joined by '|'. */
static const char *lines_of(const char *text, size_t len, size_t piece)
{
	static char joined[4096];
	struct line_reader r;
	size_t at = 0, out = 0;
	struct str line;
	int fds[2], rc;

	assert_int_equal(pipe(fds), 0);
	line_reader_init(&r, fds[0]);
	while ((rc = line_reader_next(&r, &line, &err)) != 0) {
		if (rc == E_AGAIN) {
			size_t n = MIN(piece, len - at);

			if (n > 0)
				assert_int_equal(write(fds[1], text + at, n), n);
			at += n;
			if (n == 0)
				close(fds[1]);
			assert_int_equal(line_reader_fill(&r, &err), 0);
			continue;
		}
		assert_int_equal(rc, 1);
		assert_true(out + line.len + 2 < sizeof(joined));
		memcpy(joined + out, line.data, line.len);
		out += line.len;
		joined[out++] = '|';
	}
	joined[out] = '\0';
	line_reader_fini(&r);
	close(fds[0]);
	return joined;
}

static void test_lines(void **state)
{
	static const struct {
		const char *text, *lines;
	} cases[] = {
		{"", ""},
		{"a", "a|"},
		{"a\n", "a|"},
		{"a\nb", "a|b|"},
		{"\n\n", "||"},
		{"a\r\nb\r\n", "a|b|"},
		{"a\rb\r\rc", "a|b||c|"},
		{"a\r", "a|"},
		{"\r\n\n\r", "|||"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t piece = 1; piece <= 4; piece++)
			assert_string_equal(lines_of(cases[i].text, strlen(cases[i].text), piece),
					    cases[i].lines);
	}
	assert_memory_equal(lines_of("a\0b\n", 4, 4), "a\0b|", 4);
}

static void test_long_line(void **state)
{
	enum { LEN = 3 * LINE_BLOCK_BYTES + 17 };
	char *text = xmalloc(LEN + 3);
	char path[] = "/tmp/kavka-line-XXXXXX";
	int fd = mkstemp(path), rc;
	struct line_reader r;
	struct str line;

	(void)state;
	memset(text, 'x', LEN);
	memcpy(text + LEN, "\ny", 2);
	assert_int_equal(write(fd, text, LEN + 2), LEN + 2);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	line_reader_init(&r, fd);
	while ((rc = line_reader_next(&r, &line, &err)) == E_AGAIN)
		assert_int_equal(line_reader_fill(&r, &err), 0);
	assert_int_equal(rc, 1);
	assert_int_equal(line.len, LEN);
	while ((rc = line_reader_next(&r, &line, &err)) == E_AGAIN)
		assert_int_equal(line_reader_fill(&r, &err), 0);
	assert_int_equal(line.len, 1);
	assert_int_equal(r.line_number, 2);
	line_reader_fini(&r);
	close(fd);
	unlink(path);
	free(text);
}

/* ---- Lines into records ------------------------------------------------------------------- */

static struct props props;
static struct record_reader reader;

/* Properties as "k=v" texts, up to NULL. */
static int reader_with(const char *const *pairs)
{
	int rc = 0;

	record_reader_fini(&reader);
	props_fini(&props);
	props_init(&props);
	for (; rc == 0 && *pairs; pairs++)
		rc = props_set_pair(&props, *pairs, &err);
	return rc < 0 ? rc : record_reader_init(&reader, &props, &err);
}

#define WITH(...) reader_with((const char *const[]){__VA_ARGS__, NULL})

/* "key=K value=V h1=v1" with <null> for null; the message if the line is refused. */
static const char *record_of(const char *line)
{
	static char text[1024];
	struct line_record r;
	size_t len;

	err = (struct err){0};
	if (record_reader_parse(&reader, str_of(line), &r, &err) < 0)
		return err.text;
	len = (size_t)snprintf(text, sizeof(text), "key=%.*s value=%.*s",
			       r.key.data ? (int)r.key.len : 6,
			       r.key.data ? (const char *)r.key.data : "<null>",
			       r.value.data ? (int)r.value.len : 6,
			       r.value.data ? (const char *)r.value.data : "<null>");
	for (size_t i = 0; i < r.header_count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, " %.*s:%.*s",
					STR(r.headers[i].key),
					r.headers[i].value.data ? (int)r.headers[i].value.len : 6,
					r.headers[i].value.data
						? (const char *)r.headers[i].value.data : "<null>");
	return text;
}

static void test_values_and_keys(void **state)
{
	(void)state;
	assert_int_equal(WITH("x=y"), 0);
	assert_string_equal(record_of("a\tb"), "key=<null> value=a\tb");
	assert_string_equal(record_of(""), "key=<null> value=");
	assert_int_equal(WITH("parse.key= TRUE "), 0);
	assert_string_equal(record_of("k\tv\tw"), "key=k value=v\tw");
	assert_string_equal(record_of("\tv"), "key= value=v");
	assert_string_equal(record_of("plain"), "No key separator found on line number 3: 'plain'");
	assert_int_equal(WITH("parse.key=true", "key.separator=::", "ignore.error=true",
			      "null.marker=NULL"), 0);
	assert_string_equal(record_of("k::v"), "key=k value=v");
	assert_string_equal(record_of("plain"), "key=<null> value=plain");
	assert_string_equal(record_of("NULL::NULL"), "key=<null> value=<null>");
}

static void test_headers(void **state)
{
	(void)state;
	assert_int_equal(WITH("parse.headers=true", "parse.key=true"), 0);
	assert_string_equal(record_of("h1:v1,h2:v2\tk\tv"), "key=k value=v h1:v1 h2:v2");
	assert_string_equal(record_of("h:a:b,,\tk\tv"), "key=k value=v h:a:b");
	assert_string_equal(record_of("h1\tk\tv"),
			    "No header key separator found in pair 'h1' on line number 3");
	assert_string_equal(record_of("\tk\tv"),
			    "No header key separator found in pair '' on line number 4");
	assert_string_equal(record_of("none"),
			    "No headers delimiter found on line number 5: 'none'");
	assert_int_equal(WITH("parse.headers=true", "headers.separator=[;|]", "ignore.error=true",
			      "null.marker=-"), 0);
	assert_string_equal(record_of("a:1;b|c:-\tv"), "key=<null> value=v a:1 b:<null> c:<null>");
	assert_string_equal(record_of("-\tv"), "key=<null> value=v");
	assert_string_equal(record_of("-:1\tv"),
			    "Header keys should not be equal to the null marker "
			    "'-' as they can't be null");
}

static void test_ambiguous_settings(void **state)
{
	(void)state;
	assert_int_equal(WITH("parse.headers=true", "headers.delimiter=,"), E_INVALID);
	assert_string_equal(err.text, "headers.delimiter and headers.separator may not be equal");
	assert_int_equal(WITH("null.marker=:", "key.separator=:"), E_INVALID);
	assert_string_equal(err.text, "null.marker and key.separator may not be equal");
	assert_int_equal(WITH("x=y"), 0);
}

/* ---- Records into lines ------------------------------------------------------------------- */

static struct formatter formatter;

static int format_with(const char *class_name, const char *const *pairs)
{
	int rc = 0;

	formatter_fini(&formatter);
	props_fini(&props);
	props_init(&props);
	for (; rc == 0 && *pairs; pairs++)
		rc = props_set_pair(&props, *pairs, &err);
	return rc < 0 ? rc : formatter_init(&formatter, class_name, &props, &err);
}

#define FORMAT(name, ...) format_with((name), (const char *const[]){__VA_ARGS__, NULL})
#define BYTES(text) ((struct slice){.data = (const uint8_t *)(text), .len = sizeof(text) - 1})

static void test_formats(void **state)
{
	static const uint8_t headers[] = {4, 'h', '1', 4, 'v', '1', 2, 'n', 1};
	struct record r = {.offset = 42, .timestamp = 1755858862123, .key = BYTES("k"),
			   .value = BYTES("hello")};
	struct record_view v = {.topic = STR_LIT("t"), .record = &r};

	(void)state;
	capture_start();
	assert_int_equal(FORMAT(NULL, "x=y"), 0);
	assert_int_equal(formatter_print(&formatter, &v, &err), 0);
	assert_printed("hello\n");
	assert_int_equal(FORMAT("kafka.tools.DefaultMessageFormatter", "print.timestamp=true",
				"print.partition=true", "print.offset=true", "print.epoch=true",
				"print.headers=true", "print.key=true"), 0);
	assert_int_equal(formatter_print(&formatter, &v, &err), 0);
	assert_printed("CreateTime:1755858862123\tPartition:0\tOffset:42\tEpoch:NOT_PRESENT\t"
		       "NO_HEADERS\tk\thello\n");
	r.headers = headers;
	r.headers_len = sizeof(headers);
	r.header_count = 2;
	r.key = SLICE_NULL;
	r.timestamp = -1;
	assert_int_equal(formatter_print(&formatter, &v, &err), 0);
	assert_printed(
		"NO_TIMESTAMP\tPartition:0\tOffset:42\tEpoch:NOT_PRESENT\th1:v1,n:null\tnull\t"
		"hello\n");
	assert_int_equal(FORMAT(NULL, "print.value=false", "print.key=true", "null.literal=~",
				"line.separator=;"), 0);
	assert_int_equal(formatter_print(&formatter, &v, &err), 0);
	assert_printed("~;");
	assert_int_equal(FORMAT(NULL, "print.value=false"), 0);
	assert_int_equal(formatter_print(&formatter, &v, &err), 0);
	assert_printed("");
	assert_int_equal(FORMAT("org.example.Nothing", "x=y"), E_INVALID);
	assert_string_equal(err.text, "org.example.Nothing");
	capture_stop();
}

static void test_deserializers(void **state)
{
	struct record r = {.value = BYTES("\x00\x00\x00\x00\x00\x00\x00\x2a")};
	struct record_view v = {.topic = STR_LIT("t"), .record = &r};

	(void)state;
	capture_start();
	assert_int_equal(FORMAT(NULL, "value.deserializer="
				"org.apache.kafka.common.serialization.LongDeserializer"), 0);
	assert_int_equal(formatter_print(&formatter, &v, &err), 0);
	assert_printed("42\n");
	r.value = BYTES("short");
	assert_int_equal(formatter_print(&formatter, &v, &err), E_MALFORMED);
	assert_string_equal(err.text, "Size of data received by LongDeserializer is not 8");
	assert_printed("");
	assert_int_equal(FORMAT(NULL, "value.deserializer=a.BytesDeserializer"), 0);
	r.value = BYTES("a\x01\\");
	assert_int_equal(formatter_print(&formatter, &v, &err), 0);
	assert_printed("a\\x01\\x5C\n");
	capture_stop();
}

static void test_internal_topics(void **state)
{
	static const uint8_t key[] = {0, 1, 0, 1, 'g', 0, 3, 'f', 'o', 'o', 0, 0, 0, 1};
	static const uint8_t value[] = {0, 3, 0, 0, 0, 0, 0, 0, 0, 100, 0, 0, 0, 10, 0, 0,
					0, 0, 0, 0, 0, 0, 4, 0xd2};
	struct record r = {.offset = 5, .key = {.data = key, .len = sizeof(key)},
			   .value = {.data = value, .len = sizeof(value)}};
	struct record_view v = {.topic = STR_LIT("__consumer_offsets"), .record = &r};

	(void)state;
	capture_start();
	assert_int_equal(
		FORMAT("kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter",
		       "x=y"),
		0);
	assert_int_equal(formatter_print(&formatter, &v, &err), 0);
	assert_printed("{\"key\":{\"type\":1,\"data\":{\"group\":\"g\",\"topic\":\"foo\","
		       "\"partition\":1}},\"value\":{\"version\":3,\"data\":{\"offset\":100,"
		       "\"leaderEpoch\":10,\"metadata\":\"\",\"commitTimestamp\":1234}}}");
	r.value = SLICE_NULL;
	assert_int_equal(formatter_print(&formatter, &v, &err), 0);
	assert_printed("{\"key\":{\"type\":1,\"data\":{\"group\":\"g\",\"topic\":\"foo\","
		       "\"partition\":1}},\"value\":null}");
	/* A key cut short is an error, another type prints nothing. */
	r.key.len = 6;
	assert_int_equal(formatter_print(&formatter, &v, &err), E_MALFORMED);
	r.key = BYTES("\x00\x02\x00\x01g");
	assert_int_equal(formatter_print(&formatter, &v, &err), 0);
	r.key = SLICE_NULL;
	assert_int_equal(formatter_print(&formatter, &v, &err), 0);
	assert_printed("");
	capture_stop();
}

/* ---- Numbers, times, filters -------------------------------------------------------------- */

static void test_numbers_as_java_writes_them(void **state)
{
	static const struct {
		double number;
		const char *text;
	} cases[] = {
		{0.0, "0.0"}, {-0.0, "-0.0"}, {1.0, "1.0"}, {0.1, "0.1"}, {100.0, "100.0"},
		{1234567.0, "1234567.0"}, {1e7, "1.0E7"}, {1.5e10, "1.5E10"}, {0.001, "0.001"},
		{1e-4, "1.0E-4"}, {-2.5, "-2.5"}, {1.0 / 3, "0.3333333333333333"},
	};
	char text[NUMBER_TEXT_MAX];
	uint64_t bits;
	uint32_t bits32;
	float f = 0.1f;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		memcpy(&bits, &cases[i].number, sizeof(bits));
		assert_string_equal(number_text_double(bits, text), cases[i].text);
	}
	memcpy(&bits32, &f, sizeof(bits32));
	assert_string_equal(number_text_float(bits32, text), "0.1");
	assert_string_equal(number_text_double(0x7ff0000000000000u, text), "Infinity");
	assert_string_equal(number_text_double(0x7ff8000000000000u, text), "NaN");
}

static void test_times(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} times[] = {
		{"1970-01-01T00:00:00.000", 0},
		{"1970-01-01T00:00:01.5Z", 1500},
		{"1970-01-01T01:00:00.000+01", 0},
		{"1970-01-01T01:30:00.000+01:30", 0},
		{"1969-12-31T23:00:00.001-0100", 1},
		{"2026-08-01T00:00:00", 1785542400000},
	}, durations[] = {
		{"P1D", 86400000}, {"PT1H30M", 5400000}, {"PT0.25S", 250}, {"P1DT1S", 86401000},
		{"-PT1S", -1000},
	};
	static const char *const bad_times[] = {"",
						"2026-08-01",
						"2026-08-01Tx",
						"2026-08-01T00:00:00.",
						"2026-08-01T00:00:00+1",
						"2026-08-01T00:00:00Zx"};
	static const char *const bad_durations[] = {"",    "P",      "1D",  "PT1D",
						    "P1H", "PT1S1M", "PT-", "PTxS"};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		assert_int_equal(time_parse(times[i].text, &ms, &err), 0);
		assert_int_equal(ms, times[i].ms);
	}
	for (size_t i = 0; i < ARRAY_LEN(durations); i++) {
		assert_int_equal(duration_parse(durations[i].text, &ms, &err), 0);
		assert_int_equal(ms, durations[i].ms);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad_times); i++)
		assert_int_equal(time_parse(bad_times[i], &ms, &err), E_INVALID);
	for (size_t i = 0; i < ARRAY_LEN(bad_durations); i++)
		assert_int_equal(duration_parse(bad_durations[i], &ms, &err), E_INVALID);
}

static bool matches(const char *pattern, const char *name)
{
	struct filter *f = filter_new(pattern, &err);
	bool found;

	assert_non_null(f);
	found = filter_matches(f, str_of(name));
	filter_free(f);
	return found;
}

static void test_filters(void **state)
{
	(void)state;
	assert_true(matches("foo", "foo"));
	assert_false(matches("foo", "foobar"));
	assert_true(matches("foo.*", "foobar"));
	assert_true(matches("a, b", "b"));
	assert_true(matches("'a.b'", "axb"));
	assert_false(matches("a|b", "ab"));
	assert_false(matches("foo|bar", "foobar"));
	assert_null(filter_new("foo(", &err));
	assert_string_equal(err.text, "foo( is an invalid regex.");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_values_and_keys),
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_ambiguous_settings),
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_deserializers),
		cmocka_unit_test(test_internal_topics),
		cmocka_unit_test(test_numbers_as_java_writes_them),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_filters),
	};
	int rc;

	props_init(&props);
	arena_init(&formatter.scratch);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	record_reader_fini(&reader);
	formatter_fini(&formatter);
	props_fini(&props);
	return rc;
}
