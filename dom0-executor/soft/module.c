/* SPDX-License-Identifier: MIT */
/* Modules: see module.h. Any thread; a module does not change while its handle is valid. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/memory.h"
#include "dom0-executor/soft/module.h"
#include "protocol/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* --- life ------------------------------------------------------------------------------------ */

static void function_destroy(struct soft_object *object)
{
	struct soft_function *function = (struct soft_function *)object;

	object_put(function->module);
	free(function);
}

/* Variables become addresses that copies know; a module's are its device's. */
static CUresult variables_enter(struct soft_context *ctx, struct ptx_module *ptx)
{
	struct ptx_global_info info;
	struct soft_range *range;
	CUresult result = CUDA_SUCCESS;

	for (uint32_t i = 0; i < ptx_module_global_count(ptx) && result == CUDA_SUCCESS; i++) {
		if (ptx_module_global_at(ptx, i, &info) < 0 || !info.size || !info.address)
			continue;
		range = range_new(RANGE_VARIABLE, ctx->device, NULL);
		if (!range)
			return CUDA_ERROR_OUT_OF_MEMORY;
		range->base = (uintptr_t)info.address;
		range->size = info.size;
		range->asked = info.size;
		range->managed = info.is_managed;
		result = range_insert(range);
		if (result != CUDA_SUCCESS)
			range_delete(range);
	}
	return result;
}

static void variables_leave(struct ptx_module *ptx)
{
	struct ptx_global_info info;

	for (uint32_t i = 0; i < ptx_module_global_count(ptx); i++)
		if (ptx_module_global_at(ptx, i, &info) == 0 && info.address)
			range_delete(range_take((uintptr_t)info.address, RANGE_VARIABLE));
}

static void module_destroy(struct soft_object *object)
{
	struct soft_module *module = (struct soft_module *)object;

	if (module->ptx) {
		variables_leave(module->ptx);
		ptx_module_unload(module->ptx);
	}
	free(module->functions);
	free(module);
}

int constant_bytes_of(const struct ptx_module *ptx)
{
	struct ptx_global_info info;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < ptx_module_global_count(ptx); i++)
		if (ptx_module_global_at(ptx, i, &info) == 0 && info.is_const)
			bytes += info.size;
	return (int)bytes; /* of 64 KiB at most */
}

static CUresult function_create(struct soft_module *module, uint32_t index)
{
	struct soft_function *function;
	CUresult result;

	function =
		object_new(SOFT_FUNCTION, sizeof(*function), module->object.ctx, function_destroy);
	if (!function)
		return CUDA_ERROR_OUT_OF_MEMORY;
	function->module = object_ref(module);
	function->kernel = ptx_module_kernel_at(module->ptx, index);
	ptx_kernel_info(function->kernel, &function->info);
	function->settings.constant_bytes = constant_bytes_of(module->ptx);
	atomic_init(&function->settings.carveout, CU_SHAREDMEM_CARVEOUT_DEFAULT);
	result = object_publish(function);
	if (result == CUDA_SUCCESS)
		module->functions[module->function_count++] = object_handle(function);
	return result;
}

void module_unload(struct soft_module *module)
{
	for (uint32_t i = 0; i < module->function_count; i++) {
		void *function auto_put = object_get(SOFT_FUNCTION, module->functions[i]);

		if (function && object_retire(function))
			object_put(function); /* the table's */
	}
	object_put(module); /* the table's */
}

CUresult module_create(struct soft_context *ctx, struct ptx_module *ptx, struct soft_module **out)
{
	uint32_t count = ptx_module_kernel_count(ptx);
	struct soft_module *module;
	CUresult result;

	module = object_new(SOFT_MODULE, sizeof(*module), ctx, module_destroy);
	if (!module) {
		ptx_module_unload(ptx);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	module->ptx = ptx;
	module->functions = calloc(count ? count : 1, sizeof(*module->functions));
	result = module->functions ? variables_enter(ctx, ptx) : CUDA_ERROR_OUT_OF_MEMORY;
	for (uint32_t i = 0; i < count && result == CUDA_SUCCESS; i++)
		result = function_create(module, i);
	if (result != CUDA_SUCCESS) {
		module_unload(module);
		return result;
	}
	result = object_publish(module);
	if (result == CUDA_SUCCESS)
		*out = module;
	return result;
}

/* --- loading --------------------------------------------------------------------------------- */

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static CUresult load(CUmodule *handle, const void *image, size_t limit, unsigned int count,
		     CUjit_option *options, void **values)
{
	struct soft_module *module = NULL;
	struct ptx_module *ptx = NULL;
	struct soft_texts texts = {0};
	double start = now_ms();
	struct soft_jit jit;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!handle || !image)
		return CUDA_ERROR_INVALID_VALUE;
	result = capture_forbids(ctx, NULL);
	if (result == CUDA_SUCCESS)
		result = jit_read(count, options, values, &jit);
	if (result != CUDA_SUCCESS)
		return result;
	result = texts_of_image(image, limit, &texts);
	if (result == CUDA_SUCCESS)
		result = texts_load(ctx->device, &texts, &jit, &ptx);
	if (result == CUDA_SUCCESS)
		result = module_create(ctx, ptx, &module);
	jit_done(&jit, now_ms() - start);
	texts_free(&texts);
	if (result == CUDA_SUCCESS)
		*handle = object_handle(module);
	return result;
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int numOptions,
			    CUjit_option *options, void **optionValues)
{
	return load(module, image, VG_IMAGE_MAX, numOptions, options, optionValues);
}

CUresult cuModuleLoadData(CUmodule *module, const void *image)
{
	return load(module, image, VG_IMAGE_MAX, 0, NULL, NULL);
}

CUresult cuModuleLoadFatBinary(CUmodule *module, const void *fatCubin)
{
	return load(module, fatCubin, VG_IMAGE_MAX, 0, NULL, NULL);
}

CUresult file_read(const char *path, char **bytes, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat status = {0};
	char *memory = NULL;
	size_t done = 0;

	if (fd < 0)
		return CUDA_ERROR_FILE_NOT_FOUND;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
	    (size_t)status.st_size < VG_IMAGE_MAX)
		memory = calloc(1, (size_t)status.st_size + 1);
	while (memory && done < (size_t)status.st_size) {
		ssize_t got = read(fd, memory + done, (size_t)status.st_size - done);

		if (got <= 0)
			break;
		done += (size_t)got;
	}
	close(fd);
	*bytes = memory;
	*size = done + 1; /* with the NUL that a text needs */
	if (!memory && !S_ISREG(status.st_mode))
		return CUDA_ERROR_FILE_NOT_FOUND;
	return memory ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuModuleLoad(CUmodule *module, const char *fname)
{
	char *bytes = NULL;
	size_t size = 0;
	CUresult result;

	ENTER_DRIVER();
	if (!module || !fname || !*fname)
		return CUDA_ERROR_INVALID_VALUE;
	result = file_read(fname, &bytes, &size);
	if (result == CUDA_SUCCESS)
		result = load(module, bytes, size, 0, NULL, NULL);
	free(bytes);
	return result;
}

CUresult cuModuleUnload(CUmodule hmod)
{
	struct soft_module *module auto_put = object_get(SOFT_MODULE, hmod);
	CUresult result;

	ENTER_CONTEXT_OF(ctx, module);
	result = capture_forbids(ctx, NULL);
	if (result != CUDA_SUCCESS)
		return result;
	if (atomic_load(&module->of_library) || !object_retire(module))
		return CUDA_ERROR_INVALID_HANDLE;
	context_synchronize(module->object.ctx);
	module_unload(module);
	return CUDA_SUCCESS;
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *mode)
{
	const char *wanted = getenv("CUDA_MODULE_LOADING");

	ENTER_DRIVER();
	if (!mode)
		return CUDA_ERROR_INVALID_VALUE;
	*mode = wanted && strcmp(wanted, "EAGER") == 0 ? CU_MODULE_EAGER_LOADING
						       : CU_MODULE_LAZY_LOADING;
	return CUDA_SUCCESS;
}

/* --- contents -------------------------------------------------------------------------------- */

CUresult cuModuleGetFunction(CUfunction *hfunc, CUmodule hmod, const char *name)
{
	struct soft_module *module auto_put = object_get(SOFT_MODULE, hmod);
	struct ptx_kernel *kernel;

	ENTER_DRIVER();
	if (!hfunc || !name)
		return CUDA_ERROR_INVALID_VALUE;
	if (!module)
		return CUDA_ERROR_INVALID_HANDLE;
	kernel = ptx_module_kernel(module->ptx, name);
	for (uint32_t i = 0; kernel && i < module->function_count; i++) {
		if (ptx_module_kernel_at(module->ptx, i) == kernel) {
			*hfunc = module->functions[i];
			return CUDA_SUCCESS;
		}
	}
	return CUDA_ERROR_NOT_FOUND;
}

CUresult cuModuleGetFunctionCount(unsigned int *count, CUmodule mod)
{
	struct soft_module *module auto_put = object_get(SOFT_MODULE, mod);

	ENTER_DRIVER();
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	if (!module)
		return CUDA_ERROR_INVALID_HANDLE;
	*count = module->function_count;
	return CUDA_SUCCESS;
}

CUresult cuModuleEnumerateFunctions(CUfunction *functions, unsigned int numFunctions, CUmodule mod)
{
	struct soft_module *module auto_put = object_get(SOFT_MODULE, mod);

	ENTER_DRIVER();
	if (!functions || !numFunctions)
		return CUDA_ERROR_INVALID_VALUE;
	if (!module)
		return CUDA_ERROR_INVALID_HANDLE;
	for (uint32_t i = 0; i < numFunctions && i < module->function_count; i++)
		functions[i] = module->functions[i];
	return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *dptr, size_t *bytes, CUmodule hmod, const char *name)
{
	struct soft_module *module auto_put = object_get(SOFT_MODULE, hmod);
	struct ptx_global_info info;

	ENTER_DRIVER();
	if (!name || (!dptr && !bytes))
		return CUDA_ERROR_INVALID_VALUE;
	if (!module)
		return CUDA_ERROR_INVALID_HANDLE;
	if (ptx_module_global(module->ptx, name, &info) < 0)
		return CUDA_ERROR_NOT_FOUND;
	if (dptr)
		*dptr = (uintptr_t)info.address;
	if (bytes)
		*bytes = info.size;
	return CUDA_SUCCESS;
}
