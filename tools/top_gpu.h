/* SPDX-License-Identifier: MIT */
/*
 * The GPUs that vgpu top shows: the host's, as NVML tells of them (gpu.h), and what the guests have of each. A host
 * without NVML has GPUs by their settings only.
 */
#ifndef VGPU_TOP_GPU_H
#define VGPU_TOP_GPU_H

#include "tools/gpu.h"
#include "tools/top_model.h"

#define TOP_GPUS 64u

struct top_gpu {
	char name[TOP_TEXT]; /* its index; of one that NVML does not know, the setting */
	bool known;          /* NVML knows it */
	struct vgpu_gpu is;
	size_t vgpus, processes;
	double held; /* bytes, by the guests */
};

struct top_gpus {
	bool nvml; /* there is one */
	struct top_gpu gpu[TOP_GPUS];
	size_t count;
	uint64_t seen[TOP_GPUS]; /* the newest sample of processes, by NVML's index */
};

void top_gpus_init(struct top_gpus *gpus);
/* After top_model_add(): looks again, and tells the model the processes' shares. */
void top_gpus_read(struct top_gpus *gpus, struct top_model *model);
void top_gpus_dispose(struct top_gpus *gpus);

#endif
