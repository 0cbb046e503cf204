/* Answers of the broker as errors of a run: the broker's own words, and Java's class names, for
 * which scripts look in the output of Apache's tools. */
#ifndef KAVKA_CMD_KAFKA_ERROR_H
#define KAVKA_CMD_KAFKA_ERROR_H

#include "base/buf.h"
#include "base/err.h"

/* What an error code means, in the words that Apache's tools print where scripts look for them. */
const char *kafka_error_sentence(int kafka_error);
/* Sets E_KAFKA with the broker's message, or the table's sentence if that is null. Returns it. */
int kafka_error_set(struct err *err, int kafka_error, struct str message);

/* "org.apache.kafka.common.errors.TopicExistsException" */
#define EXCEPTION_TEXT_MAX 128
const char *kafka_exception(int kafka_error, char text[EXCEPTION_TEXT_MAX]);
/* The same for any error of a run; NULL where Apache has no class of its own. */
const char *err_exception(const struct err *err, char text[EXCEPTION_TEXT_MAX]);

#endif
