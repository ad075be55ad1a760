/* SPDX-License-Identifier: MIT */
/* Files that belong to this program: beside it in a build tree, or where both are installed. */
#ifndef VG_BESIDE_H
#define VG_BESIDE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The first of the `count` places, each relative to this program's folder, where access() finds a file of that mode and
 * whose path fits. False: there is none, and `path` is as it was.
 */
bool vg_beside_find(const char *const *places, size_t count, int mode, char *path, size_t size);

#endif
