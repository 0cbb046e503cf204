#include "cmd/print.h"

#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static struct {
	char *buffer; /* PRINT_BUFFER_BYTES, made at first use */
	size_t len;
	uint64_t written; /* bytes that left */
	int failed;
	int terminal; /* 0: not asked, 1: yes, -1: no */
	const volatile sig_atomic_t *stop;
	struct out *to_stdout, *to_stderr;
} print_now;

/* How long a reader that takes nothing is waited for when the run shall end. */
#define PRINT_STOP_MS 200

/* Waits until some bytes can be written; 0, or -EINTR: the run shall end, and nobody reads. */
static int print_wait(int fd, bool is_stopping)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	int n = poll(&p, 1, is_stopping ? PRINT_STOP_MS : -1);

	return n == 0 && is_stopping ? -EINTR : 0;
}

/* All of it, waiting where the descriptor is non-blocking; counts in *written (NULL: not wanted)
 * what left. 0 or -errno. */
static int print_write(int fd, const char *data, size_t len, uint64_t *written)
{
	while (len > 0) {
		bool is_stopping = print_now.stop && *print_now.stop && fd == STDOUT_FILENO;
		ssize_t n;

		/* A pipe with room has at least PIPE_BUF of it. */
		if (is_stopping && print_wait(fd, true) < 0)
			return -EINTR;
		n = write(fd, data, is_stopping ? MIN(len, (size_t)PIPE_BUF) : len);
		if (n >= 0) {
			data += n;
			len -= (size_t)n;
			if (written)
				*written += (uint64_t)n;
		} else if (errno == EAGAIN) {
			if (print_wait(fd, is_stopping) < 0)
				return -EINTR;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

void print_stop_on(const volatile sig_atomic_t *seen)
{
	print_now.stop = seen;
}

static void print_out(const char *data, size_t len)
{
	int rc;

	if (print_now.to_stdout) {
		out_bytes(print_now.to_stdout, data, len);
		print_now.written += len;
		return;
	}
	rc = print_write(STDOUT_FILENO, data, len, &print_now.written);
	if (rc < 0)
		print_now.failed = rc;
}

int print_flush(void)
{
	if (print_now.len > 0 && print_now.failed == 0)
		print_out(print_now.buffer, print_now.len);
	print_now.len = 0;
	return print_now.failed;
}

uint64_t print_written(void)
{
	return print_now.written;
}

size_t print_held(void)
{
	return print_now.len;
}

int print_failed(void)
{
	return print_now.failed;
}

void print_forget(void)
{
	print_now.failed = 0;
	print_now.len = 0;
}

bool print_to_terminal(void)
{
	if (print_now.terminal == 0)
		print_now.terminal = isatty(STDOUT_FILENO) ? 1 : -1;
	return print_now.terminal > 0;
}

void print_bytes(const void *data, size_t len)
{
	if (!print_now.buffer)
		print_now.buffer = xmalloc(PRINT_BUFFER_BYTES);
	if (len > PRINT_BUFFER_BYTES - print_now.len) {
		print_flush();
		if (len > PRINT_BUFFER_BYTES) {
			/* Larger than the buffer: goes out directly. */
			if (print_now.failed == 0)
				print_out(data, len);
			return;
		}
	}
	memcpy(print_now.buffer + print_now.len, data, len);
	print_now.len += len;
}

char *print_room(size_t len)
{
	assert(len <= PRINT_BUFFER_BYTES);
	if (!print_now.buffer)
		print_now.buffer = xmalloc(PRINT_BUFFER_BYTES);
	if (len > PRINT_BUFFER_BYTES - print_now.len)
		print_flush();
	return print_now.buffer + print_now.len;
}

void print_took(size_t len)
{
	assert(len <= PRINT_BUFFER_BYTES - print_now.len);
	print_now.len += len;
}

void print_byte(char c)
{
	if (print_now.buffer && print_now.len < PRINT_BUFFER_BYTES)
		print_now.buffer[print_now.len++] = c;
	else
		print_bytes(&c, 1);
}

void print_str(struct str s)
{
	if (s.len > 0)
		print_bytes(s.data, s.len);
}

void print_int(int64_t value)
{
	char digits[24], *p = digits + sizeof(digits);
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (value < 0)
		*--p = '-';
	print_bytes(p, (size_t)(digits + sizeof(digits) - p));
}

/* Bytes that are encoded at once: a part of the buffer, and a multiple of three. */
#define PRINT_ENCODE_BYTES 3072

void print_base64(const void *data, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *p = data;

	while (len > 0) {
		size_t part = MIN(len, (size_t)PRINT_ENCODE_BYTES);
		char *to = print_room(PRINT_ENCODE_BYTES / 3 * 4);

		for (size_t i = 0; i < part; i += 3) {
			size_t left = part - i;
			uint32_t v = (uint32_t)p[i] << 16 |
				     (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
				     (left > 2 ? p[i + 2] : 0);

			*to++ = digits[v >> 18];
			*to++ = digits[v >> 12 & 63];
			*to++ = left > 1 ? digits[v >> 6 & 63] : '=';
			*to++ = left > 2 ? digits[v & 63] : '=';
		}
		print_took((part + 2) / 3 * 4);
		p += part;
		len -= part;
	}
}

void print_hex(const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *p = data;

	while (len > 0) {
		size_t part = MIN(len, (size_t)PRINT_ENCODE_BYTES);
		char *to = print_room(PRINT_ENCODE_BYTES * 2);

		for (size_t i = 0; i < part; i++) {
			*to++ = digits[p[i] >> 4];
			*to++ = digits[p[i] & 15];
		}
		print_took(part * 2);
		p += part;
		len -= part;
	}
}

void print_text(const char *fmt, ...)
{
	char text[512];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len >= (int)sizeof(text)) {
		char *longer = xmalloc((size_t)len + 1);

		va_start(args, fmt);
		vsnprintf(longer, (size_t)len + 1, fmt, args);
		va_end(args);
		print_bytes(longer, (size_t)len);
		free(longer);
	} else if (len > 0) {
		print_bytes(text, (size_t)len);
	}
}

void print_error_bytes(const void *data, size_t len)
{
	print_flush();
	if (print_now.to_stderr)
		out_bytes(print_now.to_stderr, data, len);
	else if (print_write(STDERR_FILENO, data, len, NULL) < 0)
		return; /* nowhere left to say it */
}

void print_error(const char *fmt, ...)
{
	char text[4096];
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len > 0)
		print_error_bytes(text, MIN((size_t)len, sizeof(text) - 1));
}

void print_capture(struct out *to_stdout, struct out *to_stderr)
{
	print_flush();
	print_now.to_stdout = to_stdout;
	print_now.to_stderr = to_stderr;
	print_now.failed = 0;
}
