/* SPDX-License-Identifier: MIT */
/*
 * Lanes and regions as they come and go by the control socket.
 *
 * On the local channel the peer is the guest itself: ids, kinds, counts, sizes and addresses are
 * checked here before a channel sees them. Runs in the main thread.
 */
#include "dom0-executor/share.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "protocol/ring.h"

#include "dom0-executor/lane.h"

/* Addresses below this thread's stack that stay free for it. */
#define STACK_ROOM (1ull << 30)
/* Regions outside the arena that are refused before all are. */
#define PLACES_REFUSED_MAX 16u

static int refuse(char *text, int status, const char *why)
{
	snprintf(text, VG_TEXT_MAX, "%s", why);
	return status;
}

static int lane_check(const struct ex_session *session, const struct vg_control_share *want,
		      char *text)
{
	const struct vg_limits *limits = &session->settings->limits;
	uint64_t bytes = (uint64_t)VG_PAGE_SIZE + want->cmd_bytes + want->reply_bytes;

	if (want->id >= VG_LANES_MAX)
		return refuse(text, -EINVAL, "a lane's number is too large");
	if (session->lanes[want->id])
		return refuse(text, -EBUSY, "a lane of that number is open");
	if (session->lanes_open >= limits->lanes)
		return refuse(text, -EDQUOT, "too many lanes (threads) are open: --max-lanes");
	if (want->pages > limits->lane_pages)
		return refuse(text, -EDQUOT, "a lane has too many pages: --max-lane-pages");
	if (!vg_ring_size_valid(want->cmd_bytes) || !vg_ring_size_valid(want->reply_bytes))
		return refuse(text, -EINVAL, "a ring's size is not a power of two within bounds");
	if (bytes > (uint64_t)want->pages * VG_PAGE_SIZE)
		return refuse(text, -EINVAL, "a lane's rings do not fit into its pages");
	return 0;
}

static bool in_arena(const struct ex_session *session, uint64_t address, uint64_t bytes)
{
	return address >= session->arena_base && bytes <= session->arena_size &&
	       address - session->arena_base <= session->arena_size - bytes;
}

/*
 * Memory that the guest's program has already, at its address: taken only if nothing of this process
 * is there or near its stack, and not after a few refusals, so that asking tells the guest nothing of
 * where our own memory lies.
 */
static int place_take(struct ex_session *session, const struct vg_control_share *want, char *text)
{
#ifdef VG_TSAN /* it ends a process that maps where its shadow may be */
	(void)session;
	(void)want;
	return refuse(text, -EADDRINUSE, "a region does not lie in the arena");
#else
	void *at = (void *)(uintptr_t)want->address, *got; /* NOLINT */
	uint64_t bytes = (uint64_t)want->pages * VG_PAGE_SIZE;
	uint64_t stack = (uintptr_t)__builtin_frame_address(0);

	if (session->places_refused < PLACES_REFUSED_MAX &&
	    (want->address > stack || want->address + bytes < stack - STACK_ROOM)) {
		got = mmap(at, bytes, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			   0);
		if (got == at)
			return 0;
		if (got != MAP_FAILED)
			munmap(got, bytes);
	}
	if (session->places_refused < PLACES_REFUSED_MAX)
		session->places_refused++;
	return refuse(text, -EADDRINUSE, "a region cannot lie there on this side");
#endif
}

/* After the region's pages are no longer there. */
static void place_give(const struct ex_session *session, uint64_t address, uint64_t bytes)
{
	if (!in_arena(session, address, bytes))
		munmap((void *)(uintptr_t)address, bytes); /* NOLINT */
}

static int region_check(struct ex_session *session, const struct vg_control_share *want, char *text)
{
	uint64_t bytes = (uint64_t)want->pages * VG_PAGE_SIZE;

	if (want->id >= VG_REGIONS_MAX)
		return refuse(text, -EINVAL, "a region's number is too large");
	if (session->regions[want->id].used)
		return refuse(text, -EBUSY, "a region of that number is shared");
	if (!want->pages ||
	    session->region_pages + want->pages > session->settings->limits.region_pages)
		return refuse(text, -EDQUOT, "too much pinned memory: --max-region-pages");
	if (want->address % VG_PAGE_SIZE || !want->address || want->address > UINTPTR_MAX - bytes)
		return refuse(text, -EINVAL, "a region's address is none");
	return in_arena(session, want->address, bytes) ? 0 : place_take(session, want, text);
}

static int lane_open(struct ex_session *session, const struct vg_control_share *want,
		     struct ex_share *share, char *text)
{
	const struct vg_lane_shared *shared = share->base;
	struct ex_lane *lane;
	int rc;

	if (__atomic_load_n(&shared->magic, __ATOMIC_ACQUIRE) != VG_LANE_MAGIC ||
	    __atomic_load_n(&shared->version, __ATOMIC_RELAXED) != VG_PROTOCOL_VERSION)
		return refuse(text, -EPROTO, "a lane's first page is not one");
	lane = ex_lane_new(session, want->id, share, want->cmd_bytes, want->reply_bytes, &rc);
	if (!lane)
		return refuse(text, rc, "no memory for a lane");
	ex_trace_lane_share(lane, true);
	rc = ex_lane_start(lane);
	if (rc) {
		ex_trace_lane_share(lane, false);
		ex_lane_free(lane);
		return refuse(text, rc, "no thread for a lane");
	}
	session->lanes[want->id] = lane;
	session->lanes_open++;
	ex_stats_set(&session->stats.page->lanes, session->lanes_open);
	return 0;
}

static int region_open(struct ex_session *session, const struct vg_control_share *want,
		       struct ex_share *share, char *text)
{
	struct ex_region *region = &session->regions[want->id];
	struct ex_span span = {
		.start = want->address, .size = share->bytes, .kind = EX_RANGE_REGION};

	if (ex_ranges_add(&session->ranges, &span))
		return refuse(text, -ENOMEM, "no memory for a region");
	pthread_mutex_lock(&session->region_lock);
	*region = (struct ex_region){.used = true, .share = *share};
	pthread_mutex_unlock(&session->region_lock);
	memset(share, 0, sizeof(*share));
	ex_trace_region_share(session, want->id, region, true);
	session->region_pages += want->pages;
	ex_stats_add(&session->stats.page->regions, 1);
	ex_stats_add(&session->stats.page->region_bytes, region->share.bytes);
	return 0;
}

static int share_open(struct ex_session *session, struct vg_packet *packet, char *text)
{
	const struct vg_control_share *want = &packet->msg.u.share;
	struct ex_share share = {0};
	int rc;

	if (want->kind == VG_SHARE_LANE)
		rc = lane_check(session, want, text);
	else if (want->kind == VG_SHARE_REGION)
		rc = region_check(session, want, text);
	else
		rc = refuse(text, -EINVAL, "an unknown kind of share");
	if (rc)
		return rc;
	rc = session->channel->ops->share_map(session->channel, packet, &share, text);
	if (rc) {
		if (want->kind == VG_SHARE_REGION)
			place_give(session, want->address, (uint64_t)want->pages * VG_PAGE_SIZE);
		return rc;
	}
	rc = want->kind == VG_SHARE_LANE ? lane_open(session, want, &share, text)
					 : region_open(session, want, &share, text);
	session->channel->ops->share_unmap(session->channel, &share); /* taken: nothing */
	if (rc && want->kind == VG_SHARE_REGION)
		place_give(session, want->address, (uint64_t)want->pages * VG_PAGE_SIZE);
	return rc;
}

void ex_session_share(struct ex_session *session, struct vg_packet *packet)
{
	char text[VG_TEXT_MAX] = "";
	int rc = share_open(session, packet, text);

	vg_data(&session->who, "event=share kind=%u id=%u pages=%u status=%d",
		packet->msg.u.share.kind, packet->msg.u.share.id, packet->msg.u.share.pages, rc);
	ex_session_answer(session, packet->msg.tag, rc, text);
}

/* --- UNSHARE ------------------------------------------------------------------------------------ */

static void lane_reap(struct ex_session *session, struct ex_lane *lane)
{
	pthread_join(lane->thread, NULL);
	ex_trace_lane_share(lane, false);
	session->lanes[lane->id] = NULL;
	session->lanes_open--;
	ex_stats_set(&session->stats.page->lanes, session->lanes_open);
	ex_lane_free(lane);
}

/* A lane that has ended by itself stays until the guest unshares it: its number is in use. */
void ex_lanes_reap(struct ex_session *session)
{
	for (unsigned int i = 0; i < VG_LANES_MAX; i++) {
		struct ex_lane *lane = session->lanes[i];
		uint32_t tag, asked;

		if (!lane || !lane->stopping || !atomic_load(&lane->done))
			continue;
		tag = lane->unshare_tag;
		asked = lane->unshare_peer;
		lane_reap(session, lane);
		if (asked == session->peer)
			ex_session_answer(session, tag, 0, NULL);
	}
}

static void lane_unshare(struct ex_session *session, uint32_t id, uint32_t tag)
{
	struct ex_lane *lane = id < VG_LANES_MAX ? session->lanes[id] : NULL;

	/* Another xen-vgpud may ask again for what the last one was not told. */
	if (!lane || (lane->stopping && lane->unshare_peer == session->peer)) {
		ex_session_answer(session, tag, -ENOENT, "no lane of that number is open");
		return;
	}
	lane->stopping = true;
	lane->unshare_tag = tag;
	lane->unshare_peer = session->peer;
	ex_lane_stop(lane);
	ex_lanes_reap(session);
}

void ex_region_close(struct ex_session *session, struct ex_region *region)
{
	struct ex_share share;
	uint8_t *shadow;
	uint64_t base;

	ex_trace_region_share(session, (uint32_t)(region - session->regions), region, false);
	pthread_mutex_lock(&session->region_lock);
	ex_region_unpin(region);
	share = region->share;
	shadow = region->shadow;
	memset(region, 0, sizeof(*region));
	pthread_mutex_unlock(&session->region_lock);
	free(shadow);
	ex_ranges_remove(&session->ranges, (uintptr_t)share.base, NULL);
	session->region_pages -= share.bytes / VG_PAGE_SIZE;
	ex_stats_sub(&session->stats.page->regions, 1);
	ex_stats_sub(&session->stats.page->region_bytes, share.bytes);
	base = (uintptr_t)share.base;
	session->channel->ops->share_unmap(session->channel, &share);
	place_give(session, base, share.bytes);
}

void ex_session_unshare(struct ex_session *session, const struct vg_packet *packet)
{
	uint32_t id = packet->msg.u.unshare.id, tag = packet->msg.tag;

	if (packet->msg.u.unshare.kind == VG_SHARE_LANE) {
		lane_unshare(session, id, tag);
	} else if (packet->msg.u.unshare.kind == VG_SHARE_REGION && id < VG_REGIONS_MAX &&
		   session->regions[id].used) {
		ex_region_close(session, &session->regions[id]);
		ex_session_answer(session, tag, 0, NULL);
	} else {
		ex_session_answer(session, tag, -ENOENT, "no such share");
	}
}
