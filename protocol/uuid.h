/* SPDX-License-Identifier: MIT */
/* A GPU's UUID as text, as NVML and CUDA_VISIBLE_DEVICES have it: GPU- and 32 hexadecimal digits in five groups. */
#ifndef VG_UUID_H
#define VG_UUID_H

#include <stdint.h>
#include <stdio.h>

#define VG_UUID_BYTES 16
#define VG_UUID_TEXT  41 /* with its NUL */

static inline void vg_uuid_text(const void *uuid, char text[VG_UUID_TEXT])
{
	const uint8_t *bytes = uuid;
	size_t at = (size_t)snprintf(text, VG_UUID_TEXT, "GPU-");

	for (int i = 0; i < VG_UUID_BYTES; i++)
		at += (size_t)snprintf(text + at, VG_UUID_TEXT - at, "%s%02x",
				       i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
}

#endif
