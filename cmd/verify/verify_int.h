/* Inside `verify`: events, one JSON object a line, that begin with the time and their name. */
#ifndef KAVKA_CMD_VERIFY_INT_H
#define KAVKA_CMD_VERIFY_INT_H

#include "cmd/command.h"
#include "cmd/json_out.h"

extern const struct command cmd_verify_produce, cmd_verify_consume;

/* {"timestamp":...,"name":NAME; the caller adds members. */
void event_open(struct json_out *j, const char *name);
/* Ends the line and writes it out: whoever reads these lines acts upon them. */
void event_close(struct json_out *j);
/* One without members. */
void event(const char *name);

#endif
