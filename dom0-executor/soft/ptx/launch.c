/* SPDX-License-Identifier: MIT */
/*
 * A launch: checks, then its blocks are handed to workers: the caller itself, and helpers from a pool of OS threads
 * where there is enough to do. A ticker thread pokes the workers every few ms, which makes loops look for
 * cancellation and lets threads that wait for each other take turns.
 */
#include "sched.h"
#include "log.h"

#include <errno.h>
#include <fenv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS                 5000000L
#define STACK_BASE_BYTES        (64u << 10) /* for frames and helpers, beside local memory */
#define STACK_MAX_BYTES         (8u << 20)
#define HELPERS_MAX             64u
#define HELPER_MIN_THREADS      4096u /* fewer CUDA threads are not worth a helper */
#define COOPERATIVE_THREADS_MAX (64u << 10)

/* ---- idle workers ---- */

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ptx_worker *pool;
static uint32_t pool_count;

static struct ptx_worker *worker_take(void)
{
	struct ptx_worker *w;

	pthread_mutex_lock(&pool_lock);
	w = pool;
	if (w) {
		pool = w->next;
		pool_count--;
	}
	pthread_mutex_unlock(&pool_lock);
	return w ? w : calloc(1, sizeof(*w));
}

static void worker_give(struct ptx_worker *w)
{
	bool keep;

	pthread_mutex_lock(&pool_lock);
	keep = pool_count < HELPERS_MAX && w->thread_space <= PTX_BLOCK_THREADS_MAX;
	if (keep) {
		w->next = pool;
		pool = w;
		pool_count++;
	}
	pthread_mutex_unlock(&pool_lock);
	if (!keep)
		ptx_worker_free(w);
}

/* ---- ticker ---- */

static pthread_mutex_t tick_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t tick_wake = PTHREAD_COND_INITIALIZER;
static struct ptx_worker *ticking;
static bool tick_started;

static void *tick_main(void *unused)
{
	struct timespec tick = {.tv_nsec = TICK_NS};

	(void)unused;
	pthread_mutex_lock(&tick_lock);
	for (;;) {
		while (!ticking)
			pthread_cond_wait(&tick_wake, &tick_lock);
		pthread_mutex_unlock(&tick_lock);
		nanosleep(&tick, NULL);
		pthread_mutex_lock(&tick_lock);
		for (struct ptx_worker *w = ticking; w; w = w->ticking)
			__atomic_store_n(&w->poke, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

static bool thread_start(void *(*entry)(void *), void *argument)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	if (pthread_attr_init(&attr))
		return false;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256u << 10);
	rc = pthread_create(&thread, &attr, entry, argument);
	pthread_attr_destroy(&attr);
	return !rc;
}

static void tick_add(struct ptx_worker *w)
{
	pthread_mutex_lock(&tick_lock);
	if (!tick_started)
		tick_started = thread_start(tick_main, NULL);
	w->ticking = ticking;
	ticking = w;
	if (!w->ticking)
		pthread_cond_signal(&tick_wake);
	pthread_mutex_unlock(&tick_lock);
}

static void tick_remove(struct ptx_worker *w)
{
	pthread_mutex_lock(&tick_lock);
	for (struct ptx_worker **at = &ticking; *at; at = &(*at)->ticking)
		if (*at == w) {
			*at = w->ticking;
			break;
		}
	pthread_mutex_unlock(&tick_lock);
}

/* ---- running blocks ---- */

static bool run_cancelled(struct ptx_run *run)
{
	if (run->cancel && __atomic_load_n(run->cancel, __ATOMIC_RELAXED))
		ptx_fault_record(run, NULL, PTX_FAULT_CANCELLED, 0, NULL);
	return __atomic_load_n(&run->stop, __ATOMIC_ACQUIRE);
}

static void worker_run(struct ptx_worker *w, struct ptx_run *run, uint32_t resident)
{
	fenv_t env;

	fegetenv(&env);
	fesetenv(FE_DFL_ENV); /* the caller may round or flush as it likes */
	w->run = run;
	w->prepared = 0;
	tick_add(w);
	while (!run_cancelled(run)) {
		uint64_t first = __atomic_fetch_add(&run->next_block, resident, __ATOMIC_RELAXED);

		if (first >= run->block_count)
			break;
		ptx_sched_blocks(w, first, resident);
	}
	tick_remove(w);
	w->run = NULL;
	fesetenv(&env);
}

/* With its own worker; false where there is no memory for one. */
static bool run_here(struct ptx_run *run, uint32_t index, uint32_t resident)
{
	struct ptx_worker *w = worker_take();
	bool ok;

	if (!w)
		return false;
	w->index = index;
	ok = !ptx_worker_reserve(w, run, resident) && !ptx_fault_enter(w);
	if (ok) {
		worker_run(w, run, resident);
		ptx_fault_leave(w);
	}
	worker_give(w);
	return ok;
}

/* ---- helpers: OS threads that wait for a run to join ---- */

struct job {
	struct job *next;
	struct ptx_run *run;
	uint32_t wanted; /* helpers that may still join */
	uint32_t index;  /* of the next one */
	uint32_t busy;   /* helpers in it */
	pthread_cond_t done;
};

static pthread_mutex_t job_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t job_wake = PTHREAD_COND_INITIALIZER;
static struct job *jobs;
static uint32_t helpers, helpers_idle;

static struct job *job_find(void)
{
	for (struct job *job = jobs; job; job = job->next)
		if (job->wanted)
			return job;
	return NULL;
}

static void *helper_main(void *unused)
{
	(void)unused;
	pthread_mutex_lock(&job_lock);
	for (;;) {
		struct job *job = job_find();
		uint32_t index;

		if (!job) {
			helpers_idle++;
			pthread_cond_wait(&job_wake, &job_lock);
			helpers_idle--;
			continue;
		}
		job->wanted--;
		job->busy++;
		index = job->index++;
		pthread_mutex_unlock(&job_lock);
		run_here(job->run, index, 1); /* without memory it just does not help */
		pthread_mutex_lock(&job_lock);
		if (!--job->busy)
			pthread_cond_signal(&job->done);
	}
	return NULL;
}

static void job_open(struct job *job, struct ptx_run *run, uint32_t wanted)
{
	*job = (struct job){.run = run, .wanted = wanted, .index = 1};
	pthread_cond_init(&job->done, NULL);
	pthread_mutex_lock(&job_lock);
	job->next = jobs;
	jobs = job;
	while (helpers < HELPERS_MAX && helpers_idle < wanted && helpers < wanted &&
	       thread_start(helper_main, NULL))
		helpers++;
	pthread_cond_broadcast(&job_wake);
	pthread_mutex_unlock(&job_lock);
}

static void job_close(struct job *job)
{
	pthread_mutex_lock(&job_lock);
	job->wanted = 0;
	while (job->busy)
		pthread_cond_wait(&job->done, &job_lock);
	for (struct job **at = &jobs; *at; at = &(*at)->next)
		if (*at == job) {
			*at = job->next;
			break;
		}
	pthread_mutex_unlock(&job_lock);
	pthread_cond_destroy(&job->done);
}

/* ---- the launch ---- */

static uint32_t count_workers(const struct ptx_run *run, const struct ptx_launch *launch)
{
	static _Atomic long cpus; /* asking costs more than a small launch */
	uint64_t count = launch->workers;

	if (!cpus)
		cpus = sysconf(_SC_NPROCESSORS_ONLN);
	if (!count)
		count = cpus > 0 ? (uint64_t)cpus : 1;
	if (launch->cooperative || run->block_count * run->grid.threads < HELPER_MIN_THREADS)
		return 1;
	if (count > run->block_count)
		count = run->block_count;
	return count > HELPERS_MAX ? HELPERS_MAX : (uint32_t)count;
}

static int run_all(struct ptx_run *run, const struct ptx_launch *launch)
{
	uint32_t workers = count_workers(run, launch);
	uint32_t resident = launch->cooperative ? (uint32_t)run->block_count : 1;
	struct job job;
	bool ok;

	run->grid.nsmid = workers;
	if (workers == 1)
		return run_here(run, 0, resident) ? 0 : -ENOMEM;
	job_open(&job, run, workers - 1);
	ok = run_here(run, 0, resident);
	job_close(&job);
	/* The helpers may have done it all even so. */
	return ok || __atomic_load_n(&run->next_block, __ATOMIC_RELAXED) >= run->block_count
		       ? 0
		       : -ENOMEM;
}

static const char *config_check(const struct ptx_kernel_info *info, const struct ptx_launch *l)
{
	uint64_t threads = (uint64_t)l->block[0] * l->block[1], blocks;

	if (!l->grid[0] || !l->grid[1] || !l->grid[2] || !l->block[0] || !l->block[1] ||
	    !l->block[2])
		return "a dimension is 0";
	if (l->block[0] > 1024 || l->block[1] > 1024 || l->block[2] > 64)
		return "a dimension of the block is too large";
	if (l->grid[0] > INT32_MAX || l->grid[1] > 65535 || l->grid[2] > 65535)
		return "a dimension of the grid is too large";
	threads *= l->block[2];
	blocks = (uint64_t)l->grid[0] * l->grid[1] * l->grid[2];
	if (threads > info->max_threads)
		return "more threads in a block than the kernel allows";
	if (info->reqntid[0] && memcmp(info->reqntid, l->block, sizeof(info->reqntid)))
		return "other block dimensions than the kernel requires";
	for (int i = 0; i < 3; i++)
		if (l->cluster[i] > 1)
			return "clusters of more than one block";
	if (l->dynamic_shared > PTX_SHARED_BYTES_MAX - info->shared_bytes)
		return "too much shared memory";
	if (l->param_bytes < info->param_bytes || (info->param_bytes && !l->params))
		return "the parameter block is too short";
	if (l->cooperative && blocks * threads > COOPERATIVE_THREADS_MAX)
		return "cooperative launch of more threads than can be resident";
	return NULL;
}

static void grid_fill(struct ptx_grid *grid, const struct ptx_kernel_info *info,
		      const struct ptx_launch *l)
{
	memcpy(grid->ntid, l->block, sizeof(grid->ntid));
	memcpy(grid->nctaid, l->grid, sizeof(grid->nctaid));
	grid->threads = l->block[0] * l->block[1] * l->block[2];
	grid->warps = (grid->threads + 31) / 32;
	grid->grid_id = l->grid_id;
	/* extern .shared may ask for any alignment up to this */
	grid->dynamic_offset = info->shared_bytes ? (info->shared_bytes + 127u) & ~127u : 0;
	grid->dynamic_bytes = l->dynamic_shared;
	grid->shared_bytes = grid->dynamic_offset + l->dynamic_shared;
}

/* Cooperative groups find the grid's barrier through %envreg1 and %envreg2 (high and low half). */
static void workspace_fill(struct ptx_grid *grid, uint32_t *workspace, uint32_t bytes)
{
	uint64_t address = (uint64_t)(uintptr_t)workspace;

	workspace[0] = bytes;
	grid->envreg[1] = (uint32_t)(address >> 32);
	grid->envreg[2] = (uint32_t)address;
}

static int fault_code(enum ptx_fault_kind kind)
{
	switch (kind) {
	case PTX_FAULT_NONE: return 0;
	case PTX_FAULT_CANCELLED: return -ECANCELED;
	case PTX_FAULT_MEMORY_OUT: return -ENOMEM;
	case PTX_FAULT_CONFIG: return -EINVAL;
	default: return -EFAULT;
	}
}

static int refuse(struct ptx_fault *out, const struct ptx_kernel *kernel, enum ptx_fault_kind kind,
		  int rc, const char *why)
{
	if (!out)
		return rc;
	memset(out, 0, sizeof(*out));
	out->kind = kind;
	snprintf(out->text, sizeof(out->text), "kernel %.80s: %.150s", kernel->info.name, why);
	return rc;
}

static size_t stack_size(const struct ptx_kernel_info *info, const struct ptx_launch *l)
{
	size_t limit = l->stack_bytes ? l->stack_bytes : 1024;
	size_t bytes = STACK_BASE_BYTES + info->local_bytes + limit * 4;

	return bytes > STACK_MAX_BYTES ? STACK_MAX_BYTES : bytes;
}

int ptx_launch(struct ptx_kernel *kernel, const struct ptx_launch *launch, struct ptx_fault *fault)
{
	struct ptx_run run = {.kernel = kernel,
			      .callbacks = launch->callbacks,
			      .cancel = launch->cancel,
			      .lock = PTHREAD_MUTEX_INITIALIZER};
	const char *wrong = config_check(&kernel->info, launch);
	_Alignas(64) uint32_t workspace[16] = {0};
	struct ptx_log log = {0};
	void *params;
	int rc;

	if (wrong)
		return refuse(fault, kernel, PTX_FAULT_CONFIG, -EINVAL, wrong);
	rc = ptx_kernel_prepare(kernel, &log);
	if (rc)
		return refuse(fault, kernel, PTX_FAULT_COMPILE, rc, log.text);
	/* 64: any vector of the block can be loaded with alignment; 16 more bytes: so can its end */
	params = aligned_alloc(64, ((size_t)kernel->info.param_bytes + 16 + 63) & ~(size_t)63);
	if (!params)
		return refuse(fault, kernel, PTX_FAULT_MEMORY_OUT, -ENOMEM, "no memory");
	if (kernel->info.param_bytes)
		memcpy(params, launch->params, kernel->info.param_bytes);
	run.params = params;
	run.code = kernel->code;
	run.heap = ptx_heap_get(launch->heap_bytes);
	run.block_count = (uint64_t)launch->grid[0] * launch->grid[1] * launch->grid[2];
	run.stack_bytes = stack_size(&kernel->info, launch);
	grid_fill(&run.grid, &kernel->info, launch);
	if (launch->cooperative)
		workspace_fill(&run.grid, workspace, sizeof(workspace));
	rc = run_all(&run, launch);
	free(params);
	if (rc)
		return refuse(fault, kernel, PTX_FAULT_MEMORY_OUT, rc, "no memory for stacks");
	if (fault)
		*fault = run.fault;
	return fault_code(run.fault.kind);
}
