/* What the TAB key knows at the producer's prompts: topics of the cluster; keys and header names
 * that were typed before; the fields of a JSON record. Where TAB is a separator of the lines it
 * stays one. */
#ifndef KAVKA_CMD_COMPLETER_H
#define KAVKA_CMD_COMPLETER_H

#include "cmd/producer/record_maker.h"
#include "cmd/prompt.h"

#include "base/map.h"

#include <stdbool.h>

/* Words kept of each kind. */
#define COMPLETER_WORDS_MAX 2000

struct completer {
	const struct record_maker *maker; /* what lines look like */
	struct map topics, keys, headers;
};

void completer_init(struct completer *c, const struct record_maker *maker);
void completer_fini(struct completer *c);

void completer_add_topic(struct completer *c, struct str topic);

/* For prompt_options: `ctx` is the completer. */
size_t completer_topics(void *ctx, struct str line, struct prompt_words *words);
size_t completer_record(void *ctx, struct str line, struct prompt_words *words);
/* A line that was typed: its key and header names are offered later. */
void completer_learn(void *ctx, struct str line);

#endif
