/* SPDX-License-Identifier: MIT */
/* See top_gpu.h. */
#include "tools/top_gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void top_gpus_init(struct top_gpus *gpus)
{
	char why[128];

	memset(gpus, 0, sizeof(*gpus));
	gpus->nvml = !vgpu_nvml_open(why, sizeof(why));
}

void top_gpus_dispose(struct top_gpus *gpus)
{
	if (gpus->nvml)
		vgpu_nvml_close();
	gpus->nvml = false;
}

/* --- the GPUs --------------------------------------------------------------------------------- */

static struct top_gpu *gpu_new(struct top_gpus *gpus)
{
	struct top_gpu *gpu = &gpus->gpu[gpus->count++];

	*gpu = (struct top_gpu){.is = vgpu_gpu_unknown};
	return gpu;
}

/* NVML's index of what a vGPU is set to, -1: it knows none such. */
static int gpu_index(const struct top_gpus *gpus, const struct top_device *vgpu)
{
	nvmlDevice_t device;
	int index;

	/* A part of a GPU is no GPU: NVML has no processes' shares of it. */
	if (!gpus->nvml || !strncmp(vgpu->gpu, "soft", 4) || !strcmp(vgpu->driver, "soft") ||
	    !strncmp(vgpu->gpu, "MIG-", 4))
		return -1;
	device = vgpu_gpu_find(vgpu->gpu);
	index = device ? vgpu_gpu_index(device) : -1;
	return index < (int)TOP_GPUS ? index : -1;
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

/* Of one GPU, to those processes that have a vGPU of it. */
static void shares_tell(struct top_gpus *gpus, struct top_model *model, unsigned int index,
			const bool *has)
{
	static struct vgpu_gpu_times times;
	nvmlDevice_t device = vgpu_gpu_at(index);

	if (!device || !vgpu_gpu_times(device, &gpus->seen[index], &times))
		return;
	for (size_t i = 0; i < model->process_count; i++) {
		uint64_t pid = model->processes[i].session.id.executor;

		if (has[i])
			top_model_gpu(model, pid, vgpu_gpu_share(&times, pid));
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
	unsigned int count = gpus->nvml ? vgpu_gpu_count() : 0;

	gpus->count = 0;
	for (unsigned int i = 0; i < count && i < TOP_GPUS; i++) {
		struct top_gpu *gpu = gpu_new(gpus);
		nvmlDevice_t device = vgpu_gpu_at(i);

		snprintf(gpu->name, sizeof(gpu->name), "%u", i);
		gpu->known = device != NULL;
		if (device)
			vgpu_gpu_read(device, &gpu->is);
	}
	shares_read(gpus, model);
	vgpus_count(gpus, model);
}
