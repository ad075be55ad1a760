/* SPDX-License-Identifier: MIT */
/*
 * CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER as NVIDIA's driver reads them (seen with driver 580): a list of
 * numbers, or of beginnings of UUIDs, that the first entry which fits nothing ends.
 */
#ifndef VG_VISIBLE_H
#define VG_VISIBLE_H

#include <stdbool.h>

#define VG_VISIBLE_MAX 64u /* devices that can be chosen from */
/* The driver takes no longer one from us; libcuda passes on so much of what a program has. */
#define VG_VISIBLE_TEXT 4096u

/*
 * Chooses from `count` devices, at most VG_VISIBLE_MAX, by a list (NULL: all of them). uuids: each one's
 * as text, GPU-... or MIG-...; NULL or a NULL in it: unknown, fits nothing. chosen: places in `uuids`,
 * in the order of the list. How many; -1: one was named twice, which makes cuInit fail.
 */
int vg_visible_choose(const char *list, const char *const *uuids, unsigned int count,
		      unsigned int *chosen);
/* No entry of the list is a UUID. */
bool vg_visible_numbers(const char *list);
/* CUDA_DEVICE_ORDER; NULL or empty: not set. False: it is none, which makes cuInit fail. */
bool vg_visible_order(const char *order, bool *by_bus);

#endif
