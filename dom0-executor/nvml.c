/* SPDX-License-Identifier: MIT */
/* See nvml.h. Its declarations are written down here: nvml.h of NVIDIA's comes with a toolkit only. */
#include "dom0-executor/nvml.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0-executor/calls.h"
#include "dom0-executor/primary.h"

#define LIBRARY       "libnvidia-ml.so.1"
#define PROCESSES_MAX 1024u

typedef void *nvml_device;

struct nvml_process {
	unsigned int pid;
	unsigned long long used; /* bytes; all ones: not available */
	unsigned int gpu_instance, compute_instance;
};

struct ex_nvml {
	void *library;
	int (*shutdown)(void);
	int (*processes)(nvml_device device, unsigned int *count, struct nvml_process *processes);
	nvml_device devices[EX_DEVICES_MAX];
	int count;
};

static void *library_open(void)
{
	char path[PATH_MAX];
	const char *slash;
	void *symbol;
	Dl_info info;

	memcpy(&symbol, &ex_driver.cuInit, sizeof(symbol));
	if (!symbol || !dladdr(symbol, &info) || !info.dli_fname)
		return NULL;
	slash = strrchr(info.dli_fname, '/');
	if (!slash || snprintf(path, sizeof(path), "%.*s/" LIBRARY, (int)(slash - info.dli_fname),
			       info.dli_fname) >= (int)sizeof(path))
		return NULL;
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

static void devices_find(struct ex_nvml *nvml, int (*by_bus)(const char *bus, nvml_device *device))
{
	char bus[32] = "";
	int count = 0;

	if (!ex_driver.cuDeviceGetCount || !ex_driver.cuDeviceGetPCIBusId ||
	    ex_driver.cuDeviceGetCount(&count))
		return;
	for (int i = 0; i < count && i < EX_DEVICES_MAX; i++)
		if (!ex_driver.cuDeviceGetPCIBusId(bus, sizeof(bus), i) &&
		    !by_bus(bus, &nvml->devices[nvml->count]))
			nvml->count++;
}

struct ex_nvml *ex_nvml_open(void)
{
	void *library = library_open();
	struct ex_nvml *nvml;
	int (*by_bus)(const char *bus, nvml_device *device);
	int (*init)(void);

	if (!library)
		return NULL;
	nvml = calloc(1, sizeof(*nvml));
	if (!nvml) {
		dlclose(library);
		return NULL;
	}
	nvml->library = library;
	*(void **)&init = dlsym(library, "nvmlInit_v2");
	*(void **)&nvml->shutdown = dlsym(library, "nvmlShutdown");
	*(void **)&by_bus = dlsym(library, "nvmlDeviceGetHandleByPciBusId_v2");
	/* Version 3 has the same layout as version 2, and came with driver 510. */
	*(void **)&nvml->processes = dlsym(library, "nvmlDeviceGetComputeRunningProcesses_v3");
	if (!nvml->processes)
		*(void **)&nvml->processes =
			dlsym(library, "nvmlDeviceGetComputeRunningProcesses_v2");
	if (init && by_bus && nvml->processes && !init())
		devices_find(nvml, by_bus);
	if (nvml->count)
		return nvml;
	ex_nvml_close(nvml);
	return NULL;
}

void ex_nvml_close(struct ex_nvml *nvml)
{
	if (!nvml)
		return;
	if (nvml->count && nvml->shutdown)
		nvml->shutdown();
	dlclose(nvml->library);
	free(nvml);
}

bool ex_nvml_used(const struct ex_nvml *nvml, uint64_t *bytes)
{
	struct nvml_process *all = calloc(PROCESSES_MAX, sizeof(*all));
	unsigned int self = (unsigned int)getpid();
	bool found = false;

	*bytes = 0;
	for (int i = 0; all && i < nvml->count; i++) {
		unsigned int count = PROCESSES_MAX;

		if (nvml->processes(nvml->devices[i], &count, all))
			continue;
		for (unsigned int k = 0; k < count && k < PROCESSES_MAX; k++) {
			if (all[k].pid != self || all[k].used == ULLONG_MAX)
				continue;
			*bytes += all[k].used;
			found = true;
		}
	}
	free(all);
	return found;
}
