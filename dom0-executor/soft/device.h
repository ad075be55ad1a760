/* SPDX-License-Identifier: MIT */
/*
 * Devices. Settings come from the environment once, at cuInit:
 *   VGPU_SOFT_DEVICES  how many, 1 to 4 (1)
 *   VGPU_SOFT_MEM      memory of each, e.g. 512M or 4G (half of the machine's, at most 1 GiB)
 *   VGPU_SOFT_WORKERS  CPU threads that one launch is spread over (one per CPU)
 *   VGPU_SOFT_QUEUE    how much a stream may have to do before a call waits for it (any number)
 *   VGPU_SOFT_LOG      error (default), info: what goes to stderr
 *   VGPU_SOFT_LOST     a file with the numbers of devices that are lost (lost.h)
 * and CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER, as NVIDIA's driver reads them (protocol/visible.h).
 */
#ifndef SOFT_DEVICE_H
#define SOFT_DEVICE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

#define SOFT_DEVICES_MAX   4
#define SOFT_DEVICE_NAME   "vgpu soft device"
#define SOFT_PCI_BUS_FIRST 0x80 /* device n is 0000:80+n:00.0 */

/*
 * Device memory has addresses that nothing else in the process has: one range of addresses per
 * device, reserved at cuInit and never given back.
 */
#ifdef VG_TSAN
/* ThreadSanitizer leaves a program only few addresses. */
#define SOFT_REGION_BASE UINT64_C(0x7e9000000000)
#define SOFT_REGION_SIZE (UINT64_C(64) << 30)
#else
#define SOFT_REGION_BASE UINT64_C(0x200000000000)
#define SOFT_REGION_SIZE (UINT64_C(1) << 40)
#endif

struct soft_context;
struct soft_pool;

struct soft_device {
	uint64_t region; /* first address of its memory */
	size_t memory;   /* bytes it has */
	int store; /* the file behind it, at its addresses less `region`; other processes map of it */
	unsigned int number; /* constant, of all that there are */
	CUuuid uuid;
	pthread_mutex_t lock; /* guards what follows */
	size_t used;
	size_t graph_used, graph_high; /* by graphs' allocations; of them all, the most at a time */
	uint64_t next;                 /* where to look for free addresses */
	struct soft_context *primary;  /* lives as long as the process */
	struct soft_pool *default_pool; /* a reference */
	struct soft_pool *current_pool; /* a reference */
	unsigned int primary_flags;
	int ordinal; /* constant after cuInit; -1: CUDA_VISIBLE_DEVICES hides it */
};

struct soft_settings {
	unsigned int devices; /* that there are */
	unsigned int visible; /* to CUDA, after cuInit */
	unsigned int workers; /* 0: one per CPU */
	unsigned int queue;   /* that a stream may have to do; 0: any number */
	size_t memory;
	bool verbose;
};

extern struct soft_settings soft_settings;

/* Reads the settings, once: how many devices there are, their memory, UUIDs and attributes. */
void device_know_all(void);

/* The same, chooses those that the environment lets see, and reserves the regions; once. */
CUresult device_init_all(void);

/* NULL where there is no such device. */
struct soft_device *device_of(CUdevice ordinal);
/* Of all that there are, whether CUDA sees it or not. */
struct soft_device *device_numbered(unsigned int number);

/* The value of an attribute, or CUDA_ERROR_INVALID_VALUE. */
CUresult device_attribute(const struct soft_device *device, CUdevice_attribute attribute,
			  int *value);

/* Attribute without an error: for attributes known to exist. */
int device_limit(const struct soft_device *device, CUdevice_attribute attribute);

/* One line to $VGPU_LOG_FD or standard error; `info` lines only with VGPU_SOFT_LOG=info. */
void soft_log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void soft_log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
