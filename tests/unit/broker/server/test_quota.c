/* Broken here: a client with a quota is not told to slow down, or is not slowed down, or those
 * without one are. */
#include "unit/support.h"

#include "api/quotas.h"
#include "base/clock.h"
#include "base/mem.h"
#include "metadata/delta.h"
#include "server/server_int.h"
#include "wire/codec.h"
#include "wire/header.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#define SAMPLE_MS 200
#define DEADLINE_MS 20000

/* One shard, driven by the test; a client's socket. */
static struct server server;
static struct server_shard shard;
static struct shard *shard_list[1] = {&shard.shard};
static const struct listener_ctx listener = {.name = "PLAINTEXT"};

static const struct image *image_with_quota(void)
{
	struct client_quota_record_entity_data slow = {STR_LIT("client-id"), STR_LIT("slow")};
	const struct image *empty = image_empty(), *image;
	struct client_quota_record r;
	struct image_delta d;
	struct err err = {0};

	delta_init(&d, empty);
	image_unref(empty);
	WIRE_INIT(client_quota_record, &r);
	r.entity = &slow;
	r.entity_count = 1;
	r.key = STR_LIT("request_percentage");
	r.value = 0.000001;
	assert_int_equal(delta_replay(&d, CLIENT_QUOTA_RECORD, &r, 1, &err), 0);
	image = delta_publish(&d, 1, 1, 0);
	delta_fini(&d);
	return image;
}

static int setup(void **state)
{
	struct config_load_options load = {0};
	struct err err = {0};

	(void)state;
	server = (struct server){.memory_max = 1 << 30};
	server.broker.shards = shard_list;
	server.broker.shard_count = 1;
	server.broker.quotas = quotas_new(11, SAMPLE_MS);
	server.shards = &shard;
	if (config_load(&server.config, &load, &err) < 0 ||
	    shard_init(&shard, &server, &server.broker, 0, &err) < 0)
		return -1;
	shard.shard.config = config_ref(server.config);
	shard.shard.metrics = metrics_new();
	shard.shard.image = image_with_quota();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shard_stop(&shard);
	shard_join(&shard);
	config_unref(shard.shard.config);
	metrics_free(shard.shard.metrics);
	image_unref(shard.shard.image);
	shard_fini(&shard);
	quotas_free(server.broker.quotas);
	config_unref(server.config);
	return 0;
}

static int connect_client(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof(addr);
	int listening = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0);
	int accepted;

	assert_int_equal(bind(listening, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(client, (struct sockaddr *)&addr, len), 0);
	accepted = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
	assert_true(accepted >= 0);
	close(listening);
	assert_int_equal(fcntl(client, F_SETFL, O_NONBLOCK), 0);
	server_conn_accept(&shard, &listener, accepted, NULL);
	return client;
}

static void ask(int fd, const char *client_id)
{
	const struct api *api = api_by_key(API_API_VERSIONS);
	struct api_versions_request *body;
	struct arena arena;
	struct out out;

	arena_init(&arena);
	body = message_new(api->request, &arena);
	out_init(&out, 4096);
	assert_int_equal(request_encode(api, 2, 1, str_of(client_id), body, &out, NULL, NULL), 0);
	assert_int_equal(write(fd, out.data, out.len), out.len);
	out_fini(&out);
	arena_fini(&arena);
}

/* Waits for the answer; its throttle_time_ms. */
static int32_t answer(int fd)
{
	int64_t deadline_ms = clock_mono_ms() + DEADLINE_MS;
	uint8_t bytes[4096];
	size_t have = 0;

	while (have < 4 || have < 4 + be32(bytes)) {
		ssize_t n = read(fd, bytes + have, sizeof(bytes) - have);

		assert_true(clock_mono_ms() < deadline_ms);
		assert_true(n > 0 || errno == EAGAIN);
		have += n > 0 ? (size_t)n : 0;
		uv_run(&shard.loop, UV_RUN_NOWAIT);
	}
	return (int32_t)be32(bytes + have - 4); /* the last field of version 2 */
}

static void test_throttled_connection_is_not_read(void **state)
{
	int slow = connect_client(), fast = connect_client();
	int64_t started_ms;

	(void)state;
	ask(slow, "slow");
	assert_int_equal(answer(slow), SAMPLE_MS);
	started_ms = clock_mono_ms();
	ask(slow, "slow");
	/* Others are served meanwhile. */
	ask(fast, "fast");
	assert_int_equal(answer(fast), 0);
	ask(fast, "fast");
	assert_int_equal(answer(fast), 0);
	assert_int_equal(answer(slow), SAMPLE_MS);
	assert_true(clock_mono_ms() - started_ms >= SAMPLE_MS - 20);
	/* One of them goes while it is throttled. */
	close(slow);
	close(fast);
	for (int64_t end_ms = clock_mono_ms() + DEADLINE_MS; shard.conn_count > 0;) {
		assert_true(clock_mono_ms() < end_ms);
		uv_run(&shard.loop, UV_RUN_NOWAIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_throttled_connection_is_not_read, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
