#include "cmd/consumer/place.h"
#include "cmd/time_text.h"

#include "base/mem.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PLACE_PARTITIONS_MAX 200000 /* of one list: as many as a cluster may have */

static const struct {
	const char *word;
	enum place_kind kind;
} place_words[] = {
	{"beginning", PLACE_BEGINNING},
	{"earliest", PLACE_BEGINNING},
	{"oldest", PLACE_BEGINNING},
	{"start", PLACE_BEGINNING},
	{"end", PLACE_END},
	{"latest", PLACE_END},
	{"newest", PLACE_END},
	{"stored", PLACE_STORED},
	{"committed", PLACE_STORED},
};

/* All of `text` is a number >= 0. */
static bool place_number(const char *text, int64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return *end == '\0' && errno == 0;
}

/* "-15m" -> milliseconds, negative. */
static bool place_span(const char *text, int64_t *ms)
{
	static const struct {
		const char *unit;
		int64_t ms;
	} units[] = {{"ms", 1},      {"s", 1000},     {"m", 60000},
		     {"h", 3600000}, {"d", 86400000}, {"w", 7 * 86400000}};
	char *end;
	long long count;

	if (*text != '-' || !isdigit((unsigned char)text[1]))
		return false;
	errno = 0;
	count = strtoll(text, &end, 10);
	for (unsigned i = 0; i < ARRAY_LEN(units); i++)
		if (strcmp(end, units[i].unit) == 0 && errno == 0)
			return !__builtin_mul_overflow((int64_t)count, units[i].ms, ms);
	return false;
}

int place_parse_time(const char *text, int64_t now_ms, int64_t *ms, struct err *err)
{
	char day[32];

	if (place_number(text, ms))
		return 0;
	if (strcmp(text, "now") == 0) {
		*ms = now_ms;
		return 0;
	}
	if (place_span(text, ms)) {
		*ms += now_ms;
		return *ms >= 0 ? 0 : err_set(err, E_INVALID, "'%s' is before 1970", text);
	}
	/* A date alone is its midnight; a blank is as good as the T. */
	if (strlen(text) == 10)
		snprintf(day, sizeof(day), "%sT00:00:00", text);
	else
		snprintf(day, sizeof(day), "%s", text);
	if (strlen(text) < sizeof(day) && strlen(day) > 10 && day[10] == ' ')
		day[10] = 'T';
	if (time_parse(strlen(text) < sizeof(day) ? day : text, ms, NULL) == 0)
		return 0;
	return err_set(err, E_INVALID,
		       "'%s' is no time: milliseconds, 2026-08-01, "
		       "2026-08-01T17:30:00Z, now, or -90s -15m -2h -7d",
		       text);
}

int place_parse(const char *text, int64_t now_ms, struct place *out, struct err *err)
{
	const char *at = *text == 's' || *text == 'e' ? text + 1 : text;

	*out = (struct place){0};
	for (unsigned i = 0; i < ARRAY_LEN(place_words); i++) {
		if (strcasecmp(text, place_words[i].word) == 0) {
			out->kind = place_words[i].kind;
			return 0;
		}
	}
	if (*at == '@') {
		out->kind = *text == 'e' ? PLACE_STOP_TIME : PLACE_TIME;
		return place_parse_time(at + 1, now_ms, &out->value, err);
	}
	if (place_number(text, &out->value))
		out->kind = PLACE_OFFSET;
	else if ((*text == '-' || *text == '+') && place_number(text + 1, &out->value))
		out->kind = *text == '-' ? PLACE_BEFORE_END : PLACE_AFTER_BEGINNING;
	else
		return err_set(err, E_INVALID,
			       "'%s' is no place: beginning, end, stored, an "
			       "offset, -N (before the end), +N (behind the beginning) or @TIME",
			       text);
	return 0;
}

static int int32_order(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return (x > y) - (x < y);
}

int place_parse_partitions(const char *text, int32_t **out, size_t *count, struct err *err)
{
	size_t cap = 0, unique = 0;
	const char *p = text;

	*out = NULL;
	*count = 0;
	for (;;) {
		char *end;
		long first, last;

		errno = 0;
		first = last = isdigit((unsigned char)*p) ? strtol(p, &end, 10) : -1;
		if (first >= 0 && *end == '-')
			last = isdigit((unsigned char)end[1]) ? strtol(end + 1, &end, 10) : -1;
		if (first < 0 || last < first || last > INT32_MAX || errno ||
		    (*end != ',' && *end != '\0') ||
		    (size_t)(last - first) >= PLACE_PARTITIONS_MAX - *count) {
			free(*out);
			*out = NULL;
			return err_set(err, E_INVALID,
				       "'%s' is no list of partitions, such as 3 or 0,2-4", text);
		}
		for (long i = first; i <= last; i++) {
			*out = grow_array(*out, *count, &cap, sizeof(**out));
			(*out)[(*count)++] = (int32_t)i;
		}
		if (*end == '\0')
			break;
		p = end + 1;
	}
	qsort(*out, *count, sizeof(**out), int32_order);
	for (size_t i = 0; i < *count; i++)
		if (unique == 0 || (*out)[i] != (*out)[unique - 1])
			(*out)[unique++] = (*out)[i];
	*count = unique;
	return 0;
}
