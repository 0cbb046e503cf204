/* Where clients connect: one port for the bootstrap servers, and one for each address that a broker
 * tells. */
#include "cmd/print.h"
#include "cmd/trace/trace_int.h"

#include "base/mem.h"
#include "net/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Brokers get the ports behind the first one; so many are tried. */
#define PORT_TRIES 100
#define PORT_BACKLOG 128
/* A cluster that names more brokers than this is not believed. */
#define PORTS_MAX 1000

const char *port_name(const struct port *p, char text[32])
{
	if (!p->host)
		return "bootstrap";
	snprintf(text, 32, "broker %d", p->node_id);
	return text;
}

static void port_event(uv_poll_t *poll, int status, int events)
{
	struct port *p = poll->data;
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	char name[CONN_ADDR_TEXT_MAX];
	int fd;

	(void)status;
	(void)events;
	fd = accept4(p->fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		pair_new(p->trace, p, fd, conn_addr_format((struct sockaddr *)&peer, name));
}

/* Binds and listens. The socket, or -errno. */
static int port_listen(const struct trace *t, int number)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list;
	char service[16];
	int fd, rc, one = 1;

	snprintf(service, sizeof(service), "%d", number);
	if (getaddrinfo(t->listen_host, service, &hints, &list) != 0)
		return -EADDRNOTAVAIL;
	fd = socket(list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? -errno : 0;
	if (rc == 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
		if (bind(fd, list->ai_addr, list->ai_addrlen) < 0 || listen(fd, PORT_BACKLOG) < 0)
			rc = -errno;
	}
	freeaddrinfo(list);
	if (rc < 0 && fd >= 0)
		close(fd);
	return rc < 0 ? rc : fd;
}

/* The number that was asked for; for brokers the next one that is free. */
static int port_listen_near(const struct trace *t, bool is_first)
{
	int fd;

	if (is_first || t->listen_port == 0)
		return port_listen(t, t->listen_port);
	for (int i = 0; i < PORT_TRIES; i++) {
		fd = port_listen(t, t->listen_port + (int)t->port_count + i);
		if (fd != -EADDRINUSE)
			return fd;
	}
	return port_listen(t, 0);
}

static int port_number(int fd)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		return 0;
	/* At the same place in both families. */
	return ntohs(((struct sockaddr_in *)&own)->sin_port);
}

struct port *port_open(struct trace *t, const char *host, int port, int32_t node_id,
		       struct err *err)
{
	struct port *p;
	char text[32];
	int fd, rc;

	LIST_FOREACH (&t->ports, p, struct port, link) {
		if (host && p->host && p->broker_port == port && strcmp(p->host, host) == 0) {
			p->node_id = node_id;
			return p;
		}
	}
	if (t->port_count >= PORTS_MAX) {
		err_set(err, E_TOO_LARGE, "more than %d addresses of brokers", PORTS_MAX);
		return NULL;
	}
	fd = port_listen_near(t, !host);
	if (fd < 0) {
		err_sys(err, fd, "listening on %s:%d", t->listen_host, t->listen_port);
		return NULL;
	}
	p = xcalloc(1, sizeof(*p));
	p->trace = t;
	p->fd = fd;
	p->host = host ? xstrdup(host) : NULL;
	p->broker_port = port;
	p->node_id = node_id;
	p->local_port = port_number(fd);
	rc = uv_poll_init(&t->loop, &p->poll, fd);
	assert(rc == 0);
	p->poll.data = p;
	uv_poll_start(&p->poll, UV_READABLE, port_event);
	list_push_back(&t->ports, &p->link);
	t->port_count++;
	if (host)
		output_note(t->run, "%s:%d is %s at %s:%d", t->advertise_host, p->local_port,
			    port_name(p, text), host, port);
	else
		output_note(t->run, "listening on %s:%d, for %s%s", t->listen_host, p->local_port,
			    t->servers[0], t->server_count > 1 ? " and others" : "");
	return p;
}

static void port_gone(uv_handle_t *handle)
{
	struct port *p = handle->data;

	close(p->fd);
	free(p->host);
	free(p);
}

void port_close_all(struct trace *t)
{
	struct list_node *node;

	while ((node = list_pop_front(&t->ports))) {
		struct port *p = LIST_ENTRY(node, struct port, link);

		uv_poll_stop(&p->poll);
		uv_close((uv_handle_t *)&p->poll, port_gone);
	}
}
