/* SPDX-License-Identifier: MIT */
/* Memory pools and stream-ordered allocation: see pool.h. Any thread. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/graph.h"
#include "dom0-executor/soft/pool.h"

#include <stdlib.h>

static atomic_ullong last_pool;

/* --- life ------------------------------------------------------------------------------------ */

static void pool_destroy(struct soft_object *object)
{
	free(object);
}

struct soft_pool *pool_new(struct soft_device *device, size_t max)
{
	struct soft_pool *pool = object_new(SOFT_POOL, sizeof(*pool), NULL, pool_destroy);

	if (!pool)
		return NULL;
	pool->device = device;
	pool->max = max;
	pool->id = atomic_fetch_add(&last_pool, 1) + 1;
	pool->attributes[CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES] = 1;
	pool->attributes[CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC] = 1;
	pool->attributes[CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES] = 1;
	return pool;
}

struct soft_pool *pool_default(struct soft_device *device)
{
	struct soft_pool *pool;

	pthread_mutex_lock(&device->lock);
	if (!device->default_pool) {
		pool = pool_new(device, 0);
		if (pool && object_publish(object_ref(pool)) == CUDA_SUCCESS) {
			pool->is_default = true;
			device->default_pool = pool;
			device->current_pool = object_ref(pool);
		}
	}
	pool = device->default_pool;
	pthread_mutex_unlock(&device->lock);
	return pool;
}

static CUresult pool_charge(struct soft_pool *pool, size_t size)
{
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;

	pthread_mutex_lock(&pool->device->lock);
	if (!pool->max || size <= pool->max - pool->used) {
		pool->used += size;
		if (pool->used > pool->used_high)
			pool->used_high = pool->used;
		result = CUDA_SUCCESS;
	}
	pthread_mutex_unlock(&pool->device->lock);
	return result;
}

void pool_uncharge(struct soft_pool *pool, size_t size)
{
	pthread_mutex_lock(&pool->device->lock);
	pool->used -= size;
	pthread_mutex_unlock(&pool->device->lock);
}

/* --- allocation in stream order -------------------------------------------------------------- */

struct free_work {
	struct soft_work work;
	uint64_t base;
};

static CUresult free_run(struct soft_work *work, struct soft_stream *stream)
{
	(void)stream;
	memory_free(range_take(((struct free_work *)work)->base, RANGE_DEVICE | RANGE_POOLED));
	return CUDA_SUCCESS;
}

static const struct soft_work_type free_type = {
	.node = CU_GRAPH_NODE_TYPE_MEM_FREE,
	.in_broken = true,
	.run = free_run,
};

static CUresult alloc_from(struct soft_context *ctx, struct soft_pool *pool, size_t size,
			   CUdeviceptr *dptr)
{
	size_t whole = round_up(size, SOFT_PAGE);
	struct soft_range *range;
	CUresult result;

	if (whole < size)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = pool_charge(pool, whole);
	if (result != CUDA_SUCCESS)
		return result;
	result = memory_alloc(pool->device, ctx, RANGE_DEVICE, size, 0, &range);
	if (result != CUDA_SUCCESS) {
		pool_uncharge(pool, whole);
		return result;
	}
	range->pool = object_ref(pool);
	*dptr = range->base;
	return CUDA_SUCCESS;
}

/* The captured graph owns it. */
static CUresult alloc_captured(struct soft_stream *stream, size_t size, CUdeviceptr *dptr)
{
	struct soft_device *device = stream->object.ctx->device;
	const CUDA_MEM_ALLOC_NODE_PARAMS params = {
		.poolProps = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
			      .location = {CU_MEM_LOCATION_TYPE_DEVICE, device->ordinal}},
		.bytesize = size,
	};
	struct soft_work *work;
	CUresult result = graph_alloc_work(device, &params, &work, dptr);

	return result ? result : stream_submit(stream, work, SOFT_QUEUE);
}

CUresult cuMemAllocFromPoolAsync(CUdeviceptr *dptr, size_t bytesize, CUmemoryPool handle,
				 CUstream hStream)
{
	struct soft_pool *pool auto_put = object_get(SOFT_POOL, handle);

	ENTER_STREAM(ctx, stream, hStream);
	if (!dptr || !pool || pool->imported)
		return CUDA_ERROR_INVALID_VALUE;
	if (!bytesize) {
		*dptr = 0;
		return CUDA_SUCCESS;
	}
	if (capture_is_on(stream))
		return alloc_captured(stream, bytesize, dptr);
	return alloc_from(ctx, pool, bytesize, dptr);
}

CUresult cuMemAllocAsync(CUdeviceptr *dptr, size_t bytesize, CUstream hStream)
{
	struct soft_pool *pool auto_put = NULL;

	ENTER_STREAM(ctx, stream, hStream);
	if (!pool_default(ctx->device))
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&ctx->device->lock);
	pool = object_ref(ctx->device->current_pool);
	pthread_mutex_unlock(&ctx->device->lock);
	if (!dptr)
		return CUDA_ERROR_INVALID_VALUE;
	if (!bytesize) {
		*dptr = 0;
		return CUDA_SUCCESS;
	}
	if (capture_is_on(stream))
		return alloc_captured(stream, bytesize, dptr);
	return alloc_from(ctx, pool, bytesize, dptr);
}

CUresult cuMemFreeAsync(CUdeviceptr dptr, CUstream hStream)
{
	struct free_work *work;
	struct soft_range *range;
	bool is_start;

	ENTER_STREAM(ctx, stream, hStream);
	if (!dptr)
		return CUDA_SUCCESS;
	if (memory_is_graphs(dptr))
		return stream_submit(stream, graph_free_work(dptr), SOFT_QUEUE);
	range = range_pin(dptr);
	is_start = range && range->kind & (RANGE_DEVICE | RANGE_POOLED) && range->base == dptr;
	range_unpin(range);
	if (!is_start)
		return CUDA_ERROR_INVALID_VALUE;
	if (capture_is_on(stream))
		return CUDA_ERROR_NOT_SUPPORTED;
	work = work_new(&free_type, sizeof(*work));
	if (!work)
		return CUDA_ERROR_OUT_OF_MEMORY;
	work->base = dptr;
	return stream_submit(stream, &work->work, SOFT_QUEUE);
}

/* --- pools ----------------------------------------------------------------------------------- */

CUresult cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *poolProps)
{
	struct soft_pool *made;
	CUresult result;

	ENTER_DRIVER();
	if (!pool || !poolProps || poolProps->allocType != CU_MEM_ALLOCATION_TYPE_PINNED)
		return CUDA_ERROR_INVALID_VALUE;
	if ((poolProps->handleTypes != CU_MEM_HANDLE_TYPE_NONE &&
	     poolProps->handleTypes != CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR) ||
	    poolProps->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!device_of(poolProps->location.id))
		return CUDA_ERROR_INVALID_DEVICE;
	made = pool_new(device_of(poolProps->location.id), poolProps->maxSize);
	if (!made)
		return CUDA_ERROR_OUT_OF_MEMORY;
	made->handle_type = poolProps->handleTypes;
	result = object_publish(made);
	if (result == CUDA_SUCCESS)
		*pool = object_handle(made);
	return result;
}

CUresult cuMemPoolDestroy(CUmemoryPool handle)
{
	struct soft_pool *pool auto_put = object_get(SOFT_POOL, handle);
	struct soft_pool *current = NULL;

	ENTER_DRIVER();
	if (!pool || pool->is_default || !object_retire(pool))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&pool->device->lock);
	if (pool->device->current_pool == pool) {
		current = pool;
		pool->device->current_pool = object_ref(pool->device->default_pool);
	}
	pthread_mutex_unlock(&pool->device->lock);
	object_put(current);
	object_put(pool); /* the table's */
	return CUDA_SUCCESS;
}

CUresult cuMemPoolTrimTo(CUmemoryPool handle, size_t minBytesToKeep)
{
	struct soft_pool *pool auto_put = object_get(SOFT_POOL, handle);

	ENTER_DRIVER();
	(void)minBytesToKeep; /* nothing is kept */
	return pool && !pool->imported ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static bool is_size(CUmemPool_attribute attr)
{
	return attr >= CU_MEMPOOL_ATTR_RELEASE_THRESHOLD && attr <= CU_MEMPOOL_ATTR_USED_MEM_HIGH;
}

/* Of an imported pool only its own process knows. */
static bool is_usage(CUmemPool_attribute attr)
{
	return attr >= CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT &&
	       attr <= CU_MEMPOOL_ATTR_USED_MEM_HIGH;
}

CUresult cuMemPoolGetAttribute(CUmemoryPool handle, CUmemPool_attribute attr, void *value)
{
	struct soft_pool *pool auto_put = object_get(SOFT_POOL, handle);
	uint64_t got;

	ENTER_DRIVER();
	if (!pool || !value || (pool->imported && is_usage(attr)) || (int)attr < 1 ||
	    attr > CU_MEMPOOL_ATTR_USED_MEM_HIGH)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&pool->device->lock);
	switch ((int)attr) {
	case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
	case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: got = pool->used; break;
	case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
	case CU_MEMPOOL_ATTR_USED_MEM_HIGH: got = pool->used_high; break;
	default: got = pool->attributes[attr]; break;
	}
	pthread_mutex_unlock(&pool->device->lock);
	if (is_size(attr))
		*(cuuint64_t *)value = got;
	else
		*(int *)value = (int)got;
	return CUDA_SUCCESS;
}

CUresult cuMemPoolSetAttribute(CUmemoryPool handle, CUmemPool_attribute attr, void *value)
{
	struct soft_pool *pool auto_put = object_get(SOFT_POOL, handle);
	CUresult result = CUDA_SUCCESS;

	ENTER_DRIVER();
	if (!pool || !value)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&pool->device->lock);
	switch ((int)attr) {
	case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
	case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES:
		pool->attributes[attr] = *(int *)value != 0;
		break;
	case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
		pool->attributes[attr] = *(cuuint64_t *)value;
		break;
	case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
	case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
		if (*(cuuint64_t *)value)
			result = CUDA_ERROR_INVALID_VALUE; /* it can only be reset */
		else
			pool->used_high = pool->used;
		break;
	default: result = CUDA_ERROR_INVALID_VALUE; break;
	}
	pthread_mutex_unlock(&pool->device->lock);
	return result;
}

/* All devices reach all memory of the process. */
CUresult cuMemPoolSetAccess(CUmemoryPool handle, const CUmemAccessDesc *map, size_t count)
{
	struct soft_pool *pool auto_put = object_get(SOFT_POOL, handle);

	ENTER_DRIVER();
	if (!pool || !map)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t i = 0; i < count; i++)
		if (map[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
		    !device_of(map[i].location.id))
			return CUDA_ERROR_INVALID_DEVICE;
	return CUDA_SUCCESS;
}

CUresult cuMemPoolGetAccess(CUmemAccess_flags *flags, CUmemoryPool handle, CUmemLocation *location)
{
	struct soft_pool *pool auto_put = object_get(SOFT_POOL, handle);

	ENTER_DRIVER();
	if (!flags || !pool || !location)
		return CUDA_ERROR_INVALID_VALUE;
	if (location->type != CU_MEM_LOCATION_TYPE_DEVICE || !device_of(location->id))
		return CUDA_ERROR_INVALID_DEVICE;
	*flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetDefaultMemPool(CUmemoryPool *pool_out, CUdevice dev)
{
	struct soft_pool *pool;

	ENTER_DRIVER();
	if (!pool_out)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	pool = pool_default(device_of(dev));
	if (!pool)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*pool_out = object_handle(pool);
	return CUDA_SUCCESS;
}

CUresult cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice dev)
{
	struct soft_device *device;

	ENTER_DRIVER();
	device = device_of(dev);
	if (!pool)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!pool_default(device))
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_lock(&device->lock);
	*pool = object_handle(device->current_pool);
	pthread_mutex_unlock(&device->lock);
	return CUDA_SUCCESS;
}

CUresult cuDeviceSetMemPool(CUdevice dev, CUmemoryPool handle)
{
	struct soft_pool *pool auto_put = object_get(SOFT_POOL, handle);
	struct soft_device *device;
	struct soft_pool *before;

	ENTER_DRIVER();
	device = device_of(dev);
	if (!device)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!pool || pool->imported || pool->device != device || !pool_default(device))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&device->lock);
	before = device->current_pool;
	device->current_pool = object_ref(pool);
	pthread_mutex_unlock(&device->lock);
	object_put(before);
	return CUDA_SUCCESS;
}
