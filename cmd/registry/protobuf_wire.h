/* The wire format of Protobuf: fields by number. Source: protobuf.dev encoding. */
#ifndef KAVKA_CMD_REGISTRY_PROTOBUF_WIRE_H
#define KAVKA_CMD_REGISTRY_PROTOBUF_WIRE_H

#include "base/buf.h"

#define PROTOBUF_NUMBER_MAX 536870911 /* 2^29 - 1 */

enum wire_type { WIRE_VARINT, WIRE_64, WIRE_LEN, WIRE_GROUP, WIRE_GROUP_END, WIRE_32 };

struct wire_field {
	uint32_t number;
	enum wire_type type;
	uint64_t value;     /* varint, 64, 32 */
	struct slice bytes; /* len */
	size_t order;       /* for the caller */
};

/* Read at *pos and go behind it. False: what stands there is none. Groups, gone since proto2, are
 * not read. */
bool wire_varint(const uint8_t **pos, const uint8_t *end, uint64_t *out);
bool wire_field(const uint8_t **pos, const uint8_t *end, struct wire_field *out);
/* Little-endian, `size` bytes. */
uint64_t wire_fixed(const uint8_t *p, size_t size);

#endif
