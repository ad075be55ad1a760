/* SPDX-License-Identifier: MIT */
/*
 * Grants and event channels by libxengnttab and libxenevtchn. The reference and the port come from
 * the guest: Xen refuses what is not its own, and we say so.
 */
#include "xen-backend/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenevtchn.h>
#include <xengnttab.h>

static int link_bind(struct be_link *link, uint32_t domid, uint32_t remote_port, char *why)
{
	int fd;

	link->evt = xenevtchn_open(NULL, 0);
	if (!link->evt) {
		snprintf(why, VG_TEXT_MAX, "cannot open /dev/xen/evtchn: %s", strerror(errno));
		return -errno;
	}
	fd = xenevtchn_fd(link->evt);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	link->port = xenevtchn_bind_interdomain(link->evt, domid, remote_port);
	if (link->port < 0) {
		snprintf(why, VG_TEXT_MAX, "cannot bind event-channel %u of domain %u: %s",
			 remote_port, domid, strerror(errno));
		return -errno;
	}
	return 0;
}

static int link_map(struct be_link *link, uint32_t domid, uint32_t ring_ref, char *why)
{
	link->gnt = xengnttab_open(NULL, 0);
	if (!link->gnt) {
		snprintf(why, VG_TEXT_MAX, "cannot open /dev/xen/gntdev: %s", strerror(errno));
		return -errno;
	}
	link->ring = xengnttab_map_grant_ref_notify(link->gnt, domid, ring_ref,
						    PROT_READ | PROT_WRITE,
						    offsetof(struct vg_control_ring, backend_alive),
						    (evtchn_port_t)link->port);
	if (!link->ring) {
		snprintf(why, VG_TEXT_MAX, "cannot map ring-ref %u of domain %u: %s", ring_ref,
			 domid, strerror(errno));
		return -errno;
	}
	return 0;
}

int be_link_open(struct be_link *link, uint32_t domid, uint32_t ring_ref, uint32_t remote_port,
		 char *why)
{
	int rc;

	*link = BE_LINK_NONE;
	rc = link_bind(link, domid, remote_port, why);
	if (!rc)
		rc = link_map(link, domid, ring_ref, why);
	if (rc)
		be_link_close(link);
	return rc;
}

void be_link_close(struct be_link *link)
{
	/* The page first: its notification goes out through the port. */
	if (link->ring)
		xengnttab_unmap(link->gnt, link->ring, 1);
	if (link->gnt)
		xengnttab_close(link->gnt);
	if (link->evt)
		xenevtchn_close(link->evt); /* unbinds the port */
	*link = BE_LINK_NONE;
}

int be_link_fd(const struct be_link *link)
{
	return link->evt ? xenevtchn_fd(link->evt) : -1;
}

void be_link_ring(const struct be_link *link)
{
	xenevtchn_notify(link->evt, (evtchn_port_t)link->port);
}

bool be_link_take(const struct be_link *link)
{
	return xenevtchn_pending(link->evt) == link->port;
}

void be_link_unmask(const struct be_link *link)
{
	xenevtchn_unmask(link->evt, (evtchn_port_t)link->port);
}

int be_link_bind_lane(uint32_t domid, uint32_t remote_port, uint32_t *local_port)
{
	xenevtchn_handle *evt = xenevtchn_open(NULL, 0);
	int port, fd, rc;

	if (!evt)
		return -errno;
	port = xenevtchn_bind_interdomain(evt, domid, remote_port);
	/* The executor is not to bind another domain's ports with this. */
	rc = port < 0 || xenevtchn_restrict(evt, (domid_t)domid) ? -errno : 0;
	fd = rc ? rc : fcntl(xenevtchn_fd(evt), F_DUPFD_CLOEXEC, 0);
	if (!rc && fd < 0)
		fd = -errno;
	xenevtchn_close(evt); /* the duplicate keeps the port */
	if (fd >= 0)
		*local_port = (uint32_t)port;
	return fd;
}
