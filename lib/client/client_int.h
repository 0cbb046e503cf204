/* Inside of the client: client.c (life, loop, timers), call.c (requests and their retries), link.c
 * (connections), setup.c (ApiVersions, SASL), meta.c (metadata), coord.c (coordinators).
 *
 * A node is a broker as metadata names it, or an address of bootstrap.servers. It has up to three
 * links (connections): a broker answers the requests of one connection in order, so a fetch that
 * waits for records, or a member that waits for its group, must not hold up the rest. */
#ifndef KAVKA_CLIENT_CLIENT_INT_H
#define KAVKA_CLIENT_CLIENT_INT_H

#include "base/limits.h"
#include "base/rng.h"
#include "client/client.h"
#include "net/conn.h"
#include "net/sasl.h"
#include "net/tls.h"
#include "wire/header.h"

#define LINK_MAGIC 0x6c696e6bu

/* Keys of APIs in the table of versions; higher ones of newer brokers are passed over. */
#define API_KEYS_MAX 128
/* Requests of one link that wait for answers, but for a producer's (its own config). */
#define LINK_IN_FLIGHT_MAX 100
/* How long one address of a name is waited for while there are others, at the first attempt. */
#define LINK_ADDR_MS 1500
/* Addresses of one name that are tried. */
#define LINK_ADDRS_MAX 16
/* How often idle links and old metadata are looked for. */
#define CLIENT_SWEEP_MS 10000

enum lane { LANE_MAIN, LANE_FETCH, LANE_GROUP, LANE_COUNT };

enum link_state {
	LINK_DOWN,		/* may connect from retry_ms on */
	LINK_RESOLVING,
	LINK_CONNECTING,	/* TCP and TLS */
	LINK_SETUP,		/* ApiVersions, SASL */
	LINK_READY,
};

struct version_range {
	int16_t min, max;	/* max < 0: not supported */
};

/* One request on the wire: lives until it was sent and answered (or the link is gone). */
struct pending {
	struct list_node link;		/* of the link: waiting for its answer */
	struct frame_out frame;
	struct out out;
	struct piece *pieces;
	struct call *call;		/* NULL: cancelled, or a request of setup.c */
	struct link *on;
	int32_t correlation_id;
	int16_t version;
	const struct api *api;
	int64_t sent_ms;
	bool is_sending, is_waiting;
};

struct link_conn {			/* outlives its link until the handles are closed */
	struct conn conn;
	struct link *link;		/* NULL: let go */
	struct client *client;
};

struct link {
	uint32_t magic;
	struct client *client;
	struct node *node;
	enum lane lane;
	enum link_state state;
	struct link_conn *lc;
	struct resolving *resolving;
	struct sockaddr_storage addrs[LINK_ADDRS_MAX];
	unsigned addr_count, addr_at;
	bool is_late;			/* others are tried beside it: see reach.c */
	struct list_node queue;		/* struct call, to be sent when ready and in flight < max */
	struct list_node in_flight;	/* struct pending */
	unsigned in_flight_count;
	unsigned in_flight_max;
	int32_t correlation_id;
	struct version_range versions[API_KEYS_MAX];
	struct client_timer setup_timer;	/* connecting or setting up takes too long */
	struct client_timer addr_timer;		/* this address takes long, and there are more */
	struct client_timer retry_timer;	/* failed at once, or the backoff is over */
	struct client_timer unmute_timer;	/* throttled by the broker */
	bool is_muted;
	unsigned fail_count;
	struct err err;			/* of the last failure */
	struct out tried;		/* why addresses failed in this round: "reason (address)" */
	char first_reason[256];
	bool is_same_reason;
	/* setup */
	const struct api *setup_api;	/* asked, or NULL */
	int16_t setup_version;
	struct sasl_client *sasl;
	int64_t sasl_until_ms;		/* authentication is to be renewed then; 0: never */
	int64_t used_ms;
};

struct node {
	struct map_node map_node;	/* by id; bootstrap nodes are in no map */
	struct list_node list_node;	/* client's, or its graveyard */
	int32_t id;			/* -1, -2, ...: bootstrap */
	char *host, *rack;
	int32_t port;
	struct link *links[LANE_COUNT];
	int64_t failing_ms;		/* first failure, 0: none; of one that was never reached */
	bool was_reached, is_told;
	/* Calls for any broker that it answered with "not here". One of Apache's holds on to a
	 * controller that lost its place as long as they are connected. */
	unsigned elsewhere_count;
};

struct coordinator {
	struct map_node map_node;	/* key: one byte of kind, then the name */
	char *key;
	size_t key_len;
	int32_t node_id;		/* -1: not known */
	bool is_asking;
	struct call call;
	struct arena arena;
	struct client *client;
	unsigned attempt_count;
	struct client_timer backoff;
};

struct meta {
	struct map topics, topic_ids;
	struct call call;
	struct arena arena;		/* of the request */
	bool is_asking, is_wanted, is_known, want_all, allow_create;
	bool again;			/* wanted once more while asking */
	unsigned fail_count;
	int64_t not_before_ms;
	uint64_t begun_count;		/* requests */
	uint64_t answered;		/* number of the last one that was answered */
	int64_t updated_ms;
	uint64_t version;		/* counts updates */
	struct client_timer timer;
	char *cluster_id;
	int32_t controller_id;
	struct err err;			/* of the last failure */
};

struct client {
	uv_loop_t *loop, own_loop;
	struct client_config *cfg;
	char *client_id;
	bool allow_uv, is_controllers, is_freeing, use_tls, use_sasl, is_interrupted;
	bool routing, route_again;
	struct tls_context *tls;
	const char *sasl_user, *sasl_password;
	bool sasl_is_token;
	struct arena arena;		/* config text */
	struct rng rng;
	uv_timer_t uv_timer;
	struct heap timers;		/* struct client_timer */
	struct heap deadlines, wakes;	/* struct call */
	unsigned handle_count;		/* not yet closed: connections, lookups, the timer */
	unsigned lookup_count;		/* of these, lookups */
	struct list_node watchers;

	struct node **bootstrap;
	unsigned bootstrap_count, bootstrap_at;
	struct map nodes;
	struct list_node node_list, graveyard;
	struct client_timer bury_timer;
	struct client_broker *brokers;	/* sorted */
	size_t broker_count;
	struct list_node waiting;	/* struct call */
	struct list_node failed;	/* struct call, to be told from the loop */
	struct client_timer fail_timer, route_timer, sweep_timer;
	bool is_connected;		/* some broker was reached since the last failure of all */
	int64_t trying_ms;		/* since when none was reached; 0: not trying */
	int64_t unreachable_ms;
	struct client_timer unreachable_timer, late_timer;
	bool is_slow_told;
	bool is_routed;			/* a broker was reached where it says that it is */
	bool is_astray;			/* that was given up once */
	int64_t astray_ms;		/* since when that is tried */
	struct client_timer astray_timer;
	int16_t versions_version;	/* of ApiVersions that the last broker had */
	struct meta meta;
	struct map coordinators;
};

/* client.c */
int64_t client_now(struct client *c);
void client_update_timer(struct client *c);
void client_handle_gone(struct client *c);

/* call.c */
enum call_state { CALL_NEW, CALL_WAITING, CALL_QUEUED, CALL_SENT, CALL_FAILED, CALL_DONE };
void call_finish(struct call *call, int rc, const struct err *err);
/* The attempt failed: tries again later if that makes sense, else finishes. */
void call_retry(struct call *call, int rc, const struct err *err, bool was_sent);
void call_answered(struct call *call, const struct api *api, int16_t version,
		   struct slice frame);	/* takes frame */
void call_route_all(struct client *c);	/* soon */
void call_fail_all(struct client *c, int rc, const struct err *err);	/* those that wait */
void call_fail_target(struct client *c, enum target_kind kind, struct str key, int rc,
		      const struct err *err);
/* Those that wait for a certain broker, not for any. */
void call_fail_routed(struct client *c, int rc, const struct err *err);
/* From a link's queue (already taken out of it) to those that wait. */
void call_unqueue(struct call *call);
void call_deadline(struct call *call);
void call_wake(struct call *call);
const char *call_target_text(const struct call *call, char text[256]);

/* link.c */
struct node *node_new(struct client *c, int32_t id, struct str host, int32_t port, struct str rack);
void node_retire(struct client *c, struct node *n);
void node_free(struct node *n);
struct link *node_link(struct client *c, struct node *n, enum lane lane);
void link_start(struct link *l);	/* connects if it is down and may */
bool link_may_start(const struct link *l);
void link_enqueue(struct link *l, struct call *call);
void link_fail(struct link *l, int rc, const struct err *err);	/* closes, retries what it had */
void link_pump(struct link *l);		/* sends what is queued */
void link_close_idle(struct link *l, int64_t now, int64_t idle_ms);
void link_ready(struct link *l);
struct pending *link_send(struct link *l, const struct api *api, int16_t version, const void *body,
			  struct err *err);
void link_throttle(struct link *l, const struct api *api, const struct call *call);
void link_address(const struct link *l, char *text, size_t size);

/* What the link waits for, as a reason: "connecting takes too long". */
const char *link_waits_for(const struct link *l);
/* Errors that another attempt would not mend. */
bool link_is_fatal(int rc);

/* reach.c */
void reach_init(struct client *c);
void reach_begin(struct client *c);	/* somebody shall be reached */
void reach_begin_node(struct client *c, const struct node *n);	/* this broker shall be */
void reach_connected(struct client *c, struct node *n);
void reach_ready(struct client *c);	/* some link is */
void reach_answered(struct client *c);
/* A connection failed in a way that another attempt would not mend. */
void reach_refused(struct client *c, int rc, const struct err *err);
/* A connection to a broker that was never reached failed, while others are reached: tells it
 * once. */
void reach_failed(struct client *c, struct node *n, const struct err *err);
/* Is nothing of what brokers advertise reachable? Then *err says so. */
bool reach_is_astray(struct client *c, struct err *err);
/* Address and reason of every place that was tried, "a:1: refused; b:2: timed out". */
int client_unreachable(struct client *c, struct err *err);

/* setup.c */
void setup_start(struct link *l);
void setup_frame(struct link *l, struct slice frame);	/* takes frame */
void setup_fini(struct link *l);

/* meta.c */
void meta_init(struct client *c);
void meta_fini(struct client *c);
struct node *meta_node(struct client *c, int32_t id);
void meta_link_up(struct client *c);
void meta_forget_nodes(struct client *c);	/* rebootstrap */

/* coord.c */
/* The coordinator's node, or NULL: it is being looked up. */
struct node *coord_node(struct client *c, enum target_kind kind, struct str key);
void coord_fini(struct client *c);

#endif
