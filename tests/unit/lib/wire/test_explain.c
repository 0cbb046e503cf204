/* If these fail, a dump of a frame leaves bytes out or calls them by a wrong name. */
#include "base/buf.h"
#include "wire/batch.h"
#include "wire/explain.h"
#include "wire/header.h"
#include "wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct lines {
	struct out text;
	size_t next; /* where the next line must begin */
};

static void line_add(void *ctx, const struct explain_line *line)
{
	struct lines *l = ctx;

	if (line->pos != EXPLAIN_NO_POS) {
		/* Nothing is left out and nothing said twice. */
		assert_int_equal(line->pos, l->next);
		l->next += line->len;
	}
	out_printf(&l->text, "%s: %s\n", line->field, line->value);
}

static void lines_init(struct lines *l)
{
	out_init(&l->text, 1 << 20);
	l->next = 0;
}

static void assert_has(struct lines *l, const char *line)
{
	out_byte(&l->text, 0);
	if (!strstr((char *)l->text.data, line))
		fail_msg("'%s' is not in:\n%s", line, l->text.data);
	l->text.len--;
}

static void test_request(void **state)
{
	struct metadata_request request;
	struct metadata_request_topic topic;
	struct lines l;
	struct out frame;
	struct err err = {0};

	(void)state;
	WIRE_INIT(metadata_request, &request);
	WIRE_INIT(metadata_request_topic, &topic);
	topic.name = STR_LIT("a\"b");
	request.topics = &topic;
	request.topics_count = 1;
	lines_init(&l);
	out_init(&frame, 4096);
	assert_int_equal(request_encode(api_by_key(API_METADATA), 12, 77, STR_LIT("me"), &request,
					&frame, NULL, &err),
			 0);
	assert_int_equal(
		explain_request((struct slice){NULL, frame.data, frame.len}, line_add, &l, &err),
		0);
	assert_int_equal(l.next, frame.len);
	assert_has(&l, "RequestApiKey: 3 (Metadata)\n");
	assert_has(&l, "CorrelationId: 77\n");
	assert_has(&l, "ClientId: \"me\"\n");
	assert_has(&l, "Topics: 1 element\n");
	assert_has(&l, "Topics[0].Name: \"a\\\"b\"\n");
	assert_has(&l, "AllowAutoTopicCreation: true\n");
	/* A frame that ends too early is told up to there. */
	assert_int_equal(explain_request((struct slice){NULL, frame.data, 6}, line_add, &l, &err),
			 E_SHORT);
	l.next = 0;
	assert_int_equal(explain_request((struct slice){NULL, frame.data, frame.len - 3}, line_add,
					 &l, &err),
			 E_SHORT);
	assert_int_equal(l.next, frame.len - 3);
	out_fini(&frame);
	out_fini(&l.text);
}

static const char *const produce_json =
	"{\"acks\":1,\"timeoutMs\":1000,\"topicData\":[{\"name\":\"t\",\"partitionData\":["
	"{\"index\":0,\"records\":[{\"compression\":\"%s\",\"records\":["
	"{\"key\":\"k\",\"value\":\"hello\",\"timestamp\":5,\"headers\":[{\"key\":\"h\","
	"\"value\":null}]},{\"value\":\"/w==\",\"valueEncoding\":\"base64\"}]}]}]}]}";

static void produce(const char *codec, struct arena *arena, struct out *frame,
		    struct produce_request *request)
{
	struct err err = {0};
	char text[1024];
	json_t *json;

	snprintf(text, sizeof(text), produce_json, codec);
	json = json_loads(text, 0, NULL);
	assert_non_null(json);
	if (message_from_json_typed(&produce_request_desc, 9, json, arena, request, &err) < 0)
		fail_msg("%s", err.text);
	json_decref(json);
	assert_int_equal(
		request_encode(api_by_key(API_PRODUCE), 9, 1, STR_NULL, request, frame, NULL, &err),
		0);
}

static void test_records(void **state)
{
	static const char *const codecs[] = {"none", "gzip", "zstd"};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(codecs); i++) {
		struct produce_request request;
		struct arena arena;
		struct out frame;
		struct lines l;

		arena_init(&arena);
		out_init(&frame, 65536);
		lines_init(&l);
		produce(codecs[i], &arena, &frame, &request);
		assert_int_equal(explain_request((struct slice){NULL, frame.data, frame.len},
						 line_add, &l, NULL),
				 0);
		assert_int_equal(l.next, frame.len);
		assert_has(&l, "batch[0].recordsCount: 2\n");
		assert_has(&l, " (right)\n");
		assert_has(&l, "batch[0].record[0].key: \"k\"\n");
		assert_has(&l, "batch[0].record[0].value: \"hello\"\n");
		assert_has(&l, "batch[0].record[0].headerKey: \"h\"\n");
		assert_has(&l, "batch[0].record[1].value: \"\\xff\"\n");
		out_fini(&frame);
		out_fini(&l.text);
		arena_fini(&arena);
	}
}

static void test_damaged_records(void **state)
{
	struct produce_request request;
	struct arena arena;
	struct out frame;
	struct lines l;

	(void)state;
	arena_init(&arena);
	out_init(&frame, 65536);
	produce("none", &arena, &frame, &request);
	/* Whatever a byte says, the dump ends, covers everything it should and stays inside. */
	for (size_t i = 8; i < frame.len * 3; i++) {
		uint8_t *at = &frame.data[8 + i / 3 % (frame.len - 8)];
		uint8_t was = *at;

		/* 0 and 1 are old magics, too. */
		*at = i % 3 == 2 ? was ^ 0xff : i % 3;
		lines_init(&l);
		assert_in_range(-explain_request((struct slice){NULL, frame.data, frame.len},
						 line_add, &l, NULL),
				0, 30000);
		out_fini(&l.text);
		*at = was;
	}
	out_fini(&frame);
	arena_fini(&arena);
}

static void test_records_json(void **state)
{
	struct produce_request request;
	struct arena arena;
	struct out frame;
	json_t *json;
	char *text;

	(void)state;
	arena_init(&arena);
	out_init(&frame, 65536);
	produce("gzip", &arena, &frame, &request);
	json = message_to_json(&produce_request_desc, 9, &request, WIRE_JSON_BATCHES, NULL);
	text = json_dumps(json, JSON_COMPACT);
	assert_non_null(strstr(text, "\"compression\":\"gzip\""));
	assert_non_null(strstr(text,
			       "\"records\":[{\"offset\":0,\"timestamp\":5,\"key\":\"k\",\"value\":"
			       "\"hello\",\"headers\":[{\"key\":\"h\",\"value\":null}]},"
			       "{\"offset\":1,\"timestamp\":0,\"key\":null,\"value\":\"/w==\","
			       "\"valueEncoding\":\"base64\",\"headers\":[]}]"));
	free(text);
	json_decref(json);
	out_fini(&frame);
	arena_fini(&arena);
}

static void typed_fails(const char *text, const char *wanted)
{
	struct metadata_request request;
	struct arena arena;
	struct err err = {0};
	json_t *json = json_loads(text, 0, NULL);

	arena_init(&arena);
	assert_int_equal(
		message_from_json_typed(&metadata_request_desc, 3, json, &arena, &request, &err),
		E_INVALID);
	if (!strstr(err.text, wanted))
		fail_msg("'%s' is not in '%s'", wanted, err.text);
	json_decref(json);
	arena_fini(&arena);
}

static void test_typed(void **state)
{
	struct metadata_request request;
	struct arena arena;
	json_t *json = json_loads("{\"TOPICS\":[{\"Name\":\"x\"}]}", 0, NULL);

	(void)state;
	arena_init(&arena);
	assert_int_equal(
		message_from_json_typed(&metadata_request_desc, 12, json, &arena, &request, NULL),
		0);
	assert_int_equal(request.topics_count, 1);
	assert_true(str_is(request.topics[0].name, "x"));
	assert_true(request.allow_auto_topic_creation);
	json_decref(json);
	arena_fini(&arena);
	typed_fails("{\"topcs\":[]}", "there is no field 'topcs', did you mean topics?");
	typed_fails("{\"topics\":[{\"nme\":1}]}", "Topics[0]: there is no field 'nme'");
	typed_fails("{\"allowAutoTopicCreation\":true}",
		    "'AllowAutoTopicCreation' is not in this version (4 and above have it)");
	typed_fails("{\"qqqqqqqqqqqq\":1}", "there is no field 'qqqqqqqqqqqq'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),         cmocka_unit_test(test_records),
		cmocka_unit_test(test_damaged_records), cmocka_unit_test(test_records_json),
		cmocka_unit_test(test_typed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
