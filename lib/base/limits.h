/* Bounds of queues, caches and loops over foreign data that are not configs: name, unit, reason. */
#ifndef KAVKA_BASE_LIMITS_H
#define KAVKA_BASE_LIMITS_H

/* A properties file: far above any real one, small enough to read whole. */
#define PROPS_FILE_BYTES_MAX (4 * 1024 * 1024)

/* One message encoded by us, without the records it refers to (Kafka's frames end at 2 GiB). */
#define MESSAGE_BYTES_MAX (512 * 1024 * 1024)

/* A response frame that a client accepts, above fetch.max.bytes and any metadata response. */
#define RESPONSE_FRAME_BYTES_MAX (1024 * 1024 * 1024)

/* Decompressed size of one record batch, unless a config says less: a bomb ends here. */
#define BATCH_DECOMPRESSED_BYTES_MAX (256 * 1024 * 1024)

#endif
