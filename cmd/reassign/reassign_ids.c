/* Lists of brokers. */
#include "cmd/reassign/reassign_int.h"

#include <stdlib.h>
#include <string.h>

bool ids_have(struct ids ids, int32_t id)
{
	for (int32_t i = 0; i < ids.count; i++)
		if (ids.items[i] == id)
			return true;
	return false;
}

bool ids_same(struct ids a, struct ids b)
{
	for (int32_t i = 0; i < a.count && i < b.count; i++)
		if (a.items[i] != b.items[i])
			return false;
	return a.count == b.count;
}

void ids_add(struct ids *ids, int32_t id)
{
	if (!ids_have(*ids, id))
		ids->items[ids->count++] = id;
}

static int id_cmp(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;

	return x < y ? -1 : x > y;
}

void ids_sort(struct ids ids)
{
	if (ids.count > 1)
		qsort(ids.items, (size_t)ids.count, sizeof(*ids.items), id_cmp);
}

struct ids ids_without(struct arena *arena, struct ids a, struct ids b)
{
	struct ids left = {arena_array(arena, (size_t)a.count + 1, sizeof(int32_t)), 0};

	for (int32_t i = 0; i < a.count; i++)
		if (!ids_have(b, a.items[i]))
			left.items[left.count++] = a.items[i];
	return left;
}

const char *ids_text(struct arena *arena, struct ids ids)
{
	const char *text = "";

	for (int32_t i = 0; i < ids.count; i++)
		text = arena_printf(arena, "%s%s%d", text, i ? "," : "", ids.items[i]);
	return text;
}

int32_t ids_twice(struct ids ids)
{
	for (int32_t i = 0; i < ids.count; i++)
		if (ids_have((struct ids){ids.items, i}, ids.items[i]))
			return ids.items[i];
	return -1;
}

int ids_parse(struct arena *arena, const char *text, struct ids *out, struct err *err)
{
	int32_t twice;

	*out = (struct ids){arena_array(arena, strlen(text) + 2, sizeof(int32_t)), 0};
	for (bool more = true; more;) {
		size_t len = strcspn(text, ",");
		char *end;
		long id = strtol(text, &end, 10);

		if (end != text + len || len == 0 || id < 0 || id > INT32_MAX)
			return err_set(err, E_USAGE, "For input string: \"%.*s\"", (int)len, text);
		out->items[out->count++] = (int32_t)id;
		more = text[len] == ',';
		text += len + more;
	}
	twice = ids_twice(*out);
	if (twice >= 0)
		return err_set(err, E_USAGE, "Broker list contains duplicate entries: [%d]", twice);
	return 0;
}
