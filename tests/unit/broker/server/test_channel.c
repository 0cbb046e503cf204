/* Broken if this fails: nodes cannot speak to each other, speak a version that the other does not
 * know, mix up answers, or wait for ever. The other node is a thread with a script: there only
 * assert() of base/check.h works. */
#include "unit/support.h"

#include "base/clock.h"
#include "base/mem.h"
#include "config/config.h"
#include "server/channel_int.h"
#include "server/server_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static struct server server;
static struct server_shard shard;
static struct shard *shard_list[1] = {&shard.shard};

/* ---- The other node -------------------------------------------------------------------------- */

struct peer {
	int listener;
	uint16_t port;
	pthread_t thread;
	void (*script)(struct peer *p);
	int fd; /* the connection at hand */

	/* the request at hand */
	struct slice frame;
	struct arena arena;
	struct request_header header;
	const struct api *api;
	void *body;
};

static void *peer_run(void *arg)
{
	struct peer *p = arg;

	p->script(p);
	return NULL;
}

static void peer_listen(struct peer *p)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);

	p->fd = -1;
	arena_init(&p->arena);
	p->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert(bind(p->listener, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	assert(getsockname(p->listener, (struct sockaddr *)&addr, &len) == 0);
	p->port = ntohs(addr.sin_port);
}

static void peer_start(struct peer *p, void (*script)(struct peer *p))
{
	if (!p->port)
		peer_listen(p);
	p->script = script;
	assert(listen(p->listener, 8) == 0);
	assert(pthread_create(&p->thread, NULL, peer_run, p) == 0);
}

static void peer_join(struct peer *p)
{
	pthread_join(p->thread, NULL);
	if (p->fd >= 0)
		close(p->fd);
	close(p->listener);
	slice_unref(&p->frame);
	arena_fini(&p->arena);
}

static void peer_accept(struct peer *p)
{
	if (p->fd >= 0)
		close(p->fd);
	p->fd = accept(p->listener, NULL, NULL);
	assert(p->fd >= 0);
}

static bool peer_read(struct peer *p, void *data, size_t len)
{
	for (size_t at = 0; at < len;) {
		ssize_t n = read(p->fd, (uint8_t *)data + at, len - at);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

/* The next request; false: the connection ended. */
static bool peer_next(struct peer *p)
{
	uint8_t size[4];
	struct buf *buf;
	struct err err;

	if (!peer_read(p, size, sizeof(size)))
		return false;
	buf = buf_new(be32(size));
	slice_unref(&p->frame);
	p->frame = slice_of(buf, 0, be32(size));
	assert(peer_read(p, buf->data, be32(size)));
	arena_reset(&p->arena);
	if (request_decode(p->frame, &p->arena, &p->header, &p->api, &p->body, &err) < 0)
		check_failed(err_message(&err), __FILE__, __LINE__, __func__);
	return true;
}

static void peer_answer(struct peer *p, int16_t version, int32_t correlation_id, const void *body)
{
	struct out out;
	struct err err;

	out_init(&out, 1 << 20);
	if (response_encode(p->api, version, correlation_id, body, &out, NULL, &err) < 0)
		check_failed(err_message(&err), __FILE__, __LINE__, __func__);
	assert(write(p->fd, out.data, out.len) == (ssize_t)out.len);
	out_fini(&out);
}

/* ApiVersions as a node says it that has these versions of Vote, and kraft.version 0 to 1. */
static void peer_answer_versions(struct peer *p, int16_t vote_max)
{
	struct api_versions_response *m = WIRE_NEW(&p->arena, api_versions_response);

	assert(p->api->key == API_API_VERSIONS);
	m->api_keys_count = 2;
	m->api_keys = WIRE_ARRAY(&p->arena, api_versions_response_api_version, 2);
	m->api_keys[0].api_key = API_VOTE;
	m->api_keys[0].max_version = vote_max;
	m->api_keys[1].api_key = API_API_VERSIONS;
	m->api_keys[1].max_version = 4;
	m->supported_features_count = 1;
	m->supported_features =
		WIRE_ARRAY(&p->arena, api_versions_response_supported_feature_key, 1);
	m->supported_features[0].name = STR_LIT("kraft.version");
	m->supported_features[0].max_version = 1;
	peer_answer(p, p->header.request_api_version, p->header.correlation_id, m);
}

static void peer_answer_vote(struct peer *p)
{
	struct vote_response *m = WIRE_NEW(&p->arena, vote_response);
	const struct vote_request *asked = p->body;

	assert(p->api->key == API_VOTE);
	m->topics_count = 1;
	m->topics = WIRE_ARRAY(&p->arena, vote_response_topic_data, 1);
	m->topics[0].topic_name = asked->cluster_id;
	peer_answer(p, p->header.request_api_version, p->header.correlation_id, m);
}

/* ---- This node ------------------------------------------------------------------------------- */

static int start_shard(void **state)
{
	static const char *const overrides[] = {"log.dirs=/nowhere",
						"socket.connection.setup.timeout.ms=2000"};
	struct config_load_options load = {.overrides = overrides, .override_count = 2};
	struct err err = {0};

	(void)state;
	server.broker.shards = shard_list;
	server.broker.shard_count = 1;
	if (config_load(&server.config, &load, &err) < 0 ||
	    shard_init(&shard, &server, &server.broker, 0, &err) < 0)
		return -1;
	shard.shard.config = server.config;
	return 0;
}

static int stop_shard(void **state)
{
	(void)state;
	shard_stop(&shard);
	shard_join(&shard);
	shard_fini(&shard);
	config_unref(server.config);
	return 0;
}

static struct channel *channel_to(uint16_t port)
{
	return channel_new(&(struct channel_options){
		.shard = &shard.shard,
		.host = STR_LIT("127.0.0.1"),
		.port = port,
		.listener = STR_LIT("CONTROLLER"),
		.client_id = "raft-client-1",
	});
}

struct ask {
	struct channel_request rq;
	bool is_done;
	int rc;
	char why[ERR_TEXT_MAX];
	char said[40]; /* by the answer */
	struct channel *free_this;
};

static unsigned done_count;
static struct ask *done_order[8];

static void ask_done(struct channel_request *rq, int rc, const struct err *err)
{
	struct ask *a = rq->owner;

	assert_false(a->is_done);
	assert_null(rq->channel);
	a->is_done = true;
	a->rc = rc;
	done_order[done_count++ % 8] = a;
	snprintf(a->why, sizeof(a->why), "%s", err->text);
	if (rc == 0 && rq->api == API_VOTE) {
		const struct vote_response *m = rq->response;

		snprintf(a->said, sizeof(a->said), "%.*s", STR(m->topics[0].topic_name));
		assert_true(rq->frame.len > 0);
	}
	if (a->free_this)
		channel_free(a->free_this);
}

static void ask(struct ask *a, struct channel *c, const char *word, int64_t timeout_ms)
{
	struct vote_request m;

	*a = (struct ask){.rq = {.api = API_VOTE,
				 .body = &m,
				 .timeout_ms = timeout_ms,
				 .done = ask_done,
				 .owner = a}};
	WIRE_INIT(vote_request, &m);
	m.cluster_id = str_of(word);
	channel_send(c, &a->rq);
	assert_false(a->is_done);
	memset(&m, 0xff, sizeof(m));
}

static void wait_for(const struct ask *a)
{
	int64_t until_ms = clock_mono_ms() + 10000;

	while (!a->is_done && clock_mono_ms() < until_ms)
		uv_run(&shard.loop, UV_RUN_ONCE);
	assert_true(a->is_done);
}

/* ---- Tests ----------------------------------------------------------------------------------- */

static void script_older(struct peer *p)
{
	struct api_versions_response *m;

	peer_accept(p);
	assert(peer_next(p));
	assert(p->header.request_api_version == 4);
	assert(str_is(p->header.client_id, "raft-client-1"));
	m = WIRE_NEW(&p->arena, api_versions_response);
	m->error_code = KERR_UNSUPPORTED_VERSION;
	m->api_keys_count = 1;
	m->api_keys = WIRE_ARRAY(&p->arena, api_versions_response_api_version, 1);
	m->api_keys[0].api_key = API_API_VERSIONS;
	m->api_keys[0].max_version = 2;
	peer_answer(p, 0, p->header.correlation_id, m);
	assert(peer_next(p));
	assert(p->header.request_api_version == 2);
	peer_answer_versions(p, 1);
	for (int i = 0; i < 3; i++) {
		assert(peer_next(p));
		assert(p->header.request_api_version == 1);
		peer_answer_vote(p);
	}
	assert(!peer_next(p));
}

static void test_older_node(void **state)
{
	struct peer peer = {0};
	struct channel *c;
	struct ask a, b, d;
	int16_t min, max;

	(void)state;
	peer_start(&peer, script_older);
	c = channel_to(peer.port);
	assert_false(channel_is_ready(c));
	done_count = 0;
	ask(&a, c, "one", 5000);
	ask(&b, c, "two", 5000);
	wait_for(&b);
	assert_ptr_equal(done_order[0], &a);
	assert_ptr_equal(done_order[1], &b);
	assert_int_equal(a.rc, 0);
	assert_int_equal(a.rq.version, 1);
	assert_string_equal(a.said, "one");
	assert_string_equal(b.said, "two");
	assert_true(channel_is_ready(c));
	assert_true(channel_versions(c, API_VOTE, &min, &max));
	assert_int_equal(max, 1);
	assert_false(channel_versions(c, API_FETCH, &min, &max));
	ask(&d, c, "three", 5000);
	wait_for(&d);
	assert_string_equal(d.said, "three");
	channel_free(c);
	peer_join(&peer);
}

static void script_one_vote(struct peer *p)
{
	peer_accept(p);
	assert(peer_next(p));
	peer_answer_versions(p, 2);
	assert(peer_next(p));
	peer_answer_vote(p);
	assert(!peer_next(p));
}

/* Versions that the caller does not allow, and APIs that the other node does not have. */
static void test_unsupported(void **state)
{
	struct fetch_request m;
	struct peer peer = {0};
	struct channel *c;
	struct ask a, b;
	int16_t min, max;

	(void)state;
	peer_start(&peer, script_one_vote);
	c = channel_to(peer.port);
	ask(&a, c, "one", 5000);
	b = (struct ask){.rq = {.api = API_FETCH,
				.body = &m,
				.timeout_ms = 5000,
				.done = ask_done,
				.owner = &b}};
	WIRE_INIT(fetch_request, &m);
	channel_send(c, &b.rq);
	wait_for(&a);
	wait_for(&b);
	assert_int_equal(a.rc, 0);
	assert_int_equal(b.rc, E_UNSUPPORTED);
	assert_non_null(strstr(b.why, "does not support Fetch"));
	assert_true(channel_feature(c, STR_LIT("kraft.version"), &min, &max));
	assert_int_equal(max, 1);
	assert_false(channel_feature(c, STR_LIT("metadata.version"), &min, &max));
	/* known at once, told from the loop all the same */
	b.is_done = false;
	b.rq.api = API_VOTE;
	b.rq.version_min = b.rq.version_max = 3;
	channel_send(c, &b.rq);
	assert_false(b.is_done);
	wait_for(&b);
	assert_int_equal(b.rc, E_UNSUPPORTED);
	channel_free(c);
	peer_join(&peer);
}

static void script_silent_then_well(struct peer *p)
{
	peer_accept(p);
	assert(peer_next(p));
	peer_answer_versions(p, 2);
	while (peer_next(p))
		;
	script_one_vote(p);
}

/* One that is not answered takes the connection with it; the next request opens another. */
static void test_timeout(void **state)
{
	struct peer peer = {0};
	struct channel *c;
	struct ask a, b, d;

	(void)state;
	peer_start(&peer, script_silent_then_well);
	c = channel_to(peer.port);
	ask(&a, c, "one", 200);
	ask(&b, c, "two", 60000);
	wait_for(&a);
	wait_for(&b);
	assert_int_equal(a.rc, E_TIMEOUT);
	assert_int_equal(b.rc, E_CLOSED);
	ask(&d, c, "three", 5000);
	wait_for(&d);
	assert_int_equal(d.rc, 0);
	channel_free(c);
	peer_join(&peer);
}

static void script_hang_up(struct peer *p)
{
	peer_accept(p);
	assert(peer_next(p));
	peer_answer_versions(p, 2);
	assert(peer_next(p));
	script_one_vote(p);
}

static void test_lost(void **state)
{
	struct peer peer = {0};
	struct channel *c;
	struct ask a, b;

	(void)state;
	peer_start(&peer, script_hang_up);
	c = channel_to(peer.port);
	ask(&a, c, "one", 5000);
	wait_for(&a);
	/* maybe carried out, so it is not sent again */
	assert_int_equal(a.rc, E_CLOSED);
	ask(&b, c, "two", 5000);
	wait_for(&b);
	assert_int_equal(b.rc, 0);
	assert_string_equal(b.said, "two");
	channel_free(c);
	peer_join(&peer);
}

static void test_refused_then_there(void **state)
{
	struct peer peer = {0};
	struct channel *c;
	struct ask a, b;

	(void)state;
	peer_listen(&peer);
	c = channel_to(peer.port);
	ask(&a, c, "one", 5000);
	wait_for(&a);
	assert_int_equal(a.rc, -ECONNREFUSED);
	assert_non_null(strstr(a.why, "127.0.0.1:"));
	peer_start(&peer, script_one_vote);
	ask(&b, c, "two", 5000);
	wait_for(&b);
	assert_int_equal(b.rc, 0);
	channel_free(c);
	peer_join(&peer);
}

static void script_answer_both(struct peer *p)
{
	peer_accept(p);
	if (peer_next(p))
		peer_answer_versions(p, 2);
	while (peer_next(p))
		peer_answer_vote(p);
}

/* The answer to what was cancelled is not taken for the next one's. */
static void test_cancel(void **state)
{
	struct peer peer = {0};
	struct channel *c;
	struct ask a, b, d;

	(void)state;
	peer_start(&peer, script_answer_both);
	c = channel_to(peer.port);
	ask(&a, c, "never sent", 5000);
	ask(&b, c, "two", 5000);
	channel_cancel(&a.rq);
	wait_for(&b);
	ask(&a, c, "sent in vain", 5000);
	ask(&d, c, "three", 5000);
	channel_cancel(&a.rq);
	wait_for(&d);
	assert_false(a.is_done);
	assert_string_equal(d.said, "three");
	channel_free(c);
	peer_join(&peer);
}

static void test_freed_early(void **state)
{
	struct peer peer = {0};
	struct channel *c;
	struct ask a, b;

	(void)state;
	peer_start(&peer, script_answer_both);
	c = channel_to(peer.port);
	ask(&a, c, "one", 5000);
	channel_free(c);
	assert_true(a.is_done);
	assert_int_equal(a.rc, E_CLOSED);
	peer_join(&peer);
	/* from inside, with another one under way */
	peer = (struct peer){0};
	peer_start(&peer, script_answer_both);
	c = channel_to(peer.port);
	ask(&a, c, "one", 5000);
	ask(&b, c, "two", 5000);
	a.free_this = c;
	wait_for(&a);
	assert_true(b.is_done);
	assert_int_equal(b.rc, E_CLOSED);
	peer_join(&peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_older_node),
		cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_lost),
		cmocka_unit_test(test_refused_then_there),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_freed_early),
	};

	return cmocka_run_group_tests(tests, start_shard, stop_shard);
}
