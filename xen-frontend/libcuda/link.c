/* SPDX-License-Identifier: MIT */
/*
 * The linker: inputs go over one by one, the result comes back whole. The logs that a state was created
 * with are filled while it works, so their places are kept with it, as is the linked image, which
 * belongs to the state. A state is used by one thread at a time, as CUDA demands.
 */
#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/image_source.h"
#include "xen-frontend/libcuda/jit.h"

/* Kept with the handle and freed with it; the buffers are freed by cuLinkDestroy. */
struct link {
	struct fe_jit_log info, error;
	void **info_length, **error_length; /* the program's, NULL: not asked for */
	void *cubin;                        /* owned */
};

static CUresult link_get(CUlinkState state, struct link **link)
{
	CUresult result = fe_handle_check(VG_HANDLE_CUlinkState, (uint64_t)state, 0);

	if (result)
		return result;
	*link = fe_handle_data((uint64_t)state);
	return *link ? CUDA_SUCCESS : CUDA_ERROR_INVALID_HANDLE;
}

static void link_free(struct link *link)
{
	if (!link)
		return;
	free(link->info.text);
	free(link->error.text);
	free(link->cubin);
	free(link);
}

/* What the logs hold so far is where the program looks for it. */
static void logs_write(const struct link *link)
{
	size_t info = fe_jit_log_write(&link->info), error = fe_jit_log_write(&link->error);

	if (link->info_length)
		*link->info_length = (void *)(uintptr_t)info;
	if (link->error_length)
		*link->error_length = (void *)(uintptr_t)error;
}

/* The logs pass from the options to the state. */
static struct link *link_make(struct fe_jit *jit, void **values)
{
	struct link *link = calloc(1, sizeof(*link));

	if (!link)
		return NULL;
	link->info = jit->info;
	link->error = jit->error;
	jit->info.text = jit->error.text = NULL;
	for (unsigned int i = 0; i < jit->count; i++) {
		if (jit->options[i] == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES)
			link->info_length = &values[i];
		if (jit->options[i] == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES)
			link->error_length = &values[i];
	}
	return link;
}

CUresult fe_cuLinkCreate_v2(unsigned int numOptions, CUjit_option *options, void **optionValues,
			    CUlinkState *stateOut)
{
	struct link *link = NULL;
	CUlinkState state = NULL;
	struct fe_jit jit;
	CUresult result;

	if (!stateOut)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_jit_open(&jit, numOptions, options, optionValues);
	if (!result) {
		link = link_make(&jit, optionValues);
		if (!link)
			result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (!result)
		result = rpc_vgLinkCreate(&state, jit.count, jit.options, jit.values,
					  link->info.room, link->error.room);
	if (!result && fe_handle_set_data((uint64_t)state, link) != link) {
		(void)rpc_cuLinkDestroy(state);
		result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	fe_jit_close(&jit);
	if (result)
		link_free(link);
	else
		*stateOut = state;
	return result;
}

static CUresult link_add(CUlinkState state, CUjitInputType type, const void *data, size_t size,
			 const char *name, unsigned int count, const CUjit_option *options,
			 void **values)
{
	struct link *link;
	struct fe_jit jit;
	CUresult result = link_get(state, &link);

	if (result)
		return result;
	result = fe_jit_open(&jit, count, options, values);
	if (!result) {
		result = rpc_vgLinkAdd((uint64_t)state, type, name ? name : "", data, size,
				       jit.count, jit.options, jit.values, link->info.room,
				       link->error.room, link->info.text, link->error.text);
		logs_write(link);
	}
	fe_jit_close(&jit);
	return result;
}

CUresult fe_cuLinkAddData_v2(CUlinkState state, CUjitInputType type, void *data, size_t size,
			     const char *name, unsigned int numOptions, CUjit_option *options,
			     void **optionValues)
{
	if (!data || !size || (unsigned int)type >= CU_JIT_NUM_INPUT_TYPES)
		return CUDA_ERROR_INVALID_VALUE;
	return link_add(state, type, data, size, name, numOptions, options, optionValues);
}

CUresult fe_cuLinkAddFile_v2(CUlinkState state, CUjitInputType type, const char *path,
			     unsigned int numOptions, CUjit_option *options, void **optionValues)
{
	struct fe_image file = FE_IMAGE_NONE;
	CUresult result;

	if (!path || !*path)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_jit_check(numOptions, options, optionValues);
	if (!result)
		result = fe_image_read(path, &file);
	if (!result && (unsigned int)type >= CU_JIT_NUM_INPUT_TYPES)
		result = CUDA_ERROR_INVALID_VALUE;
	/* Text is given with its NUL. */
	if (!result)
		result = link_add(state, type, file.data,
				  file.size + (type == CU_JIT_INPUT_PTX ? 1 : 0), path, numOptions,
				  options, optionValues);
	fe_image_free(&file);
	return result;
}

static CUresult link_fetch(CUlinkState state, struct link *link, size_t size)
{
	void *cubin = malloc(size ? size : 1);
	CUresult result;

	if (!cubin)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = rpc_vgLinkFetch((uint64_t)state, size, cubin);
	if (result) {
		free(cubin);
		return result;
	}
	free(link->cubin);
	link->cubin = cubin;
	return CUDA_SUCCESS;
}

CUresult fe_cuLinkComplete(CUlinkState state, void **cubinOut, size_t *sizeOut)
{
	struct link *link;
	CUresult result;
	size_t size = 0;

	if (!cubinOut)
		return CUDA_ERROR_INVALID_VALUE;
	result = link_get(state, &link);
	if (result)
		return result;
	result = rpc_vgLinkComplete((uint64_t)state, link->info.room, link->error.room, &size,
				    link->info.text, link->error.text);
	logs_write(link);
	if (!result)
		result = link_fetch(state, link, size);
	if (result)
		return result;
	*cubinOut = link->cubin;
	if (sizeOut)
		*sizeOut = size;
	return CUDA_SUCCESS;
}

CUresult fe_cuLinkDestroy(CUlinkState state)
{
	struct link *link;
	CUresult result = link_get(state, &link);

	if (result)
		return result;
	free(link->info.text);
	free(link->error.text);
	free(link->cubin);
	link->info.text = link->error.text = NULL;
	link->cubin = NULL;
	/* The registry frees the rest with the handle. */
	return rpc_cuLinkDestroy(state);
}
