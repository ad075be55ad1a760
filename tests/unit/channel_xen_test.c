/* SPDX-License-Identifier: MIT */
/*
 * The executor's end of the Xen channel against a guest that lies. /dev/xen/gntdev is a memfd here and its
 * ioctls are ours (--wrap): a grant is a page of the fake guest's, a map a run of pages in the memfd.
 * What gntdev itself does is tried on real Xen (tests/channel/test_channel_xen.py).
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

typedef uint16_t domid_t;
typedef uint32_t grant_ref_t;
#include <xen/gntdev.h>

#include "dom0-executor/channel.h"

#define DOMID      7
#define GUEST_REFS 4096
#define MAPS_MAX   64
/* The fake guest grants its pages by these references. */
#define REF(n) (100 + (n))

static uint8_t guest[GUEST_REFS][VG_PAGE_SIZE];
static bool withdrawn[GUEST_REFS];

static struct {
	uint64_t index;
	uint32_t count;
	bool live;
} maps[MAPS_MAX];
static int gntdev = -1;
static uint64_t next_index;
static uint64_t notify_index;
static uint32_t notify_port;
static bool notify_fails;
static unsigned int maps_made;

/* --- the device --- */

/* Declared by the linker's option, not by a header. */
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int __wrap_open(const char *path, int flags, ...)
{
	if (strcmp(path, "/dev/xen/gntdev") != 0)
		return __real_open(path, flags);
	gntdev = memfd_create("gntdev", MFD_CLOEXEC);
	return gntdev;
}

static int map_grants(struct ioctl_gntdev_map_grant_ref *op)
{
	bool good = true;
	uint64_t at = next_index;
	int slot = 0;

	while (slot < MAPS_MAX && maps[slot].live)
		slot++;
	if (slot == MAPS_MAX || !op->count || op->count > 65536)
		return EINVAL;
	for (uint32_t i = 0; i < op->count; i++) {
		uint32_t page = op->refs[i].ref - REF(0);

		assert_int_equal(op->refs[i].domid, DOMID);
		good &= page < GUEST_REFS && !withdrawn[page];
		if (good)
			assert_int_equal(pwrite(gntdev, guest[page], VG_PAGE_SIZE,
						(off_t)(at + (uint64_t)i * VG_PAGE_SIZE)),
					 VG_PAGE_SIZE);
	}
	next_index += (uint64_t)op->count * VG_PAGE_SIZE;
	/* gntdev finds out at mmap(); an offset that is no page's makes ours fail just so. */
	op->index = good ? at : at + 1;
	maps[slot].index = op->index;
	maps[slot].count = op->count;
	maps[slot].live = true;
	maps_made++;
	return 0;
}

static int unmap_grants(const struct ioctl_gntdev_unmap_grant_ref *op)
{
	for (int i = 0; i < MAPS_MAX; i++) {
		if (!maps[i].live || maps[i].index != op->index || maps[i].count != op->count)
			continue;
		maps[i].live = false;
		return 0;
	}
	return ENOENT;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;
	int error;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fd != gntdev)
		return __real_ioctl(fd, request, arg);
	if (request == IOCTL_GNTDEV_MAP_GRANT_REF) {
		error = map_grants(arg);
	} else if (request == IOCTL_GNTDEV_UNMAP_GRANT_REF) {
		error = unmap_grants(arg);
		assert_int_equal(error, 0);
	} else {
		const struct ioctl_gntdev_unmap_notify *op = arg;

		assert_true(request == IOCTL_GNTDEV_SET_UNMAP_NOTIFY);
		assert_int_equal(op->action, UNMAP_NOTIFY_CLEAR_BYTE | UNMAP_NOTIFY_SEND_EVENT);
		notify_index = op->index;
		notify_port = op->event_channel_port;
		error = notify_fails ? EINVAL : 0;
	}
	errno = error;
	return error ? -1 : 0;
}

static int live_maps(void)
{
	int count = 0;

	for (int i = 0; i < MAPS_MAX; i++)
		count += maps[i].live;
	return count;
}

/* --- the guest: page 0 and on are directories, the share's pages come from 100 on --- */

static struct ex_channel *channel;
static struct ex_share share;
static struct vg_packet packet;
static char text[VG_TEXT_MAX];

static struct vg_page_dir *dir(int n)
{
	return (struct vg_page_dir *)guest[n];
}

/* A share as an honest guest makes it, its pages in falling order. */
static void guest_offers(uint32_t kind, uint32_t pages)
{
	uint32_t dirs = (pages + VG_DIR_REFS - 1) / VG_DIR_REFS;

	for (uint32_t i = 0; i < pages; i++) {
		guest[100 + pages - 1 - i][0] = (uint8_t)i;
		guest[100 + pages - 1 - i][1] = (uint8_t)(i >> 8);
		dir((int)(i / VG_DIR_REFS))->refs[i % VG_DIR_REFS] = REF(100 + pages - 1 - i);
	}
	for (uint32_t d = 0; d < dirs; d++) {
		dir((int)d)->next = d + 1 < dirs ? REF(d + 1) : 0;
		dir((int)d)->count = d + 1 < dirs ? VG_DIR_REFS : pages - d * VG_DIR_REFS;
	}
	vg_packet_init(&packet, VG_CTL_SHARE, 1);
	packet.msg.u.share.kind = kind;
	packet.msg.u.share.pages = pages;
	packet.msg.u.share.dir_ref = REF(0);
	if (kind == VG_SHARE_LANE) {
		packet.msg.u.share.port = 55;
		packet.fds[0] = eventfd(0, EFD_CLOEXEC);
	}
}

static int map(void)
{
	text[0] = '\0';
	return channel->ops->share_map(channel, &packet, &share, text);
}

static void pages_check(uint32_t pages)
{
	const uint8_t *base = share.base;

	for (uint32_t i = 0; i < pages; i++)
		assert_int_equal(base[(size_t)i * VG_PAGE_SIZE] | base[(size_t)i * VG_PAGE_SIZE + 1]
									  << 8,
				 i);
}

static void expect_refused(void)
{
	assert_int_equal(map(), -ENXIO);
	assert_null(share.base);
	assert_int_equal(live_maps(), 0);
	assert_non_null(strstr(text, "domain 7"));
	vg_packet_close_fds(&packet);
}

static int setup(void **state)
{
	(void)state;
	memset(guest, 0, sizeof(guest));
	memset(withdrawn, 0, sizeof(withdrawn));
	memset(maps, 0, sizeof(maps));
	memset(&share, 0, sizeof(share));
	next_index = notify_index = 0;
	notify_port = maps_made = 0;
	notify_fails = false;
	channel = ex_channel_xen_new(DOMID);
	assert_non_null(channel);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	channel->ops->share_unmap(channel, &share);
	channel->ops->share_unmap(channel, &share);
	assert_int_equal(live_maps(), 0);
	vg_packet_close_fds(&packet);
	channel->ops->destroy(channel);
	return 0;
}

/* --- the tests --- */

static void test_lane(void **state)
{
	(void)state;
	guest_offers(VG_SHARE_LANE, 33);
	assert_int_equal(map(), 0);
	pages_check(33);
	assert_int_equal(share.bytes, 33 * VG_PAGE_SIZE);
	/* The descriptor has moved into the bell. */
	assert_int_equal(packet.fds[0], -1);
	assert_int_equal(share.bell.port, 55);
	assert_true(fcntl(share.bell.wait_fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(notify_port, 55);
	assert_int_equal(notify_index % VG_PAGE_SIZE, VG_ALIVE_EXEC_OFFSET);
	/* The directory has been let go, the lane has not. */
	assert_int_equal(maps_made, 2);
	assert_int_equal(live_maps(), 1);
}

static void test_sizes(void **state)
{
	static const uint32_t sizes[] = {1, 1021, 1022, 1023, 2044, 2045, 3900};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		guest_offers(VG_SHARE_LANE, sizes[i]);
		assert_int_equal(map(), 0);
		pages_check(sizes[i]);
		teardown(state);
		setup(state);
	}
}

static void test_region(void **state)
{
	char *arena = mmap(NULL, 1 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ex_share first;

	(void)state;
	assert_ptr_not_equal(arena, MAP_FAILED);
	guest_offers(VG_SHARE_REGION, 5);
	packet.msg.u.share.address = (uintptr_t)arena + 16384;
	assert_int_equal(map(), 0);
	assert_ptr_equal(share.base, arena + 16384);
	assert_int_equal(notify_index, 0);
	pages_check(5);
	first = share;
	packet.msg.u.share.address += 4 * VG_PAGE_SIZE;
	assert_int_equal(map(), -EADDRINUSE);
	packet.msg.u.share.address = 1;
	assert_int_equal(map(), -ENXIO);
	packet.msg.u.share.address = 0;
	assert_int_equal(map(), -ENXIO);
	share = first;
	channel->ops->share_unmap(channel, &share);
	/* Reserved again, in one step. */
	assert_ptr_equal(mmap(arena + 16384, VG_PAGE_SIZE, PROT_READ,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 MAP_FAILED);
	/* A refused one leaves the reservation whole, too. */
	withdrawn[102] = true;
	packet.msg.u.share.address = (uintptr_t)arena + 16384;
	assert_int_equal(map(), -ENXIO);
	assert_ptr_equal(mmap(arena + 16384, VG_PAGE_SIZE, PROT_READ,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 MAP_FAILED);
	munmap(arena, 1 << 20);
}

static void test_bad_grants(void **state)
{
	(void)state;
	guest_offers(VG_SHARE_LANE, 2000);
	withdrawn[100 + 1234] = true; /* one of many */
	expect_refused();
	guest_offers(VG_SHARE_LANE, 9);
	packet.msg.u.share.dir_ref = 3; /* not granted at all */
	expect_refused();
	guest_offers(VG_SHARE_LANE, 9);
	dir(0)->refs[8] = 0xffffffff;
	expect_refused();
	guest_offers(VG_SHARE_LANE, 2000);
	withdrawn[1] = true; /* the second directory page */
	expect_refused();
}

static void test_bad_directories(void **state)
{
	(void)state;
	guest_offers(VG_SHARE_LANE, 9);
	dir(0)->count = 8;
	expect_refused();
	guest_offers(VG_SHARE_LANE, 9);
	dir(0)->count = 10;
	expect_refused();
	guest_offers(VG_SHARE_LANE, 9);
	dir(0)->count = 0xffffffff;
	expect_refused();
	guest_offers(VG_SHARE_LANE, 9);
	dir(0)->count = 0;
	expect_refused();
	guest_offers(VG_SHARE_LANE, 9);
	dir(0)->next = REF(0); /* goes on after the end */
	expect_refused();
	guest_offers(VG_SHARE_LANE, 2000);
	dir(0)->next = 0; /* ends too early */
	expect_refused();
	guest_offers(VG_SHARE_LANE, 2000);
	dir(0)->count = 100; /* many small ones would be a long walk */
	expect_refused();
}

/* A chain that comes back to itself ends where the pages end. */
static void test_directory_loop(void **state)
{
	(void)state;
	guest_offers(VG_SHARE_LANE, 3 * VG_DIR_REFS);
	dir(0)->next = REF(0);
	expect_refused();
	assert_true(maps_made <= 4);
}

static void test_bad_requests(void **state)
{
	(void)state;
	guest_offers(VG_SHARE_LANE, 9);
	packet.msg.u.share.pages = 0;
	expect_refused();
	guest_offers(VG_SHARE_LANE, 9);
	packet.msg.u.share.pages = 65537;
	expect_refused();
	guest_offers(VG_SHARE_LANE, 9);
	packet.msg.u.share.pages = 0xffffffff;
	expect_refused();
	assert_int_equal(maps_made, 0);
	guest_offers(VG_SHARE_LANE, 9);
	close(packet.fds[0]);
	packet.fds[0] = -1;
	expect_refused();
}

/* A lane whose death nobody would hear of is no lane. */
static void test_no_notification(void **state)
{
	(void)state;
	guest_offers(VG_SHARE_LANE, 9);
	notify_fails = true;
	expect_refused();
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_lane),         T(test_sizes),           T(test_region),
		T(test_bad_grants),   T(test_bad_directories), T(test_directory_loop),
		T(test_bad_requests), T(test_no_notification),
	};

	alarm(60);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
