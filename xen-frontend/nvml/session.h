/* SPDX-License-Identifier: MIT */
/*
 * NVML's session: one of its own, beside that of libcuda.so.1 in the same process. Its executor makes no
 * CUDA context and does not even initialise the driver, so a program that only watches costs little; it
 * has one small lane, which the library's callers take in turn.
 *
 * A session holds nothing that could be lost with it: when it ends (the vGPU was detached, its executor
 * died, this is a child after fork), the next call opens another. Any thread.
 */
#ifndef FE_NVML_SESSION_H
#define FE_NVML_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "protocol/log.h"
#include "protocol/nvml_types.h"

/* This process in log lines; level from VGPU_LOG. */
extern struct vg_log_who fe_who;

/* nvmlInit and nvmlShutdown, which count. */
nvmlReturn_t fe_nvml_init(void);
nvmlReturn_t fe_nvml_shutdown(void);
/* Between the two. */
bool fe_nvml_ready(void);

/* An exported function that is refused or not implemented. */
nvmlReturn_t fe_nvml_refuse(const char *name, nvmlReturn_t code);

/*
 * One exchange: `size` bytes there, at most `room` bytes back (*answered), both within
 * VG_NVML_ASK_MAX and VG_NVML_ANSWER_MAX. NVML_SUCCESS, or why there is no answer. The lock is held
 * between fe_nvml_enter and fe_nvml_leave.
 */
void fe_nvml_enter(void);
void fe_nvml_leave(void);
nvmlReturn_t fe_nvml_exchange(const void *ask, size_t size, void *answer, size_t room,
			      size_t *answered);
/* The answer made no sense: the session ends. The lock is held. */
nvmlReturn_t fe_nvml_broken(const char *why);

/* How many devices there are; 0 without a session. */
unsigned int fe_nvml_devices(void);

#endif
