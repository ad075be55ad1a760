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

struct ex_nvml_host ex_nvml_host;

static const struct ex_nvml_symbol host_symbols[] = {
	{"nvmlInit_v2", (void (**)(void)) & ex_nvml_host.init},
	{"nvmlShutdown", (void (**)(void)) & ex_nvml_host.shutdown},
	{"nvmlDeviceGetCount_v2", (void (**)(void)) & ex_nvml_host.count},
	{"nvmlDeviceGetHandleByIndex_v2", (void (**)(void)) & ex_nvml_host.by_index},
	{"nvmlDeviceGetHandleByUUID", (void (**)(void)) & ex_nvml_host.by_uuid},
	{"nvmlDeviceGetHandleByPciBusId_v2", (void (**)(void)) & ex_nvml_host.by_bus},
	{"nvmlDeviceGetUUID", (void (**)(void)) & ex_nvml_host.uuid},
	{"nvmlDeviceGetIndex", (void (**)(void)) & ex_nvml_host.index},
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

/* --- the vGPUs' devices -------------------------------------------------------------------------- */

/* A UUID's beginning is enough, as for CUDA_VISIBLE_DEVICES; parts of a GPU (MIG-...) by the whole of it. */
static nvmlDevice_t device_by_uuid(const char *prefix)
{
	char uuid[EX_UUID_MAX];
	unsigned int count = 0;
	nvmlDevice_t device = NULL;

	if (ex_nvml_host.by_uuid && !ex_nvml_host.by_uuid(prefix, &device))
		return device;
	if (!ex_nvml_host.uuid || ex_nvml_host.count(&count))
		return NULL;
	for (unsigned int i = 0; i < count; i++)
		if (!ex_nvml_host.by_index(i, &device) &&
		    !ex_nvml_host.uuid(device, uuid, sizeof(uuid)) &&
		    !strncmp(uuid, prefix, strlen(prefix)))
			return device;
	return NULL;
}

static unsigned long index_read(const char *name)
{
	char *end;
	unsigned long index = strtoul(name, &end, 10);

	return end == name || *end || index > INT_MAX ? EX_NVML_NO_NUMBER : index;
}

unsigned long ex_nvml_soft_number(const char *name)
{
	static const char soft[] = "soft";

	if (!strncmp(name, soft, sizeof(soft) - 1))
		name += sizeof(soft) - 1;
	else
		return index_read(name);
	if (!*name)
		return 0;
	return *name == ':' ? index_read(name + 1) : EX_NVML_NO_NUMBER;
}

static nvmlDevice_t device_named(const char *name, bool soft)
{
	unsigned long index = soft ? ex_nvml_soft_number(name) : index_read(name);
	nvmlDevice_t device = NULL;

	if (index != EX_NVML_NO_NUMBER)
		return ex_nvml_host.by_index((unsigned int)index, &device) ? NULL : device;
	if (strchr(name, ':'))
		return ex_nvml_host.by_bus && !ex_nvml_host.by_bus(name, &device) ? device : NULL;
	return *name ? device_by_uuid(name) : NULL;
}

/* Another of the session's vGPUs has this GPU already: CUDA would have it once as well. */
static bool is_there(const struct ex_nvml *nvml, const char *uuid)
{
	for (unsigned int i = 0; i < nvml->count; i++)
		if (*uuid && !strcmp(nvml->uuid[i], uuid))
			return true;
	return false;
}

/* False: there is no such device, or it is there already. */
static bool device_add(struct ex_nvml *nvml, nvmlDevice_t device, unsigned int gpu)
{
	char *uuid;

	if (!device || nvml->count == EX_NVML_DEVICES_MAX)
		return false;
	uuid = nvml->uuid[nvml->count];
	if (!ex_nvml_host.uuid || ex_nvml_host.uuid(device, uuid, EX_UUID_MAX))
		*uuid = '\0';
	if (is_there(nvml, uuid))
		return false;
	nvml->gpu[nvml->count] = (unsigned char)gpu;
	nvml->devices[nvml->count++] = device;
	return true;
}

static unsigned int index_of(nvmlDevice_t device)
{
	unsigned int index = 0;

	return ex_nvml_host.index && !ex_nvml_host.index(device, &index) ? index : 0;
}

static void devices_swap(struct ex_nvml *nvml, unsigned int a, unsigned int b)
{
	nvmlDevice_t device = nvml->devices[a];
	unsigned char gpu = nvml->gpu[a];
	char uuid[EX_UUID_MAX];

	nvml->devices[a] = nvml->devices[b];
	nvml->devices[b] = device;
	nvml->gpu[a] = nvml->gpu[b];
	nvml->gpu[b] = gpu;
	memcpy(uuid, nvml->uuid[a], sizeof(uuid));
	memcpy(nvml->uuid[a], nvml->uuid[b], sizeof(uuid));
	memcpy(nvml->uuid[b], uuid, sizeof(uuid));
}

/* As NVML numbers them, which is by bus. There are few. */
static void devices_sort(struct ex_nvml *nvml)
{
	for (unsigned int i = 1; i < nvml->count; i++)
		for (unsigned int k = i;
		     k && index_of(nvml->devices[k - 1]) > index_of(nvml->devices[k]); k--)
			devices_swap(nvml, k - 1, k);
}

static nvmlReturn_t devices_find(struct ex_session *session)
{
	const struct ex_settings *settings = session->settings;
	struct ex_nvml *nvml = &session->nvml;
	unsigned int count = 0;
	nvmlReturn_t result;
	nvmlDevice_t device;

	for (unsigned int i = 0; i < settings->gpus; i++)
		if (!device_add(nvml, device_named(settings->gpu[i], session->soft), i))
			vg_warn(&session->who,
				"event=no-gpu gpu=\"%s\" why=\"NVML does not know it, or another "
				"vGPU of the session has it\"",
				settings->gpu[i]);
	if (settings->gpus) {
		devices_sort(nvml);
		return NVML_SUCCESS;
	}
	result = ex_nvml_host.count(&count);
	for (unsigned int i = 0; !result && i < count; i++)
		if (!ex_nvml_host.by_index(i, &device))
			device_add(nvml, device, i);
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
		result = devices_find(session);
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

unsigned int ex_nvml_gpu(const struct ex_session *session, nvmlDevice_t device)
{
	for (unsigned int i = 0; i < session->nvml.count; i++)
		if (session->nvml.devices[i] == device)
			return session->nvml.gpu[i];
	return 0;
}

bool ex_nvml_used(struct ex_session *session, unsigned int gpu, uint64_t *bytes)
{
	const struct ex_nvml *nvml = &session->nvml;
	bool found = false;

	*bytes = 0;
	if (ex_nvml_open(session))
		return false;
	for (unsigned int i = 0; i < nvml->count; i++)
		if (nvml->gpu[i] == gpu)
			found = used_add(nvml->devices[i], (uint32_t)getpid(), bytes);
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
