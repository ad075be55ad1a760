/* SPDX-License-Identifier: MIT */
/*
 * NVML, NVIDIA's management library, on the host: libnvidia-ml.so.1 beside the driver library and
 * nowhere else, or libcuda-soft itself, which answers for its devices. Opened when it is first needed;
 * it needs no CUDA context and no cuInit. Trusts the library. Any thread.
 *
 * A vGPU's devices are those that CUDA_VISIBLE_DEVICES names, which jail.c has set from --gpu, in that order.
 */
#ifndef EX_NVML_H
#define EX_NVML_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/account.h"
#include "protocol/nvml_types.h"

#define EX_NVML_DEVICES_MAX 64
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
	unsigned int count;

	struct ex_busy busy[EX_BUSY_SAMPLES]; /* a ring; under the lock */
	unsigned int busy_next;
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
 * Bytes that this process uses on all devices. False, and 0: NVML does not know it, as before its first
 * context, or where pids are not the host's.
 */
bool ex_nvml_used(struct ex_session *session, uint64_t *bytes);

/* Takes a first sample of the software device's work; the lock is held (nvml_call.c). */
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
