/* SPDX-License-Identifier: MIT */
/*
 * Modules and libraries. An image is copied as a whole and must say its own size, within what came:
 * the driver is given a pointer only and would read on. Runs in lanes' threads.
 */
#include <string.h>

#include "protocol/image.h"
#include "protocol/wire.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/jit.h"
#include "dom0-executor/lane.h"

/* What a driver takes for several fatbins at once (protocol/image.h), here always with a list. */
struct wrapper {
	uint32_t magic, version;
	const void *first;
	const void **more; /* NULL at its end */
};

#define WRAPPER_MAGIC 0x466243b1u

/* The fatbin at `at` of what came, and where the next one begins; NULL: there is none that fits. */
static const void *part_take(const uint8_t *bytes, size_t size, size_t *at)
{
	const uint8_t *part = bytes + *at;
	enum vg_image_kind kind;
	size_t found;

	if (*at >= size || vg_image_size(part, size - *at, &found, &kind) ||
	    kind != VG_IMAGE_FATBIN)
		return NULL;
	*at += vg_pad8(found);
	return part;
}

/* Several fatbins, each at a multiple of 8, as the parts of a wrapper of the guest's. */
static CUresult parts_take(struct ex_call *call, const uint8_t *bytes, size_t size,
			   const void **image)
{
	struct wrapper *wrapper = ex_scratch(call, 1, sizeof(*wrapper));
	size_t count = 0, at = 0;

	while (count <= VG_IMAGE_PARTS_MAX && part_take(bytes, size, &at))
		count++;
	if (!count || at < size || count > VG_IMAGE_PARTS_MAX)
		return CUDA_ERROR_INVALID_IMAGE;
	if (wrapper)
		wrapper->more = ex_scratch(call, count, sizeof(*wrapper->more));
	if (!wrapper || !wrapper->more)
		return CUDA_ERROR_OUT_OF_MEMORY;
	at = 0;
	wrapper->magic = WRAPPER_MAGIC;
	wrapper->version = 2;
	wrapper->first = part_take(bytes, size, &at);
	for (size_t i = 0; i + 1 < count; i++)
		wrapper->more[i] = part_take(bytes, size, &at);
	*image = wrapper;
	return CUDA_SUCCESS;
}

static CUresult image_take(struct ex_call *call, size_t size, const void **image)
{
	enum vg_image_kind kind;
	size_t found;

	*image = ex_bulk_whole(call);
	if (!*image)
		return CUDA_ERROR_OUT_OF_MEMORY;
	/* There is one NUL byte behind it, for a text that came without its own. */
	if (vg_image_size(*image, size + 1, &found, &kind))
		return CUDA_ERROR_INVALID_IMAGE;
	if (kind == VG_IMAGE_FATBIN && found > size)
		return CUDA_ERROR_INVALID_IMAGE;
	if (kind == VG_IMAGE_FATBIN && vg_pad8(found) < size)
		return parts_take(call, *image, size, image);
	return CUDA_SUCCESS;
}

/*
 * A module or library has been made of an image of that size: pay for it, or have it undone by `unload`,
 * which the driver may lack.
 */
static CUresult image_pay(struct ex_call *call, enum vg_handle_type type, void *real, size_t size,
			  CUresult (*unload)(void *real))
{
	struct ex_charge *charge;
	CUresult result = ex_charge_made(call->session, call->lane->gpu, size, &charge);

	if (!result && charge && !ex_charge_bind(call, type, real, charge)) {
		ex_charge_drop(call->session, charge);
		result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (!result)
		return CUDA_SUCCESS;
	unload(real);
	ex_usage_look(call->session, call->lane->gpu);
	return result;
}

static CUresult module_unload(void *module)
{
	return ex_driver.cuModuleUnload ? ex_driver.cuModuleUnload(module)
					: CUDA_ERROR_NOT_SUPPORTED;
}

static CUresult library_unload(void *library)
{
	return ex_driver.cuLibraryUnload ? ex_driver.cuLibraryUnload(library)
					 : CUDA_ERROR_NOT_SUPPORTED;
}

CUresult ex_vgModuleLoad(struct ex_call *call, CUmodule *module, size_t size, unsigned int count,
			 const CUjit_option *options, const uint64_t *values, size_t info_room,
			 size_t error_room, void *info, void *error, uint64_t *results)
{
	const struct ex_jit_logs logs = {info, error, info_room, error_room};
	const void *image;
	struct ex_jit jit;
	CUresult result;

	if (!ex_driver.cuModuleLoadDataEx)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_jit_read(call, count, options, values, &logs, &jit);
	if (!result)
		result = image_take(call, size, &image);
	if (result)
		return result;
	result = ex_driver.cuModuleLoadDataEx(module, image, jit.count, jit.options, jit.values);
	ex_jit_results(&jit, values, count, results);
	if (!result)
		result = image_pay(call, VG_HANDLE_CUmodule, *module, size, module_unload);
	if (result)
		*module = NULL;
	return result;
}

/*
 * Of the two library options one is a table of the program's own functions, which cannot be called from
 * here, and one promises that the image stays where it is, which ours does not.
 */
static CUresult library_options_check(unsigned int count, const CUlibraryOption *options)
{
	for (unsigned int i = 0; i < count; i++)
		if (options[i] != CU_LIBRARY_BINARY_IS_PRESERVED)
			return CUDA_ERROR_NOT_SUPPORTED;
	return CUDA_SUCCESS;
}

CUresult ex_vgLibraryLoad(struct ex_call *call, CUlibrary *library, size_t size, unsigned int count,
			  const CUjit_option *options, const uint64_t *values, size_t info_room,
			  size_t error_room, unsigned int lib_count,
			  const CUlibraryOption *lib_options, const uint64_t *lib_values,
			  void *info, void *error, uint64_t *results)
{
	const struct ex_jit_logs logs = {info, error, info_room, error_room};
	const void *image;
	struct ex_jit jit;
	CUresult result;

	(void)lib_values;
	if (!ex_driver.cuLibraryLoadData)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = library_options_check(lib_count, lib_options);
	if (!result)
		result = ex_jit_read(call, count, options, values, &logs, &jit);
	if (!result)
		result = image_take(call, size, &image);
	if (result)
		return result;
	result = ex_driver.cuLibraryLoadData(library, image, jit.options, jit.values, jit.count,
					     NULL, NULL, 0);
	ex_jit_results(&jit, values, count, results);
	if (!result)
		result = image_pay(call, VG_HANDLE_CUlibrary, *library, size, library_unload);
	if (result)
		*library = NULL;
	return result;
}

/*
 * The guest has the code of a library's PTX in another one, and lets the first go: nothing has come of that
 * yet, so the two can be exchanged.
 */
CUresult ex_vgLibrarySwap(struct ex_call *call, uint64_t library, uint64_t other)
{
	return ex_handles_swap(&call->session->handles, VG_HANDLE_CUlibrary, library, other)
		       ? CUDA_SUCCESS
		       : CUDA_ERROR_INVALID_HANDLE;
}

/* A variable of a module or library becomes memory that the guest may name, until that goes. */
static CUresult global_add(struct ex_call *call, CUdeviceptr address, size_t bytes, uint64_t owner)
{
	struct ex_span span = {
		.start = address, .size = bytes, .owner = owner, .kind = EX_RANGE_GLOBAL};

	if (!bytes)
		return CUDA_SUCCESS;
	return ex_ranges_add(&call->session->ranges, &span) ? CUDA_ERROR_OUT_OF_MEMORY
							    : CUDA_SUCCESS;
}

CUresult ex_cuModuleGetGlobal_v2(struct ex_call *call, CUdeviceptr *dptr, size_t *bytes,
				 CUmodule hmod, const char *name)
{
	CUdeviceptr address = 0;
	size_t size = 0;
	CUresult result;

	if (!ex_driver.cuModuleGetGlobal_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuModuleGetGlobal_v2(&address, &size, hmod, name);
	if (result)
		return result;
	if (dptr)
		*dptr = address;
	if (bytes)
		*bytes = size;
	return global_add(call, address, size,
			  ex_handles_find(&call->session->handles, VG_HANDLE_CUmodule, hmod));
}

static CUresult library_variable(struct ex_call *call, CUlibrary library, CUresult result,
				 CUdeviceptr address, size_t size, CUdeviceptr *dptr, size_t *bytes)
{
	if (result)
		return result;
	if (dptr)
		*dptr = address;
	if (bytes)
		*bytes = size;
	return global_add(call, address, size,
			  ex_handles_find(&call->session->handles, VG_HANDLE_CUlibrary, library));
}

CUresult ex_cuLibraryGetGlobal(struct ex_call *call, CUdeviceptr *dptr, size_t *bytes,
			       CUlibrary library, const char *name)
{
	CUdeviceptr address = 0;
	size_t size = 0;
	CUresult result;

	if (!ex_driver.cuLibraryGetGlobal)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuLibraryGetGlobal(&address, &size, library, name);
	return library_variable(call, library, result, address, size, dptr, bytes);
}

CUresult ex_cuLibraryGetManaged(struct ex_call *call, CUdeviceptr *dptr, size_t *bytes,
				CUlibrary library, const char *name)
{
	CUdeviceptr address = 0;
	size_t size = 0;
	CUresult result;

	if (!ex_driver.cuLibraryGetManaged)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuLibraryGetManaged(&address, &size, library, name);
	return library_variable(call, library, result, address, size, dptr, bytes);
}

/* Where there is such a function its address is of no use to the guest. */
CUresult ex_vgLibraryUnified(struct ex_call *call, CUlibrary library, const char *symbol)
{
	void *address = NULL;
	CUresult result;

	(void)call;
	if (!ex_driver.cuLibraryGetUnifiedFunction)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuLibraryGetUnifiedFunction(&address, library, symbol);
	return result ? result : CUDA_ERROR_NOT_SUPPORTED;
}
