/* SPDX-License-Identifier: MIT */
/* Memory of a worker: stacks, threads, shared memory. Kept between launches and grown as they ask for more. */
#include "sched.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SHARED_OPEN   (PTX_SHARED_BYTES_MAX + PTX_RESERVED_SHARED_BYTES) /* a multiple of a page */
#define SHARED_STRIDE (256u << 10)                                       /* with a closed end */

static int stacks_reserve(struct ptx_worker *w, uint32_t count, size_t bytes)
{
	if (w->stacks.count >= count && w->stacks.stride >= bytes + 4096)
		return 0;
	ptx_stacks_free(&w->stacks);
	w->free_fibers = NULL;
	/* A whole block's worth at once, so that it does not grow step by step. */
	return ptx_stacks_init(
		&w->stacks, count < PTX_BLOCK_THREADS_MAX ? PTX_BLOCK_THREADS_MAX : count, bytes);
}

static int blocks_reserve(struct ptx_worker *w, uint32_t blocks)
{
	void *shared;

	if (w->block_space >= blocks)
		return 0;
	free(w->blocks);
	if (w->shared)
		munmap(w->shared, (size_t)w->block_space * SHARED_STRIDE);
	w->block_space = 0;
	w->shared = NULL;
	w->blocks = calloc(blocks, sizeof(*w->blocks));
	shared = mmap(NULL, (size_t)blocks * SHARED_STRIDE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!w->blocks || shared == MAP_FAILED) {
		if (shared != MAP_FAILED)
			munmap(shared, (size_t)blocks * SHARED_STRIDE);
		return -ENOMEM;
	}
	w->shared = shared;
	w->shared_stride = SHARED_STRIDE;
	w->block_space = blocks;
	for (uint32_t i = 0; i < blocks; i++)
		mprotect(w->shared + (size_t)i * SHARED_STRIDE + SHARED_OPEN,
			 SHARED_STRIDE - SHARED_OPEN, PROT_NONE);
	return 0;
}

int ptx_worker_reserve(struct ptx_worker *w, const struct ptx_run *run, uint32_t blocks)
{
	uint32_t threads = blocks * run->grid.threads;

	if (w->thread_space < threads) {
		free(w->threads);
		w->thread_space = 0;
		w->threads = calloc(threads, sizeof(*w->threads));
		if (!w->threads)
			return -ENOMEM;
		w->thread_space = threads;
	}
	if (blocks_reserve(w, blocks))
		return -ENOMEM;
	return stacks_reserve(w, threads, run->stack_bytes);
}

void ptx_worker_free(struct ptx_worker *w)
{
	ptx_stacks_free(&w->stacks);
	if (w->shared)
		munmap(w->shared, (size_t)w->block_space * SHARED_STRIDE);
	free(w->blocks);
	free(w->threads);
	free(w->alt_stack);
	free(w);
}
