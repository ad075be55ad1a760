/* SPDX-License-Identifier: MIT */
/*
 * SHA-256 (FIPS 180-4): names of what is kept in the guest's compute cache, and whether a file there is
 * whole. Written here since the guest's library needs nothing but libc.
 */
#ifndef VG_SHA256_H
#define VG_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define VG_SHA256_SIZE 32

struct vg_sha256 {
	uint32_t state[8];
	uint64_t bytes; /* added so far */
	uint8_t block[64];
};

void vg_sha256_start(struct vg_sha256 *sha);
void vg_sha256_add(struct vg_sha256 *sha, const void *data, size_t size);
void vg_sha256_end(struct vg_sha256 *sha, uint8_t digest[VG_SHA256_SIZE]);

/* All at once. */
void vg_sha256(const void *data, size_t size, uint8_t digest[VG_SHA256_SIZE]);

#endif
