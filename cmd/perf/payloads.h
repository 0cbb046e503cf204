/* What `perf produce` sends: random letters, lines of a file, or numbers. */
#ifndef KAVKA_CMD_PAYLOADS_H
#define KAVKA_CMD_PAYLOADS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/rng.h"

enum payload_kind { PAYLOAD_RANDOM, PAYLOAD_FILE, PAYLOAD_COUNTER };

struct payloads {
	enum payload_kind kind;
	struct rng rng;
	size_t size_bytes; /* PAYLOAD_RANDOM */
	char *data;        /* letters, or the file */
	size_t len;
	struct str *items; /* of the file */
	size_t count, cap;
	char number[24];
};

/* Letters A to Z, `size_bytes` of them a record. */
void payloads_random(struct payloads *p, size_t size_bytes, uint64_t seed);
void payloads_counter(struct payloads *p);
/* The file's parts between delimiters, one at random for each record. -errno, E_INVALID. */
MUST_USE int payloads_file(struct payloads *p, const char *path, const char *delimiter,
			   uint64_t seed, struct err *err);
void payloads_fini(struct payloads *p);

/* Of record number `n`; borrowed until the next call. */
struct slice payloads_next(struct payloads *p, int64_t n);

#endif
