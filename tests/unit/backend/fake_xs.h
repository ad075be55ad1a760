/* SPDX-License-Identifier: MIT */
/*
 * A xenstore in memory behind libxenstore's functions, for both ends: directories, watches that
 * fire as xenstored's do, transactions that can be made to conflict, domains that come and go.
 */
#ifndef FAKE_XS_H
#define FAKE_XS_H

#include <stdbool.h>

void fake_xs_reset(void);
/* Where paths without a slash in front begin, ending in one; dom0's at first. Others may not watch @... nor ask for domains. */
void fake_xs_home(const char *path);
/* NULL when there is no such node; valid until the next change. */
const char *fake_xs_get(const char *path);
void fake_xs_set(const char *path, const char *value);
/* What was last set, as in "n0,r3"; "" when nothing was. */
const char *fake_xs_perms(const char *path);
/* The node and all below it. */
void fake_xs_remove(const char *path);
/* A domain is there from now on, with its home directory, or has gone with it. Fires @introduceDomain, @releaseDomain. */
void fake_xs_domain(unsigned int domid, bool now);
int fake_xs_watches(void);
int fake_xs_nodes(void);
/* The next `count` commits fail with EAGAIN. */
void fake_xs_conflicts(int count);
/* Called after each commit, as a daemon that is there at once would be; NULL: nobody. */
void fake_xs_on_commit(void (*hook)(void));
/* How often xs_open() was called since the reset. */
int fake_xs_opens(void);

/* While it is silent, xs_get_domain_path() waits; that alone may be called by another thread. */
void fake_xs_silent(bool silent);

#endif
