/* SPDX-License-Identifier: MIT */
/*
 * NVML, NVIDIA's management library, on the host: libnvidia-ml.so.1 beside the driver library and
 * nowhere else, or libcuda-soft itself, which answers for its devices. Opened when it is first needed;
 * it needs no CUDA context and no cuInit. Trusts the library. Any thread.
 *
 * The devices are the session's vGPUs, those that --gpu names or all, in NVML's own order, whatever
 * CUDA_VISIBLE_DEVICES says. A GPU that is named twice is there once.
 */
#ifndef EX_NVML_H
#define EX_NVML_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/account.h"
#include "protocol/nvml_types.h"

#include "dom0-executor/gpus.h"

#define EX_NVML_DEVICES_MAX EX_GPUS_MAX
#define EX_NVML_NO_NUMBER   (~0ul)
/* Of the software device's work, at least EX_BUSY_STEP_NS apart. */
#define EX_BUSY_SAMPLES 8
#define EX_BUSY_STEP_NS 100000000ull

struct ex_session;

struct ex_busy {
	uint64_t at_ns;
	uint64_t busy_ns[VG_ACCOUNT_SLOTS];
};

struct ex_nvml {
	pthread_mutex_t lock;
	bool tried;
	nvmlReturn_t result; /* of the try; what follows does not change after it */
	void *library;
	nvmlDevice_t devices[EX_NVML_DEVICES_MAX];
	unsigned char gpu[EX_NVML_DEVICES_MAX]; /* each one's place in ex_gpus */
	char uuid[EX_NVML_DEVICES_MAX][EX_UUID_MAX];
	unsigned int count;

	/* Of each vGPU a ring; under the lock. */
	struct ex_busy busy[EX_VGPUS_MAX][EX_BUSY_SAMPLES];
	unsigned int busy_next[EX_VGPUS_MAX];
};

void ex_nvml_init(struct ex_nvml *nvml);
void ex_nvml_dispose(struct ex_nvml *nvml);

/* Opens it, the first time. NVML_ERROR_LIBRARY_NOT_FOUND (logged), or what its nvmlInit answers. */
nvmlReturn_t ex_nvml_open(struct ex_session *session);
/* A device of the vGPU by its index there; NULL: none. */
nvmlDevice_t ex_nvml_device(const struct ex_session *session, uint32_t index);

/* Processes of the host that use the device: an array to free, NULL without any. */
nvmlProcessInfo_t *ex_nvml_host_processes(nvmlDevice_t device, unsigned int *count);
/*
 * Bytes that this process uses of a vGPU's device. False, and 0: NVML does not know it, as before its first
 * context, or where pids are not the host's.
 */
bool ex_nvml_used(struct ex_session *session, unsigned int gpu, uint64_t *bytes);
/* The vGPU whose device that is. */
unsigned int ex_nvml_gpu(const struct ex_session *session, nvmlDevice_t device);
/* The number of a software device by its name: soft, soft:N or N. EX_NVML_NO_NUMBER: another name. */
unsigned long ex_nvml_soft_number(const char *name);

/* Takes a first sample of the software devices' work; the lock is held (nvml_call.c). */
void ex_busy_look(struct ex_session *session);

/* What is called from here, beside the generated ex_nvml_table; NULL where the library has none. */
struct ex_nvml_host {
	nvmlReturn_t (*init)(void);
	nvmlReturn_t (*shutdown)(void);
	nvmlReturn_t (*count)(unsigned int *count);
	nvmlReturn_t (*by_index)(unsigned int index, nvmlDevice_t *device);
	nvmlReturn_t (*by_uuid)(const char *uuid, nvmlDevice_t *device);
	nvmlReturn_t (*by_bus)(const char *bus, nvmlDevice_t *device);
	nvmlReturn_t (*uuid)(nvmlDevice_t device, char *uuid, unsigned int length);
	nvmlReturn_t (*index)(nvmlDevice_t device, unsigned int *index);
	nvmlReturn_t (*processes)(nvmlDevice_t device, unsigned int *count,
				  nvmlProcessInfo_t *processes);
	nvmlReturn_t (*memory)(nvmlDevice_t device, nvmlMemory_v2_t *memory);
	nvmlReturn_t (*utilization)(nvmlDevice_t device, nvmlUtilization_t *utilization);
	nvmlReturn_t (*samples)(nvmlDevice_t device, nvmlProcessUtilizationSample_t *samples,
				unsigned int *count, unsigned long long since);
};
extern struct ex_nvml_host ex_nvml_host;

/* The library's own answers, for the halves in nvml_call.c. */
nvmlReturn_t ex_nvml_host_memory(nvmlDevice_t device, nvmlMemory_v2_t *memory);
nvmlReturn_t ex_nvml_host_utilization(nvmlDevice_t device, nvmlUtilization_t *utilization);
nvmlReturn_t ex_nvml_host_samples(nvmlDevice_t device, nvmlProcessUtilizationSample_t *samples,
				  unsigned int *count, unsigned long long since);

#endif
