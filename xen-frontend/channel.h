/* SPDX-License-Identifier: MIT */
/*
 * The client's way to a device: a socket to whoever serves it (vgpu-frontd in a Xen guest, the
 * executor itself on the local channel) and shared pages. Used under libcuda's session lock.
 */
#ifndef FE_CHANNEL_H
#define FE_CHANNEL_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/bell.h"
#include "protocol/control.h"
#include "protocol/socket.h"

/* Where vgpu-frontd listens unless VGPU_SOCKET says otherwise. VGPU_DEVICE=N[,M...] asks for these vGPUs
 * of the guest and no others. Both are ignored in set-user-id programs. */
#define FE_SOCKET_DEFAULT "/run/vgpu/frontd.sock"

struct fe_share {
	uint32_t id;
	uint32_t kind; /* enum vg_share_kind */
	void *base;    /* mapped read-write, zeroed pages */
	size_t bytes;
	struct vg_bell bell; /* lanes */
	uint64_t at;         /* regions: where it is mapped first */
};

struct fe_channel {
	int sock; /* EOF: the session is lost */
	uint32_t tag;
	struct vg_limits limits;
	uint32_t jit; /* VG_JIT_*: as the session was opened */
};

#define FE_CHANNEL_NONE ((struct fe_channel){.sock = -1})

/*
 * Connects and opens a session. 0 or a negative errno: -ENOENT: nobody listens (no device is
 * attached, or its service does not run), -EACCES: this user may not, -EPROTO: versions differ,
 * -ENODEV: no device; text (VG_TEXT_MAX bytes) says what and what to do about it.
 */
int fe_channel_open(struct fe_channel *channel, uint64_t spec_hash, char *text);
/* Says goodbye without waiting. In a forked child close(channel->sock) is right instead. */
void fe_channel_close(struct fe_channel *channel);

/*
 * To be called when the socket has become readable outside of a request (VG_BELL_LIFE): 0 when
 * the session lives, -EPIPE when it has ended; text then says why.
 */
int fe_channel_check(struct fe_channel *channel, char *text);

/*
 * Makes a share of `pages` pages. Regions are mapped at `address` (the caller has it reserved with
 * PROT_NONE and this replaces it). 0 or a negative errno: -ENOSPC or -ENOMEM: no more pages are to be had, which the
 * caller must be able to live with; -EPIPE: the session is lost.
 */
int fe_channel_share(struct fe_channel *channel, const struct vg_control_share *want,
		     struct fe_share *share, char *text);
/*
 * The same for a region that is at `at` on this side, reserved by the caller, to be moved from there to
 * want->address: memory that the program has already (libcuda's host_register.c).
 */
int fe_channel_share_at(struct fe_channel *channel, const struct vg_control_share *want,
			uint64_t at, struct fe_share *share, char *text);
/* Unmaps here first when the executor's answer says that it has let go. Regions' addresses go back
 * to PROT_NONE. */
int fe_channel_unshare(struct fe_channel *channel, struct fe_share *share);

#endif
