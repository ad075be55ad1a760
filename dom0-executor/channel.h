/* SPDX-License-Identifier: MIT */
/*
 * Where the executor's shared pages come from. The two kinds differ in nothing else: messages
 * (control.h), lanes and everything above are the same.
 */
#ifndef EX_CHANNEL_H
#define EX_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/bell.h"
#include "protocol/control.h"
#include "protocol/socket.h"

/* A share as the executor sees it. Owned by whoever called share_map. */
struct ex_share {
	uint32_t kind; /* enum vg_share_kind */
	void *base;    /* mapped read-write */
	size_t bytes;
	struct vg_bell bell; /* lanes */
	void *priv;          /* the channel's */
};

struct ex_channel;

struct ex_channel_ops {
	/*
	 * Maps the share that a VG_CTL_SHARE packet names. Ids, kind, page count and ring sizes have
	 * been checked against the limits; descriptors and grants have not. Takes the descriptors out of
	 * the packet (sets them to -1) that it keeps. Regions go to packet->msg.u.share.address exactly
	 * (MAP_FIXED_NOREPLACE in spirit: inside the arena that the executor has reserved with
	 * PROT_NONE) or not at all.
	 * 0; -ENXIO: the other side's grants or descriptors are no good; -EADDRINUSE; -ENOMEM; other.
	 * On an error `text` (VG_TEXT_MAX bytes) says what, for the guest's and the host's log.
	 */
	int (*share_map)(struct ex_channel *channel, struct vg_packet *packet,
			 struct ex_share *share, char *text);
	/* Unmaps and closes. May be called twice, and on a zeroed share. For regions the addresses go
	 * back to PROT_NONE. */
	void (*share_unmap)(struct ex_channel *channel, struct ex_share *share);
	void (*destroy)(struct ex_channel *channel);
};

struct ex_channel {
	const struct ex_channel_ops *ops;
	enum vg_channel_kind kind;
};

/* Called before privileges are dropped; each opens what needs them. NULL and errno on failure. */
struct ex_channel *ex_channel_local_new(void);
struct ex_channel *ex_channel_xen_new(uint32_t domid);

#endif
