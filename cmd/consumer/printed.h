/* What of the handed out records has left this process: stdout is written in blocks, and its reader
 * may go away in the middle of one. Then the positions go back to the first record that was not
 * written out whole, so that what the group commits is what somebody could read. */
#ifndef KAVKA_CMD_CONSUMER_PRINTED_H
#define KAVKA_CMD_CONSUMER_PRINTED_H

#include "client/consumer.h"

struct printed_record {
	uint64_t end; /* bytes of output up to here */
	int64_t offset;
	uint32_t part;
};

struct printed_part {
	char *topic;
	int32_t partition;
};

struct printed {
	struct printed_record *records; /* since the last flush */
	size_t count, cap;
	struct printed_part *parts;
	size_t part_count, part_cap;
	uint32_t part; /* of the batch at hand */
};

void printed_fini(struct printed *p);
/* The records that follow are of this partition. */
void printed_begin(struct printed *p, struct str topic, int32_t partition);
/* The record at this offset was handed to print.h. */
void printed_add(struct printed *p, int64_t offset);
/* Writes out what is held. 0, or the -errno of print_flush(): then `k` was sent back. */
int printed_flush(struct printed *p, struct consumer *k);

#endif
