#include "peer.h"

#include "base/clock.h"
#include "base/mem.h"

#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define CREATE_TOPICS_VERSION 5
#define METADATA_VERSION 9

void bench_die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

double bench_now(void)
{
	return (double)clock_mono_us() / 1e6;
}

void peer_open(struct peer *p, const char *address)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const char *colon = strrchr(address, ':');
	struct addrinfo *found;
	int one = 1;
	char *host;

	if (!colon)
		bench_die("%s: say host:port", address);
	*p = (struct peer){.fd = -1};
	arena_init(&p->arena);
	out_init(&p->out, (size_t)1 << 30);
	host = xstrndup(address, (size_t)(colon - address));
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		bench_die("%s: unknown host", address);
	for (struct addrinfo *a = found; a && p->fd < 0; a = a->ai_next) {
		p->fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(p->fd, a->ai_addr, a->ai_addrlen) < 0) {
			close(p->fd);
			p->fd = -1;
		}
	}
	freeaddrinfo(found);
	free(host);
	if (p->fd < 0)
		bench_die("%s: cannot connect", address);
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

void peer_close(struct peer *p)
{
	close(p->fd);
	out_fini(&p->out);
	arena_fini(&p->arena);
	free(p->frame);
}

void peer_send_raw(struct peer *p, const void *data, size_t len)
{
	const char *at = data;

	while (len) {
		ssize_t n = send(p->fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			bench_die("send: the broker closed the connection");
		at += n;
		len -= (size_t)n;
	}
}

void peer_send(struct peer *p, int16_t api_key, int16_t version, const void *body)
{
	struct err err = {0};

	out_reset(&p->out);
	if (request_encode(api_by_key(api_key), version, p->correlation_id++, STR_LIT("bench"),
			   body, &p->out, NULL, &err) < 0)
		bench_die("encode: %s", err_message(&err));
	peer_send_raw(p, p->out.data, p->out.len);
}

static void peer_read(struct peer *p, void *data, size_t len)
{
	char *at = data;

	while (len) {
		ssize_t n = recv(p->fd, at, len, 0);

		if (n <= 0)
			bench_die("receive: the broker closed the connection");
		at += n;
		len -= (size_t)n;
	}
}

void peer_receive(struct peer *p)
{
	uint8_t size[4];

	peer_read(p, size, sizeof(size));
	p->frame_len = be32(size);
	if (p->frame_len > p->frame_cap) {
		p->frame_cap = p->frame_len;
		p->frame = xrealloc(p->frame, p->frame_cap);
	}
	peer_read(p, p->frame, p->frame_len);
}

void *peer_decode(struct peer *p, int16_t api_key, int16_t version)
{
	int32_t correlation_id;
	struct err err = {0};
	void *body;

	arena_reset(&p->arena);
	if (response_decode(api_by_key(api_key), &version,
			    (struct slice){NULL, p->frame, p->frame_len}, &p->arena,
			    &correlation_id, &body, &err) < 0)
		bench_die("decode: %s", err_message(&err));
	return body;
}

void *peer_call(struct peer *p, int16_t api_key, int16_t version, const void *body)
{
	peer_send(p, api_key, version, body);
	peer_receive(p);
	return peer_decode(p, api_key, version);
}

static bool peer_topic_is_ready(struct peer *p, const char *topic, int32_t partitions)
{
	struct metadata_request_topic asked;
	struct metadata_request request;
	struct metadata_response *response;

	WIRE_INIT(metadata_request, &request);
	WIRE_INIT(metadata_request_topic, &asked);
	asked.name = str_of(topic);
	request.topics = &asked;
	request.topics_count = 1;
	request.allow_auto_topic_creation = false;
	response = peer_call(p, API_METADATA, METADATA_VERSION, &request);
	if (response->topics_count != 1 || response->topics[0].error_code ||
	    response->topics[0].partitions_count != partitions)
		return false;
	for (int32_t i = 0; i < partitions; i++)
		if (response->topics[0].partitions[i].leader_id < 0)
			return false;
	return true;
}

void peer_create_topic(struct peer *p, const char *topic, int32_t partitions)
{
	struct create_topics_request request;
	struct create_topics_request_creatable_topic wanted;
	struct create_topics_response *response;

	WIRE_INIT(create_topics_request, &request);
	WIRE_INIT(create_topics_request_creatable_topic, &wanted);
	wanted.name = str_of(topic);
	wanted.num_partitions = partitions;
	wanted.replication_factor = 1;
	request.topics = &wanted;
	request.topics_count = 1;
	request.timeout_ms = 30000;
	response = peer_call(p, API_CREATE_TOPICS, CREATE_TOPICS_VERSION, &request);
	if (response->topics_count != 1 || response->topics[0].error_code)
		bench_die("cannot create topic %s: error %d", topic,
			  response->topics_count ? response->topics[0].error_code : -1);
	for (double end = bench_now() + 10; !peer_topic_is_ready(p, topic, partitions);)
		if (bench_now() > end)
			bench_die("topic %s has no leaders", topic);
}
