/* SPDX-License-Identifier: MIT */
/*
 * The account of a vGPU's device memory (protocol/account.h), from the side of who starts executors: a
 * page for each device, a slot in it for each session that has it, the same in each of its devices' pages.
 * What executors write is printed, never used.
 *
 * The next xen-vgpud takes the page over from the executors that it adopts, and sweeps when all have told.
 *
 * A slot is a session's until its executor has been reaped. Then the driver has freed what the process
 * held, and nobody is left who could write the slot: it is cleared here, and nowhere else, together with
 * all slots that are nobody's, so that what a hostile executor has scribbled there ends with it too.
 */
#include "xen-backend/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
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
	for (const struct be_seat *seat = device->seats; seat; seat = seat->next)
		if (seat->session->account_slot == slot)
			return true;
	return false;
}

int be_account_slot(const struct be_session *session)
{
	for (unsigned int slot = 0; slot < VG_ACCOUNT_SLOTS; slot++) {
		bool used = false;

		for (unsigned int i = 0; i < session->seat_count; i++)
			used |= slot_used(session->seats[i].device, slot);
		if (!used)
			return (int)slot;
	}
	return -EBUSY;
}

static bool in_use(const struct be_device *device)
{
	for (const struct be_seat *seat = device->seats; seat; seat = seat->next)
		if (seat->session->account_slot < VG_ACCOUNT_SLOTS)
			return true;
	return false;
}

static bool same_file(int a, int b)
{
	struct stat one, other;

	return !fstat(a, &one) && !fstat(b, &other) && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

/* In place of the one that was made with the device, in which nobody has a slot. */
static int account_take_over(struct be_device *device, int fd)
{
	int ours;

	if (!be_adopt_sealed(fd, sizeof(struct vg_account)))
		return -EINVAL;
	be_account_close(device);
	ours = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (ours < 0)
		return -errno;
	if (vg_account_map(ours, &device->account)) {
		close(ours);
		return -EINVAL;
	}
	device->account_fd = ours;
	return 0;
}

static const char *account_adopt(struct be_device *device, int fd, unsigned int slot)
{
	if (fd < 0 || slot >= VG_ACCOUNT_SLOTS)
		return "the executor handed over no account";
	if (in_use(device) ? !same_file(device->account_fd, fd)
			   : account_take_over(device, fd) != 0)
		return "the executor handed over another account than the vGPU's";
	if (slot_used(device, slot))
		return "the executor has another's place in the vGPU's account";
	return NULL;
}

/* One account for several vGPUs would be taken for the first that comes, and the others' executors refused. */
static const char *accounts_differ(const int *fds, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		for (unsigned int k = 0; k < i; k++)
			if (same_file(fds[i], fds[k]))
				return "the executor handed over one account twice";
	return NULL;
}

const char *be_account_adopt(struct be_session *session, const int *fds, unsigned int slot)
{
	const char *wrong = accounts_differ(fds, session->seat_count);

	for (unsigned int i = 0; i < session->seat_count && !wrong; i++)
		wrong = account_adopt(session->seats[i].device, fds[i], slot);
	if (!wrong)
		session->account_slot = slot;
	return wrong;
}

/* Some of the guest's that run may not have said yet which vGPUs they have, and which slot is theirs. */
static bool adopting(const struct be_device *device)
{
	for (const struct be_device *d = device->daemon->devices; d; d = d->next)
		for (const struct be_session *s = d->sessions; s && d->domid == device->domid;
		     s = s->next)
			if (s->state == BE_SESSION_ADOPTING)
				return true;
	return false;
}

void be_account_sweep(struct be_device *device)
{
	if (adopting(device))
		return;
	for (unsigned int slot = 0; device->account && slot < VG_ACCOUNT_SLOTS; slot++)
		if (!slot_used(device, slot))
			vg_account_clear(device->account, slot);
}

uint64_t be_account_held(const struct be_device *device, const struct be_session *session)
{
	if (!device->account || session->account_slot >= VG_ACCOUNT_SLOTS)
		return 0;
	return __atomic_load_n(&device->account->held[session->account_slot], __ATOMIC_RELAXED);
}

uint64_t be_account_used(const struct be_device *device)
{
	return device->account ? vg_account_total(device->account) : 0;
}
