/* SPDX-License-Identifier: MIT */
/*
 * The two ways in which a client comes to the pages of a share; chosen by vg_limits.channel.
 * Private to channel*.c.
 */
#ifndef FE_CHANNEL_PAGES_H
#define FE_CHANNEL_PAGES_H

#include "channel.h"

struct fe_pages_ops { /* NULL: there is nothing to do */
	/* Before SHARE is sent: puts into `packet` what the other side needs. The packet's
	 * descriptors belong to the caller. */
	int (*offer)(const struct vg_control_share *want, struct fe_share *share,
		     struct vg_packet *packet, char *text);
	/* After SHARE has been granted: takes what came with the answer. */
	int (*take)(const struct vg_control_share *want, struct fe_share *share,
		    struct vg_packet *answer, char *text);
};

extern const struct fe_pages_ops fe_pages_local;
extern const struct fe_pages_ops fe_pages_xen;

/* Maps the pages of `fd` where the share wants them, not inherited over fork. */
int fe_pages_map(const struct vg_control_share *want, struct fe_share *share, int fd,
		 uint64_t offset);
/* Unmaps and closes; a region's addresses go back to PROT_NONE. May be called twice. */
void fe_pages_discard(struct fe_share *share);

__attribute__((format(printf, 2, 3))) void fe_text(char *text, const char *format, ...);

#endif
