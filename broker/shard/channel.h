/* Requests of this node to other nodes of the cluster: raft, registration and heartbeats, forwarded
 * requests, replication.
 *
 * A channel is one connection to one address, opened when something is to be sent and opened again
 * after it was lost (the wait between attempts grows from 50 to 500 ms). It belongs to one shard;
 * TLS is what the listener's configs say. ApiVersions comes first, so each
 * request leaves at the highest version that both sides know, within what the caller allows.
 *
 *	channel_new()
 *	channel_send()		as often as wanted: requests leave in this order, and several may be
 *				under way; the other node answers them in the same order
 *	  request.done ...	once for each request, from the loop, never from inside
 *				channel_send(); it may call anything here
 *	channel_free()		requests that have no answer get E_CLOSED before it returns
 *
 * A request is sent at most once: when the connection is lost afterwards nobody knows whether it
 * was carried out, and the owner decides. One that cannot leave because no connection comes up
 * fails with the reason as soon as that attempt has failed: who wants to try again sends again.
 *
 * broker/server binds this to the network; a simulation binds it to its own. */
#ifndef KAVKA_BROKER_SHARD_CHANNEL_H
#define KAVKA_BROKER_SHARD_CHANNEL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "shard/shard.h"
#include "wire/api.h"

struct channel;

struct channel_options {
	struct shard *shard; /* on whose loop it lives */
	struct str host;     /* copied */
	uint16_t port;
	/* The listener whose ssl.* configs hold, and the protocol spoken there; copied. */
	struct str listener;
	int16_t security_protocol;
	/* In the header of each request, so that people can tell connections apart; copied. */
	const char *client_id;
};

struct channel *channel_new(const struct channel_options *options);
void channel_free(struct channel *c); /* NULL is fine */

struct channel_request {
	/* The caller's */
	enum api_key api;
	const void *body; /* borrowed until channel_send() returns */
	/* What may be used; 0, 0: all. -1 as version_max: all from version_min on. */
	int16_t version_min, version_max;
	int64_t timeout_ms; /* from channel_send() to the answer; > 0 */
	/* 0 and the answer; else why there is none: E_UNSUPPORTED (the other node has no such
	 * version), E_TIMEOUT (the connection is given up too, as its answers come in order),
	 * E_CLOSED, -errno, E_MALFORMED, E_AUTH. */
	void (*done)(struct channel_request *rq, int rc, const struct err *err);
	void *owner;

	/* The answer: borrowed until `done` returns; records in it lie in `frame`, of which a
	 * reference may be kept. */
	int16_t version; /* that the request was sent with; also known when rc < 0 after that */
	const void *response;
	struct slice frame; /* as received, header included */

	/* channel's own */
	struct channel *channel; /* NULL: not under way */
	struct list_node link;
	void *impl;
};

/* Borrows rq until `done`. A request whose `channel` is not NULL is under way already. */
void channel_send(struct channel *c, struct channel_request *rq);
/* `done` will not come. A request that was sent may be carried out all the same. */
void channel_cancel(struct channel_request *rq);

/* Whether a connection is up, and what the other node said of itself. */
bool channel_is_ready(const struct channel *c);
/* The node's versions of an API; false: it does not have it, or they are not known yet. */
bool channel_versions(const struct channel *c, enum api_key api, int16_t *min, int16_t *max);
/* Its SupportedFeatures range of a feature; false: not told. */
bool channel_feature(const struct channel *c, struct str feature, int16_t *min, int16_t *max);

#endif
