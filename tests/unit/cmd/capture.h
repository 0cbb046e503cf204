/* What a command prints, as text. */
#ifndef KAVKA_TESTS_CMD_CAPTURE_H
#define KAVKA_TESTS_CMD_CAPTURE_H

#include "cmd/print.h"

static struct out captured, captured_errors;

static inline void capture_start(void)
{
	out_init(&captured, 1 << 20);
	out_init(&captured_errors, 1 << 20);
	print_capture(&captured, &captured_errors);
}

static inline void capture_stop(void)
{
	print_capture(NULL, NULL);
	out_fini(&captured);
	out_fini(&captured_errors);
}

/* The text since the last call; borrowed until the next one. */
static inline const char *capture_text(struct out *o)
{
	static char text[1 << 16];
	size_t len;

	print_flush();
	len = MIN(o->len, sizeof(text) - 1);
	memcpy(text, o->data ? (const char *)o->data : "", len);
	text[len] = '\0';
	out_reset(o);
	return text;
}

#define assert_printed(text) assert_string_equal(capture_text(&captured), (text))
#define assert_said(text) assert_string_equal(capture_text(&captured_errors), (text))

#endif
