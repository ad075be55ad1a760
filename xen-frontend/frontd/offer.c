/* SPDX-License-Identifier: MIT */
/*
 * One share's grants. Sizes have been checked by client.c.
 */
#include "xen-frontend/frontd/offer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

static uint32_t dirs_needed(uint32_t pages)
{
	return (pages + VG_DIR_REFS - 1) / VG_DIR_REFS;
}

uint32_t fe_offer_cost(uint32_t pages)
{
	return pages + dirs_needed(pages);
}

/* Every directory page but the last is full; each names the next. */
static void dirs_fill(struct vg_page_dir *dir, const struct fe_grant *dirs,
		      const struct fe_grant *pages)
{
	for (uint32_t i = 0; i < dirs->pages; i++) {
		uint32_t first = i * VG_DIR_REFS;
		uint32_t left = pages->pages - first;

		dir[i].next = i + 1 < dirs->pages ? dirs->refs[i + 1] : 0;
		dir[i].count = left < VG_DIR_REFS ? left : VG_DIR_REFS;
		memcpy(dir[i].refs, pages->refs + first, dir[i].count * sizeof(uint32_t));
	}
}

static int dirs_make(struct fe_offer *offer, uint32_t domid, uint32_t limit_max)
{
	uint32_t count = dirs_needed(offer->pages.pages);
	struct vg_page_dir *dir;
	int rc = fe_grant_alloc(&offer->dirs, domid, count, limit_max);

	if (rc)
		return rc;
	dir = fe_grant_map(&offer->dirs, 0, count);
	if (!dir)
		return -errno;
	dirs_fill(dir, &offer->dirs, &offer->pages);
	munmap(dir, (size_t)count * VG_PAGE_SIZE);
	return 0;
}

/*
 * The port, the notification of the client's death, and the header that must stand before the
 * lane is announced. From the notification on it fires when the last of us lets the pages go: should
 * both we and the program die.
 */
static int lane_make(struct fe_offer *offer, uint32_t domid)
{
	struct vg_lane_shared *lane;
	int rc = fe_port_bind(&offer->bell, &offer->port, domid);

	if (rc == 0)
		rc = fe_grant_notify(&offer->pages, VG_ALIVE_GUEST_OFFSET, offer->port);
	if (rc)
		return rc;
	lane = fe_grant_map(&offer->pages, 0, 1);
	if (!lane)
		return -errno;
	lane->magic = VG_LANE_MAGIC;
	lane->version = VG_PROTOCOL_VERSION;
	__atomic_store_n(&lane->guest_alive, 1, __ATOMIC_RELEASE);
	munmap(lane, VG_PAGE_SIZE);
	return 0;
}

int fe_offer_make(struct fe_offer *offer, struct vg_control_share *share, uint32_t domid,
		  uint32_t limit_max)
{
	int rc;

	*offer = FE_OFFER_NONE;
	rc = fe_grant_alloc(&offer->pages, domid, share->pages, limit_max);
	if (rc == 0)
		rc = dirs_make(offer, domid, limit_max);
	if (rc == 0 && share->kind == VG_SHARE_LANE)
		rc = lane_make(offer, domid);
	if (rc) {
		fe_offer_free(offer);
		return rc;
	}
	share->dir_ref = offer->dirs.refs[0];
	share->port = offer->port;
	return 0;
}

void fe_offer_hand_over(const struct fe_offer *offer, struct vg_packet *answer)
{
	answer->fds[0] = offer->pages.fd;
	answer->fds[1] = offer->bell.ring_fd; /* -1 for a region */
	answer->msg.u.answer.map_offset = offer->pages.offset;
	answer->msg.u.answer.port = offer->port;
}

void fe_offer_mourn(const struct fe_offer *offer)
{
	struct vg_lane_shared *lane = fe_grant_map(&offer->pages, 0, 1);

	if (!lane)
		return;
	__atomic_store_n(&lane->guest_alive, 0, __ATOMIC_RELEASE);
	munmap(lane, VG_PAGE_SIZE);
	(void)vg_bell_ring(&offer->bell); /* a backend that has closed its end knows already */
}

void fe_offer_taken(struct fe_offer *offer)
{
	fe_grant_free(&offer->dirs);
}

void fe_offer_free(struct fe_offer *offer)
{
	fe_grant_free(&offer->dirs);
	fe_grant_free(&offer->pages);
	vg_bell_close(&offer->bell);
}
