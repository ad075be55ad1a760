/* SPDX-License-Identifier: MIT */
/*
 * Tries a channel as libcuda uses it, against the stand-in executor: what it prints is what it did,
 * its status is 0 only when every answer was right.
 *
 *   channel-client try       lanes and regions of many sizes; bells; polling; everything dropped again
 *   channel-client hold      opens, shares, prints "holding" and waits for the session's end
 *   channel-client crash     makes the executor die and waits for the news
 *   channel-client exhaust   asks for regions until there are no more pages; the lane goes on working
 *   channel-client open      opens and closes; what a refusal says is printed
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "tests/channel/echo.h"
#include "xen-frontend/channel.h"

#define RING 65536u

static struct fe_channel channel = {.sock = -1};
static char text[VG_TEXT_MAX];

static void die(const char *what, int rc)
{
	printf("FAIL %s: %s (%s)\n", what, strerror(-rc), text);
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* --- a lane, by hand --- */

struct lane {
	struct fe_share share;
	uint64_t cmd_prod, reply_cons;
};

static void lane_open(struct lane *lane, uint32_t id)
{
	struct vg_control_share want = {.id = id,
					.kind = VG_SHARE_LANE,
					.pages = 1 + 2 * RING / VG_PAGE_SIZE,
					.cmd_bytes = RING,
					.reply_bytes = RING};
	int rc = fe_channel_share(&channel, &want, &lane->share, text);

	if (rc)
		die("lane", rc);
	lane->cmd_prod = lane->reply_cons = 0;
	for (size_t i = sizeof(struct vg_lane_shared); i < lane->share.bytes; i++)
		if (((uint8_t *)lane->share.base)[i])
			die("lane's pages are not zero", -EIO);
}

static void lane_put(struct lane *lane, uint64_t word)
{
	struct vg_lane_shared *shared = lane->share.base;
	uint8_t *data = (uint8_t *)shared + VG_PAGE_SIZE;

	*(volatile uint64_t *)(data + lane->cmd_prod % RING) = word;
	lane->cmd_prod += 8;
	__atomic_store_n(&shared->cmd_prod, lane->cmd_prod, __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_exchange_n(&shared->exec_sleeps, 0, __ATOMIC_ACQ_REL))
		vg_bell_ring(&lane->share.bell);
}

static int reply_there(struct lane *lane)
{
	struct vg_lane_shared *shared = lane->share.base;

	return __atomic_load_n(&shared->reply_prod, __ATOMIC_ACQUIRE) != lane->reply_cons;
}

static uint64_t reply_get(struct lane *lane)
{
	uint8_t *data = (uint8_t *)lane->share.base + VG_PAGE_SIZE + RING;
	uint64_t word = *(volatile uint64_t *)(data + lane->reply_cons % RING);

	lane->reply_cons += 8;
	return word;
}

static int bell_wait(struct vg_bell *bell, int life_fd, int timeout_ms)
{
	int wake = vg_bell_wait(bell, life_fd, timeout_ms);
	int rc = wake < 0 ? wake : vg_bell_take(bell);

	return rc < 0 ? rc : wake;
}

/* 0, -EPIPE when the session has ended, -ETIMEDOUT after 20 s. */
static int reply_wait(struct lane *lane, int spin)
{
	struct vg_lane_shared *shared = lane->share.base;
	double end = now_us() + 20e6;

	while (!reply_there(lane)) {
		int rc;

		if (now_us() > end)
			return -ETIMEDOUT;
		if (spin)
			continue;
		__atomic_store_n(&shared->guest_sleeps, VG_SLEEP_DATA, __ATOMIC_SEQ_CST);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (reply_there(lane))
			return 0;
		rc = bell_wait(&lane->share.bell, channel.sock, 1000);
		if (rc < 0)
			return rc;
		if ((rc & VG_BELL_LIFE) && fe_channel_check(&channel, text))
			return -EPIPE;
	}
	return 0;
}

static uint64_t lane_ask(struct lane *lane, uint64_t word, int spin)
{
	int rc;

	lane_put(lane, word);
	rc = reply_wait(lane, spin);
	if (rc)
		die("no reply", rc);
	return reply_get(lane);
}

static void lane_round_trips(struct lane *lane, int count, int spin)
{
	double start;

	lane_ask(lane, ECHO_WORD(ECHO_SPIN, spin ? 1 : 0), 0);
	start = now_us();
	for (int i = 0; i < count; i++)
		if (lane_ask(lane, ECHO_WORD(ECHO_PLAIN, (uint64_t)i), spin) != (uint64_t)i + 1)
			die("a wrong reply", -EIO);
	printf("%s: %d round trips, %.1f us each\n", spin ? "polling" : "by bells", count,
	       (now_us() - start) / count);
	lane_ask(lane, ECHO_WORD(ECHO_SPIN, 0), 0);
}

/* Around the ring's end more than once, half a ring at a time. */
static void lane_laps(struct lane *lane)
{
	uint64_t sent = 0, got = 0;

	while (got < RING / 8 * 3) {
		for (int i = 0; i < (int)(RING / 8 / 2); i++)
			lane_put(lane, ECHO_WORD(ECHO_PLAIN, sent++));
		while (got < sent) {
			int rc = reply_wait(lane, 0);

			if (rc)
				die("no reply", rc);
			if (reply_get(lane) != ++got)
				die("a wrong reply", -EIO);
		}
	}
	printf("%llu words in three laps of the ring\n", (unsigned long long)got);
}

static void lane_close(struct lane *lane)
{
	int rc = fe_channel_unshare(&channel, &lane->share);

	if (rc)
		die("unshare of a lane", rc);
}

/* --- regions --- */

static int region_open(struct fe_share *region, uint32_t id, uint32_t pages, uint64_t offset)
{
	struct vg_control_share want = {
		.id = id, .kind = VG_SHARE_REGION, .pages = pages, .address = ARENA_START + offset};

	return fe_channel_share(&channel, &want, region, text);
}

static void region_fill(struct fe_share *region, uint64_t seed)
{
	uint64_t *word = region->base;

	for (size_t i = 0; i < region->bytes / sizeof(*word); i++)
		word[i] = (seed + i) * 0x9e3779b97f4a7c15ull;
}

/* The same pages in the same order on both sides, and written by either. */
static void region_try(struct lane *lane, uint32_t id, uint32_t pages, uint64_t offset)
{
	struct fe_share region;
	double start = now_us();
	uint64_t sum;
	int rc = region_open(&region, id, pages, offset);

	if (rc)
		die("region", rc);
	printf("region of %u pages at %p, %.0f us\n", pages, region.base, now_us() - start);
	region_fill(&region, pages);
	sum = echo_sum(region.base, region.bytes);
	if (lane_ask(lane, ECHO_WORD(ECHO_SUM, id), 0) != sum)
		die("the executor sees other bytes", -EIO);
	if (lane_ask(lane, ECHO_WORD(ECHO_WRITE, id), 0) != echo_sum(region.base, region.bytes))
		die("the guest sees other bytes", -EIO);
	if (echo_sum(region.base, region.bytes) == sum)
		die("nothing was written", -EIO);
	rc = fe_channel_unshare(&channel, &region);
	if (rc)
		die("unshare of a region", rc);
	if (lane_ask(lane, ECHO_WORD(ECHO_SUM, id), 0) != 0)
		die("the executor still has the region", -EIO);
}

/* --- the modes --- */

static void session_open(void)
{
	int rc = fe_channel_open(&channel, 0, text);

	if (rc) {
		printf("refused (%s): %s\n", strerror(-rc), text);
		exit(3);
	}
	printf("open: %s channel, %u lanes of %u pages, %u pages of regions\n",
	       channel.limits.channel == VG_CHANNEL_XEN ? "xen" : "local", channel.limits.lanes,
	       channel.limits.lane_pages, channel.limits.region_pages);
	if (mmap((void *)ARENA_START, ARENA_BYTES, PROT_NONE, /* NOLINT */
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
		 0) == MAP_FAILED)
		die("arena", -errno);
}

static int mode_try(void)
{
	static const uint32_t sizes[] = {1, 2, 1021, 1022, 1023, 1, 2045};
	struct lane lanes[3];

	session_open();
	for (uint32_t i = 0; i < 3; i++)
		lane_open(&lanes[i], i);
	lane_round_trips(&lanes[0], 200, 0);
	lane_round_trips(&lanes[1], 2000, 1);
	lane_laps(&lanes[2]);
	for (uint32_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		region_try(&lanes[i % 3], i, sizes[i], (uint64_t)i << 24);
	for (uint32_t i = 0; i < 3; i++)
		lane_close(&lanes[i]);
	lane_open(&lanes[0], 0);
	lane_round_trips(&lanes[0], 10, 0);
	fe_channel_close(&channel);
	puts("PASS");
	return 0;
}

static int mode_hold(void)
{
	struct fe_share region;
	struct lane lane;
	int rc;

	session_open();
	lane_open(&lane, 0);
	lane_ask(&lane, ECHO_WORD(ECHO_PLAIN, 1), 0);
	rc = region_open(&region, 0, 600, 0);
	if (rc)
		die("region", rc);
	puts("holding");
	fflush(stdout);
	for (;;) {
		rc = bell_wait(&lane.share.bell, channel.sock, 60000);
		if (rc >= 0 && (rc & VG_BELL_LIFE) && fe_channel_check(&channel, text)) {
			printf("lost: %s\n", text);
			return 4;
		}
		if (rc < 0)
			die("the bell", rc);
	}
}

static bool exec_alive(const struct lane *lane)
{
	const struct vg_lane_shared *shared = lane->share.base;

	return __atomic_load_n(&shared->exec_alive, __ATOMIC_ACQUIRE) != 0;
}

static int mode_crash(void)
{
	struct lane lane;
	double start;
	int rc;

	session_open();
	lane_open(&lane, 0);
	lane_ask(&lane, ECHO_WORD(ECHO_PLAIN, 1), 0);
	lane_put(&lane, ECHO_WORD(ECHO_CRASH, 0));
	/* On Xen the kernel tells first, through the page; locally only the socket does. */
	start = now_us();
	while (channel.limits.channel == VG_CHANNEL_XEN && exec_alive(&lane)) {
		if (now_us() - start > 10e6)
			die("exec_alive stands", -ETIMEDOUT);
		bell_wait(&lane.share.bell, -1, 100);
	}
	if (channel.limits.channel == VG_CHANNEL_XEN)
		printf("exec_alive fell after %.1f ms\n", (now_us() - start) / 1e3);
	do
		rc = bell_wait(&lane.share.bell, channel.sock, 10000);
	while (rc > 0 && !(rc & VG_BELL_LIFE));
	if (rc <= 0 || fe_channel_check(&channel, text) != -EPIPE)
		die("no news of the executor's death", rc);
	printf("lost: %s\n", text);
	return 0;
}

static int mode_exhaust(void)
{
	struct fe_share regions[32];
	struct lane lane;
	uint32_t count = 0;
	int rc = 0;

	session_open();
	lane_open(&lane, 0);
	while (count < 32) {
		rc = region_open(&regions[count], count, 2048, (uint64_t)count << 24);
		if (rc)
			break;
		count++;
	}
	printf("%u regions of 2048 pages, then: %s (%s)\n", count, strerror(-rc), text);
	if (rc != -ENOSPC && rc != -ENOMEM)
		die("it should run out of pages", rc);
	lane_round_trips(&lane, 50, 0);
	while (count > 0)
		if (fe_channel_unshare(&channel, &regions[--count]))
			die("unshare", -EIO);
	region_try(&lane, 0, 2048, 0);
	puts("PASS");
	return 0;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";

	setvbuf(stdout, NULL, _IOLBF, 0);
	alarm(1200); /* whatever happens, it does not stay for ever */
	if (!strcmp(mode, "try"))
		return mode_try();
	if (!strcmp(mode, "hold"))
		return mode_hold();
	if (!strcmp(mode, "crash"))
		return mode_crash();
	if (!strcmp(mode, "exhaust"))
		return mode_exhaust();
	if (!strcmp(mode, "open")) {
		session_open();
		fe_channel_close(&channel);
		return 0;
	}
	fprintf(stderr, "usage: channel-client try|hold|crash|exhaust|open\n");
	return 2;
}
