#include "err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int code;
	const char *text;
} err_table[] = {
#define X(name, number, text) {name, text},
	ERR_CODES(X)
#undef X
};

const char *err_text(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(err_table); i++)
		if (err_table[i].code == code)
			return err_table[i].text;
	return strerrordesc_np(-code) ? strerrordesc_np(-code) : "unknown error";
}

const char *err_message(const struct err *err)
{
	return err->text[0] ? err->text : err_text(err->code);
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list args;

	if (!err)
		return code;
	err->code = code;
	va_start(args, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, args);
	va_end(args);
	return code;
}

/* Writes "PART: REST" into the message; REST may be the message itself. */
static void err_join(struct err *err, int code, const char *part, const char *rest)
{
	char joined[ERR_TEXT_MAX];
	int len = snprintf(joined, sizeof(joined), "%s: %s", part, rest);

	err->code = code;
	memcpy(err->text, joined, MIN((size_t)len + 1, sizeof(joined)));
	err->text[ERR_TEXT_MAX - 1] = '\0';
}

int err_add(struct err *err, int code, const char *fmt, ...)
{
	char part[ERR_TEXT_MAX / 2];
	va_list args;

	if (!err)
		return code;
	va_start(args, fmt);
	vsnprintf(part, sizeof(part), fmt, args);
	va_end(args);
	err_join(err, code, part, err->text[0] ? err->text : err_text(code));
	return code;
}

int err_sys(struct err *err, int code, const char *fmt, ...)
{
	char part[ERR_TEXT_MAX / 2];
	va_list args;

	if (!err)
		return code;
	va_start(args, fmt);
	vsnprintf(part, sizeof(part), fmt, args);
	va_end(args);
	err_join(err, code, part, err_text(code));
	return code;
}
