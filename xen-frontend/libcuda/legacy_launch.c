/* SPDX-License-Identifier: MIT */
/*
 * Launches as they were before CUDA 4: the shape of a block and the parameters are set on the function, then it is
 * launched. What was set is kept here and goes over with the launch. Runs in the program's threads.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#include "protocol/bounds.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/function.h"

#define PARAMS_MAX 4096u

struct prepared {
	uint64_t handle; /* of the function */
	unsigned int block[3], shared, size;
	uint8_t params[PARAMS_MAX];
	struct prepared *next;
};

/* Few programs have any, none has many: what belongs to functions that have gone stays. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct prepared *all;

/* Under the lock. */
static CUresult prepared_get(CUfunction f, struct prepared **prepared)
{
	CUresult result = fe_handle_check(VG_HANDLE_CUfunction, (uint64_t)f, 0);

	if (result)
		return result;
	for (*prepared = all; *prepared; *prepared = (*prepared)->next)
		if ((*prepared)->handle == (uint64_t)f)
			return CUDA_SUCCESS;
	*prepared = calloc(1, sizeof(**prepared));
	if (!*prepared)
		return CUDA_ERROR_OUT_OF_MEMORY;
	(*prepared)->handle = (uint64_t)f;
	(*prepared)->block[0] = (*prepared)->block[1] = (*prepared)->block[2] = 1;
	(*prepared)->next = all;
	all = *prepared;
	return CUDA_SUCCESS;
}

/* What the current device allows. */
static int limit_of(CUdevice_attribute attribute)
{
	CUdevice device;
	int limit = 0;

	if (!fe_cuCtxGetDevice(&device))
		(void)fe_cuDeviceGetAttribute(&limit, attribute, device);
	return limit;
}

static bool is_dimension(int size, CUdevice_attribute most)
{
	return size > 0 && size <= limit_of(most);
}

CUresult fe_cuFuncSetBlockShape(CUfunction hfunc, int x, int y, int z)
{
	struct prepared *prepared;
	CUresult result;

	if (!is_dimension(x, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X) ||
	    !is_dimension(y, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y) ||
	    !is_dimension(z, CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	result = prepared_get(hfunc, &prepared);
	if (!result) {
		prepared->block[0] = (unsigned int)x;
		prepared->block[1] = (unsigned int)y;
		prepared->block[2] = (unsigned int)z;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

CUresult fe_cuFuncSetSharedSize(CUfunction hfunc, unsigned int bytes)
{
	struct prepared *prepared;
	CUresult result;

	if (bytes > (unsigned int)limit_of(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	result = prepared_get(hfunc, &prepared);
	if (!result)
		prepared->shared = bytes;
	pthread_mutex_unlock(&lock);
	return result;
}

CUresult fe_cuParamSetSize(CUfunction hfunc, unsigned int numbytes)
{
	struct prepared *prepared;
	CUresult result;

	if (numbytes > PARAMS_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	result = prepared_get(hfunc, &prepared);
	if (!result)
		prepared->size = numbytes;
	pthread_mutex_unlock(&lock);
	return result;
}

CUresult fe_cuParamSetv(CUfunction hfunc, int offset, void *ptr, unsigned int numbytes)
{
	struct prepared *prepared;
	CUresult result;

	if (offset < 0 || numbytes > PARAMS_MAX || (unsigned int)offset > PARAMS_MAX - numbytes ||
	    (numbytes && !ptr))
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	result = prepared_get(hfunc, &prepared);
	if (!result && numbytes)
		memcpy(prepared->params + offset, ptr, numbytes);
	pthread_mutex_unlock(&lock);
	return result;
}

CUresult fe_cuParamSeti(CUfunction hfunc, int offset, unsigned int value)
{
	return fe_cuParamSetv(hfunc, offset, &value, sizeof(value));
}

CUresult fe_cuParamSetf(CUfunction hfunc, int offset, float value)
{
	return fe_cuParamSetv(hfunc, offset, &value, sizeof(value));
}

static CUresult prepared_launch(CUfunction f, int width, int height, CUstream stream)
{
	struct fe_function *function;
	struct prepared *found, own;
	CUresult result;
	size_t size;

	if (width <= 0 || height <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_capture_allows();
	if (result)
		return result;
	pthread_mutex_lock(&lock);
	result = prepared_get(f, &found);
	if (!result)
		own = *found;
	pthread_mutex_unlock(&lock);
	if (!result)
		result = fe_function_get((uint64_t)f, &function);
	if (result)
		return result;
	/* What has not been set is zeros. */
	size = vg_min(vg_max(own.size, function->params_size), PARAMS_MAX);
	return fe_cuLaunchKernel(f, (unsigned int)width, (unsigned int)height, 1, own.block[0],
				 own.block[1], own.block[2], own.shared, stream, NULL,
				 (void *[]){CU_LAUNCH_PARAM_BUFFER_POINTER, own.params,
					    CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
					    CU_LAUNCH_PARAM_END});
}

CUresult fe_cuLaunch(CUfunction f)
{
	return prepared_launch(f, 1, 1, NULL);
}

CUresult fe_cuLaunchGrid(CUfunction f, int grid_width, int grid_height)
{
	return prepared_launch(f, grid_width, grid_height, NULL);
}

CUresult fe_cuLaunchGridAsync(CUfunction f, int grid_width, int grid_height, CUstream hStream)
{
	return prepared_launch(f, grid_width, grid_height, hStream);
}
