/* Foreign bytes as a properties file: must end in keys with values that can be looked up again,
 * or in an error. What was read, written plainly, must read as the same. */
#include <string.h>

#include "base/check.h"
#include "base/props.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Each key occurs once, has the value that a lookup gives, and names a line of the text. */
static void check_items(const struct props *p, unsigned line_count)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct prop *item = &p->items[i];

		assert(item->key && item->value);
		assert(props_get(p, item->key) == item->value);
		assert(item->line >= 1 && item->line <= line_count);
		assert(!item->used);
	}
}

/* Sets the same pairs in a second set, by the other door. */
static void check_set(const struct props *p)
{
	struct props again;

	props_init(&again);
	for (size_t i = 0; i < p->count; i++)
		props_set(&again, p->items[i].key, p->items[i].value);
	assert(again.count == p->count);
	for (size_t i = 0; i < p->count; i++) {
		assert(strcmp(again.items[i].key, p->items[i].key) == 0);
		assert(strcmp(again.items[i].value, p->items[i].value) == 0);
	}
	props_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	unsigned line_count = 1;
	struct props p;
	struct err err = {0};

	for (size_t i = 0; i < len; i++)
		line_count += data[i] == '\n' || data[i] == '\r';
	props_init(&p);
	if (props_parse(&p, (const char *)data, len, &err) == 0) {
		check_items(&p, line_count);
		check_set(&p);
	} else {
		assert(err.code < 0 && err.text[0]);
	}
	props_fini(&p);
	return 0;
}
