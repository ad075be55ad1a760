/* SPDX-License-Identifier: MIT */
/*
 * link.h for tests: one device at a time is enough.
 */
#include "tests/unit/backend/fake_link.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "xen-backend/link.h"

#define PAGES 16

static struct vg_control_ring pages[PAGES] __attribute__((aligned(4096)));
static bool granted[PAGES];
static int mapped, bound, bell = -1, masked;
static unsigned int rung;

void fake_link_reset(void)
{
	memset(granted, 0, sizeof(granted));
	mapped = bound = masked = 0;
	rung = 0;
	if (bell >= 0)
		close(bell);
	bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

struct vg_control_ring *fake_link_page(uint32_t ref)
{
	if (ref >= PAGES)
		abort();
	memset(&pages[ref], 0, sizeof(pages[ref]));
	pages[ref].magic = VG_CTLRING_MAGIC;
	pages[ref].version = VG_PROTOCOL_VERSION;
	pages[ref].frontend_alive = 1;
	granted[ref] = true;
	return &pages[ref];
}

void fake_link_ring(void)
{
	eventfd_write(bell, 1);
}

unsigned int fake_link_rung(void)
{
	return rung;
}

int fake_link_mapped(void)
{
	return mapped;
}

int fake_link_bound(void)
{
	return bound;
}

int fake_link_masked(void)
{
	return masked;
}

int be_link_open(struct be_link *link, uint32_t domid, uint32_t ring_ref, uint32_t remote_port,
		 char *why)
{
	(void)domid;
	*link = BE_LINK_NONE;
	if (ring_ref >= PAGES || !granted[ring_ref]) {
		snprintf(why, VG_TEXT_MAX, "cannot map ring-ref %u", ring_ref);
		return -ENXIO;
	}
	link->ring = &pages[ring_ref];
	link->port = (int)remote_port;
	mapped++;
	bound++;
	return 0;
}

void be_link_close(struct be_link *link)
{
	if (link->ring) {
		link->ring->backend_alive = 0;
		mapped--;
		bound--;
		masked = 0;
	}
	*link = BE_LINK_NONE;
}

int be_link_fd(const struct be_link *link)
{
	return link->ring ? bell : -1;
}

void be_link_ring(const struct be_link *link)
{
	(void)link;
	rung++;
}

bool be_link_take(const struct be_link *link)
{
	eventfd_t count;

	(void)link;
	if (eventfd_read(bell, &count))
		return false;
	masked = 1;
	return true;
}

void be_link_unmask(const struct be_link *link)
{
	(void)link;
	masked = 0;
}

/* Ports below 100 are the guest's. */
int be_link_bind_lane(uint32_t domid, uint32_t remote_port, uint32_t *local_port)
{
	(void)domid;
	if (remote_port >= 100)
		return -EINVAL;
	*local_port = remote_port + 1000;
	return eventfd(0, EFD_CLOEXEC);
}
