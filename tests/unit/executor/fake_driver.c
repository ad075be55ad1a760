/* SPDX-License-Identifier: MIT */
/* See fake_driver.h. Functions that have no fake of their own only count and answer. */
#include "tests/unit/executor/fake_driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0-executor/calls.h"

#define OBJECTS_MAX 8192
#define ALLOC_MAX   (256u * 1024)

static struct object {
	void *memory;
	int type; /* enum vg_handle_type; 0: device memory; -1: reserved addresses */
	size_t size;
} objects[OBJECTS_MAX];
static unsigned int objects_count;
static unsigned long calls;
static unsigned int fails;

static volatile unsigned char sink;

static CUresult answer(void)
{
	calls++;
	return fails && calls % fails == 0 ? CUDA_ERROR_UNKNOWN : CUDA_SUCCESS;
}

static CUresult any(void)
{
	return answer();
}

static void *object_new(int type, size_t size)
{
	void *memory;

	if (objects_count == OBJECTS_MAX)
		return NULL;
	memory = calloc(1, size ? size : 1);
	if (memory)
		objects[objects_count++] = (struct object){memory, type, size};
	return memory;
}

static struct object *object_find(const void *memory, int type)
{
	for (unsigned int i = 0; i < objects_count; i++)
		if (objects[i].memory == memory && objects[i].type == type)
			return &objects[i];
	return NULL;
}

static void object_check(const void *memory, int type)
{
	if (type == VG_HANDLE_CUstream && (uintptr_t)memory <= 2)
		return;
	if (object_find(memory, type))
		return;
	fprintf(stderr, "the driver was given %p for a handle of type %d\n", memory, type);
	abort();
}

static void object_delete(const void *memory, int type)
{
	struct object *object;

	object_check(memory, type);
	object = object_find(memory, type);
	if (!object)
		return;
	free(object->memory);
	*object = objects[--objects_count];
}

static CUresult object_make(void *out, int type)
{
	CUresult result = answer();
	void *made;

	if (result)
		return result;
	made = object_new(type, 16);
	memcpy(out, &made, sizeof(made));
	return made ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static void *host(CUdeviceptr address)
{
	return (void *)(uintptr_t)address;
}

static void touch(const void *bytes, size_t n)
{
	const unsigned char *at = bytes;

	for (size_t i = 0; i < n; i += i + 64 < n ? 64 : 1)
		sink = at[i];
}

/* --- devices and contexts ----------------------------------------------------------------------- */

static void *primary;

static CUresult fake_primary_retain(CUcontext *context, CUdevice dev)
{
	if (dev != 0)
		return CUDA_ERROR_INVALID_DEVICE;
	if (!primary)
		primary = object_new(VG_HANDLE_CUcontext, 16);
	*context = primary;
	return primary ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult fake_set_current(CUcontext context)
{
	if (context)
		object_check(context, VG_HANDLE_CUcontext);
	return answer();
}

static CUresult fake_get_current(CUcontext *context)
{
	*context = NULL;
	return CUDA_SUCCESS;
}

static CUresult fake_device_count(int *count)
{
	*count = 1;
	return CUDA_SUCCESS;
}

static CUresult fake_device_name(char *name, int len, CUdevice dev)
{
	snprintf(name, (size_t)len, "fake");
	return dev ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

static CUresult fake_context_create(CUcontext *context, unsigned int flags, CUdevice dev)
{
	(void)flags;
	return dev ? CUDA_ERROR_INVALID_DEVICE : object_make(context, VG_HANDLE_CUcontext);
}

static CUresult fake_context_destroy(CUcontext context)
{
	object_delete(context, VG_HANDLE_CUcontext);
	if (context == primary)
		primary = NULL;
	return CUDA_SUCCESS;
}

/* --- streams, events, modules ------------------------------------------------------------------- */

static CUresult fake_stream_create(CUstream *stream, unsigned int flags)
{
	(void)flags;
	return object_make(stream, VG_HANDLE_CUstream);
}

static CUresult fake_stream_destroy(CUstream stream)
{
	object_delete(stream, VG_HANDLE_CUstream);
	return CUDA_SUCCESS;
}

static CUresult fake_stream_use(CUstream stream)
{
	object_check(stream, VG_HANDLE_CUstream);
	return answer();
}

static CUresult fake_event_create(CUevent *event, unsigned int flags)
{
	(void)flags;
	return object_make(event, VG_HANDLE_CUevent);
}

static CUresult fake_event_destroy(CUevent event)
{
	object_delete(event, VG_HANDLE_CUevent);
	return CUDA_SUCCESS;
}

static CUresult fake_event_record(CUevent event, CUstream stream)
{
	object_check(event, VG_HANDLE_CUevent);
	object_check(stream, VG_HANDLE_CUstream);
	return answer();
}

/* NOLINTBEGIN(readability-non-const-parameter): the driver's signatures */
static CUresult fake_module_load(CUmodule *module, const void *image, unsigned int count,
				 CUjit_option *options, void **values)
{
	touch(image, 4);
	for (unsigned int i = 0; i < count; i++)
		if (options[i] == CU_JIT_INFO_LOG_BUFFER || options[i] == CU_JIT_ERROR_LOG_BUFFER)
			memcpy(values[i], "x", 2);
	return object_make(module, VG_HANDLE_CUmodule);
}

static CUresult fake_module_unload(CUmodule module)
{
	object_delete(module, VG_HANDLE_CUmodule);
	return CUDA_SUCCESS;
}

static CUresult fake_module_function(CUfunction *function, CUmodule module, const char *name)
{
	object_check(module, VG_HANDLE_CUmodule);
	touch(name, strlen(name) + 1);
	return object_make(function, VG_HANDLE_CUfunction);
}

static CUresult fake_module_global(CUdeviceptr *address, size_t *size, CUmodule module,
				   const char *name)
{
	struct object *object = object_find(module, VG_HANDLE_CUmodule);

	object_check(module, VG_HANDLE_CUmodule);
	touch(name, strlen(name) + 1);
	*address = (uintptr_t)object->memory;
	*size = object->size;
	return answer();
}

static CUresult fake_launch(CUfunction f, unsigned int gx, unsigned int gy, unsigned int gz,
			    unsigned int bx, unsigned int by, unsigned int bz, unsigned int shared,
			    CUstream stream, void **params, void **extra)
{
	(void)gx, (void)gy, (void)gz, (void)bx, (void)by, (void)bz, (void)shared, (void)params;
	object_check(f, VG_HANDLE_CUfunction);
	object_check(stream, VG_HANDLE_CUstream);
	if (extra)
		touch(extra[1], *(size_t *)extra[3]);
	return answer();
}

/* --- links -------------------------------------------------------------------------------------- */

static char link_image[1000];

static CUresult fake_link_create(unsigned int count, CUjit_option *options, void **values,
				 CUlinkState *state)
{
	(void)count, (void)options, (void)values;
	return object_make(state, VG_HANDLE_CUlinkState);
}

static CUresult fake_link_add(CUlinkState state, CUjitInputType type, void *data, size_t size,
			      const char *name, unsigned int count, CUjit_option *options,
			      void **values)
{
	(void)type, (void)count, (void)options, (void)values;
	object_check(state, VG_HANDLE_CUlinkState);
	touch(data, size);
	touch(name, strlen(name) + 1);
	return answer();
}

/* NOLINTEND(readability-non-const-parameter) */

static CUresult fake_link_complete(CUlinkState state, void **image, size_t *size)
{
	object_check(state, VG_HANDLE_CUlinkState);
	*image = link_image;
	*size = sizeof(link_image);
	return answer();
}

static CUresult fake_link_destroy(CUlinkState state)
{
	object_delete(state, VG_HANDLE_CUlinkState);
	return CUDA_SUCCESS;
}

/* --- memory ------------------------------------------------------------------------------------- */

static CUresult fake_alloc(CUdeviceptr *address, size_t size)
{
	void *memory;
	CUresult result = answer();

	if (result || !size || size > ALLOC_MAX)
		return result ? result : CUDA_ERROR_OUT_OF_MEMORY;
	memory = object_new(0, size);
	*address = (uintptr_t)memory;
	return memory ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult fake_alloc_pitch(CUdeviceptr *address, size_t *pitch, size_t width, size_t height,
				 unsigned int element)
{
	(void)element;
	*pitch = (width + 63) & ~(size_t)63;
	if (width > ALLOC_MAX || height > ALLOC_MAX)
		return CUDA_ERROR_OUT_OF_MEMORY;
	return fake_alloc(address, *pitch * height);
}

static CUresult fake_alloc_managed(CUdeviceptr *address, size_t size, unsigned int flags)
{
	(void)flags;
	return fake_alloc(address, size);
}

static CUresult fake_alloc_async(CUdeviceptr *address, size_t size, CUstream stream)
{
	object_check(stream, VG_HANDLE_CUstream);
	return fake_alloc(address, size);
}

static CUresult fake_free(CUdeviceptr address)
{
	object_delete(host(address), 0);
	return CUDA_SUCCESS;
}

static CUresult fake_free_async(CUdeviceptr address, CUstream stream)
{
	object_check(stream, VG_HANDLE_CUstream);
	return fake_free(address);
}

static CUresult fake_htod(CUdeviceptr dst, const void *src, size_t size)
{
	memcpy(host(dst), src, size);
	return answer();
}

static CUresult fake_htod_async(CUdeviceptr dst, const void *src, size_t size, CUstream stream)
{
	object_check(stream, VG_HANDLE_CUstream);
	return fake_htod(dst, src, size);
}

static CUresult fake_dtoh(void *dst, CUdeviceptr src, size_t size)
{
	memcpy(dst, host(src), size);
	return answer();
}

static CUresult fake_dtoh_async(void *dst, CUdeviceptr src, size_t size, CUstream stream)
{
	object_check(stream, VG_HANDLE_CUstream);
	return fake_dtoh(dst, src, size);
}

static CUresult fake_copy(CUdeviceptr dst, CUdeviceptr src, size_t size)
{
	if (size)
		memmove(host(dst), host(src), size);
	return answer();
}

static CUresult fake_copy_async(CUdeviceptr dst, CUdeviceptr src, size_t size, CUstream stream)
{
	object_check(stream, VG_HANDLE_CUstream);
	return fake_copy(dst, src, size);
}

static char *row_of(CUmemorytype type, const void *memory, CUdeviceptr device, size_t x, size_t y,
		    size_t z, size_t pitch, size_t height)
{
	char *base = type == CU_MEMORYTYPE_HOST ? (char *)memory : host(device);

	return type == CU_MEMORYTYPE_ARRAY ? NULL : base + x + (z * height + y) * pitch;
}

static CUresult fake_copy_box(const CUDA_MEMCPY3D *c)
{
	for (size_t z = 0; z < c->Depth; z++) {
		for (size_t y = 0; y < c->Height; y++) {
			const char *src = row_of(c->srcMemoryType, c->srcHost, c->srcDevice,
						 c->srcXInBytes, c->srcY + y, c->srcZ + z,
						 c->srcPitch, c->srcHeight);
			char *dst = row_of(c->dstMemoryType, c->dstHost, c->dstDevice,
					   c->dstXInBytes, c->dstY + y, c->dstZ + z, c->dstPitch,
					   c->dstHeight);

			if (!src || !dst)
				return CUDA_ERROR_INVALID_VALUE;
			memmove(dst, src, c->WidthInBytes);
		}
	}
	return answer();
}

static CUresult fake_copy_box_async(const CUDA_MEMCPY3D *c, CUstream stream)
{
	object_check(stream, VG_HANDLE_CUstream);
	return fake_copy_box(c);
}

static CUresult fake_fill(CUdeviceptr dst, unsigned char value, size_t n)
{
	if (n)
		memset(host(dst), value, n);
	return answer();
}

static CUresult fake_fill_rows(CUdeviceptr dst, size_t pitch, unsigned char value, size_t width,
			       size_t height)
{
	if (pitch < width)
		return CUDA_ERROR_INVALID_VALUE;
	for (size_t y = 0; y < height && width; y++)
		memset((char *)host(dst) + y * pitch, value, width);
	return answer();
}

static CUresult fake_register(void *memory, size_t size, unsigned int flags)
{
	(void)flags;
	touch(memory, size);
	return answer();
}

static CUresult fake_reserve(CUdeviceptr *address, size_t size, size_t alignment, CUdeviceptr hint,
			     unsigned long long flags)
{
	void *memory;

	(void)alignment, (void)hint, (void)flags;
	if (!size || size > ALLOC_MAX)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memory = object_new(-1, size);
	*address = (uintptr_t)memory;
	return memory ? answer() : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult fake_unreserve(CUdeviceptr address, size_t size)
{
	(void)size;
	object_delete(host(address), -1);
	return CUDA_SUCCESS;
}

static CUresult fake_physical(CUmemGenericAllocationHandle *handle, size_t size,
			      const CUmemAllocationProp *prop, unsigned long long flags)
{
	(void)flags;
	if (prop->win32HandleMetaData || size > ALLOC_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	return object_make(handle, VG_HANDLE_CUmemGenericAllocationHandle);
}

static CUresult fake_physical_release(CUmemGenericAllocationHandle handle)
{
	object_delete(host(handle), VG_HANDLE_CUmemGenericAllocationHandle);
	return CUDA_SUCCESS;
}

static CUresult fake_pointer_attribute(void *data, CUpointer_attribute attribute, CUdeviceptr ptr)
{
	(void)attribute;
	memset(data, 0, 16);
	touch(host(ptr), 1);
	return answer();
}

/* ------------------------------------------------------------------------------------------------- */

static void install_objects(void)
{
	ex_driver.cuDevicePrimaryCtxRetain = fake_primary_retain;
	ex_driver.cuCtxSetCurrent = fake_set_current;
	ex_driver.cuCtxGetCurrent = fake_get_current;
	ex_driver.cuCtxCreate_v2 = fake_context_create;
	ex_driver.cuCtxCreate_v4 = NULL;
	ex_driver.cuCtxDestroy_v2 = fake_context_destroy;
	ex_driver.cuDeviceGetCount = fake_device_count;
	ex_driver.cuDeviceGetName = fake_device_name;
	ex_driver.cuStreamCreate = fake_stream_create;
	ex_driver.cuStreamDestroy_v2 = fake_stream_destroy;
	ex_driver.cuStreamSynchronize = fake_stream_use;
	ex_driver.cuStreamQuery = fake_stream_use;
	ex_driver.cuEventCreate = fake_event_create;
	ex_driver.cuEventDestroy_v2 = fake_event_destroy;
	ex_driver.cuEventRecord = fake_event_record;
	ex_driver.cuModuleLoadDataEx = fake_module_load;
	ex_driver.cuModuleUnload = fake_module_unload;
	ex_driver.cuModuleGetFunction = fake_module_function;
	ex_driver.cuModuleGetGlobal_v2 = fake_module_global;
	ex_driver.cuLaunchKernel = fake_launch;
	ex_driver.cuLinkCreate_v2 = fake_link_create;
	ex_driver.cuLinkAddData_v2 = fake_link_add;
	ex_driver.cuLinkComplete = fake_link_complete;
	ex_driver.cuLinkDestroy = fake_link_destroy;
}

static void install_memory(void)
{
	ex_driver.cuMemAlloc_v2 = fake_alloc;
	ex_driver.cuMemAllocManaged = fake_alloc_managed;
	ex_driver.cuMemAllocPitch_v2 = fake_alloc_pitch;
	ex_driver.cuMemAllocAsync = fake_alloc_async;
	ex_driver.cuMemAllocFromPoolAsync = NULL;
	ex_driver.cuMemFree_v2 = fake_free;
	ex_driver.cuMemFreeAsync = fake_free_async;
	ex_driver.cuMemcpyHtoD_v2 = ex_driver.cuMemcpyHtoD_v2_ptds = fake_htod;
	ex_driver.cuMemcpyHtoDAsync_v2 = fake_htod_async;
	ex_driver.cuMemcpyDtoH_v2 = ex_driver.cuMemcpyDtoH_v2_ptds = fake_dtoh;
	ex_driver.cuMemcpyDtoHAsync_v2 = fake_dtoh_async;
	ex_driver.cuMemcpy = ex_driver.cuMemcpy_ptds = fake_copy;
	ex_driver.cuMemcpyAsync = fake_copy_async;
	ex_driver.cuMemcpy3D_v2 = ex_driver.cuMemcpy3D_v2_ptds = fake_copy_box;
	ex_driver.cuMemcpy3DAsync_v2 = fake_copy_box_async;
	ex_driver.cuMemsetD8_v2 = ex_driver.cuMemsetD8_v2_ptds = fake_fill;
	ex_driver.cuMemsetD2D8_v2 = ex_driver.cuMemsetD2D8_v2_ptds = fake_fill_rows;
	ex_driver.cuMemHostRegister_v2 = fake_register;
	ex_driver.cuMemAddressReserve = fake_reserve;
	ex_driver.cuMemAddressFree = fake_unreserve;
	ex_driver.cuMemCreate = fake_physical;
	ex_driver.cuMemRelease = fake_physical_release;
	ex_driver.cuMemRetainAllocationHandle = NULL;
	ex_driver.cuPointerGetAttribute = fake_pointer_attribute;
	ex_driver.cuTensorMapEncodeTiled = NULL;
}

void fake_driver_install(unsigned int failing)
{
	fails = failing;
	for (unsigned int i = 0; i < ex_driver_symbols_count; i++) {
		CUresult (*function)(void) = any;

		memcpy(ex_driver_symbols[i].slot, &function, sizeof(function));
	}
	install_objects();
	install_memory();
}

void fake_driver_reset(void)
{
	while (objects_count)
		free(objects[--objects_count].memory);
	primary = NULL;
	calls = 0;
}

unsigned long fake_driver_calls(void)
{
	return calls;
}

uint64_t fake_driver_address(unsigned int which)
{
	for (unsigned int i = 0; i < objects_count; i++) {
		const struct object *object = &objects[(i + which) % objects_count];

		if (object->type <= 0)
			return (uintptr_t)object->memory;
	}
	return 0;
}
