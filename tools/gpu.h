/* SPDX-License-Identifier: MIT */
/*
 * The host's GPUs as NVML tells of them: the library of the host's driver, loaded when it is asked for. A host without
 * it has none. Trusts the library, whose texts are cleaned. Each of these may take as long as the driver does.
 */
#ifndef VGPU_GPU_H
#define VGPU_GPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/nvml_types.h"

#define VGPU_GPU_PROCESSES 1024u

/* Loads it. 0; -ENOENT: there is none; -ENODEV: it does not work, and why is in `why`. */
int vgpu_nvml_open(char *why, size_t size);
void vgpu_nvml_close(void);

/* Empty: not known. */
struct vgpu_nvml_versions {
	char driver[NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE];
	char nvml[NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE];
	char cuda[16]; /* the highest that the driver has */
};

void vgpu_nvml_versions(struct vgpu_nvml_versions *versions);

/* --- one GPU ---------------------------------------------------------------------------------- */

/* NAN, and empty: not known. */
struct vgpu_gpu {
	char model[NVML_DEVICE_NAME_V2_BUFFER_SIZE], uuid[NVML_DEVICE_UUID_BUFFER_SIZE];
	double busy; /* of its time, 1: all of it */
	double memory_used, memory_total, celsius, watts;
};

extern const struct vgpu_gpu vgpu_gpu_unknown;

unsigned int vgpu_gpu_count(void);
/* By NVML's index, NULL: there is none. */
nvmlDevice_t vgpu_gpu_at(unsigned int index);
/* What a vGPU is set to: an index, a UUID, a PCI address, empty for the first. NULL: NVML knows none such. */
nvmlDevice_t vgpu_gpu_find(const char *setting);
/* -1: not known. */
int vgpu_gpu_index(nvmlDevice_t device);
void vgpu_gpu_read(nvmlDevice_t device, struct vgpu_gpu *gpu);

/* --- its processes, by their numbers on this host --------------------------------------------- */

struct vgpu_gpu_times {
	unsigned int count;
	nvmlProcessUtilizationSample_t sample[VGPU_GPU_PROCESSES];
};

/* What it has seen since a time (us since 1970; moved on). False: NVML does not tell. */
bool vgpu_gpu_times(nvmlDevice_t device, uint64_t *since, struct vgpu_gpu_times *times);
/* The mean of the process's samples, 0 without any. */
double vgpu_gpu_share(const struct vgpu_gpu_times *times, uint64_t pid);

struct vgpu_gpu_holders {
	unsigned int count;
	nvmlProcessInfo_t holder[VGPU_GPU_PROCESSES];
};

/* Who has a context on it. False: NVML does not tell. */
bool vgpu_gpu_holders(nvmlDevice_t device, struct vgpu_gpu_holders *holders);
/* The memory that the process holds; 0: it has no context; NAN: not known. */
double vgpu_gpu_held(const struct vgpu_gpu_holders *holders, uint64_t pid);

#endif
