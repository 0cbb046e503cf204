/* Records of a response that stay in their segment file until they are sent. */
#include "api/request.h"

/* Never touched: its address marks a slice whose `data` is a struct file_range. */
static struct buf file_slice_mark;

struct slice request_file_slice(struct arena *arena, const struct file_range *range)
{
	if (range->len == 0)
		return (struct slice){.data = (const uint8_t *)"", .len = 0};
	return (struct slice){
		.buf = &file_slice_mark,
		.data = arena_memdup(arena, range, sizeof(*range)),
		.len = range->len,
	};
}

bool request_slice_is_file(struct slice slice, struct file_range *range)
{
	if (slice.buf != &file_slice_mark)
		return false;
	*range = *(const struct file_range *)(const void *)slice.data;
	return true;
}
