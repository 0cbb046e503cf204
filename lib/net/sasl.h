/* SASL mechanisms, the client's side: PLAIN (RFC 4616), SCRAM-SHA-256 and SCRAM-SHA-512 (RFC 5802,
 * without channel binding), as Kafka speaks them. Pure: tokens in, tokens out; who carries them is
 * the caller's matter.
 *
 *	sasl_client_new(&s, "PLAIN", user, password, &err);
 *	sasl_client_step(s, SLICE_NULL, &token, &err);		// the first token to send
 *	while (!sasl_client_is_done(s)) {
 *		...send token, receive answer...
 *		sasl_client_step(s, answer, &token, &err);
 *	} */
#ifndef KAVKA_NET_SASL_H
#define KAVKA_NET_SASL_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

struct sasl_client;

/* Copies name and password. `is_token`: a delegation token's id and hmac (SCRAM only).
 * 0 or E_UNSUPPORTED (mechanism). */
MUST_USE int sasl_client_new(struct sasl_client **out, const char *mechanism, const char *user,
			     const char *password, bool is_token, struct err *err);
void sasl_client_free(struct sasl_client *s);	/* wipes the password */

/* Takes the server's token (SLICE_NULL at first) and appends the next one to `token`, if there is
 * one to send (nothing when done). 0; E_AUTH: refused, or the server does not know the password
 * either; E_MALFORMED. */
MUST_USE int sasl_client_step(struct sasl_client *s, struct slice server, struct out *token,
			      struct err *err);
bool sasl_client_is_done(const struct sasl_client *s);

#define SCRAM_DIGEST_MAX 64

/* RFC 5802's SaltedPassword for "SCRAM-SHA-256" or "SCRAM-SHA-512", *len bytes.
 * 0, E_UNSUPPORTED (mechanism) or E_INVALID. */
MUST_USE int scram_salted_password(const char *mechanism, const char *password, struct slice salt,
				   int iterations, uint8_t out[SCRAM_DIGEST_MAX], size_t *len,
				   struct err *err);

/* Reads a JAAS line: MODULE required key="value" ... ; Gives the value of `key` (arena), or NULL.
 * *module gets the class name. E_INVALID when it is not one. */
MUST_USE int jaas_parse(const char *text, struct arena *arena, const char **module,
			const char **user, const char **password, bool *is_token,
			struct err *err);

#endif
