/* Throttles of replication: so many bytes a second, for all shards of a broker together.
 *
 * Every byte has its price in time, the second's share that it takes; who is asked whether a
 * throttle is over says yes until what was sent is paid for. The rate is given with each payment,
 * as it may change at any time.
 *
 * Any thread.
 * Source: server/ReplicationQuotaManager (which looks at the mean of the last seconds). */
#ifndef KAVKA_BROKER_REPLICA_THROTTLE_H
#define KAVKA_BROKER_REPLICA_THROTTLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct throttle {
	_Atomic int64_t paid_until_us;
};

struct replica_throttles {
	struct throttle leader;   /* leader.replication.throttled.rate */
	struct throttle follower; /* follower.replication.throttled.rate */
	struct throttle move;     /* replica.alter.log.dirs.io.max.bytes.per.second */
};

/* Microseconds until what was sent is paid for; 0: more may be sent. */
static inline int64_t throttle_wait_us(struct throttle *t, int64_t now_us)
{
	int64_t until_us = atomic_load_explicit(&t->paid_until_us, memory_order_relaxed);

	return until_us > now_us ? until_us - now_us : 0;
}

static inline void throttle_forgive(struct throttle *t)
{
	atomic_store_explicit(&t->paid_until_us, 0, memory_order_relaxed);
}

/* More than that is forgiven: nothing should stand still for hours. */
#define THROTTLE_DEBT_US_MAX ((int64_t)60 * 1000000)

static inline void throttle_pay(struct throttle *t, int64_t bytes, int64_t bytes_per_second,
				int64_t now_us)
{
	double cost_us =
		(double)bytes * 1e6 / (double)(bytes_per_second > 0 ? bytes_per_second : 1);
	int64_t before = atomic_load_explicit(&t->paid_until_us, memory_order_relaxed), after;

	do {
		double until_us = (double)(before > now_us ? before : now_us) + cost_us;
		double max_us = (double)(now_us + THROTTLE_DEBT_US_MAX);

		after = (int64_t)(until_us < max_us ? until_us : max_us);
	} while (!atomic_compare_exchange_weak_explicit(
		&t->paid_until_us, &before, after, memory_order_relaxed, memory_order_relaxed));
}

#endif
