#include "mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void *mem_checked(void *ptr)
{
	if (ptr)
		return ptr;
	fputs("kavka: out of memory\n", stderr);
	abort();
}

void *xmalloc(size_t size)
{
	return mem_checked((malloc)(size ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
	return mem_checked((calloc)(count ? count : 1, size ? size : 1));
}

void *xrealloc(void *ptr, size_t size)
{
	return mem_checked((realloc)(ptr, size ? size : 1));
}

void *xreallocarray(void *ptr, size_t count, size_t size)
{
	return mem_checked(reallocarray(ptr, count ? count : 1, size ? size : 1));
}

char *xstrdup(const char *text)
{
	return xmemdup(text, strlen(text) + 1);
}

char *xstrndup(const char *text, size_t len)
{
	char *copy = xmalloc(len + 1);

	if (len)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *xasprintf(const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int len;

	va_start(args, fmt);
	len = vasprintf(&text, fmt, args);
	va_end(args);
	return mem_checked(len < 0 ? NULL : text);
}

void *xmemdup(const void *data, size_t len)
{
	void *copy = xmalloc(len);

	if (len)
		memcpy(copy, data, len);
	return copy;
}

void *grow_array(void *items, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return items;
	*cap = *cap ? *cap * 2 : 8;
	return xreallocarray(items, *cap, size);
}
