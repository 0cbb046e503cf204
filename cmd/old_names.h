/* Names that only scripts and tutorials of older releases call: `kafka-run-class CLASS ...`, which
 * starts the tool of that class, and ZooKeeper's, which are told what to do instead. */
#ifndef KAVKA_CMD_OLD_NAMES_H
#define KAVKA_CMD_OLD_NAMES_H

#include "cmd/command.h"

enum old_name {
	OLD_NAME_NONE,		/* none of these */
	OLD_NAME_COMMAND,	/* *command, with the arguments behind the first */
	OLD_NAME_TOLD,		/* a line was printed: it failed */
};

/* `first`: the first argument, or NULL. */
enum old_name old_name_find(const char *name, const char *first, const struct command **command);

#endif
