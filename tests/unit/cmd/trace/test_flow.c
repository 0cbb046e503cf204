/* If these fail, a client behind `kavka trace` gets other bytes than the broker sent, or finds its
 * way around the proxy. */
#include "unit/support.h"

#include "unit/cmd/capture.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "cmd/trace/trace_int.h"
#include "wire/errors.h"
#include "wire/header.h"

struct fixture {
	struct run run;
	struct trace_args args;
	struct trace trace;
	struct port port;
	struct pair pair;
};

static void never_drained(struct side *s)
{
	(void)s;
}

static const struct side_ops no_ops = {.drained = never_drained};

/* A pair without sockets: what is sent stays in the queues of its sides. */
static void fixture_init(struct fixture *x)
{
	static const char *const servers[] = {"kafka:9092"};

	*x = (struct fixture){.run = {.name = "kavka trace"}};
	arena_init(&x->run.arena);
	x->trace = (struct trace){.run = &x->run,
				  .args = &x->args,
				  .format = OUTPUT_JSON,
				  .servers = (const char **)(uintptr_t)servers,
				  .server_count = 1,
				  .listen_host = "127.0.0.1",
				  .advertise_host = "127.0.0.1",
				  .stats = stats_new()};
	uv_loop_init(&x->trace.loop);
	list_init(&x->trace.ports);
	list_init(&x->trace.pairs);
	map_init(&x->trace.topic_ids);
	x->port = (struct port){.trace = &x->trace, .node_id = -1};
	x->pair.trace = &x->trace;
	x->pair.port = &x->port;
	list_init(&x->pair.pending);
	flow_init(&x->pair.requests, &x->pair, false);
	flow_init(&x->pair.responses, &x->pair, true);
	x->pair.client.ops = x->pair.broker.ops = &no_ops;
	out_init(&x->pair.client.queue, SIZE_MAX / 2);
	out_init(&x->pair.broker.queue, SIZE_MAX / 2);
	capture_start();
	output_set_quiet(true);
}

static void fixture_fini(struct fixture *x)
{
	struct list_node *node;

	capture_stop();
	output_set_quiet(false);
	flow_fini(&x->pair.requests);
	flow_fini(&x->pair.responses);
	while ((node = list_pop_front(&x->pair.pending)))
		passage_free(LIST_ENTRY(node, struct passage, link));
	out_fini(&x->pair.client.queue);
	out_fini(&x->pair.broker.queue);
	port_close_all(&x->trace);
	uv_run(&x->trace.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&x->trace.loop), 0);
	topic_ids_free(&x->trace);
	stats_free(x->trace.stats);
	arena_fini(&x->run.arena);
}

static void feed(struct flow *f, const struct out *bytes, size_t step)
{
	for (size_t at = 0; at < bytes->len; at += step) {
		size_t n = MIN(step, bytes->len - at);
		uint8_t *copy = xmemdup(bytes->data + at, n);

		flow_bytes(f, copy, n);
		free(copy);
	}
}

static void request_add(struct out *out, int16_t key, int16_t version, int32_t id, const void *body)
{
	struct err err = {0};

	if (request_encode(api_by_key(key), version, id, STR_LIT("me"), body, out, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static void response_add(struct out *out, int16_t key, int16_t version, int32_t id,
			 const void *body)
{
	struct err err = {0};

	if (response_encode(api_by_key(key), version, id, body, out, NULL, &err) < 0)
		fail_msg("%s", err.text);
}

static void assert_bytes(const struct out *got, const struct out *wanted)
{
	assert_int_equal(got->len, wanted->len);
	assert_memory_equal(got->data, wanted->data, wanted->len);
}

/* ---- Addresses ---------------------------------------------------------------------------- */

static void metadata_fill(struct arena *a, struct metadata_response *r)
{
	WIRE_INIT(metadata_response, r);
	r->brokers = WIRE_ARRAY(a, metadata_response_broker, 2);
	r->brokers_count = 2;
	for (int i = 0; i < 2; i++) {
		r->brokers[i].node_id = i + 1;
		r->brokers[i].host = i ? STR_LIT("two.example") : STR_LIT("one.example");
		r->brokers[i].port = 9092;
	}
	r->topics = WIRE_ARRAY(a, metadata_response_topic, 1);
	r->topics_count = 1;
	r->topics[0].name = STR_LIT("orders");
	r->topics[0].topic_id.bytes[0] = 9;
}

/* In any pieces, at every version: brokers are ours afterwards, and each has a port of its own. */
static void test_addresses(void **state)
{
	static const size_t steps[] = {1, 3, 1000};

	(void)state;
	for (int16_t version = 0; version <= 13; version++) {
		for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
			struct metadata_request *request;
			struct metadata_response response, *got;
			struct fixture x;
			struct out out;
			struct slice frame;
			int32_t id;
			void *body;

			fixture_init(&x);
			out_init(&out, 1 << 20);
			request = WIRE_NEW(&x.run.arena, metadata_request);
			request_add(&out, API_METADATA, version, 5, request);
			feed(&x.pair.requests, &out, steps[i]);
			assert_bytes(&x.pair.broker.queue, &out);
			out_reset(&out);
			metadata_fill(&x.run.arena, &response);
			response_add(&out, API_METADATA, version, 5, &response);
			feed(&x.pair.responses, &out, steps[i]);
			frame = (struct slice){NULL, x.pair.client.queue.data + 4,
					       x.pair.client.queue.len - 4};
			assert_int_equal(be32(frame.data - 4), frame.len);
			assert_int_equal(response_decode(api_by_key(API_METADATA), &version, frame,
							 &x.run.arena, &id, &body, NULL),
					 0);
			got = body;
			assert_int_equal(id, 5);
			for (int b = 0; b < 2; b++) {
				assert_true(str_is(got->brokers[b].host, "127.0.0.1"));
				assert_int_not_equal(got->brokers[b].port, 9092);
			}
			assert_int_not_equal(got->brokers[0].port, got->brokers[1].port);
			assert_int_equal(x.trace.port_count, 2);
			if (version >= 10)
				assert_string_equal(topic_id_name(&x.trace,
								  response.topics[0].topic_id,
								  &x.run.arena),
						    "orders");
			out_fini(&out);
			fixture_fini(&x);
		}
	}
}

/* ---- Large frames ------------------------------------------------------------------------- */

static void fetch_fill(struct arena *a, struct fetch_response *r, size_t record_bytes)
{
	uint8_t *records = arena_alloc(a, record_bytes);

	memset(records, 7, record_bytes);
	WIRE_INIT(fetch_response, r);
	r->responses = WIRE_ARRAY(a, fetch_response_fetchable_topic_response, 1);
	r->responses_count = 1;
	r->responses[0].topic_id.bytes[0] = 9;
	r->responses[0].partitions = WIRE_ARRAY(a, fetch_response_partition_data, 2);
	r->responses[0].partitions_count = 2;
	for (int i = 0; i < 2; i++) {
		r->responses[0].partitions[i].partition_index = i;
		r->responses[0].partitions[i].records = (struct slice){NULL, records, record_bytes};
	}
	r->responses[0].partitions[1].error_code = KERR_NOT_LEADER_OR_FOLLOWER;
	r->node_endpoints = WIRE_ARRAY(a, fetch_response_node_endpoint, 1);
	r->node_endpoints_count = 1;
	r->node_endpoints[0].node_id = 1;
	r->node_endpoints[0].host = STR_LIT("one.example");
	r->node_endpoints[0].port = 9092;
}

static void fetch_ask(struct fixture *x, struct out *out)
{
	out_reset(out);
	request_add(out, API_FETCH, 16, 6, WIRE_NEW(&x->run.arena, fetch_request));
	feed(&x->pair.requests, out, out->len);
	out_reset(out);
}

/* A small answer has the hint with our address, a large one has none; the records are the same. */
static void test_large_frames(void **state)
{
	static const size_t sizes[] = {100, 3 * WHOLE_BYTES_MAX}, steps[] = {977, 100000, 1 << 25};

	(void)state;
	for (size_t n = 0; n < ARRAY_LEN(sizes) * ARRAY_LEN(steps); n++) {
		size_t size = sizes[n % 2], step = steps[n / 2];
		struct fetch_response response, *got;
		struct fixture x;
		struct out out;
		int16_t version = 16;
		int32_t id;
		void *body;

		fixture_init(&x);
		out_init(&out, 1 << 26);
		fetch_ask(&x, &out);
		fetch_fill(&x.run.arena, &response, size);
		response_add(&out, API_FETCH, 16, 6, &response);
		feed(&x.pair.responses, &out, step);
		if (size > WHOLE_BYTES_MAX)
			assert_int_equal(x.pair.client.queue.len, out.len);
		assert_int_equal(response_decode(api_by_key(API_FETCH), &version,
						 (struct slice){NULL, x.pair.client.queue.data + 4,
								x.pair.client.queue.len - 4},
						 &x.run.arena, &id, &body, NULL),
				 0);
		got = body;
		for (int i = 0; i < 2; i++) {
			assert_int_equal(got->responses[0].partitions[i].records.len, size);
			assert_memory_equal(got->responses[0].partitions[i].records.data,
					    response.responses[0].partitions[i].records.data, size);
		}
		if (size > WHOLE_BYTES_MAX) {
			assert_int_equal(got->node_endpoints_count, 0);
		} else {
			assert_int_equal(got->node_endpoints_count, 1);
			assert_true(str_is(got->node_endpoints[0].host, "127.0.0.1"));
		}
		assert_non_null(
			strstr(capture_text(&captured), "\"error\":\"NOT_LEADER_OR_FOLLOWER\""));
		out_fini(&out);
		fixture_fini(&x);
	}
}

/* ---- The unknown -------------------------------------------------------------------------- */

/* Other APIs, later versions, short and large frames: bytes pass as they are. */
static void test_unknown_frames(void **state)
{
	static const size_t steps[] = {1, 7, 4096};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct fixture x;
		struct out out;
		uint8_t *room;

		fixture_init(&x);
		out_init(&out, 1 << 26);
		/* API 999 version 1, number 3; Fetch version 99; a frame of two bytes. */
		out_bytes(&out, "\0\0\0\x0c\x03\xe7\0\1\0\0\0\3abcd", 16);
		out_bytes(&out, "\0\0\0\x0c\0\1\0\x63\0\0\0\4efgh", 16);
		out_bytes(&out, "\0\0\0\2xy", 6);
		out_bytes(&out, "\0\0\0\x0c\x03\xe7\0\1\0\0\0\5ijkl", 16);
		room = out_reserve(&out, 2 << 20);
		memset(room, 3, 2 << 20);
		put_be32(room, (2 << 20) - 4);
		out.len += 2 << 20;
		feed(&x.pair.requests, &out, steps[i]);
		assert_bytes(&x.pair.broker.queue, &out);
		out_reset(&out);
		out_bytes(&out, "\0\0\0\6\0\0\0\3zz", 10);
		out_bytes(&out, "\0\0\0\6\0\0\0\4zz", 10);
		out_bytes(&out, "\0\0\0\6\0\0\0\x63zz", 10);
		feed(&x.pair.responses, &out, steps[i]);
		assert_bytes(&x.pair.client.queue, &out);
		out_fini(&out);
		fixture_fini(&x);
	}
}

/* Damaged bytes are passed on, whatever they are: as many as came. */
static void test_damaged_frames(void **state)
{
	struct rng rng;

	(void)state;
	rng_init(&rng, 3);
	for (int n = 0; n < 300; n++) {
		struct fetch_response response;
		struct fixture x;
		struct out out;
		size_t body;

		fixture_init(&x);
		out_init(&out, 1 << 26);
		fetch_ask(&x, &out);
		fetch_fill(&x.run.arena, &response, n % 10 ? 50 : WHOLE_BYTES_MAX);
		response_add(&out, API_FETCH, 16, 6, &response);
		body = out.len;
		for (int i = 0; i < 5; i++)
			out.data[8 + rng_below(&rng, body - 8)] = (uint8_t)rng_below(&rng, 256);
		feed(&x.pair.responses, &out, 1 + rng_below(&rng, 3000));
		if (n % 10 == 0)
			assert_int_equal(x.pair.client.queue.len, out.len);
		assert_true(x.pair.client.queue.len > 0);
		out_fini(&out);
		fixture_fini(&x);
	}
}

/* ---- Latencies ---------------------------------------------------------------------------- */

static long long number_behind(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	assert_non_null(at);
	return strtoll(at + strlen(name), NULL, 10);
}

static void test_percentiles(void **state)
{
	struct stats *s = stats_new();
	struct arena a;
	const char *text;

	(void)state;
	arena_init(&a);
	capture_start();
	for (int i = 1; i <= 1000; i++) {
		stats_request(s, API_FETCH, 100);
		stats_response(s, API_FETCH, 200, i * 1000, i % 100 == 0);
	}
	stats_print(s, &a, OUTPUT_JSON);
	text = capture_text(&captured);
	assert_non_null(strstr(text, "\"summary\":\"Fetch\",\"requests\":1000,\"responses\":1000,"
				     "\"errors\":10,\"requestBytes\":100000,"
				     "\"responseBytes\":200000,"));
	/* 6 % exact. */
	assert_in_range(number_behind(text, "\"p50Us\":"), 500000, 535000);
	assert_in_range(number_behind(text, "\"p99Us\":"), 990000, 1000000);
	assert_non_null(strstr(text, "\"maxUs\":1000000}"));
	capture_stop();
	arena_fini(&a);
	stats_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),      cmocka_unit_test(test_large_frames),
		cmocka_unit_test(test_unknown_frames), cmocka_unit_test(test_damaged_frames),
		cmocka_unit_test(test_percentiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
