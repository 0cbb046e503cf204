/* Shared by decode.c, encode.c and json.c only: where in a message we are, for error texts. */
#ifndef KAVKA_WIRE_CODEC_INT_H
#define KAVKA_WIRE_CODEC_INT_H

#include "wire/codec.h"

struct wire_path {
	const struct message_desc *message;
	int16_t version;
	int depth;	/* of steps; one for each field that we are inside of */
	struct {
		const struct wire_field *field;
		int32_t index;	/* of the element, -1: not in an array */
	} steps[WIRE_DEPTH_MAX + 2];
};

#define NO_POS ((size_t)-1)

/* Sets err to "MESSAGE vN: PATH at byte POS: WHAT"; returns `code`. */
int wire_path_fail(const struct wire_path *path, size_t pos, struct err *err, int code,
		   const char *what);

static inline void wire_path_enter(struct wire_path *path, const struct wire_field *field)
{
	assert_slow(path->depth < (int)ARRAY_LEN(path->steps));
	path->steps[path->depth].field = field;
	path->steps[path->depth].index = -1;
	path->depth++;
}

/* Sets one field to its default. A nullable struct becomes NULL whatever its default is. */
void wire_preset(const struct wire_field *f, void *ptr);

/* The bytes of an empty string, bytes or records value. */
extern const uint8_t wire_empty[1];

static inline bool wire_flexible(const struct message_desc *m, int16_t version)
{
	return m->flexible_since != WIRE_VERSION_MAX && version >= m->flexible_since;
}

#endif
