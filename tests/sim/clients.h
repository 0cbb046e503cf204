/* The clients of a simulated cluster. All are on one host, each has connections of its own. */
#ifndef KAVKA_TESTS_SIM_CLIENTS_H
#define KAVKA_TESTS_SIM_CLIENTS_H

#include "sim/cluster.h"

#include "wire/batch.h"
#include "wire/codec.h"

#define SIM_TOPIC "numbers"
#define SIM_GROUP "readers"
#define SIM_PARTITIONS 3
#define SIM_PRODUCERS 3
#define ASK_TIMEOUT_MS 6000

struct client {
	struct sim *sim;
	struct sim_shard *shard;
	struct channel *channels[SIM_NODES_MAX];
	/* what Metadata said last */
	bool has_topic;
	int32_t leader[SIM_PARTITIONS]; /* -1: none */
	int32_t leader_epoch[SIM_PARTITIONS];
	bool is_refreshing;
};

void client_init(struct client *c, struct sim *s);
/* Asks node `to` (its index). `done` comes once; response NULL: there is none. `body` is borrowed
 * until this returns. */
void client_ask(struct client *c, unsigned to, enum api_key api, int16_t version, const void *body,
		void (*done)(void *owner, const void *response), void *owner);
/* Brings the metadata up to date soon. */
void client_refresh(struct client *c);
/* Some node that a client may ask. */
unsigned client_any_broker(struct client *c);
/* Runs later, on the clients' host. */
void client_at(struct client *c, int64_t delay_ms, void (*run)(void *ctx), void *ctx);

/* producers.c */
void producers_start(struct sim *s);
bool producers_are_idle(const struct sim *s); /* in peace: all that was sent has its answer */
/* consumers.c */
void consumer_start(struct sim *s);
int64_t consumer_position(const struct sim *s, int32_t partition);
/* admin.c */
void admin_start(struct sim *s);

/* checks.c: what clients were told and what they saw. Record `number` of a producer in a partition
 * is at `offset`. */
void checks_acked(struct sim *s, int32_t partition, int64_t offset, unsigned producer,
		  int64_t number);
void checks_read(struct sim *s, int32_t partition, int64_t offset, unsigned producer,
		 int64_t number);

#endif
