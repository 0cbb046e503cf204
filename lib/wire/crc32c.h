/* CRC-32C (Castagnoli), as record batches and producer snapshots have it: initial value and final
 * xor 0xffffffff, reflected. ISA-L does the work, at tens of gigabytes a second. */
#ifndef KAVKA_WIRE_CRC32C_H
#define KAVKA_WIRE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *data, size_t len);

/* Goes on from the checksum of the bytes before: crc32c(ab) == crc32c_more(crc32c(a), b). The
 * checksum of nothing is 0. */
uint32_t crc32c_more(uint32_t crc, const void *data, size_t len);

#endif
