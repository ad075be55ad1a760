/* SPDX-License-Identifier: MIT */
/* See top_gpu.h. Symbols and structures: NVIDIA's NVML reference manual. */
#include "tools/top_gpu.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/log.h"

#define LIBRARY     "libnvidia-ml.so.1"
#define SAMPLES_MAX 1024u

/* nvmlReturn_t */
#define SUCCESS   0
#define NOT_FOUND 6 /* no samples since then: nothing ran */

struct process_sample {
	unsigned int pid;
	unsigned long long time;        /* us */
	unsigned int sm, mem, enc, dec; /* percent */
};

struct memory_info {
	unsigned long long total, free, used;
};

struct rates {
	unsigned int gpu, memory;
};

typedef void *device_t;

static struct {
	int (*init)(void);
	int (*shutdown)(void);
	int (*count)(unsigned int *);
	int (*by_index)(unsigned int, device_t *);
	int (*by_uuid)(const char *, device_t *);
	int (*by_bus)(const char *, device_t *);
	int (*index)(device_t, unsigned int *);
	int (*name)(device_t, char *, unsigned int);
	int (*rates)(device_t, struct rates *);
	int (*memory)(device_t, struct memory_info *);
	int (*temperature)(device_t, int, unsigned int *);
	int (*power)(device_t, unsigned int *); /* mW */
	int (*samples)(device_t, struct process_sample *, unsigned int *, unsigned long long);
} nvml;

static const struct {
	const char *name;
	void *slot;
} symbols[] = {
	{"nvmlInit_v2", &nvml.init},
	{"nvmlShutdown", &nvml.shutdown},
	{"nvmlDeviceGetCount_v2", &nvml.count},
	{"nvmlDeviceGetHandleByIndex_v2", &nvml.by_index},
	{"nvmlDeviceGetHandleByUUID", &nvml.by_uuid},
	{"nvmlDeviceGetHandleByPciBusId_v2", &nvml.by_bus},
	{"nvmlDeviceGetIndex", &nvml.index},
	{"nvmlDeviceGetName", &nvml.name},
	{"nvmlDeviceGetUtilizationRates", &nvml.rates},
	{"nvmlDeviceGetMemoryInfo", &nvml.memory},
	{"nvmlDeviceGetTemperature", &nvml.temperature},
	{"nvmlDeviceGetPowerUsage", &nvml.power},
	{"nvmlDeviceGetProcessUtilization", &nvml.samples},
};

static bool library_symbols(void *library)
{
	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (!symbol)
			return false;
		memcpy(symbols[i].slot, &symbol, sizeof(symbol));
	}
	return true;
}

void top_gpus_init(struct top_gpus *gpus)
{
	memset(gpus, 0, sizeof(*gpus));
	gpus->library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (!gpus->library)
		return;
	/*
	 * Where a guest's library stands in for the driver's, it must not take xen-vgpud's socket for its
	 * broker's. What getenv() has returned of the environment that we started with stays valid.
	 */
	unsetenv("VGPU_SOCKET");
	if (library_symbols(gpus->library) && nvml.init() == SUCCESS)
		return;
	dlclose(gpus->library);
	gpus->library = NULL;
}

void top_gpus_dispose(struct top_gpus *gpus)
{
	if (!gpus->library)
		return;
	(void)nvml.shutdown();
	dlclose(gpus->library);
	gpus->library = NULL;
}

/* --- the GPUs --------------------------------------------------------------------------------- */

static void gpu_read(struct top_gpu *gpu, unsigned int index)
{
	struct memory_info memory;
	struct rates rates;
	unsigned int value;
	device_t device;

	if (nvml.by_index(index, &device) != SUCCESS)
		return;
	gpu->known = true;
	if (nvml.name(device, gpu->model, sizeof(gpu->model)) != SUCCESS)
		gpu->model[0] = '\0';
	gpu->model[sizeof(gpu->model) - 1] = '\0';
	vg_log_clean(gpu->model);
	if (nvml.rates(device, &rates) == SUCCESS)
		gpu->busy = rates.gpu / 100.0;
	if (nvml.memory(device, &memory) == SUCCESS) {
		gpu->memory_used = (double)memory.used;
		gpu->memory_total = (double)memory.total;
	}
	if (nvml.temperature(device, 0, &value) == SUCCESS)
		gpu->celsius = value;
	if (nvml.power(device, &value) == SUCCESS)
		gpu->watts = value / 1000.0;
}

static struct top_gpu *gpu_new(struct top_gpus *gpus)
{
	struct top_gpu *gpu = &gpus->gpu[gpus->count++];

	*gpu = (struct top_gpu){
		.busy = NAN, .memory_used = NAN, .memory_total = NAN, .celsius = NAN, .watts = NAN};
	return gpu;
}

static bool all_digits(const char *text)
{
	return *text && !text[strspn(text, "0123456789")];
}

/* NVML's index of what a vGPU is set to, -1: it knows none such. */
static int gpu_index(const struct top_gpus *gpus, const struct top_device *vgpu)
{
	unsigned int index;
	device_t device;
	int rc;

	/* A part of a GPU is no GPU: NVML has no processes' shares of it. */
	if (!gpus->library || !strncmp(vgpu->gpu, "soft", 4) || !strcmp(vgpu->driver, "soft") ||
	    !strncmp(vgpu->gpu, "MIG-", 4))
		return -1;
	if (!*vgpu->gpu)
		rc = nvml.by_index(0, &device);
	else if (all_digits(vgpu->gpu))
		rc = nvml.by_index((unsigned int)strtoul(vgpu->gpu, NULL, 10), &device);
	else if (strchr(vgpu->gpu, ':'))
		rc = nvml.by_bus(vgpu->gpu, &device);
	else
		rc = nvml.by_uuid(vgpu->gpu, &device);
	if (rc != SUCCESS || nvml.index(device, &index) != SUCCESS || index >= TOP_GPUS)
		return -1;
	return (int)index;
}

/* The GPU of a vGPU; NULL: there are too many. */
static struct top_gpu *gpu_of(struct top_gpus *gpus, const struct top_device *vgpu)
{
	int index = gpu_index(gpus, vgpu);
	struct top_gpu *gpu;

	if (index >= 0 && (size_t)index < gpus->count && gpus->gpu[index].known)
		return &gpus->gpu[index];
	for (size_t i = 0; i < gpus->count; i++)
		if (!gpus->gpu[i].known && !strcmp(gpus->gpu[i].name, vgpu->gpu))
			return &gpus->gpu[i];
	if (gpus->count == TOP_GPUS)
		return NULL;
	gpu = gpu_new(gpus);
	memcpy(gpu->name, vgpu->gpu, sizeof(gpu->name));
	return gpu;
}

/* --- shares ----------------------------------------------------------------------------------- */

static bool session_has(const struct top_session *session, const struct top_device *vgpu)
{
	if (session->id.domid != vgpu->domid)
		return false;
	for (size_t i = 0; i < session->devid_count; i++)
		if (session->devids[i] == vgpu->devid)
			return true;
	return false;
}

/* The mean of a process's samples, 0 without any. */
static double share_of(const struct process_sample *samples, unsigned int count, uint64_t pid)
{
	double sum = 0;
	unsigned int found = 0;

	for (unsigned int i = 0; i < count; i++) {
		if (samples[i].pid != pid || samples[i].sm > 100)
			continue;
		sum += samples[i].sm;
		found++;
	}
	return found ? sum / found / 100 : 0;
}

/* Of one GPU, to those processes that have a vGPU of it. */
static void shares_tell(struct top_gpus *gpus, struct top_model *model, unsigned int index,
			const bool *has)
{
	static struct process_sample samples[SAMPLES_MAX];
	unsigned int count = SAMPLES_MAX;
	device_t device;
	int rc;

	if (nvml.by_index(index, &device) != SUCCESS)
		return;
	rc = nvml.samples(device, samples, &count, gpus->seen[index]);
	if (rc != SUCCESS && rc != NOT_FOUND)
		return;
	if (rc == NOT_FOUND)
		count = 0;
	for (unsigned int i = 0; i < count; i++)
		if (samples[i].time > gpus->seen[index])
			gpus->seen[index] = samples[i].time;
	for (size_t i = 0; i < model->process_count; i++) {
		uint64_t pid = model->processes[i].session.id.executor;

		if (has[i])
			top_model_gpu(model, pid, share_of(samples, count, pid));
	}
}

static void shares_read(struct top_gpus *gpus, struct top_model *model)
{
	const struct top_sample *sample = &model->sample;
	bool *has = calloc(model->process_count + 1, sizeof(*has));

	for (unsigned int g = 0; has && g < gpus->count && gpus->gpu[g].known; g++) {
		for (size_t p = 0; p < model->process_count; p++) {
			has[p] = false;
			for (size_t d = 0; d < sample->device_count && !has[p]; d++)
				has[p] = model->processes[p].present &&
					 gpu_index(gpus, &sample->devices[d]) == (int)g &&
					 session_has(&model->processes[p].session,
						     &sample->devices[d]);
		}
		shares_tell(gpus, model, g, has);
	}
	free(has);
}

static void vgpus_count(struct top_gpus *gpus, const struct top_model *model)
{
	for (size_t d = 0; d < model->sample.device_count; d++) {
		const struct top_device *vgpu = &model->sample.devices[d];
		struct top_gpu *gpu = gpu_of(gpus, vgpu);

		if (!gpu)
			continue;
		gpu->vgpus++;
		gpu->held += (double)vgpu->mem_used;
		for (size_t p = 0; p < model->process_count; p++)
			gpu->processes += model->processes[p].present &&
					  session_has(&model->processes[p].session, vgpu);
	}
}

void top_gpus_read(struct top_gpus *gpus, struct top_model *model)
{
	unsigned int count = 0;

	gpus->count = 0;
	if (gpus->library && nvml.count(&count) != SUCCESS)
		count = 0;
	for (unsigned int i = 0; i < count && i < TOP_GPUS; i++) {
		struct top_gpu *gpu = gpu_new(gpus);

		snprintf(gpu->name, sizeof(gpu->name), "%u", i);
		gpu_read(gpu, i);
	}
	shares_read(gpus, model);
	vgpus_count(gpus, model);
}
