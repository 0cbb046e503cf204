#include "cmd/top/history.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

void history_push(struct history *h, double value)
{
	h->values[h->next] = (float)value;
	h->next = (h->next + 1) % HISTORY_LEN;
	h->count = MIN(h->count + 1, HISTORY_LEN);
}

double history_value(const struct history *h, unsigned age)
{
	if (age >= h->count)
		return NAN;
	return (double)h->values[(h->next + HISTORY_LEN - 1 - age) % HISTORY_LEN];
}

void history_set_init(struct history_set *s)
{
	*s = (struct history_set){0};
	map_init(&s->map);
}

static void history_drop(struct history_set *s, struct history *h)
{
	map_remove(&s->map, &h->node);
	free(h->name);
	free(h);
}

void history_set_fini(struct history_set *s)
{
	struct history *h;

	MAP_FOREACH (&s->map, h, struct history, node)
		history_drop(s, h);
	map_fini(&s->map);
}

struct history *history_get(struct history_set *s, const char *name)
{
	struct map_node *node = map_get(&s->map, name, strlen(name));
	struct history *h = node ? CONTAINER_OF(node, struct history, node) : NULL;

	if (!h) {
		h = xcalloc(1, sizeof(*h));
		h->name = xstrdup(name);
		map_put(&s->map, &h->node, h->name, strlen(h->name));
	}
	h->used = s->round;
	return h;
}

void history_set_round(struct history_set *s)
{
	struct history *h;

	s->round++;
	MAP_FOREACH (&s->map, h, struct history, node)
		if (s->round - h->used > HISTORY_LEN)
			history_drop(s, h);
}
