/* The clients of a simulated cluster. All are on one host, each has connections of its own. */
#ifndef KAVKA_TESTS_SIM_CLIENTS_H
#define KAVKA_TESTS_SIM_CLIENTS_H

#include "sim/cluster.h"

#include "wire/batch.h"
#include "wire/codec.h"

#define SIM_TOPIC "numbers"
#define SIM_GROUP "readers"
/* It begins with three partitions and grows. */
#define SIM_PARTITIONS 5
#define SIM_PARTITIONS_FIRST 3
/* The first ones are idempotent; then come one of acks=all, one of acks=1 and one of acks=0 without
 * sequences. */
#define SIM_PRODUCERS 6
#define SIM_IDEMPOTENT 3
#define SIM_PLAIN 3
#define ASK_TIMEOUT_MS 4000
#define SIM_OFFSETS_PARTITIONS 2
/* A group of several members. */
#define TEAM "team"
#define SIM_MEMBERS 4
#define TEAM_NAME_MAX 64

struct client {
	struct sim *sim;
	struct sim_shard *shard;
	struct channel *channels[SIM_NODES_MAX];
	/* what Metadata said last */
	int32_t partitions;             /* 0: no topic */
	int32_t leader[SIM_PARTITIONS]; /* -1: none */
	int32_t leader_epoch[SIM_PARTITIONS];
	bool is_refreshing;
};

void client_init(struct client *c, struct sim *s);
/* Asks node `to` (its index). `done` comes once; response NULL: there is none. `body` is borrowed
 * until this returns. */
void client_ask(struct client *c, unsigned to, enum api_key api, int16_t version, const void *body,
		void (*done)(void *owner, const void *response), void *owner);
/* The same without an answer; nothing happens if there is no connection yet. */
void client_tell(struct client *c, unsigned to, enum api_key api, int16_t version,
		 const void *body);
/* Asks the leader of a partition (client_wait() was 0) for records from `offset` on. */
void client_fetch(struct client *c, int32_t partition, int64_t offset, int32_t max_bytes,
		  void (*done)(void *owner, const void *response), void *owner);
/* Brings the metadata up to date soon. */
void client_refresh(struct client *c);
/* Milliseconds after which it is to be looked again who leads a partition; 0: that is known. Asks
 * for metadata if there is hope. */
int64_t client_wait(struct client *c, int32_t partition);
/* Some node that a client may ask. */
unsigned client_any_broker(struct client *c);
/* Runs later, on the clients' host. */
void client_at(struct client *c, int64_t delay_ms, void (*run)(void *ctx), void *ctx);

/* producers.c */
void producers_start(struct sim *s);
/* Behind the last batch that each with sequences knows to be there. */
int64_t producers_acked(const struct sim *s, int32_t partition);
bool producers_are_idle(const struct sim *s); /* in peace: all that was sent has its answer */
/* Numbers below it were sent, perhaps. */
int64_t producer_next(const struct sim *s, unsigned producer, int32_t partition);
/* consumers.c */
void consumer_start(struct sim *s);
int64_t consumer_position(const struct sim *s, int32_t partition);
int64_t consumer_acked(const struct sim *s, int32_t partition); /* committed; -1: nothing */
/* admin.c */
void admin_start(struct sim *s);
/* No record from here on was ever asked to be deleted. */
int64_t admin_deleted(const struct sim *s, int32_t partition);

/* members.c */
void members_start(struct sim *s);
/* All of one generation, which has every partition. */
bool members_are_settled(const struct sim *s, char *why, size_t why_len);

/* team.c: what members were told. What was known when a request was sent: */
struct team_asked {
	int32_t newest; /* generation */
	int64_t acked[SIM_PARTITIONS];
};

void team_start(struct sim *s);
void team_asks(struct sim *s, struct team_asked *asked);
/* SyncGroup gave `who` these partitions (bits). */
void team_assigned(struct sim *s, int32_t generation, const char *who, unsigned owned);
void team_commits(struct sim *s, int32_t partition, int64_t offset);
void team_committed(struct sim *s, const struct team_asked *asked, int32_t generation,
		    int32_t partition, int64_t offset);
/* Where the group says that it is; -1: nowhere yet. */
void team_begins(struct sim *s, const struct team_asked *asked, int32_t partition, int64_t offset);
void team_delivered(struct sim *s, int32_t partition, int64_t offset);
int64_t team_delivered_end(const struct sim *s, int32_t partition);
int64_t team_acked(const struct sim *s, int32_t partition); /* -1: nothing committed */

/* promises.c: what producers without sequences may count on */
void promises_start(struct sim *s);
void promises_acked(struct sim *s, int32_t partition, unsigned producer, int64_t number,
		    int32_t epoch);
void promises_read(struct sim *s, int32_t partition, int64_t offset, unsigned producer,
		   int64_t number);
void promises_end(struct sim *s);

/* checks.c: what clients were told and what they saw. Record `number` of a producer in a partition
 * is at `offset`. */
void checks_acked(struct sim *s, int32_t partition, int64_t offset, unsigned producer,
		  int64_t number);
/* Nothing below `floor` may be lost; whatever is behind it may. */
void checks_lost(struct sim *s, int32_t partition, int64_t floor);
void checks_read(struct sim *s, int32_t partition, int64_t offset, unsigned producer,
		 int64_t number);
/* The newest epoch that a partition was ever led in; 0: none. */
int32_t checks_epoch(const struct sim *s, const char *topic, int32_t partition);
/* The epoch that a node leads it in; -1: it does not. */
int32_t checks_epoch_on(const struct sim *s, unsigned node, const char *topic, int32_t partition);

#endif
