#include "cmd/print.h"

#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static struct {
	char *buffer;		/* PRINT_BUFFER_BYTES, made at first use */
	size_t len;
	int failed;
	int terminal;		/* 0: not asked, 1: yes, -1: no */
	struct out *to_stdout, *to_stderr;
} print_now;

/* All of it, waiting where the descriptor is non-blocking. 0 or -errno. */
static int print_write(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN) {
			struct pollfd p = {.fd = fd, .events = POLLOUT};

			poll(&p, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int print_flush(void)
{
	int rc;

	if (print_now.len == 0 || print_now.failed < 0) {
		print_now.len = 0;
		return print_now.failed;
	}
	if (print_now.to_stdout) {
		out_bytes(print_now.to_stdout, print_now.buffer, print_now.len);
		rc = 0;
	} else {
		rc = print_write(STDOUT_FILENO, print_now.buffer, print_now.len);
	}
	print_now.len = 0;
	if (rc < 0)
		print_now.failed = rc;
	return print_now.failed;
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
			if (print_now.to_stdout)
				out_bytes(print_now.to_stdout, data, len);
			else if (print_now.failed == 0)
				print_now.failed = print_write(STDOUT_FILENO, data, len);
			return;
		}
	}
	memcpy(print_now.buffer + print_now.len, data, len);
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
	else if (print_write(STDERR_FILENO, data, len) < 0)
		return;		/* nowhere left to say it */
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
