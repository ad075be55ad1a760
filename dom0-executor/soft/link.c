/* SPDX-License-Identifier: MIT */
/*
 * The linker: PTX in, one text out that the modules of this driver take. It lives in the link state
 * until that is destroyed. A link state is used by one thread at a time, as CUDA says; its lock keeps
 * others from harm.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/module.h"
#include "protocol/image.h"

#include <stdlib.h>
#include <string.h>

struct soft_link {
	struct soft_object object;
	pthread_mutex_t lock;
	struct soft_jit jit;
	struct soft_texts texts;
	char *image;
};

static void link_destroy(struct soft_object *object)
{
	struct soft_link *link = (struct soft_link *)object;

	pthread_mutex_destroy(&link->lock);
	texts_free(&link->texts);
	free(link->image);
	free(link);
}

CUresult cuLinkCreate_v2(unsigned int numOptions, CUjit_option *options, void **optionValues,
			 CUlinkState *stateOut)
{
	struct soft_link *link;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!stateOut)
		return CUDA_ERROR_INVALID_VALUE;
	link = object_new(SOFT_LINK, sizeof(*link), ctx, link_destroy);
	if (!link)
		return CUDA_ERROR_OUT_OF_MEMORY;
	pthread_mutex_init(&link->lock, NULL);
	result = jit_read(numOptions, options, optionValues, &link->jit);
	if (result != CUDA_SUCCESS) {
		object_put(link);
		return result;
	}
	result = object_publish(link);
	if (result == CUDA_SUCCESS)
		*stateOut = object_handle(link);
	return result;
}

/* Append the texts of an image to those of the link. */
static CUresult link_add(struct soft_link *link, CUjitInputType type, const void *data, size_t size)
{
	struct soft_texts texts = {0};
	CUresult result;

	if (type == CU_JIT_INPUT_PTX) {
		const char *text = data;

		size = strnlen(text, size);
		result = ptx_text_probe(text, size) ? texts_add(&texts, text, size)
						    : CUDA_ERROR_INVALID_PTX;
	} else if (type == CU_JIT_INPUT_FATBINARY) {
		result = texts_of_image(data, size, &texts);
	} else {
		result = type == CU_JIT_INPUT_CUBIN || type == CU_JIT_INPUT_OBJECT ||
					 type == CU_JIT_INPUT_LIBRARY
				 ? CUDA_ERROR_NO_BINARY_FOR_GPU
				 : CUDA_ERROR_INVALID_VALUE;
	}
	for (size_t i = 0; i < texts.count && result == CUDA_SUCCESS; i++)
		result = texts_add(&link->texts, texts.at[i].text, texts.at[i].length);
	texts_free(&texts);
	return result;
}

CUresult cuLinkAddData_v2(CUlinkState state, CUjitInputType type, void *data, size_t size,
			  const char *name, unsigned int numOptions, CUjit_option *options,
			  void **optionValues)
{
	struct soft_link *link auto_put = object_get(SOFT_LINK, state);
	struct soft_jit ignored;
	CUresult result;

	ENTER_DRIVER();
	(void)name;
	if (!data || !size)
		return CUDA_ERROR_INVALID_VALUE;
	if (!link)
		return CUDA_ERROR_INVALID_HANDLE;
	result = jit_read(numOptions, options, optionValues, &ignored);
	if (result != CUDA_SUCCESS)
		return result;
	pthread_mutex_lock(&link->lock);
	result = link->image ? CUDA_ERROR_INVALID_VALUE : link_add(link, type, data, size);
	pthread_mutex_unlock(&link->lock);
	return result;
}

CUresult cuLinkAddFile_v2(CUlinkState state, CUjitInputType type, const char *path,
			  unsigned int numOptions, CUjit_option *options, void **optionValues)
{
	struct soft_jit ignored;
	char *bytes = NULL;
	size_t size = 0;
	CUresult result;

	ENTER_DRIVER();
	if (!path || !*path)
		return CUDA_ERROR_INVALID_VALUE;
	result = jit_read(numOptions, options, optionValues, &ignored);
	if (result == CUDA_SUCCESS)
		result = file_read(path, &bytes, &size);
	if (result == CUDA_SUCCESS && (unsigned int)type >= CU_JIT_NUM_INPUT_TYPES)
		result = CUDA_ERROR_INVALID_VALUE;
	if (result == CUDA_SUCCESS)
		result = cuLinkAddData_v2(state, type, bytes, size, path, numOptions, options,
					  optionValues);
	free(bytes);
	return result;
}

/* All texts with borders between them. NULL without memory. */
static char *texts_join(const struct soft_texts *texts, size_t *size)
{
	const size_t border = sizeof(SOFT_TEXT_BORDER) - 1;
	size_t length = 1;
	char *image, *end;

	for (size_t i = 0; i < texts->count; i++)
		length += texts->at[i].length + border;
	image = end = malloc(length);
	for (size_t i = 0; image && i < texts->count; i++) {
		if (i)
			end = mempcpy(end, SOFT_TEXT_BORDER, border);
		end = mempcpy(end, texts->at[i].text, texts->at[i].length);
	}
	if (image) {
		*end++ = '\0';
		*size = (size_t)(end - image);
	}
	return image;
}

CUresult cuLinkComplete(CUlinkState state, void **cubinOut, size_t *sizeOut)
{
	struct soft_link *link auto_put = object_get(SOFT_LINK, state);
	struct ptx_module *ptx = NULL;
	size_t size = 0;
	CUresult result;

	if (!cubinOut)
		return CUDA_ERROR_INVALID_VALUE;
	ENTER_CONTEXT_OF(ctx, link);
	pthread_mutex_lock(&link->lock);
	result = link->image || !link->texts.count
			 ? CUDA_ERROR_INVALID_VALUE
			 : texts_load(ctx->device, &link->texts, &link->jit, &ptx);
	jit_done(&link->jit, 0);
	if (result == CUDA_SUCCESS) {
		ptx_module_unload(ptx); /* it was the proof that they link */
		link->image = texts_join(&link->texts, &size);
		if (!link->image)
			result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (result == CUDA_SUCCESS) {
		*cubinOut = link->image;
		if (sizeOut)
			*sizeOut = size;
	}
	pthread_mutex_unlock(&link->lock);
	return result;
}

CUresult cuLinkDestroy(CUlinkState state)
{
	struct soft_link *link auto_put = object_get(SOFT_LINK, state);

	ENTER_DRIVER();
	if (!link || !object_retire(link))
		return CUDA_ERROR_INVALID_HANDLE;
	object_put(link); /* the table's */
	return CUDA_SUCCESS;
}
