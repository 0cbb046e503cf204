#include "cmd/perf/java_date.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void date_number(struct out *out, long value, int width)
{
	out_printf(out, "%0*ld", width, value);
}

static void date_zone(struct out *out, const struct tm *t, char letter, int count)
{
	long minutes = t->tm_gmtoff / 60;
	char sign = minutes < 0 ? '-' : '+';

	minutes = labs(minutes);
	if (letter == 'z')
		out_text(out, t->tm_zone);
	else if (letter == 'X' && minutes == 0)
		out_byte(out, 'Z');
	else if (letter == 'X' && count == 1)
		out_printf(out, "%c%02ld", sign, minutes / 60);
	else
		out_printf(out, "%c%02ld%s%02ld", sign, minutes / 60,
			   letter == 'X' && count == 3 ? ":" : "", minutes % 60);
}

static void date_name(struct out *out, const struct tm *t, const char *brief, const char *full,
		      int count)
{
	char text[64];
	size_t len = strftime(text, sizeof(text), count > 3 ? full : brief, t);

	out_bytes(out, text, len);
}

/* `count` times the same letter. */
static void date_field(struct out *out, const struct tm *t, int ms, char letter, int count)
{
	switch (letter) {
	case 'y':
	case 'Y':
	case 'u':
		if (letter == 'u')
			date_number(out, t->tm_wday == 0 ? 7 : t->tm_wday, count);
		else if (count == 2)
			date_number(out, (t->tm_year + 1900) % 100, 2);
		else
			date_number(out, t->tm_year + 1900L, count);
		break;
	case 'M':
	case 'L':
		if (count > 2)
			date_name(out, t, "%b", "%B", count);
		else
			date_number(out, t->tm_mon + 1, count);
		break;
	case 'd': date_number(out, t->tm_mday, count); break;
	case 'D': date_number(out, t->tm_yday + 1, count); break;
	case 'F': date_number(out, (t->tm_mday - 1) / 7 + 1, count); break;
	case 'H': date_number(out, t->tm_hour, count); break;
	case 'k': date_number(out, t->tm_hour == 0 ? 24 : t->tm_hour, count); break;
	case 'K': date_number(out, t->tm_hour % 12, count); break;
	case 'h': date_number(out, t->tm_hour % 12 == 0 ? 12 : t->tm_hour % 12, count); break;
	case 'm': date_number(out, t->tm_min, count); break;
	case 's': date_number(out, t->tm_sec, count); break;
	case 'S': date_number(out, ms, count); break;
	case 'E': date_name(out, t, "%a", "%A", count); break;
	case 'a': out_text(out, t->tm_hour < 12 ? "AM" : "PM"); break;
	case 'G': out_text(out, "AD"); break;
	case 'w': date_name(out, t, "%U", "%U", 1); break;
	case 'W': date_number(out, (t->tm_mday + 6 - t->tm_wday) / 7 + 1, count); break;
	default: date_zone(out, t, letter, count); break;
	}
}

/* What stands between quotes; two quotes are one. NULL: they do not end. */
static const char *date_quoted(struct out *out, const char *p)
{
	if (p[1] == '\'') {
		if (out)
			out_byte(out, '\'');
		return p + 2;
	}
	for (p++; *p; p++) {
		if (*p == '\'' && p[1] != '\'')
			return p + 1;
		p += *p == '\'';
		if (out)
			out_byte(out, (uint8_t)*p);
	}
	return NULL;
}

int java_date(struct out *out, const char *pattern, int64_t time_ms, struct err *err)
{
	time_t seconds = time_ms / 1000;
	struct tm t;

	localtime_r(&seconds, &t);
	for (const char *p = pattern; *p;) {
		int count = 1;

		if (*p == '\'') {
			p = date_quoted(out, p);
			if (!p)
				return err_set(err, E_INVALID, "Unterminated quote");
			continue;
		}
		if (!isalpha((unsigned char)*p)) {
			if (out)
				out_byte(out, (uint8_t)*p);
			p++;
			continue;
		}
		if (!strchr("GyYMLwWDdFEuaHkKhmsSzZX", *p))
			return err_set(err, E_INVALID, "Illegal pattern character '%c'", *p);
		while (p[count] == *p)
			count++;
		if (out)
			date_field(out, &t, (int)(time_ms % 1000), *p, count);
		p += count;
	}
	return 0;
}
