/* If these fail, hex dumps name the wrong field, or a proxy loses its place in a message. Every
 * message at every version is walked: as a whole, byte by byte, and cut off. */
#include "wire/random_message.h"

#include "base/limits.h"
#include "wire/api.h"
#include "wire/scan.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define SEEDS 3

/* Walks with a window that grows only when it must; gives the number of items. */
static size_t walk(const struct message_desc *m, int16_t version, const struct out *bytes,
		   size_t step)
{
	struct wire_scan s;
	struct scan_item item;
	size_t window = MIN(step, bytes->len), before = 0, count = 0;
	int rc;

	wire_scan_init(&s, m, version, bytes->len);
	for (;;) {
		window = MAX(window, s.pos);
		rc = wire_scan_next(&s, bytes->data + s.pos, window - s.pos, &item);
		if (rc == E_AGAIN) {
			if (window >= bytes->len || s.pos != before)
				fail_msg("%s v%d: stuck at %zu", m->name, version, s.pos);
			window = MIN(window + step, bytes->len);
			continue;
		}
		if (rc <= 0)
			break;
		assert_int_equal(item.pos, before);
		assert_int_equal(s.pos, before + item.len + item.content_len);
		assert_true(item.len > 0);
		before = s.pos;
		count++;
	}
	if (rc < 0 || s.pos != bytes->len)
		fail_msg("%s v%d: ends at %zu of %zu: %d", m->name, version, s.pos, bytes->len, rc);
	return count;
}

static void walk_cut(const struct message_desc *m, int16_t version, const struct out *bytes,
		     size_t len)
{
	struct wire_scan s;
	struct scan_item item;
	int rc;

	wire_scan_init(&s, m, version, len);
	do {
		rc = wire_scan_next(&s, bytes->data + s.pos, len - s.pos, &item);
	} while (rc > 0);
	if (rc != E_SHORT && rc != E_MALFORMED)
		fail_msg("%s v%d cut at %zu of %zu gives %d", m->name, version, len, bytes->len,
			 rc);
}

static void test_every_message(void **state)
{
	(void)state;
	for (size_t i = 0; i < wire_message_count; i++) {
		const struct message_desc *m = wire_messages[i];

		for (int16_t v = m->min_version; v <= m->max_version; v++) {
			for (uint64_t seed = 1; seed <= SEEDS; seed++) {
				struct arena arena;
				struct out bytes;
				size_t items;

				arena_init(&arena);
				out_init(&bytes, MESSAGE_BYTES_MAX);
				assert_int_equal(
					message_encode(m, v,
						       random_message(m, v, seed * 77 + i, &arena),
						       &bytes, NULL, NULL),
					0);
				items = walk(m, v, &bytes, bytes.len);
				assert_int_equal(walk(m, v, &bytes, 1), items);
				if (bytes.len > 0) {
					walk_cut(m, v, &bytes, bytes.len - 1);
					walk_cut(m, v, &bytes, bytes.len / 2);
				}
				out_fini(&bytes);
				arena_fini(&arena);
			}
		}
	}
}

static void test_names(void **state)
{
	static const char *const wanted[] = {
		"ThrottleTimeMs=0",     "Brokers=1",
		"Brokers[0].NodeId=7",  "Brokers[0].Host=h",
		"Brokers[0].Port=9092", "Brokers[0].Rack=(null)",
		"Brokers[0]",           "ClusterId=c",
		"ControllerId=7",       "Topics=0",
		"ErrorCode=0",          "",
	};
	struct metadata_response r;
	struct metadata_response_broker broker;
	struct scan_item item;
	struct wire_scan s;
	struct out bytes;
	char path[128], line[256];
	size_t count = 0;

	(void)state;
	WIRE_INIT(metadata_response, &r);
	WIRE_INIT(metadata_response_broker, &broker);
	r.cluster_id = STR_LIT("c");
	r.controller_id = 7;
	r.brokers = &broker;
	r.brokers_count = 1;
	broker.node_id = 7;
	broker.host = STR_LIT("h");
	broker.port = 9092;
	out_init(&bytes, 4096);
	assert_int_equal(message_encode(&metadata_response_desc, 13, &r, &bytes, NULL, NULL), 0);
	wire_scan_init(&s, &metadata_response_desc, 13, bytes.len);
	while (wire_scan_next(&s, bytes.data + s.pos, bytes.len - s.pos, &item) > 0) {
		wire_scan_path(&s, path, sizeof(path));
		if (item.kind == SCAN_TAGS)
			snprintf(line, sizeof(line), "%s", path);
		else if (item.field->type == WIRE_STRING)
			snprintf(line, sizeof(line), "%s=%.*s", path,
				 STR(item.is_null ? STR_LIT("(null)") : item.text));
		else
			snprintf(line, sizeof(line), "%s=%lld", path, (long long)item.number);
		assert_true(count < ARRAY_LEN(wanted));
		assert_string_equal(line, wanted[count]);
		count++;
	}
	assert_int_equal(count, ARRAY_LEN(wanted));
	out_fini(&bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_message),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
