/* SPDX-License-Identifier: MIT */
/*
 * Contexts and what is current: see context.h. Runs in the program's threads; handles come from the
 * program and are looked up before they are used.
 */
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/managed.h"

#include <pthread.h>
#include <stdlib.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "protocol/context_storage.h"
#include "xen-frontend/libcuda/device.h"
#include "xen-frontend/libcuda/session.h"

/* What cuCtxGetApiVersion says of contexts made by cuCtxCreate_v2 and of primary ones. */
#define API_VERSION 3020
/* And of those made by cuCtxCreate itself, from before CUDA 3.2. */
#define VERSION_OLD 3010

/* A handle has 47 bits; the rest of what a lane remembers is the epoch. */
#define EPOCH_SHIFT 47

static struct fe_context *list; /* contexts that are not primary */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;

static struct fe_context primaries[FE_DEVICES_MAX];
static pthread_mutex_t mint_lock = PTHREAD_MUTEX_INITIALIZER;

static _Atomic uint64_t last_id;
_Atomic uint32_t fe_contexts_gone;

uint64_t fe_context_new_id(void)
{
	return atomic_fetch_add(&last_id, 1) + 1;
}

struct fe_context *fe_primary_get(CUdevice device, CUresult *result)
{
	struct fe_context *context;

	*result = fe_device_check(device);
	if (*result)
		return NULL;
	context = &primaries[device];
	if (atomic_load(&context->handle))
		return context;
	pthread_mutex_lock(&mint_lock);
	if (!atomic_load(&context->handle)) {
		context->device = device;
		context->primary = true;
		context->version = API_VERSION;
		atomic_store(&context->id, fe_context_new_id());
		atomic_store(&context->handle, fe_handle_mint(VG_HANDLE_CUcontext));
	}
	pthread_mutex_unlock(&mint_lock);
	if (!atomic_load(&context->handle))
		*result = CUDA_ERROR_OUT_OF_MEMORY;
	return *result ? NULL : context;
}

CUresult fe_context_primary(CUdevice device, CUcontext *ctx)
{
	CUresult result;
	struct fe_context *context = fe_primary_get(device, &result);

	if (context)
		*ctx = (CUcontext)atomic_load(&context->handle);
	return result;
}

struct fe_context *fe_context_add(CUcontext ctx, CUdevice device)
{
	struct fe_context *context = calloc(1, sizeof(*context));

	if (!context)
		return NULL;
	atomic_init(&context->handle, (uint64_t)ctx);
	atomic_init(&context->usable, true);
	atomic_init(&context->id, fe_context_new_id());
	atomic_init(&context->refs, 2);
	context->device = device;
	context->version = API_VERSION;
	pthread_mutex_lock(&list_lock);
	context->next = list;
	list = context;
	pthread_mutex_unlock(&list_lock);
	return context;
}

void fe_context_remove(struct fe_context *context)
{
	bool found = false;

	pthread_mutex_lock(&list_lock);
	for (struct fe_context **at = &list; *at; at = &(*at)->next) {
		if (*at == context) {
			*at = context->next;
			found = true;
			break;
		}
	}
	atomic_store(&context->usable, false);
	pthread_mutex_unlock(&list_lock);
	atomic_fetch_add(&fe_contexts_gone, 1);
	if (found)
		fe_context_put(context);
}

struct fe_context *fe_context_find(CUcontext ctx)
{
	struct fe_context *found;
	int devices = fe_device_count();

	if (!ctx)
		return NULL;
	for (int i = 0; i < devices; i++) {
		if (atomic_load(&primaries[i].handle) == (uint64_t)ctx)
			return &primaries[i];
	}
	pthread_mutex_lock(&list_lock);
	for (found = list; found; found = found->next) {
		if (atomic_load(&found->handle) == (uint64_t)ctx) {
			atomic_fetch_add(&found->refs, 1);
			break;
		}
	}
	pthread_mutex_unlock(&list_lock);
	return found;
}

/* The same, NULL meaning the current one. */
static struct fe_context *find_or_current(CUcontext ctx)
{
	struct fe_context *top = fe_stack_top();

	if (top && (!ctx || atomic_load(&top->handle) == (uint64_t)ctx)) {
		if (!top->primary)
			atomic_fetch_add(&top->refs, 1);
		return top;
	}
	return ctx ? fe_context_find(ctx) : NULL;
}

CUresult fe_context_allowed(void)
{
	const struct fe_context *top = fe_stack_top();

	return top ? fe_context_needed() : CUDA_SUCCESS;
}

CUresult fe_context_old_needed(void)
{
	const struct fe_context *top = fe_stack_top();

	return top && top->version == VERSION_OLD ? fe_context_needed()
						  : CUDA_ERROR_INVALID_CONTEXT;
}

/* What CUDA says of one that cannot be found. */
static CUresult unknown(CUcontext ctx)
{
	CUresult result = fe_handle_check(VG_HANDLE_CUcontext, (uint64_t)ctx, 0);

	return result ? result : CUDA_ERROR_INVALID_CONTEXT;
}

/* NULL: none. */
static CUresult bind(const struct fe_context *context, uint64_t *sent)
{
	uint64_t handle = 0, token = 0;
	CUresult result;

	if (context) {
		handle = atomic_load_explicit(&context->handle, memory_order_relaxed);
		token = handle | (uint64_t)atomic_load(&context->epoch) << EPOCH_SHIFT;
	}
	if (*sent == token)
		return CUDA_SUCCESS;
	result = rpc_vgCtxSetCurrent(handle, context && context->primary ? context->device : -1);
	if (!result)
		*sent = token;
	return result;
}

CUresult fe_context_bind(uint64_t *sent)
{
	struct fe_context *top = fe_stack_top();
	CUresult result = fe_context_needed();

	return result ? result : bind(top, sent);
}

CUresult fe_context_bind_if(uint64_t *sent)
{
	struct fe_context *top = fe_stack_top();

	return bind(fe_context_needed() ? NULL : top, sent);
}

CUresult fe_context_check(CUcontext ctx)
{
	struct fe_context *context = fe_context_find(ctx);

	if (!context)
		return unknown(ctx);
	fe_context_put(context);
	return CUDA_SUCCESS;
}

CUresult fe_context_device(CUcontext ctx, CUdevice *device)
{
	struct fe_context *context = find_or_current(ctx);

	if (!context)
		return unknown(ctx);
	*device = context->device;
	fe_context_put(context);
	return CUDA_SUCCESS;
}

bool fe_context_is_primary(CUdevice *device, uint32_t *epoch)
{
	struct fe_context *top = fe_stack_top();

	if (!top || !top->primary || !atomic_load(&top->usable))
		return false;
	*device = top->device;
	*epoch = atomic_load(&top->epoch);
	return true;
}

CUresult fe_context_enter(CUcontext ctx, bool *entered)
{
	struct fe_context *context;
	CUresult result;

	*entered = false;
	if (!ctx || ctx == fe_context_current())
		return CUDA_SUCCESS;
	context = fe_context_find(ctx);
	if (!context)
		return unknown(ctx);
	result = fe_stack_push(context);
	fe_context_put(context);
	*entered = !result;
	return result;
}

void fe_context_exit(bool entered)
{
	if (entered)
		fe_stack_pop();
}

/* In a child after fork, which has one thread. What only other threads' stacks held is given up. */
void fe_context_reset(void)
{
	pthread_mutex_init(&list_lock, NULL);
	pthread_mutex_init(&mint_lock, NULL);
	fe_stack_reset();
	while (list) {
		struct fe_context *next = list->next;

		fe_context_put(list);
		list = next;
	}
	for (int i = 0; i < FE_DEVICES_MAX; i++) {
		atomic_store(&primaries[i].handle, 0);
		atomic_store(&primaries[i].usable, false);
		primaries[i].retains = 0;
		primaries[i].flags = 0;
	}
	fe_primary_reset();
	vg_storage_reset();
}

/* Ownership of what the executor has made passes to a new object on the stack, or back. */
static CUresult context_adopt(CUcontext ctx, CUdevice dev, unsigned int flags)
{
	struct fe_context *context = fe_context_add(ctx, dev);
	CUresult result = context ? fe_stack_push(context) : CUDA_ERROR_OUT_OF_MEMORY;

	if (context) {
		__atomic_store_n(&context->flags, flags, __ATOMIC_RELAXED);
		if (result)
			fe_context_remove(context);
		fe_context_put(context);
	}
	if (result)
		(void)rpc_cuCtxDestroy_v2(ctx);
	return result;
}

CUresult fe_cuCtxCreate_v2(CUcontext *pctx, unsigned int flags, CUdevice dev)
{
	CUcontext ctx = NULL;
	CUresult result;

	if (!pctx)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_device_check(dev);
	if (!result)
		result = rpc_vgCtxCreate(&ctx, flags, dev);
	if (!result)
		result = context_adopt(ctx, dev, flags);
	if (!result)
		*pctx = ctx;
	return result;
}

CUresult fe_cuCtxCreate(CUcontext *pctx, unsigned int flags, CUdevice dev)
{
	CUresult result = fe_cuCtxCreate_v2(pctx, flags, dev);

	if (!result)
		fe_stack_top()->version = VERSION_OLD;
	return result;
}

CUresult fe_cuCtxCreate_v4(CUcontext *pctx, CUctxCreateParams *ctxCreateParams, unsigned int flags,
			   CUdevice dev)
{
	/* Shares of the multiprocessors and graphics interop are not for guests to have. */
	if (ctxCreateParams && ctxCreateParams->numExecAffinityParams)
		return ctxCreateParams->execAffinityParams ? CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY
							   : CUDA_ERROR_INVALID_VALUE;
	if (ctxCreateParams && ctxCreateParams->cigParams)
		return CUDA_ERROR_NOT_SUPPORTED;
	return fe_cuCtxCreate_v2(pctx, flags, dev);
}

CUresult fe_cuCtxCreate_v3(CUcontext *pctx, CUexecAffinityParam *paramsArray, int numParams,
			   unsigned int flags, CUdevice dev)
{
	if (numParams > 0 && !paramsArray)
		return CUDA_ERROR_INVALID_VALUE;
	if (numParams > 0)
		return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
	return fe_cuCtxCreate_v2(pctx, flags, dev);
}

/* A count of users, which begins with the one who made it. */
CUresult fe_cuCtxAttach(CUcontext *pctx, unsigned int flags)
{
	struct fe_context *top = fe_stack_top();

	if (!pctx || flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (!top)
		return CUDA_ERROR_INVALID_CONTEXT;
	atomic_fetch_add(&top->attached, 1);
	*pctx = (CUcontext)atomic_load(&top->handle);
	return CUDA_SUCCESS;
}

/* Only the current one may be given up. A primary context has its own count of users. */
CUresult fe_cuCtxDetach(CUcontext ctx)
{
	struct fe_context *top = fe_stack_top();
	uint32_t attached;

	if (top && !atomic_load(&top->usable))
		return CUDA_ERROR_CONTEXT_IS_DESTROYED;
	if (!top || atomic_load(&top->handle) != (uint64_t)ctx)
		return CUDA_ERROR_INVALID_CONTEXT;
	attached = atomic_load(&top->attached);
	while (attached && !atomic_compare_exchange_weak(&top->attached, &attached, attached - 1))
		;
	return attached || top->primary ? CUDA_SUCCESS : fe_cuCtxDestroy_v2(ctx);
}

CUresult fe_cuCtxDestroy_v2(CUcontext ctx)
{
	struct fe_context *context;
	CUresult result;

	if (!ctx)
		return CUDA_ERROR_INVALID_VALUE;
	context = fe_context_find(ctx);
	if (!context || context->primary)
		return CUDA_ERROR_INVALID_CONTEXT;
	vg_storage_drop(ctx);
	result = rpc_cuCtxDestroy_v2(ctx);
	if (!result) {
		fe_context_remove(context);
		if (fe_stack_top() == context)
			fe_stack_pop();
	}
	fe_context_put(context);
	return result;
}

CUresult fe_cuCtxPushCurrent_v2(CUcontext ctx)
{
	struct fe_context *context = fe_context_find(ctx);
	CUresult result;

	if (!context)
		return unknown(ctx);
	result = fe_stack_push(context);
	fe_context_put(context);
	return result;
}

CUresult fe_cuCtxPushCurrent(CUcontext ctx)
{
	struct fe_context *context = fe_context_find(ctx);
	bool primary = context && context->primary;

	/* Of before there were primary contexts. */
	if (context)
		fe_context_put(context);
	return primary ? CUDA_ERROR_INVALID_CONTEXT : fe_cuCtxPushCurrent_v2(ctx);
}

CUresult fe_cuCtxPopCurrent_v2(CUcontext *pctx)
{
	CUcontext ctx = fe_context_current();

	if (!ctx)
		return CUDA_ERROR_INVALID_CONTEXT;
	fe_stack_pop();
	if (pctx)
		*pctx = ctx;
	return CUDA_SUCCESS;
}

CUresult fe_cuCtxSetCurrent(CUcontext ctx)
{
	struct fe_context *context;
	CUresult result;

	if (ctx == fe_context_current())
		return CUDA_SUCCESS;
	if (!ctx) {
		fe_stack_pop();
		return CUDA_SUCCESS;
	}
	context = fe_context_find(ctx);
	if (!context)
		return unknown(ctx);
	result = fe_stack_set(context);
	fe_context_put(context);
	return result;
}

CUresult fe_cuCtxGetCurrent(CUcontext *pctx)
{
	if (!pctx)
		return CUDA_ERROR_INVALID_VALUE;
	*pctx = fe_context_current();
	return CUDA_SUCCESS;
}

CUresult fe_cuCtxGetDevice(CUdevice *device)
{
	return device ? fe_context_device(NULL, device) : CUDA_ERROR_INVALID_VALUE;
}

CUresult fe_cuCtxGetDevice_v2(CUdevice *device, CUcontext ctx)
{
	return device ? fe_context_device(ctx, device) : CUDA_ERROR_INVALID_VALUE;
}

CUresult fe_cuCtxGetId(CUcontext ctx, unsigned long long *ctxId)
{
	struct fe_context *context;

	if (!ctxId)
		return CUDA_ERROR_INVALID_VALUE;
	context = find_or_current(ctx);
	if (!context)
		return unknown(ctx);
	*ctxId = atomic_load(&context->id);
	fe_context_put(context);
	return CUDA_SUCCESS;
}

CUresult fe_cuCtxGetApiVersion(CUcontext ctx, unsigned int *version)
{
	struct fe_context *context = find_or_current(ctx);

	if (!context)
		return unknown(ctx);
	if (version)
		*version = context->version;
	fe_context_put(context);
	return version ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
