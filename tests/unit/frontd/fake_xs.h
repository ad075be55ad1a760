/* SPDX-License-Identifier: MIT */
/*
 * A xenstore in memory behind libxenstore's functions, for domain 3. Watches fire as xenstored's
 * do: once when set, then for every change at or below their path.
 */
#ifndef FAKE_XS_H
#define FAKE_XS_H

void fake_xs_reset(void);
/* Absolute paths. get: NULL when there is no such node; valid until the next change. */
void fake_xs_set(const char *path, const char *value);
const char *fake_xs_get(const char *path);
/* The node and all below it. */
void fake_xs_remove(const char *path);
int fake_xs_watches(void);

#endif
