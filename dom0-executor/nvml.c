/* SPDX-License-Identifier: MIT */
/* See nvml.h. */
#include "dom0-executor/nvml.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0-executor/calls.h"
#include "dom0-executor/nvml_calls.h"
#include "dom0-executor/session.h"

#define LIBRARY       "libnvidia-ml.so.1"
#define PROCESSES_MAX 1024u
#define UUID_MAX      96

struct ex_nvml_host ex_nvml_host;

static const struct ex_nvml_symbol host_symbols[] = {
	{"nvmlInit_v2", (void (**)(void)) & ex_nvml_host.init},
	{"nvmlShutdown", (void (**)(void)) & ex_nvml_host.shutdown},
	{"nvmlDeviceGetCount_v2", (void (**)(void)) & ex_nvml_host.count},
	{"nvmlDeviceGetHandleByIndex_v2", (void (**)(void)) & ex_nvml_host.by_index},
	{"nvmlDeviceGetHandleByUUID", (void (**)(void)) & ex_nvml_host.by_uuid},
	{"nvmlDeviceGetHandleByPciBusId_v2", (void (**)(void)) & ex_nvml_host.by_bus},
	{"nvmlDeviceGetUUID", (void (**)(void)) & ex_nvml_host.uuid},
	/* Version 3 has the same layout as version 2, and came with driver 510. */
	{"nvmlDeviceGetComputeRunningProcesses_v2", (void (**)(void)) & ex_nvml_host.processes},
	{"nvmlDeviceGetComputeRunningProcesses_v3", (void (**)(void)) & ex_nvml_host.processes},
	{"nvmlDeviceGetMemoryInfo_v2", (void (**)(void)) & ex_nvml_host.memory},
	{"nvmlDeviceGetUtilizationRates", (void (**)(void)) & ex_nvml_host.utilization},
	{"nvmlDeviceGetProcessUtilization", (void (**)(void)) & ex_nvml_host.samples},
};

void ex_nvml_init(struct ex_nvml *nvml)
{
	memset(nvml, 0, sizeof(*nvml));
	pthread_mutex_init(&nvml->lock, NULL);
}

void ex_nvml_dispose(struct ex_nvml *nvml)
{
	if (nvml->library && !nvml->result && ex_nvml_host.shutdown)
		ex_nvml_host.shutdown();
	if (nvml->library)
		dlclose(nvml->library);
	nvml->library = NULL;
	pthread_mutex_destroy(&nvml->lock);
}

/* --- the library -------------------------------------------------------------------------------- */

static void *library_open(bool soft)
{
	char path[PATH_MAX];
	const char *slash;
	void *symbol;
	Dl_info info;

	memcpy(&symbol, &ex_driver.cuInit, sizeof(symbol));
	if (!symbol || !dladdr(symbol, &info) || !info.dli_fname)
		return NULL;
	if (soft)
		return dlopen(info.dli_fname, RTLD_NOW | RTLD_LOCAL);
	slash = strrchr(info.dli_fname, '/');
	if (!slash || snprintf(path, sizeof(path), "%.*s/" LIBRARY, (int)(slash - info.dli_fname),
			       info.dli_fname) >= (int)sizeof(path))
		return NULL;
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* A name that is missing leaves its slot as it is. */
static void symbols_find(void *library, const struct ex_nvml_symbol *symbols, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (symbol)
			memcpy(symbols[i].slot, &symbol, sizeof(symbol));
	}
}

/* --- the vGPU's devices -------------------------------------------------------------------------- */

static bool device_add(struct ex_nvml *nvml, nvmlDevice_t device)
{
	if (!device || nvml->count == EX_NVML_DEVICES_MAX)
		return false;
	nvml->devices[nvml->count++] = device;
	return true;
}

static bool device_add_index(struct ex_nvml *nvml, unsigned int index)
{
	nvmlDevice_t device = NULL;

	return !ex_nvml_host.by_index(index, &device) && device_add(nvml, device);
}

static bool device_add_bus(struct ex_nvml *nvml, const char *bus)
{
	nvmlDevice_t device = NULL;

	return ex_nvml_host.by_bus && !ex_nvml_host.by_bus(bus, &device) &&
	       device_add(nvml, device);
}

/* A UUID's beginning is enough, as for CUDA_VISIBLE_DEVICES; parts of a GPU (MIG-...) by the whole of it. */
static bool device_add_uuid(struct ex_nvml *nvml, const char *prefix)
{
	char uuid[UUID_MAX];
	unsigned int count = 0;
	nvmlDevice_t device = NULL;

	if (ex_nvml_host.by_uuid && !ex_nvml_host.by_uuid(prefix, &device))
		return device_add(nvml, device);
	if (!ex_nvml_host.uuid || ex_nvml_host.count(&count))
		return false;
	for (unsigned int i = 0; i < count; i++)
		if (!ex_nvml_host.by_index(i, &device) &&
		    !ex_nvml_host.uuid(device, uuid, sizeof(uuid)) &&
		    !strncmp(uuid, prefix, strlen(prefix)))
			return device_add(nvml, device);
	return false;
}

/* As the driver reads that list: what follows a device that is not there does not count. */
static void devices_named(struct ex_nvml *nvml, const char *list)
{
	char *copy = strdup(list), *rest = copy, *word;
	bool found = copy != NULL;

	while (found && (word = strsep(&rest, ","))) {
		char *end;
		unsigned long index = strtoul(word, &end, 10);

		if (end != word && !*end && index < INT_MAX)
			found = device_add_index(nvml, (unsigned int)index);
		else if (strchr(word, ':'))
			found = device_add_bus(nvml, word);
		else
			found = *word && device_add_uuid(nvml, word);
	}
	free(copy);
}

static nvmlReturn_t devices_find(struct ex_nvml *nvml, bool soft)
{
	const char *list = soft ? NULL : getenv("CUDA_VISIBLE_DEVICES");
	unsigned int count = 0;
	nvmlReturn_t result;

	if (list) {
		devices_named(nvml, list);
		return NVML_SUCCESS;
	}
	result = ex_nvml_host.count(&count);
	for (unsigned int i = 0; !result && i < count; i++)
		device_add_index(nvml, i);
	return result;
}

static nvmlReturn_t nvml_try(struct ex_session *session)
{
	struct ex_nvml *nvml = &session->nvml;
	nvmlReturn_t result;

	nvml->library = library_open(session->soft);
	if (!nvml->library) {
		vg_warn(&session->who,
			"event=no-nvml effect=\"contexts and modules are counted by estimates, and "
			"NVML in the guest does not work\"");
		return NVML_ERROR_LIBRARY_NOT_FOUND;
	}
	symbols_find(nvml->library, host_symbols, sizeof(host_symbols) / sizeof(host_symbols[0]));
	symbols_find(nvml->library, ex_nvml_symbols, ex_nvml_symbols_count);
	if (!ex_nvml_host.init || !ex_nvml_host.count || !ex_nvml_host.by_index)
		return NVML_ERROR_FUNCTION_NOT_FOUND;
	result = ex_nvml_host.init();
	if (!result)
		result = devices_find(nvml, session->soft);
	vg_info(&session->who, "event=nvml result=%d devices=%u", (int)result, nvml->count);
	return result;
}

nvmlReturn_t ex_nvml_open(struct ex_session *session)
{
	struct ex_nvml *nvml = &session->nvml;
	nvmlReturn_t result;

	pthread_mutex_lock(&nvml->lock);
	if (!nvml->tried) {
		nvml->result = nvml_try(session);
		ex_busy_look(session);
		nvml->tried = true;
	}
	result = nvml->result;
	pthread_mutex_unlock(&nvml->lock);
	return result;
}

nvmlDevice_t ex_nvml_device(const struct ex_session *session, uint32_t index)
{
	return index < session->nvml.count ? session->nvml.devices[index] : NULL;
}

/* --- processes ------------------------------------------------------------------------------------- */

nvmlProcessInfo_t *ex_nvml_host_processes(nvmlDevice_t device, unsigned int *count)
{
	nvmlProcessInfo_t *all = calloc(PROCESSES_MAX, sizeof(*all));

	*count = PROCESSES_MAX;
	if (all && ex_nvml_host.processes && !ex_nvml_host.processes(device, count, all) &&
	    *count <= PROCESSES_MAX)
		return all;
	free(all);
	*count = 0;
	return NULL;
}

static bool used_add(nvmlDevice_t device, uint32_t pid, uint64_t *bytes)
{
	unsigned int count;
	nvmlProcessInfo_t *all = ex_nvml_host_processes(device, &count);
	bool found = false;

	for (unsigned int i = 0; i < count; i++) {
		if (all[i].pid != pid || all[i].usedGpuMemory == ULLONG_MAX)
			continue;
		*bytes += all[i].usedGpuMemory;
		found = true;
	}
	free(all);
	return found;
}

bool ex_nvml_used(struct ex_session *session, uint64_t *bytes)
{
	const struct ex_nvml *nvml = &session->nvml;
	bool found = false;

	*bytes = 0;
	if (ex_nvml_open(session))
		return false;
	for (unsigned int i = 0; i < nvml->count; i++)
		found |= used_add(nvml->devices[i], (uint32_t)getpid(), bytes);
	return found;
}

/* --- the library's answers ------------------------------------------------------------------------ */

nvmlReturn_t ex_nvml_host_memory(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
	memset(memory, 0, sizeof(*memory));
	memory->version = NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2);
	return ex_nvml_host.memory ? ex_nvml_host.memory(device, memory)
				   : NVML_ERROR_FUNCTION_NOT_FOUND;
}

nvmlReturn_t ex_nvml_host_utilization(nvmlDevice_t device, nvmlUtilization_t *utilization)
{
	return ex_nvml_host.utilization ? ex_nvml_host.utilization(device, utilization)
					: NVML_ERROR_FUNCTION_NOT_FOUND;
}

nvmlReturn_t ex_nvml_host_samples(nvmlDevice_t device, nvmlProcessUtilizationSample_t *samples,
				  unsigned int *count, unsigned long long since)
{
	return ex_nvml_host.samples ? ex_nvml_host.samples(device, samples, count, since)
				    : NVML_ERROR_FUNCTION_NOT_FOUND;
}
