/* Inside of SASL: the frame (sasl.c) and SCRAM (scram.c). */
#ifndef KAVKA_NET_SASL_INT_H
#define KAVKA_NET_SASL_INT_H

#include "net/sasl.h"

#include <stdbool.h>

struct scram {
	char *nonce;
	char *first_bare;		/* client-first-message-bare */
	uint8_t server_signature[64];
	unsigned digest_len;
};

struct sasl_client {
	char *mechanism, *user, *password;
	bool is_token;
	bool is_done;
	unsigned step;
	struct scram scram;
};

MUST_USE int scram_step(struct sasl_client *s, struct slice server, struct out *token,
			struct err *err);
void scram_fini(struct scram *scram);

/* For tests: the nonce instead of a random one; takes it. */
void scram_set_nonce(struct sasl_client *s, char *nonce);

#endif
