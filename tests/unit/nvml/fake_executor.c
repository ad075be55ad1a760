/* SPDX-License-Identifier: MIT */
/* See fake_executor.h: one thread accepts, one serves each connection. */
#include "tests/unit/nvml/fake_executor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "dom0-executor/channel.h"
#include "protocol/calls.h"
#include "protocol/nvml_ops.h"
#include "protocol/nvml_types.h"
#include "protocol/nvml_wire.h"
#include "protocol/ring.h"

struct fake_service service;

/* --- the executor's end ---------------------------------------------------------------------------- */

struct connection {
	int sock;
	struct ex_channel *channel;
	struct ex_share share;
	struct vg_lane_shared *shared;
	struct vg_consumer in;
	struct vg_producer out;
	uint32_t number;
	bool ends;
};

static void control_answer(struct connection *c, const struct vg_packet *request, int status)
{
	struct vg_packet reply;

	vg_packet_init(&reply, VG_CTL_ANSWER, request->msg.tag);
	reply.msg.status = status;
	reply.msg.u.answer.limits = (struct vg_limits){
		.lanes = 8, .lane_pages = 64, .region_pages = 0, .channel = VG_CHANNEL_LOCAL};
	vg_packet_send(c->sock, &reply);
}

static void lane_take(struct connection *c, struct vg_packet *packet)
{
	const struct vg_control_share want = packet->msg.u.share;
	char text[VG_TEXT_MAX];
	uint8_t *base;
	int rc = c->channel->ops->share_map(c->channel, packet, &c->share, text);

	if (!rc) {
		base = c->share.base;
		c->shared = c->share.base;
		vg_consumer_init(&c->in, base + VG_PAGE_SIZE, want.cmd_bytes, &c->shared->cmd_prod,
				 &c->shared->cmd_cons);
		vg_producer_init(&c->out, base + VG_PAGE_SIZE + want.cmd_bytes, want.reply_bytes,
				 &c->shared->reply_prod, &c->shared->reply_cons);
		__atomic_store_n(&c->shared->exec_alive, 1, __ATOMIC_RELEASE);
	}
	control_answer(c, packet, rc);
}

static void control_serve(struct connection *c)
{
	struct vg_packet packet;
	int rc = vg_packet_recv(c->sock, &packet, c->shared ? 0 : 20);

	if (rc == -ETIMEDOUT)
		return;
	if (rc) {
		c->ends = true;
		return;
	}
	switch (packet.msg.type) {
	case VG_CTL_OPEN:
		atomic_fetch_add(&service.opens, 1);
		control_answer(c, &packet, atomic_load(&service.refuse));
		break;
	case VG_CTL_SHARE: lane_take(c, &packet); break;
	case VG_CTL_UNSHARE:
		c->channel->ops->share_unmap(c->channel, &c->share);
		c->shared = NULL;
		control_answer(c, &packet, 0);
		break;
	case VG_CTL_CLOSE:
		atomic_fetch_add(&service.closes, 1);
		c->ends = true;
		break;
	default: break;
	}
	vg_packet_close_fds(&packet);
}

/* Waits for bytes as long as the connection lives. */
static bool take(struct connection *c, void *to, size_t n)
{
	size_t done = 0;

	while (done < n && !c->ends) {
		size_t got = vg_consumer_get(&c->in, (uint8_t *)to + done, n - done);

		done += got;
		vg_consumer_release(&c->in);
		if (vg_sleep_wake(&c->shared->guest_sleeps, VG_SLEEP_ROOM))
			vg_bell_ring(&c->share.bell);
		if (!got)
			usleep(50);
	}
	vg_consumer_pad(&c->in);
	return done == n;
}

static void give(struct connection *c, const void *from, size_t n)
{
	size_t done = 0;

	while (done < n && !c->ends) {
		done += vg_producer_put(&c->out, (const uint8_t *)from + done, n - done);
		if (done < n) {
			vg_producer_publish(&c->out);
			if (vg_sleep_wake(&c->shared->guest_sleeps, VG_SLEEP_DATA))
				vg_bell_ring(&c->share.bell);
			usleep(50);
		}
	}
	vg_producer_pad(&c->out);
}

/* As much as there is room for, of letters without an end; a list of GROUPS; or how many devices. */
static size_t answer_make(const struct vg_nvml_ask *ask, const uint8_t *parts, uint8_t *answer,
			  size_t room)
{
	struct vg_nvml_answer head = {.result = atomic_load(&service.status)};
	size_t size = sizeof(head);
	struct vg_nvml_list list;

	memset(answer, 'A', room);
	if (ask->op == VG_NVML_vgDevices) {
		memset(answer + size, 0, 8);
		answer[size] = DEVICES;
		head.result = NVML_SUCCESS;
	}
	size = head.result && head.result != NVML_ERROR_INSUFFICIENT_SIZE ? size : room;
	if (ask->op == VG_NVML_vgProcesses) {
		memcpy(&list, parts + 8, sizeof(list));
		list.items = list.count >= GROUPS ? GROUPS : 0;
		if (!list.items)
			head.result = NVML_ERROR_INSUFFICIENT_SIZE;
		list.count = GROUPS;
		if (atomic_load(&service.lie) == LIE_ITEMS)
			list.items = list.count = 200;
		if (atomic_load(&service.lie) == LIE_COUNT)
			list.count = 4;
		memcpy(answer + sizeof(head), &list, sizeof(list));
		size = sizeof(head) + sizeof(list) + (size_t)list.items * sizeof(nvmlProcessInfo_t);
		if (size > room)
			size = room;
	}
	memcpy(answer, &head, sizeof(head));
	return size;
}

static void reply(struct connection *c, const uint8_t *answer, size_t size, size_t room)
{
	enum lie lie = (enum lie)atomic_load(&service.lie);
	struct vg_ret_vgNvml ret;
	struct vg_reply head = {.op = VG_OP_vgNvml, .number = c->number};

	memset(&ret, 0, sizeof(ret));
	ret.answered = (unsigned int)(lie == LIE_HEAD ? 4 : lie == LIE_FEW ? 8 : size);
	ret.n_answer = lie == LIE_ROOM ? room + 8 : room;
	if (lie == LIE_ANSWERED)
		ret.answered = (unsigned int)room + 8;
	head.args_size = (uint32_t)(sizeof(ret) + vg_pad8(ret.n_answer));
	head.op ^= lie == LIE_OP;
	head.number += lie == LIE_NUMBER;
	head.result = lie == LIE_RESULT ? CUDA_ERROR_OUT_OF_MEMORY : 0;
	head.bulk_size = lie == LIE_BULK ? 8 : 0;
	head.args_size += lie == LIE_LENGTHS ? 8 : 0;
	give(c, &head, sizeof(head));
	give(c, &ret, sizeof(ret));
	give(c, answer, ret.n_answer);
	vg_producer_publish(&c->out);
	if (lie == LIE_INDEX)
		__atomic_store_n(&c->shared->reply_prod, UINT64_MAX - 7, __ATOMIC_RELEASE);
	if (vg_sleep_wake(&c->shared->guest_sleeps, VG_SLEEP_DATA))
		vg_bell_ring(&c->share.bell);
}

static void gone(struct connection *c)
{
	struct vg_packet packet;

	vg_packet_init(&packet, VG_CTL_GONE, 0);
	packet.msg.status = -EIO;
	vg_packet_send(c->sock, &packet);
	c->ends = true;
}

static void command_serve(struct connection *c)
{
	static __thread uint8_t ask[VG_NVML_ASK_MAX], answer[VG_NVML_ANSWER_MAX + 64];
	struct vg_args_vgNvml args;
	struct vg_nvml_ask head;
	struct vg_cmd cmd;
	size_t size;

	if (vg_consumer_avail(&c->in, sizeof(cmd)) < sizeof(cmd)) {
		usleep(50);
		return;
	}
	if (!take(c, &cmd, sizeof(cmd)) || !take(c, &args, sizeof(args)) ||
	    args.n_ask > sizeof(ask) || !take(c, ask, args.n_ask))
		return;
	c->number++;
	memcpy(&head, ask, sizeof(head));
	if (head.hash != VG_NVML_HASH || args.room > VG_NVML_ANSWER_MAX || cmd.op != VG_OP_vgNvml)
		abort();
	atomic_store(&service.last_op, (int)head.op);
	if (head.op != VG_NVML_vgDevices)
		atomic_fetch_add(&service.calls, 1);
	if (atomic_load(&service.lie) == LIE_GONE && head.op != VG_NVML_vgDevices) {
		gone(c);
		return;
	}
	size = answer_make(&head, ask + sizeof(head), answer, args.room);
	reply(c, answer, size, args.room);
}

static void *connection_run(void *arg)
{
	struct connection *c = arg;

	while (!c->ends) {
		control_serve(c);
		if (c->shared && !c->ends)
			command_serve(c);
	}
	c->channel->ops->share_unmap(c->channel, &c->share);
	c->channel->ops->destroy(c->channel);
	close(c->sock);
	free(c);
	return NULL;
}

static void *service_run(void *arg)
{
	(void)arg;
	for (;;) {
		struct connection *c = calloc(1, sizeof(*c));
		pthread_t thread;

		if (!c)
			abort();
		c->sock = accept4(service.listener, NULL, NULL, SOCK_CLOEXEC);
		if (c->sock < 0) {
			free(c);
			return NULL;
		}
		c->channel = ex_channel_local_new();
		c->share.bell = VG_BELL_NONE;
		pthread_create(&thread, NULL, connection_run, c);
		pthread_detach(thread);
	}
}

int service_start(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	(void)state;
	snprintf(service.folder, sizeof(service.folder), "/tmp/vgpu-test-XXXXXX");
	assert_non_null(mkdtemp(service.folder));
	snprintf(service.path, sizeof(service.path), "%s/sock", service.folder);
	memcpy(address.sun_path, service.path, strlen(service.path) + 1);
	service.listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(service.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(service.listener, 8), 0);
	setenv("VGPU_SOCKET", service.path, 1);
	setenv("VGPU_LOG", "error", 1);
	return -pthread_create(&service.thread, NULL, service_run, NULL);
}

int service_stop(void **state)
{
	(void)state;
	shutdown(service.listener, SHUT_RDWR);
	pthread_join(service.thread, NULL);
	close(service.listener);
	unlink(service.path);
	rmdir(service.folder);
	return 0;
}
