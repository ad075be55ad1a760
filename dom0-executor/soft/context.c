/* SPDX-License-Identifier: MIT */
/*
 * Contexts, primary and made, and each thread's stack of them. A thread remembers handles, not
 * contexts, so that one that another thread destroyed is noticed.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/check.h"
#include "dom0-executor/soft/memory.h"
#include "protocol/context_storage.h"

#include <stdlib.h>

#define STACK_MAX   64
#define API_VERSION 3020 /* what contexts report: the ABI of the _v2 calls */

/* Kernels' priorities: lower numbers go first. */
#define PRIORITY_LEAST    0
#define PRIORITY_GREATEST (-5)

#define CONTEXT_FLAGS \
	(CU_CTX_SCHED_MASK | CU_CTX_MAP_HOST | CU_CTX_LMEM_RESIZE_TO_MAX | CU_CTX_SYNC_MEMOPS)

static _Thread_local struct {
	CUcontext handles[STACK_MAX];
	unsigned int depth;
} stack;

static atomic_ullong last_context_id;

static const size_t limit_defaults[SOFT_LIMITS] = {
	[CU_LIMIT_STACK_SIZE] = 1024,
	[CU_LIMIT_PRINTF_FIFO_SIZE] = 1 << 20,
	[CU_LIMIT_MALLOC_HEAP_SIZE] = 8 << 20,
	[CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH] = 2,
	[CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT] = 2048,
	[CU_LIMIT_MAX_L2_FETCH_GRANULARITY] = 64,
	[CU_LIMIT_PERSISTING_L2_CACHE_SIZE] = 0,
};

/* --- life ------------------------------------------------------------------------------------ */

static void context_destroy(struct soft_object *object)
{
	free(object); /* the legacy stream held a reference to us: it is gone */
}

static void context_set_defaults(struct soft_context *ctx, unsigned int flags)
{
	atomic_store(&ctx->flags, flags);
	atomic_store(&ctx->error, CUDA_SUCCESS);
	atomic_store(&ctx->peers, 0);
	for (int i = 0; i < SOFT_LIMITS; i++)
		atomic_store(&ctx->limits[i], limit_defaults[i]);
	atomic_store(&ctx->cache_config, CU_FUNC_CACHE_PREFER_NONE);
	atomic_store(&ctx->shared_config, CU_SHARED_MEM_CONFIG_FOUR_BYTE_BANK_SIZE);
}

struct soft_context *context_create(struct soft_device *device, bool primary, unsigned int flags)
{
	struct soft_context *ctx = object_new(SOFT_CONTEXT, sizeof(*ctx), NULL, context_destroy);

	if (!ctx)
		return NULL;
	ctx->device = device;
	ctx->primary = primary;
	ctx->id = atomic_fetch_add(&last_context_id, 1) + 1;
	ctx->api_version = API_VERSION;
	context_set_defaults(ctx, flags);
	atomic_store(&ctx->alive, !primary);
	ctx->legacy = stream_create_legacy(ctx);
	if (!ctx->legacy) {
		object_put(ctx);
		return NULL;
	}
	if (object_publish(ctx) != CUDA_SUCCESS)
		return NULL; /* keeps the few bytes: its stream refers to it */
	return ctx;
}

static void retire_one(void *object, void *user)
{
	struct soft_object *retired = object;

	(void)user;
	if (retired->kind == SOFT_STREAM ? stream_retire(object) : object_retire(object))
		object_put(object); /* the table's */
}

void context_clear(struct soft_context *ctx)
{
	context_synchronize(ctx);
	object_each(ctx, 0, retire_one, NULL);
	memory_free_context(ctx);
	atomic_store(&ctx->error, CUDA_SUCCESS);
}

/* Primary: its handle and the object stay for the process's life. */
static void context_end(struct soft_context *ctx)
{
	struct soft_stream *legacy = ctx->legacy;

	vg_storage_drop(object_handle(ctx));
	atomic_store(&ctx->alive, false);
	context_clear(ctx);
	if (ctx->primary || !object_retire(ctx))
		return;
	stream_retire(legacy);
	object_put(legacy);
	object_put(ctx); /* the table's */
}

void context_fail(struct soft_context *ctx, CUresult error)
{
	int none = CUDA_SUCCESS;

	atomic_compare_exchange_strong(&ctx->error, &none, (int)error);
}

/* --- the thread's stack ---------------------------------------------------------------------- */

static CUcontext stack_top(void)
{
	return stack.depth ? stack.handles[stack.depth - 1] : NULL;
}

static CUresult stack_push(CUcontext handle)
{
	if (stack.depth == STACK_MAX)
		return CUDA_ERROR_OUT_OF_MEMORY;
	stack.handles[stack.depth++] = handle;
	return CUDA_SUCCESS;
}

CUresult context_enter_broken(struct soft_context **entered)
{
	struct soft_context *ctx;
	CUresult result = driver_enter();

	if (result != CUDA_SUCCESS)
		return result;
	if (!stack_top())
		return CUDA_ERROR_INVALID_CONTEXT;
	ctx = object_get(SOFT_CONTEXT, stack_top());
	if (!ctx)
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	if (!atomic_load(&ctx->alive)) {
		object_put(ctx);
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	}
	*entered = ctx;
	return CUDA_SUCCESS;
}

CUresult context_enter(struct soft_context **entered)
{
	CUresult result = context_enter_broken(entered);

	return result ? result : context_error(*entered);
}

CUresult context_enter_of(const void *object, struct soft_context **entered)
{
	CUresult result = driver_enter();

	if (result != CUDA_SUCCESS)
		return result;
	if (!object)
		return CUDA_ERROR_INVALID_HANDLE;
	*entered = object_ref(((const struct soft_object *)object)->ctx);
	return context_error(*entered);
}

static bool enter_of_stream(CUstream handle)
{
	struct soft_object *stream auto_put = object_get(SOFT_STREAM, handle);

	return stream && !stack_push(object_handle(stream->ctx));
}

bool context_enter_if_none(CUstream handle)
{
	return !stack_top() && enter_of_stream(handle);
}

bool context_enter_if_needed(CUstream handle)
{
	return check_context_needed() && enter_of_stream(handle);
}

void context_exit(bool entered)
{
	if (entered)
		stack.depth--;
}

CUresult context_unknown(CUcontext handle)
{
	return object_kind_of(handle) == SOFT_CONTEXT ? CUDA_ERROR_CONTEXT_IS_DESTROYED
						      : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult context_check(CUcontext handle)
{
	struct soft_context *ctx auto_put = object_get(SOFT_CONTEXT, handle);

	if (!handle)
		return context_enter(&ctx);
	return ctx ? CUDA_SUCCESS : context_unknown(handle);
}

/* A context that a call names, or the thread's where it names none. */
static CUresult context_named(CUcontext handle, struct soft_context **ctx)
{
	if (!handle)
		return context_enter(ctx);
	*ctx = object_get(SOFT_CONTEXT, handle);
	if (!*ctx)
		return context_unknown(handle);
	return atomic_load(&(*ctx)->alive) ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

/* --- primary contexts ------------------------------------------------------------------------ */

CUresult cuDevicePrimaryCtxRetain(CUcontext *pctx, CUdevice dev)
{
	struct soft_device *device;

	ENTER_DRIVER();
	device = device_of(dev);
	if (!device)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!pctx)
		return CUDA_ERROR_INVALID_VALUE;
	if (device_is_lost(device))
		return CUDA_ERROR_DEVICE_UNAVAILABLE;
	pthread_mutex_lock(&device->lock);
	if (device->primary->retains++ == 0) {
		context_set_defaults(device->primary, device->primary_flags);
		atomic_store(&device->primary->alive, true);
	}
	pthread_mutex_unlock(&device->lock);
	*pctx = object_handle(device->primary);
	return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice dev)
{
	struct soft_device *device;
	bool last;

	ENTER_DRIVER();
	device = device_of(dev);
	if (!device)
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&device->lock);
	last = device->primary->retains == 1;
	if (device->primary->retains == 0) {
		pthread_mutex_unlock(&device->lock);
		return CUDA_ERROR_INVALID_CONTEXT;
	}
	device->primary->retains--;
	pthread_mutex_unlock(&device->lock);
	if (last)
		context_end(device->primary);
	return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice dev)
{
	struct soft_device *device;

	ENTER_DRIVER();
	device = device_of(dev);
	if (!device)
		return CUDA_ERROR_INVALID_DEVICE;
	pthread_mutex_lock(&device->lock);
	device->primary->retains = 0;
	pthread_mutex_unlock(&device->lock);
	if (atomic_load(&device->primary->alive))
		context_end(device->primary);
	return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice dev, unsigned int *flags, int *active)
{
	struct soft_device *device;

	ENTER_DRIVER();
	device = device_of(dev);
	if (!device)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!flags || !active)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&device->lock);
	*flags = device->primary_flags;
	*active = atomic_load(&device->primary->alive);
	pthread_mutex_unlock(&device->lock);
	return CUDA_SUCCESS;
}

/* Known bits, and one way to wait at most. */
static bool flags_are_known(unsigned int flags)
{
	unsigned int way = flags & CU_CTX_SCHED_MASK;

	return !(flags & ~(unsigned int)CONTEXT_FLAGS) && !(way & (way - 1));
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice dev, unsigned int flags)
{
	struct soft_device *device;

	ENTER_DRIVER();
	device = device_of(dev);
	if (!device)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!flags_are_known(flags))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&device->lock);
	device->primary_flags = flags;
	atomic_store(&device->primary->flags, flags);
	pthread_mutex_unlock(&device->lock);
	return CUDA_SUCCESS;
}

/* The first version is refused while the context is active. */
CUresult cuDevicePrimaryCtxSetFlags(CUdevice dev, unsigned int flags)
{
	const struct soft_device *device;

	ENTER_DRIVER();
	device = device_of(dev);
	if (device && !flags_are_known(flags))
		return CUDA_ERROR_INVALID_VALUE;
	if (device && atomic_load(&device->primary->alive))
		return CUDA_ERROR_PRIMARY_CONTEXT_ACTIVE;
	return cuDevicePrimaryCtxSetFlags_v2(dev, flags);
}

/* --- made contexts --------------------------------------------------------------------------- */

CUresult cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev)
{
	struct soft_context *ctx;

	ENTER_DRIVER();
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	if (!pctx || flags & ~(unsigned int)CONTEXT_FLAGS)
		return CUDA_ERROR_INVALID_VALUE;
	if (device_is_lost(device_of(dev)))
		return CUDA_ERROR_DEVICE_UNAVAILABLE;
	ctx = context_create(device_of(dev), false, flags);
	if (!ctx)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*pctx = object_handle(ctx);
	return stack_push(*pctx);
}

CUresult cuCtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *paramsArray, int numParams,
			unsigned int flags, CUdevice dev)
{
	ENTER_DRIVER();
	if (numParams > 0)
		return paramsArray ? CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY
				   : CUDA_ERROR_INVALID_VALUE;
	return cuCtxCreate_v2(pctx, flags, dev);
}

CUresult cuCtxCreate_v4(CUcontext *pctx, CUctxCreateParams *ctxCreateParams, unsigned int flags,
			CUdevice dev)
{
	ENTER_DRIVER();
	if (ctxCreateParams && ctxCreateParams->numExecAffinityParams)
		return ctxCreateParams->execAffinityParams ? CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY
							   : CUDA_ERROR_INVALID_VALUE;
	if (ctxCreateParams && ctxCreateParams->cigParams)
		return CUDA_ERROR_NOT_SUPPORTED;
	return cuCtxCreate_v2(pctx, flags, dev);
}

CUresult cuCtxDestroy_v2(CUcontext handle)
{
	struct soft_context *ctx auto_put = object_get(SOFT_CONTEXT, handle);

	ENTER_DRIVER();
	if (!handle)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ctx || ctx->primary)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (stack_top() == handle)
		stack.depth--;
	context_end(ctx);
	return CUDA_SUCCESS;
}

/* Of before there were primary contexts. */
CUresult cuCtxPushCurrent(CUcontext handle)
{
	struct soft_context *ctx auto_put = object_get(SOFT_CONTEXT, handle);

	ENTER_DRIVER();
	return ctx && ctx->primary ? CUDA_ERROR_INVALID_CONTEXT : cuCtxPushCurrent_v2(handle);
}

CUresult cuCtxPushCurrent_v2(CUcontext handle)
{
	struct soft_context *ctx auto_put = object_get(SOFT_CONTEXT, handle);

	ENTER_DRIVER();
	if (!handle)
		return CUDA_ERROR_INVALID_CONTEXT;
	return ctx ? stack_push(handle) : CUDA_ERROR_INVALID_CONTEXT;
}

CUresult cuCtxPopCurrent_v2(CUcontext *pctx)
{
	ENTER_DRIVER();
	if (!stack.depth)
		return CUDA_ERROR_INVALID_CONTEXT;
	stack.depth--;
	if (pctx)
		*pctx = stack.handles[stack.depth];
	return CUDA_SUCCESS;
}

CUresult cuCtxSetCurrent(CUcontext handle)
{
	struct soft_context *ctx auto_put = object_get(SOFT_CONTEXT, handle);

	ENTER_DRIVER();
	if (!handle) {
		if (stack.depth)
			stack.depth--;
		return CUDA_SUCCESS;
	}
	if (!ctx)
		return CUDA_ERROR_INVALID_CONTEXT;
	if (!stack.depth)
		return stack_push(handle);
	stack.handles[stack.depth - 1] = handle;
	return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *pctx)
{
	ENTER_DRIVER();
	if (!pctx)
		return CUDA_ERROR_INVALID_VALUE;
	*pctx = stack_top();
	return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *device)
{
	struct soft_context *ctx auto_put = NULL;
	CUresult result = driver_enter();

	if (result != CUDA_SUCCESS)
		return result;
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	if (!stack_top())
		return CUDA_ERROR_INVALID_CONTEXT;
	ctx = object_get(SOFT_CONTEXT, stack_top()); /* an inactive primary one will do */
	if (!ctx)
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	*device = ctx->device->ordinal;
	return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice_v2(CUdevice *device, CUcontext handle)
{
	struct soft_context *ctx auto_put = NULL;

	if (!handle)
		return cuCtxGetDevice(device);
	ENTER_DRIVER();
	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	ctx = object_get(SOFT_CONTEXT, handle);
	if (!ctx)
		return CUDA_ERROR_INVALID_CONTEXT;
	*device = ctx->device->ordinal;
	return CUDA_SUCCESS;
}

/* --- what contexts have ---------------------------------------------------------------------- */

CUresult cuCtxGetApiVersion(CUcontext handle, unsigned int *version)
{
	struct soft_context *ctx auto_put = NULL;
	CUresult result;

	ENTER_DRIVER();
	result = context_named(handle, &ctx);
	if (result == CUDA_ERROR_INVALID_CONTEXT)
		return result;
	if (!version)
		return CUDA_ERROR_INVALID_VALUE;
	if (!ctx)
		return result;
	*version = ctx->api_version;
	return CUDA_SUCCESS;
}

CUresult cuCtxGetId(CUcontext handle, unsigned long long *ctxId)
{
	struct soft_context *ctx auto_put = NULL;
	CUresult result;

	ENTER_DRIVER();
	if (!ctxId)
		return CUDA_ERROR_INVALID_VALUE;
	result = context_named(handle, &ctx);
	if (result == CUDA_SUCCESS)
		*ctxId = ctx->id;
	return result;
}

CUresult cuCtxGetFlags(unsigned int *flags)
{
	ENTER_CONTEXT(ctx);
	if (!flags)
		return CUDA_ERROR_INVALID_VALUE;
	*flags = atomic_load(&ctx->flags);
	return CUDA_SUCCESS;
}

CUresult cuCtxSetFlags(unsigned int flags)
{
	ENTER_CONTEXT(ctx);
	if (flags & ~(unsigned int)CONTEXT_FLAGS)
		return CUDA_ERROR_INVALID_VALUE;
	atomic_store(&ctx->flags, flags);
	return CUDA_SUCCESS;
}

CUresult cuCtxSynchronize(void)
{
	CUresult result;

	ENTER_CONTEXT(ctx);
	result = capture_forbids(ctx, NULL);
	return result ? result : context_synchronize(ctx);
}

CUresult cuCtxSynchronize_v2(CUcontext handle)
{
	struct soft_context *ctx auto_put = NULL;
	CUresult result;

	ENTER_DRIVER();
	result = context_named(handle, &ctx);
	if (result == CUDA_SUCCESS)
		result = context_error(ctx);
	if (result == CUDA_SUCCESS)
		result = capture_forbids(ctx, NULL);
	return result ? result : context_synchronize(ctx);
}

CUresult cuCtxGetLimit(size_t *pvalue, CUlimit limit)
{
	ENTER_CONTEXT(ctx);
	if (!pvalue)
		return CUDA_ERROR_INVALID_VALUE;
	if ((int)limit < 0 || limit > CU_LIMIT_PERSISTING_L2_CACHE_SIZE)
		return CUDA_ERROR_UNSUPPORTED_LIMIT;
	*pvalue = atomic_load(&ctx->limits[limit]);
	return CUDA_SUCCESS;
}

CUresult cuCtxSetLimit(CUlimit limit, size_t value)
{
	ENTER_CONTEXT(ctx);
	if ((int)limit < 0 || limit > CU_LIMIT_PERSISTING_L2_CACHE_SIZE)
		return CUDA_ERROR_UNSUPPORTED_LIMIT;
	if (limit == CU_LIMIT_STACK_SIZE && value > (512 << 10))
		return CUDA_ERROR_INVALID_VALUE;
	if (limit == CU_LIMIT_MALLOC_HEAP_SIZE && value > ctx->device->memory)
		return CUDA_ERROR_OUT_OF_MEMORY;
	atomic_store(&ctx->limits[limit], value);
	return CUDA_SUCCESS;
}

CUresult cuCtxGetCacheConfig(CUfunc_cache *pconfig)
{
	ENTER_CONTEXT(ctx);
	if (!pconfig)
		return CUDA_ERROR_INVALID_VALUE;
	*pconfig = (CUfunc_cache)atomic_load(&ctx->cache_config);
	return CUDA_SUCCESS;
}

CUresult cuCtxSetCacheConfig(CUfunc_cache config)
{
	ENTER_CONTEXT(ctx);
	if ((int)config < 0 || config > CU_FUNC_CACHE_PREFER_EQUAL)
		return CUDA_ERROR_INVALID_VALUE;
	atomic_store(&ctx->cache_config, (int)config);
	return CUDA_SUCCESS;
}

CUresult cuCtxGetSharedMemConfig(CUsharedconfig *pConfig)
{
	ENTER_CONTEXT(ctx);
	if (!pConfig)
		return CUDA_ERROR_INVALID_VALUE;
	*pConfig = (CUsharedconfig)atomic_load(&ctx->shared_config);
	return CUDA_SUCCESS;
}

CUresult cuCtxSetSharedMemConfig(CUsharedconfig config)
{
	ENTER_CONTEXT(ctx);
	if ((int)config < 0 || config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE)
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS; /* banks are of four bytes, as on every device since 2014 */
}

CUresult cuCtxGetStreamPriorityRange(int *leastPriority, int *greatestPriority)
{
	ENTER_CONTEXT(ctx);
	if (leastPriority)
		*leastPriority = PRIORITY_LEAST;
	if (greatestPriority)
		*greatestPriority = PRIORITY_GREATEST;
	return CUDA_SUCCESS;
}

CUresult cuCtxResetPersistingL2Cache(void)
{
	ENTER_CONTEXT(ctx);
	return CUDA_SUCCESS;
}

/* All devices share one address space, so this only keeps the account that CUDA wants kept. */
static CUresult context_peer(struct soft_context *ctx, const struct soft_context *peer, bool enable)
{
	unsigned int bit = 1u << peer->device->ordinal;
	unsigned int before = enable ? atomic_fetch_or(&ctx->peers, bit)
				     : atomic_fetch_and(&ctx->peers, ~bit);

	if (enable)
		return before & bit ? CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED : CUDA_SUCCESS;
	return before & bit ? CUDA_SUCCESS : CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
}

CUresult cuCtxEnablePeerAccess(CUcontext peerContext, unsigned int Flags)
{
	struct soft_context *peer auto_put = object_get(SOFT_CONTEXT, peerContext);

	ENTER_CONTEXT(ctx);
	if (Flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (!peer)
		return CUDA_ERROR_INVALID_CONTEXT;
	return peer->device == ctx->device ? CUDA_ERROR_INVALID_DEVICE
					   : context_peer(ctx, peer, true);
}

CUresult cuCtxDisablePeerAccess(CUcontext peerContext)
{
	struct soft_context *peer auto_put = object_get(SOFT_CONTEXT, peerContext);

	ENTER_CONTEXT(ctx);
	if (!peer)
		return CUDA_ERROR_INVALID_CONTEXT;
	return context_peer(ctx, peer, false);
}
