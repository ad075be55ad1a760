/* SPDX-License-Identifier: MIT */
/*
 * Shares of the Xen channel: grants of one guest, mapped through /dev/xen/gntdev, and the event
 * channels that xen-vgpud has bound.
 *
 * Trusts xen-vgpud (descriptors, local ports), the guest in nothing: directory pages are copied
 * once, then checked; a grant that cannot be mapped fails the share, not the process.
 *
 * gntdev is opened before privileges are dropped and by this process itself: a mapping belongs to the
 * process that opened the device. Raw ioctls, since libxengnttab gives neither a chosen address nor an unmap
 * notification for more than one page, while the device gives both (Linux 3.1 and later): MAP_GRANT_REF
 * makes one map of up to 65536 grants, mmap() of exactly that map may be MAP_FIXED, and SET_UNMAP_NOTIFY
 * names one byte anywhere in the map. mmap() maps all or nothing: the kernel looks at every grant's
 * status and fails with EINVAL when one is not good. This is the same on PV dom0, where the
 * page tables are the hypervisor's, and on PVH dom0.
 *
 * Threads: the executor's control thread. System calls used behind the jail: ioctl
 * (IOCTL_GNTDEV_MAP_GRANT_REF, _UNMAP_GRANT_REF, _SET_UNMAP_NOTIFY), fcntl, mmap, munmap, close.
 */
#include "dom0-executor/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint16_t domid_t; /* the kernel's header leaves both to us */
typedef uint32_t grant_ref_t;
#include <xen/gntdev.h>

#include "dom0-executor/channel_range.h"

/* Linux's own limit on one map (gntdev.limit). */
#define MAP_PAGES_MAX 65536u

struct xen_channel {
	struct ex_channel channel;
	struct ex_range *regions;
	int gntdev;
	uint32_t domid;
};

/* A map as gntdev knows it. Owned by ex_share.priv. */
struct xen_map {
	uint64_t index;
	uint32_t count;
};

static int map_add(struct xen_channel *xen, const uint32_t *refs, uint32_t count,
		   struct xen_map *map)
{
	struct ioctl_gntdev_map_grant_ref *op =
		calloc(1, sizeof(*op) + count * sizeof(op->refs[0]));
	int rc = 0;

	if (!op)
		return -ENOMEM;
	op->count = count;
	for (uint32_t i = 0; i < count; i++)
		op->refs[i] = (struct ioctl_gntdev_grant_ref){.domid = xen->domid, .ref = refs[i]};
	if (ioctl(xen->gntdev, IOCTL_GNTDEV_MAP_GRANT_REF, op))
		rc = -errno;
	else
		*map = (struct xen_map){.index = op->index, .count = count};
	free(op);
	return rc;
}

/* The grants are let go when the last mapping and this have gone. */
static void map_remove(struct xen_channel *xen, const struct xen_map *map)
{
	struct ioctl_gntdev_unmap_grant_ref op = {.index = map->index, .count = map->count};

	ioctl(xen->gntdev, IOCTL_GNTDEV_UNMAP_GRANT_REF, &op);
}

static void *map_place(struct xen_channel *xen, const struct xen_map *map, void *at, int prot)
{
	return mmap(at, (size_t)map->count * VG_PAGE_SIZE, prot, MAP_SHARED | (at ? MAP_FIXED : 0),
		    xen->gntdev, (off_t)map->index);
}

/* The one read of a directory page that the guest may be changing all the while. */
static int dir_copy(struct xen_channel *xen, uint32_t ref, struct vg_page_dir *dir)
{
	struct xen_map map = {0};
	void *page;
	int rc = map_add(xen, &ref, 1, &map);

	if (rc)
		return rc;
	page = map_place(xen, &map, NULL, PROT_READ);
	rc = page == MAP_FAILED ? -errno : 0;
	if (rc == 0) {
		memcpy(dir, page, sizeof(*dir));
		/* What is checked below is this copy: the compiler may not go back to the page. */
		__asm__ volatile("" : : "r"(dir) : "memory");
		munmap(page, VG_PAGE_SIZE);
	}
	map_remove(xen, &map);
	return rc;
}

/*
 * Collects exactly `pages` references from the chain that begins at `ref`. Each directory page but the last
 * must be full, which bounds the chain by the number of pages.
 */
static int refs_collect(struct xen_channel *xen, uint32_t ref, uint32_t *refs, uint32_t pages)
{
	struct vg_page_dir *dir = malloc(sizeof(*dir));
	uint32_t done = 0;
	int rc = dir ? 0 : -ENOMEM;

	while (rc == 0 && done < pages) {
		uint32_t left = pages - done;
		uint32_t want = left < VG_DIR_REFS ? left : VG_DIR_REFS;

		rc = dir_copy(xen, ref, dir);
		if (rc)
			break;
		if (dir->count != want || (dir->next == 0) != (left == want)) {
			rc = -EPROTO;
			break;
		}
		memcpy(refs + done, dir->refs, want * sizeof(*refs));
		done += want;
		ref = dir->next;
	}
	free(dir);
	return rc;
}

static int lane_notify(struct xen_channel *xen, const struct xen_map *map, uint32_t port)
{
	struct ioctl_gntdev_unmap_notify op = {
		.index = map->index + VG_ALIVE_EXEC_OFFSET,
		.action = UNMAP_NOTIFY_CLEAR_BYTE | UNMAP_NOTIFY_SEND_EVENT,
		.event_channel_port = port,
	};

	return ioctl(xen->gntdev, IOCTL_GNTDEV_SET_UNMAP_NOTIFY, &op) ? -errno : 0;
}

/* Maps `refs` where the share wants them. On failure nothing of the share is left mapped. */
static int share_place(struct xen_channel *xen, const struct vg_control_share *want,
		       const uint32_t *refs, struct ex_share *share, struct xen_map *map)
{
	void *at = share->kind == VG_SHARE_REGION ? (void *)(uintptr_t)want->address /* NOLINT */
						  : NULL;
	void *base;
	int rc = map_add(xen, refs, want->pages, map);

	if (rc)
		return rc;
	base = map_place(xen, map, at, PROT_READ | PROT_WRITE);
	if (base == MAP_FAILED) {
		rc = -errno;
		map_remove(xen, map);
		return rc;
	}
	if (share->kind == VG_SHARE_LANE) {
		rc = lane_notify(xen, map, want->port);
		if (rc) {
			munmap(base, share->bytes);
			map_remove(xen, map);
			return rc;
		}
	}
	share->base = base;
	return 0;
}

static int xen_refuse(struct xen_channel *xen, const struct vg_control_share *want, int rc,
		      char *text)
{
	snprintf(text, VG_TEXT_MAX, "cannot map %u granted pages of domain %u (directory %u): %s",
		 want->pages, xen->domid, want->dir_ref,
		 rc == -EPROTO ? "the page directory is malformed" : strerror(-rc));
	/* The kernel says EINVAL for a bad grant; only lack of memory is not the guest's fault. */
	return rc == -ENOMEM || rc == -EADDRINUSE ? rc : -ENXIO;
}

static int share_check(const struct vg_packet *packet)
{
	const struct vg_control_share *want = &packet->msg.u.share;

	if (want->pages == 0 || want->pages > MAP_PAGES_MAX)
		return -EINVAL;
	if (want->kind == VG_SHARE_LANE && packet->fds[0] < 0)
		return -EBADF;
	return 0;
}

static int xen_share_map(struct ex_channel *channel, struct vg_packet *packet,
			 struct ex_share *share, char *text)
{
	struct xen_channel *xen = (struct xen_channel *)channel;
	const struct vg_control_share *want = &packet->msg.u.share;
	struct xen_map *map = calloc(1, sizeof(*map));
	uint32_t *refs = NULL;
	bool claimed = false;
	int rc;

	*share = (struct ex_share){
		.kind = want->kind,
		.bytes = (size_t)want->pages * VG_PAGE_SIZE,
		.bell = VG_BELL_NONE,
	};
	rc = share_check(packet);
	if (rc == 0)
		refs = calloc(want->pages, sizeof(*refs));
	if (rc == 0 && (!map || !refs))
		rc = -ENOMEM;
	if (rc == 0 && share->kind == VG_SHARE_REGION) {
		rc = ex_range_claim(&xen->regions, want->address, share->bytes);
		claimed = rc == 0;
	}
	if (rc == 0)
		rc = refs_collect(xen, want->dir_ref, refs, want->pages);
	if (rc == 0)
		rc = share_place(xen, want, refs, share, map);
	free(refs);
	if (rc) {
		if (claimed)
			ex_range_drop(&xen->regions, (uintptr_t)want->address);
		free(map);
		return xen_refuse(xen, want, rc, text);
	}
	share->priv = map;
	if (share->kind == VG_SHARE_LANE) {
		fcntl(packet->fds[0], F_SETFL, O_RDWR | O_NONBLOCK);
		share->bell = vg_bell_xen(packet->fds[0], want->port);
		packet->fds[0] = -1;
	}
	return 0;
}

/*
 * The kernel clears exec_alive and rings the guest as the map goes, whether it goes here or with the
 * process; the notification holds the event channel by itself.
 */
static void xen_share_unmap(struct ex_channel *channel, struct ex_share *share)
{
	struct xen_channel *xen = (struct xen_channel *)channel;

	if (!share->base)
		return;
	if (share->kind == VG_SHARE_REGION)
		ex_range_drop(&xen->regions, (uintptr_t)share->base);
	else
		munmap(share->base, share->bytes);
	map_remove(xen, share->priv);
	free(share->priv);
	share->priv = NULL;
	share->base = NULL;
	vg_bell_close(&share->bell);
}

static void xen_destroy(struct ex_channel *channel)
{
	struct xen_channel *xen = (struct xen_channel *)channel;

	while (xen->regions)
		ex_range_drop(&xen->regions, xen->regions->start);
	close(xen->gntdev);
	free(xen);
}

static const struct ex_channel_ops xen_ops = {
	.share_map = xen_share_map,
	.share_unmap = xen_share_unmap,
	.destroy = xen_destroy,
};

struct ex_channel *ex_channel_xen_new(uint32_t domid)
{
	struct xen_channel *xen = calloc(1, sizeof(*xen));

	if (!xen)
		return NULL;
	xen->channel = (struct ex_channel){.ops = &xen_ops, .kind = VG_CHANNEL_XEN};
	xen->domid = domid;
	xen->gntdev = open("/dev/xen/gntdev", O_RDWR | O_CLOEXEC);
	if (xen->gntdev < 0) {
		int saved = errno;

		free(xen);
		errno = saved;
		return NULL;
	}
	return &xen->channel;
}
