/* SPDX-License-Identifier: MIT */
/*
 * Memory pools. The pool of an allocation is named to the driver, so that it is the one that is counted.
 * Runs in lanes' threads.
 */
#include "dom0-executor/pool.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/copy.h"
#include "dom0-executor/lane.h"
#include "dom0-executor/memory.h"

struct ex_pool {
	struct ex_pool *next;
	CUmemoryPool real; /* NULL: the driver has no pools of which it tells */
	uint64_t live;     /* allocated from it, each as ex_memory_size has it */
	uint64_t charged;  /* in the account */
	unsigned int gpu;  /* of that vGPU */
	bool gone;         /* destroyed; stays for what is still allocated from it */
};

void ex_pools_init(struct ex_pools *pools)
{
	pthread_mutex_init(&pools->lock, NULL);
	pools->first = NULL;
	atomic_init(&pools->loose, false);
}

void ex_pools_dispose(struct ex_pools *pools)
{
	while (pools->first) {
		struct ex_pool *pool = pools->first;

		pools->first = pool->next;
		free(pool);
	}
	pthread_mutex_destroy(&pools->lock);
}

/* --- what one counts (the lock is held) --------------------------------------------------------- */

static uint64_t pool_reserved(struct ex_session *session, const struct ex_pool *pool)
{
	cuuint64_t bytes = 0;

	if (!ex_account_of(session, pool->gpu)->limit || !pool->real || pool->gone ||
	    !ex_driver.cuMemPoolGetAttribute ||
	    ex_driver.cuMemPoolGetAttribute(pool->real, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT,
					    &bytes))
		return 0;
	return bytes;
}

/* Brings the account to what the driver says. False: that is more than there is. */
static bool pool_measure(struct ex_session *session, struct ex_pool *pool, bool force)
{
	struct ex_account *account = ex_account_of(session, pool->gpu);
	uint64_t bytes = vg_max(pool_reserved(session, pool), pool->live);

	if (bytes > pool->live)
		atomic_store(&session->pools.loose, true);
	if (bytes > pool->charged && !ex_account_take(account, bytes - pool->charged)) {
		if (!force)
			return false;
		ex_account_force(account, bytes - pool->charged);
	}
	if (bytes < pool->charged)
		ex_account_give(account, pool->charged - bytes);
	pool->charged = bytes;
	return true;
}

/* What is reserved and not used is better given back than an allocation refused. */
static void pool_trim(const struct ex_pool *pool)
{
	if (pool->real && !pool->gone && pool->charged > pool->live && ex_driver.cuMemPoolTrimTo)
		ex_driver.cuMemPoolTrimTo(pool->real, 0);
}

static void pools_measure(struct ex_session *session, bool trim)
{
	struct ex_pool **at = &session->pools.first;

	atomic_store(&session->pools.loose, false);
	while (*at) {
		struct ex_pool *pool = *at;

		if (trim)
			pool_trim(pool);
		pool_measure(session, pool, true);
		if (pool->gone && !pool->live) {
			*at = pool->next;
			free(pool);
		} else {
			at = &pool->next;
		}
	}
}

static void pools_look(struct ex_session *session, bool trim)
{
	if (!atomic_load_explicit(&session->pools.loose, memory_order_relaxed))
		return;
	pthread_mutex_lock(&session->pools.lock);
	pools_measure(session, trim);
	pthread_mutex_unlock(&session->pools.lock);
}

void ex_pools_settle(struct ex_session *session)
{
	pools_look(session, false);
}

void ex_pools_trim(struct ex_session *session)
{
	pools_look(session, true);
}

/* `gpu` is told when the pool is seen first. */
static struct ex_pool *pool_find(struct ex_session *session, CUmemoryPool real, unsigned int gpu)
{
	struct ex_pool *pool = session->pools.first;

	while (pool && (pool->real != real || pool->gone))
		pool = pool->next;
	if (pool)
		return pool;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return NULL;
	pool->real = real;
	pool->gpu = gpu;
	pool->next = session->pools.first;
	session->pools.first = pool;
	return pool;
}

/* --- allocations -------------------------------------------------------------------------------- */

/* What is to be counted before the driver is asked for `size` more: nothing if the pool has it. */
static bool pool_take(struct ex_session *session, struct ex_pool *pool, uint64_t size)
{
	uint64_t live, more;

	if (__builtin_add_overflow(pool->live, size, &live))
		return false;
	more = live > pool->charged ? live - pool->charged : 0;
	if (!ex_account_take(ex_account_of(session, pool->gpu), more))
		return false;
	pool->charged += more;
	pool->live = live;
	return true;
}

static struct ex_pool *pool_enter(struct ex_session *session, CUmemoryPool real, unsigned int gpu,
				  uint64_t size)
{
	struct ex_pool *pool;
	bool taken;

	pthread_mutex_lock(&session->pools.lock);
	pool = pool_find(session, real, gpu);
	taken = pool && pool_take(session, pool, size);
	if (pool && !taken) {
		/* Memory may have come back; `pool` is not gone, so it is still there. */
		pools_measure(session, true);
		ex_usage_look(session, pool->gpu);
		taken = pool_take(session, pool, size);
	}
	pthread_mutex_unlock(&session->pools.lock);
	return taken ? pool : NULL;
}

void ex_pool_freed(struct ex_session *session, struct ex_pool *pool, uint64_t size)
{
	pthread_mutex_lock(&session->pools.lock);
	pool->live -= ex_memory_size(session, size);
	atomic_store(&session->pools.loose, true); /* settled when the driver may have freed it */
	pthread_mutex_unlock(&session->pools.lock);
}

static bool pool_fits(struct ex_session *session, struct ex_pool *pool)
{
	bool fits;

	pthread_mutex_lock(&session->pools.lock);
	fits = pool_measure(session, pool, false);
	if (!fits)
		pool_measure(session, pool, true);
	pthread_mutex_unlock(&session->pools.lock);
	return fits;
}

static CUresult pool_ask(CUdeviceptr *dptr, size_t bytesize, CUmemoryPool pool, CUstream stream)
{
	if (pool)
		return ex_driver.cuMemAllocFromPoolAsync(dptr, bytesize, pool, stream);
	return ex_driver.cuMemAllocAsync(dptr, bytesize, stream);
}

/* The captured graph's memory: it is counted where it is measured, and comes back with each launch. */
static CUresult pool_capture(struct ex_call *call, CUdeviceptr *dptr, size_t bytesize,
			     CUmemoryPool real, CUstream stream)
{
	CUresult result = pool_ask(dptr, bytesize, real, stream);

	return result ? result : ex_range_add(call, *dptr, bytesize, EX_RANGE_GRAPH);
}

/* -1: the driver does not tell. */
static CUdevice device_of(CUstream stream)
{
	CUdevice device = 0;

	if (!vg_handle_passes(VG_HANDLE_CUstream, (uintptr_t)stream) &&
	    ex_driver.cuStreamGetDevice && !ex_driver.cuStreamGetDevice(stream, &device))
		return device;
	return ex_driver.cuCtxGetDevice && !ex_driver.cuCtxGetDevice(&device) ? device : -1;
}

/* The pool that cuMemAllocAsync takes from: its stream's device's. NULL: the driver does not tell. */
static CUmemoryPool pool_of(CUdevice device)
{
	CUmemoryPool pool = NULL;

	if (device < 0 || !ex_driver.cuDeviceGetMemPool || !ex_driver.cuMemAllocFromPoolAsync ||
	    ex_driver.cuDeviceGetMemPool(&pool, device))
		return NULL;
	return pool;
}

/*
 * The vGPU of a pool that a program names. The driver does not tell a pool's device; it is one that the
 * program has made, and then known (pool_find), or some device's own.
 */
static unsigned int pool_gpu(const struct ex_call *call, CUmemoryPool real)
{
	struct ex_session *session = call->session;
	unsigned int count = atomic_load(&session->gpus.used);
	CUmemoryPool own = NULL;

	for (CUdevice i = 0; count > 1 && i < (CUdevice)count; i++)
		if ((ex_driver.cuDeviceGetDefaultMemPool &&
		     !ex_driver.cuDeviceGetDefaultMemPool(&own, i) && own == real) ||
		    (ex_driver.cuDeviceGetMemPool && !ex_driver.cuDeviceGetMemPool(&own, i) &&
		     own == real))
			return ex_gpu_of(session, i);
	return call->lane->gpu;
}

/* real: NULL for the stream's own, which is looked for. Not in a capture, which the questions would
 * invalidate. */
static struct ex_pool *pool_choose(struct ex_call *call, CUmemoryPool *real, CUstream stream,
				   uint64_t size)
{
	CUdevice device;
	unsigned int gpu;

	if (*real) {
		gpu = pool_gpu(call, *real);
	} else {
		device = device_of(stream);
		gpu = device < 0 ? call->lane->gpu : ex_gpu_of(call->session, device);
		*real = pool_of(device);
	}
	return pool_enter(call->session, *real, gpu, size);
}

/* real: NULL for the stream's own. */
static CUresult pool_alloc(struct ex_call *call, CUdeviceptr *dptr, size_t bytesize,
			   CUmemoryPool real, CUstream stream)
{
	struct ex_session *session = call->session;
	struct ex_span span = {
		.size = bytesize, .kind = EX_RANGE_DEVICE, .owner = call->lane->context};
	struct ex_pool *pool;
	CUresult result;

	if (ex_stream_captures(stream))
		return pool_capture(call, dptr, bytesize, real, stream);
	pool = pool_choose(call, &real, stream, ex_memory_size(session, bytesize));
	span.object = pool;
	if (!pool)
		return CUDA_ERROR_OUT_OF_MEMORY;
	span.gpu = pool->gpu;
	result = pool_ask(dptr, bytesize, real, stream);
	if (result) {
		ex_pool_freed(session, pool, bytesize);
		return result;
	}
	span.start = *dptr;
	/* Pools grow by more than is asked for: that, too, must fit. */
	if (pool_fits(session, pool) && !ex_ranges_add(&session->ranges, &span))
		return CUDA_SUCCESS;
	ex_driver.cuMemFreeAsync(*dptr, stream);
	ex_pool_freed(session, pool, bytesize);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult ex_cuMemAllocAsync(struct ex_call *call, CUdeviceptr *dptr, size_t bytesize,
			    CUstream hStream)
{
	if (!ex_driver.cuMemAllocAsync || !ex_driver.cuMemFreeAsync)
		return CUDA_ERROR_NOT_SUPPORTED;
	return pool_alloc(call, dptr, bytesize, NULL, hStream);
}

CUresult ex_cuMemAllocFromPoolAsync(struct ex_call *call, CUdeviceptr *dptr, size_t bytesize,
				    CUmemoryPool pool, CUstream hStream)
{
	if (!ex_driver.cuMemAllocFromPoolAsync || !ex_driver.cuMemFreeAsync)
		return CUDA_ERROR_NOT_SUPPORTED;
	return pool_alloc(call, dptr, bytesize, pool, hStream);
}

CUresult ex_cuMemFreeAsync(struct ex_call *call, CUdeviceptr dptr, CUstream hStream)
{
	struct ex_span span;
	CUresult result;

	if (!ex_driver.cuMemFreeAsync)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (ex_memory_is_graphs(call, dptr))
		return ex_driver.cuMemFreeAsync(dptr, hStream);
	result = ex_memory_leave(call, dptr, &span);
	if (result)
		return result;
	result = ex_driver.cuMemFreeAsync(dptr, hStream);
	ex_memory_left(call, &span, result);
	return result;
}

/* --- pools -------------------------------------------------------------------------------------- */

/* The one pointer in the properties is a Windows security descriptor. Which device's it is, is kept. */
CUresult ex_cuMemPoolCreate(struct ex_call *call, CUmemoryPool *pool,
			    const CUmemPoolProps *poolProps)
{
	struct ex_session *session = call->session;
	CUmemPoolProps own = *poolProps;
	CUresult result;

	if (!ex_driver.cuMemPoolCreate || !ex_driver.cuMemPoolDestroy)
		return CUDA_ERROR_NOT_SUPPORTED;
	own.win32SecurityAttributes = NULL;
	result = ex_driver.cuMemPoolCreate(pool, &own);
	if (result || own.location.type != CU_MEM_LOCATION_TYPE_DEVICE)
		return result;
	pthread_mutex_lock(&session->pools.lock);
	if (!pool_find(session, *pool, ex_gpu_of(session, own.location.id)))
		result = CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_unlock(&session->pools.lock);
	if (result)
		ex_driver.cuMemPoolDestroy(*pool);
	return result;
}

/* With the lock, so that a pool made anew at the same address is not taken for this one. */
CUresult ex_cuMemPoolDestroy(struct ex_call *call, CUmemoryPool pool)
{
	struct ex_session *session = call->session;
	CUresult result;

	if (!ex_driver.cuMemPoolDestroy)
		return CUDA_ERROR_NOT_SUPPORTED;
	pthread_mutex_lock(&session->pools.lock);
	result = ex_driver.cuMemPoolDestroy(pool);
	for (struct ex_pool *p = session->pools.first; p && !result; p = p->next)
		p->gone |= p->real == pool;
	if (!result)
		pools_measure(session, false);
	pthread_mutex_unlock(&session->pools.lock);
	return result;
}

CUresult ex_cuMemPoolTrimTo(struct ex_call *call, CUmemoryPool pool, size_t minBytesToKeep)
{
	CUresult result;

	if (!ex_driver.cuMemPoolTrimTo)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuMemPoolTrimTo(pool, minBytesToKeep);
	ex_pools_settle(call->session);
	return result;
}

/* Bytes of an attribute's value; 0: none that we know. */
static size_t pool_attribute_size(CUmemPool_attribute attr)
{
	switch (attr) {
	case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: return 4;
	case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
	case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
	case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
	case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
	case CU_MEMPOOL_ATTR_USED_MEM_HIGH: return 8;
	default: return 0;
	}
}

CUresult ex_vgMemPoolSet(struct ex_call *call, CUmemoryPool pool, CUmemPool_attribute attr,
			 uint64_t value)
{
	(void)call;
	if (!pool_attribute_size(attr))
		return CUDA_ERROR_INVALID_VALUE;
	if (!ex_driver.cuMemPoolSetAttribute)
		return CUDA_ERROR_NOT_SUPPORTED;
	return ex_driver.cuMemPoolSetAttribute(pool, attr, &value); /* little endian serves both */
}

CUresult ex_vgMemPoolGet(struct ex_call *call, CUmemoryPool pool, CUmemPool_attribute attr,
			 uint64_t *value)
{
	(void)call;
	*value = 0;
	if (!pool_attribute_size(attr))
		return CUDA_ERROR_INVALID_VALUE;
	if (!ex_driver.cuMemPoolGetAttribute)
		return CUDA_ERROR_NOT_SUPPORTED;
	return ex_driver.cuMemPoolGetAttribute(pool, attr, value);
}
