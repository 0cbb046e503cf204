/* Broken if this fails: what dashboards show. */
#include "unit/support.h"

#include "metrics/metrics.h"

static const char *name_of(int key)
{
	return key == 1 ? "Fetch" : NULL;
}

static void shards_add_up(void **state)
{
	struct metrics *a = metrics_new(), *b = metrics_new(), *sum = metrics_new();
	struct out out;

	(void)state;
	metrics_topic(a, STR_LIT("t"))->bytes_in = 5;
	metrics_topic(b, STR_LIT("t"))->bytes_in = 7;
	metrics_topic(b, STR_LIT("u"))->messages_in = 1;
	a->all.bytes_in = 5;
	b->all.bytes_in = 7;
	histogram_add(&a->request_time[1], 1000);
	histogram_add(&b->request_time[1], 3000);
	metrics_merge(sum, a);
	metrics_merge(sum, b);
	out_init(&out, 1 << 20);
	metrics_print(sum, &out, name_of);
	out_byte(&out, 0);
	assert_non_null(strstr((char *)out.data,
			       "# TYPE kafka_server_brokertopicmetrics_bytesin_total counter\n"
			       "kafka_server_brokertopicmetrics_bytesin_total 12\n"));
	assert_non_null(strstr((char *)out.data,
			       "kafka_server_brokertopicmetrics_bytesin_total{topic=\"t\"} 12\n"));
	assert_non_null(
		strstr((char *)out.data,
		       "kafka_server_brokertopicmetrics_messagesin_total{topic=\"u\"} 1\n"));
	assert_non_null(
		strstr((char *)out.data,
		       "kafka_network_requestmetrics_requests_total{request=\"Fetch\"} 2\n"));
	out_fini(&out);
	metrics_forget_topic(sum, STR_LIT("t"));
	assert_int_equal(metrics_topic(sum, STR_LIT("t"))->bytes_in, 0);
	metrics_free(a);
	metrics_free(b);
	metrics_free(sum);
}

static void quantiles_are_upper_edges(void **state)
{
	struct histogram h = {0};

	(void)state;
	assert_true(histogram_quantile_ms(&h, 0.5) == 0);
	for (int i = 0; i < 99; i++)
		histogram_add(&h, 100); /* below 128 us */
	histogram_add(&h, 1000000);     /* below 2^20 us */
	assert_true(histogram_quantile_ms(&h, 0.5) == 0.128);
	assert_true(histogram_quantile_ms(&h, 0.999) == 1048.576);
	histogram_add(&h, -5);
	assert_int_equal(h.count, 101);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shards_add_up),
		cmocka_unit_test(quantiles_are_upper_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
