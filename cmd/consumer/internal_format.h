/* Records of Kafka's internal topics as JSON, as the console consumer's formatters print them. */
#ifndef KAVKA_CMD_INTERNAL_FORMAT_H
#define KAVKA_CMD_INTERNAL_FORMAT_H

#include "cmd/consumer/formatter.h"

/* Prints {"key":{"type":1,"data":{...}},"value":{"version":4,"data":{...}}} if the record is of a
 * type that this kind of formatter shows, else nothing. 0, or E_MALFORMED. */
MUST_USE int internal_format(const struct formatter *f, const struct record *r, struct err *err);

#endif
