/* SPDX-License-Identifier: MIT */
/* The library, found as programs find it or else beside us; devices by what a user calls them. */
#include "xen-frontend/smi/smi.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libnvidia-ml.so.1"

static void *library;

/* As installed, and as built. */
static void *open_beside(const char *below)
{
	char path[PATH_MAX], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 64);

	if (n < 0)
		return NULL;
	path[n] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash, 64, "/../%s/" LIBRARY, below);
	return dlopen(path, RTLD_NOW);
}

void *smi_symbol(const char *name)
{
	return library ? dlsym(library, name) : NULL;
}

const char *smi_error_text(nvmlReturn_t result)
{
	switch (result) {
	case NVML_ERROR_NOT_SUPPORTED:
	case NVML_ERROR_FUNCTION_NOT_FOUND: return "[N/A]";
	case NVML_ERROR_NO_PERMISSION: return "[Insufficient Permissions]";
	case NVML_ERROR_GPU_IS_LOST: return "[GPU is lost]";
	case NVML_ERROR_RESET_REQUIRED: return "[GPU requires reset]";
	default: return "[Unknown Error]";
	}
}

static void open_complain(nvmlReturn_t result)
{
	__typeof__(nvmlErrorString) *text;

	*(void **)&text = smi_symbol("nvmlErrorString");
	if (result == NVML_ERROR_DRIVER_NOT_LOADED)
		fputs("vgpu-smi has failed because it couldn't communicate with a driver. No vGPU is "
		      "attached, or vgpu-frontd does not run in this guest.\n",
		      stderr);
	else
		fprintf(stderr, "Failed to initialize NVML: %s\n",
			text ? text(result) : "Unknown Error");
}

nvmlReturn_t smi_open(void)
{
	nvmlReturn_t result;

	library = dlopen(LIBRARY, RTLD_NOW);
	if (!library)
		library = open_beside("lib/vgpu");
	if (!library)
		library = open_beside("lib");
	if (!library) {
		fprintf(stderr, "vgpu-smi couldn't find " LIBRARY " library in your system: %s\n",
			dlerror());
		return NVML_ERROR_LIBRARY_NOT_FOUND;
	}
	result = SMI_CALL(nvmlInit_v2);
	if (result)
		open_complain(result);
	return result;
}

void smi_close(void)
{
	SMI_CALL(nvmlShutdown);
}

/* --- devices ------------------------------------------------------------------------------------- */

static bool device_find(const char *wanted, nvmlDevice_t *device)
{
	char *end;
	unsigned long index = strtoul(wanted, &end, 10);

	if (end != wanted && !*end)
		return index < UINT_MAX &&
		       !SMI_CALL(nvmlDeviceGetHandleByIndex_v2, (unsigned int)index, device);
	if (strchr(wanted, ':'))
		return !SMI_CALL(nvmlDeviceGetHandleByPciBusId_v2, wanted, device);
	return !SMI_CALL(nvmlDeviceGetHandleByUUID, wanted, device) ||
	       !SMI_CALL(nvmlDeviceGetHandleBySerial, wanted, device);
}

static void device_add(struct smi_devices *devices, nvmlDevice_t device)
{
	unsigned int index = devices->count;

	if (devices->count == SMI_DEVICES_MAX)
		return;
	(void)SMI_CALL(nvmlDeviceGetIndex, device, &index);
	devices->index[devices->count] = index;
	devices->handle[devices->count++] = device;
}

static nvmlReturn_t devices_all(struct smi_devices *devices)
{
	unsigned int count = 0;
	nvmlReturn_t result = SMI_CALL(nvmlDeviceGetCount_v2, &count);
	nvmlDevice_t device;

	for (unsigned int i = 0; !result && i < count; i++)
		if (!SMI_CALL(nvmlDeviceGetHandleByIndex_v2, i, &device))
			device_add(devices, device);
	if (result)
		fprintf(stderr, "Unable to determine the devices: %s\n", smi_error_text(result));
	return result;
}

nvmlReturn_t smi_devices_find(struct smi_devices *devices, const char *wanted)
{
	nvmlReturn_t result = NVML_SUCCESS;
	char *copy, *rest, *word;

	memset(devices, 0, sizeof(*devices));
	if (!wanted)
		return devices_all(devices);
	copy = rest = strdup(wanted);
	while (copy && !result && (word = strsep(&rest, ","))) {
		nvmlDevice_t device;

		if (device_find(word, &device)) {
			device_add(devices, device);
			continue;
		}
		fprintf(stderr, "No devices were found: there is no '%s'\n", word);
		result = NVML_ERROR_NOT_FOUND;
	}
	free(copy);
	return copy ? result : NVML_ERROR_MEMORY;
}

/* --- processes ------------------------------------------------------------------------------------ */

nvmlReturn_t smi_processes_find(nvmlDevice_t device, struct smi_processes *processes)
{
	const unsigned int most = sizeof(processes->info) / sizeof(processes->info[0]);
	nvmlReturn_t result;

	processes->count = most;
	result = SMI_CALL(nvmlDeviceGetComputeRunningProcesses_v3, device, &processes->count,
			  processes->info);
	if (result == NVML_ERROR_INSUFFICIENT_SIZE && processes->count > most)
		processes->count = most;
	else if (result)
		processes->count = 0;
	return result;
}

void smi_process_name(unsigned int pid, char *name)
{
	if (SMI_CALL(nvmlSystemGetProcessName, pid, name, SMI_TEXT_MAX) || !*name)
		snprintf(name, SMI_TEXT_MAX, "[Not Found]");
}
