/* SPDX-License-Identifier: MIT */
/*
 * Libraries belong to no context: a context that uses one of its kernels or variables gets a module
 * of its own from the library's texts. Any thread; a library's lock guards its list of modules.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/module.h"
#include "protocol/image.h"

#include <stdlib.h>
#include <string.h>

/* --- life ------------------------------------------------------------------------------------ */

static void kernel_destroy(struct soft_object *object)
{
	struct soft_kernel *kernel = (struct soft_kernel *)object;

	object_put(kernel->library);
	free(kernel->name);
	free((void *)(uintptr_t)kernel->info.params);
	free(kernel);
}

static void library_destroy(struct soft_object *object)
{
	struct soft_library *library = (struct soft_library *)object;

	ptx_module_unload(library->first);
	texts_free(&library->texts);
	pthread_mutex_destroy(&library->lock);
	free(library->kernels);
	free(library->instances);
	free(library);
}

/* What the kernel is, as a copy: the engine's module may go with its context. */
static bool kernel_describe(struct soft_kernel *kernel, const struct ptx_kernel_info *info)
{
	size_t bytes = (info->param_count ? info->param_count : 1) * sizeof(*info->params);
	struct ptx_param_info *params = malloc(bytes);

	kernel->name = strdup(info->name);
	kernel->info = *info;
	kernel->info.name = kernel->name;
	kernel->info.params = params;
	if (params && info->param_count)
		memcpy(params, info->params, info->param_count * sizeof(*params));
	return params && kernel->name;
}

static CUresult kernel_create(struct soft_library *library, uint32_t index)
{
	struct soft_kernel *kernel = object_new(SOFT_KERNEL, sizeof(*kernel), NULL, kernel_destroy);
	struct ptx_kernel_info info;
	CUresult result;

	if (!kernel)
		return CUDA_ERROR_OUT_OF_MEMORY;
	kernel->library = object_ref(library);
	kernel->index = index;
	kernel->settings.constant_bytes = constant_bytes_of(library->first);
	atomic_init(&kernel->settings.carveout, CU_SHAREDMEM_CARVEOUT_DEFAULT);
	ptx_kernel_info(ptx_module_kernel_at(library->first, index), &info);
	if (!kernel_describe(kernel, &info)) {
		object_put(kernel);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	result = object_publish(kernel);
	if (result == CUDA_SUCCESS)
		library->kernels[library->kernel_count++] = object_handle(kernel);
	return result;
}

/* The kernels' handles go; modules in contexts go too. */
static void library_unload(struct soft_library *library)
{
	for (uint32_t i = 0; i < library->kernel_count; i++) {
		void *kernel auto_put = object_get(SOFT_KERNEL, library->kernels[i]);

		if (kernel && object_retire(kernel))
			object_put(kernel); /* the table's */
	}
	for (size_t i = 0; i < library->instance_count; i++) {
		struct soft_module *module auto_put =
			object_get(SOFT_MODULE, library->instances[i]);

		if (module && object_retire(module))
			module_unload(module);
	}
	object_put(library); /* the table's */
}

static CUresult library_create(struct soft_texts *texts, struct soft_jit *jit,
			       struct soft_library **out)
{
	struct soft_library *library =
		object_new(SOFT_LIBRARY, sizeof(*library), NULL, library_destroy);
	CUresult result;
	uint32_t count;

	if (!library)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_init(&library->lock, NULL);
	library->texts = *texts; /* taken over */
	*texts = (struct soft_texts){0};
	result = texts_load(device_of(0), &library->texts, jit, &library->first);
	count = result == CUDA_SUCCESS ? ptx_module_kernel_count(library->first) : 0;
	library->kernels = calloc(count ? count : 1, sizeof(*library->kernels));
	if (!library->kernels)
		result = CUDA_ERROR_OUT_OF_MEMORY;
	for (uint32_t i = 0; i < count && result == CUDA_SUCCESS; i++)
		result = kernel_create(library, i);
	if (result != CUDA_SUCCESS) {
		library_unload(library);
		return result;
	}
	result = object_publish(library);
	*out = library;
	return result;
}

/* --- modules of contexts --------------------------------------------------------------------- */

/* The module of a context that is still valid, with a reference. The lock is held. */
static struct soft_module *instance_find(struct soft_library *library, struct soft_context *ctx)
{
	for (size_t i = 0; i < library->instance_count; i++) {
		struct soft_module *module = object_get(SOFT_MODULE, library->instances[i]);

		if (module && module->object.ctx == ctx)
			return module;
		object_put(module);
	}
	return NULL;
}

/* A place in the list: that of a module that is gone, or a new one. The lock is held. */
static CUmodule *instance_place(struct soft_library *library)
{
	CUmodule *grown;

	for (size_t i = 0; i < library->instance_count; i++) {
		void *module auto_put = object_get(SOFT_MODULE, library->instances[i]);

		if (!module)
			return &library->instances[i];
	}
	grown = realloc(library->instances, (library->instance_count + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	library->instances = grown;
	return &grown[library->instance_count++];
}

static CUresult instance_make(struct soft_library *library, struct soft_context *ctx,
			      struct soft_module **module)
{
	struct soft_jit jit = {.options = {.opt_level = 1}};
	CUmodule *place = instance_place(library);
	struct ptx_module *ptx = NULL;
	CUresult result = CUDA_SUCCESS;

	if (!place)
		return CUDA_ERROR_OUT_OF_MEMORY;
	*place = NULL;
	if (ctx->device->ordinal == 0 && library->first) {
		ptx = library->first;
		library->first = NULL;
	} else {
		result = texts_load(ctx->device, &library->texts, &jit, &ptx);
	}
	if (result == CUDA_SUCCESS)
		result = module_create(ctx, ptx, module);
	if (result != CUDA_SUCCESS)
		return result;
	atomic_store(&(*module)->of_library, true);
	*place = object_handle(*module);
	object_ref(*module);
	return CUDA_SUCCESS;
}

static CUresult library_module(struct soft_library *library, struct soft_context *ctx,
			       struct soft_module **module)
{
	CUresult result = CUDA_SUCCESS;

	pthread_mutex_lock(&library->lock);
	*module = instance_find(library, ctx);
	if (!*module)
		result = instance_make(library, ctx, module);
	pthread_mutex_unlock(&library->lock);
	return result;
}

static void settings_copy(struct soft_function_settings *to, struct soft_function_settings *from)
{
	atomic_store(&to->max_dynamic_shared, atomic_load(&from->max_dynamic_shared));
	atomic_store(&to->carveout, atomic_load(&from->carveout));
	atomic_store(&to->cache_config, atomic_load(&from->cache_config));
}

CUresult kernel_function(struct soft_kernel *kernel, struct soft_context *ctx,
			 struct soft_function **function)
{
	struct soft_module *module auto_put = NULL;
	CUresult result = library_module(kernel->library, ctx, &module);

	if (result != CUDA_SUCCESS)
		return result;
	*function = object_get(SOFT_FUNCTION, module->functions[kernel->index]);
	if (!*function)
		return CUDA_ERROR_INVALID_HANDLE; /* the library is going */
	if (!atomic_exchange(&(*function)->of_kernel, true))
		settings_copy(&(*function)->settings, &kernel->settings);
	return CUDA_SUCCESS;
}

/* What was set on a kernel holds for its functions in all contexts. */
static void kernel_push_settings(struct soft_kernel *kernel)
{
	struct soft_library *library = kernel->library;

	pthread_mutex_lock(&library->lock);
	for (size_t i = 0; i < library->instance_count; i++) {
		struct soft_module *module auto_put =
			object_get(SOFT_MODULE, library->instances[i]);
		struct soft_function *function auto_put =
			module ? object_get(SOFT_FUNCTION, module->functions[kernel->index]) : NULL;

		if (function)
			settings_copy(&function->settings, &kernel->settings);
	}
	pthread_mutex_unlock(&library->lock);
}

/* --- the calls of libraries ------------------------------------------------------------------ */

static CUresult load(CUlibrary *handle, const void *image, size_t limit, CUjit_option *jitOptions,
		     void **jitValues, unsigned int jitCount)
{
	struct soft_library *library = NULL;
	struct soft_texts texts = {0};
	struct soft_jit jit;
	CUresult result;

	result = jit_read(jitCount, jitOptions, jitValues, &jit);
	if (result == CUDA_SUCCESS)
		result = texts_of_image(image, limit, &texts);
	if (result == CUDA_SUCCESS) {
		result = library_create(&texts, &jit, &library);
		jit_done(&jit, 0);
	}
	texts_free(&texts);
	if (result == CUDA_SUCCESS)
		*handle = object_handle(library);
	return result;
}

/* Options say how the image may be shared: we always copy it. Values may be NULL. */
static CUresult options_check(CUlibraryOption *options, unsigned int count)
{
	if (count && !options)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++)
		if ((int)options[i] < 0 || options[i] >= CU_LIBRARY_NUM_OPTIONS)
			return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

CUresult cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *jitOptions,
			   void **jitOptionsValues, unsigned int numJitOptions,
			   CUlibraryOption *libraryOptions, void **libraryOptionValues,
			   unsigned int numLibraryOptions)
{
	CUresult result;

	ENTER_DRIVER();
	(void)libraryOptionValues;
	if (!library || !code)
		return CUDA_ERROR_INVALID_VALUE;
	result = options_check(libraryOptions, numLibraryOptions);
	return result ? result
		      : load(library, code, VG_IMAGE_MAX, jitOptions, jitOptionsValues,
			     numJitOptions);
}

CUresult cuLibraryLoadFromFile(CUlibrary *library, const char *fileName, CUjit_option *jitOptions,
			       void **jitOptionsValues, unsigned int numJitOptions,
			       CUlibraryOption *libraryOptions, void **libraryOptionValues,
			       unsigned int numLibraryOptions)
{
	struct soft_jit ignored;
	char *bytes = NULL;
	size_t size = 0;
	CUresult result;

	ENTER_DRIVER();
	(void)libraryOptionValues;
	if (!library || !fileName || !*fileName)
		return CUDA_ERROR_INVALID_VALUE;
	result = jit_read(numJitOptions, jitOptions, jitOptionsValues, &ignored);
	if (result == CUDA_SUCCESS)
		result = file_read(fileName, &bytes, &size);
	if (result == CUDA_SUCCESS)
		result = options_check(libraryOptions, numLibraryOptions);
	if (result == CUDA_SUCCESS)
		result = load(library, bytes, size, jitOptions, jitOptionsValues, numJitOptions);
	free(bytes);
	return result;
}

CUresult cuLibraryUnload(CUlibrary handle)
{
	struct soft_library *library auto_put = object_get(SOFT_LIBRARY, handle);

	ENTER_DRIVER();
	if (!library || !object_retire(library))
		return CUDA_ERROR_INVALID_HANDLE;
	library_unload(library);
	return CUDA_SUCCESS;
}

CUresult cuLibraryGetKernel(CUkernel *pKernel, CUlibrary handle, const char *name)
{
	struct soft_library *library auto_put = object_get(SOFT_LIBRARY, handle);

	ENTER_DRIVER();
	if (!pKernel || !name)
		return CUDA_ERROR_INVALID_VALUE;
	if (!library)
		return CUDA_ERROR_INVALID_HANDLE;
	for (uint32_t i = 0; i < library->kernel_count; i++) {
		struct soft_kernel *kernel auto_put = object_get(SOFT_KERNEL, library->kernels[i]);

		if (kernel && strcmp(kernel->name, name) == 0) {
			*pKernel = library->kernels[i];
			return CUDA_SUCCESS;
		}
	}
	return CUDA_ERROR_NOT_FOUND;
}

CUresult cuLibraryGetKernelCount(unsigned int *count, CUlibrary lib)
{
	struct soft_library *library auto_put = object_get(SOFT_LIBRARY, lib);

	ENTER_DRIVER();
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	if (!library)
		return CUDA_ERROR_INVALID_HANDLE;
	*count = library->kernel_count;
	return CUDA_SUCCESS;
}

CUresult cuLibraryEnumerateKernels(CUkernel *kernels, unsigned int numKernels, CUlibrary lib)
{
	struct soft_library *library auto_put = object_get(SOFT_LIBRARY, lib);

	ENTER_DRIVER();
	if (!kernels || !numKernels)
		return CUDA_ERROR_INVALID_VALUE;
	if (!library)
		return CUDA_ERROR_INVALID_HANDLE;
	for (uint32_t i = 0; i < numKernels && i < library->kernel_count; i++)
		kernels[i] = library->kernels[i];
	return CUDA_SUCCESS;
}

CUresult cuLibraryGetModule(CUmodule *pMod, CUlibrary handle)
{
	struct soft_library *library auto_put = object_get(SOFT_LIBRARY, handle);
	struct soft_module *module auto_put = NULL;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!pMod)
		return CUDA_ERROR_INVALID_VALUE;
	if (!library)
		return CUDA_ERROR_INVALID_HANDLE;
	result = library_module(library, ctx, &module);
	if (result == CUDA_SUCCESS)
		*pMod = object_handle(module);
	return result;
}

CUresult cuLibraryGetGlobal(CUdeviceptr *dptr, size_t *bytes, CUlibrary handle, const char *name)
{
	struct soft_library *library auto_put = object_get(SOFT_LIBRARY, handle);
	struct soft_module *module auto_put = NULL;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!name || (!dptr && !bytes))
		return CUDA_ERROR_INVALID_VALUE;
	if (!library)
		return CUDA_ERROR_INVALID_HANDLE;
	result = library_module(library, ctx, &module);
	return result ? result : cuModuleGetGlobal_v2(dptr, bytes, object_handle(module), name);
}

/* A variable that a library's modules share: there is one a context here. */
CUresult cuLibraryGetManaged(CUdeviceptr *dptr, size_t *bytes, CUlibrary handle, const char *name)
{
	struct soft_library *library auto_put = object_get(SOFT_LIBRARY, handle);
	struct soft_module *module auto_put = NULL;
	struct soft_context *ctx auto_put = NULL;
	struct ptx_global_info info;
	CUresult result;

	ENTER_DRIVER();
	if (!name || (!dptr && !bytes))
		return CUDA_ERROR_INVALID_VALUE;
	if (!library)
		return CUDA_ERROR_INVALID_HANDLE;
	/* Without a context, any will do to say that there is none of that name. */
	if (context_enter(&ctx))
		ctx = object_ref(device_of(0)->primary);
	result = library_module(library, ctx, &module);
	if (result)
		return result;
	if (ptx_module_global(module->ptx, name, &info) < 0 || !info.is_managed)
		return CUDA_ERROR_NOT_FOUND;
	return cuModuleGetGlobal_v2(dptr, bytes, object_handle(module), name);
}

CUresult cuLibraryGetUnifiedFunction(void **fptr, CUlibrary handle, const char *symbol)
{
	struct soft_library *library auto_put = object_get(SOFT_LIBRARY, handle);

	ENTER_DRIVER();
	if (!fptr || !symbol)
		return CUDA_ERROR_INVALID_VALUE;
	return library ? CUDA_ERROR_NOT_FOUND : CUDA_ERROR_INVALID_HANDLE;
}

/* --- the calls of kernels -------------------------------------------------------------------- */

CUresult cuKernelGetFunction(CUfunction *pFunc, CUkernel handle)
{
	struct soft_kernel *kernel auto_put = object_get(SOFT_KERNEL, handle);
	struct soft_function *function auto_put = NULL;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!pFunc)
		return CUDA_ERROR_INVALID_VALUE;
	if (!kernel)
		return CUDA_ERROR_INVALID_HANDLE;
	result = kernel_function(kernel, ctx, &function);
	if (result == CUDA_SUCCESS)
		*pFunc = object_handle(function);
	return result;
}

CUresult cuKernelGetLibrary(CUlibrary *pLib, CUkernel handle)
{
	struct soft_kernel *kernel auto_put = object_get(SOFT_KERNEL, handle);

	ENTER_DRIVER();
	if (!pLib)
		return CUDA_ERROR_INVALID_VALUE;
	if (!kernel)
		return CUDA_ERROR_INVALID_HANDLE;
	*pLib = object_handle(kernel->library);
	return CUDA_SUCCESS;
}

CUresult cuKernelGetName(const char **name, CUkernel hfunc)
{
	struct soft_kernel *kernel auto_put = object_get(SOFT_KERNEL, hfunc);

	ENTER_DRIVER();
	if (!name)
		return CUDA_ERROR_INVALID_VALUE;
	if (!kernel)
		return CUDA_ERROR_INVALID_HANDLE;
	*name = kernel->name;
	return CUDA_SUCCESS;
}

CUresult cuKernelGetParamInfo(CUkernel handle, size_t paramIndex, size_t *paramOffset,
			      size_t *paramSize)
{
	struct soft_kernel *kernel auto_put = object_get(SOFT_KERNEL, handle);

	ENTER_DRIVER();
	if (!paramOffset)
		return CUDA_ERROR_INVALID_VALUE;
	if (!kernel)
		return CUDA_ERROR_INVALID_HANDLE;
	if (paramIndex >= kernel->info.param_count)
		return CUDA_ERROR_INVALID_VALUE;
	*paramOffset = kernel->info.params[paramIndex].offset;
	if (paramSize)
		*paramSize = kernel->info.params[paramIndex].size;
	return CUDA_SUCCESS;
}

CUresult cuKernelGetAttribute(int *pi, CUfunction_attribute attrib, CUkernel handle, CUdevice dev)
{
	struct soft_kernel *kernel auto_put = object_get(SOFT_KERNEL, handle);

	ENTER_DRIVER();
	if (!pi)
		return CUDA_ERROR_INVALID_VALUE;
	if (!kernel)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	return settings_get(&kernel->info, &kernel->settings, attrib, pi);
}

CUresult cuKernelSetAttribute(CUfunction_attribute attrib, int val, CUkernel handle, CUdevice dev)
{
	struct soft_kernel *kernel auto_put = object_get(SOFT_KERNEL, handle);
	CUresult result;

	ENTER_DRIVER();
	if (!kernel)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	result = settings_set(device_of(dev), &kernel->info, &kernel->settings, attrib, val);
	if (result == CUDA_SUCCESS)
		kernel_push_settings(kernel);
	return result;
}

CUresult cuKernelSetCacheConfig(CUkernel handle, CUfunc_cache config, CUdevice dev)
{
	struct soft_kernel *kernel auto_put = object_get(SOFT_KERNEL, handle);

	ENTER_DRIVER();
	if (!kernel)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!device_of(dev))
		return CUDA_ERROR_INVALID_DEVICE;
	if ((int)config < 0 || config > CU_FUNC_CACHE_PREFER_EQUAL)
		return CUDA_ERROR_INVALID_VALUE;
	atomic_store(&kernel->settings.cache_config, (int)config);
	kernel_push_settings(kernel);
	return CUDA_SUCCESS;
}
