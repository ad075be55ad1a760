/* SPDX-License-Identifier: MIT */
/*
 * Grants for tests: the same rules of ownership as grants.c.
 */
#include "tests/unit/frontd/fake_grants.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "protocol/wire.h"
#include "xen-frontend/frontd/grants.h"

#define RECORDS_MAX 512
/* Every allocation lies somewhere in its file, as gntalloc's do. */
#define FIRST_OFFSET (7 * VG_PAGE_SIZE)

struct record {
	uint32_t first_ref, pages;
	char *base;
	bool granted;
};

static struct record records[RECORDS_MAX];
static uint32_t record_count, next_ref, limit, held, ports, last_port, notify_offset;
static int port_fds[RECORDS_MAX];

void fake_grants_reset(void)
{
	for (uint32_t i = 0; i < record_count; i++)
		munmap(records[i].base, (size_t)records[i].pages * VG_PAGE_SIZE);
	record_count = held = ports = last_port = notify_offset = 0;
	next_ref = 100;
	limit = 100000;
}

void fake_grants_limit(uint32_t pages)
{
	limit = pages;
}

uint32_t fake_grants_pages(void)
{
	return held;
}

uint32_t fake_grants_ports(void)
{
	uint32_t open_ports = 0;

	for (uint32_t i = 0; i < ports; i++)
		open_ports += fcntl(port_fds[i], F_GETFD) >= 0;
	return open_ports;
}

const void *fake_grants_page(uint32_t ref)
{
	for (uint32_t i = 0; i < record_count; i++) {
		struct record *r = &records[i];

		if (r->granted && ref >= r->first_ref && ref < r->first_ref + r->pages)
			return r->base + (size_t)(ref - r->first_ref) * VG_PAGE_SIZE;
	}
	return NULL;
}

uint32_t fake_grants_last_port(void)
{
	return last_port;
}

uint32_t fake_grants_notify_offset(void)
{
	return notify_offset;
}

int fe_grant_alloc(struct fe_grant *grant, uint32_t domid, uint32_t pages, uint32_t limit_max)
{
	size_t bytes = (size_t)pages * VG_PAGE_SIZE;
	struct record *record = &records[record_count];

	(void)domid;
	(void)limit_max;
	*grant = FE_GRANT_NONE;
	if (held + pages > limit)
		return -ENOSPC;
	if (record_count == RECORDS_MAX)
		abort();
	grant->fd = memfd_create("granted", MFD_CLOEXEC);
	grant->refs = calloc(pages, sizeof(*grant->refs));
	if (grant->fd < 0 || !grant->refs || ftruncate(grant->fd, (off_t)(FIRST_OFFSET + bytes)))
		abort();
	grant->pages = pages;
	grant->offset = FIRST_OFFSET;
	for (uint32_t i = 0; i < pages; i++)
		grant->refs[i] = next_ref + i;
	*record = (struct record){.first_ref = next_ref, .pages = pages, .granted = true};
	record->base =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, grant->fd, FIRST_OFFSET);
	if (record->base == MAP_FAILED)
		abort();
	record_count++;
	next_ref += pages;
	held += pages;
	return 0;
}

void *fe_grant_map(const struct fe_grant *grant, uint32_t first, uint32_t pages)
{
	void *base = mmap(NULL, (size_t)pages * VG_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			  grant->fd, (off_t)(grant->offset + (uint64_t)first * VG_PAGE_SIZE));

	return base == MAP_FAILED ? NULL : base;
}

int fe_grant_notify(const struct fe_grant *grant, uint32_t offset, uint32_t port)
{
	if (grant->fd < 0 || port != last_port)
		return -EINVAL;
	notify_offset = offset;
	return 0;
}

void fe_grant_free(struct fe_grant *grant)
{
	if (grant->fd >= 0) {
		close(grant->fd);
		held -= grant->pages;
	}
	free(grant->refs);
	*grant = FE_GRANT_NONE;
}

int fe_port_bind(struct vg_bell *bell, uint32_t *port, uint32_t domid)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	(void)domid;
	if (fd < 0 || ports == RECORDS_MAX)
		abort();
	port_fds[ports++] = fd;
	*bell = vg_bell_local(fd, fd);
	*port = ++last_port;
	return 0;
}
