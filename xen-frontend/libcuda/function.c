/* SPDX-License-Identifier: MIT */
/*
 * Functions and kernels: layout of parameters, name and attributes, kept with the handle. The runtime asks
 * for attributes before most launches, so an answer that cannot have changed is not asked again. Runs in
 * the program's threads; what the executor says of a layout is checked before it is used to copy.
 */
#include "xen-frontend/libcuda/function.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/device.h"

/* The driver's own limit for a launch's parameters (CUDA 12.1, compute capability 7.0 and later). */
#define PARAMS_SIZE_MAX 32764
#define PARAMS_MAX      PARAMS_SIZE_MAX
#define NAME_MAX_BYTES  (256 * 1024)

/* First attempt: enough for nearly all. */
#define PARAMS_USUAL 64
#define NAME_USUAL   1024

/*
 * A cached attribute: bit 63 says that there is one, bits 62..32 hold the epoch of what could have changed
 * it, the rest the value. Attributes that can be set have two owners, a kernel and its function in a
 * context, and the driver lets one shine through the other: so setting one on any kernel makes what is
 * known of all functions void, and the other way round.
 */
#define CACHED      (UINT64_C(1) << 63)
#define EPOCH_MASK  0x7fffffffu
#define EPOCH_SHIFT 32
static _Atomic uint32_t kernels_set, functions_set;
static _Atomic uint64_t voids = 1;

static bool is_kernel(uint64_t handle)
{
	return vg_handle_type(handle) == VG_HANDLE_CUkernel;
}

static bool can_be_set(CUfunction_attribute attribute)
{
	return attribute >= CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
}

/* What the executor says of a function, as it comes. */
struct layout {
	unsigned int room, count;
	size_t name_room;
	uint32_t *offsets, *sizes;
	char *name;
};

static void layout_free(struct layout *layout)
{
	free(layout->offsets);
	free(layout->sizes);
	free(layout->name);
	*layout = (struct layout){0};
}

static CUresult layout_ask(uint64_t handle, struct layout *layout, unsigned int room,
			   size_t name_room)
{
	layout_free(layout);
	layout->room = room;
	layout->name_room = name_room;
	layout->offsets = calloc(room, sizeof(*layout->offsets));
	layout->sizes = calloc(room, sizeof(*layout->sizes));
	layout->name = calloc(name_room, 1);
	if (!layout->offsets || !layout->sizes || !layout->name)
		return CUDA_ERROR_OUT_OF_MEMORY;
	return rpc_vgFuncLayout(handle, room, (unsigned int)name_room, &layout->count,
				layout->offsets, layout->sizes, layout->name);
}

/* A name that fills its room to the last byte may have been cut. */
static bool layout_fits(const struct layout *layout)
{
	return layout->count <= layout->room &&
	       strnlen(layout->name, layout->name_room) + 1 < layout->name_room;
}

static CUresult layout_fetch(uint64_t handle, struct layout *layout)
{
	CUresult result = layout_ask(handle, layout, PARAMS_USUAL, NAME_USUAL);

	if (result || layout_fits(layout))
		return result;
	if (layout->count > PARAMS_MAX)
		return CUDA_ERROR_UNKNOWN;
	result = layout_ask(handle, layout,
			    layout->count > PARAMS_USUAL ? layout->count : PARAMS_USUAL,
			    NAME_MAX_BYTES);
	if (!result && !layout_fits(layout))
		result = CUDA_ERROR_UNKNOWN;
	return result;
}

/* Parameters lie behind one another; the last one's end is the size of all. */
static bool layout_sound(const struct layout *layout, uint32_t *size)
{
	*size = 0;
	for (unsigned int i = 0; i < layout->count; i++) {
		if (layout->offsets[i] < *size || layout->offsets[i] > PARAMS_SIZE_MAX ||
		    layout->sizes[i] > PARAMS_SIZE_MAX - layout->offsets[i])
			return false;
		*size = layout->offsets[i] + layout->sizes[i];
	}
	return true;
}

static struct fe_function *function_make(uint64_t handle, const struct layout *layout,
					 uint32_t size)
{
	size_t devices = is_kernel(handle) ? (size_t)fe_device_count() : 1;
	size_t attributes = devices * CU_FUNC_ATTRIBUTE_MAX, name = strlen(layout->name) + 1;
	struct fe_function *function;
	struct fe_param *params;
	uint8_t *at;

	function = calloc(1, sizeof(*function) + (attributes + devices) * sizeof(uint64_t) +
				     layout->count * sizeof(*params) + name);
	if (!function)
		return NULL;
	at = (uint8_t *)(function + 1);
	function->attributes = (void *)at;
	at += attributes * sizeof(uint64_t);
	function->functions = (void *)at;
	at += devices * sizeof(uint64_t);
	params = (void *)at;
	for (unsigned int i = 0; i < layout->count; i++)
		params[i] = (struct fe_param){layout->offsets[i], layout->sizes[i]};
	at += layout->count * sizeof(*params);
	memcpy(at, layout->name, name);
	function->name = (const char *)at;
	function->params = params;
	function->count = layout->count;
	function->params_size = size;
	return function;
}

static CUresult function_fetch(uint64_t handle, struct fe_function **function)
{
	struct layout layout = {0};
	struct fe_function *made = NULL;
	CUresult result = layout_fetch(handle, &layout);
	uint32_t size;

	if (!result && !layout_sound(&layout, &size))
		result = CUDA_ERROR_UNKNOWN;
	if (!result) {
		made = function_make(handle, &layout, size);
		*function = made ? fe_handle_set_data(handle, made) : NULL;
		if (!*function)
			result = made ? CUDA_ERROR_INVALID_HANDLE : CUDA_ERROR_OUT_OF_MEMORY;
		if (*function != made)
			free(made); /* another thread was faster, or the handle has gone */
	}
	layout_free(&layout);
	return result;
}

CUresult fe_function_get(uint64_t handle, struct fe_function **function)
{
	CUresult result;

	*function = fe_handle_data(handle);
	if (*function && (vg_handle_type(handle) == VG_HANDLE_CUfunction || is_kernel(handle)))
		return CUDA_SUCCESS;
	result = fe_handle_check(VG_HANDLE_CUfunction, handle, 0);
	return result ? result : function_fetch(handle, function);
}

static CUresult attribute_fetch(uint64_t handle, CUfunction_attribute attribute, CUdevice device,
				int *value)
{
	if (is_kernel(handle))
		return rpc_cuKernelGetAttribute(value, attribute, (CUkernel)handle, device);
	return rpc_cuFuncGetAttribute(value, attribute, (CUfunction)handle);
}

static _Atomic uint64_t *attribute_slot(uint64_t handle, struct fe_function *function,
					CUfunction_attribute attribute, CUdevice device)
{
	size_t row = is_kernel(handle) ? (size_t)device : 0;

	return &function->attributes[row * CU_FUNC_ATTRIBUTE_MAX + (size_t)attribute];
}

/* Marks what is cached now: void once it may have been set, and, of a function, once it may have gone with its context. */
static uint64_t attribute_epoch(uint64_t handle, CUfunction_attribute attribute)
{
	bool kernel = is_kernel(handle);
	uint32_t epoch = kernel ? 0 : atomic_load(&fe_contexts_gone);

	if (can_be_set(attribute))
		epoch += atomic_load(kernel ? &functions_set : &kernels_set);
	return epoch & EPOCH_MASK;
}

CUresult fe_function_attribute(uint64_t handle, struct fe_function *function,
			       CUfunction_attribute attribute, CUdevice device, int *value)
{
	uint64_t epoch, word;
	_Atomic uint64_t *slot;
	CUresult result;

	if ((unsigned int)attribute >= CU_FUNC_ATTRIBUTE_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	slot = attribute_slot(handle, function, attribute, device);
	epoch = attribute_epoch(handle, attribute);
	word = atomic_load_explicit(slot, memory_order_acquire);
	if (word >> EPOCH_SHIFT == (CACHED >> EPOCH_SHIFT | epoch)) {
		*value = (int)(uint32_t)word;
		return CUDA_SUCCESS;
	}
	result = attribute_fetch(handle, attribute, device, value);
	/* Not kept if somebody has set it meanwhile. */
	if (!result)
		atomic_compare_exchange_strong(slot, &word,
					       CACHED | epoch << EPOCH_SHIFT | (uint32_t)*value);
	return result;
}

/* After a set: what is known of it and its relatives is void. */
static void attribute_void(uint64_t handle, CUfunction_attribute attribute, CUdevice device)
{
	struct fe_function *function = fe_handle_data(handle);

	atomic_fetch_add(is_kernel(handle) ? &kernels_set : &functions_set, 1);
	/* A number of its own without the bit CACHED: who was asking meanwhile must not keep his answer. */
	if (function && (unsigned int)attribute < CU_FUNC_ATTRIBUTE_MAX)
		atomic_store(attribute_slot(handle, function, attribute, device),
			     atomic_fetch_add(&voids, 1) & (CACHED - 1));
}

/*
 * True when the attribute is known to have that value already: the runtime's callers set the size of
 * dynamic shared memory before each launch, nearly always to what it is.
 */
static bool attribute_known(uint64_t handle, CUfunction_attribute attribute, CUdevice device,
			    int value)
{
	struct fe_function *function;
	uint64_t word;

	if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES ||
	    fe_function_get(handle, &function))
		return false;
	word = atomic_load(attribute_slot(handle, function, attribute, device));
	return word ==
	       (CACHED | attribute_epoch(handle, attribute) << EPOCH_SHIFT | (uint32_t)value);
}

static void attribute_learn(uint64_t handle, CUfunction_attribute attribute, CUdevice device,
			    int value)
{
	struct fe_function *function = fe_handle_data(handle);

	if (attribute == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES && function)
		atomic_store(attribute_slot(handle, function, attribute, device),
			     CACHED | attribute_epoch(handle, attribute) << EPOCH_SHIFT |
				     (uint32_t)value);
}

/* A kernel passed where a function is expected: of which device is a question of the context. */
static CUresult device_of(uint64_t handle, CUdevice *device)
{
	*device = 0;
	return is_kernel(handle) ? fe_context_device(NULL, device) : CUDA_SUCCESS;
}

CUresult fe_cuFuncGetAttribute(int *pi, CUfunction_attribute attrib, CUfunction hfunc)
{
	struct fe_function *function;
	CUdevice device;
	CUresult result;

	if (!pi)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_function_get((uint64_t)hfunc, &function);
	if (!result)
		result = device_of((uint64_t)hfunc, &device);
	return result ? result
		      : fe_function_attribute((uint64_t)hfunc, function, attrib, device, pi);
}

CUresult fe_cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value)
{
	CUdevice device = 0;
	CUresult result;

	result = fe_handle_check(VG_HANDLE_CUfunction, (uint64_t)hfunc, 0);
	if (!result)
		result = device_of((uint64_t)hfunc, &device);
	if (result || attribute_known((uint64_t)hfunc, attrib, device, value))
		return result;
	result = rpc_cuFuncSetAttribute(hfunc, attrib, value);
	attribute_void((uint64_t)hfunc, attrib, device);
	if (!result)
		attribute_learn((uint64_t)hfunc, attrib, device, value);
	return result;
}

static CUresult kernel_check(CUkernel kernel, CUdevice device)
{
	CUresult result = fe_handle_check(VG_HANDLE_CUkernel, (uint64_t)kernel, 0);

	return result ? result : fe_device_check(device);
}

CUresult fe_cuKernelGetAttribute(int *pi, CUfunction_attribute attrib, CUkernel kernel,
				 CUdevice dev)
{
	struct fe_function *function;
	CUresult result;

	if (!pi)
		return CUDA_ERROR_INVALID_VALUE;
	result = kernel_check(kernel, dev);
	if (!result)
		result = fe_function_get((uint64_t)kernel, &function);
	return result ? result : fe_function_attribute((uint64_t)kernel, function, attrib, dev, pi);
}

CUresult fe_cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel kernel,
				 CUdevice dev)
{
	CUresult result = kernel_check(kernel, dev);

	if (result || attribute_known((uint64_t)kernel, attrib, dev, val))
		return result;
	result = rpc_cuKernelSetAttribute(attrib, val, kernel, dev);
	attribute_void((uint64_t)kernel, attrib, dev);
	if (!result)
		attribute_learn((uint64_t)kernel, attrib, dev, val);
	return result;
}

#define HANDLE_BITS 47

CUresult fe_cuKernelGetFunction(CUfunction *pFunc, CUkernel kernel)
{
	struct fe_function *data;
	uint64_t known, mark;
	CUdevice device;
	CUresult result;
	uint32_t epoch;

	if (!pFunc)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_handle_check(VG_HANDLE_CUkernel, (uint64_t)kernel, 0);
	if (result)
		return result;
	/* Other contexts have functions of their own: few programs use them, none often. */
	if (!fe_context_is_primary(&device, &epoch) || fe_function_get((uint64_t)kernel, &data))
		return rpc_cuKernelGetFunction(pFunc, kernel);
	mark = (uint64_t)epoch << HANDLE_BITS;
	known = atomic_load(&data->functions[device]);
	if (known && known >> HANDLE_BITS == mark >> HANDLE_BITS) {
		*pFunc = (CUfunction)(known & ((UINT64_C(1) << HANDLE_BITS) - 1));
		return CUDA_SUCCESS;
	}
	result = rpc_cuKernelGetFunction(pFunc, kernel);
	if (!result)
		atomic_store(&data->functions[device], (uint64_t)*pFunc | mark);
	return result;
}

static CUresult name_get(const char **name, enum vg_handle_type type, uint64_t handle)
{
	struct fe_function *function = NULL;
	CUresult result;

	if (!name)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_handle_check(type, handle, 0);
	if (!result)
		result = fe_function_get(handle, &function);
	if (!result)
		*name = function->name;
	return result;
}

CUresult fe_cuFuncGetName(const char **name, CUfunction hfunc)
{
	return name_get(name, VG_HANDLE_CUfunction, (uint64_t)hfunc);
}

CUresult fe_cuKernelGetName(const char **name, CUkernel hfunc)
{
	return name_get(name, VG_HANDLE_CUkernel, (uint64_t)hfunc);
}

static CUresult param_get(enum vg_handle_type type, uint64_t handle, size_t index, size_t *offset,
			  size_t *size)
{
	struct fe_function *function = NULL;
	CUresult result;

	if (!offset)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_handle_check(type, handle, 0);
	if (!result)
		result = fe_function_get(handle, &function);
	if (!result && index >= function->count)
		result = CUDA_ERROR_INVALID_VALUE;
	if (result)
		return result;
	*offset = function->params[index].offset;
	if (size)
		*size = function->params[index].size;
	return CUDA_SUCCESS;
}

CUresult fe_cuFuncGetParamInfo(CUfunction func, size_t paramIndex, size_t *paramOffset,
			       size_t *paramSize)
{
	return param_get(VG_HANDLE_CUfunction, (uint64_t)func, paramIndex, paramOffset, paramSize);
}

CUresult fe_cuKernelGetParamInfo(CUkernel kernel, size_t paramIndex, size_t *paramOffset,
				 size_t *paramSize)
{
	return param_get(VG_HANDLE_CUkernel, (uint64_t)kernel, paramIndex, paramOffset, paramSize);
}
