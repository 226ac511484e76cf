/*
 * crc32c: Castagnoli CRC (RFC 3720, B.4). Pure; any thread.
 *
 *	uint32_t crc = crc32c(0, bytes, n);      // crc32c(crc, more, m) goes on
 */
#ifndef RECORDING_CRC32C_H
#define RECORDING_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n);

#endif
