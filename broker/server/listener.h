/* Listening sockets: shard 0 accepts. Connections go to the shards with partitions in turn, those
 * of controllers' listeners stay on shard 0.
 *
 * Limits (max.connections, max.connections.per.ip and its overrides) are counted here, on shard 0:
 * each accepted connection holds one admission, which its shard gives back with listener_release()
 * when the connection has ended. At max.connections accepting waits until one is given back; an
 * address above its own limit is accepted and closed at once. */
#ifndef KAVKA_BROKER_SERVER_LISTENER_H
#define KAVKA_BROKER_SERVER_LISTENER_H

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "config/config.h"
#include "server/shard_int.h"

#include <sys/socket.h>

#define LISTENER_SOCKETS_MAX 16

struct listener_set;

/* One configured listener ("PLAINTEXT://localhost:9092"); a host name may give several sockets. */
struct listener_socket {
	struct listener_set *set;
	const char *name; /* "PLAINTEXT"; lives as long as the config */
	uv_poll_t poll;
	int fd;
	int port; /* as bound */
};

/* The admission of one accepted connection. */
struct admission {
	struct task task; /* carries it back to shard 0 */
	struct listener_set *set;
	struct listener_ip *ip;
};

/* Called on shard 0 for each accepted connection. Takes `fd` and `admission`. */
typedef void (*listener_accepted)(void *ctx, const char *listener_name, int fd,
				  struct admission *admission);

struct listener_set {
	struct server_shard *shard; /* shard 0 */
	listener_accepted accepted;
	void *ctx;
	struct listener_socket sockets[LISTENER_SOCKETS_MAX];
	unsigned socket_count;
	bool started, polling;
	struct timer retry_timer; /* accepts again after the process ran out of files */
	int64_t conn_count, conn_max;
	int64_t per_ip_max;
	const char *per_ip_overrides; /* "host:n,host:n" */
	struct map ips;               /* struct listener_ip by address bytes */
};

void listener_set_init(struct listener_set *set, struct server_shard *shard,
		       listener_accepted accepted, void *ctx);

/* Binds and listens; nothing is accepted before listener_set_start(). Port 0: the kernel chooses;
 * `port_out` gets the port bound. Errors name the address and what to do. Any thread before the
 * shard runs. */
MUST_USE int listener_add(struct listener_set *set, const char *name, const char *host, int port,
			  int backlog, int receive_buffer_bytes, int *port_out, struct err *err);

/* Takes max.connections, max.connections.per.ip and its overrides from the configs, which it
 * borrows until the next call. Shard 0, or before it runs. */
void listener_set_limit(struct listener_set *set, const struct config *config);

void listener_set_start(struct listener_set *set); /* shard 0 */
void listener_set_stop(struct listener_set *set);  /* shard 0; closes the sockets */
void listener_set_fini(struct listener_set *set);  /* after shard 0 has ended */

/* Any thread. Takes `admission`; NULL is fine. */
void listener_release(struct admission *admission);

#endif
