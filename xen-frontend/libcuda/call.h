/* SPDX-License-Identifier: MIT */
/*
 * A call on its way to the executor: what generated stubs and hand-written functions work with.
 *
 * A call belongs to the thread that makes it and uses that thread's lane (lane.h), which is opened at
 * its first use. Nothing here trusts the executor's values beyond what a program's own
 * process would lose by them: sizes of replies are checked against what was asked for.
 */
#ifndef FE_CALL_H
#define FE_CALL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cuda_types.h"
#include "protocol/log.h"
#include "xen-frontend/libcuda/checkpoint.h"
#include "xen-frontend/libcuda/handle.h"
#include "xen-frontend/libcuda/session.h"

struct fe_in {
	const void *data;
	size_t size;
};

struct fe_out {
	void *data;
	size_t size;
};

/* One call. Set up by its generated stub, run by fe_call_run. */
struct fe_call {
	uint16_t op;
	bool async;       /* returns when the command is in the ring */
	bool reports;     /* an earlier asynchronous error of this thread is returned here */
	bool no_context;  /* runs without making the thread's context current over there */
	bool may_context; /* makes it current if it lives, and none otherwise */
	bool unordered;   /* waits for no other thread's commands, and none waits for it */
	uint8_t ins;
	uint8_t outs;
	struct fe_in *in;   /* arguments: the fixed part first; each is padded to 8 */
	struct fe_out *out; /* answer: the fixed part first; each is padded to 8 */
	/* Handles, the stream first: among threads it comes after what has used them. None: after everything. */
	uint64_t keys[2];
	struct fe_in bulk;
	struct fe_out bulk_out; /* the answer's bulk part must have exactly this size */
	/* Length of variable out parts beyond the first, told by the fixed part: when set, called after
	 * the fixed part has been read, sets out[i].size; false: the answer makes no sense. */
	bool (*sizes)(struct fe_call *call);
};

static inline void fe_call_in(struct fe_call *call, const void *data, size_t size)
{
	call->in[call->ins++] = (struct fe_in){data, size};
}

static inline void fe_call_out(struct fe_call *call, void *data, size_t size)
{
	call->out[call->outs++] = (struct fe_out){data, size};
}

/*
 * Runs it. The executor's CUresult; CUDA_ERROR_DEVICE_UNAVAILABLE when the session is lost (sticky). Outputs
 * are written on CUDA_SUCCESS, and on an error only if the executor sent them.
 */
CUresult fe_call_run(struct fe_call *call);

/* The context begins anew: an error that stuck to it is over. */
void fe_call_forgive(CUcontext context);

/* Captures that this process has begun and not ended: while there are any, no call is asynchronous. */
extern atomic_int fe_captures;
/* CUDA's answer to what a capture forbids, which ends it; for calls that do not reach the driver. */
CUresult fe_capture_allows(void);
/* The same for what no stream that is being captured takes. */
CUresult fe_capture_refuses(CUstream stream);

/* What an entry finds that is not simply open: a checkpoint to be waited for, no session, its sticky error. */
CUresult fe_enter_other(void);
/* Of a call that has failed, to whoever listens to the driver's own log. */
void fe_leave_tell(const char *symbol, CUresult result);

/* Entry of every exported function: 0, CUDA_ERROR_NOT_INITIALIZED, ..._DEINITIALIZED, or the session's sticky error. */
static inline CUresult fe_enter(uint16_t op)
{
	(void)op;
	if (atomic_load_explicit(&fe_session.state, memory_order_acquire) == FE_SESSION_OPEN &&
	    !atomic_load_explicit(&fe_checkpoint_locked, memory_order_relaxed))
		return CUDA_SUCCESS;
	return fe_enter_other();
}

/* Its end, of a call that is not told of in the log (tell.h). Returns result. */
static inline CUresult fe_leave(const char *symbol, CUresult result)
{
	if (__builtin_expect(result != CUDA_SUCCESS, 0))
		fe_leave_tell(symbol, result);
	return result;
}

/* Whether all of these bytes are memory of the device that we know; a log line if not. */
bool fe_memory_known(uint64_t address, uint64_t bytes);

/* True while this thread is in a per-thread-default-stream variant (set by generated entries). */
extern __thread bool fe_ptds __attribute__((tls_model("initial-exec")));

#endif
