/* SPDX-License-Identifier: MIT */
/* Threads that help with large copies: see crew.h. A helper that finds nothing to do for a while leaves the job. */
#include "xen-frontend/libcuda/crew.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "protocol/clock.h"
#include "protocol/spin.h"

#define HELPERS 7u
/* Looking for the next piece, or the next job, before sleeping. */
#define SPIN_NS 100000u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t called = PTHREAD_COND_INITIALIZER;
static struct fe_job *current; /* under the lock */
static atomic_uint inside;     /* helpers at it; moves up under the lock only */
static unsigned int sleepers;  /* under the lock */
static atomic_uint calls;      /* moves when there may be something to do */
static atomic_uint threads;    /* moves under the lock only */
static bool tried;             /* under the lock */

/* Looks before the processor is given to whom we wait for. */
#define LOOKS 1000u

void fe_crew_pause(unsigned int looks)
{
	if (looks < LOOKS)
		vg_relax();
	else
		sched_yield();
}

bool fe_crew_work(struct fe_job *job)
{
	size_t piece = atomic_load(&job->next);

	do {
		if (piece >= atomic_load(&job->limit))
			return false;
	} while (!atomic_compare_exchange_weak(&job->next, &piece, piece + 1));
	job->work(job, piece);
	return true;
}

/* Helps until the job is over or nothing has come for a while. */
static void help(struct fe_job *job, const struct vg_spin *spin)
{
	uint32_t looks = vg_spin_looks(spin) + 1;

	while (looks-- && !atomic_load(&job->over)) {
		if (fe_crew_work(job))
			looks = vg_spin_looks(spin) + 1;
		else
			vg_relax();
	}
}

static struct fe_job *job_enter(unsigned int *seen)
{
	struct fe_job *job;

	pthread_mutex_lock(&lock);
	*seen = atomic_load(&calls);
	job = current;
	if (job)
		atomic_fetch_add(&inside, 1);
	pthread_mutex_unlock(&lock);
	return job;
}

static void wait_call(struct vg_spin *spin, unsigned int seen)
{
	uint64_t begin;

	for (uint32_t looks = vg_spin_looks(spin); looks; looks--) {
		if (atomic_load(&calls) != seen)
			return;
		vg_relax();
	}
	begin = vg_clock_ns();
	pthread_mutex_lock(&lock);
	sleepers++;
	while (atomic_load(&calls) == seen)
		pthread_cond_wait(&called, &lock);
	sleepers--;
	pthread_mutex_unlock(&lock);
	vg_spin_slept(spin, vg_clock_ns() - begin);
}

static void *helper(void *arg)
{
	struct vg_spin spin;

	(void)arg;
	vg_spin_init(&spin, SPIN_NS);
	for (;;) {
		unsigned int seen;
		struct fe_job *job = job_enter(&seen);

		if (job) {
			help(job, &spin);
			atomic_fetch_sub(&inside, 1);
		}
		wait_call(&spin, seen);
	}
	return NULL;
}

static unsigned int helpers_of(unsigned int processors)
{
	unsigned int half = processors / 2;

	if (half < 2)
		return half; /* none on one, one on two or three */
	return half - 1 < HELPERS ? half - 1 : HELPERS;
}

/* Under the lock. Half of the processors with the caller's; beyond some eight the memory is what counts. */
static void threads_start(void)
{
	sigset_t all, old;
	cpu_set_t set;
	unsigned int wanted = 0;

	tried = true;
	if (!sched_getaffinity(0, sizeof(set), &set))
		wanted = helpers_of((unsigned int)CPU_COUNT(&set));
	sigfillset(&all);
	sigdelset(&all, SIGSEGV); /* the program's memory may be anything */
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (atomic_load(&threads) < wanted) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, helper, NULL))
			break;
		pthread_detach(thread);
		atomic_fetch_add(&threads, 1);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static void call_helpers(void)
{
	atomic_fetch_add(&calls, 1);
	if (sleepers)
		pthread_cond_broadcast(&called);
}

void fe_crew_begin(struct fe_job *job)
{
	pthread_mutex_lock(&lock);
	if (!tried)
		threads_start();
	job->shared = true;
	current = job;
	call_helpers();
	pthread_mutex_unlock(&lock);
}

void fe_crew_more(struct fe_job *job, size_t limit)
{
	atomic_store(&job->limit, limit);
	if (!job->shared || !atomic_load(&threads) || atomic_load(&inside))
		return;
	pthread_mutex_lock(&lock);
	call_helpers();
	pthread_mutex_unlock(&lock);
}

void fe_crew_end(struct fe_job *job)
{
	if (!job->shared)
		return;
	atomic_store(&job->over, true);
	pthread_mutex_lock(&lock);
	current = NULL;
	pthread_mutex_unlock(&lock);
	/* Each has at most a piece to finish. */
	for (unsigned int looks = 0; atomic_load(&inside); looks++)
		fe_crew_pause(looks);
}

void fe_crew_reset(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&called, NULL);
	current = NULL;
	atomic_store(&inside, 0);
	atomic_store(&threads, 0);
	sleepers = 0;
	tried = false;
}
