/* SPDX-License-Identifier: MIT */
/*
 * Configuration files of the services: lines of NAME = VALUE, comments behind #. Whoever reads one
 * is root, whoever wrote it as well; a mistake gets a message with the file and the line.
 */
#ifndef VG_CONF_H
#define VG_CONF_H

#include <stdbool.h>
#include <stddef.h>

#define VG_CONF_WHY 512

/* Takes one setting. 0, or a negative errno with a message in `why` (VG_CONF_WHY bytes). */
typedef int (*vg_conf_set)(void *context, const char *name, const char *value, char *why);

/*
 * Hands each line's name and value to `set`, up to the first that it refuses. A missing file is
 * an error only when `required`. 0, or a negative errno with a message in `why`.
 */
int vg_conf_read(const char *path, bool required, vg_conf_set set, void *context, char *why);

/* A value that is `yes` or `no`. 0 or -EINVAL. */
int vg_conf_yes(const char *value, bool *yes);

#endif
