/* SPDX-License-Identifier: MIT */
/*
 * An executor for tests: this very program, started under the name vgpu-executor. $VGPU_FAKE says how it
 * behaves.
 */
#include "tests/unit/backend/fake_executor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/account.h"
#include "protocol/socket.h"
#include "protocol/trace.h"

#define CONTROL_FD 3
#define STATS_FD   4
#define LISTEN_FD  5
#define ACCOUNT_FD 6

static int control = CONTROL_FD;
static bool listens, opened, shared;
static int trace_fd = -1;
static unsigned int identity[3]; /* domid, session, account's slot */
static unsigned int count;       /* of vGPUs; each has an account */
static uint8_t devids[VG_SESSION_DEVICES];

static int send_message(struct vg_control *msg)
{
	struct vg_packet packet;

	vg_packet_init(&packet, msg->type, msg->tag);
	packet.msg = *msg;
	return vg_packet_send(control, &packet);
}

static void answer(const struct vg_control *request, int status, const char *text)
{
	struct vg_control msg = {
		.type = VG_CTL_ANSWER, .tag = request->tag, .status = status, .session = 999};

	if (request->type == VG_CTL_OPEN)
		msg.u.answer.limits = (struct vg_limits){1000, 1000000, 10000000, 77};
	msg.u.answer.map_offset = 0x1234; /* not for the guest's eyes */
	snprintf(msg.text, sizeof(msg.text), "%s", text);
	send_message(&msg);
}

/* No descriptor beyond those that the contract names. */
static int stray_fds(void)
{
	int strays = 0;

	for (int fd = STATS_FD + 1 + listens; fd < 256; fd++)
		strays += (fd < ACCOUNT_FD || fd >= ACCOUNT_FD + (int)count) &&
			  fcntl(fd, F_GETFD) >= 0;
	return strays;
}

static void serve_share(const struct vg_packet *packet)
{
	const struct vg_control_share *share = &packet->msg.u.share;
	char text[64];
	bool good = share->kind == VG_SHARE_REGION ||
		    (packet->fds[0] >= 0 && share->port == share->cmd_bytes + 1000);

	snprintf(text, sizeof(text), "port %u", share->port);
	answer(&packet->msg, good ? 0 : -EBADF, text);
}

static void adopt(const char *mode, const struct vg_control *request)
{
	struct vg_packet reply;
	int loose = -1;

	if (!strcmp(mode, "mute"))
		return;
	vg_packet_init(&reply, VG_CTL_ANSWER, request->tag);
	reply.msg.session = identity[1] + !strcmp(mode, "liar");
	reply.msg.u.adopt = (struct vg_control_adopt){.protocol = VG_PROTOCOL_VERSION,
						      .domid = identity[0],
						      .opened = opened,
						      .account_slot = (uint16_t)identity[2],
						      .count = count,
						      .pid = 78,
						      .uid = 6,
						      .started = 1000};
	snprintf(reply.msg.u.adopt.comm, VG_COMM_MAX, "adopted\n");
	reply.fds[0] = STATS_FD;
	memcpy(reply.msg.u.adopt.devids, devids, sizeof(devids));
	for (unsigned int i = 0; i < count && strcmp(mode, "no-account"); i++)
		reply.fds[1 + i] = (int)(ACCOUNT_FD + i);
	if (!strcmp(mode, "twice")) /* one vGPU, that is */
		reply.msg.u.adopt.devids[reply.msg.u.adopt.count++] = devids[0];
	else if (!strcmp(mode, "many"))
		reply.msg.u.adopt.count = VG_SESSION_DEVICES + 1;
	else if (!strcmp(mode, "another"))
		reply.msg.u.adopt.devids[0]++;
	else if (!strcmp(mode, "swapped") && count > 1)
		reply.fds[2] = ACCOUNT_FD;
	if (!strcmp(mode, "old")) {
		reply.msg.status = -EPROTO;
		snprintf(reply.msg.text, sizeof(reply.msg.text), "of an earlier release");
	} else if (!strcmp(mode, "no-counters")) {
		reply.fds[0] = -1;
	} else if (!strcmp(mode, "loose-counters")) { /* could be cut off under their reader */
		loose = memfd_create("loose", MFD_ALLOW_SEALING);
		if (ftruncate(loose, sizeof(struct vg_counters)))
			_exit(7);
		reply.fds[0] = loose;
	}
	vg_packet_send(control, &reply);
	if (loose >= 0)
		close(loose);
}

/* Records that it records, and whether from its beginning. */
static void trace_begin(int fd, uint32_t want)
{
	struct vg_trace_session record = {
		.head = {.type = VG_TRACE_SESSION,
			 .bytes = sizeof(record),
			 .executor = (uint32_t)getpid()},
		.flags = (shared ? 0 : VG_TRACE_WHOLE) |
			 (want & VG_WANT_TRACE_DATA ? VG_TRACE_DATA : 0),
		.session = (int32_t)identity[1],
	};

	if (trace_fd >= 0)
		close(trace_fd);
	trace_fd = fd;
	if (send(trace_fd, &record, sizeof(record), MSG_NOSIGNAL) != sizeof(record))
		_exit(6);
}

static void look(struct vg_packet *packet)
{
	struct vg_control looked = {.type = VG_CTL_LOOKED};
	uint32_t want = packet->msg.u.look.want;

	if (want & VG_WANT_TRACE && packet->fds[0] >= 0) {
		trace_begin(packet->fds[0], want);
		packet->fds[0] = -1;
	} else if (!(want & VG_WANT_TRACE) && trace_fd >= 0) {
		close(trace_fd);
		trace_fd = -1;
	}
	send_message(&looked);
	vg_packet_close_fds(packet);
}

/* The next message, from whichever daemon there is. False: the end. */
static bool message_next(struct vg_packet *packet)
{
	for (;;) {
		int rc = vg_packet_recv(control, packet, -1);

		if (rc == -EPIPE)
			rc = vg_packet_recv(control, packet, -1);
		if (!rc)
			return true;
		if (!listens || !opened)
			return false;
		close(control);
		/* It is not blocking; a test's daemon is back in no time. */
		while ((control = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC)) < 0)
			usleep(1000);
	}
}

static int serve(const char *mode, struct vg_stats *stats)
{
	struct vg_packet packet;

	while (message_next(&packet)) {
		if (packet.msg.type == VG_CTL_ADOPT) {
			adopt(mode, &packet.msg);
			continue;
		}
		if (packet.msg.type == VG_CTL_LOOK) {
			look(&packet);
			continue;
		}
		stats->commands++;
		opened |= packet.msg.type == VG_CTL_OPEN && strcmp(mode, "refuse");
		shared |= packet.msg.type == VG_CTL_SHARE;
		if (!strcmp(mode, "deaf"))
			continue;
		if (!strcmp(mode, "refuse"))
			answer(&packet.msg, -ENODEV, "no\nGPU \"here\"");
		else if (!strcmp(mode, "crash"))
			signal(SIGSEGV, SIG_DFL), raise(SIGSEGV);
		else if (!strcmp(mode, "unasked"))
			packet.msg.tag++, answer(&packet.msg, 0, "");
		else if (!strcmp(mode, "leaves") && packet.msg.type == VG_CTL_SHARE)
			return 5;
		else if (packet.msg.type == VG_CTL_SHARE)
			serve_share(&packet);
		else if (packet.msg.type == VG_CTL_CLOSE)
			return 0;
		else
			answer(&packet.msg, 0, "");
		if (!strcmp(mode, "gone")) {
			struct vg_control gone = {.type = VG_CTL_GONE, .status = -EPROTO};

			snprintf(gone.text, sizeof(gone.text), "the guest broke the protocol");
			send_message(&gone);
			return 3;
		}
		vg_packet_close_fds(&packet);
	}
	return 0;
}

/* Reserves a MiB of the first vGPU in its slot, two of the second, or scribbles over all of them. */
static int account_use(const char *mode, unsigned int place)
{
	int fd = (int)(ACCOUNT_FD + place);
	struct vg_account *account;

	if (vg_account_map(fd, &account) || account->magic != VG_ACCOUNT_MAGIC)
		return -1;
	if (!strcmp(mode, "scribble"))
		memset(account, 0xff, sizeof(*account));
	else if (vg_account_raise(account, fd, identity[2], (place + 1ull) << 20, 64 << 20))
		return -1;
	vg_account_unmap(account);
	return ftruncate(fd, 0) ? 0 : -1; /* sealed, as the counters are */
}

int fake_executor_main(int argc, char **argv)
{
	const char *mode = getenv("VGPU_FAKE");
	struct vg_stats *stats =
		mmap(NULL, sizeof(*stats), PROT_READ | PROT_WRITE, MAP_SHARED, STATS_FD, 0);
	int status;

	for (int i = 1; i < argc; i++) {
		static const char *const names[] = {"--domid=", "--session=", "--account-slot="};

		listens |= !strncmp(argv[i], "--listen-fd=", 12);
		if (!strncmp(argv[i], "--devid=", 8) && count < VG_SESSION_DEVICES)
			devids[count++] = (uint8_t)strtoul(argv[i] + 8, NULL, 10);
		for (int n = 0; n < 3; n++)
			if (!strncmp(argv[i], names[n], strlen(names[n])))
				identity[n] =
					(unsigned int)strtoul(argv[i] + strlen(names[n]), NULL, 10);
	}
	if (stats == MAP_FAILED || stats->magic != VG_STATS_MAGIC || stray_fds() || argc < 14)
		return 9;
	/* The counters' file cannot be cut off under the daemon's feet. */
	if (!ftruncate(STATS_FD, 0))
		return 8;
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--driver=soft"))
			stats->launches = 1;
	if (!mode)
		mode = "";
	for (unsigned int i = 0; i < count; i++)
		if (account_use(mode, i))
			return 7;
	if (!strcmp(mode, "stubborn"))
		signal(SIGTERM, SIG_IGN);
	status = serve(!strcmp(mode, "stubborn") ? "" : mode, stats);
	stats->freed_bytes = 4096;
	while (!strcmp(mode, "stubborn"))
		pause();
	stats->exit = 1u + (unsigned int)status;
	return status;
}
