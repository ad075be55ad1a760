/* SPDX-License-Identifier: MIT */
/*
 * MD2 (RFC 1319) and HMAC (RFC 2104) over it. MD2 is no longer secure, and no library that is still
 * maintained has it enabled; it serves integrity.c's checksum, which is no secret.
 */
#ifndef FE_MD2_H
#define FE_MD2_H

#include <stddef.h>
#include <stdint.h>

#define FE_MD2_SIZE 16

struct fe_md2 {
	uint8_t state[48];
	uint8_t checksum[16];
	uint8_t block[16];
	size_t used; /* bytes in block */
};

void fe_md2_start(struct fe_md2 *md2);
void fe_md2_add(struct fe_md2 *md2, const void *data, size_t size);
void fe_md2_end(struct fe_md2 *md2, uint8_t digest[FE_MD2_SIZE]);

/* An HMAC in progress: its inner hash, and the key for the outer one. Keys of up to 16 bytes. */
struct fe_hmac_md2 {
	struct fe_md2 inner;
	uint8_t key[16];
};

void fe_hmac_md2_start(struct fe_hmac_md2 *hmac, const void *key, size_t size);
void fe_hmac_md2_add(struct fe_hmac_md2 *hmac, const void *data, size_t size);
void fe_hmac_md2_end(struct fe_hmac_md2 *hmac, uint8_t digest[FE_MD2_SIZE]);

#endif
