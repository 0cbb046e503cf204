#include "cmd/consumer/printed.h"
#include "cmd/print.h"

#include "base/mem.h"

#include <stdlib.h>

/* So many records are remembered before those that left are forgotten. */
#define PRINTED_RECORDS 8192

void printed_fini(struct printed *p)
{
	for (size_t i = 0; i < p->part_count; i++)
		free(p->parts[i].topic);
	free(p->parts);
	free(p->records);
	*p = (struct printed){0};
}

void printed_begin(struct printed *p, struct str topic, int32_t partition)
{
	for (size_t n = 0; n < p->part_count; n++) {
		size_t i = (p->part + n) % p->part_count;

		if (p->parts[i].partition == partition && str_is(topic, p->parts[i].topic)) {
			p->part = (uint32_t)i;
			return;
		}
	}
	p->parts = grow_array(p->parts, p->part_count, &p->part_cap, sizeof(*p->parts));
	p->part = (uint32_t)p->part_count;
	p->parts[p->part_count++] = (struct printed_part){.topic = xstrndup(topic.data, topic.len),
							  .partition = partition};
}

static void printed_forget(struct printed *p)
{
	uint64_t written = print_written();
	size_t kept = 0;

	for (size_t i = 0; i < p->count; i++)
		if (p->records[i].end > written)
			p->records[kept++] = p->records[i];
	p->count = kept;
}

void printed_add(struct printed *p, int64_t offset)
{
	if (p->count >= PRINTED_RECORDS && p->count == p->cap)
		printed_forget(p);
	p->records = grow_array(p->records, p->count, &p->cap, sizeof(*p->records));
	p->records[p->count++] = (struct printed_record){
		/* The failure fell into this record: some of its bytes are lost. */
		.end = print_failed() < 0 ? UINT64_MAX : print_written() + print_held(),
		.offset = offset,
		.part = p->part,
	};
}

/* Behind the last record that left, in each partition. */
static void printed_send_back(struct printed *p, struct consumer *k)
{
	uint64_t written = print_written();

	for (size_t i = p->count; i-- > 0;) {
		const struct printed_record *r = &p->records[i];
		const struct printed_part *part = &p->parts[r->part];

		/* From the last to the first: the first one that did not leave stays. Not ours any
		 * more: its new owner begins where we committed. */
		if (r->end > written &&
		    consumer_seek(k, str_of(part->topic), part->partition, r->offset) < 0)
			continue;
	}
}

int printed_flush(struct printed *p, struct consumer *k)
{
	int rc = print_flush();

	if (rc < 0)
		printed_send_back(p, k);
	p->count = 0;
	return rc;
}
