/* SCRAM credentials as a command's argument: SCRAM-SHA-256=[name=alice,password=secret], or with
 * iterations=N, salt="base64", saltedpassword="base64".
 * Source: metadata/.../storage/ScramParser.java, RFC 5802 */
#ifndef KAVKA_BROKER_METADATA_SCRAM_ARG_H
#define KAVKA_BROKER_METADATA_SCRAM_ARG_H

#include "base/arena.h"
#include "base/env.h"
#include "base/err.h"
#include "wire/messages.h"

#define SCRAM_ITERATIONS_MIN 4096
#define SCRAM_ITERATIONS_MAX 16384

/* Fills the record, in `arena`. E_INVALID with Apache's text. */
MUST_USE int scram_arg_parse(struct env *env, struct arena *arena, const char *text,
			     struct user_scram_credential_record *out, struct err *err);

#endif
