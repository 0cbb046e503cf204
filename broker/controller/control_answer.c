/* What answers say, whatever the API. */
#include "controller/control.h"
#include "wire/codec.h"

/* Whether an error code anywhere in there is `error`. */
static bool has_error(const struct wire_struct *s, const void *ptr, enum kafka_error error)
{
	for (unsigned i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];
		const char *at = wire_at(f, ptr);
		int32_t count = 1;

		if (f->type == WIRE_INT16 && !(f->flags & WIRE_ARRAY) &&
		    strcmp(f->name, "ErrorCode") == 0 &&
		    *(const int16_t *)(const void *)at == error)
			return true;
		if (f->type != WIRE_STRUCT)
			continue;
		if (f->flags & WIRE_ARRAY)
			count = wire_count(f, ptr);
		if (f->flags & (WIRE_ARRAY | WIRE_POINTER))
			at = *(const char *const *)(const void *)at;
		for (int32_t j = 0; at && j < count; j++)
			if (has_error(f->child, at + (size_t)j * f->child->size, error))
				return true;
	}
	return false;
}

bool control_response_has_error(const struct message_desc *m, const void *response,
				enum kafka_error error)
{
	return has_error(m->body, response, error);
}
