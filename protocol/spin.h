/* SPDX-License-Identifier: MIT */
/*
 * Looking for something before sleeping. How long that pays is learned from how long the sleeps are: one that
 * was short would have been better spent looking, before a long one looking was wasted. Looks are counted,
 * not timed, since in a PV domain reading the clock is a system call; what one takes is measured once.
 *
 * Nothing is looked for where there is one processor to run on, nor for a while after this thread was made to
 * give up its processor to another.
 */
#ifndef VG_SPIN_H
#define VG_SPIN_H

#include <stdbool.h>
#include <stdint.h>

/* Belongs to one thread at a time. */
struct vg_spin {
	uint32_t looks; /* now */
	uint32_t least, most;
	bool fixed;       /* nothing is learned */
	uint64_t worth;   /* ns: a sleep shorter than that should have been looking */
	long preempted;   /* as often as this thread had been */
	uint32_t resting; /* sleeps that go on without a look before */
};

/* One look's pause; tells the core that we spin. */
static inline void vg_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/* Adaptive up to that time. */
void vg_spin_init(struct vg_spin *spin, uint64_t most_ns);
/* The same, but never on one processor's account: the other side runs on another domain's. */
void vg_spin_init_apart(struct vg_spin *spin, uint64_t most_ns);
/* Always that long: so many looks, or ns. 0: never. */
void vg_spin_fix(struct vg_spin *spin, uint32_t looks);
void vg_spin_fix_ns(struct vg_spin *spin, uint64_t ns);

/* How often to look before the next sleep. */
static inline uint32_t vg_spin_looks(const struct vg_spin *spin)
{
	return spin->resting ? 0 : spin->looks;
}

/* Whether vg_spin_slept wants to know. */
static inline bool vg_spin_learns(const struct vg_spin *spin)
{
	return !spin->fixed;
}

/* The looks were in vain, and then it came after so long a sleep. */
void vg_spin_slept(struct vg_spin *spin, uint64_t slept_ns);

#endif
