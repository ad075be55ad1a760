/* SPDX-License-Identifier: MIT */
/*
 * Doorbells: eventfds and event channels behind one face.
 */
#include "protocol/bell.h"

#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef uint16_t domid_t; /* the kernel's header leaves it to us */
#include <xen/evtchn.h>

struct vg_bell vg_bell_local(int ring_fd, int wait_fd)
{
	return (struct vg_bell){.ring_fd = ring_fd, .wait_fd = wait_fd, .port = -1};
}

struct vg_bell vg_bell_xen(int evtchn_fd, uint32_t port)
{
	return (struct vg_bell){.ring_fd = evtchn_fd, .wait_fd = evtchn_fd, .port = port};
}

int vg_bell_ring(const struct vg_bell *bell)
{
	if (bell->port >= 0) {
		struct ioctl_evtchn_notify notify = {.port = (unsigned int)bell->port};

		return ioctl(bell->ring_fd, IOCTL_EVTCHN_NOTIFY, &notify) < 0 ? -errno : 0;
	}
	/* EAGAIN: the counter is full, so the peer has rings enough to wake by. */
	if (write(bell->ring_fd, &(uint64_t){1}, sizeof(uint64_t)) < 0 && errno != EAGAIN)
		return -errno;
	return 0;
}

int vg_bell_take(struct vg_bell *bell)
{
	uint64_t count;
	uint32_t port;
	bool xen = bell->port >= 0;

	if (!bell->rung)
		return 0;
	bell->rung = false;
	if (read(bell->wait_fd, xen ? (void *)&port : &count, xen ? sizeof(port) : sizeof(count)) <
	    0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	/* Writing the port back unmasks it. */
	if (xen && write(bell->wait_fd, &port, sizeof(port)) < 0)
		return -errno;
	return 0;
}

int vg_bell_wait(struct vg_bell *bell, int life_fd, int timeout_ms)
{
	struct pollfd pfd[2] = {
		{.fd = bell->wait_fd, .events = POLLIN},
		{.fd = life_fd, .events = POLLIN},
	};
	int mask = 0;
	int n = poll(pfd, 2, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	if (pfd[1].revents)
		mask |= VG_BELL_LIFE;
	if (pfd[0].revents & ~POLLIN)
		return -EIO;
	if (pfd[0].revents) {
		bell->rung = true;
		mask |= VG_BELL_RUNG;
	}
	return mask;
}

void vg_bell_close(struct vg_bell *bell)
{
	if (bell->wait_fd >= 0 && bell->wait_fd != bell->ring_fd)
		close(bell->wait_fd);
	if (bell->ring_fd >= 0)
		close(bell->ring_fd);
	*bell = VG_BELL_NONE;
}
