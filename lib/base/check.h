/* Assertions and small compile-time helpers. Knows nothing of Kafka.
 *
 * assert() is always on, also in release builds: it states facts about our own code and ends the
 * process at once when one is wrong. Never assert on bytes from the network, a disk or a user.
 * assert_slow() is for checks that cost: on in unit, simulator and fuzz builds only. */
#ifndef KAVKA_BASE_CHECK_H
#define KAVKA_BASE_CHECK_H

#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The struct that contains `member` at address `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

/* Handles that come back through a `void *` start with a `uint32_t magic`; CAST checks it. */
#define CAST(type, ptr, MAGIC) ((struct type *)check_magic((ptr), (MAGIC), #type))

NORETURN void check_failed(const char *expr, const char *file, int line, const char *func);
void *check_magic(void *ptr, uint32_t magic, const char *type);

#undef assert
#define assert(x) ((x) ? (void)0 : check_failed(#x, __FILE__, __LINE__, __func__))

#ifdef KAVKA_SLOW_CHECKS
#define assert_slow(x) assert(x)
#else
#define assert_slow(x) ((void)0)
#endif

#endif
