/* SPDX-License-Identifier: MIT */
/*
 * gntalloc and evtchn through their ioctls. libxengnttab and libxenevtchn hide the descriptors
 * that have to be passed on; nothing else of them is missed here.
 *
 * Runs as root in vgpu-frontd's one thread. gntalloc's pages come zeroed from the kernel.
 */
#include "xen-frontend/frontd/grants.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

typedef uint16_t domid_t; /* the kernel's headers leave it to us */
#include <xen/evtchn.h>
#include <xen/gntalloc.h>

#include "protocol/wire.h"

#define GNTALLOC_LIMIT "/sys/module/xen_gntalloc/parameters/limit"
/* The limit rises in steps, so that what nobody needs stays unused. */
#define LIMIT_STEP 1024u
/* No domain ever has this number: the last below the hypervisor's special ones. */
#define DOMID_NOBODY 0x7fefu

static int limit_read(uint32_t *limit)
{
	FILE *file = fopen(GNTALLOC_LIMIT, "re");
	char line[32];
	char *got = NULL;

	if (file) {
		got = fgets(line, sizeof(line), file);
		fclose(file);
	}
	if (!got)
		return -ENOENT;
	*limit = (uint32_t)strtoul(line, NULL, 10);
	return 0;
}

static int limit_write(uint32_t limit)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u\n", limit);
	int fd = open(GNTALLOC_LIMIT, O_WRONLY | O_CLOEXEC);
	ssize_t done;

	if (fd < 0)
		return -errno;
	done = write(fd, text, (size_t)n);
	close(fd);
	return done == n ? 0 : -EIO;
}

/* 0 when it was raised and another try makes sense. */
static int limit_raise(uint32_t pages, uint32_t limit_max)
{
	uint32_t step = pages > LIMIT_STEP ? pages : LIMIT_STEP;
	uint32_t limit;
	int rc = limit_read(&limit);

	if (rc)
		return rc;
	if (limit >= limit_max)
		return -ENOSPC;
	return limit_write(limit_max - limit < step ? limit_max : limit + step);
}

static int grant_alloc_once(struct fe_grant *grant, uint32_t domid, uint32_t pages)
{
	struct ioctl_gntalloc_alloc_gref *op;
	int rc = 0;

	op = calloc(1, sizeof(*op) + pages * sizeof(op->gref_ids[0]));
	if (!op)
		return -ENOMEM;
	op->domid = (uint16_t)domid;
	op->flags = GNTALLOC_FLAG_WRITABLE;
	op->count = pages;
	if (ioctl(grant->fd, IOCTL_GNTALLOC_ALLOC_GREF, op)) {
		rc = -errno;
	} else {
		grant->offset = op->index;
		memcpy(grant->refs, op->gref_ids, pages * sizeof(*grant->refs));
	}
	free(op);
	return rc;
}

int fe_grant_alloc(struct fe_grant *grant, uint32_t domid, uint32_t pages, uint32_t limit_max)
{
	int rc;

	*grant = FE_GRANT_NONE;
	grant->pages = pages;
	grant->refs = calloc(pages, sizeof(*grant->refs));
	if (!grant->refs)
		return -ENOMEM;
	grant->fd = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	if (grant->fd < 0) {
		rc = -errno;
		fe_grant_free(grant);
		return rc;
	}
	do
		rc = grant_alloc_once(grant, domid, pages);
	while (rc == -ENOSPC && limit_raise(pages, limit_max) == 0);
	if (rc)
		fe_grant_free(grant);
	return rc;
}

void *fe_grant_map(const struct fe_grant *grant, uint32_t first, uint32_t pages)
{
	void *base = mmap(NULL, (size_t)pages * VG_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			  grant->fd, (off_t)(grant->offset + (uint64_t)first * VG_PAGE_SIZE));

	return base == MAP_FAILED ? NULL : base;
}

int fe_grant_notify(const struct fe_grant *grant, uint32_t offset, uint32_t port)
{
	struct ioctl_gntalloc_unmap_notify op = {
		.index = grant->offset + offset,
		.action = UNMAP_NOTIFY_CLEAR_BYTE | UNMAP_NOTIFY_SEND_EVENT,
		.event_channel_port = port,
	};

	return ioctl(grant->fd, IOCTL_GNTALLOC_SET_UNMAP_NOTIFY, &op) ? -errno : 0;
}

void fe_grant_free(struct fe_grant *grant)
{
	if (grant->fd >= 0)
		close(grant->fd);
	free(grant->refs);
	*grant = FE_GRANT_NONE;
}

int fe_port_bind(struct vg_bell *bell, uint32_t *port, uint32_t domid)
{
	struct ioctl_evtchn_bind_unbound_port bind = {.remote_domain = domid};
	struct ioctl_evtchn_restrict_domid restrict_to = {.domid = DOMID_NOBODY};
	int fd = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int local, rc;

	*bell = VG_BELL_NONE;
	if (fd < 0)
		return -errno;
	local = ioctl(fd, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind);
	/* From here on the descriptor binds nothing more; notify, read and unmask go on working. */
	if (local < 0 || ioctl(fd, IOCTL_EVTCHN_RESTRICT_DOMID, &restrict_to)) {
		rc = -errno;
		close(fd);
		return rc;
	}
	*port = (uint32_t)local;
	*bell = vg_bell_xen(fd, (uint32_t)local);
	return 0;
}
