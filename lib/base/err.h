/* Errors of the world: disk, network, users, peers.
 *
 * Functions that can fail return int: 0, or a negative code. -errno and libuv codes pass unchanged
 * (libuv's UV_E* are -errno on Linux, and -3000.. for DNS); kavka's own codes are E_* below.
 * Where a human will read it, the last parameter is a `struct err *` (NULL allowed): the origin
 * writes the message once with err_set(), layers above put their part in front with err_add(),
 * and cmd/ or say_*() prints it once. Answers of the Kafka protocol are another thing:
 * `enum kafka_error` in wire/errors.h. */
#ifndef KAVKA_BASE_ERR_H
#define KAVKA_BASE_ERR_H

#include "check.h"

#define ERR_TEXT_MAX 1024

/* code, text */
#define ERR_CODES(X)                                             \
	X(E_SHORT, 20001, "ends too early")                      \
	X(E_MALFORMED, 20002, "malformed")                       \
	X(E_TOO_LARGE, 20003, "larger than allowed")             \
	X(E_CORRUPT, 20004, "corrupt")                           \
	X(E_UNSUPPORTED, 20005, "not supported")                 \
	X(E_OFFSET_RANGE, 20006, "offset out of range")          \
	X(E_NOT_FOUND, 20007, "not found")                       \
	X(E_EXISTS, 20008, "exists already")                     \
	X(E_TIMEOUT, 20009, "timed out")                         \
	X(E_CLOSED, 20010, "closed")                             \
	X(E_USAGE, 20011, "wrong usage")                         \
	X(E_INVALID, 20012, "invalid value")                     \
	X(E_KAFKA, 20013, "the broker answered with an error")   \
	X(E_OFFLINE, 20014, "log directory is offline")          \
	X(E_AGAIN, 20015, "not now, try again")                  \
	X(E_AUTH, 20016, "authentication failed")                \
	X(E_UNREACHABLE, 20017, "cannot be reached")             \
	X(E_INTERRUPTED, 20018, "interrupted")                   \
	X(E_COLD, 20019, "not in memory")

enum err_code {
#define X(name, number, text) name = -number,
	ERR_CODES(X)
#undef X
};

struct err {
	int code;		  /* 0 or the negative code returned */
	int kafka_error;	  /* with E_KAFKA: the protocol's error code */
	char text[ERR_TEXT_MAX];  /* one line, no full stop, "" if none */
};

/* Sets code and message; returns `code`, so that `return err_set(err, -ENOENT, ...)` reads well.
 * Takes NULL for `err`. */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "PART: " in front of the message (or makes one from the code); returns `code`. */
int err_add(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Like err_set, with the text of `code` appended: "PART: no such file or directory". */
int err_sys(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* The words for a code: strerror's for -errno, the table's for E_*. Never NULL. */
const char *err_text(int code);

/* The message, or the words for its code when no message was set. */
const char *err_message(const struct err *err);

#endif
