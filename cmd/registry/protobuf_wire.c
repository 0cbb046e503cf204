#include "cmd/registry/protobuf_wire.h"

bool wire_varint(const uint8_t **pos, const uint8_t *end, uint64_t *out)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 70 && *pos < end; shift += 7) {
		uint8_t byte = *(*pos)++;

		v |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
		if (!(byte & 0x80)) {
			*out = v;
			return true;
		}
	}
	return false;
}

uint64_t wire_fixed(const uint8_t *p, size_t size)
{
	uint64_t v = 0;

	for (size_t i = 0; i < size; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

bool wire_field(const uint8_t **pos, const uint8_t *end, struct wire_field *f)
{
	uint64_t tag, len;
	size_t size;

	if (!wire_varint(pos, end, &tag) || tag >> 3 == 0 || tag >> 3 > PROTOBUF_NUMBER_MAX)
		return false;
	*f = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = tag & 7};
	switch (f->type) {
	case WIRE_VARINT: return wire_varint(pos, end, &f->value);
	case WIRE_64:
	case WIRE_32:
		size = f->type == WIRE_64 ? 8 : 4;
		if ((size_t)(end - *pos) < size)
			return false;
		f->value = wire_fixed(*pos, size);
		*pos += size;
		return true;
	case WIRE_LEN:
		if (!wire_varint(pos, end, &len) || len > (size_t)(end - *pos))
			return false;
		f->bytes = (struct slice){.data = *pos, .len = (size_t)len};
		*pos += len;
		return true;
	default: return false;
	}
}
