/* SPDX-License-Identifier: MIT */
/* The threads that help with a copy. How many processors there are, and whether a thread can be made, is said here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/clock.h"
#include "xen-frontend/libcuda/crew.h"

#define PROCESSORS 16u
#define HELPERS    7u /* of so many */
#define PIECES     10000u
/* For what must come; what must not come is waited for less. */
#define LONG_MS  20000u
#define SHORT_MS 50u

static unsigned int processors = PROCESSORS;
static int thread_error; /* of pthread_create */
static unsigned int threads_made;

int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t pid, size_t size, cpu_set_t *set)
{
	(void)pid;
	memset(set, 0, size);
	for (unsigned int i = 0; i < processors; i++)
		CPU_SET(i, set);
	return processors ? 0 : -1;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
			  void *arg)
{
	threads_made++;
	return thread_error ? thread_error : __real_pthread_create(thread, attr, run, arg);
}

/* --- a job ----------------------------------------------------------------------------------------- */

struct test_job {
	struct fe_job job; /* first */
	pthread_t caller;
	atomic_uint times[PIECES]; /* that a piece was done */
	atomic_uint by_others;
	/* Pieces that wait for one another: so many threads must be at it. */
	unsigned int meet;
	atomic_uint here, missed;
	unsigned int rest_us;
	atomic_bool resting;
	atomic_uint
		unmasked; /* helpers that would take the program's signals, or not those of its memory */
};

static struct test_job job;

static bool await(const atomic_uint *value, unsigned int wanted, unsigned int ms)
{
	uint64_t end = vg_clock_ms() + ms;

	while (atomic_load(value) < wanted) {
		if (vg_clock_ms() > end)
			return false;
		sched_yield();
	}
	return true;
}

static void signals_look(struct test_job *test)
{
	sigset_t set;

	pthread_sigmask(SIG_SETMASK, NULL, &set);
	if (!sigismember(&set, SIGALRM) || !sigismember(&set, SIGTERM) ||
	    sigismember(&set, SIGSEGV) || sigismember(&set, SIGBUS))
		atomic_fetch_add(&test->unmasked, 1);
}

static void piece_do(struct fe_job *j, size_t piece)
{
	struct test_job *test = (struct test_job *)j;
	bool other = !pthread_equal(pthread_self(), test->caller);

	atomic_fetch_add(&test->times[piece], 1);
	if (other) {
		atomic_fetch_add(&test->by_others, 1);
		signals_look(test);
	}
	if (test->meet) {
		atomic_fetch_add(&test->here, 1);
		if (!await(&test->here, test->meet, LONG_MS))
			atomic_fetch_add(&test->missed, 1);
	}
	if (test->rest_us && other) {
		atomic_store(&test->resting, true);
		usleep(test->rest_us);
		atomic_store(&test->resting, false);
	}
}

static void job_begin(unsigned int meet)
{
	memset(&job, 0, sizeof(job));
	job.job.work = piece_do;
	job.caller = pthread_self();
	job.meet = meet;
	fe_crew_begin(&job.job);
}

/* The caller's part of the pieces below `limit`, and until the others' are done. */
static bool job_finish(size_t limit)
{
	while (fe_crew_work(&job.job))
		;
	for (size_t i = 0; i < limit; i++) {
		if (!await(&job.times[i], 1, LONG_MS))
			return false;
	}
	return true;
}

static bool is_once(size_t limit)
{
	for (size_t i = 0; i < PIECES; i++) {
		if (job.times[i] != (i < limit))
			return false;
	}
	return true;
}

/* --- a process of its own -------------------------------------------------------------------------- */

#ifdef VG_TSAN
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0"; /* a child with threads */
}
#endif

/* The child is told how many processors there are; its status, 0: well. The crew that its parent has is not its own. */
static int child_run(int (*run)(unsigned int helpers), unsigned int count, unsigned int helpers)
{
	int status = -1;
	pid_t child;

#ifdef VG_TSAN /* its child may hang as it makes threads */
	skip();
#endif
	child = fork();
	if (child < 0)
		return -1;
	if (!child) {
		alarm(LONG_MS / 1000 + 10);
		fe_crew_reset();
		processors = count;
		threads_made = 0;
		_exit(run(helpers));
	}
	waitpid(child, &status, 0);
	return status;
}

/* So many helpers are there, and no more. */
static int child_meets(unsigned int helpers)
{
	job_begin(helpers + 1);
	fe_crew_more(&job.job, helpers + 1);
	if (!job_finish(helpers + 1))
		return 2;
	fe_crew_end(&job.job);
	if (!is_once(helpers + 1))
		return 3;
	return job.missed || threads_made != helpers ? 4 : 0;
}

/* No thread is to be had: it is not asked for again with each copy. */
static int child_without_threads(unsigned int helpers)
{
	(void)helpers;
	thread_error = EAGAIN;
	for (int i = 0; i < 3; i++) {
		job_begin(0);
		fe_crew_more(&job.job, 100);
		if (!job_finish(100))
			return 2;
		fe_crew_end(&job.job);
		if (!is_once(100) || job.by_others || threads_made != 1)
			return 3;
	}
	return 0;
}

/* --- tests ----------------------------------------------------------------------------------------- */

static void all_of_them_work_at_once(void **state)
{
	(void)state;
	job_begin(HELPERS + 1);
	fe_crew_more(&job.job, HELPERS + 1);
	assert_true(job_finish(HELPERS + 1));
	fe_crew_end(&job.job);
	assert_true(is_once(HELPERS + 1));
	assert_int_equal(job.missed, 0);
	assert_int_equal(job.by_others, HELPERS);
#ifndef VG_TSAN /* which gives threads that begin a mask of its own for a moment */
	assert_int_equal(job.unmasked, 0);
#endif
	assert_int_equal(threads_made, HELPERS);
}

static void as_many_as_the_processors_allow(void **state)
{
	static const struct {
		unsigned int processors, helpers;
	} cases[] = {{0, 0}, {1, 0}, {2, 1}, {3, 1}, {4, 1}, {6, 2}, {8, 3}, {1000, HELPERS}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(child_run(child_meets, cases[i].processors, cases[i].helpers), 0);
}

static void threads_that_cannot_be_made(void **state)
{
	(void)state;
	assert_int_equal(child_run(child_without_threads, PROCESSORS, 0), 0);
}

static void more_work_than_helpers(void **state)
{
	(void)state;
	job_begin(0);
	for (size_t limit = 7; limit <= PIECES; limit += 7) {
		fe_crew_more(&job.job, limit);
		if (limit % 3 == 0)
			fe_crew_work(&job.job);
	}
	fe_crew_more(&job.job, PIECES);
	assert_true(job_finish(PIECES));
	fe_crew_end(&job.job);
	assert_true(is_once(PIECES));
}

static void nothing_beyond_the_limit(void **state)
{
	(void)state;
	job_begin(0);
	assert_false(fe_crew_work(&job.job));
	fe_crew_more(&job.job, 20);
	assert_true(job_finish(20));
	assert_false(fe_crew_work(&job.job));
	usleep(SHORT_MS * 1000);
	fe_crew_end(&job.job);
	assert_true(is_once(20));
}

static void sleepers_come_back(void **state)
{
	(void)state;
	job_begin(HELPERS + 1);
	for (size_t round = 1; round <= 3; round++) {
		usleep(SHORT_MS * 1000);
		atomic_store(&job.here, 0);
		fe_crew_more(&job.job, round * (HELPERS + 1));
		assert_true(job_finish(round * (HELPERS + 1)));
	}
	fe_crew_end(&job.job);
	assert_true(is_once(3u * (HELPERS + 1)));
	assert_int_equal(job.missed, 0);
}

static void who_does_not_call_works_alone(void **state)
{
	(void)state;
	memset(&job, 0, sizeof(job));
	job.job.work = piece_do;
	job.caller = pthread_self();
	fe_crew_more(&job.job, PIECES);
	assert_true(job_finish(PIECES));
	fe_crew_end(&job.job);
	assert_true(is_once(PIECES));
	assert_int_equal(job.by_others, 0);
}

/* The job is on its caller's stack: whoever still has a piece is waited for. */
static void the_end_waits_for_who_is_at_it(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		job_begin(0);
		job.rest_us = 20000;
		fe_crew_more(&job.job, HELPERS);
		assert_true(await(&job.by_others, 1, LONG_MS));
		fe_crew_end(&job.job);
		assert_false(job.resting);
	}
}

static void nobody_comes_after_the_end(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 300; i++) {
		job_begin(0);
		fe_crew_more(&job.job, 1 + i % 50);
		while (fe_crew_work(&job.job))
			;
		fe_crew_end(&job.job);
		for (size_t piece = 0; piece < PIECES; piece++)
			assert_int_equal(job.times[piece], piece < 1 + i % 50);
		/* What a helper would find, did it still look. */
		atomic_store(&job.job.over, false);
		atomic_store(&job.job.limit, PIECES);
		usleep(i % 20 ? 0 : 2000);
		assert_int_equal(job.times[60], 0);
	}
}

/* Born in the midst of a job. */
#ifndef VG_TSAN
static void a_child_has_its_own(void **state)
{
	int status;

	(void)state;
	job_begin(0);
	job.rest_us = 20000;
	fe_crew_more(&job.job, HELPERS);
	assert_true(await(&job.by_others, 1, LONG_MS));
	status = child_run(child_meets, PROCESSORS, HELPERS);
	fe_crew_end(&job.job);
	assert_int_equal(status, 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First those that fork: there are no threads yet. */
		cmocka_unit_test(as_many_as_the_processors_allow),
		cmocka_unit_test(threads_that_cannot_be_made),
		cmocka_unit_test(all_of_them_work_at_once),
		cmocka_unit_test(more_work_than_helpers),
		cmocka_unit_test(nothing_beyond_the_limit),
		cmocka_unit_test(sleepers_come_back),
		cmocka_unit_test(who_does_not_call_works_alone),
		cmocka_unit_test(the_end_waits_for_who_is_at_it),
		cmocka_unit_test(nobody_comes_after_the_end),
#ifndef VG_TSAN
		cmocka_unit_test(a_child_has_its_own),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
