/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor gives a device: the control ring's page and its event channel. The tests put
 * another implementation in its place (tests/unit).
 */
#ifndef BE_LINK_H
#define BE_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/control.h"

struct xengntdev_handle;
struct xenevtchn_handle;

struct be_link {
	struct xengntdev_handle *gnt; /* owned; one for each device, closing it unmaps all */
	struct xenevtchn_handle *evt; /* owned; likewise */
	struct vg_control_ring *ring; /* owned mapping, NULL when there is none */
	int port;                     /* local, -1 when there is none */
};

#define BE_LINK_NONE ((struct be_link){.port = -1})

/*
 * Maps the page (with a notification for the guest at its unmapping) and binds the port. 0 or a
 * negative errno with a message in `why` (VG_TEXT_MAX bytes); nothing is held then.
 */
int be_link_open(struct be_link *link, uint32_t domid, uint32_t ring_ref, uint32_t remote_port,
		 char *why);
/* May be called twice. The guest's page is unmapped when it returns. */
void be_link_close(struct be_link *link);

int be_link_fd(const struct be_link *link); /* readable: the guest has rung */
void be_link_ring(const struct be_link *link);
/* true: it rang; the port stays masked until be_link_unmask. */
bool be_link_take(const struct be_link *link);
void be_link_unmask(const struct be_link *link);

/*
 * Binds a lane's event channel on a descriptor of its own, which can do nothing with any domain but
 * this one. Returns the descriptor, for the caller to close, or a negative errno.
 */
int be_link_bind_lane(uint32_t domid, uint32_t remote_port, uint32_t *local_port);

#endif
