/* SPDX-License-Identifier: MIT */
/* NVML for software devices: see nvml.h. Stateless; any thread. */
#include "dom0-executor/soft/nvml.h"
#include "protocol/uuid.h"

#include <stdio.h>
#include <string.h>

#include "dom0-executor/soft/device.h"
#include "dom0-executor/soft/lost.h"

/* The driver whose API libcuda-soft has; programs read a number out of it. */
#define VERSION             "580.00"
#define NVML_VERSION        "13." VERSION
#define CUDA_VERSION_ANSWER 13000

/* A handle is the device itself. */
static const struct soft_device *device_from(nvmlDevice_t handle)
{
	return (const struct soft_device *)(const void *)handle;
}

#define CHECK_THERE(handle)                              \
	do {                                             \
		if (device_is_lost(device_from(handle))) \
			return NVML_ERROR_GPU_IS_LOST;   \
	} while (0)

static unsigned int attribute(nvmlDevice_t device, CUdevice_attribute which)
{
	return (unsigned int)device_limit(device_from(device), which);
}

static nvmlReturn_t text_out(char *out, unsigned int length, const char *text)
{
	if (strlen(text) >= length)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	memcpy(out, text, strlen(text) + 1);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlInit_v2(void)
{
	device_know_all();
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlShutdown(void)
{
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
	return text_out(version, length, VERSION);
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
	return text_out(version, length, NVML_VERSION);
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion(int *cudaDriverVersion)
{
	*cudaDriverVersion = CUDA_VERSION_ANSWER;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned int *deviceCount)
{
	*deviceCount = soft_settings.devices;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvmlDevice_t *device)
{
	struct soft_device *found = device_numbered(index);

	*device = (nvmlDevice_t)(void *)found;
	if (!found)
		return NVML_ERROR_INVALID_ARGUMENT;
	CHECK_THERE(*device);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned int *index)
{
	CHECK_THERE(device);
	*index = device_from(device)->number;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned int length)
{
	CHECK_THERE(device);
	return text_out(name, length, SOFT_DEVICE_NAME);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned int length)
{
	char text[VG_UUID_TEXT];

	CHECK_THERE(device);
	vg_uuid_text(&device_from(device)->uuid, text);
	return text_out(uuid, length, text);
}

nvmlReturn_t nvmlDeviceGetBrand(nvmlDevice_t device, nvmlBrandType_t *type)
{
	CHECK_THERE(device);
	*type = NVML_BRAND_UNKNOWN;
	return NVML_SUCCESS;
}

/* That of the compute capability, 9.0. */
nvmlReturn_t nvmlDeviceGetArchitecture(nvmlDevice_t device, nvmlDeviceArchitecture_t *arch)
{
	CHECK_THERE(device);
	*arch = NVML_DEVICE_ARCH_HOPPER;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
	CHECK_THERE(device);
	*major = (int)attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
	*minor = (int)attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned int *minorNumber)
{
	CHECK_THERE(device);
	*minorNumber = device_from(device)->number;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
	CHECK_THERE(device);
	memset(pci, 0, sizeof(*pci));
	pci->bus = (unsigned int)(SOFT_PCI_BUS_FIRST + device_from(device)->number) & 0xff;
	snprintf(pci->busId, sizeof(pci->busId), "%08X:%02X:00.0", pci->domain, pci->bus);
	snprintf(pci->busIdLegacy, sizeof(pci->busIdLegacy), "0000:%02X:00.0", pci->bus);
	return NVML_SUCCESS;
}

/* All of it is free: how much is not, only the executor knows of all processes. */
nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
	CHECK_THERE(device);
	memory->total = memory->free = device_from(device)->memory;
	memory->reserved = memory->used = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryBusWidth(nvmlDevice_t device, unsigned int *busWidth)
{
	CHECK_THERE(device);
	*busWidth = attribute(device, CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH);
	return NVML_SUCCESS;
}

/* It needs nobody to be there to be ready. */
nvmlReturn_t nvmlDeviceGetPersistenceMode(nvmlDevice_t device, nvmlEnableState_t *mode)
{
	CHECK_THERE(device);
	*mode = NVML_FEATURE_ENABLED;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeMode(nvmlDevice_t device, nvmlComputeMode_t *mode)
{
	CHECK_THERE(device);
	*mode = NVML_COMPUTEMODE_DEFAULT;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPerformanceState(nvmlDevice_t device, nvmlPstates_t *pState)
{
	CHECK_THERE(device);
	*pState = NVML_PSTATE_0;
	return NVML_SUCCESS;
}

/* As its attributes say. */
nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, nvmlClockType_t type, unsigned int *clock)
{
	CUdevice_attribute which = type == NVML_CLOCK_MEM ? CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE
							  : CU_DEVICE_ATTRIBUTE_CLOCK_RATE;

	CHECK_THERE(device);
	if (type > NVML_CLOCK_VIDEO)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (type == NVML_CLOCK_VIDEO)
		return NVML_ERROR_NOT_SUPPORTED;
	*clock = attribute(device, which) / 1000;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMaxClockInfo(nvmlDevice_t device, nvmlClockType_t type,
				       unsigned int *clock)
{
	return nvmlDeviceGetClockInfo(device, type, clock);
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(nvmlDevice_t device,
						    unsigned long long *clocksEventReasons)
{
	CHECK_THERE(device);
	*clocksEventReasons = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int valuesCount,
				      nvmlFieldValue_t *values)
{
	CHECK_THERE(device);
	for (int i = 0; i < valuesCount; i++)
		values[i].nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
	return NVML_SUCCESS;
}
