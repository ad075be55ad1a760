/* SPDX-License-Identifier: MIT */
/*
 * See session.h. Regions have over there the address that they had, where that can be; here they lie anywhere, since
 * nobody but us uses them.
 */
#include "xen-frontend/replay/session.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "protocol/bounds.h"
#include "protocol/calls.h"

/* Looks for an answer before a lane sleeps: some ten microseconds. */
#define LOOKS 2000u
/* What is taken for one value. */
#define CHANGE_BYTES sizeof(uint64_t)
#define XEN_RING_MAX (64u * 1024)

/* The driver over there is to see what it saw: the channel reads the environment. */
static void environment_set(uint32_t jit)
{
#define SET(name, bit)                \
	if (jit & (bit))              \
		setenv(name, "1", 1); \
	else                          \
		unsetenv(name);
	VG_JIT_VARIABLES(SET)
#undef SET
}

int rp_session_open(struct rp_session *session, struct rp_map *map, uint32_t jit, char *text)
{
	memset(session, 0, sizeof(*session));
	session->map = map;
	for (unsigned int i = 0; i < VG_LANES_MAX; i++)
		session->lanes[i] = FE_LANE_PLAIN_NONE;
	pthread_mutex_init(&session->lock, NULL);
	environment_set(jit);
	return fe_channel_open(&session->channel, VG_SPEC_HASH, text);
}

void rp_session_stop(struct rp_session *session)
{
	shutdown(session->channel.sock, SHUT_RDWR);
}

void rp_session_close(struct rp_session *session)
{
	for (unsigned int i = 0; i < VG_LANES_MAX; i++)
		vg_bell_close(&session->lanes[i].share.bell);
	for (unsigned int i = 0; i < VG_REGIONS_MAX; i++)
		free(session->regions[i].then);
	fe_channel_close(&session->channel);
	pthread_mutex_destroy(&session->lock);
}

/* --- lanes ---------------------------------------------------------------------------------------- */

/* As it was, or as large as it can be here; on Xen, where pages are scarce, no larger than there is use for. */
static uint32_t ring_bytes(const struct rp_session *session, uint32_t recorded)
{
	const struct vg_limits *limits = &session->channel.limits;
	uint32_t most = (limits->lane_pages - 1) / 2;

	if (limits->channel == VG_CHANNEL_XEN && most > XEN_RING_MAX / VG_PAGE_SIZE)
		most = XEN_RING_MAX / VG_PAGE_SIZE;
	while (recorded > VG_RING_MIN && recorded / VG_PAGE_SIZE > most)
		recorded /= 2;
	return recorded;
}

static int lane_share(struct rp_session *session, const struct vg_trace_share *share, char *text)
{
	struct fe_lane_plain *lane = &session->lanes[share->head.lane];
	const struct vg_control_share want = {
		.id = share->head.lane,
		.cmd_bytes = ring_bytes(session, share->cmd_bytes),
		.reply_bytes = ring_bytes(session, share->reply_bytes),
	};
	int rc;

	if (!share->open) {
		if (lane->share.base)
			fe_lane_plain_close(lane);
		return 0;
	}
	if (lane->share.base || !vg_ring_size_valid(share->cmd_bytes) ||
	    !vg_ring_size_valid(share->reply_bytes)) {
		snprintf(text, VG_TEXT_MAX, "lane %u is opened as none can be", share->head.lane);
		return -EBADMSG;
	}
	rc = fe_lane_plain_open(lane, &session->channel, &want, text);
	lane->looks = LOOKS;
	session->opened[want.id]++;
	return rc;
}

/* --- regions -------------------------------------------------------------------------------------- */

/* At the same place of the arena, should that be another one. */
static uint64_t region_address(const struct rp_session *session, const struct vg_trace_share *share)
{
	uint64_t at = share->address - session->arena_then;

	return at < session->arena_bytes ? session->arena_now + at : share->address;
}

static int region_open(struct rp_session *session, const struct vg_trace_share *share, char *text)
{
	struct rp_region *region = &session->regions[share->id];
	const struct vg_control_share want = {
		.id = share->id,
		.kind = VG_SHARE_REGION,
		.pages = (uint32_t)(share->bytes / VG_PAGE_SIZE),
		.address = region_address(session, share),
	};
	struct rp_region made = {.recorded = share->address};
	void *here;
	int rc;

	if (region->share.base || !share->bytes || share->bytes % VG_PAGE_SIZE ||
	    share->bytes / VG_PAGE_SIZE > UINT32_MAX) {
		snprintf(text, VG_TEXT_MAX, "region %u is made as none can be", share->id);
		return -EBADMSG;
	}
	here = mmap(NULL, share->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		    0);
	if (here == MAP_FAILED)
		return -errno;
	made.then = calloc(1, share->bytes);
	rc = made.then ? fe_channel_share_at(&session->channel, &want, (uintptr_t)here, &made.share,
					     text)
		       : -ENOMEM;
	if (rc) {
		free(made.then);
		munmap(here, share->bytes);
		return rc;
	}
	pthread_mutex_lock(&session->lock);
	*region = made;
	pthread_mutex_unlock(&session->lock);
	rp_map_range(session->map, share->address, want.address, share->bytes);
	return 0;
}

static void region_close(struct rp_session *session, uint32_t id)
{
	struct rp_region region;

	pthread_mutex_lock(&session->lock);
	region = session->regions[id];
	session->regions[id] = (struct rp_region){0};
	pthread_mutex_unlock(&session->lock);
	if (!region.share.base)
		return;
	fe_channel_unshare(&session->channel, &region.share);
	munmap((void *)(uintptr_t)region.share.at, region.share.bytes);
	free(region.then);
}

static int region_share(struct rp_session *session, const struct vg_trace_share *share, char *text)
{
	if (share->id >= VG_REGIONS_MAX) {
		snprintf(text, VG_TEXT_MAX, "region %u is beyond all numbers", share->id);
		return -EBADMSG;
	}
	if (share->open)
		return region_open(session, share, text);
	region_close(session, share->id);
	return 0;
}

int rp_session_share(struct rp_session *session, const struct vg_trace_share *share, char *text)
{
	int rc = share->head.type == VG_TRACE_LANE ? lane_share(session, share, text)
						   : region_share(session, share, text);

	if (rc && !*text)
		snprintf(text, VG_TEXT_MAX, "errno %d", -rc);
	return rc;
}

/* Under the lock. */
static struct rp_region *region_find(struct rp_session *session, uint64_t recorded, uint64_t size)
{
	for (unsigned int i = 0; i < VG_REGIONS_MAX; i++) {
		struct rp_region *region = &session->regions[i];
		uint64_t at = recorded - region->recorded;

		if (region->share.base && at < region->share.bytes &&
		    size <= region->share.bytes - at)
			return region;
	}
	return NULL;
}

/* Word by word, as the device writes. */
static void changes_put(uint8_t *to, const uint8_t *then, const struct rp_pinned *pinned)
{
	for (size_t at = 0; at < pinned->bytes; at += CHANGE_BYTES) {
		size_t n = vg_min(pinned->bytes - at, CHANGE_BYTES);

		if (memcmp(then + at, pinned->then + at, n) != 0)
			memcpy(to + at, pinned->now + at, n);
	}
}

bool rp_region_write(struct rp_session *session, const struct rp_pinned *pinned)
{
	struct rp_region *region;

	pthread_mutex_lock(&session->lock);
	region = region_find(session, pinned->recorded, pinned->bytes);
	if (region) {
		uint64_t at = pinned->recorded - region->recorded;
		uint8_t *to = (uint8_t *)region->share.base + at;

		if (pinned->changes)
			changes_put(to, region->then + at, pinned);
		else
			memcpy(to, pinned->now, pinned->bytes);
		memcpy(region->then + at, pinned->then, pinned->bytes);
	}
	pthread_mutex_unlock(&session->lock);
	return region != NULL;
}

bool rp_region_covers(struct rp_session *session, uint64_t recorded, uint64_t size)
{
	bool covers;

	pthread_mutex_lock(&session->lock);
	covers = region_find(session, recorded, size) != NULL;
	pthread_mutex_unlock(&session->lock);
	return covers;
}
