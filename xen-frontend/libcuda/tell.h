/* SPDX-License-Identifier: MIT */
/*
 * Calls in the program's own log: VGPU_LOG=call has a line for each call of the driver API, by the name that the program called and
 * with its arguments and what it was answered, whether it was sent or answered here; VGPU_LOG=data also one for each
 * command that went to the executor. Any thread, before cuInit too.
 *
 * Off, an exported function has one look at the level more, and none at its end.
 */
#ifndef FE_TELL_H
#define FE_TELL_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol/call_text.h"
#include "protocol/clock.h"
#include "protocol/cuda_types.h"
#include "protocol/log.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/session.h"

/* Of generated entries: the call itself is in its function with a line and in the one without. */
#define FE_TOLD __attribute__((cold, noinline))
#define FE_RUN  inline __attribute__((always_inline))

static inline bool fe_tells(void)
{
	return __builtin_expect(vg_log_on(&fe_who, VG_LOG_CALL), 0);
}

/* The line, and what fe_leave does. op 0: nothing is known of the arguments. begun: ns. Returns result. */
CUresult fe_tell(const char *symbol, uint16_t op, const struct vg_call_place *places,
		 unsigned int count, CUresult result, uint64_t begun);
/* Of a command that has been sent, or could not be. */
void fe_tell_sent(const struct fe_call *call, CUresult result, uint64_t begun);

/* When the library is loaded: VGPU_LOG and VGPU_LOG_RATE. */
void fe_tell_load(void);
/* In a child after fork. */
void fe_tell_reset(void);

#endif
