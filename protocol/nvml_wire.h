/* SPDX-License-Identifier: MIT */
/*
 * How an NVML call travels: as the two byte strings of one vgNvml (cuda.api).
 *
 *   there  struct vg_nvml_ask, then the call's parts in the order of its arguments: devices as indices of
 *          4 bytes, values, structures, struct vg_nvml_list for a list, the length of a text
 *   back   struct vg_nvml_answer, then, if its result is NVML_SUCCESS or NVML_ERROR_INSUFFICIENT_SIZE, the
 *          outputs in the order of the arguments; a list is struct vg_nvml_list and its elements
 *
 * Each part is padded to 8 bytes with zeros. Which parts a call has is in nvml.api.
 */
#ifndef VG_NVML_WIRE_H
#define VG_NVML_WIRE_H

#include <stdint.h>

struct vg_nvml_ask {
	uint64_t hash; /* VG_NVML_HASH of the sender */
	uint32_t op;   /* enum vg_nvml_op */
	uint32_t pad;
};

struct vg_nvml_answer {
	int32_t result; /* nvmlReturn_t */
	uint32_t pad;
};

struct vg_nvml_list {
	uint32_t count; /* there: room for so many; back: so many there are */
	uint32_t items; /* there: 0 if only the count is wanted; back: elements that follow */
};

/* Bounds on the two strings, and on one text. */
#define VG_NVML_ASK_MAX    (16u * 1024)
#define VG_NVML_ANSWER_MAX (32u * 1024)
#define VG_NVML_ROOM_MAX   2048u

#endif
