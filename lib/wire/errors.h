/* Error codes of the Kafka protocol, one table: errors.def. They travel as int16 in responses;
 * failures of our own are E_* (base/err.h) and become one of these only in broker/api. */
#ifndef KAVKA_WIRE_ERRORS_H
#define KAVKA_WIRE_ERRORS_H

#include "base/buf.h"

#include <stdbool.h>

enum kafka_error {
#define X(name, code, kind, text) KERR_##name = code,
#include "wire/errors.def"
#undef X
};

/* "UNKNOWN_TOPIC_OR_PARTITION"; "UNKNOWN_SERVER_ERROR" for a code that is not in the table. */
const char *kafka_error_name(int code);
/* One sentence with full stop. */
const char *kafka_error_text(int code);
bool kafka_error_is_known(int code);
/* KERR_UNKNOWN_SERVER_ERROR if there is none of that name. */
enum kafka_error kafka_error_by_name(struct str name);

/* Asking again may help (after refreshing metadata or the coordinator, if it is one of those). */
bool kafka_error_is_retriable(int code);
/* The client's picture of topics and leaders is old. */
bool kafka_error_wants_metadata(int code);
/* The coordinator has moved or is not there. */
bool kafka_error_wants_coordinator(int code);
/* Not allowed, not authenticated, or misconfigured: no retry will help. */
bool kafka_error_is_fatal(int code);

#endif
