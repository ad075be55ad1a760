/* SPDX-License-Identifier: MIT */
/*
 * Granted pages and event channels: the only place of the guest's side that opens
 * /dev/xen/gntalloc and /dev/xen/evtchn.
 * Every allocation has a descriptor of its own, so that it can be handed to a client and ends with it.
 */
#ifndef FE_GRANTS_H
#define FE_GRANTS_H

#include <stdint.h>

#include "protocol/bell.h"

/* Pages granted to a backend. */
struct fe_grant {
	int fd;          /* gntalloc; -1: none */
	uint64_t offset; /* of the first page, for mmap() */
	uint32_t pages;
	uint32_t *refs; /* one a page; owned */
};

#define FE_GRANT_NONE ((struct fe_grant){.fd = -1})

/*
 * Allocates zeroed pages and grants them, writable, to `domid`. When the kernel's limit on gntalloc's pages
 * (in the whole guest) is in the way it is raised, up to `limit_max`. 0 or a negative errno;
 * -ENOSPC: there are no more pages or grants to be had.
 */
int fe_grant_alloc(struct fe_grant *grant, uint32_t domid, uint32_t pages, uint32_t limit_max);
/* Maps `pages` pages from page `first` on for writing; NULL and errno. The caller unmaps. */
void *fe_grant_map(const struct fe_grant *grant, uint32_t first, uint32_t pages);
/* When the pages' last user in this guest goes, its kernel clears the byte at `offset` and rings. */
int fe_grant_notify(const struct fe_grant *grant, uint32_t offset, uint32_t port);
/* Ends our use. The pages live on while somebody else holds the descriptor or a mapping. */
void fe_grant_free(struct fe_grant *grant);

/*
 * A new event channel, alone on its descriptor, which can do nothing but use it: `bell`
 * owns that. `port`: what the backend binds to. 0 or a negative errno.
 */
int fe_port_bind(struct vg_bell *bell, uint32_t *port, uint32_t domid);

#endif
