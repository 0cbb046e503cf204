#include "cmd/lab/cuts.h"

#include "base/near.h"

#include <stdlib.h>
#include <string.h>

#define BLANKS " \t"

static const char *nodes_text(uint64_t nodes, struct arena *a)
{
	const char *text = "";

	for (int id = 1; id < LAB_ENDS_MAX; id++)
		if (nodes & END_BIT(id))
			text = arena_printf(a, "%s%s%d", text, *text ? ", " : "", id);
	return text;
}

/* The ends that a word means. */
static int word_parse(uint64_t *out, const char *word, size_t len, uint64_t nodes, struct err *err)
{
	static const char *const own[] = {"all", "clients"};
	struct arena a;
	struct near near;
	char *copy, *end;
	long id;
	int rc = 0;

	arena_init(&a);
	copy = arena_strndup(&a, word, len);
	id = strtol(copy, &end, 10);
	near_init(&near, copy);
	for (unsigned i = 0; i < ARRAY_LEN(own); i++)
		near_offer(&near, own[i]);
	if (strcmp(copy, "all") == 0)
		*out = nodes;
	else if (strcmp(copy, "clients") == 0)
		*out = END_BIT(END_CLIENTS);
	else if (end == copy || *end)
		rc = near.best ? err_set(err, E_USAGE, "'%s' is no node; did you mean %s?", copy,
					 near.best)
			       : err_set(err, E_USAGE, "'%s' is no node: want a number of %s", copy,
					 nodes_text(nodes, &a));
	else if (id < 1 || id >= LAB_ENDS_MAX || !(nodes & END_BIT(id)))
		rc = err_set(err, E_USAGE, "there is no node %s: there are %s", copy,
			     nodes_text(nodes, &a));
	else
		*out = END_BIT(id);
	arena_fini(&a);
	return rc;
}

/* The ends of one group, which ends at `separators` or at the end of the text. */
static int group_parse(uint64_t *out, const char **at, const char *separators, uint64_t nodes,
		       struct err *err)
{
	const char *p = *at;

	*out = 0;
	for (;;) {
		size_t len;
		uint64_t ends;
		int rc;

		/* What separates groups may be a blank too. */
		while (*p && strchr(BLANKS ",", *p) && !strchr(separators, *p))
			p++;
		if (!*p || strchr(separators, *p))
			break;
		len = strcspn(p, BLANKS ",|/");
		rc = word_parse(&ends, p, len, nodes, err);
		if (rc < 0)
			return rc;
		if (*out & ends)
			return err_set(err, E_USAGE, "'%.*s' is there twice", (int)len, p);
		*out |= ends;
		p += len;
	}
	*at = p;
	return 0;
}

int cuts_parse(struct cuts *out, const char *text, uint64_t nodes, struct err *err)
{
	const char *separators = strpbrk(text, "|/") ? "|/" : BLANKS;
	uint64_t seen = 0;

	*out = (struct cuts){0};
	for (const char *p = text; *p;) {
		uint64_t group;
		int rc = group_parse(&group, &p, separators, nodes, err);

		if (rc < 0)
			return rc;
		if (*p)
			p++;
		if (!group)
			continue;
		if (seen & group)
			return err_set(err, E_USAGE, "a node can be in one group only");
		seen |= group;
		assert(out->group_count < LAB_ENDS_MAX);
		out->groups[out->group_count++] = group;
	}
	if (out->group_count == 1) {
		if ((nodes & ~seen) == 0)
			return err_set(err, E_USAGE,
				       "that is every node: from whom shall they be cut off?");
		out->groups[out->group_count++] = nodes & ~seen;
	}
	return 0;
}

static int group_of(const struct cuts *c, int end)
{
	for (unsigned i = 0; i < c->group_count; i++)
		if (c->groups[i] & END_BIT(end))
			return (int)i;
	return -1;
}

bool cuts_between(const struct cuts *c, int a, int b)
{
	int group_a = group_of(c, a), group_b = group_of(c, b);

	return group_a >= 0 && group_b >= 0 && group_a != group_b;
}

uint64_t cuts_of(const struct cuts *c, int end)
{
	uint64_t others = 0;

	for (int id = 0; id < LAB_ENDS_MAX; id++)
		if (cuts_between(c, end, id))
			others |= END_BIT(id);
	return others;
}

const char *cuts_text(const struct cuts *c, struct arena *arena)
{
	const char *text = "";

	for (unsigned i = 0; i < c->group_count; i++) {
		text = arena_printf(arena, "%s%s", text, i ? " |" : "");
		for (int id = 0; id < LAB_ENDS_MAX; id++) {
			if (!(c->groups[i] & END_BIT(id)))
				continue;
			text = arena_printf(arena, "%s%s", text, *text ? " " : "");
			text = id == END_CLIENTS ? arena_printf(arena, "%sclients", text)
						 : arena_printf(arena, "%s%d", text, id);
		}
	}
	return text;
}

int ends_parse(uint64_t *out, const char *text, uint64_t nodes, struct err *err)
{
	while (*text) {
		size_t len = strcspn(text, BLANKS ",");
		uint64_t ends;
		int rc;

		if (len > 0) {
			rc = word_parse(&ends, text, len, nodes, err);
			if (rc < 0)
				return rc;
			if (ends & END_BIT(END_CLIENTS))
				return err_set(err, E_USAGE, "clients are not this lab's to stop");
			*out |= ends;
		}
		text += len;
		text += *text != '\0';
	}
	return 0;
}

int delay_parse(int64_t *out_ms, const char *text, int64_t max_ms, struct err *err)
{
	static const struct {
		const char *unit;
		double ms;
	} units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}};
	char *end;
	double number = strtod(text, &end);

	if (strcmp(text, "off") == 0) {
		*out_ms = 0;
		return 0;
	}
	for (unsigned i = 0; end != text && i < ARRAY_LEN(units); i++) {
		double ms = number * units[i].ms;

		if (strcmp(end, units[i].unit) != 0)
			continue;
		/* Also refuses what is no number at all. */
		if (!(ms >= 0 && ms <= (double)max_ms))
			return err_set(err, E_USAGE, "'%s' is not between 0 and %lld ms", text,
				       (long long)max_ms);
		*out_ms = (int64_t)ms;
		return 0;
	}
	return err_set(err, E_USAGE, "'%s' is no time: want something like 200ms or 1.5s", text);
}
