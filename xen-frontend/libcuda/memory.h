/* SPDX-License-Identifier: MIT */
/*
 * What the guest knows of addresses: device allocations and pinned memory of this process, by which
 * copies are classified and bad pointers answered without asking. Any thread; one lock.
 */
#ifndef FE_MEMORY_H
#define FE_MEMORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

enum fe_range_kind {
	FE_RANGE_NONE = 0, /* not ours: the program's own pageable memory */
	FE_RANGE_DEVICE,   /* an allocation on the device */
	FE_RANGE_RESERVED, /* reserved addresses: may be mapped */
	FE_RANGE_GLOBAL,   /* a module's variable */
	FE_RANGE_GRAPH, /* an allocation of a graph's: stays when it is freed, comes back when launched */
	FE_RANGE_PINNED,  /* a region shared with the executor, same address on both sides */
	FE_RANGE_MANAGED, /* both processors' (managed.h) */
	FE_RANGE_FOREIGN, /* another process's, opened here */
	FE_RANGE_SHADOW,  /* "pinned" memory that could not be shared: ordinary memory, staged */
};

struct fe_range {
	uint64_t base, size;
	enum fe_range_kind kind;
	unsigned int flags; /* of cuMemHostAlloc or cuMemHostRegister */
	uint32_t region;    /* FE_RANGE_PINNED: its share's id */
	CUcontext context;  /* current when it was made */
	CUdevice device;
	bool registered; /* by cuMemHostRegister: the memory is the program's */
	uint64_t
		owner; /* FE_RANGE_MANAGED: the module or library whose variable it is; 0: none's */
	uint32_t opens; /* FE_RANGE_FOREIGN, and FE_RANGE_DEVICE of another process's pool */
};

/* 0 or -ENOMEM; -EEXIST when it overlaps another (of kind GLOBAL and GRAPH it is replaced). */
int fe_range_add(const struct fe_range *range);
/* Removes the range that begins at base; false: none does. */
bool fe_range_remove(uint64_t base, struct fe_range *old);
/* Removes one of a module's or library's variables; false: it has none any more. */
bool fe_range_remove_owned(uint64_t owner, struct fe_range *old);
/* Moves when a range goes or gives way: what was remembered of it is void. */
extern _Atomic uint32_t fe_ranges_gone;
/* The range that address lies in. */
bool fe_range_find(uint64_t address, struct fe_range *range);
/* True when [address, address + size) lies in ranges that the device can use. size 0: true. */
bool fe_range_exists(uint64_t address, uint64_t size);
/* The same for memory that a command is about to use: managed memory is handed over to it. */
bool fe_range_known(uint64_t address, uint64_t size);
/* Who is told of managed memory that is about to be used. */
void fe_range_watch(void (*used)(uint64_t address, uint64_t size));
/* The first managed range that ends behind address. */
bool fe_range_managed_from(uint64_t address, struct fe_range *range);

/* Remembers what a graph's node has allocated (alloc.c). */
void fe_memory_of_graph(CUdeviceptr address, uint64_t size);

/* A capture begins: from now on an allocation on a stream may be a graph's. */
void fe_memory_capture_begins(void);

/* In a child after fork. One thread. */
void fe_range_reset(void);

#endif
