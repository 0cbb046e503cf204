/* If these fail, nodes of a lab get other bytes than were sent to them, a cut network lets
 * something through, or one that is whole again does not. Two plain programs of TCP speak through a
 * relay; the test plays both, and turns the loop in between. */
#include "unit/support.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cmd/lab/relay.h"
#include "cmd/lab/whose.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 10000
/* Long enough for what should not come to come. */
#define SILENCE_MS 60

struct fixture {
	uv_loop_t loop;
	struct relay *relay;
	int listening, port_behind, port;
	bool is_cut;
	int64_t delay_ms;
	int from, to; /* what the relay asked about last */
};

static int fixture_source(void *ctx, const struct sockaddr_in *from, const struct sockaddr_in *to)
{
	struct fixture *f = ctx;

	assert_int_equal(ntohs(to->sin_port), f->port);
	assert_true(ntohs(from->sin_port) > 0);
	return 7;
}

static bool fixture_is_cut(void *ctx, int from, int to)
{
	struct fixture *f = ctx;

	f->from = from;
	f->to = to;
	return f->is_cut;
}

static int64_t fixture_delay(void *ctx, int from, int to)
{
	(void)from;
	(void)to;
	return ((struct fixture *)ctx)->delay_ms;
}

static const struct relay_ops fixture_ops = {
	.source = fixture_source, .is_cut = fixture_is_cut, .delay_ms = fixture_delay};

static int listen_any(int *port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

static int connect_to(int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void fixture_init(struct fixture *f)
{
	int fd;

	*f = (struct fixture){0};
	uv_loop_init(&f->loop);
	relay_new(&f->relay, &f->loop, &fixture_ops, f);
	f->listening = listen_any(&f->port_behind);
	/* A free one: its number is ours until somebody else takes it. */
	fd = listen_any(&f->port);
	close(fd);
	assert_int_equal(relay_open(f->relay, 2, f->port, f->port_behind, NULL), 0);
}

static void fixture_fini(struct fixture *f)
{
	relay_free(f->relay);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	if (f->listening >= 0)
		close(f->listening);
}

/* Turns the loop until the descriptor can be read. False: not within the time. */
static bool turn_until(struct fixture *f, int fd, int64_t timeout_ms)
{
	int64_t until_ms = clock_mono_ms() + timeout_ms;
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (clock_mono_ms() < until_ms) {
		uv_run(&f->loop, UV_RUN_NOWAIT);
		if (poll(&p, 1, 1) > 0)
			return true;
	}
	return false;
}

static int accept_behind(struct fixture *f)
{
	int fd;

	assert_true(turn_until(f, f->listening, WAIT_MS));
	fd = accept(f->listening, NULL, NULL);
	assert_true(fd >= 0);
	return fd;
}

static void arrives(struct fixture *f, int fd, const char *text)
{
	char data[64] = {0};

	assert_true(turn_until(f, fd, WAIT_MS));
	assert_int_equal(read(fd, data, sizeof(data) - 1), strlen(text));
	assert_string_equal(data, text);
}

static void says(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void bytes_pass_both_ways(void **state)
{
	struct fixture f;
	int client, node;

	(void)state;
	fixture_init(&f);
	client = connect_to(f.port);
	node = accept_behind(&f);
	says(client, "ping");
	arrives(&f, node, "ping");
	says(node, "pong");
	arrives(&f, client, "pong");
	assert_int_equal(f.from, 7);
	assert_int_equal(f.to, 2);
	/* The end too, behind what was said, and each direction by itself. */
	says(client, "last");
	shutdown(client, SHUT_WR);
	arrives(&f, node, "last");
	arrives(&f, node, "");
	says(node, "still");
	arrives(&f, client, "still");
	close(node);
	arrives(&f, client, "");
	close(client);
	while (relay_pair_count(f.relay) > 0)
		uv_run(&f.loop, UV_RUN_ONCE);
	fixture_fini(&f);
}

/* More than any buffer holds: the relay must wait for a slow reader, and lose nothing. */
static void much_passes(size_t total, int64_t delay_ms)
{
	static uint8_t data[1 << 16], got[1 << 16];
	struct fixture f;
	size_t sent = 0, read_bytes = 0;
	int client, node, small = 4096;
	uint32_t next = 0;

	fixture_init(&f);
	f.delay_ms = delay_ms;
	/* Small pieces: many writes are taken in part. */
	assert_int_equal(setsockopt(f.listening, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	client = connect_to(f.port);
	node = accept_behind(&f);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
	while (read_bytes < total) {
		ssize_t n;

		while (sent < total) {
			size_t at = sent % sizeof(data);

			n = send(client, data + at, sizeof(data) - at, MSG_DONTWAIT);
			if (n <= 0)
				break;
			sent += (size_t)n;
		}
		uv_run(&f.loop, UV_RUN_NOWAIT);
		/* Every other turn nobody reads. */
		if (next++ % 2)
			continue;
		n = recv(node, got, sizeof(got), MSG_DONTWAIT);
		for (ssize_t i = 0; i < n; i++)
			assert_int_equal(got[i], data[(read_bytes + (size_t)i) % sizeof(data)]);
		read_bytes += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(read_bytes, sent);
	close(client);
	close(node);
	fixture_fini(&f);
}

static void much_passes_whole(void **state)
{
	(void)state;
	much_passes(16 << 20, 0);
	much_passes(16 << 20, 1);
}

static void a_broken_connection_is_broken_behind_too(void **state)
{
	struct linger linger = {.l_onoff = 1};
	struct fixture f;
	int client, node;
	char data[8];

	(void)state;
	fixture_init(&f);
	client = connect_to(f.port);
	node = accept_behind(&f);
	says(client, "a");
	arrives(&f, node, "a");
	setsockopt(node, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(node);
	assert_true(turn_until(&f, client, WAIT_MS));
	assert_int_equal(read(client, data, sizeof(data)), -1);
	assert_int_equal(errno, ECONNRESET);
	close(client);
	fixture_fini(&f);
}

static void a_cut_holds_everything(void **state)
{
	struct fixture f;
	int client, node;

	(void)state;
	fixture_init(&f);
	client = connect_to(f.port);
	node = accept_behind(&f);
	says(client, "a");
	arrives(&f, node, "a");
	f.is_cut = true;
	relay_changed(f.relay);
	says(client, "held");
	says(node, "too");
	assert_false(turn_until(&f, node, SILENCE_MS));
	assert_false(turn_until(&f, client, SILENCE_MS));
	/* Nor is it told that the other one is gone. */
	close(client);
	assert_false(turn_until(&f, node, SILENCE_MS));
	f.is_cut = false;
	relay_changed(f.relay);
	arrives(&f, node, "held");
	fixture_fini(&f);
	close(node);
}

static void a_new_connection_waits_for_the_end_of_a_cut(void **state)
{
	struct fixture f;
	int client, impatient, node;

	(void)state;
	fixture_init(&f);
	f.is_cut = true;
	client = connect_to(f.port);
	says(client, "hello");
	assert_false(turn_until(&f, f.listening, SILENCE_MS));
	/* One that gives up is forgotten, or a long cut would gather them. */
	impatient = connect_to(f.port);
	says(impatient, "x");
	assert_false(turn_until(&f, f.listening, SILENCE_MS));
	assert_int_equal(relay_pair_count(f.relay), 2);
	close(impatient);
	while (relay_pair_count(f.relay) > 1)
		uv_run(&f.loop, UV_RUN_ONCE);
	f.is_cut = false;
	relay_changed(f.relay);
	node = accept_behind(&f);
	arrives(&f, node, "hello");
	close(client);
	close(node);
	fixture_fini(&f);
}

static void a_delay_is_kept(void **state)
{
	struct fixture f;
	int64_t begun_ms, took_ms;
	int client, node;

	(void)state;
	fixture_init(&f);
	client = connect_to(f.port);
	node = accept_behind(&f);
	f.delay_ms = 100;
	begun_ms = clock_mono_ms();
	says(client, "one");
	arrives(&f, node, "one");
	took_ms = clock_mono_ms() - begun_ms;
	assert_true(took_ms >= 99);
	says(node, "two");
	arrives(&f, client, "two");
	assert_true(clock_mono_ms() - begun_ms >= 2 * 99);
	/* A delay that ends does not let later bytes pass earlier ones. */
	says(client, "three");
	assert_false(turn_until(&f, node, 20));
	f.delay_ms = 0;
	says(client, "four");
	shutdown(client, SHUT_WR);
	arrives(&f, node, "threefour");
	arrives(&f, node, "");
	/* The end comes no earlier than bytes would. */
	f.delay_ms = 100;
	begun_ms = clock_mono_ms();
	shutdown(node, SHUT_WR);
	arrives(&f, client, "");
	assert_true(clock_mono_ms() - begun_ms >= 99);
	close(client);
	close(node);
	fixture_fini(&f);
}

static void nobody_behind_is_a_broken_connection(void **state)
{
	struct fixture f;
	char data[8];
	int client;

	(void)state;
	fixture_init(&f);
	close(f.listening);
	f.listening = -1;
	client = connect_to(f.port);
	assert_true(turn_until(&f, client, WAIT_MS));
	assert_int_equal(read(client, data, sizeof(data)), -1);
	assert_int_equal(errno, ECONNRESET);
	close(client);
	/* Without its doors a node cannot be connected to at all. */
	relay_close(f.relay, 2);
	uv_run(&f.loop, UV_RUN_NOWAIT);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client,
				 (struct sockaddr *)&(struct sockaddr_in){
					 .sin_family = AF_INET,
					 .sin_port = htons((uint16_t)f.port),
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
				 sizeof(struct sockaddr_in)),
			 -1);
	assert_int_equal(errno, ECONNREFUSED);
	close(client);
	fixture_fini(&f);
}

static void a_port_that_is_taken_is_named(void **state)
{
	struct fixture f;
	struct err err = {0};
	char name[32];

	(void)state;
	fixture_init(&f);
	assert_int_equal(relay_open(f.relay, 3, f.port_behind, 1, &err), -EADDRINUSE);
	snprintf(name, sizeof(name), "port %d", f.port_behind);
	assert_non_null(strstr(err.text, name));
	fixture_fini(&f);
}

/* ---- Who connects ------------------------------------------------------------------------- */

static void the_process_of_a_connection_is_found(void **state)
{
	struct sockaddr_in own, other;
	socklen_t len = sizeof(own);
	int pipe_fds[2], listening, port, fd;
	pid_t child;
	char byte;

	(void)state;
	listening = listen_any(&port);
	assert_int_equal(pipe(pipe_fds), 0);
	child = fork();
	if (child == 0) {
		close(pipe_fds[1]);
		close(listening);
		fd = connect_to(port);
		(void)!read(pipe_fds[0], &byte, 1);
		_exit(0);
	}
	close(pipe_fds[0]);
	fd = accept(listening, (struct sockaddr *)&own, &len);
	assert_true(fd >= 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&other, &len), 0);
	assert_int_equal(whose_socket(&own, &other, (pid_t[]){0, getpid(), child}, 3), 2);
	assert_int_equal(whose_socket(&own, &other, (pid_t[]){getpid()}, 1), -1);
	/* The other end of it is ours. */
	assert_int_equal(whose_socket(&other, &own, (pid_t[]){child, getpid()}, 2), 1);
	own.sin_port = htons(1);
	assert_int_equal(whose_socket(&own, &other, (pid_t[]){getpid(), child}, 2), -1);
	close(pipe_fds[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(fd);
	close(listening);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_pass_both_ways),
		cmocka_unit_test(much_passes_whole),
		cmocka_unit_test(a_broken_connection_is_broken_behind_too),
		cmocka_unit_test(a_cut_holds_everything),
		cmocka_unit_test(a_new_connection_waits_for_the_end_of_a_cut),
		cmocka_unit_test(a_delay_is_kept),
		cmocka_unit_test(nobody_behind_is_a_broken_connection),
		cmocka_unit_test(a_port_that_is_taken_is_named),
		cmocka_unit_test(the_process_of_a_connection_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
