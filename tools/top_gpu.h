/* SPDX-License-Identifier: MIT */
/*
 * The host's GPUs as NVML tells of them, and processes' shares of their time. The library is that of the host's
 * driver, found when top starts; a host without it has GPUs by their settings only. Trusts the library.
 */
#ifndef VGPU_TOP_GPU_H
#define VGPU_TOP_GPU_H

#include "tools/top_model.h"

#define TOP_GPUS 64u

/* NAN, and empty: not known. */
struct top_gpu {
	char name[TOP_TEXT];  /* its index; of one that NVML does not know, the setting */
	char model[TOP_TEXT]; /* as NVML names it */
	bool known;           /* NVML knows it */
	double busy, memory_used, memory_total, celsius, watts;
	size_t vgpus, processes;
	double held; /* bytes, by the guests */
};

struct top_gpus {
	void *library; /* owned; NULL: there is none */
	struct top_gpu gpu[TOP_GPUS];
	size_t count;
	uint64_t seen[TOP_GPUS]; /* the newest sample of processes, by NVML's index */
};

void top_gpus_init(struct top_gpus *gpus);
/* After top_model_add(): looks again, and tells the model the processes' shares. */
void top_gpus_read(struct top_gpus *gpus, struct top_model *model);
void top_gpus_dispose(struct top_gpus *gpus);

#endif
