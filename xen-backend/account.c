/* SPDX-License-Identifier: MIT */
/*
 * The account of a vGPU's device memory (protocol/account.h), from the side of who starts executors: a
 * page for each device, a slot in it for each session. What executors write is printed, never used.
 *
 * A slot is a session's until its executor has been reaped. Then the driver has freed what the process
 * held, and nobody is left who could write the slot: it is cleared here, and nowhere else, together with
 * all slots that are nobody's, so that what a hostile executor has scribbled there ends with it too.
 */
#include "xen-backend/daemon.h"

#include <errno.h>
#include <unistd.h>

int be_account_open(struct be_device *device)
{
	int fd;

	if (device->account)
		return 0;
	fd = vg_account_new(&device->account);
	if (fd < 0)
		return fd;
	device->account_fd = fd;
	return 0;
}

void be_account_close(struct be_device *device)
{
	if (!device->account)
		return;
	vg_account_unmap(device->account);
	device->account = NULL;
	close(device->account_fd);
	device->account_fd = -1;
}

static bool slot_used(const struct be_device *device, unsigned int slot)
{
	for (const struct be_session *s = device->sessions; s; s = s->next)
		if (s->state != BE_SESSION_DEAD && s->account_slot == slot)
			return true;
	return false;
}

int be_account_slot(const struct be_device *device)
{
	for (unsigned int slot = 0; slot < VG_ACCOUNT_SLOTS; slot++)
		if (!slot_used(device, slot))
			return (int)slot;
	return -EBUSY;
}

void be_account_sweep(struct be_device *device)
{
	for (unsigned int slot = 0; device->account && slot < VG_ACCOUNT_SLOTS; slot++)
		if (!slot_used(device, slot))
			vg_account_set(device->account, slot, 0);
}

uint64_t be_account_used(const struct be_device *device)
{
	return device->account ? vg_account_total(device->account) : 0;
}
