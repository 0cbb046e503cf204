/* The broker's loggers as the BROKER_LOGGER resource shows them: one, "root", whose level is that
 * of all log lines of the process. The levels of Kafka's clients are TRACE, DEBUG, INFO, WARN,
 * ERROR, FATAL; the outer ones count as their neighbours. Not kept over a restart, as in Kafka.
 * Source: core/src/main/scala/kafka/utils/LoggingController.scala */
#ifndef KAVKA_BROKER_API_BROKER_LOGGER_H
#define KAVKA_BROKER_API_BROKER_LOGGER_H

#include "base/buf.h"
#include "base/err.h"

#define BROKER_LOGGER_COUNT 1

/* Any thread. Name and level of logger `index`. */
void broker_logger_get(unsigned index, struct str *name, struct str *level);

enum broker_logger_op { LOGGER_SET, LOGGER_DELETE, LOGGER_APPEND, LOGGER_SUBTRACT };

/* Checks one change. E_NOT_FOUND (no such logger), E_INVALID (no such level), E_USAGE (an operation
 * that loggers do not have), with Kafka's text. */
MUST_USE int broker_logger_check(struct str name, int8_t op, struct str level, struct err *err);
/* Any thread. Makes a change that was checked. */
void broker_logger_set(struct str name, struct str level);

#endif
