/* SPDX-License-Identifier: MIT */
/* What a guest must know to lay out a kernel's parameters. Runs in lanes' threads. */
#include <stdio.h>

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"
#include "dom0-executor/launch.h"
#include "dom0-executor/primary.h"

bool ex_function_is_kernel(struct ex_call *call, const void *real)
{
	return ex_handles_find(&call->session->handles, VG_HANDLE_CUkernel, real) != 0;
}

CUresult ex_function_param(void *real, bool kernel, size_t index, size_t *offset, size_t *size)
{
	if (kernel)
		return ex_driver.cuKernelGetParamInfo
			       ? ex_driver.cuKernelGetParamInfo(real, index, offset, size)
			       : CUDA_ERROR_NOT_SUPPORTED;
	return ex_driver.cuFuncGetParamInfo
		       ? ex_driver.cuFuncGetParamInfo(real, index, offset, size)
		       : CUDA_ERROR_NOT_SUPPORTED;
}

/* Counts all parameters, up to what a kernel can have, and keeps as many as there is room for. */
static CUresult layout_read(void *real, bool kernel, unsigned int room, unsigned int *count,
			    uint32_t *offsets, uint32_t *sizes)
{
	for (*count = 0; *count < EX_PARAMETERS_MAX; ++*count) {
		size_t offset = 0, size = 0;
		CUresult result = ex_function_param(real, kernel, *count, &offset, &size);

		if (result == CUDA_ERROR_INVALID_VALUE)
			return CUDA_SUCCESS; /* the one behind the last */
		if (result)
			return result;
		if (*count < room && offsets && sizes) {
			offsets[*count] = (uint32_t)offset;
			sizes[*count] = (uint32_t)size;
		}
	}
	return CUDA_SUCCESS;
}

static CUresult name_read(void *real, bool kernel, char *name, size_t room)
{
	const char *text = NULL;
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (!name || !room)
		return CUDA_SUCCESS;
	if (kernel && ex_driver.cuKernelGetName)
		result = ex_driver.cuKernelGetName(&text, real);
	else if (!kernel && ex_driver.cuFuncGetName)
		result = ex_driver.cuFuncGetName(&text, real);
	if (!result && text)
		snprintf(name, room, "%s", text);
	/* Drivers before 12.3 have no names; the layout is what counts. */
	return result == CUDA_ERROR_NOT_SUPPORTED ? CUDA_SUCCESS : result;
}

/*
 * The driver tells the layout of a kernel, which belongs to no context, to threads that have one: where this has
 * none that lives, any will do.
 */
static CUresult kernel_layout(struct ex_call *call, void *real, unsigned int room,
			      unsigned int *count, uint32_t *offsets, uint32_t *sizes)
{
	CUcontext context, before = NULL;
	CUresult result = layout_read(real, true, room, count, offsets, sizes);

	if ((result != CUDA_ERROR_INVALID_CONTEXT && result != CUDA_ERROR_CONTEXT_IS_DESTROYED) ||
	    !ex_driver.cuCtxGetCurrent || !ex_driver.cuCtxSetCurrent ||
	    ex_primary_hold(call, 0, 0, &context) || ex_driver.cuCtxGetCurrent(&before) ||
	    ex_driver.cuCtxSetCurrent(context))
		return result;
	result = layout_read(real, true, room, count, offsets, sizes);
	ex_driver.cuCtxSetCurrent(before);
	return result;
}

CUresult ex_vgFuncLayout(struct ex_call *call, uint64_t func, unsigned int room,
			 unsigned int name_room, unsigned int *count, uint32_t *offsets,
			 uint32_t *sizes, void *name)
{
	bool kernel = vg_handle_type(func) == VG_HANDLE_CUkernel;
	CUresult result;
	void *real;

	result = ex_handle_get(call, VG_HANDLE_CUfunction, func, 0, &real);
	if (!result)
		result = kernel ? kernel_layout(call, real, room, count, offsets, sizes)
				: layout_read(real, false, room, count, offsets, sizes);
	if (!result)
		result = name_read(real, kernel, name, name_room);
	return result;
}
