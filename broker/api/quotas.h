/* Quotas of clients: how long a client has to be quiet after what it did.
 *
 *	has = quota_find(image, user, client_id, QUOTA_PRODUCE, &q);	// its limit, if any
 *	ms = quotas_note(quotas, &q, request_bytes, now_ms);		// 0: go on
 *
 * Kafka's way (KIP-13, 124, 219, 257): the request is done and answered, the answer tells
 * throttle_time_ms, and the connection is not read for so long. Of the quotas that name a client
 * the most specific one counts: (user, client-id) before (user) before (client-id), and a name
 * before the default. What is counted is the rate over the last samples, broker-wide, together for
 * all connections that the quota's names make one.
 *
 * One difference: the answer to a throttled fetch has its records, where Kafka's is empty and the
 * client fetches them once more.
 *
 * Any thread: quota_find reads an image; a lock is around the counts. Clients without a quota never
 * come to it.
 * Source: server/.../quota/ClientQuotaManager.java, QuotaUtils.java,
 * clients/.../metrics/stats/Rate.java */
#ifndef KAVKA_BROKER_API_QUOTAS_H
#define KAVKA_BROKER_API_QUOTAS_H

#include "base/buf.h"
#include "base/check.h"

#include <stdbool.h>

struct image;
struct quotas;

enum quota_kind {
	QUOTA_PRODUCE, /* producer_byte_rate: bytes of requests a second */
	QUOTA_FETCH,   /* consumer_byte_rate: bytes of answers a second */
	QUOTA_REQUEST, /* request_percentage: of one thread's time */
	QUOTA_KINDS,
};

/* A limit, and whose counts it is held against: null where the quota does not tell users, or client
 * ids, apart. Borrows the names it was asked for. */
struct quota {
	enum quota_kind kind;
	double limit;
	struct str user, client_id;
};

/* At least 1 sample, of at least 1 ms. */
struct quotas *quotas_new(unsigned sample_count, int64_t sample_ms);
void quotas_free(struct quotas *q); /* NULL is fine */

/* The quota of that kind that counts for this client; false: none. */
bool quota_find(const struct image *image, struct str user, struct str client_id,
		enum quota_kind kind, struct quota *out);

/* Counts `amount` (bytes, or microseconds of a thread) and says for how many milliseconds the
 * client is to be quiet. `now_ms` is monotonic. */
int64_t quotas_note(struct quotas *q, const struct quota *quota, double amount, int64_t now_ms);

/* The most that one answer may have: what the limit allows in all samples together, so that a
 * single fetch is never more than a client may ever have. */
size_t quotas_burst_bytes(const struct quotas *q, const struct quota *quota);

/* "User:alice" -> "alice". */
struct str quota_user(const char *principal);

#endif
