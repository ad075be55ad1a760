/* SPDX-License-Identifier: MIT */
/*
 * Calls in the program's own log: VGPU_LOG=call has a line for each call of the driver API, by the name that the program called and
 * with its arguments and what it was answered, whether it was sent or answered here; VGPU_LOG=data also one for each
 * command that went to the executor. Any thread, before cuInit too.
 *
 * Off, an exported function has one look at a byte, as has the sending of a command.
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

#define FE_HIDDEN __attribute__((visibility("hidden")))
/* Of generated functions that call an exported one and write the line. */
#define FE_TOLD __attribute__((cold, noinline))

/* Whether there are lines; written when the library is loaded. Not atomic: each is one instruction and a branch. */
extern bool fe_tell_calls FE_HIDDEN;
extern bool fe_tell_commands FE_HIDDEN;
/* This thread is about to enter an exported function whose line is written by who calls it. */
extern __thread bool fe_telling __attribute__((tls_model("initial-exec"))) FE_HIDDEN;

/* True: call the function that writes the line, which calls this one again. */
static inline bool fe_tell_now(void)
{
	if (__builtin_expect(!fe_tell_calls, 1))
		return false;
	fe_telling = !fe_telling;
	return fe_telling;
}

/* The line. op 0: nothing is known of the arguments. begun: ns. Returns result. */
CUresult fe_tell(const char *symbol, uint16_t op, const struct vg_call_place *places,
		 unsigned int count, CUresult result, uint64_t begun);
/* Of a command that has been sent, or could not be. */
void fe_tell_sent(const struct fe_call *call, CUresult result, uint64_t begun);

/* When the library is loaded: VGPU_LOG and VGPU_LOG_RATE. */
void fe_tell_load(void);
/* In a child after fork. */
void fe_tell_reset(void);

#endif
