/* SPDX-License-Identifier: MIT */
/*
 * Ranges of addresses that the driver knows: device memory, pinned host memory, variables of modules,
 * mappings. One sorted table for the process.
 *
 * A range that is pinned stays, with the memory behind it: whoever reads or writes the memory in the
 * name of the driver pins it first, so that a copy never touches what is being freed.
 */
#ifndef SOFT_RANGE_H
#define SOFT_RANGE_H

#include "dom0-executor/soft/context.h"

enum range_kind {
	RANGE_DEVICE = 1,     /* cuMemAlloc and pools */
	RANGE_HOST = 2,       /* cuMemHostAlloc */
	RANGE_REGISTERED = 4, /* cuMemHostRegister */
	RANGE_MAPPED = 8,     /* cuMemMap */
	RANGE_VARIABLE = 16,  /* a variable of a module */
	RANGE_ARRAY = 32,     /* behind a CUarray */
	RANGE_GRAPH = 64,     /* of a graph's allocation */
	RANGE_MANAGED = 128,  /* cuMemAllocManaged */
	RANGE_FOREIGN = 256,  /* another process's, by cuIpcOpenMemHandle */
	RANGE_POOLED = 512,   /* of another process's pool, by cuMemPoolImportPointer */
};
#define RANGE_ANY_HOST (RANGE_HOST | RANGE_REGISTERED)

struct soft_physical;

/* What the program has said of managed memory. The device's lock guards it. */
struct soft_advice {
	bool read_mostly;
	CUmemLocation preferred, prefetched;
	unsigned int accessed; /* by device; bit 31: by the CPU */
};
void advice_init(struct soft_advice *advice); /* managed.c */

struct soft_range {
	uint64_t base;
	size_t size;  /* of the memory */
	size_t asked; /* of the allocation, as the caller wanted it */
	enum range_kind kind;
	struct soft_device *device;
	struct soft_context *ctx; /* a reference, or NULL */
	unsigned int flags;       /* of the call that made it */
	unsigned long long id;
	struct soft_pool *pool;         /* a reference; RANGE_DEVICE from a pool */
	struct soft_physical *physical; /* a reference; RANGE_MAPPED */
	size_t offset;                  /* in physical */
	void *graph_alloc;              /* RANGE_GRAPH: whose it is (graph_memory.c) */
	atomic_uint access;             /* CUmemAccess_flags; RANGE_MAPPED */
	atomic_bool sync_memops;
	bool managed; /* RANGE_MANAGED, or a variable that is */
	struct soft_advice advice;
	struct {
		uint8_t name[16];
		uint64_t base, id; /* over there */
		unsigned int opens;
	} foreign; /* RANGE_FOREIGN; the table's lock guards it */
	atomic_uint pins;
};

/* A zeroed range with its own reference to ctx. NULL without memory. */
struct soft_range *range_new(enum range_kind kind, struct soft_device *device,
			     struct soft_context *ctx);
void range_delete(struct soft_range *range); /* one that is in no table; NULL is fine */

/* Enter a range whose base and size are set. CUDA_ERROR_INVALID_VALUE: it overlaps another. */
CUresult range_insert(struct soft_range *range);

/*
 * Find free addresses of the device for `range`, aligned, and enter it. CUDA_ERROR_OUT_OF_MEMORY:
 * none are left. Memory is not touched.
 */
CUresult range_place(struct soft_range *range, size_t align);

/* Reservations take addresses away without being ranges. */
CUresult range_reserve(struct soft_device *device, uint64_t wanted, size_t size, size_t align,
		       uint64_t *base);
CUresult range_unreserve(uint64_t base, size_t size);
bool range_is_reserved(uint64_t base, size_t size);

/* The range that holds an address, pinned; NULL: none does. */
struct soft_range *range_pin(uint64_t address);
void range_unpin(struct soft_range *range);

/* Pin all ranges that hold the bytes from `address` on; only mappings may lie side by side. False,
 * and nothing pinned, where a byte is in none or a mapping does not allow the access. */
bool range_pin_span(uint64_t address, size_t size, bool write);
void range_unpin_span(uint64_t address, size_t size);

/* True where any byte is in a range of these kinds. */
bool range_touches(uint64_t address, size_t size, unsigned int kinds);

/*
 * Take the range of one of these kinds that begins at `base` out of the table, and wait until nobody
 * has it pinned. The caller then owns it and its memory. NULL: there is none.
 */
struct soft_range *range_take(uint64_t base, unsigned int kinds);

/* The base of some range of this context, whatever its kind; 0: it has none. */
uint64_t range_of_context(const struct soft_context *ctx, unsigned int kinds);

/* Another process's range that is open here already, once more: its base; 0: it is not. */
uint64_t range_foreign_open(const uint8_t *name, uint64_t base, uint64_t id);
/* One open less. False: there is no such range. */
bool range_foreign_close(uint64_t base, unsigned int *left);

/* Addresses that belong to devices, allocated or not. */
bool range_is_device_address(uint64_t address);

#endif
