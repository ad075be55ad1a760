/* SPDX-License-Identifier: MIT */
/*
 * The vGPUs of a session, each with a GPU, a quota and an account of its own: those that --gpu names, in that
 * order, or all that the driver has. `gpu` is the place in this list. CUDA's ordinals are others: the program's
 * environment (CUDA_VISIBLE_DEVICES, CUDA_DEVICE_ORDER) chooses and orders, among these and no others.
 *
 * Trusts whoever started us, the driver and NVML; of the program's two texts nothing: they only select. Any
 * thread, but for what says otherwise.
 */
#ifndef EX_GPUS_H
#define EX_GPUS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

#include "dom0-executor/account.h"
#include "dom0-executor/primary.h"
#include "dom0-executor/settings.h"

struct ex_session;

#define EX_GPUS_MAX EX_DEVICES_MAX
#define EX_UUID_MAX 96

struct ex_gpu {
	struct ex_account account;
	uint64_t overhead; /* in the account; under usage.h's lock, as `known` */
	bool known; /* NVML has told of this process here: it will, when there is something */
};

/* A context that the guest knows. */
struct ex_context {
	struct ex_context *next;
	uint64_t handle;
	unsigned int gpu;
};

struct ex_gpus {
	struct ex_gpu gpu[EX_GPUS_MAX];
	unsigned int named; /* by --gpu; 0: all of the driver's, by their number there */
	bool limited;       /* some have a quota */
	struct ex_held held;
	atomic_ullong last_object; /* that has been offered to others (ex_charge_object) */

	pthread_mutex_t lock; /* of what follows */
	bool started;
	CUresult result; /* of the start */
	char *list;      /* CUDA_VISIBLE_DEVICES as the program has it, owned; NULL: it has none */
	char *order;     /* CUDA_DEVICE_ORDER, owned; NULL: none */
	struct ex_context *contexts; /* owned */
	/* Written by the start. By CUDA's ordinal; how many of `gpu` may be in use. */
	atomic_uchar of_device[EX_DEVICES_MAX];
	atomic_uint used;
};

/* Before there are threads: what the driver library reads before it can be told better. 0 or -errno. */
int ex_gpus_environment(const struct ex_settings *settings);
int ex_gpus_init(struct ex_gpus *gpus, const struct ex_settings *settings, struct vg_stats *stats);
void ex_gpus_dispose(struct ex_gpus *gpus);

/* Initialises CUDA, once, with the devices that the program is to have: cuInit's result. */
CUresult ex_gpus_start(struct ex_session *session);

/* The vGPU behind an ordinal of CUDA's. */
unsigned int ex_gpu_of(struct ex_session *session, CUdevice device);
/* And behind the context that is current in the driver. */
unsigned int ex_gpu_current(struct ex_session *session);
struct ex_account *ex_account_of(struct ex_session *session, unsigned int gpu);
/* A context's handle has been made, or has gone: each vGPU's account says how many there are. */
void ex_context_entered(struct ex_session *session, uint64_t handle, CUcontext real);
void ex_context_left(struct ex_session *session, uint64_t handle);
/* Of all of them, the bytes that this session holds. */
uint64_t ex_gpus_held(struct ex_session *session);

#endif
