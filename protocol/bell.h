/* SPDX-License-Identifier: MIT */
/*
 * A doorbell: what wakes the other side of a lane or a control ring. Two eventfds locally, an event
 * channel on Xen. Used by one thread at a time for waiting; ringing is safe from any thread.
 */
#ifndef VG_BELL_H
#define VG_BELL_H

#include <stdbool.h>
#include <stdint.h>

struct vg_bell {
	int ring_fd;  /* local: eventfd of the peer; Xen: /dev/xen/evtchn */
	int wait_fd;  /* local: eventfd of ours; Xen: the same as ring_fd */
	int64_t port; /* Xen: local port; -1 for local */
	bool rung;    /* a ring has been seen and not been taken yet (vg_bell_take) */
};

#define VG_BELL_NONE ((struct vg_bell){.ring_fd = -1, .wait_fd = -1, .port = -1})

/* Both take ownership of the descriptors. */
struct vg_bell vg_bell_local(int ring_fd, int wait_fd);
struct vg_bell vg_bell_xen(int evtchn_fd, uint32_t port);

/* 0 or a negative errno. */
int vg_bell_ring(const struct vg_bell *bell);

enum vg_bell_wake {
	VG_BELL_RUNG = 1 << 0,
	VG_BELL_LIFE = 1 << 1, /* something is to be read on life_fd, or it has ended */
};

/*
 * Waits up to timeout_ms for a ring, or for life_fd (ignored when -1) to become readable. Returns
 * a mask of enum vg_bell_wake, 0 when the time is up, or a negative errno. Reads nothing from
 * life_fd. The ring itself is left in its descriptor until vg_bell_take, for which there is time when
 * there is nothing else to do: whoever was woken has work.
 */
int vg_bell_wait(struct vg_bell *bell, int life_fd, int timeout_ms);

/*
 * Takes a ring that wait has seen and unmasks the event channel. To be called before the shared word
 * says that this side sleeps: rings that come after that stay. 0 or a negative errno.
 */
int vg_bell_take(struct vg_bell *bell);

void vg_bell_close(struct vg_bell *bell);

#endif
