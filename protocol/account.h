/* SPDX-License-Identifier: MIT */
/*
 * The account of a vGPU's device memory: what each of its executors has reserved, in one page that
 * they and whoever started them share (a sealed memfd). There is no total in it: the total is the sum
 * of the slots, so nothing can disagree with it.
 *
 * An executor writes its own slot, and raises it only under the page's lock, after it has added up the
 * others. The lock is a record lock of the kernel's on the file (fcntl), which knows its owner: it is
 * let go of when that process ends, in whatever way, and nothing that lies in the page can forge or
 * break it. What happens between the lock and its release is one store of 8 bytes, so an executor that
 * is killed has either reserved or not. Lowering a slot needs no lock: who adds up meanwhile sees too
 * much, never too little.
 *
 * Beside that a slot says whose it is, so that NVML in one process of a guest can name the others: the
 * guest's pid, the executor's own, how many contexts there are; and, for the software device, how long it has
 * been working.
 *
 * Whoever started an executor clears its slot once it has been reaped (by then the driver has taken
 * back its memory, and no thread is left to write), and does nothing else with the page but print it.
 *
 * Trust: an executor runs a guest's commands. One that has been taken over can write what it likes
 * here: it can lie about its vGPU's account, or hold the lock, which others wait for no longer than
 * VG_ACCOUNT_WAIT_MS. It reaches no other vGPU's account, and no number here is an index or a length.
 */
#ifndef VG_ACCOUNT_H
#define VG_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/offer.h"

#define VG_ACCOUNT_MAGIC   0x74636361u /* "acct" */
#define VG_ACCOUNT_SLOTS   256u
#define VG_ACCOUNT_WAIT_MS 2000u

struct vg_account {
	uint32_t magic;
	uint32_t version; /* VG_PROTOCOL_VERSION */
	uint64_t pad[7];
	/* By slot. */
	uint64_t held[VG_ACCOUNT_SLOTS];       /* bytes */
	uint64_t busy_ns[VG_ACCOUNT_SLOTS];    /* that the software device has worked */
	uint64_t busy_since[VG_ACCOUNT_SLOTS]; /* ns of CLOCK_MONOTONIC; 0: it does not work now */
	uint32_t pid[VG_ACCOUNT_SLOTS];        /* the guest's; 0: nobody's slot */
	uint32_t executor[VG_ACCOUNT_SLOTS];   /* pid on the host */
	uint32_t contexts[VG_ACCOUNT_SLOTS];   /* that live */
	struct vg_offers offers;               /* what the executors let each other open */
};
_Static_assert(VG_ACCOUNT_SLOTS == VG_OFFER_TAKERS * 64, "a bit for each slot");

/* A new one: its memfd, the caller's to close, and its mapping. Or a negative errno. */
int vg_account_new(struct vg_account **account);
/* One that was made elsewhere. fd stays the caller's. 0, or a negative errno: not an account's. */
int vg_account_map(int fd, struct vg_account **account);
void vg_account_unmap(struct vg_account *account); /* NULL is fine */

/* The sum of all slots, and of what is held of offers that have ended; UINT64_MAX if it does not fit, which only a liar can bring about. */
uint64_t vg_account_total(const struct vg_account *account);
/*
 * Sets our slot if the total stays within limit (0: none). One thread of a process at a time. 0,
 * -ENOSPC: over the limit, -ETIMEDOUT: somebody keeps the lock, or what fcntl says.
 */
int vg_account_raise(struct vg_account *account, int fd, unsigned int slot, uint64_t held,
		     uint64_t limit);
/* Sets our own slot without asking: to less than it is, or to what the driver has taken all the same. */
void vg_account_set(struct vg_account *account, unsigned int slot, uint64_t held);
/* Says whose our slot is. */
void vg_account_enter(struct vg_account *account, unsigned int slot, uint32_t pid,
		      uint32_t executor);
void vg_account_contexts(struct vg_account *account, unsigned int slot, uint32_t contexts);
/* Makes a slot nobody's, and ends what it offers and holds, when its executor has been reaped. */
void vg_account_clear(struct vg_account *account, unsigned int slot);

/* What another's slot says, each field read once. False: it is nobody's, or there is no such slot. */
struct vg_account_process {
	uint32_t pid, executor, contexts;
	uint64_t held;
	uint64_t busy_ns; /* until now */
};
bool vg_account_process(const struct vg_account *account, unsigned int slot,
			struct vg_account_process *process);

#endif
