/* SPDX-License-Identifier: MIT */
/*
 * Control messages over a UNIX socket. Trusts the peer in nothing: a short, long or truncated
 * message is -EPROTO and its descriptors are closed.
 */
#include "protocol/socket.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void vg_packet_init(struct vg_packet *packet, uint32_t type, uint32_t tag)
{
	memset(packet, 0, sizeof(*packet));
	packet->msg.type = type;
	packet->msg.tag = tag;
	for (int i = 0; i < VG_CONTROL_FDS_MAX; i++)
		packet->fds[i] = -1;
}

void vg_packet_close_fds(struct vg_packet *packet)
{
	for (int i = 0; i < VG_CONTROL_FDS_MAX; i++) {
		if (packet->fds[i] >= 0)
			close(packet->fds[i]);
		packet->fds[i] = -1;
	}
}

int vg_packet_send(int sock, const struct vg_packet *packet)
{
	struct iovec iov = {(void *)&packet->msg, sizeof(packet->msg)};
	union {
		char buf[CMSG_SPACE(sizeof(int) * VG_CONTROL_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
	int n = 0;

	while (n < VG_CONTROL_FDS_MAX && packet->fds[n] >= 0)
		n++;
	if (n > 0) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		hdr.msg_control = control.buf;
		hdr.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
		cmsg = CMSG_FIRSTHDR(&hdr);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
		memcpy(CMSG_DATA(cmsg), packet->fds, sizeof(int) * (size_t)n);
	}
	for (;;) {
		if (sendmsg(sock, &hdr, MSG_NOSIGNAL) >= 0)
			return 0;
		if (errno == ECONNRESET)
			return -EPIPE;
		if (errno != EINTR)
			return -errno;
	}
}

static void packet_take_fds(struct vg_packet *packet, struct msghdr *hdr)
{
	int taken = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		size_t n;
		int fd;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (taken < VG_CONTROL_FDS_MAX)
				packet->fds[taken++] = fd;
			else
				close(fd);
		}
	}
}

static int wait_readable(int sock, int timeout_ms)
{
	struct pollfd pfd = {.fd = sock, .events = POLLIN};

	for (;;) {
		int n = poll(&pfd, 1, timeout_ms);

		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

int vg_packet_recv(int sock, struct vg_packet *packet, int timeout_ms)
{
	struct iovec iov = {&packet->msg, sizeof(packet->msg)};
	union {
		char buf[CMSG_SPACE(sizeof(int) * VG_CONTROL_FDS_MAX)];
		struct cmsghdr align;
	} control;
	struct msghdr hdr = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.buf,
			     .msg_controllen = sizeof(control.buf)};
	ssize_t n;
	int rc;

	vg_packet_init(packet, 0, 0);
	rc = wait_readable(sock, timeout_ms);
	if (rc)
		return rc;
	do
		n = recvmsg(sock, &hdr, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	packet_take_fds(packet, &hdr);
	packet->msg.text[VG_TEXT_MAX - 1] = '\0';
	if (packet->msg.type == VG_CTL_OPEN)
		packet->msg.u.open.comm[VG_COMM_MAX - 1] = '\0';
	if (n != sizeof(packet->msg) || (hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		vg_packet_close_fds(packet);
		return -EPROTO;
	}
	return 0;
}
