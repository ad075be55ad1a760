/* SPDX-License-Identifier: MIT */
/* Contexts: what a thread works in, who owns what, and the error that ends it all. */
#ifndef SOFT_CONTEXT_H
#define SOFT_CONTEXT_H

#include "dom0-executor/soft/device.h"
#include "dom0-executor/soft/lost.h"
#include "dom0-executor/soft/object.h"

#define SOFT_LIMITS CU_LIMIT_MAX

struct soft_context {
	struct soft_object object; /* .ctx is NULL */
	struct soft_device *device;
	bool primary;
	unsigned long long id;
	unsigned int api_version;
	atomic_uint flags;
	atomic_bool alive; /* a primary context comes to life again, others do not */
	atomic_int error;  /* CUresult of the fault that broke it: every call answers with it */
	atomic_int cache_config;
	atomic_int shared_config;
	atomic_size_t limits[SOFT_LIMITS];
	atomic_uint peers;          /* devices whose memory it may use: a bit each */
	unsigned int retains;       /* primary: guarded by the device's lock */
	struct soft_stream *legacy; /* a reference; the stream with handle NULL or 1 */
};

/* The primary context of a device, made once per process. NULL without memory. */
struct soft_context *context_create(struct soft_device *device, bool primary, unsigned int flags);

/* The context that the calling thread works in, with a reference; the error that a call must answer
 * with otherwise. Refuses calls from host functions, before cuInit, and in a broken context. */
CUresult context_enter(struct soft_context **entered);

/* The same, but a broken context is entered too: for what only frees. */
CUresult context_enter_broken(struct soft_context **entered);

/* What CUDA says to a handle that is no context, or none any more. */
CUresult context_unknown(CUcontext handle);

/* A context that a call names: NULL, as the thread's own, needs that. */
CUresult context_check(CUcontext handle);

/* cuInit was called and the thread may call the driver. */
CUresult driver_enter(void);

/* Break the context: the first error stays. */
void context_fail(struct soft_context *ctx, CUresult error);

static inline CUresult context_error(struct soft_context *ctx)
{
	if (device_is_lost(ctx->device))
		context_fail(ctx, CUDA_ERROR_DEVICE_UNAVAILABLE);
	return (CUresult)atomic_load(&ctx->error);
}

/* End everything in it: streams run dry, handles become invalid, memory is freed. */
void context_clear(struct soft_context *ctx);

/* Entry of almost every call: declares and enters the context `ctx`, or returns the error. */
#define ENTER_CONTEXT(ctx)                              \
	struct soft_context *ctx auto_put = NULL;       \
	CUresult ctx##_entered = context_enter(&(ctx)); \
	if (ctx##_entered != CUDA_SUCCESS)              \
	return ctx##_entered

/* Where a call names a context: NULL is none. */
#define CHECK_CONTEXT_NAMED(handle)                                                \
	do {                                                                       \
		CUresult named_ = (handle) ? context_check(handle) : CUDA_SUCCESS; \
		if (named_ != CUDA_SUCCESS)                                        \
			return named_;                                             \
	} while (0)

/* The same for calls that need no current context: what they name has its own. NULL: no such object. */
CUresult context_enter_of(const void *object, struct soft_context **entered);
#define ENTER_CONTEXT_OF(ctx, object)                                \
	struct soft_context *ctx auto_put = NULL;                    \
	CUresult ctx##_entered = context_enter_of((object), &(ctx)); \
	if (ctx##_entered != CUDA_SUCCESS)                           \
	return ctx##_entered

#define ENTER_DRIVER()                              \
	do {                                        \
		CUresult entered_ = driver_enter(); \
		if (entered_ != CUDA_SUCCESS)       \
			return entered_;            \
	} while (0)

/* A thread without a context works in that of the stream it names, unless that is a default stream. True: until
 * context_exit. */
bool context_enter_if_none(CUstream handle);
/* The same also for a thread whose context has been destroyed. */
bool context_enter_if_needed(CUstream handle);
void context_exit(bool entered);

/* True in a host function or stream callback, which may not call the driver. */
extern _Thread_local bool thread_in_host_function;

#endif
