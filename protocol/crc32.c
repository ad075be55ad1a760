/* SPDX-License-Identifier: MIT */
/* CRC-32 by half bytes: the table is small, and whoever wants sums does not count nanoseconds. */
#include "protocol/crc32.h"

/* Of 0 to 15 by the reflected polynomial 0xedb88320. */
static const uint32_t table[16] = {
	0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
	0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
	0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
};

uint32_t vg_crc32(uint32_t sum, const void *data, size_t size)
{
	const uint8_t *at = data;

	sum = ~sum;
	while (size--) {
		sum ^= *at++;
		sum = sum >> 4 ^ table[sum & 15];
		sum = sum >> 4 ^ table[sum & 15];
	}
	return ~sum;
}
