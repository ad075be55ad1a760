/* SPDX-License-Identifier: MIT */
/*
 * Where devices are as seen from the guest: its processors are all alike to a vGPU, and its devices lie to
 * each other as they do on the host.
 */
#include <string.h>
#include <unistd.h>

#include "xen-frontend/nvml/calls.h"
#include "xen-frontend/nvml/device.h"
#include "xen-frontend/nvml/session.h"

#define LONG_BITS (8 * sizeof(unsigned long))

static unsigned int processors(void)
{
	long count = sysconf(_SC_NPROCESSORS_CONF);

	return count > 0 ? (unsigned int)count : 1;
}

static bool is_device(nvmlDevice_t device)
{
	uint32_t index;

	return fe_device_index(device, &index) && index < fe_nvml_devices();
}

nvmlReturn_t fe_nvmlDeviceGetCpuAffinity(nvmlDevice_t device, unsigned int cpuSetSize,
					 unsigned long *cpuSet)
{
	if (!cpuSet || !cpuSetSize || !is_device(device))
		return NVML_ERROR_INVALID_ARGUMENT;
	memset(cpuSet, 0, cpuSetSize * sizeof(*cpuSet));
	for (unsigned int i = 0; i < processors() && i / LONG_BITS < cpuSetSize; i++)
		cpuSet[i / LONG_BITS] |= 1ul << i % LONG_BITS;
	return NVML_SUCCESS;
}

nvmlReturn_t fe_nvmlDeviceGetCpuAffinityWithinScope(nvmlDevice_t device, unsigned int cpuSetSize,
						    unsigned long *cpuSet,
						    nvmlAffinityScope_t scope)
{
	if (scope > NVML_AFFINITY_SCOPE_SOCKET)
		return NVML_ERROR_INVALID_ARGUMENT;
	return fe_nvmlDeviceGetCpuAffinity(device, cpuSetSize, cpuSet);
}

/* Adds to a list of handles of which `room` fit. */
static void handle_add(nvmlDevice_t *list, unsigned int room, unsigned int *count,
		       nvmlDevice_t device)
{
	if (list && *count < room)
		list[*count] = device;
	++*count;
}

nvmlReturn_t fe_nvmlDeviceGetTopologyNearestGpus(nvmlDevice_t device, nvmlGpuTopologyLevel_t level,
						 unsigned int *count, nvmlDevice_t *deviceArray)
{
	unsigned int room = count ? *count : 0, found = 0, devices = fe_nvml_devices();

	if (!count || !is_device(device))
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned int i = 0; i < devices; i++) {
		nvmlGpuTopologyLevel_t between = 0;

		if (fe_device_handle(i) == device ||
		    rpc_nvmlDeviceGetTopologyCommonAncestor(device, fe_device_handle(i), &between))
			continue;
		if (between == level)
			handle_add(deviceArray, room, &found, fe_device_handle(i));
	}
	*count = found;
	return deviceArray && found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

nvmlReturn_t fe_nvmlSystemGetTopologyGpuSet(unsigned int cpuNumber, unsigned int *count,
					    nvmlDevice_t *deviceArray)
{
	unsigned int room = count ? *count : 0, found = 0, devices = fe_nvml_devices();

	if (!count || cpuNumber >= processors())
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned int i = 0; i < devices; i++)
		handle_add(deviceArray, room, &found, fe_device_handle(i));
	*count = found;
	return deviceArray && found > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}
