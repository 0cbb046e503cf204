/* If these fail: the figures of the performance tests are wrong, or not written as Java would. */
#include "unit/support.h"

#include "unit/cmd/capture.h"

#include "cmd/perf/java_date.h"
#include "cmd/perf/latencies.h"
#include "cmd/perf/payloads.h"
#include "cmd/perf/perf_int.h"

#include "base/mem.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct err err;

static void test_summary(void **state)
{
	struct latencies l;

	(void)state;
	capture_start();
	latencies_init(&l, 1000, 60000, 5000);
	for (int i = 1000; i > 0; i--)
		latencies_add(&l, i, 1048576, 5000);
	latencies_print(&l, 7000);
	assert_printed("1000 records sent, 500.000000 records/sec (500.00 MB/sec), 500.50 ms avg "
		       "latency, 1000.00 ms max latency, 501 ms 50th, 951 ms 95th, 991 ms 99th, "
		       "1000 ms 99.9th.\n");
	latencies_fini(&l);
	capture_stop();
}

/* A window ends with the record that comes after its time; the next begins then. */
static void test_windows(void **state)
{
	struct latencies l;

	(void)state;
	capture_start();
	latencies_init(&l, 10, 1000, 0);
	latencies_add(&l, 10, 100, 500);
	latencies_add(&l, 20, 100, 999);
	assert_printed("");
	latencies_add(&l, 60, 100, 1000);
	assert_printed(
		"3 records sent, 3.0 records/sec (0.00 MB/sec), 30.0 ms avg latency, 60.0 ms "
		"max latency.\n");
	latencies_add(&l, 5, 100, 1999);
	l.is_silent = true;
	latencies_add(&l, 5, 100, 2500);
	assert_printed("");
	assert_int_equal(l.window_count, 0);
	latencies_fini(&l);
	latencies_init(&l, 10, 1000, 0);
	l.is_json = l.is_steady = true;
	latencies_print(&l, 0);
	assert_printed("{\"type\":\"steadyState\",\"records\":0,\"bytes\":0,\"elapsedMs\":0,"
		       "\"recordsPerSec\":null,\"mbPerSec\":null,\"avgLatencyMs\":null,"
		       "\"maxLatencyMs\":0,\"p50LatencyMs\":0,\"p95LatencyMs\":0,"
		       "\"p99LatencyMs\":0,\"p999LatencyMs\":0}\n");
	latencies_fini(&l);
	capture_stop();
}

/* Of more records than samples are kept, every n-th one counts. */
static void test_sampling(void **state)
{
	struct latencies l;

	(void)state;
	latencies_init(&l, 2 * LATENCY_SAMPLES_MAX + 1, INT64_MAX, 0);
	for (int i = 0; i < 2 * LATENCY_SAMPLES_MAX + 1; i++)
		latencies_add(&l, i % 2 ? 9 : 1, 1, 0);
	assert_int_equal(l.sampling, 2);
	assert_int_equal(l.sample_count, LATENCY_SAMPLES_MAX + 1);
	assert_int_equal(latencies_percentile(&l, 0.999), 1);
	assert_int_equal(l.max_ms, 9);
	latencies_fini(&l);
}

static void test_numbers(void **state)
{
	char text[PERF_NUMBER_MAX];

	(void)state;
	assert_string_equal(perf_number(text, 0.0 / 0.0, 2), "NaN");
	assert_string_equal(perf_number(text, HUGE_VAL, 2), "Infinity");
	assert_string_equal(perf_number(text, -HUGE_VAL, 2), "-Infinity");
	assert_string_equal(perf_number(text, 2.5, 4), "2.5000");
}

static void test_dates(void **state)
{
	static const struct {
		const char *pattern, *text;
	} dates[] = {
		{"yyyy-MM-dd HH:mm:ss:SSS", "2025-08-02 00:34:22:007"},
		{"yy M d H k K h m s S", "25 8 2 0 24 0 12 34 22 7"},
		{"EEE EEEE MMM MMMM a", "Sat Saturday Aug August AM"},
		{"'at' HH 'o''clock'", "at 00 o'clock"},
		{"z Z X XX XX"
		 "X D u",
		 "UTC +0000 Z Z Z 214 6"},
	};
	struct out out;

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	for (unsigned i = 0; i < ARRAY_LEN(dates); i++) {
		out_init(&out, 256);
		assert_int_equal(java_date(&out, dates[i].pattern, 1754094862007, &err), 0);
		out_byte(&out, 0);
		assert_string_equal((char *)out.data, dates[i].text);
		out_fini(&out);
	}
	assert_int_equal(java_date(NULL, "yyyy b", 0, &err), E_INVALID);
	assert_string_equal(err.text, "Illegal pattern character 'b'");
	assert_int_equal(java_date(NULL, "yyyy 'b", 0, &err), E_INVALID);
}

static void test_payloads(void **state)
{
	char path[] = "/tmp/kavka-payloads-XXXXXX";
	bool seen[3] = {false};
	struct payloads p;
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "one;;three", 10), 10);
	close(fd);
	assert_int_equal(payloads_file(&p, path, ";", 0, &err), 0);
	assert_int_equal(p.count, 3);
	for (int i = 0; i < 100; i++) {
		struct slice s = payloads_next(&p, i);

		seen[s.len == 3 ? 0 : s.len == 0 ? 1 : 2] = true;
	}
	assert_true(seen[0] && seen[1] && seen[2]);
	payloads_fini(&p);
	unlink(path);
	payloads_random(&p, 3000000, 1);
	for (int i = 0; i < 3; i++) {
		struct slice s = payloads_next(&p, i);

		assert_int_equal(s.len, 3000000);
		assert_true(s.data[s.len - 1] >= 'A' && s.data[s.len - 1] <= 'Z');
	}
	payloads_fini(&p);
	payloads_counter(&p);
	assert_memory_equal(payloads_next(&p, 42).data, "42", 2);
	assert_int_equal(payloads_file(&p, "/nosuch", ";", 0, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_summary),  cmocka_unit_test(test_windows),
		cmocka_unit_test(test_sampling), cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_dates),    cmocka_unit_test(test_payloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
