/* The release of Apache Kafka whose tools, protocol and files this version reproduces: what
 * `kafka-topics --version` answers, because scripts choose flags by it. */
#ifndef KAVKA_CMD_VERSION_H
#define KAVKA_CMD_VERSION_H

#define KAFKA_VERSION "4.4.0"

#endif
