/* Records of __remote_log_metadata in the words of Apache Kafka's toString(). */
#ifndef KAVKA_CMD_REMOTE_TEXT_H
#define KAVKA_CMD_REMOTE_TEXT_H

#include "wire/codec.h"

/* Appends the record `msg`, which `m` (of the family RECORDS_STORAGE) describes. */
void remote_text(struct out *out, const struct message_desc *m, const void *msg);

#endif
