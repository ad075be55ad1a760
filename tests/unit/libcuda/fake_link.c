/* SPDX-License-Identifier: MIT */
#include "tests/unit/libcuda/fake_link.h"

#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

struct fake_link fake_link;

CUresult rpc_vgLinkCreate(CUlinkState *state, unsigned int count, const CUjit_option *options,
			  const uint64_t *values, size_t info_room, size_t error_room)
{
	if (info_room || error_room)
		abort();
	fake_link.target = 0;
	for (unsigned int i = 0; i < count; i++)
		if (options[i] == CU_JIT_TARGET)
			fake_link.target = values[i];
	fake_link.open++;
	fake_link.options = count;
	*state = (CUlinkState)&fake_link;
	return CUDA_SUCCESS;
}

CUresult rpc_vgLinkAdd(uint64_t state, CUjitInputType type, const char *name, const void *data,
		       size_t size, unsigned int count, const CUjit_option *options,
		       const uint64_t *values, size_t info_room, size_t error_room, void *info,
		       void *error)
{
	(void)state;
	(void)options;
	(void)values;
	(void)info;
	(void)error;
	if (!name || !data || !size || count || info_room || error_room)
		abort();
	fake_link.type = type;
	return CUDA_SUCCESS;
}

CUresult rpc_vgLinkComplete(uint64_t state, size_t info_room, size_t error_room, size_t *size,
			    void *info, void *error)
{
	(void)state;
	(void)info_room;
	(void)error_room;
	(void)info;
	(void)error;
	fake_link.completed++;
	*size = fake_link.code ? strlen(fake_link.code) + 1 : 0;
	if (fake_link.failures) {
		fake_link.failures--;
		return CUDA_ERROR_INVALID_PTX;
	}
	return fake_link.result;
}

CUresult rpc_vgLinkFetch(uint64_t state, size_t size, void *image)
{
	(void)state;
	if (!fake_link.code || size != strlen(fake_link.code) + 1)
		return CUDA_ERROR_INVALID_VALUE;
	memcpy(image, fake_link.code, size);
	return CUDA_SUCCESS;
}

CUresult rpc_cuLinkDestroy(CUlinkState state)
{
	(void)state;
	fake_link.open--;
	return CUDA_SUCCESS;
}
