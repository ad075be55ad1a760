/* SPDX-License-Identifier: MIT */
/*
 * A stand-in for vgpu-executor that tries the channel without CUDA: maps lanes and regions by the
 * executor's own channel code and answers words (echo.h). Started by xen-vgpud (--executor) or, for
 * the local channel, with --listen PATH. One thread.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dom0-executor/channel.h"
#include "tests/channel/echo.h"

#define LANES   8
#define REGIONS 64

struct lane {
	struct ex_share share;
	uint64_t cmd_bytes, reply_bytes;
	uint64_t cmd_cons, reply_prod;
};

static struct lane lanes[LANES];
static struct ex_share regions[REGIONS];
static struct ex_channel *channel;
static int control = 3;
static bool spinning;

static void answer(const struct vg_packet *request, int status, const char *text)
{
	struct vg_packet reply;

	vg_packet_init(&reply, VG_CTL_ANSWER, request->msg.tag);
	reply.msg.status = status;
	snprintf(reply.msg.text, sizeof(reply.msg.text), "%s", text);
	reply.msg.u.answer.limits = (struct vg_limits){.lanes = LANES,
						       .lane_pages = 1025,
						       .region_pages = 32768,
						       .channel = channel->kind};
	if (vg_packet_send(control, &reply))
		exit(1);
}

static int share_add(struct vg_packet *packet, char *text)
{
	const struct vg_control_share *want = &packet->msg.u.share;
	bool is_lane = want->kind == VG_SHARE_LANE;
	struct ex_share *share;
	int rc;

	if (want->id >= (is_lane ? LANES : REGIONS))
		return -EINVAL;
	share = is_lane ? &lanes[want->id].share : &regions[want->id];
	if (share->base)
		return -EEXIST;
	if (is_lane && (want->pages < 3 || !want->cmd_bytes || !want->reply_bytes ||
			(uint64_t)want->cmd_bytes + want->reply_bytes + VG_PAGE_SIZE !=
				(uint64_t)want->pages * VG_PAGE_SIZE))
		return -EINVAL;
	if (!is_lane && (want->address < ARENA_START ||
			 want->address > ARENA_START + ARENA_BYTES - want->pages * VG_PAGE_SIZE))
		return -EINVAL;
	rc = channel->ops->share_map(channel, packet, share, text);
	if (rc == 0 && is_lane) {
		struct vg_lane_shared *shared = share->base;

		lanes[want->id] = (struct lane){.share = *share,
						.cmd_bytes = want->cmd_bytes,
						.reply_bytes = want->reply_bytes};
		__atomic_store_n(&shared->exec_alive, 1, __ATOMIC_RELEASE);
		if (shared->magic != VG_LANE_MAGIC)
			rc = -EPROTO;
	}
	return rc;
}

static int share_drop(const struct vg_control_unshare *drop)
{
	bool is_lane = drop->kind == VG_SHARE_LANE;

	if (drop->id >= (is_lane ? LANES : REGIONS))
		return -EINVAL;
	channel->ops->share_unmap(channel, is_lane ? &lanes[drop->id].share : &regions[drop->id]);
	return 0;
}

static void control_serve(void)
{
	struct vg_packet packet;
	char text[VG_TEXT_MAX] = "";
	int rc = vg_packet_recv(control, &packet, 0);

	if (rc == -ETIMEDOUT)
		return;
	if (rc || packet.msg.type == VG_CTL_CLOSE)
		exit(0);
	switch (packet.msg.type) {
	case VG_CTL_OPEN: answer(&packet, 0, ""); break;
	case VG_CTL_SHARE:
		rc = share_add(&packet, text);
		answer(&packet, rc, text);
		break;
	case VG_CTL_UNSHARE: answer(&packet, share_drop(&packet.msg.u.unshare), ""); break;
	default: answer(&packet, -ENOSYS, "unknown request"); break;
	}
	vg_packet_close_fds(&packet);
}

static uint64_t region_do(uint64_t id, bool write)
{
	struct ex_share *region = id < REGIONS ? &regions[id] : NULL;

	if (!region || !region->base)
		return 0;
	if (write)
		for (size_t i = 0; i < region->bytes / 8; i++)
			((uint64_t *)region->base)[i] ^= ~0ull;
	return echo_sum(region->base, region->bytes);
}

static uint64_t word_do(uint64_t word)
{
	switch (ECHO_OP(word)) {
	case ECHO_PLAIN: return ECHO_ARG(word) + 1;
	case ECHO_SUM: return region_do(ECHO_ARG(word), false);
	case ECHO_WRITE: return region_do(ECHO_ARG(word), true);
	case ECHO_CRASH: raise(SIGKILL); return 0;
	case ECHO_SPIN: spinning = ECHO_ARG(word); return 1;
	default: return 0;
	}
}

/* Whether there was anything. Does not return when the guest's side has died. */
static bool lane_serve(struct lane *lane)
{
	struct vg_lane_shared *shared = lane->share.base;
	uint8_t *data = (uint8_t *)shared + VG_PAGE_SIZE;
	bool any = false;

	while (lane->cmd_cons != __atomic_load_n(&shared->cmd_prod, __ATOMIC_ACQUIRE)) {
		uint64_t word = *(volatile uint64_t *)(data + lane->cmd_cons % lane->cmd_bytes);

		*(volatile uint64_t *)(data + lane->cmd_bytes +
				       lane->reply_prod % lane->reply_bytes) = word_do(word);
		lane->cmd_cons += 8;
		lane->reply_prod += 8;
		__atomic_store_n(&shared->cmd_cons, lane->cmd_cons, __ATOMIC_RELEASE);
		__atomic_store_n(&shared->reply_prod, lane->reply_prod, __ATOMIC_RELEASE);
		any = true;
	}
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (any && __atomic_exchange_n(&shared->guest_sleeps, 0, __ATOMIC_ACQ_REL))
		vg_bell_ring(&lane->share.bell);
	if (!__atomic_load_n(&shared->guest_alive, __ATOMIC_ACQUIRE)) {
		fprintf(stderr, "executor: the guest's side has died\n");
		exit(0);
	}
	return any;
}

/* Says that we are about to sleep, then looks once more. */
static bool lanes_idle(void)
{
	bool any = false;

	for (int i = 0; i < LANES; i++) {
		struct vg_lane_shared *shared = lanes[i].share.base;

		if (!shared)
			continue;
		__atomic_store_n(&shared->exec_sleeps, VG_SLEEP_DATA, __ATOMIC_SEQ_CST);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		any |= lane_serve(&lanes[i]);
	}
	return !any;
}

static void bell_take(struct vg_bell *bell)
{
	vg_bell_wait(bell, -1, 0);
	vg_bell_take(bell);
}

static void serve(void)
{
	struct pollfd fds[LANES + 1];

	for (;;) {
		bool any = false;

		for (int i = 0; i < LANES; i++)
			any |= lanes[i].share.base && lane_serve(&lanes[i]);
		if (any)
			continue;
		fds[0] = (struct pollfd){.fd = control, .events = POLLIN};
		for (int i = 0; i < LANES; i++)
			fds[i + 1] = (struct pollfd){
				.fd = lanes[i].share.base ? lanes[i].share.bell.wait_fd : -1,
				.events = POLLIN};
		if (!spinning && !lanes_idle())
			continue;
		poll(fds, LANES + 1, spinning ? 0 : 1000);
		for (int i = 0; i < LANES; i++)
			if (fds[i + 1].revents)
				bell_take(&lanes[i].share.bell);
		if (fds[0].revents)
			control_serve();
	}
}

static int client_accept(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	unlink(path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1))
		return -1;
	return accept(listener, NULL, NULL);
}

static void option_number(const char *text, const char *name, int *value)
{
	size_t length = strlen(name);

	if (!strncmp(text, name, length))
		*value = (int)strtol(text + length, NULL, 10);
}

int main(int argc, char **argv)
{
	int domid = 0;

	/* Those of xen-vgpud that matter here; the others say what a real executor needs. */
	for (int i = 1; i < argc; i++) {
		option_number(argv[i], "--control-fd=", &control);
		option_number(argv[i], "--domid=", &domid);
	}
	if (argc == 3 && !strcmp(argv[1], "--listen")) {
		channel = ex_channel_local_new();
		control = client_accept(argv[2]);
	} else {
		channel = ex_channel_xen_new((uint32_t)domid);
	}
	if (!channel || control < 0) {
		perror("executor: channel");
		return 1;
	}
	if (mmap((void *)ARENA_START, ARENA_BYTES, PROT_NONE, /* NOLINT */
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
		 0) == MAP_FAILED) {
		perror("executor: arena");
		return 1;
	}
	serve();
}
