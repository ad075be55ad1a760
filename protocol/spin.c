/* SPDX-License-Identifier: MIT */
/* Looking before sleeping: see spin.h. */
#include "protocol/spin.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include "protocol/clock.h"

#define LEAST_NS   2000u
#define START_NS   50000u
#define LOOKS      1000u /* measured */
#define RESTS      64u
#define PS_PER_NS  1000u
#define LOOK_USUAL 40000u /* ps, until it is measured */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t look_ps = LOOK_USUAL;

static void look_measure(void)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < 3; round++) {
		uint64_t took, begin = vg_clock_ns();

		for (unsigned int i = 0; i < LOOKS; i++)
			vg_relax();
		took = vg_clock_ns() - begin;
		/* No processor looks faster than once a nanosecond: the clock of an emulated PV domain stands now and then. */
		if (took >= LOOKS && took < best)
			best = took;
	}
	if (best != UINT64_MAX)
		look_ps = best * PS_PER_NS / LOOKS;
}

static uint32_t looks_of(uint64_t ns)
{
	uint64_t looks;

	pthread_once(&once, look_measure);
	looks = ns * PS_PER_NS / look_ps;
	return looks < UINT32_MAX ? (uint32_t)looks : UINT32_MAX;
}

static bool is_alone(void)
{
	cpu_set_t set;

	return !sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) < 2;
}

/* This thread's; -1: the kernel does not say. */
static long preemptions(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? -1 : usage.ru_nivcsw;
}

void vg_spin_init_apart(struct vg_spin *spin, uint64_t most_ns)
{
	*spin = (struct vg_spin){
		.looks = looks_of(most_ns < START_NS ? most_ns : START_NS),
		.least = looks_of(LEAST_NS),
		.most = looks_of(most_ns),
		.worth = most_ns,
		.preempted = -1,
	};
}

void vg_spin_init(struct vg_spin *spin, uint64_t most_ns)
{
	if (is_alone())
		vg_spin_fix(spin, 0);
	else
		vg_spin_init_apart(spin, most_ns);
}

void vg_spin_fix(struct vg_spin *spin, uint32_t looks)
{
	*spin = (struct vg_spin){.looks = looks, .fixed = true};
}

void vg_spin_fix_ns(struct vg_spin *spin, uint64_t ns)
{
	vg_spin_fix(spin, ns ? looks_of(ns) : 0);
}

void vg_spin_slept(struct vg_spin *spin, uint64_t slept_ns)
{
	long before = spin->preempted;

	if (spin->fixed)
		return;
	if (spin->resting) {
		spin->resting--;
		return;
	}
	spin->preempted = preemptions();
	/* Others want this processor: more spin than there are processors. */
	if (before >= 0 && spin->preempted > before) {
		spin->resting = RESTS;
		return;
	}
	if (slept_ns < spin->worth)
		spin->looks = spin->looks < spin->most / 2 ? spin->looks * 2 + 1 : spin->most;
	else
		spin->looks = spin->looks / 2 > spin->least ? spin->looks / 2 : spin->least;
}
