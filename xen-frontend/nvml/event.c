/* SPDX-License-Identifier: MIT */
/*
 * Event sets. No device supports any event here, so none can be registered and none comes: a wait lasts
 * its time. Programs that watch for errors of the GPU (Xid) take that as a GPU that cannot tell. Also
 * here: other things of which there are none.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "xen-frontend/nvml/calls.h"
#include "xen-frontend/nvml/device.h"
#include "xen-frontend/nvml/session.h"

struct nvmlEventSet_st {
	char unused;
};

nvmlReturn_t fe_nvmlDeviceGetSupportedEventTypes(nvmlDevice_t device,
						 unsigned long long *eventTypes)
{
	unsigned int index;
	nvmlReturn_t result;

	if (!eventTypes)
		return NVML_ERROR_INVALID_ARGUMENT;
	result = fe_nvmlDeviceGetIndex(device, &index);
	if (!result)
		*eventTypes = 0;
	return result;
}

nvmlReturn_t fe_nvmlDeviceRegisterEvents(nvmlDevice_t device, unsigned long long eventTypes,
					 nvmlEventSet_t set)
{
	unsigned int index;
	nvmlReturn_t result = set ? fe_nvmlDeviceGetIndex(device, &index)
				  : NVML_ERROR_INVALID_ARGUMENT;

	return !result && eventTypes ? NVML_ERROR_NOT_SUPPORTED : result;
}

nvmlReturn_t fe_nvmlEventSetCreate(nvmlEventSet_t *set)
{
	if (!set)
		return NVML_ERROR_INVALID_ARGUMENT;
	*set = calloc(1, sizeof(**set));
	return *set ? NVML_SUCCESS : NVML_ERROR_MEMORY;
}

nvmlReturn_t fe_nvmlEventSetFree(nvmlEventSet_t set)
{
	if (!set)
		return NVML_ERROR_INVALID_ARGUMENT;
	free(set);
	return NVML_SUCCESS;
}

nvmlReturn_t fe_nvmlEventSetWait_v2(nvmlEventSet_t set, nvmlEventData_t *data,
				    unsigned int timeoutms)
{
	struct timespec rest = {.tv_sec = timeoutms / 1000,
				.tv_nsec = (long)(timeoutms % 1000) * 1000000};

	if (!set || !data)
		return NVML_ERROR_INVALID_ARGUMENT;
	while (nanosleep(&rest, &rest) && errno == EINTR)
		;
	return NVML_ERROR_TIMEOUT;
}

/* --- none of these ------------------------------------------------------------------------------- */

nvmlReturn_t fe_nvmlGpmQueryDeviceSupport(nvmlDevice_t device, nvmlGpmSupport_t *gpmSupport)
{
	unsigned int index;
	nvmlReturn_t result;

	if (!gpmSupport)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (gpmSupport->version != 1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	result = fe_nvmlDeviceGetIndex(device, &index);
	if (!result)
		gpmSupport->isSupportedDevice = 0;
	return result;
}

nvmlReturn_t fe_nvmlUnitGetCount(unsigned int *unitCount)
{
	if (!unitCount)
		return NVML_ERROR_INVALID_ARGUMENT;
	*unitCount = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t fe_nvmlGetExcludedDeviceCount(unsigned int *deviceCount)
{
	if (!deviceCount)
		return NVML_ERROR_INVALID_ARGUMENT;
	*deviceCount = 0;
	return NVML_SUCCESS;
}
