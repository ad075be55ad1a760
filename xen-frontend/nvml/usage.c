/* SPDX-License-Identifier: MIT */
/*
 * Memory and processes, in the several forms that NVML has had for them. What the executor tells of
 * processes is this guest's alone, by the guest's pids.
 */
#include <stdlib.h>

#include "protocol/bounds.h"
#include "xen-frontend/nvml/calls.h"
#include "xen-frontend/nvml/device.h"
#include "xen-frontend/nvml/session.h"

#define LIST_MAX 256u /* as nvml.api has it */

/* --- memory -------------------------------------------------------------------------------------- */

nvmlReturn_t fe_nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
	nvmlMemory_v2_t all;
	nvmlReturn_t result;

	if (!memory)
		return NVML_ERROR_INVALID_ARGUMENT;
	result = rpc_vgMemory(device, &all);
	if (!result)
		*memory = (nvmlMemory_t){
			.total = all.total, .free = all.free, .used = all.used + all.reserved};
	return result;
}

nvmlReturn_t fe_nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
	const unsigned int version = NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2);
	nvmlReturn_t result;

	if (!memory)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (memory->version != version)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	result = rpc_vgMemory(device, memory);
	memory->version = version;
	return result;
}

/* --- processes ----------------------------------------------------------------------------------- */

/* For as many as the library would ask for at once, whatever the program has room for. */
static void *array_new(unsigned int count, size_t element)
{
	return calloc(count < LIST_MAX ? count + 1 : LIST_MAX, element);
}

nvmlReturn_t fe_nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device,
							unsigned int *infoCount,
							nvmlProcessInfo_t *infos)
{
	return rpc_vgProcesses(device, infoCount, infos);
}

nvmlReturn_t fe_nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device,
							unsigned int *infoCount,
							nvmlProcessInfo_v2_t *infos)
{
	return rpc_vgProcesses(device, infoCount, infos);
}

nvmlReturn_t fe_nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned int *infoCount,
						     nvmlProcessInfo_v1_t *infos)
{
	unsigned int room;
	nvmlProcessInfo_t *all;
	nvmlReturn_t result;

	if (!infoCount)
		return NVML_ERROR_INVALID_ARGUMENT;
	room = infos ? *infoCount : 0;
	all = array_new(room, sizeof(*all));
	if (!all)
		return NVML_ERROR_MEMORY;
	result = rpc_vgProcesses(device, infoCount, room ? all : NULL);
	for (unsigned int i = 0; !result && i < *infoCount && i < room; i++)
		infos[i] = (nvmlProcessInfo_v1_t){.pid = all[i].pid,
						  .usedGpuMemory = all[i].usedGpuMemory};
	free(all);
	return result;
}

/* Nobody draws on a vGPU, and no MPS server of the guest's is there. */
static nvmlReturn_t no_processes(nvmlDevice_t device, unsigned int *count)
{
	uint32_t index;

	if (!count || !fe_device_index(device, &index) || index >= fe_nvml_devices())
		return NVML_ERROR_INVALID_ARGUMENT;
	*count = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t fe_nvmlDeviceGetGraphicsRunningProcesses(nvmlDevice_t device, unsigned int *infoCount,
						      nvmlProcessInfo_v1_t *infos)
{
	(void)infos;
	return no_processes(device, infoCount);
}

nvmlReturn_t fe_nvmlDeviceGetGraphicsRunningProcesses_v2(nvmlDevice_t device,
							 unsigned int *infoCount,
							 nvmlProcessInfo_v2_t *infos)
{
	(void)infos;
	return no_processes(device, infoCount);
}

nvmlReturn_t fe_nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device,
							 unsigned int *infoCount,
							 nvmlProcessInfo_t *infos)
{
	(void)infos;
	return no_processes(device, infoCount);
}

nvmlReturn_t fe_nvmlDeviceGetRunningProcessDetailList(nvmlDevice_t device,
						      nvmlProcessDetailList_t *plist)
{
	unsigned int count, room;
	nvmlProcessInfo_t *all;
	nvmlReturn_t result;

	if (!plist)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (plist->version != NVML_STRUCT_VERSION(nvmlProcessDetailList_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (plist->mode != 0) /* compute processes */
		return plist->mode > 2 ? NVML_ERROR_INVALID_ARGUMENT
				       : no_processes(device, &plist->numProcArrayEntries);
	count = room = plist->procArray ? plist->numProcArrayEntries : 0;
	all = array_new(room, sizeof(*all));
	if (!all)
		return NVML_ERROR_MEMORY;
	result = rpc_vgProcesses(device, &count, room ? all : NULL);
	if (!result || result == NVML_ERROR_INSUFFICIENT_SIZE)
		plist->numProcArrayEntries = count;
	for (unsigned int i = 0; !result && i < count && i < room; i++)
		plist->procArray[i] = (nvmlProcessDetail_v1_t){
			.pid = all[i].pid,
			.usedGpuMemory = all[i].usedGpuMemory,
			.gpuInstanceId = all[i].gpuInstanceId,
			.computeInstanceId = all[i].computeInstanceId,
		};
	free(all);
	return result;
}

/* --- load by process ------------------------------------------------------------------------------ */

nvmlReturn_t fe_nvmlDeviceGetProcessUtilization(nvmlDevice_t device,
						nvmlProcessUtilizationSample_t *utilization,
						unsigned int *processSamplesCount,
						unsigned long long lastSeenTimeStamp)
{
	return rpc_vgProcessUtilization(device, lastSeenTimeStamp, processSamplesCount,
					utilization);
}

nvmlReturn_t
fe_nvmlDeviceGetProcessesUtilizationInfo(nvmlDevice_t device,
					 nvmlProcessesUtilizationInfo_t *procesesUtilInfo)
{
	nvmlProcessesUtilizationInfo_t *info = procesesUtilInfo;
	nvmlProcessUtilizationSample_t *all;
	unsigned int count, room;
	nvmlReturn_t result;

	if (!info)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (info->version != NVML_STRUCT_VERSION(nvmlProcessesUtilizationInfo_t, 1))
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	count = room = info->procUtilArray ? info->processSamplesCount : 0;
	all = array_new(room, sizeof(*all));
	if (!all)
		return NVML_ERROR_MEMORY;
	result = rpc_vgProcessUtilization(device, info->lastSeenTimeStamp, &count,
					  room ? all : NULL);
	if (!result || result == NVML_ERROR_INSUFFICIENT_SIZE)
		info->processSamplesCount = count;
	for (unsigned int i = 0; !result && i < count && i < room; i++)
		info->procUtilArray[i] = (nvmlProcessUtilizationInfo_v1_t){
			.timeStamp = all[i].timeStamp,
			.pid = all[i].pid,
			.smUtil = all[i].smUtil,
			.memUtil = all[i].memUtil,
			.encUtil = all[i].encUtil,
			.decUtil = all[i].decUtil,
		};
	free(all);
	return result;
}
