/* SPDX-License-Identifier: MIT */
/*
 * Structures of the vg calls (cuda.api), as both ends see them.
 */
#ifndef VG_SESSION_INFO_H
#define VG_SESSION_INFO_H

#include <stdint.h>

/* vgSessionInfo */
struct vg_session_info {
	int32_t driver_version; /* as cuDriverGetVersion */
	int32_t device_count;
	int32_t init_result; /* CUresult of cuInit over there */
	/* 1: regions can be registered as the driver's pinned memory and seen by kernels at their
	 * address. 0: regions serve as staging only. */
	uint32_t regions_pinned;
	uint64_t
		arena_base; /* where regions must lie: [base, base + size) is reserved over there */
	uint64_t arena_size;
	/* Where device addresses can lie, for the guest to keep free of its own; size 0: anywhere. */
	uint64_t device_base;
	uint64_t device_size;
	int64_t loading_mode; /* CUmoduleLoadingMode */
	/* Another one for each build of the driver library: what it has compiled holds for that one
	 * only. All 0: not known. */
	uint8_t driver_id[32];
};

#define VG_DEVICE_ATTRIBUTES 160u

/* vgDeviceInfo */
struct vg_device_info {
	char name[256];
	uint8_t uuid[16];
	char pci_bus_id[32];
	uint64_t total_memory; /* bytes, the quota applied */
	/* Results of cuDeviceGetAttribute for attribute numbers 0 ..; result[i] is its CUresult. */
	int32_t attribute[VG_DEVICE_ATTRIBUTES];
	uint16_t result[VG_DEVICE_ATTRIBUTES];
};

/* `mode` of copies */
enum vg_copy_mode {
	VG_COPY_SYNC =
		0, /* the synchronous form; `stream` is ignored, legacy or per-thread by VG_CMD_PTDS */
	VG_COPY_ASYNC = 1, /* on `stream` */
};

/* One end of a box copy. */
enum vg_box_memory {
	VG_BOX_HOST = 1,   /* the packed bulk part: rows of `width`, slices of `height` rows */
	VG_BOX_DEVICE = 2, /* `address`: device or pinned memory */
	VG_BOX_ARRAY = 3,  /* `array`: handle */
};

struct vg_box_end {
	uint32_t memory; /* enum vg_box_memory */
	uint32_t lod;
	uint64_t address;
	uint64_t array;
	uint64_t x, y, z; /* x in bytes */
	uint64_t pitch;   /* bytes a row, 0: packed; of addresses */
	uint64_t height;  /* rows a slice, 0: packed; of addresses */
};

/* vgCopyBox*: a copy of depth slices of height rows of width bytes. */
struct vg_copy_box {
	struct vg_box_end src, dst;
	uint64_t width, height, depth;
};

/* `kind` of vgHostFunc */
enum vg_host_func {
	VG_HOST_FUNC = 0,       /* cuLaunchHostFunc: not run after an error */
	VG_STREAM_CALLBACK = 1, /* cuStreamAddCallback: gets the stream's status */
};

/* `last` of vgHostFuncWait */
enum vg_host_turn {
	VG_HOST_TURN_MORE = 0, /* it will come again */
	VG_HOST_TURN_LAST = 1,
	VG_HOST_TURN_NONE =
		2, /* it is not to be run, and will not come: its vgHostFunc has failed */
};

#endif
