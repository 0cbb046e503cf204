/* Connections: frames come whole and in order however their bytes arrive, bounds hold, and every
 * end is told once. The peer is a plain socket. */
#include "net/conn.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#define FRAMES_MAX 4096

struct side {
	struct conn conn;
	uv_loop_t *loop;
	struct slice frames[FRAMES_MAX];
	size_t frame_count;
	size_t frame_bytes;
	int connected_count, drained_count, closed_count, freed_count, sent_count, sent_rc;
	int closed_rc;
	struct err closed_err;
	bool close_at_frame;
	bool echo;
	int peer;
};

static void side_connected(struct conn *c)
{
	((struct side *)c->owner)->connected_count++;
}

static void echo_sent(struct frame_out *f, int rc)
{
	(void)rc;
	slice_unref(&f->pieces[0].bytes);
	slice_unref(&f->pieces[1].bytes);
	free(f->pieces);
	free(f);
}

static void side_frame(struct conn *c, struct slice frame)
{
	struct side *s = c->owner;

	s->frame_bytes += frame.len;
	if (s->echo) {
		struct frame_out *f = xcalloc(1, sizeof(*f));
		uint8_t head[4];

		put_be32(head, (uint32_t)frame.len);
		f->pieces = xcalloc(2, sizeof(*f->pieces));
		f->piece_count = 2;
		f->pieces[0].bytes = slice_copy(head, 4);
		f->pieces[1].bytes = frame;
		f->sent = echo_sent;
		conn_send(c, f);
		s->frame_count++;
		return;
	}
	assert_true(s->frame_count < FRAMES_MAX);
	/* Ours to write: whoever shares the buffer must not see this. */
	if (frame.len)
		((uint8_t *)(uintptr_t)frame.data)[0] ^= 0xff;
	s->frames[s->frame_count++] = frame;
	if (s->close_at_frame)
		conn_close(c);
}

static void side_drained(struct conn *c)
{
	((struct side *)c->owner)->drained_count++;
}

static void side_closed(struct conn *c, int rc, const struct err *err)
{
	struct side *s = c->owner;

	s->closed_count++;
	s->closed_rc = rc;
	s->closed_err = *err;
}

static void side_freed(struct conn *c)
{
	((struct side *)c->owner)->freed_count++;
}

static const struct conn_ops side_ops = {
	.connected = side_connected,
	.frame = side_frame,
	.drained = side_drained,
	.closed = side_closed,
	.freed = side_freed,
};

static void side_init(struct side *s, size_t frame_bytes_max)
{
	int fds[2];

	memset(s, 0, sizeof(*s));
	s->loop = uv_default_loop();
	s->conn.owner = s;
	s->conn.frame_bytes_max = frame_bytes_max;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	s->peer = fds[1];
	assert_int_equal(conn_accept(&s->conn, s->loop, &side_ops, fds[0], NULL, NULL), 0);
	assert_int_equal(s->connected_count, 0);
}

static void side_fini(struct side *s)
{
	if (!s->freed_count)
		conn_close(&s->conn);
	uv_run(s->loop, UV_RUN_DEFAULT);
	assert_int_equal(s->freed_count, 1);
	for (size_t i = 0; i < s->frame_count && !s->echo; i++)
		slice_unref(&s->frames[i]);
	if (s->peer >= 0)
		close(s->peer);
}

static void turns(struct side *s, int count)
{
	for (int i = 0; i < count; i++)
		uv_run(s->loop, UV_RUN_NOWAIT);
}

static void peer_write(struct side *s, const void *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(s->peer, data, len);

		if (n < 0) {
			assert_int_equal(errno, EAGAIN);
			turns(s, 1);
			continue;
		}
		data = (const char *)data + n;
		len -= (size_t)n;
	}
}

/* A frame of `len` bytes that tell their own place. */
static void put_frame(struct out *o, size_t len, uint8_t seed)
{
	uint8_t head[4];

	put_be32(head, (uint32_t)len);
	out_bytes(o, head, 4);
	for (size_t i = 0; i < len; i++)
		out_byte(o, (uint8_t)(seed + i * 7));
}

static void check_frame(struct slice frame, size_t len, uint8_t seed)
{
	assert_int_equal(frame.len, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(frame.data[i], (uint8_t)((seed + i * 7) ^ (i == 0 ? 0xff : 0)));
}

static const size_t sizes[] = {0, 1, 3, 4, 5, 100, 4095, 4096, 4097, 20000, 131071, 131072, 300000};

static void frames_survive_every_fragment_size(void **state)
{
	static const size_t steps[] = {1, 2, 3, 5, 7, 4093, 65536, 1000000};
	struct out o;
	struct side s;

	(void)state;
	out_init(&o, 1 << 24);
	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			put_frame(&o, sizes[i], (uint8_t)i);
	for (size_t step = 0; step < ARRAY_LEN(steps); step++) {
		/* Byte by byte only the start: the rest would only take long. */
		size_t whole = steps[step] < 100 ? 30000 : o.len;

		side_init(&s, 1 << 20);
		for (size_t pos = 0; pos < whole; pos += steps[step]) {
			peer_write(&s, o.data + pos, MIN(steps[step], whole - pos));
			turns(&s, 1);
		}
		turns(&s, 20);
		assert_int_equal(s.connected_count, 1);
		if (whole == o.len)
			assert_int_equal(s.frame_count, 2 * ARRAY_LEN(sizes));
		else
			assert_int_equal(s.frame_count, 9);
		for (size_t i = 0; i < s.frame_count; i++)
			check_frame(s.frames[i], sizes[i % ARRAY_LEN(sizes)],
				    (uint8_t)(i % ARRAY_LEN(sizes)));
		assert_int_equal(s.closed_count, 0);
		side_fini(&s);
	}
	out_fini(&o);
}

static void too_large_and_negative_sizes_end_the_connection(void **state)
{
	static const uint8_t large[] = {0, 0, 4, 1}, negative[] = {0xff, 0xff, 0xff, 0xff};
	struct side s;

	(void)state;
	side_init(&s, 1024);
	peer_write(&s, large, 4);
	turns(&s, 3);
	assert_int_equal(s.closed_count, 1);
	assert_int_equal(s.closed_rc, E_TOO_LARGE);
	assert_string_equal(s.closed_err.text, "frame of 1025 bytes, 1024 are allowed");
	side_fini(&s);

	side_init(&s, 1024);
	peer_write(&s, negative, 4);
	turns(&s, 3);
	assert_int_equal(s.closed_rc, E_MALFORMED);
	side_fini(&s);

	side_init(&s, 1024);
	peer_write(&s, "HTTP/1.1 400 Bad Request\r\n", 26);
	turns(&s, 3);
	assert_int_equal(s.closed_rc, E_MALFORMED);
	assert_non_null(strstr(s.closed_err.text, "HTTP"));
	side_fini(&s);
}

static void an_end_between_frames_is_clean_and_inside_one_is_not(void **state)
{
	struct out o;
	struct side s;

	(void)state;
	out_init(&o, 1 << 20);
	put_frame(&o, 10, 1);
	side_init(&s, 1024);
	peer_write(&s, o.data, o.len);
	close(s.peer);
	s.peer = -1;
	turns(&s, 5);
	assert_int_equal(s.frame_count, 1);
	assert_int_equal(s.closed_count, 1);
	assert_int_equal(s.closed_rc, 0);
	side_fini(&s);

	for (size_t cut = 1; cut < o.len; cut += 4) {
		side_init(&s, 1024);
		peer_write(&s, o.data, cut);
		turns(&s, 1);
		close(s.peer);
		s.peer = -1;
		turns(&s, 5);
		assert_int_equal(s.frame_count, 0);
		assert_int_equal(s.closed_count, 1);
		assert_int_equal(s.closed_rc, -ECONNRESET);
		side_fini(&s);
	}
	out_fini(&o);
}

static void closing_inside_a_callback_stops_the_rest(void **state)
{
	struct out o;
	struct side s;

	(void)state;
	out_init(&o, 1 << 20);
	for (int i = 0; i < 5; i++)
		put_frame(&o, 5000, 1);
	side_init(&s, 10000);
	s.close_at_frame = true;
	peer_write(&s, o.data, o.len);
	turns(&s, 5);
	assert_int_equal(s.frame_count, 1);
	assert_int_equal(s.closed_count, 0);
	side_fini(&s);
	out_fini(&o);
}

static void a_paused_connection_reads_nothing_until_resumed(void **state)
{
	struct out o;
	struct side s;

	(void)state;
	out_init(&o, 1 << 20);
	put_frame(&o, 10, 1);
	side_init(&s, 1024);
	turns(&s, 2);
	conn_pause(&s.conn);
	peer_write(&s, o.data, o.len);
	close(s.peer);
	s.peer = -1;
	turns(&s, 5);
	assert_int_equal(s.frame_count, 0);
	conn_resume(&s.conn);
	turns(&s, 5);
	assert_int_equal(s.frame_count, 1);
	assert_int_equal(s.closed_count, 1);
	assert_int_equal(s.closed_rc, 0);
	side_fini(&s);
	out_fini(&o);
}

/* The thread sanitizer keeps several bytes beside each one that is touched. */
#ifdef __SANITIZE_THREAD__
#define SHADOW 16
#else
#define SHADOW 1
#endif

static void half_frames_hold_no_more_than_they_sent(void **state)
{
	enum { CONNS = 200 };
	static const uint8_t head[] = {0x06, 0x40, 0, 0, 'x'};
	struct side *s = xcalloc(CONNS, sizeof(*s));
	FILE *f;
	long before = 0, after = 0, total;

	(void)state;
	f = fopen("/proc/self/statm", "re");
	assert_int_equal(fscanf(f, "%ld %ld", &total, &before), 2);
	fclose(f);
	for (int i = 0; i < CONNS; i++) {
		side_init(&s[i], 100 << 20);
		peer_write(&s[i], head, sizeof(head));
	}
	turns(s, 5);
	f = fopen("/proc/self/statm", "re");
	assert_int_equal(fscanf(f, "%ld %ld", &total, &after), 2);
	fclose(f);
	/* 200 announced frames of 100 MiB cost less than 64 KiB each (mostly this test's own). */
	assert_true((after - before) * 4096 < CONNS * (long)(sizeof(*s) + 65536) * SHADOW);
	for (int i = 0; i < CONNS; i++)
		conn_close(&s[i].conn);
	for (int i = 0; i < CONNS; i++)
		side_fini(&s[i]);
	free(s);
}

struct sending {
	struct frame_out f;
	struct piece pieces[3];
	struct side *side;
};

static void sending_sent(struct frame_out *f, int rc)
{
	struct sending *s = CONTAINER_OF(f, struct sending, f);

	s->side->sent_count++;
	s->side->sent_rc = rc;
}

static void a_slow_reader_gets_bytes_and_file_ranges_in_order(void **state)
{
	char path[] = "/tmp/kavka-conn-XXXXXX";
	size_t file_len = 3 << 20, got = 0, expected_len = 4 + 100000 + file_len - 5;
	uint8_t *file_bytes = xmalloc(file_len), *bytes = xmalloc(100000);
	uint8_t *received = xmalloc(2 * expected_len);
	uint8_t head[4];
	struct sending sending[2];
	struct file_ref *file;
	struct side s;
	int fd = mkstemp(path);

	(void)state;
	unlink(path);
	for (size_t i = 0; i < file_len; i++)
		file_bytes[i] = (uint8_t)(i * 31 >> 3);
	memset(bytes, 'b', 100000);
	assert_int_equal(write(fd, file_bytes, file_len), (ssize_t)file_len);
	file = file_ref_new(fd);
	side_init(&s, 1024);
	turns(&s, 2);
	put_be32(head, (uint32_t)expected_len - 4);
	for (int i = 0; i < 2; i++) {
		sending[i] = (struct sending){.side = &s};
		sending[i].f.sent = sending_sent;
		sending[i].f.pieces = sending[i].pieces;
		sending[i].f.piece_count = 3;
		sending[i].pieces[0].bytes = (struct slice){NULL, head, 4};
		sending[i].pieces[1].range = (struct file_range){file, 5, file_len - 5};
		sending[i].pieces[2].bytes = (struct slice){NULL, bytes, 100000};
		conn_send(&s.conn, &sending[i].f);
		assert_int_equal(s.sent_count, 0);
	}
	while (got < 2 * expected_len) {
		ssize_t n = read(s.peer, received + got, 50000);

		if (n > 0)
			got += (size_t)n;
		turns(&s, 1);
		assert_int_equal(s.closed_count, 0);
	}
	turns(&s, 3);
	assert_int_equal(s.sent_count, 2);
	assert_int_equal(s.sent_rc, 0);
	assert_int_equal(s.drained_count, 1);
	assert_int_equal(s.conn.out_bytes, 0);
	for (int i = 0; i < 2; i++) {
		uint8_t *at = received + (size_t)i * expected_len;

		assert_memory_equal(at, head, 4);
		assert_memory_equal(at + 4, file_bytes + 5, file_len - 5);
		assert_memory_equal(at + 4 + file_len - 5, bytes, 100000);
	}
	/* What cannot be sent any more is given back with the reason. */
	for (int i = 0; i < 2; i++)
		conn_send(&s.conn, &sending[i].f);
	conn_close(&s.conn);
	assert_int_equal(s.sent_count, 4);
	assert_int_equal(s.sent_rc, E_CLOSED);
	side_fini(&s);
	file_unref(file);
	free(file_bytes);
	free(bytes);
	free(received);
}

static void many_small_frames_are_echoed_in_order(void **state)
{
	struct out o;
	struct side s;
	uint8_t *received;
	size_t got = 0;

	(void)state;
	out_init(&o, 1 << 24);
	for (int i = 0; i < 20000; i++)
		put_frame(&o, (size_t)i % 90, (uint8_t)i);
	received = xmalloc(o.len + 1);
	side_init(&s, 1024);
	s.echo = true;
	for (size_t pos = 0; pos < o.len || got < o.len;) {
		ssize_t n = pos < o.len ? write(s.peer, o.data + pos, MIN(o.len - pos, 8192)) : 0;

		if (n > 0)
			pos += (size_t)n;
		turns(&s, 1);
		n = read(s.peer, received + got, o.len + 1 - got);
		if (n > 0)
			got += (size_t)n;
	}
	assert_int_equal(s.frame_count, 20000);
	assert_memory_equal(received, o.data, o.len);
	side_fini(&s);
	free(received);
	out_fini(&o);
}

static void connecting_to_a_closed_port_names_the_reason(void **state)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	socklen_t len = sizeof(in);
	struct side s = {.loop = uv_default_loop(), .peer = -1};
	struct err err = {0};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int rc;

	(void)state;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	s.conn.owner = &s;
	s.conn.frame_bytes_max = 1024;
	rc = conn_connect(&s.conn, s.loop, &side_ops, (struct sockaddr *)&in, NULL, NULL, &err);
	if (rc == 0) {
		uv_run(s.loop, UV_RUN_DEFAULT);
		rc = s.closed_rc;
		err = s.closed_err;
		assert_int_equal(s.freed_count, 1);
	}
	assert_int_equal(rc, -ECONNREFUSED);
	assert_string_equal(err.text, "Connection refused");

	/* And to an open one. */
	memset(&s.conn, 0, sizeof(s.conn));
	s.conn.owner = &s;
	s.conn.frame_bytes_max = 1024;
	s.freed_count = 0;
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(conn_connect(&s.conn, s.loop, &side_ops, (struct sockaddr *)&in, NULL,
				      NULL, &err), 0);
	s.peer = accept(fd, NULL, NULL);
	while (!s.connected_count)
		turns(&s, 1);
	side_fini(&s);
	close(fd);
}

static void addresses_are_written_as_users_know_them(void **state)
{
	char text[CONN_ADDR_TEXT_MAX];
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(9092)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(1)};

	(void)state;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	in6.sin6_addr = in6addr_loopback;
	assert_string_equal(conn_addr_format((struct sockaddr *)&in, text), "127.0.0.1:9092");
	assert_string_equal(conn_addr_format((struct sockaddr *)&in6, text), "[::1]:1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_survive_every_fragment_size),
		cmocka_unit_test(too_large_and_negative_sizes_end_the_connection),
		cmocka_unit_test(an_end_between_frames_is_clean_and_inside_one_is_not),
		cmocka_unit_test(closing_inside_a_callback_stops_the_rest),
		cmocka_unit_test(a_paused_connection_reads_nothing_until_resumed),
		cmocka_unit_test(half_frames_hold_no_more_than_they_sent),
		cmocka_unit_test(a_slow_reader_gets_bytes_and_file_ranges_in_order),
		cmocka_unit_test(many_small_frames_are_echoed_in_order),
		cmocka_unit_test(connecting_to_a_closed_port_names_the_reason),
		cmocka_unit_test(addresses_are_written_as_users_know_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
