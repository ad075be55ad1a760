/* SPDX-License-Identifier: MIT */
/*
 * Modules: the image's end is found and the image sent; what the JIT has to say comes back into the
 * program's buffers. Runs in the program's threads.
 */
#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/code.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/image_source.h"
#include "xen-frontend/libcuda/jit.h"
#include "xen-frontend/libcuda/session.h"

static CUresult module_send(CUmodule *module, const struct fe_image *image, struct fe_jit *jit)
{
	return rpc_vgModuleLoad(module, image->data, image->size, jit->count, jit->options,
				jit->values, jit->info.room, jit->error.room, jit->info.text,
				jit->error.text, jit->results);
}

/* From the program's compute cache, or into it. False: load the image itself. */
static bool module_load_code(CUmodule *module, const struct fe_image *image, struct fe_jit *jit)
{
	struct fe_jit_key key;
	struct fe_image code;
	CUdevice device;
	CUresult result;

	if (fe_context_device(NULL, &device) || !fe_code_key(image, jit, device, &key))
		return false;
	if (!fe_code_find(&key, &code) && !fe_code_compile(image, jit, &key, &code))
		return false;
	result = module_send(module, &code, jit);
	fe_code_loaded(&key, result);
	fe_image_free(&code);
	return !result;
}

static CUresult module_load(CUmodule *module, const struct fe_image *image, unsigned int count,
			    const CUjit_option *options, void **values)
{
	struct fe_jit jit;
	CUmodule made = NULL;
	CUresult result = fe_jit_open(&jit, count, options, values);

	if (!result) {
		if (!module_load_code(&made, image, &jit))
			result = module_send(&made, image, &jit);
		fe_jit_write_back(&jit, values);
	}
	fe_jit_close(&jit);
	if (!result)
		*module = made;
	return result;
}

CUresult fe_cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int numOptions,
			       CUjit_option *options, void **optionValues)
{
	struct fe_image found;
	CUresult result;

	if (!module)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_image_find(image, &found);
	if (!result)
		result = module_load(module, &found, numOptions, options, optionValues);
	fe_image_free(&found);
	return result;
}

CUresult fe_cuModuleLoadData(CUmodule *module, const void *image)
{
	return fe_cuModuleLoadDataEx(module, image, 0, NULL, NULL);
}

CUresult fe_cuModuleLoadFatBinary(CUmodule *module, const void *fatCubin)
{
	return fe_cuModuleLoadDataEx(module, fatCubin, 0, NULL, NULL);
}

CUresult fe_cuModuleLoad(CUmodule *module, const char *fname)
{
	struct fe_image image;
	CUresult result;

	if (!module || !fname || !*fname)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_image_read_module(fname, &image);
	if (!result)
		result = module_load(module, &image, 0, NULL, NULL);
	fe_image_free(&image);
	return result;
}

CUresult fe_cuModuleGetLoadingMode(CUmoduleLoadingMode *mode)
{
	const char *wanted;

	if (!mode)
		return CUDA_ERROR_INVALID_VALUE;
	/* The variable is the driver's to read, and set for the program in the guest. */
	wanted = getenv("CUDA_MODULE_LOADING");
	if (wanted && !strcmp(wanted, "EAGER"))
		*mode = CU_MODULE_EAGER_LOADING;
	else if (wanted && !strcmp(wanted, "LAZY"))
		*mode = CU_MODULE_LAZY_LOADING;
	else
		*mode = (CUmoduleLoadingMode)fe_session.info.loading_mode;
	return CUDA_SUCCESS;
}
