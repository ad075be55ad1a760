/* SPDX-License-Identifier: MIT */
/* See gpu.h. What the functions do: NVIDIA's NVML reference manual. */
#include "tools/gpu.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/log.h"
#include "protocol/nvml_proto.h"

#define LIBRARY "libnvidia-ml.so.1"

static void *library; /* NULL: none is loaded */

/* A call, if the library has it: what is newer than it is like what a GPU does not support. */
#define NVML(function, ...)                                                    \
	({                                                                     \
		__typeof__(function) *call_;                                   \
                                                                               \
		*(void **)&call_ = library ? dlsym(library, #function) : NULL; \
		call_ ? call_(__VA_ARGS__) : NVML_ERROR_FUNCTION_NOT_FOUND;    \
	})

static void error_text(nvmlReturn_t result, char *why, size_t size)
{
	__typeof__(nvmlErrorString) *text;

	*(void **)&text = dlsym(library, "nvmlErrorString");
	snprintf(why, size, "%s", text ? text(result) : "");
	if (!*why)
		snprintf(why, size, "error %d", (int)result);
	vg_log_clean(why);
}

int vgpu_nvml_open(char *why, size_t size)
{
	nvmlReturn_t result;

	snprintf(why, size, "there is no " LIBRARY);
	library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return -ENOENT;
	/*
	 * Where a guest's library stands in for the driver's, it must not take xen-vgpud's socket for its
	 * broker's. What getenv() has returned of the environment that we started with stays valid.
	 */
	unsetenv("VGPU_SOCKET");
	result = NVML(nvmlInit_v2);
	if (result == NVML_SUCCESS)
		return 0;
	error_text(result, why, size);
	dlclose(library);
	library = NULL;
	return -ENODEV;
}

void vgpu_nvml_close(void)
{
	if (!library)
		return;
	(void)NVML(nvmlShutdown);
	dlclose(library);
	library = NULL;
}

/* As the library left it: ended, and fit to be printed; empty where it failed. */
static void text_take(nvmlReturn_t result, char *text, size_t size)
{
	text[result == NVML_SUCCESS ? size - 1 : 0] = '\0';
	vg_log_clean(text);
}

void vgpu_nvml_versions(struct vgpu_nvml_versions *versions)
{
	int cuda = 0;

	memset(versions, 0, sizeof(*versions));
	text_take(NVML(nvmlSystemGetDriverVersion, versions->driver, sizeof(versions->driver)),
		  versions->driver, sizeof(versions->driver));
	text_take(NVML(nvmlSystemGetNVMLVersion, versions->nvml, sizeof(versions->nvml)),
		  versions->nvml, sizeof(versions->nvml));
	if (NVML(nvmlSystemGetCudaDriverVersion_v2, &cuda) == NVML_SUCCESS && cuda > 0)
		snprintf(versions->cuda, sizeof(versions->cuda), "%d.%d", cuda / 1000,
			 cuda % 1000 / 10);
}

/* --- one GPU ---------------------------------------------------------------------------------- */

const struct vgpu_gpu vgpu_gpu_unknown = {
	.busy = NAN, .memory_used = NAN, .memory_total = NAN, .celsius = NAN, .watts = NAN};

unsigned int vgpu_gpu_count(void)
{
	unsigned int count = 0;

	return NVML(nvmlDeviceGetCount_v2, &count) == NVML_SUCCESS ? count : 0;
}

nvmlDevice_t vgpu_gpu_at(unsigned int index)
{
	nvmlDevice_t device = NULL;

	return NVML(nvmlDeviceGetHandleByIndex_v2, index, &device) == NVML_SUCCESS ? device : NULL;
}

static bool all_digits(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

nvmlDevice_t vgpu_gpu_find(const char *setting)
{
	nvmlDevice_t device = NULL;
	nvmlReturn_t result;

	if (!*setting)
		return vgpu_gpu_at(0);
	if (all_digits(setting))
		return vgpu_gpu_at((unsigned int)strtoul(setting, NULL, 10));
	if (strchr(setting, ':'))
		result = NVML(nvmlDeviceGetHandleByPciBusId_v2, setting, &device);
	else
		result = NVML(nvmlDeviceGetHandleByUUID, setting, &device);
	return result == NVML_SUCCESS ? device : NULL;
}

int vgpu_gpu_index(nvmlDevice_t device)
{
	unsigned int index = 0;

	return NVML(nvmlDeviceGetIndex, device, &index) == NVML_SUCCESS ? (int)index : -1;
}

void vgpu_gpu_read(nvmlDevice_t device, struct vgpu_gpu *gpu)
{
	nvmlMemory_t memory = {0};
	nvmlUtilization_t rates = {0};
	unsigned int value = 0;

	*gpu = vgpu_gpu_unknown;
	text_take(NVML(nvmlDeviceGetName, device, gpu->model, sizeof(gpu->model)), gpu->model,
		  sizeof(gpu->model));
	text_take(NVML(nvmlDeviceGetUUID, device, gpu->uuid, sizeof(gpu->uuid)), gpu->uuid,
		  sizeof(gpu->uuid));
	if (NVML(nvmlDeviceGetUtilizationRates, device, &rates) == NVML_SUCCESS)
		gpu->busy = rates.gpu / 100.0;
	if (NVML(nvmlDeviceGetMemoryInfo, device, &memory) == NVML_SUCCESS) {
		gpu->memory_used = (double)memory.used;
		gpu->memory_total = (double)memory.total;
	}
	if (NVML(nvmlDeviceGetTemperature, device, NVML_TEMPERATURE_GPU, &value) == NVML_SUCCESS)
		gpu->celsius = value;
	if (NVML(nvmlDeviceGetPowerUsage, device, &value) == NVML_SUCCESS)
		gpu->watts = value / 1000.0; /* of mW */
}

/* --- its processes ---------------------------------------------------------------------------- */

bool vgpu_gpu_times(nvmlDevice_t device, uint64_t *since, struct vgpu_gpu_times *times)
{
	nvmlReturn_t result;

	times->count = VGPU_GPU_PROCESSES;
	result =
		NVML(nvmlDeviceGetProcessUtilization, device, times->sample, &times->count, *since);
	if (result != NVML_SUCCESS || times->count > VGPU_GPU_PROCESSES)
		times->count = 0;
	for (unsigned int i = 0; i < times->count; i++)
		if (times->sample[i].timeStamp > *since)
			*since = times->sample[i].timeStamp;
	/* No samples since then: nothing ran. */
	return result == NVML_SUCCESS || result == NVML_ERROR_NOT_FOUND;
}

double vgpu_gpu_share(const struct vgpu_gpu_times *times, uint64_t pid)
{
	double sum = 0;
	unsigned int found = 0;

	for (unsigned int i = 0; i < times->count; i++) {
		if (times->sample[i].pid != pid || times->sample[i].smUtil > 100)
			continue;
		sum += times->sample[i].smUtil;
		found++;
	}
	return found ? sum / found / 100 : 0;
}

bool vgpu_gpu_holders(nvmlDevice_t device, struct vgpu_gpu_holders *holders)
{
	nvmlReturn_t result;

	holders->count = VGPU_GPU_PROCESSES;
	result = NVML(nvmlDeviceGetComputeRunningProcesses_v3, device, &holders->count,
		      holders->holder);
	if (result != NVML_SUCCESS || holders->count > VGPU_GPU_PROCESSES)
		holders->count = 0;
	return result == NVML_SUCCESS;
}

double vgpu_gpu_held(const struct vgpu_gpu_holders *holders, uint64_t pid)
{
	double held = 0;

	for (unsigned int i = 0; i < holders->count; i++) {
		if (holders->holder[i].pid != pid)
			continue;
		if (holders->holder[i].usedGpuMemory ==
		    (unsigned long long)NVML_VALUE_NOT_AVAILABLE)
			return NAN;
		held += (double)holders->holder[i].usedGpuMemory;
	}
	return held;
}
