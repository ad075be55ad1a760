/* SPDX-License-Identifier: MIT */
/*
 * The control socket of an executor, as a guest on the local channel has it: what is refused and why, a
 * lane that works, and the ways in which a session ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/calls.h"
#include "protocol/ring.h"
#include "protocol/socket.h"

#include "dom0-executor/session.h"

#include "tests/unit/executor/fake_driver.h"

#define RING  (16u * 1024)
#define PAGES (1 + 2 * RING / VG_PAGE_SIZE)

struct guest {
	struct ex_session session;
	struct ex_settings settings;
	pthread_t thread;
	int sock;
	const char *driver_error;
	int status;
	uint32_t tag;
};

static struct guest guest;

static void *serve(void *arg)
{
	struct guest *g = arg;

	g->status = ex_session_serve(&g->session, g->driver_error);
	assert_true(ex_session_end(&g->session));
	/* The process would end here. */
	shutdown(g->session.control_fd, SHUT_RDWR);
	return NULL;
}

static int listen_fd = -1, stats_fd = -1, trace_fd = -1;

/* Seconds; of the next guest's executor. */
static uint32_t adopt_timeout = 1;

static int start(struct guest *g, const char *driver_error)
{
	int socks[2];

	memset(g, 0, sizeof(*g));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks))
		return -1;
	fake_driver_install(0);
	g->sock = socks[0];
	g->driver_error = driver_error;
	g->settings = (struct ex_settings){
		.channel = VG_CHANNEL_LOCAL,
		.control_fd = socks[1],
		.stats_fd = stats_fd,
		.listen_fd = listen_fd,
		.trace_fd = trace_fd,
		.adopt_timeout = adopt_timeout,
		.domid = 3,
		.devid = {1, 4},
		.devids = 2,
		.session = 17,
		.limits = {.lanes = 2,
			   .lane_pages = 64,
			   .region_pages = 16,
			   .channel = VG_CHANNEL_LOCAL},
		.log_level = (enum vg_log_level) - 1,
	};
	if (ex_session_init(&g->session, &g->settings, ex_channel_local_new()))
		return -1;
	return pthread_create(&g->thread, NULL, serve, g);
}

static int setup(void **state)
{
	*state = &guest;
	return start(&guest, NULL);
}

static int teardown(void **state)
{
	struct guest *g = *state;

	close(g->sock);
	pthread_join(g->thread, NULL);
	close(g->session.control_fd);
	ex_session_dispose(&g->session);
	ex_host_funcs_dispose(&g->session.host_funcs);
	fake_driver_reset();
	return 0;
}

/* Sends and returns the answer's status; the answer stays in packet. */
static int ask(struct guest *g, struct vg_packet *packet)
{
	packet->msg.tag = ++g->tag;
	assert_int_equal(vg_packet_send(g->sock, packet), 0);
	assert_int_equal(vg_packet_recv(g->sock, packet, 5000), 0);
	assert_int_equal(packet->msg.type, VG_CTL_ANSWER);
	assert_int_equal(packet->msg.tag, g->tag);
	return packet->msg.status;
}

static int open_session(struct guest *g, uint32_t protocol, uint64_t hash, char *text)
{
	struct vg_packet packet;
	int status;

	vg_packet_init(&packet, VG_CTL_OPEN, 0);
	packet.msg.u.open =
		(struct vg_control_open){.protocol = protocol, .spec_hash = hash, .comm = "test"};
	status = ask(g, &packet);
	if (text)
		memcpy(text, packet.msg.text, VG_TEXT_MAX);
	if (!status)
		assert_int_equal(packet.msg.u.answer.limits.channel, VG_CHANNEL_LOCAL);
	return status;
}

static int open_well(struct guest *g)
{
	return open_session(g, VG_PROTOCOL_VERSION, VG_SPEC_HASH, NULL);
}

static void expect_end(struct guest *g)
{
	struct vg_packet packet;

	assert_int_equal(vg_packet_recv(g->sock, &packet, 5000), -EPIPE);
}

static int memory(size_t pages, void **map)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t bytes = pages * VG_PAGE_SIZE;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	*map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(*map, MAP_FAILED);
	return fd;
}

/* Asks for a share as described, with descriptors as they should be. */
static int share(struct guest *g, const struct vg_control_share *want, void **map)
{
	struct vg_packet packet;
	struct vg_lane_shared *shared;
	int status;

	vg_packet_init(&packet, VG_CTL_SHARE, 0);
	packet.msg.u.share = *want;
	packet.fds[0] = memory(64, map);
	shared = *map;
	if (want->kind == VG_SHARE_LANE) {
		shared->magic = VG_LANE_MAGIC;
		shared->version = VG_PROTOCOL_VERSION;
		shared->guest_alive = 1;
		packet.fds[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		packet.fds[2] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
	packet.msg.tag = ++g->tag;
	assert_int_equal(vg_packet_send(g->sock, &packet), 0);
	vg_packet_close_fds(&packet);
	assert_int_equal(vg_packet_recv(g->sock, &packet, 5000), 0);
	assert_int_equal(packet.msg.tag, g->tag);
	status = packet.msg.status;
	if (status)
		assert_true(*packet.msg.text != '\0');
	return status;
}

static int share_only(struct guest *g, const struct vg_control_share *want)
{
	void *map;
	int status = share(g, want, &map);

	munmap(map, 64ul * VG_PAGE_SIZE);
	return status;
}

static int share_drop(struct guest *g, uint32_t kind, uint32_t id)
{
	struct vg_packet packet;

	vg_packet_init(&packet, VG_CTL_UNSHARE, 0);
	packet.msg.u.unshare = (struct vg_control_unshare){.id = id, .kind = kind};
	return ask(g, &packet);
}

static const struct vg_control_share good_lane = {
	.id = 1, .kind = VG_SHARE_LANE, .pages = PAGES, .cmd_bytes = RING, .reply_bytes = RING};

static void test_versions(void **state)
{
	struct guest *g = *state;
	char text[VG_TEXT_MAX];

	assert_int_equal(open_session(g, VG_PROTOCOL_VERSION + 1, VG_SPEC_HASH, text), -EPROTO);
	assert_non_null(strstr(text, "install the same release"));
	expect_end(g);
}

static void test_spec(void **state)
{
	struct guest *g = *state;
	char text[VG_TEXT_MAX];

	assert_int_equal(open_session(g, VG_PROTOCOL_VERSION, VG_SPEC_HASH ^ 1, text), -EPROTO);
	assert_non_null(strstr(text, "install the same release"));
	expect_end(g);
}

static void test_open_comes_first(void **state)
{
	struct guest *g = *state;

	assert_int_equal(share_drop(g, VG_SHARE_LANE, 0), -EPROTO);
	expect_end(g);
}

static void test_no_driver(void **state)
{
	char text[VG_TEXT_MAX];

	teardown(state);
	assert_int_equal(start(&guest, "the host has none"), 0);
	assert_int_equal(open_session(&guest, VG_PROTOCOL_VERSION, VG_SPEC_HASH, text), -ENODEV);
	assert_string_equal(text, "the host has none");
	expect_end(&guest);
	assert_int_equal(pthread_tryjoin_np(guest.thread, NULL) == EBUSY || guest.status == 1, 1);
}

static void test_bad_lanes(void **state)
{
	struct guest *g = *state;
	struct vg_control_share want = good_lane;

	assert_int_equal(open_well(g), 0);
	assert_int_equal(open_well(g), -EALREADY);
	want.id = VG_LANES_MAX;
	assert_int_equal(share_only(g, &want), -EINVAL);
	want = good_lane;
	want.pages = 65;
	assert_int_equal(share_only(g, &want), -EDQUOT);
	want = good_lane;
	want.cmd_bytes = RING + 8;
	assert_int_equal(share_only(g, &want), -EINVAL);
	want.cmd_bytes = 0;
	assert_int_equal(share_only(g, &want), -EINVAL);
	want = good_lane;
	want.pages = PAGES - 1;
	assert_int_equal(share_only(g, &want), -EINVAL);
	want.pages = 0;
	assert_int_equal(share_only(g, &want), -EINVAL);
	want = good_lane;
	want.kind = 3;
	assert_int_equal(share_only(g, &want), -EINVAL);
	assert_int_equal(share_only(g, &good_lane), 0);
	assert_int_equal(share_only(g, &good_lane), -EBUSY);
	want = good_lane;
	want.id = 2;
	assert_int_equal(share_only(g, &want), 0);
	want.id = 3;
	assert_int_equal(share_only(g, &want), -EDQUOT);
	assert_int_equal(share_drop(g, VG_SHARE_LANE, 7), -ENOENT);
	assert_int_equal(share_drop(g, VG_SHARE_LANE, UINT32_MAX), -ENOENT);
	assert_int_equal(share_drop(g, VG_SHARE_LANE, 1), 0);
	assert_int_equal(share_drop(g, VG_SHARE_LANE, 1), -ENOENT);
	want.id = 1;
	assert_int_equal(share_only(g, &want), 0);
}

static void test_regions(void **state)
{
	struct guest *g = *state;
	uint64_t base = g->session.arena_base;
	struct vg_control_share want = {
		.kind = VG_SHARE_REGION, .pages = 8, .address = base + 64ull * VG_PAGE_SIZE};
	void *map;

	assert_int_equal(open_well(g), 0);
	assert_int_equal(share(g, &want, &map), 0);
	memcpy(map, "shared", 7);
	assert_string_equal((const char *)(uintptr_t)want.address, "shared");
	munmap(map, 64ul * VG_PAGE_SIZE);
	assert_int_equal(share_only(g, &want), -EBUSY);
	want.id = 1;
	assert_int_equal(share_only(g, &want), -EADDRINUSE);
	want.address = base + 8;
	assert_int_equal(share_only(g, &want), -EINVAL);
	want.address = 0;
	assert_int_equal(share_only(g, &want), -EINVAL);
	want.address = UINT64_MAX & ~(uint64_t)(VG_PAGE_SIZE - 1);
	assert_int_equal(share_only(g, &want), -EINVAL);
	want.address = base;
	want.pages = 9; /* 16 in all */
	assert_int_equal(share_only(g, &want), -EDQUOT);
	want.pages = UINT32_MAX;
	assert_int_equal(share_only(g, &want), -EDQUOT);
	want.pages = 8;
	assert_int_equal(share_only(g, &want), 0);
	assert_int_equal(share_drop(g, VG_SHARE_REGION, 0), 0);
	assert_int_equal(share_drop(g, VG_SHARE_REGION, 0), -ENOENT);
	assert_int_equal(__atomic_load_n(&g->session.stats.page->region_bytes, __ATOMIC_RELAXED),
			 8 * VG_PAGE_SIZE);
}

/* Somewhere where nothing is, as memory of the guest's program would be; far from all stacks. */
static uint64_t free_place(void)
{
	const size_t gap = 1u << 30;
	char *at = mmap((void *)0x200000000000, gap, /* NOLINT: an address */ PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_true(at != MAP_FAILED);
	munmap(at, gap);
	return (uintptr_t)at + gap / 2;
}

/* Outside the arena only where nothing is; who asks too often is told nothing more. */
static void test_regions_in_place(void **state)
{
	struct guest *g = *state;
	struct vg_control_share want = {.kind = VG_SHARE_REGION, .pages = 8};
	uint64_t place = free_place();
	int local = 0;

	assert_int_equal(open_well(g), 0);
#ifdef VG_TSAN
	want.address = place;
	assert_int_equal(share_only(g, &want), -EADDRINUSE);
	(void)local;
#else
	for (int i = 0; i < 3; i++) { /* and free again each time */
		want.address = place;
		assert_int_equal(share_only(g, &want), 0);
		assert_int_equal(share_drop(g, VG_SHARE_REGION, 0), 0);
	}
	/* Over the arena's border, over this stack, over this program. */
	want.address = g->session.arena_base - VG_PAGE_SIZE;
	assert_int_equal(share_only(g, &want), -EADDRINUSE);
	want.address = ((uintptr_t)&local & ~(uintptr_t)(VG_PAGE_SIZE - 1)) - 3 * VG_PAGE_SIZE;
	assert_int_equal(share_only(g, &want), -EADDRINUSE);
	want.address = (uintptr_t)&test_regions & ~(uintptr_t)(VG_PAGE_SIZE - 1);
	for (int i = 0; i < 14; i++)
		assert_int_equal(share_only(g, &want), -EADDRINUSE);
	want.address = place;
	assert_int_equal(share_only(g, &want), -EADDRINUSE);
	want.address = g->session.arena_base;
	assert_int_equal(share_only(g, &want), 0);
#endif
}

/* Puts one command into the lane's ring as a guest would; no doorbell: it is looked at every second. */
static void put_command(void *map, const struct vg_cmd *cmd, const void *args, size_t n)
{
	struct vg_lane_shared *shared = map;
	struct vg_producer p;

	vg_producer_init(&p, (uint8_t *)map + VG_PAGE_SIZE, RING, &shared->cmd_prod,
			 &shared->cmd_cons);
	vg_producer_put(&p, cmd, sizeof(*cmd));
	vg_producer_put(&p, args, n);
	vg_producer_publish(&p);
}

static void test_lane_works(void **state)
{
	struct guest *g = *state;
	struct vg_cmd cmd = {.op = VG_OP_cuMemAlloc_v2,
			     .args_size = sizeof(struct vg_args_cuMemAlloc_v2)};
	struct vg_args_cuMemAlloc_v2 args = {.bytesize = 4096};
	struct vg_lane_shared *shared;
	struct vg_consumer c;
	struct vg_reply reply;
	void *map;

	assert_int_equal(open_well(g), 0);
	assert_int_equal(share(g, &good_lane, &map), 0);
	shared = map;
	assert_int_equal(shared->exec_alive, 1);
	put_command(map, &cmd, &args, sizeof(args));
	/* The lane runs what is in its ring before it ends. */
	assert_int_equal(share_drop(g, VG_SHARE_LANE, 1), 0);
	assert_int_equal(shared->exec_alive, 0);
	vg_consumer_init(&c, (uint8_t *)map + VG_PAGE_SIZE + RING, RING, &shared->reply_prod,
			 &shared->reply_cons);
	assert_int_equal(vg_consumer_get(&c, &reply, sizeof(reply)), sizeof(reply));
	assert_int_equal(reply.result, CUDA_SUCCESS);
	assert_int_equal(reply.number, 1);
	munmap(map, 64ul * VG_PAGE_SIZE);
	close(g->sock);
	g->sock = -1;
	pthread_join(g->thread, NULL);
	assert_int_equal(g->status, 0);
	assert_int_equal(g->session.stats.page->freed_bytes, 4096);
	assert_int_equal(pthread_create(&g->thread, NULL, serve, g), 0); /* for teardown */
}

static void test_breach_is_told(void **state)
{
	struct guest *g = *state;
	struct vg_cmd cmd = {.op = VG_OP_END};
	struct vg_packet packet;
	void *map;

	assert_int_equal(open_well(g), 0);
	assert_int_equal(share(g, &good_lane, &map), 0);
	put_command(map, &cmd, NULL, 0);
	assert_int_equal(vg_packet_recv(g->sock, &packet, 5000), 0);
	assert_int_equal(packet.msg.type, VG_CTL_GONE);
	assert_int_equal(packet.msg.status, -EPROTO);
	assert_non_null(strstr(packet.msg.text, "no such call"));
	expect_end(g);
	assert_int_equal(((struct vg_lane_shared *)map)->exec_alive, 0);
	munmap(map, 64ul * VG_PAGE_SIZE);
}

static void test_bad_index(void **state)
{
	struct guest *g = *state;
	struct vg_packet packet;
	void *map;

	assert_int_equal(open_well(g), 0);
	assert_int_equal(share(g, &good_lane, &map), 0);
	__atomic_store_n(&((struct vg_lane_shared *)map)->cmd_prod, 1ull << 40, __ATOMIC_RELEASE);
	assert_int_equal(vg_packet_recv(g->sock, &packet, 5000), 0);
	assert_int_equal(packet.msg.type, VG_CTL_GONE);
	assert_non_null(strstr(packet.msg.text, "index"));
	munmap(map, 64ul * VG_PAGE_SIZE);
}

static void test_short_message(void **state)
{
	struct guest *g = *state;
	struct vg_packet packet;

	assert_int_equal(open_well(g), 0);
	assert_int_equal(send(g->sock, "hello", 5, 0), 5);
	assert_int_equal(vg_packet_recv(g->sock, &packet, 5000), 0);
	assert_int_equal(packet.msg.type, VG_CTL_GONE);
	expect_end(g);
}

static void test_close(void **state)
{
	struct guest *g = *state;
	struct vg_packet packet;

	assert_int_equal(open_well(g), 0);
	vg_packet_init(&packet, VG_CTL_CLOSE, 0);
	assert_int_equal(ask(g, &packet), 0);
	expect_end(g);
}

/* --- adoption ----------------------------------------------------------------------------------- */

static struct sockaddr_un address;
static socklen_t address_size;

/* An executor that xen-vgpud has started: with counters of its and a socket to listen on. */
static int setup_adoptable(void **state)
{
	int rc;

	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	/* A name in the abstract namespace, by the kernel's choice. */
	address_size = sizeof(sa_family_t);
	listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(listen_fd, (struct sockaddr *)&address, address_size) || listen(listen_fd, 4))
		return -1;
	address_size = sizeof(address);
	if (getsockname(listen_fd, (struct sockaddr *)&address, &address_size))
		return -1;
	stats_fd = memfd_create("stats", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ftruncate(stats_fd, sizeof(struct vg_counters)))
		return -1;
	rc = setup(state);
	stats_fd = -1;
	return rc;
}

static int setup_patient(void **state)
{
	int rc;

	adopt_timeout = 100;
	rc = setup_adoptable(state);
	adopt_timeout = 1;
	return rc;
}

static int teardown_adoptable(void **state)
{
	int rc = teardown(state);

	close(listen_fd);
	listen_fd = -1;
	return rc;
}

static void peer_leaves(struct guest *g)
{
	close(g->sock);
	g->sock = -1;
}

/* The next xen-vgpud. */
static int peer_comes(struct guest *g, uint32_t protocol, struct vg_packet *answer)
{
	g->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(g->sock, (struct sockaddr *)&address, address_size), 0);
	vg_packet_init(answer, VG_CTL_ADOPT, 0);
	answer->msg.u.adopt.protocol = protocol;
	return ask(g, answer);
}

static void adopt_well(struct guest *g)
{
	struct vg_packet packet;

	assert_int_equal(peer_comes(g, VG_PROTOCOL_VERSION, &packet), 0);
	vg_packet_close_fds(&packet);
}

/* A command is carried out. */
static void lane_runs(void *map)
{
	struct vg_cmd cmd = {.op = VG_OP_cuMemAlloc_v2,
			     .args_size = sizeof(struct vg_args_cuMemAlloc_v2)};
	struct vg_args_cuMemAlloc_v2 args = {.bytesize = 4096};
	struct vg_lane_shared *shared = map;

	put_command(map, &cmd, &args, sizeof(args));
	for (int i = 0; i < 3000 && !__atomic_load_n(&shared->reply_prod, __ATOMIC_ACQUIRE); i++)
		usleep(1000);
	assert_true(__atomic_load_n(&shared->reply_prod, __ATOMIC_ACQUIRE) > 0);
}

static void test_adopted(void **state)
{
	struct guest *g = *state;
	struct vg_packet packet;
	struct vg_stats *stats;
	void *map;

	assert_int_equal(open_well(g), 0);
	assert_int_equal(share(g, &good_lane, &map), 0);
	peer_leaves(g);
	lane_runs(map); /* with nobody there */
	assert_int_equal(peer_comes(g, VG_PROTOCOL_VERSION, &packet), 0);
	assert_int_equal(packet.msg.session, 17);
	assert_int_equal(packet.msg.u.adopt.protocol, VG_PROTOCOL_VERSION);
	assert_int_equal(packet.msg.u.adopt.domid, 3);
	assert_int_equal(packet.msg.u.adopt.count, 2);
	assert_int_equal(packet.msg.u.adopt.devids[0], 1);
	assert_int_equal(packet.msg.u.adopt.devids[1], 4);
	assert_int_equal(packet.msg.u.adopt.opened, 1);
	assert_true(packet.msg.u.adopt.started > 0);
	assert_string_equal(packet.msg.u.adopt.comm, "test");
	stats = mmap(NULL, sizeof(*stats), PROT_READ, MAP_SHARED, packet.fds[0], 0);
	assert_ptr_not_equal(stats, MAP_FAILED);
	assert_int_equal(stats->commands, 1);
	assert_int_equal(packet.fds[1], -1);
	vg_packet_close_fds(&packet);
	/* What it has is still there, and goes on beyond the time limit. */
	assert_int_equal(share_only(g, &good_lane), -EBUSY);
	usleep(3500000);
	assert_int_equal(share_drop(g, VG_SHARE_LANE, 1), 0);
	munmap(stats, sizeof(*stats));
	munmap(map, 64ul * VG_PAGE_SIZE);
	/* In order: left alone again it would wait for as long as it may. */
	vg_packet_init(&packet, VG_CTL_CLOSE, 0);
	assert_int_equal(ask(g, &packet), 0);
}

static void test_adopted_again_and_again(void **state)
{
	struct guest *g = *state;
	struct vg_packet packet;
	int early;
	void *map;

	assert_int_equal(open_well(g), 0);
	assert_int_equal(share(g, &good_lane, &map), 0);
	for (int i = 0; i < 5; i++) {
		/* One that came and was killed before it was heard; one of another release. */
		early = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(early, (struct sockaddr *)&address, address_size), 0);
		close(early);
		peer_leaves(g);
		assert_int_equal(peer_comes(g, VG_PROTOCOL_VERSION + 1, &packet), -EPROTO);
		assert_non_null(strstr(packet.msg.text, "earlier release"));
		vg_packet_close_fds(&packet);
		peer_leaves(g);
		adopt_well(g);
	}
	assert_int_equal(share_drop(g, VG_SHARE_LANE, 1), 0);
	munmap(map, 64ul * VG_PAGE_SIZE);
}

/* Told to end, with an answer of its own unread: that looks like the peer's death at first. */
static void test_close_with_unread_answer(void **state)
{
	struct guest *g = *state;
	struct vg_packet packet;

	assert_int_equal(open_well(g), 0);
	vg_packet_init(&packet, VG_CTL_UNSHARE, 5);
	assert_int_equal(vg_packet_send(g->sock, &packet), 0);
	usleep(100000);
	vg_packet_init(&packet, VG_CTL_CLOSE, 0);
	assert_int_equal(vg_packet_send(g->sock, &packet), 0);
	peer_leaves(g);
	pthread_join(g->thread, NULL);
	assert_int_equal(g->status, 0); /* it was not the time limit */
	assert_int_equal(pthread_create(&g->thread, NULL, serve, g), 0); /* for teardown */
}

static void test_nobody_comes(void **state)
{
	struct guest *g = *state;
	struct vg_lane_shared *shared;
	void *map;

	assert_int_equal(open_well(g), 0);
	assert_int_equal(share(g, &good_lane, &map), 0);
	shared = map;
	peer_leaves(g);
	usleep(500000);
	assert_int_equal(__atomic_load_n(&shared->exec_alive, __ATOMIC_ACQUIRE), 1);
	pthread_join(g->thread, NULL);
	assert_int_equal(g->status, 1);
	assert_int_equal(shared->exec_alive, 0);
	assert_non_null(strstr(g->session.breach_text, "came back"));
	munmap(map, 64ul * VG_PAGE_SIZE);
	g->session.breach_status = 0;
	assert_int_equal(pthread_create(&g->thread, NULL, serve, g), 0); /* for teardown */
}

/* It connects, but does not say that it adopts: the time limit stands. */
static void test_silent_peer(void **state)
{
	struct guest *g = *state;

	assert_int_equal(open_well(g), 0);
	peer_leaves(g);
	g->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(g->sock, (struct sockaddr *)&address, address_size), 0);
	pthread_join(g->thread, NULL);
	assert_int_equal(g->status, 1);
	g->session.breach_status = 0;
	g->session.closing = true;
	assert_int_equal(pthread_create(&g->thread, NULL, serve, g), 0); /* for teardown */
}

/* Not opened yet: there is nothing to keep. And with the guest's process gone: nobody to keep it for. */
static void test_ends_at_once(void **state)
{
	struct guest *g = *state;
	struct vg_lane_shared *shared;
	struct timespec begin, end;
	void *map;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	peer_leaves(g);
	pthread_join(g->thread, NULL);
	assert_int_equal(g->status, 0);
	g->session.closing = false;
	close(g->session.control_fd);
	ex_session_dispose(&g->session);
	ex_host_funcs_dispose(&g->session.host_funcs);
	adopt_timeout = 100;
	assert_int_equal(start(g, NULL), 0);
	adopt_timeout = 1;
	assert_int_equal(open_well(g), 0);
	assert_int_equal(share(g, &good_lane, &map), 0);
	shared = map;
	peer_leaves(g);
	__atomic_store_n(&shared->guest_alive, 0, __ATOMIC_RELEASE);
	pthread_join(g->thread, NULL);
	clock_gettime(CLOCK_MONOTONIC, &end);
	assert_int_equal(g->status, 0);
	assert_true(end.tv_sec - begin.tv_sec < 20);
	munmap(map, 64ul * VG_PAGE_SIZE);
	assert_int_equal(pthread_create(&g->thread, NULL, serve, g), 0); /* for teardown */
}

/* A lane that drains while the one who asked for its end goes: the next one asks again. */
static void test_unshare_asked_twice(void **state)
{
	struct guest *g = *state;
	struct vg_packet packet;
	struct vg_lane_shared *shared;
	void *map;

	assert_int_equal(open_well(g), 0);
	assert_int_equal(share(g, &good_lane, &map), 0);
	shared = map;
	vg_packet_init(&packet, VG_CTL_UNSHARE, 400);
	packet.msg.u.unshare = (struct vg_control_unshare){.id = 1, .kind = VG_SHARE_LANE};
	assert_int_equal(vg_packet_send(g->sock, &packet), 0);
	peer_leaves(g);
	adopt_well(g);
	/* Done meanwhile, or still under way: never an answer to what the new one did not ask. */
	packet.msg.status = share_drop(g, VG_SHARE_LANE, 1);
	assert_true(packet.msg.status == 0 || packet.msg.status == -ENOENT);
	assert_int_equal(shared->exec_alive, 0);
	assert_int_equal(share_only(g, &good_lane), 0);
	munmap(map, 64ul * VG_PAGE_SIZE);
}

/* On the local channel, where the guest itself is at the socket, there is no such thing. */
static void test_not_adoptable(void **state)
{
	struct guest *g = *state;
	struct vg_packet packet;

	assert_int_equal(open_well(g), 0);
	vg_packet_init(&packet, VG_CTL_ADOPT, 0);
	packet.msg.u.adopt.protocol = VG_PROTOCOL_VERSION;
	assert_int_equal(ask(g, &packet), -EPROTO);
	assert_int_equal(packet.fds[0], -1);
	expect_end(g);
}

int main(void)
{
#define PATIENT(test)      cmocka_unit_test_setup_teardown(test, setup_patient, teardown_adoptable)
#define ADOPTABLE(test)    cmocka_unit_test_setup_teardown(test, setup_adoptable, teardown_adoptable)
#define WITH_SESSION(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		WITH_SESSION(test_versions),
		WITH_SESSION(test_spec),
		WITH_SESSION(test_open_comes_first),
		WITH_SESSION(test_no_driver),
		WITH_SESSION(test_bad_lanes),
		WITH_SESSION(test_regions),
		WITH_SESSION(test_regions_in_place),
		WITH_SESSION(test_lane_works),
		WITH_SESSION(test_breach_is_told),
		WITH_SESSION(test_bad_index),
		WITH_SESSION(test_short_message),
		WITH_SESSION(test_close),
		PATIENT(test_adopted),
		ADOPTABLE(test_adopted_again_and_again),
		ADOPTABLE(test_close_with_unread_answer),
		ADOPTABLE(test_nobody_comes),
		ADOPTABLE(test_silent_peer),
		ADOPTABLE(test_ends_at_once),
		ADOPTABLE(test_unshare_asked_twice),
		WITH_SESSION(test_not_adoptable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
