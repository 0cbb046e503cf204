/* Output of commands. stdout goes through one buffer of PRINT_BUFFER_BYTES that leaves in big
 * writes to a pipe or file; print_flush() is called at line ends when stdout is a terminal, when
 * the run waits, and at the end. stderr is written at once, after what stdout still held, so that
 * both read in order on one terminal.
 *
 * A failed write is remembered: later output is dropped, print_failed() gives the reason. stdio is
 * not used. One thread. */
#ifndef KAVKA_CMD_PRINT_H
#define KAVKA_CMD_PRINT_H

#include "base/buf.h"
#include "base/check.h"

#include <signal.h>
#include <stdbool.h>

#define PRINT_BUFFER_BYTES (128 * 1024)

void print_text(const char *fmt, ...) PRINTF_LIKE(1, 2);
void print_bytes(const void *data, size_t len);
void print_str(struct str s);
void print_byte(char c);
void print_int(int64_t value);
void print_base64(const void *data, size_t len);
void print_hex(const void *data, size_t len); /* lower case */
/* Room for `len` (<= PRINT_BUFFER_BYTES) bytes to be filled in place, then print_took() of them. */
char *print_room(size_t len);
void print_took(size_t len);

/* Writes out what is buffered; returns 0 or the -errno of the first failure. */
int print_flush(void);
/* 0, or the -errno of the first failed write to stdout. */
int print_failed(void);
/* Bytes that were written out since the start, and bytes that still wait in the buffer. */
uint64_t print_written(void);
size_t print_held(void);
/* A signal shall end writes to a stdout that takes nothing more: set `*seen` in the handler, which
 * must interrupt system calls. What a reader still takes is written; then writing fails with
 * -EINTR. */
void print_stop_on(const volatile sig_atomic_t *seen);
/* Forgets a failure that was dealt with, and what is buffered. */
void print_forget(void);
/* Is stdout a terminal? Asked once. */
bool print_to_terminal(void);

/* To stderr, at once, as one write. The text brings its own newline. */
void print_error(const char *fmt, ...) PRINTF_LIKE(1, 2);
void print_error_bytes(const void *data, size_t len);

/* Tests: collects stdout here instead of writing it (NULL: back to the descriptor); the same for
 * stderr. */
void print_capture(struct out *to_stdout, struct out *to_stderr);

#endif
