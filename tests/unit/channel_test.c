/* SPDX-License-Identifier: MIT */
/*
 * The local channel, both sides in one process: libcuda's end against the executor's end, then
 * each against a hostile other. The service's side runs in a thread that plays a script.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dom0-executor/channel.h"
#include "xen-frontend/channel.h"

#define HASH 0x1234567890abcdefull
#define MIB  (1024u * 1024)

/* --- the service: accepts one client and lets a script speak to it --- */

struct service {
	char dir[64];
	char path[96];
	int listener;
	pthread_t thread;
	int joined;
	void (*script)(struct service *service, int sock);
	/* The session's end as the executor holds it. */
	struct ex_channel *channel;
	struct ex_share shares[4];
	int share_count;
	int32_t map_rc;
	struct vg_control_open open;
	int opens, unshares, closes;
};

static void *service_run(void *arg)
{
	struct service *service = arg;
	int sock = accept4(service->listener, NULL, NULL, SOCK_CLOEXEC);

	if (sock >= 0) {
		service->script(service, sock);
		close(sock);
	}
	return NULL;
}

static void service_start(struct service *service, void (*script)(struct service *, int))
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memset(service, 0, sizeof(*service));
	snprintf(service->dir, sizeof(service->dir), "/tmp/vgpu-test-XXXXXX");
	assert_non_null(mkdtemp(service->dir));
	snprintf(service->path, sizeof(service->path), "%s/sock", service->dir);
	memcpy(address.sun_path, service->path, strlen(service->path) + 1);
	service->script = script;
	service->channel = ex_channel_local_new();
	assert_non_null(service->channel);
	service->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(service->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(service->listener, 4), 0);
	setenv("VGPU_SOCKET", service->path, 1);
	assert_int_equal(pthread_create(&service->thread, NULL, service_run, service), 0);
}

static void service_join(struct service *service)
{
	if (!service->joined)
		pthread_join(service->thread, NULL);
	service->joined = 1;
}

static void service_stop(struct service *service)
{
	service_join(service);
	for (int i = 0; i < service->share_count; i++) {
		service->channel->ops->share_unmap(service->channel, &service->shares[i]);
		service->channel->ops->share_unmap(service->channel, &service->shares[i]);
	}
	service->channel->ops->destroy(service->channel);
	close(service->listener);
	unlink(service->path);
	rmdir(service->dir);
}

static void answer(int sock, const struct vg_packet *request, int32_t status, const char *text)
{
	struct vg_packet reply;

	vg_packet_init(&reply, VG_CTL_ANSWER, request->msg.tag);
	reply.msg.status = status;
	if (text)
		snprintf(reply.msg.text, sizeof(reply.msg.text), "%s", text);
	reply.msg.u.answer.limits = (struct vg_limits){
		.lanes = 8, .lane_pages = 64, .region_pages = 1024, .channel = VG_CHANNEL_LOCAL};
	vg_packet_send(sock, &reply);
}

static void serve_share(struct service *service, int sock, struct vg_packet *packet)
{
	struct ex_share *share = &service->shares[service->share_count];
	char text[VG_TEXT_MAX] = "";

	service->map_rc = service->channel->ops->share_map(service->channel, packet, share, text);
	if (service->map_rc == 0)
		service->share_count++;
	answer(sock, packet, service->map_rc, text);
}

/* What an executor does, without CUDA. */
static void serve(struct service *service, int sock)
{
	struct vg_packet packet;

	while (vg_packet_recv(sock, &packet, 10000) == 0) {
		switch (packet.msg.type) {
		case VG_CTL_OPEN:
			service->opens++;
			service->open = packet.msg.u.open;
			answer(sock, &packet, 0, NULL);
			break;
		case VG_CTL_SHARE: serve_share(service, sock, &packet); break;
		case VG_CTL_UNSHARE:
			service->unshares++;
			service->share_count--;
			service->channel->ops->share_unmap(service->channel,
							   &service->shares[service->share_count]);
			answer(sock, &packet, 0, NULL);
			break;
		case VG_CTL_CLOSE: service->closes++; break;
		default: break;
		}
		vg_packet_close_fds(&packet);
	}
}

static struct vg_control_share lane_want(uint32_t id)
{
	return (struct vg_control_share){.id = id,
					 .kind = VG_SHARE_LANE,
					 .pages = 9,
					 .cmd_bytes = 16384,
					 .reply_bytes = 16384};
}

static void *arena_reserve(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static int fd_count(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* --- in order --- */

static void test_session(void **state)
{
	struct fe_channel channel;
	struct fe_share lane;
	struct service service;
	struct vg_control_share want = lane_want(3);
	char text[VG_TEXT_MAX];
	struct vg_lane_shared *there;
	int before = fd_count();

	(void)state;
	service_start(&service, serve);
	assert_int_equal(fe_channel_open(&channel, HASH, text), 0);
	assert_int_equal(service.open.spec_hash, HASH);
	assert_int_equal(service.open.protocol, VG_PROTOCOL_VERSION);
	assert_int_equal(service.open.pid, getpid());
	assert_int_equal(service.open.count, 0);
	assert_string_equal(service.open.comm, "channel_test");
	assert_int_equal(channel.limits.lanes, 8);

	assert_int_equal(fe_channel_share(&channel, &want, &lane, text), 0);
	assert_int_equal(lane.id, 3);
	assert_int_equal(lane.bytes, 9 * VG_PAGE_SIZE);
	there = service.shares[0].base;
	assert_int_equal(there->magic, VG_LANE_MAGIC);
	assert_int_equal(there->version, VG_PROTOCOL_VERSION);
	assert_int_equal(there->guest_alive, 1);
	/* The same pages on both sides, and the rest of them zero. */
	((struct vg_lane_shared *)lane.base)->cmd_prod = 8;
	assert_int_equal(there->cmd_prod, 8);
	for (size_t i = sizeof(*there); i < lane.bytes; i++)
		assert_int_equal(((uint8_t *)there)[i], 0);

	/* A bell each way, and a time limit when nobody rings. */
	assert_int_equal(vg_bell_wait(&lane.bell, channel.sock, 0), 0);
	assert_int_equal(vg_bell_ring(&service.shares[0].bell), 0);
	assert_int_equal(vg_bell_wait(&lane.bell, channel.sock, 1000), VG_BELL_RUNG);
	assert_int_equal(vg_bell_ring(&lane.bell), 0);
	assert_int_equal(vg_bell_wait(&service.shares[0].bell, -1, 1000), VG_BELL_RUNG);
	/* It stays until it is taken; what comes before that is taken with it. */
	assert_int_equal(vg_bell_wait(&service.shares[0].bell, -1, 0), VG_BELL_RUNG);
	assert_int_equal(vg_bell_ring(&lane.bell), 0);
	assert_int_equal(vg_bell_take(&service.shares[0].bell), 0);
	assert_int_equal(vg_bell_take(&service.shares[0].bell), 0);
	assert_int_equal(vg_bell_wait(&service.shares[0].bell, -1, 0), 0);

	assert_int_equal(fe_channel_check(&channel, text), 0);
	assert_int_equal(fe_channel_unshare(&channel, &lane), 0);
	assert_int_equal(fe_channel_unshare(&channel, &lane), 0);
	assert_int_equal(service.unshares, 1);
	fe_channel_close(&channel);
	fe_channel_close(&channel);
	service_stop(&service);
	assert_int_equal(service.closes, 1);
	assert_int_equal(fd_count(), before);
}

/*
 * Both sides share this process's address space here, so the executor's mapping of a region would land on
 * the client's. The executor's side is therefore a child process.
 */
static void test_region_address(void **state)
{
	char *arena = arena_reserve(8 * MIB);
	struct vg_control_share want = {.id = 1,
					.kind = VG_SHARE_REGION,
					.pages = 4,
					.address = (uintptr_t)arena + 2 * MIB};
	struct fe_channel channel;
	struct fe_share region;
	struct vg_packet packet;
	char text[VG_TEXT_MAX];
	int pair[2];
	pid_t child;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	child = fork();
	if (child == 0) {
		struct service service = {.channel = ex_channel_local_new()};
		const char *there = arena + 2 * MIB;

		alarm(20);
		close(pair[0]);
		if (vg_packet_recv(pair[1], &packet, 10000) != 0)
			_exit(1);
		serve_share(&service, pair[1], &packet);
		vg_packet_close_fds(&packet);
		if (service.map_rc || service.shares[0].base != there)
			_exit(2);
		vg_packet_recv(pair[1], &packet, 10000);
		if (strcmp(there, "pinned") != 0)
			_exit(3);
		service.channel->ops->share_unmap(service.channel, &service.shares[0]);
		answer(pair[1], &packet, 0, NULL);
		/* Given back to PROT_NONE: still reserved, no longer readable. */
		if (mmap((void *)there, 4096, PROT_READ,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED ||
		    errno != EEXIST)
			_exit(4);
		service.channel->ops->destroy(service.channel);
		_exit(0);
	}
	close(pair[1]);
	channel = (struct fe_channel){.sock = pair[0], .limits.channel = VG_CHANNEL_LOCAL};
	assert_int_equal(fe_channel_share(&channel, &want, &region, text), 0);
	assert_ptr_equal(region.base, arena + 2 * MIB);
	memcpy(region.base, "pinned", 7);
	assert_int_equal(fe_channel_unshare(&channel, &region), 0);
	assert_ptr_equal(mmap(arena + 2 * MIB, 4096, PROT_READ,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 MAP_FAILED);
	fe_channel_close(&channel);
	{
		int status;

		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(status, 0);
	}
	munmap(arena, 8 * MIB);
}

/* --- hostile clients against the executor's end --- */

struct offer {
	struct ex_channel *channel;
	struct vg_packet packet;
	struct ex_share share;
	char text[VG_TEXT_MAX];
};

static int memfd_new(size_t bytes, unsigned int flags, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | flags);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
	if (seals)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void offer_lane(struct offer *offer)
{
	vg_packet_init(&offer->packet, VG_CTL_SHARE, 1);
	offer->packet.msg.u.share = lane_want(0);
	offer->packet.fds[0] = memfd_new(9 * VG_PAGE_SIZE, MFD_ALLOW_SEALING, F_SEAL_SHRINK);
	offer->packet.fds[1] = eventfd(0, EFD_CLOEXEC);
	offer->packet.fds[2] = eventfd(0, EFD_CLOEXEC);
	offer->channel = ex_channel_local_new();
	assert_non_null(offer->channel);
}

static void fd_replace(int *fd, int with)
{
	if (*fd >= 0)
		close(*fd);
	*fd = with;
}

static int offer_map(struct offer *offer)
{
	memset(&offer->share, 0x5a, sizeof(offer->share));
	offer->text[0] = '\0';
	return offer->channel->ops->share_map(offer->channel, &offer->packet, &offer->share,
					      offer->text);
}

static void offer_end(struct offer *offer)
{
	offer->channel->ops->share_unmap(offer->channel, &offer->share);
	offer->channel->ops->destroy(offer->channel);
	vg_packet_close_fds(&offer->packet);
}

static void expect_refusal(struct offer *offer, const char *why)
{
	assert_int_equal(offer_map(offer), -ENXIO);
	assert_non_null(strstr(offer->text, why));
	assert_null(offer->share.base);
	offer_end(offer);
}

static void test_hostile_memfd(void **state)
{
	struct offer offer;
	int file;

	(void)state;
	offer_lane(&offer); /* the measure: this one is good */
	assert_int_equal(offer_map(&offer), 0);
	/* Bells were made non-blocking. */
	assert_true(fcntl(offer.share.bell.wait_fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(offer.share.bell.ring_fd, F_GETFL) & O_NONBLOCK);
	offer_end(&offer);

	offer_lane(&offer);
	fd_replace(&offer.packet.fds[0],
		   memfd_new(9 * VG_PAGE_SIZE - 1, MFD_ALLOW_SEALING, F_SEAL_SHRINK));
	expect_refusal(&offer, "shorter");

	offer_lane(&offer);
	fd_replace(&offer.packet.fds[0], memfd_new(9 * VG_PAGE_SIZE, MFD_ALLOW_SEALING, 0));
	expect_refusal(&offer, "sealed");

	offer_lane(&offer); /* no sealing allowed at all: carries F_SEAL_SEAL only */
	fd_replace(&offer.packet.fds[0], memfd_new(9 * VG_PAGE_SIZE, 0, 0));
	expect_refusal(&offer, "sealed");

	offer_lane(&offer);
	fd_replace(&offer.packet.fds[0],
		   memfd_new(9 * VG_PAGE_SIZE, MFD_ALLOW_SEALING, F_SEAL_SHRINK | F_SEAL_WRITE));
	expect_refusal(&offer, "mapped for writing");

	offer_lane(&offer);
	file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	assert_true(file >= 0);
	assert_int_equal(ftruncate(file, 1 << 20), 0);
	fd_replace(&offer.packet.fds[0], file);
	assert_int_equal(offer_map(&offer), -ENXIO);
	offer_end(&offer);

	offer_lane(&offer);
	fd_replace(&offer.packet.fds[0], eventfd(0, EFD_CLOEXEC));
	expect_refusal(&offer, "not a memfd");
}

static void test_hostile_fds(void **state)
{
	struct offer offer;
	int pipes[2];

	(void)state;
	for (int missing = 0; missing < 3; missing++) {
		offer_lane(&offer);
		fd_replace(&offer.packet.fds[missing], -1);
		expect_refusal(&offer, "number of descriptors");
	}
	offer_lane(&offer); /* a region with a lane's descriptors */
	offer.packet.msg.u.share.kind = VG_SHARE_REGION;
	expect_refusal(&offer, "number of descriptors");

	assert_int_equal(pipe(pipes), 0);
	offer_lane(&offer);
	fd_replace(&offer.packet.fds[1], pipes[0]);
	expect_refusal(&offer, "not an eventfd");
	offer_lane(&offer);
	fd_replace(&offer.packet.fds[2], pipes[1]);
	expect_refusal(&offer, "not an eventfd");

	offer_lane(&offer);
	fd_replace(&offer.packet.fds[2], memfd_new(4096, 0, 0));
	expect_refusal(&offer, "not an eventfd");
}

static int region_try(struct offer *offer, uint64_t address, uint32_t pages)
{
	struct offer next = {.channel = offer->channel};
	int rc;

	vg_packet_init(&next.packet, VG_CTL_SHARE, 1);
	next.packet.msg.u.share = (struct vg_control_share){
		.kind = VG_SHARE_REGION, .pages = pages, .address = address};
	next.packet.fds[0] =
		memfd_new((size_t)pages * VG_PAGE_SIZE, MFD_ALLOW_SEALING, F_SEAL_SHRINK);
	rc = offer_map(&next);
	vg_packet_close_fds(&next.packet);
	offer->share = next.share;
	return rc;
}

static void test_hostile_addresses(void **state)
{
	uint64_t arena = (uintptr_t)arena_reserve(MIB);
	struct offer offer = {.channel = ex_channel_local_new()};
	struct ex_share first;

	(void)state;
	assert_int_equal(region_try(&offer, arena + 16384, 4), 0);
	first = offer.share;
	assert_int_equal(region_try(&offer, arena + 16384, 4), -EADDRINUSE);
	assert_int_equal(region_try(&offer, arena + 4096, 4), -EADDRINUSE);
	assert_int_equal(region_try(&offer, arena + 16384 + 3 * 4096, 4), -EADDRINUSE);
	assert_int_equal(region_try(&offer, arena + 1, 4), -EINVAL);
	assert_int_equal(region_try(&offer, 0, 4), -EINVAL);
	assert_int_equal(region_try(&offer, UINT64_MAX - 4095, 4), -EINVAL);
	assert_int_equal(region_try(&offer, UINT64_MAX - 4095, 1), -EINVAL);
	/* The first one was not touched by all this; its neighbours are free. */
	memset(first.base, 1, first.bytes);
	assert_int_equal(region_try(&offer, arena, 4), 0);
	offer.channel->ops->share_unmap(offer.channel, &first);
	assert_int_equal(region_try(&offer, arena + 16384, 4), 0);
	/* destroy gives back what is left */
	offer.channel->ops->destroy(offer.channel);
	munmap((void *)(uintptr_t)arena, MIB);
}

/* --- hostile or dying services against the client's end --- */

static void script_wrong_tag(struct service *service, int sock)
{
	struct vg_packet packet;

	(void)service;
	if (vg_packet_recv(sock, &packet, 10000))
		return;
	for (int i = 0; i < 40; i++) {
		packet.msg.tag++;
		answer(sock, &packet, 0, NULL);
	}
	vg_packet_recv(sock, &packet, 10000);
}

static void script_refuse(struct service *service, int sock)
{
	struct vg_packet packet;

	(void)service;
	if (vg_packet_recv(sock, &packet, 10000) == 0)
		answer(sock, &packet, -ENODEV, "no vGPU is attached to this guest");
}

static void script_hang_up(struct service *service, int sock)
{
	struct vg_packet packet;

	(void)service;
	vg_packet_recv(sock, &packet, 10000);
}

static void script_short_message(struct service *service, int sock)
{
	struct vg_packet packet;

	(void)service;
	vg_packet_recv(sock, &packet, 10000);
	send(sock, &packet.msg, 20, MSG_NOSIGNAL);
	vg_packet_recv(sock, &packet, 10000);
}

static void script_bad_limits(struct service *service, int sock)
{
	struct vg_packet packet;

	(void)service;
	if (vg_packet_recv(sock, &packet, 10000))
		return;
	packet.msg.type = VG_CTL_ANSWER;
	memset(&packet.msg.u, 0xff, sizeof(packet.msg.u));
	vg_packet_send(sock, &packet);
	vg_packet_recv(sock, &packet, 10000);
}

static void script_bad_status(struct service *service, int sock)
{
	struct vg_packet packet;

	(void)service;
	if (vg_packet_recv(sock, &packet, 10000) == 0)
		answer(sock, &packet, 77, "");
	vg_packet_recv(sock, &packet, 10000);
}

static void expect_open(void (*script)(struct service *, int), int rc, const char *say)
{
	struct fe_channel channel;
	struct service service;
	char text[VG_TEXT_MAX] = "";
	int before = fd_count();

	service_start(&service, script);
	assert_int_equal(fe_channel_open(&channel, HASH, text), rc);
	assert_int_equal(channel.sock, -1);
	assert_non_null(strstr(text, say));
	service_stop(&service);
	assert_int_equal(fd_count(), before);
}

static void test_hostile_service(void **state)
{
	(void)state;
	expect_open(script_wrong_tag, -EPROTO, "other questions");
	expect_open(script_refuse, -ENODEV, "no vGPU is attached");
	expect_open(script_hang_up, -EPIPE, "ended");
	expect_open(script_short_message, -EPROTO, "no answer");
	expect_open(script_bad_limits, -EPROTO, "no sense");
	expect_open(script_bad_status, -EPROTO, "");
}

static void script_gone(struct service *service, int sock)
{
	struct vg_packet packet;

	(void)service;
	if (vg_packet_recv(sock, &packet, 10000) == 0)
		answer(sock, &packet, 0, NULL);
	vg_packet_init(&packet, VG_CTL_GONE, 0);
	packet.msg.status = -ENODEV;
	snprintf(packet.msg.text, sizeof(packet.msg.text), "the vGPU was detached");
	vg_packet_send(sock, &packet);
}

/* GONE is told by whichever call comes first: a look at the socket, or a request. */
static void test_gone(void **state)
{
	struct vg_control_share want = lane_want(0);
	struct fe_channel channel;
	struct service service;
	struct fe_share lane;
	char text[VG_TEXT_MAX];

	(void)state;
	for (int by_request = 0; by_request < 2; by_request++) {
		service_start(&service, script_gone);
		assert_int_equal(fe_channel_open(&channel, HASH, text), 0);
		service_join(&service);
		text[0] = '\0';
		if (by_request)
			assert_int_equal(fe_channel_share(&channel, &want, &lane, text), -EPIPE);
		else
			assert_int_equal(fe_channel_check(&channel, text), -EPIPE);
		assert_string_equal(text, "the vGPU was detached");
		assert_int_equal(fe_channel_check(&channel, text), -EPIPE);
		fe_channel_close(&channel);
		service_stop(&service);
	}
}

static void script_no_room(struct service *service, int sock)
{
	struct vg_packet packet;

	(void)service;
	for (int i = 0; vg_packet_recv(sock, &packet, 10000) == 0; i++) {
		answer(sock, &packet, i ? -ENOSPC : 0, i ? "no more grants" : NULL);
		vg_packet_close_fds(&packet);
	}
}

/* Running out of pages is survivable: the session goes on, nothing leaks, the arena is whole. */
static void test_no_room(void **state)
{
	char *arena = arena_reserve(MIB);
	struct vg_control_share want = {
		.kind = VG_SHARE_REGION, .pages = 4, .address = (uintptr_t)arena};
	struct fe_channel channel;
	struct service service;
	struct fe_share region;
	char text[VG_TEXT_MAX];
	int before;

	(void)state;
	service_start(&service, script_no_room);
	assert_int_equal(fe_channel_open(&channel, HASH, text), 0);
	before = fd_count();
	assert_int_equal(fe_channel_share(&channel, &want, &region, text), -ENOSPC);
	assert_string_equal(text, "no more grants");
	assert_null(region.base);
	assert_int_equal(fe_channel_check(&channel, text), 0);
	assert_ptr_equal(mmap(arena, 4096, PROT_READ,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0),
			 MAP_FAILED);
	/* The service closes what it was sent after it has answered. */
	for (int i = 0; i < 200 && fd_count() != before; i++)
		usleep(10000);
	assert_int_equal(fd_count(), before);
	fe_channel_close(&channel);
	service_stop(&service);
	munmap(arena, MIB);
}

static void test_nobody(void **state)
{
	struct fe_channel channel;
	char text[VG_TEXT_MAX];

	(void)state;
	setenv("VGPU_SOCKET", "/nonexistent/vgpu.sock", 1);
	assert_int_equal(fe_channel_open(&channel, HASH, text), -ENOENT);
	assert_non_null(strstr(text, "/nonexistent/vgpu.sock"));
	assert_int_equal(channel.sock, -1);
}

static void test_device_number(void **state)
{
	static const struct {
		const char *value;
		uint16_t count;
		uint8_t devids[VG_SESSION_DEVICES];
	} cases[] = {{"0", 1, {0}},
		     {"3", 1, {3}},
		     {"3,0,255", 3, {3, 0, 255}},
		     {"", 0, {0}},
		     {"0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15",
		      16,
		      {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}},
		     {"0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", VG_OPEN_NONSENSE, {0}},
		     {"x", VG_OPEN_NONSENSE, {0}},
		     {"1,", VG_OPEN_NONSENSE, {0}},
		     {",1", VG_OPEN_NONSENSE, {0}},
		     {"1;2", VG_OPEN_NONSENSE, {0}},
		     {"256", VG_OPEN_NONSENSE, {0}},
		     {"-1", VG_OPEN_NONSENSE, {0}},
		     {"+1", VG_OPEN_NONSENSE, {0}},
		     {"4294967295", VG_OPEN_NONSENSE, {0}}};
	struct fe_channel channel;
	struct service service;
	char text[VG_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		setenv("VGPU_DEVICE", cases[i].value, 1);
		service_start(&service, serve);
		assert_int_equal(fe_channel_open(&channel, HASH, text), 0);
		assert_int_equal(service.open.count, cases[i].count);
		if (cases[i].count <= VG_SESSION_DEVICES)
			assert_memory_equal(service.open.devids, cases[i].devids, cases[i].count);
		fe_channel_close(&channel);
		service_stop(&service);
	}
	unsetenv("VGPU_DEVICE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_region_address),
		cmocka_unit_test(test_hostile_memfd),
		cmocka_unit_test(test_hostile_fds),
		cmocka_unit_test(test_hostile_addresses),
		cmocka_unit_test(test_hostile_service),
		cmocka_unit_test(test_gone),
		cmocka_unit_test(test_no_room),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_device_number),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
