/* SPDX-License-Identifier: MIT */
/*
 * The runtime's self-test of the pair runtime and driver (export table INTEGRITY_CHECK): it asks
 * for a checksum over facts that both know, and does not start if it is another one than its own.
 * Answered in the process. Built without it (VG_NO_INTEGRITY), programs with CUDA's runtime stop with
 * cudaErrorSoftwareValidityNotEstablished; programs of the driver API are not concerned.
 */
#ifndef VG_INTEGRITY_H
#define VG_INTEGRITY_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

/* What goes into the checksum besides the devices. */
struct vg_integrity {
	uint32_t driver_version;
	uint32_t version; /* the runtime's, plus 0, 1 or 2 */
	uint32_t pid;
	uint32_t thread; /* low half of pthread_self() */
	const void *cudart_table;
	const void *integrity_table;
	const void *function;
	uint64_t seconds;
};

struct vg_integrity_device {
	uint8_t uuid[16];
	int32_t domain, bus, device;
};

void vg_integrity_sum(const struct vg_integrity *facts, const struct vg_integrity_device *devices,
		      size_t count, uint64_t out[2]);

/* The tables whose addresses count; the check itself is the second one's first function. */
struct vg_integrity_tables {
	const void *const *cudart, *const *integrity;
};

/* The same in the calling thread, for a driver of this version. */
void vg_integrity_answer(const struct vg_integrity_tables *tables, int driver_version,
			 const struct vg_integrity_device *devices, size_t count, uint32_t version,
			 uint64_t seconds, uint64_t out[2]);

#endif
