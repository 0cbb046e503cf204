/* Foreign bytes as a lz4 stream: must end in bytes within the bound, or in an error. */
#include "base/err.h"
#include "wire/compress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct compressor *c;
	volatile uint8_t sum = 0;
	struct slice out;

	if (!c)
		c = compressor_new();
	if (decompress_bytes(c, COMPRESSION_LZ4, data, len, 256 * 1024, &out) == 0) {
		assert(out.len <= 256 * 1024);
		for (size_t i = 0; i < out.len; i++)
			sum = (uint8_t)(sum + out.data[i]);
	}
	return 0;
}
