/* SPDX-License-Identifier: MIT */
/* CRC-32 as zlib, gzip and cksum -a crc32b have it (polynomial 0x04c11db7, reflected): tells buffers in logs apart, nothing more. */
#ifndef VG_CRC32_H
#define VG_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* sum: 0, or that of what came before. */
uint32_t vg_crc32(uint32_t sum, const void *data, size_t size);

#endif
