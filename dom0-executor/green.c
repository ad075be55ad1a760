/* SPDX-License-Identifier: MIT */
/*
 * Parts of a device and green contexts. A resource is a structure in which the driver keeps what it likes;
 * so what comes from the guest must be, byte for byte, what this session has been told. Runs in lanes' threads.
 */
#include "dom0-executor/green.h"

#include <string.h>

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

void ex_resources_init(struct ex_resources *resources)
{
	*resources = (struct ex_resources){0};
	pthread_mutex_init(&resources->lock, NULL);
}

void ex_resources_dispose(struct ex_resources *resources)
{
	pthread_mutex_destroy(&resources->lock);
}

static bool resource_find(const struct ex_resources *resources, const CUdevResource *resource)
{
	const void *wanted = resource;

	for (unsigned int i = 0; i < resources->count; i++) {
		const void *told = &resources->told[i];

		/* All bytes count: the driver may keep something in any of them. */
		if (!memcmp(told, wanted, sizeof(*resource)))
			return true;
	}
	return false;
}

/* The oldest is forgotten where there is no more room. */
static void resource_tell(struct ex_call *call, const CUdevResource *resource)
{
	struct ex_resources *resources = &call->session->resources;

	pthread_mutex_lock(&resources->lock);
	if (!resource_find(resources, resource)) {
		resources->told[resources->next] = *resource;
		resources->next = (resources->next + 1) % EX_RESOURCES_MAX;
		if (resources->count < EX_RESOURCES_MAX)
			resources->count++;
	}
	pthread_mutex_unlock(&resources->lock);
}

static CUresult resource_check(struct ex_call *call, const CUdevResource *resource)
{
	struct ex_resources *resources = &call->session->resources;
	bool found;

	pthread_mutex_lock(&resources->lock);
	found = resource_find(resources, resource);
	pthread_mutex_unlock(&resources->lock);
	return found ? CUDA_SUCCESS : CUDA_ERROR_INVALID_RESOURCE_TYPE;
}

CUresult ex_cuDeviceGetDevResource(struct ex_call *call, CUdevice device, CUdevResource *resource,
				   CUdevResourceType type)
{
	CUresult result;

	if (!ex_driver.cuDeviceGetDevResource)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuDeviceGetDevResource(device, resource, type);
	if (!result)
		resource_tell(call, resource);
	return result;
}

CUresult ex_cuCtxGetDevResource(struct ex_call *call, CUcontext hCtx, CUdevResource *resource,
				CUdevResourceType type)
{
	CUresult result;

	if (!ex_driver.cuCtxGetDevResource)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuCtxGetDevResource(hCtx, resource, type);
	if (!result)
		resource_tell(call, resource);
	return result;
}

CUresult ex_cuGreenCtxGetDevResource(struct ex_call *call, CUgreenCtx hCtx, CUdevResource *resource,
				     CUdevResourceType type)
{
	CUresult result;

	if (!ex_driver.cuGreenCtxGetDevResource)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuGreenCtxGetDevResource(hCtx, resource, type);
	if (!result)
		resource_tell(call, resource);
	return result;
}

CUresult ex_cuDevSmResourceSplitByCount(struct ex_call *call, CUdevResource *groups,
					unsigned int *nbGroups, const CUdevResource *input,
					CUdevResource *remainder, unsigned int useFlags,
					unsigned int minCount)
{
	CUresult result;

	if (!ex_driver.cuDevSmResourceSplitByCount)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = resource_check(call, input);
	if (!result)
		result = ex_driver.cuDevSmResourceSplitByCount(groups, nbGroups, input, remainder,
							       useFlags, minCount);
	if (result)
		return result;
	for (unsigned int i = 0; groups && i < *nbGroups; i++)
		resource_tell(call, &groups[i]);
	resource_tell(call, remainder);
	return CUDA_SUCCESS;
}

CUresult ex_cuDevResourceGenerateDesc(struct ex_call *call, CUdevResourceDesc *phDesc,
				      CUdevResource *resources, unsigned int nbResources)
{
	CUresult result = CUDA_SUCCESS;

	if (!ex_driver.cuDevResourceGenerateDesc)
		return CUDA_ERROR_NOT_SUPPORTED;
	for (unsigned int i = 0; i < nbResources && !result; i++)
		result = resource_check(call, &resources[i]);
	return result ? result
		      : ex_driver.cuDevResourceGenerateDesc(phDesc, resources, nbResources);
}
