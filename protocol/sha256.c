/* SPDX-License-Identifier: MIT */
/* SHA-256: see sha256.h. Names as in FIPS 180-4. */
#include "protocol/sha256.h"

#include <endian.h>
#include <string.h>

#include "protocol/bounds.h"

#define BLOCK 64u

static const uint32_t K[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2,
};

static uint32_t rotr(uint32_t x, unsigned int n)
{
	return x >> n | x << (32 - n);
}

static void schedule(uint32_t w[64], const uint8_t block[BLOCK])
{
	memcpy(w, block, BLOCK);
	for (int t = 0; t < 16; t++)
		w[t] = be32toh(w[t]);
	for (int t = 16; t < 64; t++) {
		uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
		uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;

		w[t] = w[t - 16] + s0 + w[t - 7] + s1;
	}
}

static void block_add(uint32_t state[8], const uint8_t block[BLOCK])
{
	uint32_t w[64], v[8];

	schedule(w, block);
	memcpy(v, state, sizeof(v));
	for (int t = 0; t < 64; t++) {
		uint32_t sum1 = rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25);
		uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t t1 = v[7] + sum1 + choice + K[t] + w[t];
		uint32_t sum0 = rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22);
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + sum0 + majority;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

void vg_sha256_start(struct vg_sha256 *sha)
{
	static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
					  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

	memset(sha, 0, sizeof(*sha));
	memcpy(sha->state, first, sizeof(first));
}

void vg_sha256_add(struct vg_sha256 *sha, const void *data, size_t size)
{
	const uint8_t *from = data;

	while (size) {
		size_t used = sha->bytes % BLOCK, n = vg_min(BLOCK - used, size);

		if (n == BLOCK) {
			block_add(sha->state, from);
		} else {
			memcpy(sha->block + used, from, n);
			if (used + n == BLOCK)
				block_add(sha->state, sha->block);
		}
		sha->bytes += n;
		from += n;
		size -= n;
	}
}

void vg_sha256_end(struct vg_sha256 *sha, uint8_t digest[VG_SHA256_SIZE])
{
	static const uint8_t padding[BLOCK] = {0x80};
	uint64_t bits = htobe64(sha->bytes * 8);

	vg_sha256_add(sha, padding, BLOCK - (sha->bytes + sizeof(bits)) % BLOCK);
	vg_sha256_add(sha, &bits, sizeof(bits));
	for (int i = 0; i < 8; i++) {
		uint32_t word = htobe32(sha->state[i]);

		memcpy(digest + 4 * (size_t)i, &word, sizeof(word));
	}
}

void vg_sha256(const void *data, size_t size, uint8_t digest[VG_SHA256_SIZE])
{
	struct vg_sha256 sha;

	vg_sha256_start(&sha);
	vg_sha256_add(&sha, data, size);
	vg_sha256_end(&sha, digest);
}
