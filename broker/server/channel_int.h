/* The inside of a channel: channel.c has the requests, channel_link.c the connection. */
#ifndef KAVKA_BROKER_SERVER_CHANNEL_INT_H
#define KAVKA_BROKER_SERVER_CHANNEL_INT_H

#include "server/shard_int.h"
#include "shard/channel.h"

#include "net/conn.h"
#include "wire/codec.h"
#include "wire/errors.h"
#include "wire/header.h"

struct tls_context;

/* A backoff after a failure, doubled by each further one up to the max (Kafka's raft client). */
#define CHANNEL_BACKOFF_MS 50
#define CHANNEL_BACKOFF_MAX_MS 500
/* Addresses of one name that are tried, and how long one is waited for when there are more. */
#define CHANNEL_ADDRESSES_MAX 8
#define CHANNEL_ADDRESS_MS 1000
/* Requests under way: more is a mistake of the owner. */
#define CHANNEL_REQUESTS_MAX 65536
#define CHANNEL_FEATURES_MAX 32
#define CHANNEL_APIS 128
/* ApiVersions is asked for in this version first: the last one that every 4.x knows. */
#define CHANNEL_VERSIONS_VERSION 4

enum channel_state {
	CHANNEL_DOWN, /* nothing to do, or the backoff runs */
	CHANNEL_RESOLVING,
	CHANNEL_CONNECTING,
	CHANNEL_SETUP, /* ApiVersions is under way */
	CHANNEL_READY,
};

/* A request inside. It outlives the caller's when that is cancelled, as its answer still comes. */
struct channel_pending {
	struct list_node link;      /* queue, in_flight or failed; unlinked: answered */
	struct channel_request *rq; /* NULL: cancelled, or the channel's own ApiVersions */
	const struct api *api;
	int16_t version_min, version_max; /* max < 0: any */
	int16_t version;
	int32_t correlation_id;
	int64_t deadline_ms;
	struct arena arena;
	const void *body; /* a copy in `arena`, until it is encoded */
	struct out out;
	struct piece piece;
	struct frame_out frame;
	bool is_sending; /* the connection has the frame */
	bool is_waiting; /* in a list: the answer, or the failure, is to come */
	int rc;          /* in `failed` */
	char *why;
};

/* A connection: outlives its channel until its handles are gone. */
struct channel_conn {
	struct conn conn;
	struct channel *channel; /* NULL: let go */
};

/* A name that is being looked up. */
struct channel_lookup {
	uv_getaddrinfo_t req;
	struct channel *channel; /* NULL: let go */
};

struct channel_feature {
	struct str name; /* in `known` */
	int16_t min, max;
};

#define CHANNEL_MAGIC 0x6368616e
struct channel {
	uint32_t magic;
	/* fixed */
	struct server_shard *shard;
	char *host, *listener, *client_id;
	uint16_t port;
	int16_t security_protocol;

	struct list_node queue;     /* wait for the connection */
	struct list_node in_flight; /* sent, in order */
	struct list_node failed;    /* `done` is due */
	size_t request_count;
	struct timer expire_timer; /* the earliest deadline of a request */
	int64_t expire_ms;         /* that it is armed for; INT64_MAX: not */
	struct timer failed_timer;
	unsigned calling; /* depth of `done` */
	bool is_freed;    /* from inside a `done` */

	enum channel_state state;
	struct tls_context *tls; /* made by the first attempt */
	struct channel_conn *cc;
	struct channel_lookup *lookup;
	struct sockaddr_storage addresses[CHANNEL_ADDRESSES_MAX];
	unsigned address_count, address_at;
	struct timer setup_timer; /* of the attempt, or of one address of several */
	struct timer retry_timer; /* pending: the backoff runs */
	unsigned fail_count;
	int32_t correlation_id;
	int16_t setup_version;

	/* what the other node said, while READY */
	struct arena known;
	struct {
		int16_t min, max;
	} versions[CHANNEL_APIS];
	struct channel_feature features[CHANNEL_FEATURES_MAX];
	unsigned feature_count;
};

static inline int64_t channel_now_ms(const struct channel *c)
{
	return env_mono_us(c->shard->shard.env) / 1000;
}

/* ---- channel.c ---- */

/* The connection is up: what waits goes out. */
void channel_flush(struct channel *c);
/* The connection is lost, or could not be made: everything sent fails with E_CLOSED or `rc`, what
 * waited with `rc`. */
void channel_fail_all(struct channel *c, int rc, const struct err *err);
/* The channel's own request, in this version. 0, or message_encode()'s errors. */
MUST_USE int channel_send_own(struct channel *c, enum api_key api, int16_t version,
			      const void *body, struct err *err);
/* An answer came. Takes `frame`. */
void channel_answered(struct channel *c, struct slice frame);

/* ---- channel_link.c ---- */

/* Connects, unless that is under way, or the backoff runs. */
void channel_link_start(struct channel *c);
/* The channel's own ApiVersions is answered. */
void channel_link_versions(struct channel *c, const struct api_versions_response *m);
/* The connection is of no use any more. */
void channel_link_fail(struct channel *c, int rc, const struct err *err);
/* Lets go of connection and lookup; they end by themselves. */
void channel_link_close(struct channel *c);

#endif
