/* SPDX-License-Identifier: MIT */
/*
 * What graph nodes hold, asked of the executor. Kernels' parameters, operations and access descriptions
 * are pointed to in the answer: they are kept with the node's handle, as the driver keeps them with its
 * node. Runs in the program's threads.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"
#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/callback.h"
#include "xen-frontend/libcuda/function.h"
#include "xen-frontend/libcuda/node.h"

#define ROOM_FIRST 1024u
/* A kernel has at most 32,764 bytes of parameters, a batch 256 operations of 48. */
#define ROOM_MAX (64u * 1024)

/* One block: what the node points to, then, of a kernel, where its parameters lie in it. */
struct kept {
	size_t size, count;
	uint64_t bytes[]; /* size of them, padded; then count pointers */
};

/* Between looking at what is kept and replacing it. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void **kept_pointers(struct kept *kept)
{
	return (void **)((uint8_t *)kept->bytes + vg_pad8(kept->size));
}

static struct kept *kept_make(const void *bytes, size_t size, const struct fe_function *function)
{
	size_t count = function ? function->count : 0;
	struct kept *kept = calloc(1, sizeof(*kept) + vg_pad8(size) + (count + 1) * sizeof(void *));

	if (!kept)
		return NULL;
	kept->size = size;
	kept->count = count;
	memcpy(kept->bytes, bytes, size);
	for (size_t i = 0; i < count; i++)
		kept_pointers(kept)[i] = (uint8_t *)kept->bytes + function->params[i].offset;
	return kept;
}

/* What is kept stays where it is unless it has changed: a program may hold pointers into it. */
static struct kept *kept_with(CUgraphNode node, const void *bytes, size_t size,
			      const struct fe_function *function)
{
	size_t count = function ? function->count : 0;
	struct kept *kept;

	pthread_mutex_lock(&lock);
	kept = fe_handle_data((uint64_t)node);
	if (!kept || kept->size != size || kept->count != count ||
	    memcmp(kept->bytes, bytes, size) != 0) {
		kept = kept_make(bytes, size, function);
		if (kept && !fe_handle_replace_data((uint64_t)node, kept)) {
			free(kept);
			kept = NULL;
		}
	}
	pthread_mutex_unlock(&lock);
	return kept;
}

/* The answer's fixed part, and the bytes in memory of its own. */
static CUresult node_ask(CUgraphNode node, CUgraphNodeParams *params, uint8_t **data, size_t *size)
{
	size_t room = ROOM_FIRST;
	CUresult result;

	*data = NULL;
	for (;;) {
		uint8_t *more = realloc(*data, room);

		if (!more)
			return CUDA_ERROR_OUT_OF_MEMORY;
		*data = more;
		*size = 0;
		result = rpc_vgGraphNodeGet(node, room, params, size, *data);
		if (result || *size <= room)
			return result;
		if (room == ROOM_MAX)
			return CUDA_ERROR_UNKNOWN;
		room = ROOM_MAX;
	}
}

static CUresult kernel_tell(CUgraphNode node, CUgraphNodeParams *params, const uint8_t *data,
			    size_t size)
{
	CUDA_KERNEL_NODE_PARAMS_v3 *kernel = &params->kernel;
	uint64_t handle = (uint64_t)kernel->func;
	bool is_kernel = vg_handle_type(handle) == VG_HANDLE_CUkernel;
	struct fe_function *function;
	struct kept *kept;
	CUresult result;

	fe_handle_note(is_kernel ? VG_HANDLE_CUkernel : VG_HANDLE_CUfunction, handle);
	result = fe_function_get(handle, &function);
	if (result)
		return result;
	if (size < function->params_size)
		return CUDA_ERROR_UNKNOWN;
	kept = kept_with(node, data, size, function);
	if (!kept)
		return CUDA_ERROR_OUT_OF_MEMORY;
	kernel->kernelParams = function->count ? kept_pointers(kept) : NULL;
	kernel->extra = NULL;
	kernel->kern = is_kernel ? (CUkernel)handle : NULL;
	kernel->func = is_kernel ? NULL : (CUfunction)handle;
	return CUDA_SUCCESS;
}

static CUresult copy_tell(const CUgraphNodeParams *params)
{
	fe_handle_note(VG_HANDLE_CUarray, (uint64_t)params->memcpy.copyParams.srcArray);
	fe_handle_note(VG_HANDLE_CUarray, (uint64_t)params->memcpy.copyParams.dstArray);
	return CUDA_SUCCESS;
}

static CUresult host_tell(CUgraphNodeParams *params)
{
	return fe_host_func_find((uint64_t)params->host.userData, &params->host.fn,
				 &params->host.userData)
		       ? CUDA_SUCCESS
		       : CUDA_ERROR_UNKNOWN;
}

static CUresult array_tell(CUgraphNode node, const uint8_t *data, size_t size, size_t wanted,
			   void **array)
{
	struct kept *kept = NULL;

	if (size != wanted)
		return CUDA_ERROR_UNKNOWN;
	if (size)
		kept = kept_with(node, data, size, NULL);
	if (size && !kept)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*array = kept ? kept->bytes : NULL;
	return CUDA_SUCCESS;
}

static CUresult params_tell(CUgraphNode node, CUgraphNodeParams *params, const uint8_t *data,
			    size_t size)
{
	void *array = NULL;
	CUresult result;

	switch ((int)params->type) {
	case CU_GRAPH_NODE_TYPE_KERNEL: return kernel_tell(node, params, data, size);
	case CU_GRAPH_NODE_TYPE_MEMCPY: return copy_tell(params);
	case CU_GRAPH_NODE_TYPE_HOST: return host_tell(params);
	case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
		result = array_tell(node, data, size,
				    params->memOp.count * sizeof(CUstreamBatchMemOpParams), &array);
		params->memOp.paramArray = array;
		return result;
	case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
		result = array_tell(node, data, size,
				    params->alloc.accessDescCount * sizeof(CUmemAccessDesc),
				    &array);
		params->alloc.accessDescs = array;
		return result;
	default: return CUDA_SUCCESS;
	}
}

CUresult fe_node_get(CUgraphNode node, CUgraphNodeType type, CUgraphNodeParams *params)
{
	uint8_t *data = NULL;
	size_t size = 0;
	CUresult result;

	memset(params, 0, sizeof(*params));
	result = node_ask(node, params, &data, &size);
	if (!result && params->type != type)
		result = CUDA_ERROR_INVALID_VALUE;
	if (!result)
		result = params_tell(node, params, data, size);
	free(data);
	return result;
}
