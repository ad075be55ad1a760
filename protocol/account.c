/* SPDX-License-Identifier: MIT */
/* The account of a vGPU's device memory. Trusts nothing in the page: see account.h. */
#include "protocol/account.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "protocol/clock.h"
#include "protocol/wire.h"

#define YIELDS   20      /* the lock is held for the time of a loop over the slots */
#define SLEEP_NS 100000u /* then look that often */

int vg_account_map(int fd, struct vg_account **account)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;
	void *map;

	if (seals < 0 || fstat(fd, &st))
		return -errno;
	if (!(seals & F_SEAL_SHRINK) || st.st_size < (off_t)sizeof(**account))
		return -EINVAL;
	map = mmap(NULL, sizeof(**account), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*account = map;
	return 0;
}

int vg_account_new(struct vg_account **account)
{
	int fd = memfd_create("vgpu-account", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int rc = 0;

	if (fd < 0)
		return -errno;
	/* Nobody may shrink it: the others' reads would be SIGBUS then. */
	if (ftruncate(fd, sizeof(**account)) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		rc = -errno;
	if (!rc)
		rc = vg_account_map(fd, account);
	if (rc) {
		close(fd);
		return rc;
	}
	(*account)->magic = VG_ACCOUNT_MAGIC;
	(*account)->version = VG_PROTOCOL_VERSION;
	return fd;
}

void vg_account_unmap(struct vg_account *account)
{
	if (account)
		munmap(account, sizeof(*account));
}

/* All slots but one. */
static uint64_t sum_without(const struct vg_account *account, unsigned int slot)
{
	uint64_t sum = vg_offers_held(&account->offers);

	for (unsigned int i = 0; i < VG_ACCOUNT_SLOTS; i++) {
		uint64_t held = __atomic_load_n(&account->held[i], __ATOMIC_SEQ_CST);

		if (i != slot && __builtin_add_overflow(sum, held, &sum))
			return UINT64_MAX;
	}
	return sum;
}

uint64_t vg_account_total(const struct vg_account *account)
{
	return sum_without(account, VG_ACCOUNT_SLOTS);
}

/* Asked for again and again: waiting in the kernel (F_SETLKW) could not be ended by a time. */
static int account_lock(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	const struct timespec pause = {.tv_nsec = SLEEP_NS};
	uint64_t until = 0;

	for (unsigned int i = 0; fcntl(fd, F_SETLK, &lock); i++) {
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return -errno;
		if (i < YIELDS) {
			sched_yield();
			continue;
		}
		if (!until)
			until = vg_clock_ms() + VG_ACCOUNT_WAIT_MS;
		else if (vg_clock_ms() > until)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static void account_unlock(int fd)
{
	struct flock lock = {.l_type = F_UNLCK, .l_whence = SEEK_SET, .l_len = 1};

	fcntl(fd, F_SETLK, &lock);
}

int vg_account_raise(struct vg_account *account, int fd, unsigned int slot, uint64_t held,
		     uint64_t limit)
{
	uint64_t total;
	int rc;

	if (slot >= VG_ACCOUNT_SLOTS)
		return -EINVAL;
	if (!limit) {
		__atomic_store_n(&account->held[slot], held, __ATOMIC_SEQ_CST);
		return 0;
	}
	rc = account_lock(fd);
	if (rc)
		return rc;
	if (__builtin_add_overflow(sum_without(account, slot), held, &total) || total > limit)
		rc = -ENOSPC;
	else
		__atomic_store_n(&account->held[slot], held, __ATOMIC_SEQ_CST);
	account_unlock(fd);
	return rc;
}

void vg_account_set(struct vg_account *account, unsigned int slot, uint64_t held)
{
	if (slot < VG_ACCOUNT_SLOTS)
		__atomic_store_n(&account->held[slot], held, __ATOMIC_SEQ_CST);
}

/* --- whose a slot is ----------------------------------------------------------------------------- */

void vg_account_enter(struct vg_account *account, unsigned int slot, uint32_t pid,
		      uint32_t executor)
{
	if (slot >= VG_ACCOUNT_SLOTS)
		return;
	__atomic_store_n(&account->executor[slot], executor, __ATOMIC_RELAXED);
	/* Release: who sees the pid sees the rest. */
	__atomic_store_n(&account->pid[slot], pid, __ATOMIC_RELEASE);
}

void vg_account_contexts(struct vg_account *account, unsigned int slot, uint32_t contexts)
{
	if (slot < VG_ACCOUNT_SLOTS)
		__atomic_store_n(&account->contexts[slot], contexts, __ATOMIC_RELAXED);
}

void vg_account_clear(struct vg_account *account, unsigned int slot)
{
	if (slot >= VG_ACCOUNT_SLOTS)
		return;
	vg_account_set(account, slot, 0);
	vg_offers_clear(&account->offers, slot);
	__atomic_store_n(&account->pid[slot], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&account->executor[slot], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&account->contexts[slot], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&account->busy_since[slot], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&account->busy_ns[slot], 0, __ATOMIC_RELAXED);
}

bool vg_account_process(const struct vg_account *account, unsigned int slot,
			struct vg_account_process *process)
{
	uint64_t since, now = vg_clock_ns();

	*process = (struct vg_account_process){0};
	if (slot >= VG_ACCOUNT_SLOTS)
		return false;
	process->pid = __atomic_load_n(&account->pid[slot], __ATOMIC_ACQUIRE);
	if (!process->pid)
		return false;
	process->executor = __atomic_load_n(&account->executor[slot], __ATOMIC_RELAXED);
	process->contexts = __atomic_load_n(&account->contexts[slot], __ATOMIC_RELAXED);
	process->held = __atomic_load_n(&account->held[slot], __ATOMIC_RELAXED);
	since = __atomic_load_n(&account->busy_since[slot], __ATOMIC_RELAXED);
	process->busy_ns = __atomic_load_n(&account->busy_ns[slot], __ATOMIC_RELAXED);
	if (since && since < now)
		process->busy_ns += now - since;
	return true;
}
