/* Foreign bytes as a record set: parse, check, decompress, walk the records and headers. */
#include "base/err.h"
#include "wire/batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void walk(const struct batch *b, struct compressor *c)
{
	struct record_iter it;
	struct record r;
	volatile uint8_t sum = 0;

	if (record_iter_init(&it, b, c, 1024 * 1024) < 0)
		return;
	while (record_next(&it, &r) > 0) {
		struct record_header header;
		const uint8_t *pos = NULL;
		enum control_type type;
		int32_t epoch;

		for (size_t i = 0; i < r.value.len; i++)
			sum = (uint8_t)(sum + r.value.data[i]);
		for (size_t i = 0; i < r.key.len; i++)
			sum = (uint8_t)(sum + r.key.data[i]);
		while (record_header_next(&r, &pos, &header))
			sum = (uint8_t)(sum + header.key.len + header.value.len);
		if (batch_is_control(b))
			(void)!control_marker_parse(&r, &type, &epoch);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct compressor *c;
	struct batch b;
	int rc;

	if (!c)
		c = compressor_new();
	while ((rc = batch_next(&b, &data, &len)) > 0 || rc == E_UNSUPPORTED) {
		struct slice again;

		if (rc == E_UNSUPPORTED)
			continue;
		(void)batch_crc_ok(&b);
		walk(&b, c);
		if (batch_recompress(&b, COMPRESSION_NONE, 0, c, 1024 * 1024, &again) == 0) {
			struct batch back;

			rc = batch_parse(&back, again.data, again.len);
			assert(rc == 0 && batch_crc_ok(&back));
			assert(back.record_count == b.record_count);
			slice_unref(&again);
		}
	}
	return 0;
}
