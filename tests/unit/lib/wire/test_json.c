/* If these fail, dumps of logs and metadata read differently from Kafka's. The form of every
 * message is compared with Apache's own in tests/wire. */
#include "wire/base64.h"
#include "wire/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_json(const struct message_desc *m, int16_t version, const void *msg,
			unsigned flags, const char *wanted)
{
	struct err err = {0};
	json_t *json = message_to_json(m, version, msg, flags, &err);
	char *text;

	if (!json)
		fail_msg("%s", err.text);
	text = json_dumps(json, JSON_COMPACT);
	assert_string_equal(text, wanted);
	free(text);
	json_decref(json);
}

static int from_text(const struct message_desc *m, int16_t version, const char *text,
		     struct arena *arena, void *msg, struct err *err)
{
	json_t *json = json_loads(text, 0, NULL);
	int rc;

	assert_non_null(json);
	rc = message_from_json(m, version, json, arena, msg, err);
	json_decref(json);
	return rc;
}

static void test_form(void **state)
{
	struct topic_record topic;
	struct arena arena;
	struct err err = {0};

	(void)state;
	arena_init(&arena);
	WIRE_INIT(topic_record, &topic);
	topic.name = STR_LIT("a");
	topic.topic_id.bytes[15] = 1;
	assert_json(&topic_record_desc, 0, &topic, 0,
		    "{\"name\":\"a\",\"topicId\":\"AAAAAAAAAAAAAAAAAAAAAQ\"}");
	assert_int_equal(
		from_text(&topic_record_desc, 0,
			  "{\"more\":1,\"name\":\"b\",\"topicId\":\"AAAAAAAAAAAAAAAAAAAAAg\"}",
			  &arena, &topic, &err),
		0);
	assert_true(str_is(topic.name, "b"));
	assert_int_equal(topic.topic_id.bytes[15], 2);
	arena_fini(&arena);
}

static void test_records(void **state)
{
	struct produce_request_partition_produce_data part = {
		.index = 1, .records = {NULL, (const uint8_t *)"abcd", 4}};
	struct produce_request_topic_produce_data topic = {
		.name = STR_LIT("t"), .partition_data = &part, .partition_data_count = 1};
	struct produce_request req = {.acks = -1, .timeout_ms = 5, .topic_data = &topic,
				      .topic_data_count = 1};

	(void)state;
	assert_json(&produce_request_desc, 3, &req, 0,
		    "{\"transactionalId\":null,\"acks\":-1,\"timeoutMs\":5,\"topicData\":[{"
		    "\"name\":\"t\","
		    "\"partitionData\":[{\"index\":1,\"recordsSizeInBytes\":4}]}]}");
	assert_json(&produce_request_desc, 3, &req, WIRE_JSON_RECORDS,
		    "{\"transactionalId\":null,\"acks\":-1,\"timeoutMs\":5,\"topicData\":[{"
		    "\"name\":\"t\","
		    "\"partitionData\":[{\"index\":1,\"records\":\"YWJjZA==\"}]}]}");
}

/* Anyone may name a topic or client with bytes that are not text. */
static void test_bad_utf8(void **state)
{
	struct topic_record topic = {0};

	(void)state;
	topic.name = STR_LIT("a\xff\xc3\xa4\xe2\x82z\xed\xa0\x80\xf0\x9f\x98\x80");
	assert_json(
		&topic_record_desc, 0, &topic, 0,
		"{\"name\":\"a\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd"
		"\xef\xbf\xbd\xf0\x9f\x98\x80\",\"topicId\":\"AAAAAAAAAAAAAAAAAAAAAA\"}");
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
		{"[]", "QuorumStateData v1: is not an object"},
		{"{}", "QuorumStateData v1: LeaderId: is missing"},
		{"{\"leaderId\":\"x\"}", "QuorumStateData v1: LeaderId: is not an integer"},
		{"{\"leaderId\":2147483648}", "QuorumStateData v1: LeaderId: is out of range"},
		{"{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":1,\"votedDirectoryId\":\"x\"}",
		 "QuorumStateData v1: VotedDirectoryId: is not an id"},
	};
	struct quorum_state_data data;
	struct arena arena;
	struct err err;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(from_text(&quorum_state_data_desc, 1, rows[i].text, &arena, &data,
					   &err),
				 E_INVALID);
		assert_string_equal(err.text, rows[i].message);
	}
	assert_int_equal(from_text(&quorum_state_data_desc, 7, "{}", &arena, &data, &err),
			 E_UNSUPPORTED);
	assert_null(message_to_json(&quorum_state_data_desc, 7, &data, 0, &err));
	WIRE_INIT(quorum_state_data, &data);
	data.applied_offset = 4;
	assert_null(message_to_json(&quorum_state_data_desc, 1, &data, 0, &err));
	assert_string_equal(err.text, "QuorumStateData v1: AppliedOffset: is not in this version");
	arena_fini(&arena);
}

static void test_base64(void **state)
{
	static const char *const rows[][2] = {{"", ""},
					      {"f", "Zg=="},
					      {"fo", "Zm8="},
					      {"foo", "Zm9v"},
					      {"foob", "Zm9vYg=="},
					      {"fooba", "Zm9vYmE="},
					      {"foobar", "Zm9vYmFy"},
					      {"\xff\xfe\xfd", "//79"}};
	static const char *const bad[] = {"Z",        "Zg=",  "Zm9v=",  "Zm 9",
					  "Zm9v====", "Zg-_", "\x80m9v"};
	struct arena arena;
	struct slice bytes;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i][0]), text_len;

		assert_string_equal(base64_encode(&arena, rows[i][0], len, &text_len), rows[i][1]);
		assert_int_equal(text_len, strlen(rows[i][1]));
		assert_int_equal(text_len, BASE64_LEN(len));
		assert_int_equal(base64_decode(&arena, str_of(rows[i][1]), &bytes), 0);
		assert_int_equal(bytes.len, len);
		assert_memory_equal(bytes.data, rows[i][0], len);
	}
	assert_int_equal(base64_decode(&arena, STR_LIT("Zm8"), &bytes), 0);
	assert_int_equal(bytes.len, 2);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(base64_decode(&arena, str_of(bad[i]), &bytes), E_MALFORMED);
	arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_bad_utf8),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
