/* Inside of the producer: producer.c (life, records in), partitioner.c (which partition),
 * produce.c (batches out, their answers), idempotence.c (producer id, sequences).
 *
 * Batches of a partition wait in one queue, oldest first: those in flight stay at its front until
 * they are answered, so that a retry keeps its place. The last one may still grow. */
#ifndef KAVKA_CLIENT_PRODUCER_INT_H
#define KAVKA_CLIENT_PRODUCER_INT_H

#include "client/client_int.h"
#include "client/producer.h"

/* Idempotent producers: the broker remembers this many batches of a partition. */
#define PRODUCER_IN_FLIGHT_MAX 5
/* How often a broker that misses earlier numbers is asked again, a few seconds in all, before the
 * producer takes it that they are lost. */
#define PRODUCER_MISSED_MAX 5
/* While the broker is busy, batches grow beyond batch.size up to this, unless batch.size is set. */
#define PRODUCER_BATCH_GROW_BYTES (256 * 1024)
/* How often batches that are too old are looked for. */
#define PRODUCER_EXPIRE_MS 200

struct pbatch {
	struct list_node link;		/* of the partition's queue */
	struct ppart *part;
	struct batch_builder builder;	/* until it is finished */
	struct slice data;		/* since then */
	uint64_t *tags;
	size_t tags_cap;
	uint32_t record_count;
	size_t raw_bytes;		/* counted against buffer.memory */
	int64_t begun_ms;
	int64_t not_before_ms;		/* backoff */
	unsigned attempt_count;
	unsigned missed_count;		/* a broker missed the number below its own */
	bool is_closed;			/* grows no more */
	bool is_finished, in_flight, has_sequence;
	bool may_be_written;		/* an attempt ended without an answer */
	int32_t base_sequence;
	int64_t producer_id;		/* of base_sequence */
	int16_t producer_epoch;
};

struct ppart {
	struct ptopic *topic;
	int32_t index;
	struct list_node batches;
	unsigned batch_count, in_flight_count;
	bool is_retrying;		/* nothing new before what failed is through */
	bool is_numbered;		/* the broker has a number of this producer id */
	int32_t next_sequence;
	struct list_node active;	/* of the producer, while it has batches */
};

struct ptopic {
	struct map_node node;
	struct producer *producer;
	struct str name;
	struct ppart **parts;
	int32_t part_count;		/* as far as known from metadata */
	int64_t asked_ms;		/* for metadata; 0: known */
	int32_t sticky;			/* -1: choose */
	size_t sticky_bytes;
	uint32_t round_robin;
	int64_t used_ms;
};

/* One Produce request. */
struct prequest {
	struct call call;
	struct list_node link;
	struct producer *producer;
	struct pnode *node;
	struct arena arena;
	struct pbatch **batches;
	size_t batch_count, batch_cap;
	size_t bytes;
	int64_t sent_us;
};

struct pnode {
	struct map_node map_node;
	int32_t id;
	unsigned in_flight_count;
	int64_t blocked_ms;		/* since when it takes nothing; 0: it does */
};

enum pid_state { PID_NONE, PID_ASKING, PID_READY, PID_WAIT /* for all in flight, then anew */ };

struct producer {
	struct client *client;
	struct producer_options options;
	struct producer_stats stats;
	/* config */
	size_t batch_bytes, grow_bytes, request_bytes, memory_bytes;
	int64_t linger_ms, delivery_ms, block_ms;
	unsigned in_flight_max;
	enum compression codec;
	int level;
	int16_t acks;
	bool is_idempotent, ignore_keys, round_robin, adaptive, rack_aware;
	int64_t availability_ms;

	struct compressor *compressor;
	struct map topics, nodes;
	struct ptopic *last_topic;
	struct list_node active;	/* struct ppart with batches */
	struct list_node requests;	/* struct prequest */
	unsigned request_count;
	uint64_t pending_count;		/* records */
	bool is_flushing, is_pumping;
	struct client_timer linger_timer, expire_timer;
	struct client_watcher watcher;

	enum pid_state pid_state;
	int64_t producer_id;
	int16_t producer_epoch;
	struct call pid_call;
	struct init_producer_id_request pid_request;
	struct client_timer pid_timer;
	unsigned pid_attempts;
	struct err fatal;		/* code != 0: nothing can be sent any more */
	struct err failed;		/* first failure since the last flush */
	struct err trouble;		/* of the last attempt, until one succeeds */
};

/* partitioner.c: < 0: E_AGAIN, E_INVALID. */
int32_t partition_choose(struct producer *p, struct ptopic *t, const struct producer_record *r);
/* A record of so many bytes went to the sticky partition. */
void partition_used(struct producer *p, struct ptopic *t, int32_t partition, size_t bytes);

/* produce.c */
void produce_pump(struct producer *p);		/* sends what is ready */
void produce_metadata(struct client_watcher *w);
void produce_linger(struct client_timer *t);
void produce_expire(struct client_timer *t);
void produce_start_expire(struct producer *p);
/* Looks again then, at the latest. */
void produce_wake(struct producer *p, int64_t delay_ms);
/* Reports and frees the batch. */
void produce_report(struct pbatch *b, int rc, const struct err *err, int64_t base_offset,
		    int64_t log_append_time);
struct pnode *produce_node(struct producer *p, int32_t id);

/* idempotence.c */
bool idempotence_is_ready(struct producer *p);	/* else starts what is needed */
void idempotence_assign(struct producer *p, struct pbatch *b);
/* The batch is given up: sequences of those behind it close the gap, or begin anew. */
void idempotence_gave_up(struct producer *p, struct pbatch *b);
void idempotence_renew(struct producer *p);	/* a new producer id, at idempotence_settled() */
/* Requests were answered, or batches given up. */
void idempotence_settled(struct producer *p);
/* Whether a broker may have the batch under the number that it has. */
bool idempotence_is_open(const struct producer *p, const struct pbatch *b);
/* The broker misses a number below those of all batches that the partition still has. */
void idempotence_not_there(struct ppart *part);

#endif
