#include "cmd/time_text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Exactly `digits` digits; advances. */
static bool take_number(const char **p, int digits, int *out)
{
	*out = 0;
	for (int i = 0; i < digits; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		*out = *out * 10 + (**p - '0');
	}
	return true;
}

static bool take_char(const char **p, char c)
{
	if (**p != c)
		return false;
	(*p)++;
	return true;
}

/* "Z", "+02", "+0200", "+02:00", "" -> seconds east of Greenwich. */
static bool take_zone(const char **p, int *seconds)
{
	int sign, hours, minutes = 0;

	*seconds = 0;
	if (**p == '\0' || take_char(p, 'Z'))
		return **p == '\0';
	sign = **p == '-' ? -1 : 1;
	if (**p != '+' && **p != '-')
		return false;
	(*p)++;
	if (!take_number(p, 2, &hours))
		return false;
	if (**p != '\0' && (take_char(p, ':') || **p != '\0') && !take_number(p, 2, &minutes))
		return false;
	*seconds = sign * (hours * 3600 + minutes * 60);
	return **p == '\0';
}

int time_parse(const char *text, int64_t *ms, struct err *err)
{
	const char *p = text;
	struct tm parts = {0};
	int zone, millis = 0, scale = 100;
	bool ok;

	if (!strchr(text, 'T'))
		return err_set(err, E_INVALID, "Error parsing timestamp. It does not contain a 'T' "
			       "according to ISO8601 format");
	ok = take_number(&p, 4, &parts.tm_year) && take_char(&p, '-') &&
		take_number(&p, 2, &parts.tm_mon) && take_char(&p, '-') &&
		take_number(&p, 2, &parts.tm_mday) && take_char(&p, 'T') &&
		take_number(&p, 2, &parts.tm_hour) && take_char(&p, ':') &&
		take_number(&p, 2, &parts.tm_min);
	if (ok && take_char(&p, ':'))
		ok = take_number(&p, 2, &parts.tm_sec);
	if (ok && take_char(&p, '.')) {
		ok = *p >= '0' && *p <= '9';
		for (; *p >= '0' && *p <= '9'; p++, scale /= 10)
			millis += (*p - '0') * scale;
	}
	if (!ok || !take_zone(&p, &zone))
		return err_set(err, E_INVALID, "Unparseable date: \"%s\"", text);
	parts.tm_year -= 1900;
	parts.tm_mon -= 1;
	*ms = ((int64_t)timegm(&parts) - zone) * 1000 + millis;
	return 0;
}

static int duration_bad(const char *text, struct err *err)
{
	return err_set(err, E_INVALID, "Text cannot be parsed to a Duration: '%s'", text);
}

int duration_parse(const char *text, int64_t *ms, struct err *err)
{
	static const struct {
		char unit;
		bool in_time;
		int64_t ms;
	} units[] = {{'D', false, 86400000}, {'H', true, 3600000}, {'M', true, 60000},
		     {'S', true, 1000}};
	const char *p = text;
	bool in_time = false;
	unsigned at = 0, count = 0;
	int64_t sign = 1, sum = 0;

	if (*p == '-' || *p == '+')
		sign = *p++ == '-' ? -1 : 1;
	if (*p != 'P' && *p != 'p')
		return duration_bad(text, err);
	for (p++; *p;) {
		char *end;
		double number;

		if (!in_time && (*p == 'T' || *p == 't')) {
			in_time = true;
			p++;
			continue;
		}
		if (!strchr("+-0123456789", *p))
			return duration_bad(text, err);
		number = strtod(p, &end);
		while (at < 4 && (*end & ~0x20) != units[at].unit)
			at++;
		if (end == p || at == 4 || units[at].in_time != in_time)
			return duration_bad(text, err);
		sum += (int64_t)(number * (double)units[at].ms);
		at++;
		count++;
		p = end + 1;
	}
	if (count == 0)
		return duration_bad(text, err);
	*ms = sign * sum;
	return 0;
}
