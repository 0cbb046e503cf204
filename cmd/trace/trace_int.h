/* Inside of `kavka trace`: a proxy that tells what passes.
 *
 *	trace.c		the command: options, signals, the end
 *	port.c		listening sockets, one for each address of a broker, and who connects
 *	side.c		one socket of a pair, with or without TLS
 *	flow.c		frames in a stream of bytes, whole or as they pass
 *	pair.c		a client's connection and the one to the broker
 *	facts.c		what a frame is about: topics, group, errors
 *	rewrite.c	addresses of brokers in responses become ours
 *	show.c		lines on stdout
 *	stats.c		the table at the end
 *
 * A frame up to WHOLE_BYTES_MAX is held until it is there, told, and sent on. A larger one is sent
 * on as it comes and scanned (wire/scan.h) on the way, so that memory stays bounded. Everything
 *runs on one loop. */
#ifndef KAVKA_CMD_TRACE_INT_H
#define KAVKA_CMD_TRACE_INT_H

#include "cmd/connect.h"
#include "cmd/filter.h"
#include "cmd/output.h"

#include "base/list.h"
#include "base/map.h"
#include "net/tls.h"
#include "wire/api.h"
#include "wire/scan.h"

#include <uv.h>

#define WHOLE_BYTES_MAX (1024 * 1024)
/* Responses whose addresses must be changed have to be there as a whole. */
#define REWRITE_BYTES_MAX (256 * 1024 * 1024)
/* One read; and what may wait for a slow receiver before its sender is paused. */
#define SIDE_READ_BYTES (256 * 1024)
#define SIDE_QUEUE_BYTES (2 * 1024 * 1024)
/* Requests of one connection without an answer yet; more are not read. */
#define PENDING_MAX 4096
/* Topic names that are kept to tell topic ids. */
#define TOPIC_IDS_MAX 100000
#define FACTS_TOPICS_MAX 16

struct trace_args {
	struct cluster_args cluster;
	struct output_args output;
	const char *listen, *advertise, *apis, *topics, *clients;
	bool full, hex, errors;
	int64_t slow_ms;
};

/* ---- What a frame is about ---- */

struct facts {
	struct arena arena;
	const char *topics[FACTS_TOPICS_MAX];
	unsigned topic_count; /* may be above the maximum */
	const char *group, *txn, *key, *resource;
	unsigned partition_count;
	int64_t record_bytes, record_count; /* count -1: not known */
	int acks;                           /* of Produce; INT_MIN: none */
	unsigned error_count;
	int16_t error;           /* the first */
	const char *error_where; /* "orders-3", NULL */
	int32_t partition;       /* the last seen */
	bool topic_wanted;       /* some topic matches the filter */
};

struct trace;
/* Takes out what could steer a terminal or is no UTF-8: clients choose these texts. */
char *facts_plain(char *text);
void facts_init(struct facts *f);
void facts_fini(struct facts *f);
/* An item of the body. `content`: the whole content of bytes and records, NULL if it is not
 * there.*/
void facts_item(struct facts *f, struct trace *t, const struct api *api, const struct wire_scan *s,
		const struct scan_item *item, const uint8_t *content);

/* ---- Statistics ---- */

struct stats;
struct stats *stats_new(void);
void stats_free(struct stats *s);
void stats_request(struct stats *s, int16_t api_key, size_t bytes);
/* `latency_us` < 0: not known. */
void stats_response(struct stats *s, int16_t api_key, size_t bytes, int64_t latency_us,
		    bool is_error);
void stats_print(const struct stats *s, struct arena *a, enum output_format format);

/* ---- The proxy ---- */

struct port { /* a listening socket for one broker's address */
	struct list_node link;
	uv_poll_t poll;
	int fd;
	struct trace *trace;
	char *host; /* of the broker; NULL: the bootstrap servers, one after the other */
	int broker_port, local_port;
	int32_t node_id; /* -1: not known */
};

struct trace {
	struct run *run;
	const struct trace_args *args;
	enum output_format format;
	uv_loop_t loop;
	uv_signal_t signals[2];
	uv_prepare_t flush;
	struct client_config *config;
	struct tls_context *tls; /* to the brokers; NULL: plaintext */
	const char **servers;    /* bootstrap: "host:port" */
	unsigned server_count;
	const char *listen_host, *advertise_host;
	int listen_port;
	struct list_node ports, pairs;
	unsigned pair_count, port_count; /* ever */
	struct map topic_ids;
	struct filter *topic_filter, *client_filter;
	bool api_wanted[INT8_MAX + 1];
	struct stats *stats;
	uint8_t *buffer; /* SIDE_READ_BYTES, for whoever reads */
	bool is_ending;
	int rc;
};

/* ---- port.c ---- */

/* Opens the port for an address, or finds it. `host` NULL: bootstrap. NULL with err. */
struct port *port_open(struct trace *t, const char *host, int port, int32_t node_id,
		       struct err *err);
void port_close_all(struct trace *t);
const char *port_name(const struct port *p, char text[32]); /* "broker 1" */

/* ---- side.c ---- */

struct side;
struct side_ops {
	void (*opened)(struct side *s);
	/* Bytes that may be changed in place, borrowed. */
	void (*bytes)(struct side *s, uint8_t *data, size_t len);
	void (*drained)(struct side *s);
	/* 0: the peer closed it. Comes once; the owner closes. */
	void (*closed)(struct side *s, int rc, const struct err *err);
};

struct side {
	const struct side_ops *ops;
	void *owner;
	struct trace *trace;
	uv_poll_t poll;
	int fd;
	struct tls_session *tls;
	bool is_open, is_handshake, is_paused, has_ended, is_closing, is_active;
	bool close_when_sent;
	int events;
	struct out queue;
	size_t queue_pos;
	void (*freed)(struct side *s);
};

/* Takes fd. `tls_name` with trace->tls: a handshake first. */
MUST_USE int side_start(struct side *s, struct trace *t, int fd, bool is_connecting,
			const char *tls_name, struct err *err);
void side_send(struct side *s, const void *data, size_t len);
void side_flush(struct side *s); /* sends what the socket takes */
size_t side_queued(const struct side *s);
void side_pause(struct side *s, bool is_paused);
/* `freed` comes from the loop when the handle is gone. */
void side_close(struct side *s);
/* The same when everything was sent. */
void side_finish(struct side *s);

/* ---- flow.c ---- */

struct pair;
enum flow_state { FLOW_HEAD, FLOW_WHOLE, FLOW_SCAN, FLOW_PASS };

struct flow {
	struct pair *pair;
	bool is_response;
	enum flow_state state;
	struct out frame; /* HEAD, WHOLE: what is there; SCAN: not scanned yet */
	size_t len;       /* of the frame with its size */
	size_t left;      /* SCAN, PASS: bytes of it that did not pass yet */
	size_t skip;      /* SCAN: content that passes unseen */
	struct passage *message;
	struct wire_scan scan;
	bool in_header;
};

void flow_init(struct flow *f, struct pair *p, bool is_response);
void flow_fini(struct flow *f);
void flow_bytes(struct flow *f, uint8_t *data, size_t len);

/* ---- pair.c ---- */

/* One request or response that passes, from its head on. */
struct passage {
	struct list_node link; /* requests: waiting for the answer */
	const struct api *api; /* NULL: not known */
	int16_t key, version;
	int32_t correlation_id;
	bool is_response, is_understood;
	bool is_shown; /* its line is out */
	char client[64];
	size_t bytes;
	int64_t wall_ms;
	uint64_t at_ns;
	int64_t latency_us;
	struct facts facts;
	struct passage *request; /* of a response */
	struct slice copy;       /* of a whole frame, to be shown later */
};

struct pair {
	struct list_node link;
	struct trace *trace;
	struct port *port;
	unsigned number;
	struct side client, broker;
	struct flow requests, responses;
	struct list_node pending; /* struct passage, waiting for answers */
	unsigned pending_count;
	unsigned side_count; /* handles not yet gone */
	unsigned server_at;  /* bootstrap: the next to try */
	char client_id[64], peer[64], host[256];
	struct err err;
	uv_getaddrinfo_t lookup;
	struct addrinfo *addrs, *addr_at;
	bool is_looking, is_over;
	bool had_tokens; /* SASL as of old: frames without a header */
	unsigned tokens_left;
};

/* Takes fd, the accepted socket. */
void pair_new(struct trace *t, struct port *port, int fd, const char *peer);
void pair_close(struct pair *p);

/* From flow.c: a frame begins (its head is in `data`): gives the message, or NULL: pass it on
 * unseen. */
struct passage *pair_begin(struct pair *p, bool is_response, const uint8_t *head, size_t len,
			   size_t frame_len);
/* An item of its header. */
void pair_header(struct pair *p, struct passage *m, const struct scan_item *item);
/* A whole frame is there: tells it and sends it on, changed if it must be. */
void pair_frame(struct pair *p, struct passage *m, uint8_t *frame, size_t len);
/* The end of one that passed. */
void pair_passed(struct pair *p, struct passage *m);
void passage_free(struct passage *m);

/* ---- rewrite.c ---- */

/* Must this response be there as a whole to be changed? */
bool rewrite_wants(const struct api *api, int16_t version, size_t frame_len);
/* Is this the tagged field of a response that passes whose addresses must not be seen? */
bool rewrite_hides(const struct api *api, const struct scan_item *item);
/* Changes addresses to ours. 1: `out` has the new frame; 0: nothing to change; < 0 with err. Learns
 * names of topic ids. */
MUST_USE int rewrite_response(struct trace *t, const struct api *api, int16_t version,
			      struct slice frame, struct out *out, struct err *err);
/* The name of a topic id, or its text. */
const char *topic_id_name(struct trace *t, struct uuid id, struct arena *arena);
void topic_ids_free(struct trace *t);

/* ---- show.c ---- */

/* `frame`: with its size; NULL data: not there as a whole. */
void show_message(struct pair *p, struct passage *m, struct slice frame);
void show_note(struct trace *t, const struct pair *p, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
