#include "listener.h"

#include "base/mem.h"
#include "net/conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <unistd.h>

#include "base/say.h"

#define SAY_PLACE "broker/listener"

static void listener_retry(struct timer *timer, struct shard *on);

/* Bound on accepts in one turn of the loop, so that a flood does not starve the shard. */
#define ACCEPTS_PER_TURN 64

/* How long accepting rests when the process has no file descriptor left. */
#define ACCEPT_RETRY_MS 100

struct listener_ip {
	struct map_node node;
	uint8_t addr[16]; /* IPv4 as mapped IPv6 */
	int64_t conn_count;
};

void listener_set_init(struct listener_set *set, struct server_shard *shard,
		       listener_accepted accepted, void *ctx)
{
	*set = (struct listener_set){
		.shard = shard,
		.accepted = accepted,
		.ctx = ctx,
		.conn_max = INT64_MAX,
		.per_ip_max = INT64_MAX,
		.retry_timer.fire = listener_retry,
	};
	map_init(&set->ips);
}

/* ---- Binding -------------------------------------------------------------------------------- */

static int listener_bind(struct listener_set *set, const struct addrinfo *address, int port,
			 int backlog, int receive_buffer_bytes)
{
	int one = 1, fd, rc;
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} addr;

	memcpy(&addr, address->ai_addr, address->ai_addrlen);
	if (addr.any.sa_family == AF_INET6)
		addr.in6.sin6_port = htons((uint16_t)port);
	else
		addr.in.sin_port = htons((uint16_t)port);
	fd = socket(addr.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (receive_buffer_bytes > 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
			   sizeof(receive_buffer_bytes));
	if (addr.any.sa_family == AF_INET6) {
		/* "PLAINTEXT://:9092" is every address of both families; "localhost" has two. */
		int only = !IN6_IS_ADDR_UNSPECIFIED(&addr.in6.sin6_addr);

		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	}
	if (bind(fd, &addr.any, address->ai_addrlen) < 0 || listen(fd, backlog) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	assert(set->socket_count < LISTENER_SOCKETS_MAX);
	set->sockets[set->socket_count++].fd = fd;
	return 0;
}

static int listener_port(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof(addr);

	if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return 0;
	return addr.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&addr)->sin6_port)
					  : ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

static int listener_error(struct err *err, int rc, const char *name, const char *host, int port)
{
	const char *advice = "";

	if (rc == -EADDRINUSE)
		advice = " (another broker running? stop it, or choose another port with --listen)";
	else if (rc == -EACCES)
		advice = " (ports below 1024 need privileges)";
	else if (rc == -EADDRNOTAVAIL)
		advice = " (is it an address of this machine? advertised.listeners may differ)";
	return err_set(err, rc, "cannot listen on %s://%s:%d: %s%s", name, host, port, err_text(rc),
		       advice);
}

int listener_add(struct listener_set *set, const char *name, const char *host, int port,
		 int backlog, int receive_buffer_bytes, int *port_out, struct err *err)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
	struct addrinfo *found = NULL;
	unsigned bound = 0;
	int rc;

	*port_out = port;
	if (!host || !host[0])
		host = "::";
	rc = getaddrinfo(host, NULL, &hints, &found);
	if (rc != 0 && strcmp(host, "::") == 0)
		rc = getaddrinfo("0.0.0.0", NULL, &hints, &found);
	if (rc != 0)
		return err_set(err, -EADDRNOTAVAIL, "listener %s://%s:%d: %s", name, host, port,
			       gai_strerror(rc));
	rc = 0;
	for (struct addrinfo *a = found; a && set->socket_count < LISTENER_SOCKETS_MAX;
	     a = a->ai_next) {
		struct listener_socket *socket = &set->sockets[set->socket_count];

		rc = listener_bind(set, a, *port_out, backlog, receive_buffer_bytes);
		if (rc == -EADDRNOTAVAIL || rc == -EAFNOSUPPORT)
			continue; /* e.g. ::1 on a machine without IPv6 */
		if (rc < 0)
			break;
		socket->name = name;
		socket->set = set;
		socket->port = listener_port(socket->fd);
		*port_out = socket->port;
		bound++;
	}
	freeaddrinfo(found);
	if (bound == 0 || (rc < 0 && rc != -EADDRNOTAVAIL && rc != -EAFNOSUPPORT))
		return listener_error(err, rc, name, host, port);
	return 0;
}

/* ---- Accepting ------------------------------------------------------------------------------ */

static void listener_readable(uv_poll_t *poll, int status, int events);

static void listener_poll(struct listener_set *set, bool on)
{
	if (set->polling == on)
		return;
	set->polling = on;
	for (unsigned i = 0; i < set->socket_count; i++) {
		if (on)
			uv_poll_start(&set->sockets[i].poll, UV_READABLE, listener_readable);
		else
			uv_poll_stop(&set->sockets[i].poll);
	}
}

static struct listener_ip *listener_ip_of(struct listener_set *set,
					  const struct sockaddr_storage *peer)
{
	uint8_t addr[16] = {[10] = 0xff, [11] = 0xff};
	struct listener_ip *ip;
	struct map_node *node;

	if (peer->ss_family == AF_INET6)
		memcpy(addr, &((const struct sockaddr_in6 *)peer)->sin6_addr, 16);
	else
		memcpy(addr + 12, &((const struct sockaddr_in *)peer)->sin_addr, 4);
	node = map_get(&set->ips, addr, sizeof(addr));
	if (node)
		return CONTAINER_OF(node, struct listener_ip, node);
	ip = xcalloc(1, sizeof(*ip));
	memcpy(ip->addr, addr, sizeof(addr));
	map_put(&set->ips, &ip->node, ip->addr, sizeof(ip->addr));
	return ip;
}

/* The limit of one address: max.connections.per.ip, or what "host:n,..." says for it. */
static int64_t listener_ip_max(const struct listener_set *set, const struct listener_ip *ip)
{
	const char *at = set->per_ip_overrides;
	char text[INET6_ADDRSTRLEN];
	size_t len;

	if (!at || !at[0])
		return set->per_ip_max;
	if (memcmp(ip->addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0)
		inet_ntop(AF_INET, ip->addr + 12, text, sizeof(text));
	else
		inet_ntop(AF_INET6, ip->addr, text, sizeof(text));
	len = strlen(text);
	while (*at) {
		const char *end = strchrnul(at, ',');
		const char *colon = memrchr(at, ':', (size_t)(end - at));

		while (*at == ' ')
			at++;
		if (colon && (size_t)(colon - at) == len && memcmp(at, text, len) == 0)
			return strtoll(colon + 1, NULL, 10);
		at = *end ? end + 1 : end;
	}
	return set->per_ip_max;
}

static void listener_admit(struct listener_socket *socket, int fd,
			   const struct sockaddr_storage *peer)
{
	struct listener_set *set = socket->set;
	struct listener_ip *ip = listener_ip_of(set, peer);
	struct admission *admission;

	if (ip->conn_count >= listener_ip_max(set, ip)) {
		char text[CONN_ADDR_TEXT_MAX];

		say_info("rejected connection from %s, address already has the configured maximum "
			 "of %lld connections",
			 conn_addr_format((const struct sockaddr *)peer, text),
			 (long long)listener_ip_max(set, ip));
		close(fd);
		if (ip->conn_count == 0) {
			map_remove(&set->ips, &ip->node);
			free(ip);
		}
		return;
	}
	ip->conn_count++;
	set->conn_count++;
	admission = xcalloc(1, sizeof(*admission));
	admission->set = set;
	admission->ip = ip;
	set->accepted(set->ctx, socket->name, fd, admission);
}

static void listener_retry(struct timer *timer, struct shard *on UNUSED)
{
	struct listener_set *set = CONTAINER_OF(timer, struct listener_set, retry_timer);

	if (set->started && set->conn_count < set->conn_max)
		listener_poll(set, true);
}

static void listener_accept_failed(struct listener_set *set, int rc)
{
	if (rc == -EAGAIN || rc == -ECONNABORTED || rc == -EINTR)
		return;
	if (rc == -EMFILE || rc == -ENFILE) {
		say_error("accept: %s (raise the limit of open files)", err_text(rc));
		listener_poll(set, false);
		shard_timer_start(&set->shard->shard, &set->retry_timer, ACCEPT_RETRY_MS);
		return;
	}
	say_error("accept: %s", err_text(rc));
}

static void listener_readable(uv_poll_t *poll, int status UNUSED, int events UNUSED)
{
	struct listener_socket *socket = CONTAINER_OF(poll, struct listener_socket, poll);
	struct listener_set *set = socket->set;

	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		int fd;

		if (set->conn_count >= set->conn_max) {
			say_warn("max.connections (%lld) reached: accepting waits",
				 (long long)set->conn_max);
			listener_poll(set, false);
			return;
		}
		fd = accept4(socket->fd, (struct sockaddr *)&peer, &len,
			     SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			listener_accept_failed(set, -errno);
			return;
		}
		listener_admit(socket, fd, &peer);
	}
}

static void listener_released(struct task *task, struct shard *on UNUSED)
{
	struct admission *admission = CONTAINER_OF(task, struct admission, task);
	struct listener_set *set = admission->set;
	struct listener_ip *ip = admission->ip;

	set->conn_count--;
	if (--ip->conn_count == 0) {
		map_remove(&set->ips, &ip->node);
		free(ip);
	}
	free(admission);
	if (set->started && set->conn_count < set->conn_max)
		listener_poll(set, true);
}

void listener_release(struct admission *admission)
{
	if (!admission)
		return;
	admission->task.run = listener_released;
	shard_post(&admission->set->shard->shard, &admission->task);
}

void listener_set_limit(struct listener_set *set, const struct config *config)
{
	set->conn_max = config_i64(config, CONFIG_MAX_CONNECTIONS);
	set->per_ip_max = config_i64(config, CONFIG_MAX_CONNECTIONS_PER_IP);
	set->per_ip_overrides = config_str(config, CONFIG_MAX_CONNECTIONS_PER_IP_OVERRIDES);
	if (set->started && set->conn_count < set->conn_max)
		listener_poll(set, true);
}

void listener_set_start(struct listener_set *set)
{
	for (unsigned i = 0; i < set->socket_count; i++) {
		int rc = uv_poll_init(&set->shard->loop, &set->sockets[i].poll, set->sockets[i].fd);

		assert(rc == 0);
	}
	set->started = true;
	listener_poll(set, true);
}

static void listener_closed(uv_handle_t *handle)
{
	struct listener_socket *socket =
		CONTAINER_OF((uv_poll_t *)handle, struct listener_socket, poll);

	close(socket->fd);
}

void listener_set_stop(struct listener_set *set)
{
	shard_timer_stop(&set->shard->shard, &set->retry_timer);
	for (unsigned i = 0; i < set->socket_count; i++)
		uv_close((uv_handle_t *)&set->sockets[i].poll, listener_closed);
	set->socket_count = 0;
	set->started = set->polling = false;
}

void listener_set_fini(struct listener_set *set)
{
	struct listener_ip *ip;

	for (unsigned i = 0; i < set->socket_count && !set->started; i++)
		close(set->sockets[i].fd);
	set->socket_count = 0;
	MAP_FOREACH (&set->ips, ip, struct listener_ip, node) {
		map_remove(&set->ips, &ip->node);
		free(ip);
	}
	map_fini(&set->ips);
}
