#include "cmd/lab/relay.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (64 * 1024)
#define BACKLOG 128
/* Bytes moved for one connection before others have their turn. */
#define TURN_BYTES (1024 * 1024)
/* What is held for a receiver that does not take it, where nothing is delayed. */
#define QUEUE_BYTES_MAX (256 * 1024)

struct door {
	struct list_node link;
	struct relay *relay;
	uv_poll_t poll;
	int fd, end, port_behind;
};

struct relay {
	uv_loop_t *loop;
	const struct relay_ops *ops;
	void *ctx;
	struct list_node doors, pairs;
	unsigned pair_count;
	unsigned handle_count; /* of the loop, not yet gone */
	bool is_ending;
	uint8_t buffer[READ_BYTES];
};

/* Bytes on their way. */
struct chunk {
	struct list_node link;
	int64_t due_ms;
	size_t len, pos;
	uint8_t data[];
};

/* One direction of a pair. */
struct flow {
	struct list_node chunks;
	size_t queued_bytes;
	int64_t last_due_ms;
	bool is_over;  /* the sender's end was read */
	bool is_reset; /* and it was no orderly one */
	bool is_shut;  /* the receiver was told */
};

struct side {
	struct pair *pair;
	uv_poll_t poll;
	int fd; /* -1: none yet */
	int events;
	bool is_polled; /* the handle is the loop's */
};

enum pair_state { PAIR_HELD, PAIR_CONNECTING, PAIR_OPEN, PAIR_CLOSED };

/* sides[0] connected to the door, sides[1] leads to the node; flows[i] is what sides[i] sends. */
struct pair {
	struct list_node link;
	struct relay *relay;
	int from, to, port_behind;
	enum pair_state state;
	struct side sides[2];
	struct flow flows[2];
	uv_timer_t timer;
	unsigned handle_count;
};

static void pair_step(struct pair *p);

/* ---- Life of a pair ----------------------------------------------------------------------- */

static void relay_handle_gone(struct relay *r)
{
	assert(r->handle_count > 0);
	r->handle_count--;
	if (r->is_ending && r->handle_count == 0)
		free(r);
}

static void pair_handle_gone(uv_handle_t *handle)
{
	struct pair *p = handle->data;
	struct relay *r = p->relay;

	if (--p->handle_count == 0) {
		free(p);
		r->pair_count--;
	}
	relay_handle_gone(r);
}

static void side_gone(uv_handle_t *handle)
{
	struct side *s = handle->data;

	handle->data = s->pair;
	pair_handle_gone(handle);
}

static void flow_drop(struct flow *f)
{
	struct list_node *node;

	while ((node = list_pop_front(&f->chunks)))
		free(LIST_ENTRY(node, struct chunk, link));
	f->queued_bytes = 0;
}

/* An end that the peers shall see as one of a broken connection. */
static void fd_close(int fd, bool is_reset)
{
	struct linger linger = {.l_onoff = 1};

	if (is_reset)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(fd);
}

static void pair_close(struct pair *p, bool is_reset)
{
	if (p->state == PAIR_CLOSED)
		return;
	p->state = PAIR_CLOSED;
	list_remove(&p->link);
	for (int i = 0; i < 2; i++) {
		struct side *s = &p->sides[i];

		flow_drop(&p->flows[i]);
		if (s->is_polled) {
			uv_poll_stop(&s->poll);
			uv_close((uv_handle_t *)&s->poll, side_gone);
		}
		if (s->fd >= 0)
			fd_close(s->fd, is_reset);
		s->fd = -1;
	}
	uv_timer_stop(&p->timer);
	uv_close((uv_handle_t *)&p->timer, pair_handle_gone);
}

static void pair_timer(uv_timer_t *timer)
{
	pair_step(timer->data);
}

static void side_event(uv_poll_t *poll, int status, int events)
{
	struct side *s = poll->data;
	struct pair *p = s->pair;

	(void)status; /* reading and writing tell more */
	if (p->state == PAIR_HELD && (events & UV_DISCONNECT || status < 0)) {
		pair_close(p, false);
		return;
	}
	if (p->state == PAIR_CONNECTING && s == &p->sides[1]) {
		int rc = 0;
		socklen_t len = sizeof(rc);

		if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &rc, &len) < 0 || rc != 0) {
			pair_close(p, true);
			return;
		}
		p->state = PAIR_OPEN;
	}
	pair_step(p);
}

static void side_init(struct pair *p, int index, int fd)
{
	struct side *s = &p->sides[index];
	int one = 1, rc;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->pair = p;
	s->fd = fd;
	rc = uv_poll_init(p->relay->loop, &s->poll, fd);
	assert(rc == 0);
	s->poll.data = s;
	s->is_polled = true;
	p->handle_count++;
	p->relay->handle_count++;
}

/* ---- Moving bytes ------------------------------------------------------------------------- */

static void flow_add(struct flow *f, const uint8_t *data, size_t len, int64_t due_ms)
{
	struct chunk *c = xmalloc(sizeof(*c) + len);

	*c = (struct chunk){.due_ms = MAX(due_ms, f->last_due_ms), .len = len};
	memcpy(c->data, data, len);
	f->last_due_ms = c->due_ms;
	f->queued_bytes += len;
	list_push_back(&f->chunks, &c->link);
}

/* Writes what is due. False: the receiver is gone. */
static bool flow_write(struct flow *f, int fd, int64_t now_ms)
{
	struct chunk *c;

	while ((c = LIST_FIRST(&f->chunks, struct chunk, link)) && c->due_ms <= now_ms) {
		ssize_t n = send(fd, c->data + c->pos, c->len - c->pos, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		c->pos += (size_t)n;
		f->queued_bytes -= (size_t)n;
		if (c->pos < c->len)
			return true;
		list_remove(&c->link);
		free(c);
	}
	return true;
}

static bool flow_has_room(const struct flow *f, int64_t delay_ms)
{
	return !f->is_over &&
	       f->queued_bytes < (delay_ms > 0 ? RELAY_QUEUE_BYTES_MAX : QUEUE_BYTES_MAX);
}

/* Takes what the sender has, and passes on at once what may go at once. False: the receiver is
 * gone. */
static bool flow_read(struct relay *r, struct flow *f, int from_fd, int to_fd, int64_t delay_ms,
		      int64_t now_ms)
{
	size_t moved = 0;

	while (flow_has_room(f, delay_ms) && moved < TURN_BYTES) {
		ssize_t n = recv(from_fd, r->buffer, READ_BYTES, 0), sent = 0;

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (n <= 0) {
			f->is_over = true;
			f->is_reset = n < 0;
			f->last_due_ms = MAX(f->last_due_ms, now_ms + delay_ms);
			return true;
		}
		moved += (size_t)n;
		if (delay_ms == 0 && f->queued_bytes == 0) {
			sent = send(to_fd, r->buffer, (size_t)n, MSG_NOSIGNAL);
			if (sent < 0 && errno != EAGAIN && errno != EINTR)
				return false;
			sent = MAX(sent, 0);
		}
		if (sent < n)
			flow_add(f, r->buffer + sent, (size_t)(n - sent), now_ms + delay_ms);
		if (n < READ_BYTES)
			return true;
	}
	return true;
}

/* The sender's end, behind all that it sent. False: the pair is to be closed. */
static bool flow_end(struct flow *f, int to_fd, int64_t now_ms)
{
	if (!f->is_over || f->is_shut || f->queued_bytes > 0 || f->last_due_ms > now_ms)
		return true;
	if (f->is_reset)
		return false;
	f->is_shut = true;
	(void)shutdown(to_fd, SHUT_WR);
	return true;
}

/* ---- What a pair waits for ---------------------------------------------------------------- */

static void side_wait(struct side *s, int events)
{
	if (!s->is_polled || s->events == events)
		return;
	s->events = events;
	if (events == 0)
		uv_poll_stop(&s->poll);
	else
		uv_poll_start(&s->poll, events, side_event);
}

static void pair_wait(struct pair *p, int64_t delay_ms, int64_t now_ms)
{
	int64_t next_ms = INT64_MAX;

	for (int i = 0; i < 2; i++) {
		const struct flow *out = &p->flows[i], *in = &p->flows[1 - i];
		const struct chunk *c = LIST_FIRST(&in->chunks, struct chunk, link);
		int events = 0;

		if (flow_has_room(out, delay_ms))
			events |= UV_READABLE;
		if (c && c->due_ms <= now_ms)
			events |= UV_WRITABLE;
		side_wait(&p->sides[i], events);
		if (c && c->due_ms > now_ms)
			next_ms = MIN(next_ms, c->due_ms);
		if (!c && in->is_over && !in->is_shut)
			next_ms = MIN(next_ms, in->last_due_ms);
	}
	if (next_ms == INT64_MAX) {
		uv_timer_stop(&p->timer);
		return;
	}
	uv_update_time(p->relay->loop);
	uv_timer_start(&p->timer, pair_timer, (uint64_t)MAX(next_ms - now_ms, 0), 0);
}

static void pair_connect(struct pair *p)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)p->port_behind),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0) {
		pair_close(p, true);
		return;
	}
	side_init(p, 1, fd);
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 && errno != EINPROGRESS) {
		pair_close(p, true);
		return;
	}
	p->state = PAIR_CONNECTING;
	side_wait(&p->sides[0], 0);
	side_wait(&p->sides[1], UV_WRITABLE);
}

/* Does what can be done, and then waits for the next thing. */
static void pair_step(struct pair *p)
{
	struct relay *r = p->relay;
	bool is_cut = r->ops->is_cut(r->ctx, p->from, p->to), is_well = true;
	int64_t now_ms = clock_mono_ms(), delay_ms = r->ops->delay_ms(r->ctx, p->from, p->to);

	if (p->state == PAIR_HELD && is_cut) {
		side_wait(&p->sides[0], UV_DISCONNECT);
		return;
	}
	if (p->state == PAIR_HELD) {
		pair_connect(p);
		return;
	}
	if (p->state != PAIR_OPEN)
		return;
	if (is_cut) {
		side_wait(&p->sides[0], 0);
		side_wait(&p->sides[1], 0);
		uv_timer_stop(&p->timer);
		return;
	}
	for (int i = 0; i < 2 && is_well; i++) {
		int from = p->sides[i].fd, to = p->sides[1 - i].fd;

		is_well = flow_write(&p->flows[i], to, now_ms) &&
			  flow_read(r, &p->flows[i], from, to, delay_ms, now_ms) &&
			  flow_end(&p->flows[i], to, now_ms);
	}
	if (!is_well)
		pair_close(p, true);
	else if (p->flows[0].is_shut && p->flows[1].is_shut)
		pair_close(p, false);
	else
		pair_wait(p, delay_ms, now_ms);
}

/* Takes fd. */
static void pair_new(struct door *d, int fd, const struct sockaddr_in *peer)
{
	struct relay *r = d->relay;
	struct sockaddr_in own;
	socklen_t len = sizeof(own);
	struct pair *p;

	if (r->pair_count >= RELAY_PAIRS_MAX ||
	    getsockname(fd, (struct sockaddr *)&own, &len) < 0) {
		fd_close(fd, true);
		return;
	}
	p = xcalloc(1, sizeof(*p));
	*p = (struct pair){.relay = r, .to = d->end, .port_behind = d->port_behind};
	p->from = r->ops->source(r->ctx, peer, &own);
	p->sides[0].fd = p->sides[1].fd = -1;
	for (int i = 0; i < 2; i++)
		list_init(&p->flows[i].chunks);
	uv_timer_init(r->loop, &p->timer);
	p->timer.data = p;
	p->handle_count = 1;
	r->handle_count++;
	r->pair_count++;
	list_push_back(&r->pairs, &p->link);
	side_init(p, 0, fd);
	pair_step(p);
}

/* ---- Doors -------------------------------------------------------------------------------- */

static void door_event(uv_poll_t *poll, int status, int events)
{
	struct door *d = poll->data;
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	int fd;

	(void)status;
	(void)events;
	fd = accept4(d->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		pair_new(d, fd, &peer);
}

static void door_gone(uv_handle_t *handle)
{
	struct door *d = handle->data;
	struct relay *r = d->relay;

	free(d);
	relay_handle_gone(r);
}

static void door_close(struct door *d)
{
	list_remove(&d->link);
	uv_poll_stop(&d->poll);
	uv_close((uv_handle_t *)&d->poll, door_gone);
	close(d->fd);
}

int relay_open(struct relay *r, int end, int port, int port_behind, struct err *err)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons((uint16_t)port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, rc;
	struct door *d;

	if (fd < 0)
		return err_sys(err, -errno, "a socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, BACKLOG) < 0) {
		rc = -errno;
		close(fd);
		return err_sys(err, rc, "port %d", port);
	}
	d = xcalloc(1, sizeof(*d));
	*d = (struct door){.relay = r, .fd = fd, .end = end, .port_behind = port_behind};
	rc = uv_poll_init(r->loop, &d->poll, fd);
	assert(rc == 0);
	d->poll.data = d;
	r->handle_count++;
	list_push_back(&r->doors, &d->link);
	uv_poll_start(&d->poll, UV_READABLE, door_event);
	return 0;
}

void relay_close(struct relay *r, int end)
{
	struct door *d;

	LIST_FOREACH (&r->doors, d, struct door, link)
		if (d->end == end)
			door_close(d);
}

/* ---- The whole ---------------------------------------------------------------------------- */

void relay_new(struct relay **out, uv_loop_t *loop, const struct relay_ops *ops, void *ctx)
{
	struct relay *r = xcalloc(1, sizeof(*r));

	r->loop = loop;
	r->ops = ops;
	r->ctx = ctx;
	list_init(&r->doors);
	list_init(&r->pairs);
	*out = r;
}

void relay_changed(struct relay *r)
{
	struct pair *p;

	LIST_FOREACH (&r->pairs, p, struct pair, link)
		pair_step(p);
}

unsigned relay_pair_count(const struct relay *r)
{
	return r->pair_count;
}

void relay_free(struct relay *r)
{
	struct door *d;
	struct pair *p;

	LIST_FOREACH (&r->doors, d, struct door, link)
		door_close(d);
	LIST_FOREACH (&r->pairs, p, struct pair, link)
		pair_close(p, true);
	r->is_ending = true;
	if (r->handle_count == 0)
		free(r);
}
