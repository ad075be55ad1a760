/* SPDX-License-Identifier: MIT */
/*
 * An NVML of two GPUs for the tests of vgpu top and vgpu verify: processes 4001 and 4002 use the first one. $FAKE_NVML
 * makes it ill: `broken` does not start, `hangs` never comes back, `mute` says nothing of a GPU but that it is there.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/nvml_proto.h"

static char handles[2];

static bool is(const char *illness)
{
	const char *env = getenv("FAKE_NVML");

	return env && !strcmp(env, illness);
}

static nvmlDevice_t handle(unsigned int index)
{
	return (nvmlDevice_t)(void *)&handles[index];
}

static bool first(nvmlDevice_t device)
{
	return device == handle(0);
}

const char *nvmlErrorString(nvmlReturn_t result)
{
	return result == NVML_ERROR_DRIVER_NOT_LOADED ? "Driver Not Loaded\033[1m" : "";
}

nvmlReturn_t nvmlInit_v2(void)
{
	while (is("hangs"))
		pause();
	return is("broken") ? NVML_ERROR_DRIVER_NOT_LOADED : NVML_SUCCESS;
}

nvmlReturn_t nvmlShutdown(void)
{
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
	snprintf(version, length, "580.95.05");
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
	snprintf(version, length, "13.580.95.05");
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *cudaDriverVersion)
{
	*cudaDriverVersion = 13020;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *deviceCount)
{
	*deviceCount = 2;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
	if (index > 1)
		return NVML_ERROR_INVALID_ARGUMENT;
	*device = handle(index);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
	*device = handle(1);
	return strcmp(uuid, "GPU-second") ? NVML_ERROR_NOT_FOUND : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *pciBusId, nvmlDevice_t *device)
{
	*device = handle(1);
	return strcmp(pciBusId, "0000:02:00.0") ? NVML_ERROR_NOT_FOUND : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
	*index = first(device) ? 0 : 1;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
	snprintf(name, length, first(device) ? "Test GPU\033[1m" : "Other GPU");
	return is("mute") ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
	snprintf(uuid, length, first(device) ? "GPU-first" : "GPU-second");
	return is("mute") ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
	*utilization = (nvmlUtilization_t){.gpu = first(device) ? 45 : 0, .memory = 10};
	return is("mute") ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
	(void)device;
	*memory = (nvmlMemory_t){.total = 80ull << 30, .free = 60ull << 30, .used = 20ull << 30};
	return is("mute") ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensorType,
				      unsigned int *temp)
{
	(void)device;
	*temp = 54;
	return sensorType == NVML_TEMPERATURE_GPU ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

/* The second one does not say. */
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned int *power)
{
	*power = 310000;
	return first(device) ? NVML_SUCCESS : NVML_ERROR_NOT_SUPPORTED;
}

/* Two samples of one process, one of another; the second GPU has nothing new, which is no error. */
nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device,
					     nvmlProcessUtilizationSample_t *utilization,
					     unsigned int *processSamplesCount,
					     unsigned long long lastSeenTimeStamp)
{
	const nvmlProcessUtilizationSample_t all[] = {
		{.pid = 4001, .timeStamp = lastSeenTimeStamp + 1000, .smUtil = 30},
		{.pid = 4001, .timeStamp = lastSeenTimeStamp + 2000, .smUtil = 44},
		{.pid = 4002, .timeStamp = lastSeenTimeStamp + 2000, .smUtil = 5}};

	if (is("mute"))
		return NVML_ERROR_NOT_SUPPORTED;
	if (!first(device))
		return NVML_ERROR_NOT_FOUND;
	if (*processSamplesCount < 3)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	memcpy(utilization, all, sizeof(all));
	*processSamplesCount = 3;
	return NVML_SUCCESS;
}

/* Of 4002 it does not know how much. */
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned int *infoCount,
						     nvmlProcessInfo_t *infos)
{
	const nvmlProcessInfo_t all[] = {
		{.pid = 4001, .usedGpuMemory = 3ull << 30},
		{.pid = 4002, .usedGpuMemory = (unsigned long long)NVML_VALUE_NOT_AVAILABLE},
		{.pid = 4005, .usedGpuMemory = 1ull << 30}};

	if (is("mute"))
		return NVML_ERROR_NOT_SUPPORTED;
	*infoCount = first(device) ? 3 : 0;
	memcpy(infos, all, *infoCount * sizeof(all[0]));
	return NVML_SUCCESS;
}
