/* SPDX-License-Identifier: MIT */
/*
 * Primary contexts: which of them this process holds, by device, under the guest's handle.
 */
#ifndef EX_PRIMARY_H
#define EX_PRIMARY_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

#define EX_DEVICES_MAX 64

struct ex_call;
struct ex_charge;

struct ex_primary {
	pthread_mutex_t lock;
	struct {
		CUcontext context;        /* NULL: not held */
		uint64_t handle;          /* 0: held by us alone (info.c's probe) */
		struct ex_charge *charge; /* owned; NULL: it is measured */
	} device[EX_DEVICES_MAX];
};

void ex_primary_init(struct ex_primary *primary);
void ex_primary_dispose(struct ex_primary *primary);
/* Holds the device's primary context; handle != 0 binds it to that handle of the guest's. */
CUresult ex_primary_hold(struct ex_call *call, CUdevice dev, uint64_t handle, CUcontext *context);

#endif
