/* SPDX-License-Identifier: MIT */
/* Functions and their attributes: see module.h. Any thread. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/module.h"

#include <errno.h>

CUresult function_get(struct soft_context *ctx, CUfunction handle, struct soft_function **function)
{
	struct soft_kernel *kernel auto_put = NULL;

	if (object_kind_of(handle) == SOFT_KERNEL) {
		kernel = object_get(SOFT_KERNEL, handle);
		return kernel ? kernel_function(kernel, ctx, function) : CUDA_ERROR_INVALID_HANDLE;
	}
	*function = object_get(SOFT_FUNCTION, handle);
	return *function ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

CUresult function_load(struct soft_function *function)
{
	struct ptx_log log = {0};
	int rc;

	if (atomic_load(&function->loaded))
		return CUDA_SUCCESS;
	rc = ptx_kernel_prepare(function->kernel, &log);
	if (rc < 0) {
		soft_log_error("op=compile kernel=%s errno=%d %s", function->info.name, -rc,
			       log.text);
		return rc == -ENOMEM ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_INVALID_PTX;
	}
	atomic_store(&function->loaded, true);
	return CUDA_SUCCESS;
}

CUresult settings_get(const struct ptx_kernel_info *info,
		      const struct soft_function_settings *settings, CUfunction_attribute attribute,
		      int *value)
{
	int dynamic = atomic_load(&settings->max_dynamic_shared);

	switch ((int)attribute) {
	case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = (int)info->max_threads; break;
	case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = (int)info->shared_bytes; break;
	case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: *value = (int)info->local_bytes; break;
	case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = (int)info->registers; break;
	case CU_FUNC_ATTRIBUTE_PTX_VERSION:
	case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *value = (int)info->target_sm; break;
	case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
		*value = dynamic ? dynamic : 49152 - (int)info->shared_bytes;
		if (*value < 0)
			*value = 0;
		break;
	case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
		*value = atomic_load(&settings->carveout);
		break;
	case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES: *value = settings->constant_bytes; break;
	case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
	case CU_FUNC_ATTRIBUTE_CLUSTER_SIZE_MUST_BE_SET:
	case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
	case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
	case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
	case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
	case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE: *value = 0; break;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

CUresult settings_set(const struct soft_device *device, const struct ptx_kernel_info *info,
		      struct soft_function_settings *settings, CUfunction_attribute attribute,
		      int value)
{
	int most = device_limit(device, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);

	switch ((int)attribute) {
	case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
		if (value < 0 || value > most - (int)info->shared_bytes)
			return CUDA_ERROR_INVALID_VALUE;
		atomic_store(&settings->max_dynamic_shared, value);
		return CUDA_SUCCESS;
	case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
		if (value < CU_SHAREDMEM_CARVEOUT_DEFAULT || value > 100)
			return CUDA_ERROR_INVALID_VALUE;
		atomic_store(&settings->carveout, value);
		return CUDA_SUCCESS;
	case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
	case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
		return CUDA_SUCCESS; /* says what would be allowed: no cluster is larger than 1 */
	default: return CUDA_ERROR_INVALID_VALUE;
	}
}

/* --- the calls ------------------------------------------------------------------------------- */

/* A function has its context; a kernel's function is the current context's. */
static CUresult function_enter(CUfunction handle, struct soft_function **function,
			       struct soft_context **ctx)
{
	CUresult result;

	*function = object_get(SOFT_FUNCTION, handle);
	if (*function)
		return context_enter_of(*function, ctx);
	result = context_enter(ctx);
	return result ? result : function_get(*ctx, handle, function);
}

#define ENTER_FUNCTION(ctx, function, handle)                                    \
	struct soft_context *ctx auto_put = NULL;                                \
	struct soft_function *function auto_put = NULL;                          \
	CUresult function##_found = function_enter(handle, &(function), &(ctx)); \
	if (function##_found != CUDA_SUCCESS)                                    \
	return function##_found

CUresult cuFuncGetAttribute(int *pi, CUfunction_attribute attrib, CUfunction hfunc)
{
	ENTER_FUNCTION(ctx, function, hfunc);
	if (!pi)
		return CUDA_ERROR_INVALID_VALUE;
	return settings_get(&function->info, &function->settings, attrib, pi);
}

CUresult cuFuncSetAttribute(CUfunction hfunc, CUfunction_attribute attrib, int value)
{
	ENTER_FUNCTION(ctx, function, hfunc);
	return settings_set(ctx->device, &function->info, &function->settings, attrib, value);
}

CUresult cuFuncSetCacheConfig(CUfunction hfunc, CUfunc_cache config)
{
	ENTER_FUNCTION(ctx, function, hfunc);
	if ((int)config < 0 || config > CU_FUNC_CACHE_PREFER_EQUAL)
		return CUDA_ERROR_INVALID_VALUE;
	atomic_store(&function->settings.cache_config, (int)config);
	return CUDA_SUCCESS;
}

CUresult cuFuncSetSharedMemConfig(CUfunction hfunc, CUsharedconfig config)
{
	ENTER_FUNCTION(ctx, function, hfunc);
	if ((int)config < 0 || config > CU_SHARED_MEM_CONFIG_EIGHT_BYTE_BANK_SIZE)
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS; /* banks are of four bytes */
}

CUresult cuFuncGetModule(CUmodule *hmod, CUfunction hfunc)
{
	ENTER_FUNCTION(ctx, function, hfunc);
	if (!hmod)
		return CUDA_ERROR_INVALID_VALUE;
	*hmod = object_handle(function->module);
	return CUDA_SUCCESS;
}

CUresult cuFuncGetName(const char **name, CUfunction hfunc)
{
	ENTER_FUNCTION(ctx, function, hfunc);
	if (!name)
		return CUDA_ERROR_INVALID_VALUE;
	*name = function->info.name;
	return CUDA_SUCCESS;
}

CUresult cuFuncGetParamInfo(CUfunction func, size_t paramIndex, size_t *paramOffset,
			    size_t *paramSize)
{
	ENTER_FUNCTION(ctx, function, func);
	if (!paramOffset || paramIndex >= function->info.param_count)
		return CUDA_ERROR_INVALID_VALUE;
	*paramOffset = function->info.params[paramIndex].offset;
	if (paramSize)
		*paramSize = function->info.params[paramIndex].size;
	return CUDA_SUCCESS;
}

CUresult cuFuncIsLoaded(CUfunctionLoadingState *state, CUfunction handle)
{
	ENTER_FUNCTION(ctx, function, handle);
	if (!state)
		return CUDA_ERROR_INVALID_VALUE;
	*state = atomic_load(&function->loaded) ? CU_FUNCTION_LOADING_STATE_LOADED
						: CU_FUNCTION_LOADING_STATE_UNLOADED;
	return CUDA_SUCCESS;
}

CUresult cuFuncLoad(CUfunction handle)
{
	ENTER_FUNCTION(ctx, function, handle);
	return function_load(function);
}
