/* SPDX-License-Identifier: MIT */
/*
 * What the driver has taken of the device for this process beyond what its calls asked for: contexts,
 * code and variables of modules, local memory of kernels, heaps, graphs' memory, the rest of
 * blocks. It is not computed but measured, as the whole that this process uses less what is counted
 * otherwise, and counts as `overhead`. So it never stays wrong: each look puts it right.
 *
 * NVIDIA's NVML tells what one process uses of each device, which other guests' work on the GPU does not
 * blur. The software device belongs to this process alone, so cuMemGetInfo does, for the one that is
 * current. With neither, contexts and modules are counted by fixed estimates (EX_CONTEXT_BYTES, the size of
 * the image). Any thread.
 */
#ifndef EX_USAGE_H
#define EX_USAGE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct ex_session;

/* Driver 580 takes 518 MiB for one on an H100, the largest seen. */
#define EX_CONTEXT_BYTES (512ull << 20)

/* For all vGPUs of the session; what each counts stands in ex_gpu. */
struct ex_usage {
	pthread_mutex_t lock;
	atomic_bool stale; /* something of unknown size has gone */
	atomic_ullong looked_ms;
	atomic_ullong launches; /* seen by the last look */
};

void ex_usage_init(struct ex_usage *usage);
void ex_usage_dispose(struct ex_usage *usage);

/* Something was made whose size only the driver knows: does it fit? If not, undo it, then look. */
bool ex_usage_fits(struct ex_session *session, unsigned int gpu);
/* Puts the overhead right, over the quota or not. */
void ex_usage_look(struct ex_session *session, unsigned int gpu);
/*
 * The same for all of them, where it may have changed: something of unknown size has gone, or kernels were
 * launched, which may take memory, and the last look is a second old.
 */
void ex_usage_glance(struct ex_session *session);
/* Bytes to count for something whose estimate this is: 0 where it is measured or nothing is. */
uint64_t ex_usage_estimate(struct ex_session *session, unsigned int gpu, uint64_t bytes);

#endif
