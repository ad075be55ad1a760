/* SPDX-License-Identifier: MIT */
/*
 * MD2 (RFC 1319) and HMAC (RFC 2104) over it. MD2 is no longer secure, and no library that is still
 * maintained has it enabled; it serves integrity.c's checksum, which is no secret.
 */
#ifndef VG_MD2_H
#define VG_MD2_H

#include <stddef.h>
#include <stdint.h>

#define VG_MD2_SIZE 16

struct vg_md2 {
	uint8_t state[48];
	uint8_t checksum[16];
	uint8_t block[16];
	size_t used; /* bytes in block */
};

void vg_md2_start(struct vg_md2 *md2);
void vg_md2_add(struct vg_md2 *md2, const void *data, size_t size);
void vg_md2_end(struct vg_md2 *md2, uint8_t digest[VG_MD2_SIZE]);

/* An HMAC in progress: its inner hash, and the key for the outer one. Keys of up to 16 bytes. */
struct vg_hmac_md2 {
	struct vg_md2 inner;
	uint8_t key[16];
};

void vg_hmac_md2_start(struct vg_hmac_md2 *hmac, const void *key, size_t size);
void vg_hmac_md2_add(struct vg_hmac_md2 *hmac, const void *data, size_t size);
void vg_hmac_md2_end(struct vg_hmac_md2 *hmac, uint8_t digest[VG_MD2_SIZE]);

#endif
