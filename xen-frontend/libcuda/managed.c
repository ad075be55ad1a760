/* SPDX-License-Identifier: MIT */
/*
 * Who has a block of managed memory, and how it changes hands: see managed.h.
 *
 * The pages are those of one memory file of the process, at the offset of their address, mapped twice:
 * where the program sees them, protected, and once more for us, so that bytes come and go behind
 * the protection. No lock is held while bytes travel; the block is BUSY then, and whoever wants it waits.
 */
#include "xen-frontend/libcuda/managed.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "protocol/bounds.h"
#include "protocol/wire.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/fault.h"
#include "xen-frontend/libcuda/session.h"

#define BLOCK_MIN  (64u * 1024)
#define BLOCKS_MAX 16384u /* of one extent: the kernel allows some 65,000 mappings */
#define STORE_SIZE (1ll << 47)
#define RUN_BYTES  (8u * 1024 * 1024) /* brought at a time, at most, to who reads in order */
#define CONTEXTS   8u

enum block {
	BLOCK_DEVICE = 0, /* the device's bytes are the newest; no access here */
	BLOCK_NEW,        /* here, and what has not been touched means nothing anywhere */
	BLOCK_CLEAN,      /* the same on both sides; reads only */
	BLOCK_DIRTY,      /* here */
	BLOCK_BUSY,       /* on its way */
};

struct extent {
	struct extent *next;
	uint64_t start, size;
	uint8_t *alias; /* our own view */
	uint64_t block; /* bytes of one */
	uint32_t count; /* of blocks */
	uint32_t here;  /* of them neither the device's nor on their way */
	uint32_t expected,
		run;    /* where a reader in order comes next, and how many blocks it gets */
	uint32_t spans; /* ranges that lie in it */
	uint32_t users; /* threads that look at it without the lock */
	bool wanted;    /* by fe_managed_want: blocks from want_first to want_last */
	uint32_t want_first, want_last;
	unsigned int attach; /* CU_MEM_ATTACH_* */
	CUstream stream;     /* of CU_MEM_ATTACH_SINGLE */
	CUcontext context;
	uint8_t state[]; /* enum block */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved =
	PTHREAD_COND_INITIALIZER; /* a block is no longer busy, or users left */
static struct extent *extents;    /* sorted, not overlapping */
static int store = -1;            /* the memory file */
static atomic_bool any;
static atomic_uint here_in_all, wanted_in_all;

/* Work that may write to it: launches so far, how many of them were waited for, and where they were. */
static _Atomic uint64_t launches, settled;
static _Atomic(CUcontext) contexts[CONTEXTS];

/* --- pages -------------------------------------------------------------------------------------- */

static uint64_t page_down(uint64_t address)
{
	return address & ~(uint64_t)(VG_PAGE_SIZE - 1);
}

static uint64_t page_up(uint64_t address)
{
	return page_down(address + VG_PAGE_SIZE - 1);
}

static uint64_t block_start(const struct extent *extent, uint32_t block)
{
	return extent->start + block * extent->block;
}

static uint64_t block_end(const struct extent *extent, uint32_t block)
{
	return vg_min(block_start(extent, block) + extent->block, extent->start + extent->size);
}

static uint32_t block_of(const struct extent *extent, uint64_t address)
{
	return (uint32_t)((address - extent->start) / extent->block);
}

static bool is_here(uint8_t state)
{
	return state == BLOCK_NEW || state == BLOCK_CLEAN || state == BLOCK_DIRTY;
}

/* Blocks first up to but not with last, all in the same hands before. */
static void blocks_set(struct extent *extent, uint32_t first, uint32_t last, enum block state)
{
	for (uint32_t i = first; i < last; i++) {
		int change = (int)is_here(state) - (int)is_here(extent->state[i]);

		extent->state[i] = (uint8_t)state;
		extent->here += (uint32_t)change;
		atomic_fetch_add(&here_in_all, (unsigned int)change);
	}
}

static void blocks_protect(const struct extent *extent, uint32_t first, uint32_t last, int access)
{
	uint64_t start = block_start(extent, first);

	if (mprotect((void *)start, block_end(extent, last - 1) - start, access))
		vg_error(&fe_who, "event=no-protection base=0x%llx error=\"%s\"",
			 (unsigned long long)start, strerror(errno));
}

static struct extent *extent_at(uint64_t address)
{
	for (struct extent *extent = extents; extent; extent = extent->next)
		if (address - extent->start < extent->size)
			return extent;
	return NULL;
}

/* --- bytes that travel -------------------------------------------------------------------------- */

static CUresult bytes_send(struct extent *extent, uint64_t start, uint64_t end)
{
	struct fe_range range;
	CUresult result = CUDA_SUCCESS;

	/* Only what is a variable's or an allocation's: beside them there may be nothing over there. */
	for (uint64_t at = start; !result && at < end && fe_range_managed_from(at, &range);) {
		uint64_t from = vg_max(range.base, at), to = vg_min(range.base + range.size, end);

		if (from < to)
			result = rpc_vgManagedIn(from, to - from,
						 extent->alias + (from - extent->start));
		at = range.base + range.size;
	}
	return result;
}

/* Of what is new only the pages that have been touched: the file knows. */
static CUresult touched_send(struct extent *extent, uint64_t start, uint64_t end)
{
	CUresult result = CUDA_SUCCESS;

	while (!result && start < end) {
		off_t from = lseek(store, (off_t)start, SEEK_DATA), to;

		if (from < 0 || (uint64_t)from >= end)
			break;
		to = lseek(store, from, SEEK_HOLE);
		if (to < 0 || (uint64_t)to > end)
			to = (off_t)end;
		result = bytes_send(extent, (uint64_t)from, (uint64_t)to);
		start = (uint64_t)to;
	}
	return result;
}

static CUresult bytes_fetch(struct extent *extent, uint64_t start, uint64_t end)
{
	struct fe_range range;
	CUresult result = CUDA_SUCCESS;

	for (uint64_t at = start; !result && at < end && fe_range_managed_from(at, &range);) {
		uint64_t from = vg_max(range.base, at), to = vg_min(range.base + range.size, end);

		if (from < to)
			result = rpc_vgManagedOut(from, to - from,
						  extent->alias + (from - extent->start));
		at = range.base + range.size;
	}
	return result;
}

/* --- to the device (all under the lock, which is let go of meanwhile) ----------------------------- */

static void wait_idle(struct extent *extent, uint32_t first, uint32_t last)
{
	for (uint32_t i = first; i < last; i++) {
		while (extent->state[i] == BLOCK_BUSY)
			pthread_cond_wait(&moved, &lock);
	}
}

static CUresult run_send(struct extent *extent, uint32_t first, uint32_t last, uint8_t state)
{
	uint64_t start = block_start(extent, first), end = block_end(extent, last - 1);

	if (state == BLOCK_NEW)
		return touched_send(extent, start, end);
	return state == BLOCK_DIRTY ? bytes_send(extent, start, end) : CUDA_SUCCESS;
}

/* A run of blocks of one state. */
static void run_give(struct extent *extent, uint32_t first, uint32_t last)
{
	uint8_t state = extent->state[first];
	CUresult result;

	blocks_protect(extent, first, last, PROT_NONE);
	blocks_set(extent, first, last, BLOCK_BUSY);
	extent->users++;
	pthread_mutex_unlock(&lock);
	result = run_send(extent, first, last, state);
	if (result)
		vg_warn(&fe_who, "event=managed-lost base=0x%llx result=%d",
			(unsigned long long)block_start(extent, first), (int)result);
	pthread_mutex_lock(&lock);
	blocks_set(extent, first, last, BLOCK_DEVICE);
	extent->users--;
	pthread_cond_broadcast(&moved);
}

static void blocks_give(struct extent *extent, uint32_t first, uint32_t last)
{
	extent->users++;
	while (first < last) {
		uint32_t end = first + 1;

		wait_idle(extent, first, end);
		while (end < last && extent->state[end] == extent->state[first])
			end++;
		if (is_here(extent->state[first]))
			run_give(extent, first, end);
		first = end;
	}
	extent->users--;
	pthread_cond_broadcast(&moved);
}

/* The device is about to use these bytes. */
static void range_give(uint64_t address, uint64_t size)
{
	uint64_t end = vg_sat_add(address, size);

	atomic_fetch_add(&launches, 1);
	pthread_mutex_lock(&lock);
	for (struct extent *extent = extents; extent; extent = extent->next) {
		if (address >= extent->start + extent->size || end <= extent->start)
			continue;
		blocks_give(extent, block_of(extent, vg_max(address, extent->start)),
			    block_of(extent, vg_min(end, extent->start + extent->size) - 1) + 1);
	}
	pthread_mutex_unlock(&lock);
}

static bool may_use(const struct extent *extent, CUstream stream)
{
	if (extent->attach == CU_MEM_ATTACH_HOST)
		return false;
	return extent->attach != CU_MEM_ATTACH_SINGLE || extent->stream == stream;
}

/* Where work was launched, to be waited for by a touch. */
static void context_note(void)
{
	CUcontext context = fe_context_current();

	for (unsigned int i = 0; i < CONTEXTS; i++) {
		CUcontext there = atomic_load_explicit(&contexts[i], memory_order_relaxed);

		if (there == context)
			break;
		if (!there && atomic_compare_exchange_strong(&contexts[i], &there, context))
			break;
	}
}

void fe_managed_launched(void)
{
	if (atomic_load_explicit(&any, memory_order_relaxed))
		atomic_fetch_add(&launches, 1);
}

void fe_managed_launch(CUstream stream)
{
	if (!atomic_load_explicit(&any, memory_order_relaxed))
		return;
	context_note();
	if (!atomic_load(&here_in_all))
		return;
	fe_fault_watch();
	pthread_mutex_lock(&lock);
	for (struct extent *extent = extents; extent; extent = extent->next)
		if (extent->here && may_use(extent, stream))
			blocks_give(extent, 0, extent->count);
	pthread_mutex_unlock(&lock);
}

/* --- to the CPU --------------------------------------------------------------------------------- */

/*
 * Nothing that may write to the memory runs any more. By the program's own rules that is so already
 * when it touches it; a program that breaks them is made to wait.
 */
static void settle(const struct extent *extent)
{
	uint64_t seen = atomic_load(&launches);
	bool entered;

	if (extent->attach == CU_MEM_ATTACH_SINGLE) {
		if (!fe_context_enter(extent->context, &entered))
			rpc_cuStreamSynchronize(extent->stream);
		fe_context_exit(entered);
		return;
	}
	if (extent->attach == CU_MEM_ATTACH_HOST || atomic_load(&settled) == seen)
		return;
	for (unsigned int i = 0; i < CONTEXTS; i++) {
		CUcontext context = atomic_load(&contexts[i]);

		if (!context)
			continue;
		if (!fe_context_enter(context, &entered))
			rpc_vgCtxSynchronize();
		fe_context_exit(entered);
	}
	atomic_store(&settled, seen);
}

/* Brings blocks that are the device's. Under the lock, which is let go of meanwhile. */
static void run_take(struct extent *extent, uint32_t first, uint32_t last, bool wait)
{
	bool entered;
	CUresult result;

	blocks_set(extent, first, last, BLOCK_BUSY);
	extent->users++;
	pthread_mutex_unlock(&lock);
	if (wait)
		settle(extent);
	result = fe_context_enter(extent->context, &entered);
	if (!result)
		result = bytes_fetch(extent, block_start(extent, first),
				     block_end(extent, last - 1));
	fe_context_exit(entered);
	if (result)
		vg_warn(&fe_who, "event=managed-lost base=0x%llx result=%d",
			(unsigned long long)block_start(extent, first), (int)result);
	pthread_mutex_lock(&lock);
	blocks_set(extent, first, last, BLOCK_CLEAN);
	blocks_protect(extent, first, last, PROT_READ);
	extent->users--;
	pthread_cond_broadcast(&moved);
}

/* How many blocks from this one on: who reads in order gets ever more. */
static uint32_t run_length(struct extent *extent, uint32_t block)
{
	uint32_t most = (uint32_t)vg_max(RUN_BYTES / extent->block, 1), end = block + 1;

	if (block == extent->expected)
		extent->run = extent->run < most / 2 ? extent->run * 2 : most;
	else
		extent->run = 1;
	if (!extent->run)
		extent->run = 1;
	while (end < extent->count && end - block < extent->run &&
	       extent->state[end] == BLOCK_DEVICE)
		end++;
	extent->expected = end;
	return end - block;
}

static void block_take(struct extent *extent, uint32_t block, bool write, bool wait)
{
	wait_idle(extent, block, block + 1);
	if (extent->state[block] == BLOCK_DEVICE)
		run_take(extent, block, block + run_length(extent, block), wait);
	if (write && extent->state[block] == BLOCK_CLEAN) {
		blocks_set(extent, block, block + 1, BLOCK_DIRTY);
		blocks_protect(extent, block, block + 1, PROT_READ | PROT_WRITE);
	}
}

bool fe_managed_take(uint64_t address, bool write, bool wait)
{
	struct extent *extent;

	pthread_mutex_lock(&lock);
	extent = extent_at(address);
	if (extent) {
		extent->users++;
		block_take(extent, block_of(extent, address), write, wait);
		extent->users--;
		pthread_cond_broadcast(&moved);
	}
	pthread_mutex_unlock(&lock);
	return extent != NULL;
}

void fe_managed_want(uint64_t address, uint64_t size)
{
	struct extent *extent;

	pthread_mutex_lock(&lock);
	extent = size ? extent_at(address) : NULL;
	if (extent) {
		uint64_t end = vg_min(vg_sat_add(address, size), extent->start + extent->size);

		if (!extent->wanted)
			atomic_fetch_add(&wanted_in_all, 1);
		extent->wanted = true;
		extent->want_first = block_of(extent, address);
		extent->want_last = block_of(extent, end - 1) + 1;
	}
	pthread_mutex_unlock(&lock);
}

static void wanted_take(struct extent *extent)
{
	uint32_t last = extent->want_last;

	extent->wanted = false;
	atomic_fetch_sub(&wanted_in_all, 1);
	extent->users++;
	for (uint32_t i = extent->want_first; i < last; i++) {
		uint32_t end = i;

		wait_idle(extent, i, i + 1);
		while (end < last && extent->state[end] == BLOCK_DEVICE)
			end++;
		if (end > i) {
			run_take(extent, i, end, false);
			i = end - 1;
		}
	}
	/* Read and written by system calls too, which do not wait for what a fault brings. */
	for (uint32_t i = extent->want_first; i < last; i++)
		block_take(extent, i, true, false);
	extent->users--;
	pthread_cond_broadcast(&moved);
}

void fe_managed_synced(void)
{
	if (!atomic_load_explicit(&wanted_in_all, memory_order_relaxed))
		return;
	pthread_mutex_lock(&lock);
	for (struct extent *extent = extents; extent; extent = extent->next)
		if (extent->wanted)
			wanted_take(extent);
	pthread_mutex_unlock(&lock);
}

/* --- coming and going --------------------------------------------------------------------------- */

static int store_open(void)
{
	if (store >= 0)
		return 0;
	store = memfd_create("vgpu-managed", MFD_CLOEXEC);
	if (store < 0)
		return -errno;
	if (ftruncate(store, STORE_SIZE)) {
		int rc = -errno;

		close(store);
		store = -1;
		return rc;
	}
	return 0;
}

static int extent_map(struct extent *extent, int access)
{
	void *at = (void *)extent->start, *map;

	extent->alias = mmap(NULL, extent->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
			     store, (off_t)extent->start);
	if (extent->alias == MAP_FAILED)
		return -errno;
	map = mmap(at, extent->size, access, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, store,
		   (off_t)extent->start);
	if (map == MAP_FAILED) {
		int rc = -errno;

		munmap(extent->alias, extent->size);
		return rc;
	}
	/* A child has no session, and would write to its parent's. */
	madvise(extent->alias, extent->size, MADV_DONTFORK);
	madvise(at, extent->size, MADV_DONTFORK);
	return 0;
}

static struct extent *extent_new(uint64_t start, uint64_t size, const struct fe_range *range)
{
	uint64_t block = BLOCK_MIN;
	struct extent *extent;

	while (size / block >= BLOCKS_MAX)
		block *= 2;
	extent = calloc(1, sizeof(*extent) + (size + block - 1) / block);
	if (!extent)
		return NULL;
	extent->start = start;
	extent->size = size;
	extent->block = block;
	extent->count = (uint32_t)((size + block - 1) / block);
	extent->spans = 1;
	extent->attach = range->flags;
	extent->context = range->context;
	if (extent_map(extent, range->owner ? PROT_NONE : PROT_READ | PROT_WRITE)) {
		free(extent);
		return NULL;
	}
	if (!range->owner)
		blocks_set(extent, 0, extent->count, BLOCK_NEW);
	return extent;
}

static void extent_unmap(struct extent *extent)
{
	munmap(extent->alias, extent->size);
	(void)mmap((void *)extent->start, extent->size, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	fallocate(store, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)extent->start,
		  (off_t)extent->size);
}

/* Takes it out. Under the lock, which is let go of meanwhile. */
static void extent_delete(struct extent *extent)
{
	struct extent **at;

	while (extent->users)
		pthread_cond_wait(&moved, &lock);
	if (extent->spans) /* somebody has come to need it meanwhile */
		return;
	blocks_set(extent, 0, extent->count, BLOCK_DEVICE);
	if (extent->wanted)
		atomic_fetch_sub(&wanted_in_all, 1);
	for (at = &extents; *at != extent; at = &(*at)->next)
		;
	*at = extent->next;
	extent_unmap(extent);
	free(extent);
}

/*
 * Pages from start on that are in no extent yet, up to end; or those of the extent that is there. Under
 * the lock. Returns where to go on, 0: no memory.
 */
static uint64_t pages_add(uint64_t start, uint64_t end, const struct fe_range *range)
{
	struct extent **at = &extents, *extent;

	while (*at && (*at)->start + (*at)->size <= start)
		at = &(*at)->next;
	extent = *at;
	if (extent && extent->start <= start) {
		/* Another's page: what is here goes over before more of the page is ours. */
		extent->spans++;
		blocks_give(extent, block_of(extent, start),
			    block_of(extent, vg_min(end, extent->start + extent->size) - 1) + 1);
		return extent->start + extent->size;
	}
	end = extent ? vg_min(end, extent->start) : end;
	extent = extent_new(start, end - start, range);
	if (!extent)
		return 0;
	extent->next = *at;
	*at = extent;
	return end;
}

/* The first one that ends behind an address. */
static struct extent *extent_from(uint64_t address)
{
	struct extent *extent = extents;

	while (extent && extent->start + extent->size <= address)
		extent = extent->next;
	return extent;
}

static void pages_drop(uint64_t start, uint64_t end)
{
	struct extent *extent;

	/* By address: the list may change with each one that goes. */
	while ((extent = extent_from(start)) && extent->start < end) {
		start = extent->start + extent->size;
		if (!--extent->spans)
			extent_delete(extent);
	}
}

int fe_managed_add(const struct fe_range *range)
{
	uint64_t start = page_down(range->base), end = page_up(range->base + range->size), at;
	int rc = fe_fault_watch();

	if (rc)
		return rc;
	pthread_mutex_lock(&lock);
	rc = store_open();
	for (at = start; !rc && at < end;) {
		uint64_t next = pages_add(at, end, range);

		if (!next) {
			pages_drop(start, at);
			rc = -ENOMEM;
		}
		at = next;
	}
	pthread_mutex_unlock(&lock);
	if (rc)
		return rc;
	fe_fault_cover(start, end - start);
	fe_range_watch(range_give);
	atomic_store(&any, true);
	return 0;
}

void fe_managed_remove(const struct fe_range *range)
{
	pthread_mutex_lock(&lock);
	pages_drop(page_down(range->base), page_up(range->base + range->size));
	pthread_mutex_unlock(&lock);
}

void fe_managed_attach(const struct fe_range *range, unsigned int flags, CUstream stream)
{
	struct extent *extent;

	pthread_mutex_lock(&lock);
	extent = extent_at(range->base);
	if (extent && extent->spans == 1) {
		extent->attach = flags;
		extent->stream = stream;
	}
	pthread_mutex_unlock(&lock);
}

void fe_managed_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&moved, NULL);
	while (extents) {
		struct extent *next = extents->next;

		free(extents); /* its pages were not inherited */
		extents = next;
	}
	if (store >= 0)
		close(store);
	store = -1;
	atomic_store(&any, false);
	atomic_store(&here_in_all, 0);
	atomic_store(&wanted_in_all, 0);
	for (unsigned int i = 0; i < CONTEXTS; i++)
		atomic_store(&contexts[i], NULL);
}
