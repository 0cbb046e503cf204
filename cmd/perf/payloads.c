#include "cmd/perf/payloads.h"

#include "base/env.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Records are cut out of one long text at random places: letters drawn anew for each record would
 * cost more than sending it. It is far longer than a compressor's window. */
#define LETTERS_BYTES (4 * 1024 * 1024)
#define PAYLOAD_FILE_BYTES_MAX ((size_t)2 << 30)

void payloads_random(struct payloads *p, size_t size_bytes, uint64_t seed)
{
	*p = (struct payloads){.kind = PAYLOAD_RANDOM,
			       .size_bytes = size_bytes,
			       .len = MAX((size_t)LETTERS_BYTES, size_bytes * 2)};
	rng_init(&p->rng, seed);
	p->data = xmalloc(p->len);
	for (size_t i = 0; i < p->len; i++)
		p->data[i] = (char)('A' + rng_below(&p->rng, 26));
}

void payloads_counter(struct payloads *p)
{
	*p = (struct payloads){.kind = PAYLOAD_COUNTER};
}

void payloads_fini(struct payloads *p)
{
	free(p->data);
	free(p->items);
	*p = (struct payloads){0};
}

static void payloads_add(struct payloads *p, const char *data, size_t len)
{
	p->items = grow_array(p->items, p->count, &p->cap, sizeof(*p->items));
	p->items[p->count++] = (struct str){data, len};
}

int payloads_file(struct payloads *p, const char *path, const char *delimiter, uint64_t seed,
		  struct err *err)
{
	size_t delimiter_len = strlen(delimiter), start = 0;
	struct env env;
	int rc;

	*p = (struct payloads){.kind = PAYLOAD_FILE};
	rng_init(&p->rng, seed);
	env_posix_init(&env);
	rc = env_read_file(&env, path, PAYLOAD_FILE_BYTES_MAX, &p->data, &p->len);
	if (rc < 0)
		return err_sys(err, rc, "%s", path);
	for (size_t i = 0; i < p->len && delimiter_len > 0; i++) {
		if (p->len - i < delimiter_len ||
		    memcmp(p->data + i, delimiter, delimiter_len) != 0)
			continue;
		payloads_add(p, p->data + start, i - start);
		start = i + delimiter_len;
		i = start - 1;
	}
	if (start < p->len)
		payloads_add(p, p->data + start, p->len - start);
	if (p->count == 0)
		return err_set(err, E_INVALID, "%s is empty", path);
	return 0;
}

struct slice payloads_next(struct payloads *p, int64_t n)
{
	const struct str *item;
	size_t pos;

	switch (p->kind) {
	case PAYLOAD_RANDOM:
		pos = (size_t)rng_below(&p->rng, p->len - p->size_bytes + 1);
		return (struct slice){.data = (const uint8_t *)p->data + pos, .len = p->size_bytes};
	case PAYLOAD_FILE:
		item = &p->items[rng_below(&p->rng, p->count)];
		return (struct slice){.data = (const uint8_t *)item->data, .len = item->len};
	case PAYLOAD_COUNTER: break;
	}
	return (struct slice){.data = (const uint8_t *)p->number,
			      .len = (size_t)snprintf(p->number, sizeof(p->number), "%" PRId64, n)};
}
