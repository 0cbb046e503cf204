/* What the cleaner knows of transactions while it walks a log from front to back: which batches
 * belong to aborted ones, and whether anything is left of the transaction that a marker ends.
 * Source: CleanedTransactionMetadata.java. */
#ifndef KAVKA_BROKER_LOG_CLEAN_TXNS_H
#define KAVKA_BROKER_LOG_CLEAN_TXNS_H

#include "log/log_int.h"

struct clean_txns {
	struct aborted_txn *aborted;	/* by first offset; [next, count) have not begun yet */
	size_t next, count;
	struct map open;		/* producers with a transaction open at this point */
};

/* Reads the aborted transactions of the segments [first, limit). -errno, E_CORRUPT. */
MUST_USE int clean_txns_init(struct clean_txns *t, struct log *log, size_t first, size_t limit);
void clean_txns_fini(struct clean_txns *t);
/* Takes note of a data batch: true if its records were aborted. */
bool clean_txns_data(struct clean_txns *t, const struct batch *b);
/* Takes note of a control batch: true if nothing is left of its transaction. *kept is set when it
 * aborts one of which data is left: the new transaction index wants it. */
bool clean_txns_control(struct clean_txns *t, const struct batch *b, struct aborted_txn *kept);

#endif
