/* SPDX-License-Identifier: MIT */
/* See harness.h. */
#include "tests/unit/executor/harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/unit/executor/fake_driver.h"

#define REGION_BYTES (4 * VG_PAGE_SIZE)

static void region_add(struct harness *h)
{
	struct ex_span span = {.size = REGION_BYTES, .kind = EX_RANGE_REGION};

	h->region = aligned_alloc(VG_PAGE_SIZE, REGION_BYTES);
	if (!h->region)
		abort();
	memset(h->region, 0x5a, REGION_BYTES);
	span.start = (uintptr_t)h->region;
	h->session.regions[0].used = true;
	h->session.regions[0].share.base = h->region;
	h->session.regions[0].share.bytes = REGION_BYTES;
	ex_ranges_add(&h->session.ranges, &span);
}

static void lane_make(struct harness *h)
{
	size_t bytes = VG_PAGE_SIZE + 2 * HARNESS_RING;
	struct ex_share share = {.kind = VG_SHARE_LANE, .bytes = bytes, .bell = VG_BELL_NONE};
	struct vg_lane_shared *shared;
	int rc;

	if (!h->pages)
		h->pages = aligned_alloc(VG_PAGE_SIZE, bytes);
	if (!h->pages)
		abort();
	memset(h->pages, 0, VG_PAGE_SIZE);
	share.base = h->pages;
	shared = (struct vg_lane_shared *)h->pages;
	shared->guest_alive = 1;
	h->lane = ex_lane_new(&h->session, 0, &share, HARNESS_RING, HARNESS_RING, &rc);
	if (!h->lane)
		abort();
	vg_spin_fix(&h->lane->spin, 0);
	/* It runs what is there and returns. */
	atomic_store(&h->lane->stop, true);
	vg_producer_init(&h->commands, h->pages + VG_PAGE_SIZE, HARNESS_RING, &shared->cmd_prod,
			 &shared->cmd_cons);
	vg_consumer_init(&h->replies, h->pages + VG_PAGE_SIZE + HARNESS_RING, HARNESS_RING,
			 &shared->reply_prod, &shared->reply_cons);
}

void harness_open(struct harness *h, uint64_t quota)
{
	const struct ex_settings settings = {
		.memory = {quota}, .memories = 1, .driver = "soft" /* it tells what it has */};

	harness_open_with(h, &settings);
}

void harness_open_with(struct harness *h, const struct ex_settings *settings)
{
	memset(h, 0, sizeof(*h));
	h->settings = *settings;
	h->settings.channel = VG_CHANNEL_LOCAL;
	h->settings.control_fd = h->settings.stats_fd = h->settings.listen_fd = -1;
	h->settings.trace_fd = -1;
	h->settings.domid = VG_LOG_NOBODY;
	h->settings.limits =
		(struct vg_limits){.lanes = 1, .lane_pages = 1024, .region_pages = 1024};
	h->settings.log_level = (enum vg_log_level) - 1;
	if (ex_session_init(&h->session, &h->settings, NULL))
		abort();
	lane_make(h);
	region_add(h);
}

void harness_close(struct harness *h)
{
	h->session.regions[0].used = false;
	free(h->session.regions[0].shadow);
	ex_lane_free(h->lane);
	ex_session_dispose(&h->session);
	ex_host_funcs_dispose(&h->session.host_funcs);
	free(h->pages);
	free(h->region);
	memset(h, 0, sizeof(*h));
}

void harness_revive(struct harness *h)
{
	ex_lane_free(h->lane);
	h->session.breach_status = 0;
	h->session.breach_text[0] = '\0';
	lane_make(h);
}

bool harness_put(struct harness *h, const void *bytes, size_t n)
{
	if (vg_producer_room(&h->commands, vg_pad8(n)) < vg_pad8(n))
		return false;
	vg_producer_put(&h->commands, bytes, n);
	vg_producer_pad(&h->commands);
	return true;
}

bool harness_command(struct harness *h, uint16_t op, uint16_t flags, const void *args,
		     size_t args_size, const void *bulk, size_t bulk_size)
{
	struct vg_cmd cmd = {
		.op = op, .flags = flags, .args_size = (uint32_t)args_size, .bulk_size = bulk_size};
	size_t all = sizeof(cmd) + vg_pad8(args_size) + vg_pad8(bulk_size);

	return vg_producer_room(&h->commands, all) >= all && harness_put(h, &cmd, sizeof(cmd)) &&
	       harness_put(h, args, args_size) && harness_put(h, bulk, bulk_size);
}

void harness_run(struct harness *h)
{
	vg_producer_publish(&h->commands);
	ex_lane_run(h->lane);
}

bool harness_reply(struct harness *h, struct vg_reply *head, void *args, size_t room)
{
	uint64_t rest;
	const void *span;
	size_t n;

	if (vg_consumer_get(&h->replies, head, sizeof(*head)) != sizeof(*head))
		return false;
	rest = vg_pad8(head->args_size) + vg_pad8(head->bulk_size);
	n = vg_consumer_get(&h->replies, args, room < rest ? room : rest);
	while (n < rest) {
		size_t part = vg_consumer_span(&h->replies, &span, rest - n);

		if (!part)
			return false;
		vg_consumer_advance(&h->replies, part);
		n += part;
	}
	vg_consumer_pad(&h->replies);
	vg_consumer_release(&h->replies);
	return true;
}

void harness_drain(struct harness *h)
{
	const void *span;
	size_t n;

	while ((n = vg_consumer_span(&h->replies, &span, SIZE_MAX)) > 0)
		vg_consumer_advance(&h->replies, n);
	vg_consumer_release(&h->replies);
}

const char *harness_breach(struct harness *h)
{
	return h->session.breach_text;
}
