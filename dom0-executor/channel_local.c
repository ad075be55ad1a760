/* SPDX-License-Identifier: MIT */
/*
 * Shares of the local channel: memfds and eventfds that the client sends.
 *
 * Trusts the client in nothing. A memfd is mapped only when it is one (tmpfs, so no huge pages
 * that could run out under us), is sealed against shrinking and is long enough: then no access to the
 * mapping can fault. Eventfds must be eventfds. Their O_NONBLOCK lies in a file description that
 * the client shares and may clear; what it gains is a blocked lane of its own session.
 *
 * Threads: the executor's control thread. System calls used behind the jail: fcntl, fstat,
 * fstatfs, write, mmap, munmap, close.
 */
#include "dom0-executor/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "dom0-executor/channel_range.h"

struct local_channel {
	struct ex_channel channel;
	struct ex_range *regions;
};

static int refuse(char *text, const char *why)
{
	snprintf(text, VG_TEXT_MAX, "the share was refused: %s", why);
	return -ENXIO;
}

/* Each kind of share comes with an exact number of descriptors. */
static int fds_check(const struct vg_packet *packet, char *text)
{
	int want = packet->msg.u.share.kind == VG_SHARE_LANE ? 3 : 1;

	for (int i = 0; i < VG_CONTROL_FDS_MAX; i++)
		if ((packet->fds[i] >= 0) != (i < want))
			return refuse(text, "wrong number of descriptors");
	return 0;
}

static int memfd_check(int fd, size_t bytes, char *text)
{
	struct statfs fs;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || fstatfs(fd, &fs) || fs.f_type != TMPFS_MAGIC)
		return refuse(text, "its descriptor is not a memfd of ordinary pages");
	if (!(seals & F_SEAL_SHRINK))
		return refuse(text, "its memfd is not sealed against shrinking (F_SEAL_SHRINK)");
	/* After the seal has been seen, the size can only grow. */
	if (fstat(fd, &st) || st.st_size < 0 || (uint64_t)st.st_size < bytes)
		return refuse(text, "its memfd is shorter than the pages announced");
	return 0;
}

/* Adding 0 succeeds on an eventfd and on nothing else that has no file type. */
static int eventfd_check(int fd, char *text)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) || fstat(fd, &st) ||
	    (st.st_mode & S_IFMT) != 0 || write(fd, &(uint64_t){0}, sizeof(uint64_t)) != 8)
		return refuse(text, "its bell is not an eventfd");
	return 0;
}

static int share_check(const struct vg_packet *packet, size_t bytes, char *text)
{
	int rc = fds_check(packet, text);

	if (rc == 0)
		rc = memfd_check(packet->fds[0], bytes, text);
	if (rc == 0 && packet->msg.u.share.kind == VG_SHARE_LANE) {
		rc = eventfd_check(packet->fds[1], text);
		if (rc == 0)
			rc = eventfd_check(packet->fds[2], text);
	}
	return rc;
}

static int memfd_map(const struct vg_packet *packet, struct ex_share *share, char *text)
{
	int fixed = share->kind == VG_SHARE_REGION ? MAP_FIXED : 0;
	void *at = fixed ? (void *)(uintptr_t)packet->msg.u.share.address : NULL; /* NOLINT */
	void *base = mmap(at, share->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | fixed,
			  packet->fds[0], 0);

	if (base != MAP_FAILED) {
		share->base = base;
		return 0;
	}
	if (errno == ENOMEM)
		return -ENOMEM;
	return refuse(text, "its memfd cannot be mapped for writing");
}

static int local_share_map(struct ex_channel *channel, struct vg_packet *packet,
			   struct ex_share *share, char *text)
{
	struct local_channel *local = (struct local_channel *)channel;
	const struct vg_control_share *want = &packet->msg.u.share;
	int rc;

	*share = (struct ex_share){
		.kind = want->kind,
		.bytes = (size_t)want->pages * VG_PAGE_SIZE,
		.bell = VG_BELL_NONE,
	};
	rc = share_check(packet, share->bytes, text);
	if (rc)
		return rc;
	if (share->kind == VG_SHARE_REGION) {
		rc = ex_range_claim(&local->regions, want->address, share->bytes);
		if (rc) {
			snprintf(text, VG_TEXT_MAX, "a region at 0x%llx: %s",
				 (unsigned long long)want->address, strerror(-rc));
			return rc;
		}
	}
	rc = memfd_map(packet, share, text);
	if (rc) {
		if (share->kind == VG_SHARE_REGION)
			ex_range_drop(&local->regions, (uintptr_t)want->address);
		return rc;
	}
	if (share->kind == VG_SHARE_LANE) {
		share->bell = vg_bell_local(packet->fds[2], packet->fds[1]);
		packet->fds[1] = packet->fds[2] = -1;
	}
	return 0;
}

static void local_share_unmap(struct ex_channel *channel, struct ex_share *share)
{
	struct local_channel *local = (struct local_channel *)channel;

	if (!share->base)
		return;
	if (share->kind == VG_SHARE_REGION)
		ex_range_drop(&local->regions, (uintptr_t)share->base);
	else
		munmap(share->base, share->bytes);
	share->base = NULL;
	vg_bell_close(&share->bell);
}

static void local_destroy(struct ex_channel *channel)
{
	struct local_channel *local = (struct local_channel *)channel;

	while (local->regions)
		ex_range_drop(&local->regions, local->regions->start);
	free(local);
}

static const struct ex_channel_ops local_ops = {
	.share_map = local_share_map,
	.share_unmap = local_share_unmap,
	.destroy = local_destroy,
};

struct ex_channel *ex_channel_local_new(void)
{
	struct local_channel *local = calloc(1, sizeof(*local));

	if (!local)
		return NULL;
	local->channel = (struct ex_channel){.ops = &local_ops, .kind = VG_CHANNEL_LOCAL};
	return &local->channel;
}
