/* SPDX-License-Identifier: MIT */
/*
 * Pages and bells of the local channel: a sealed memfd and two eventfds, made here and sent along with SHARE.
 * The executor maps only what cannot shrink under it. Threads: the caller's.
 */
#include "channel_pages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static int memfd_sealed(const char *name, size_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/* packet->fds: 1 wakes the executor, 2 wakes us; the share's bell gets its own copies. */
static int lane_bells(struct fe_share *share, struct vg_packet *packet)
{
	int ring, wait;

	for (int i = 1; i <= 2; i++) {
		packet->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (packet->fds[i] < 0)
			return -errno;
	}
	ring = fcntl(packet->fds[1], F_DUPFD_CLOEXEC, 0);
	wait = fcntl(packet->fds[2], F_DUPFD_CLOEXEC, 0);
	share->bell = vg_bell_local(ring, wait);
	return ring < 0 || wait < 0 ? -EMFILE : 0;
}

/* The lane's header must stand before the lane is announced. */
static void lane_announce(struct vg_lane_shared *lane)
{
	lane->magic = VG_LANE_MAGIC;
	lane->version = VG_PROTOCOL_VERSION;
	__atomic_store_n(&lane->guest_alive, 1, __ATOMIC_RELEASE);
}

static int local_offer(const struct vg_control_share *want, struct fe_share *share,
		       struct vg_packet *packet, char *text)
{
	int lane = want->kind == VG_SHARE_LANE;
	int rc;

	packet->fds[0] = memfd_sealed(lane ? "vgpu-lane" : "vgpu-region", share->bytes);
	rc = packet->fds[0] < 0 ? packet->fds[0] : 0;
	if (rc == 0)
		rc = fe_pages_map(want, share, packet->fds[0], 0);
	if (rc == 0 && lane) {
		lane_announce(share->base);
		rc = lane_bells(share, packet);
	}
	if (rc)
		fe_text(text, "cannot make %u shared pages: %s", want->pages, strerror(-rc));
	return rc;
}

const struct fe_pages_ops fe_pages_local = {
	.offer = local_offer,
};
