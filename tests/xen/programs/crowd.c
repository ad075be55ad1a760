/* SPDX-License-Identifier: MIT */
/*
 * Many processes with many threads at once, in one guest's pages. When each thread of each process has a lane and
 * each process its page-locked memory it says "all here", and waits for SIGUSR1; then all copy at once, to the device
 * and back, and compare.
 *
 * usage: crowd PROCESSES THREADS [HOARD]
 *
 * HOARD: the first process takes that many MiB of page-locked memory before the others begin, and says how many of
 * them are in shared pages.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/programs/check.h"

#define PROCESSES_MAX 64u
#define THREADS_MAX   64u
#define SIZE          ((size_t)256 << 10) /* of page-locked memory in a process */
#define PIECE         ((size_t)2 << 20)
#define ROUNDS        3u

/* In memory that all processes share. */
struct crowd {
	unsigned int threads, hoard;
	pthread_barrier_t hoarded, here, told;
};

struct worker {
	pthread_t thread;
	struct crowd *crowd;
	CUcontext context;
	unsigned char *locked; /* its part of the process's */
	size_t size;
	uint64_t seed;
	size_t wrong;
};

static volatile sig_atomic_t go;

static void on_signal(int number)
{
	(void)number;
	go = 1;
}

/* There and back; how many bytes are wrong. */
static size_t round_trip(struct worker *worker, CUdeviceptr device, unsigned char *back,
			 uint64_t seed)
{
	fill_random(worker->locked, worker->size, seed);
	CU(cuMemcpyHtoDAsync(device, worker->locked, worker->size, NULL));
	CU(cuMemcpyDtoH(back, device, worker->size));
	return count_not_random(back, worker->size, seed);
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	unsigned char *back = malloc(worker->size);
	CUdeviceptr device;

	if (!back)
		exit(2);
	CU(cuCtxSetCurrent(worker->context));
	CU(cuMemAlloc(&device, worker->size));
	worker->wrong += round_trip(worker, device, back, worker->seed);
	pthread_barrier_wait(&worker->crowd->here);
	pthread_barrier_wait(&worker->crowd->told);
	for (unsigned int i = 1; i <= ROUNDS; i++)
		worker->wrong += round_trip(worker, device, back, worker->seed + i);
	CU(cuMemFree(device));
	free(back);
	return NULL;
}

/* Memory that is not in shared pages has no address for the device. */
static void hoard(unsigned int mib)
{
	unsigned int got = 0;
	CUdeviceptr device;
	void *locked;

	for (size_t taken = 0; taken < (size_t)mib << 20; taken += PIECE) {
		CU(cuMemAllocHost(&locked, PIECE));
		got += cuMemHostGetDevicePointer(&device, locked, 0) == CUDA_SUCCESS;
	}
	printf("hoarded %zu of %u MiB\n", got * (PIECE >> 20), mib);
	fflush(stdout);
}

static void worker_init(struct worker *worker, struct crowd *crowd, unsigned int process,
			unsigned int thread, void *locked)
{
	*worker = (struct worker){.crowd = crowd, .size = SIZE / crowd->threads};
	worker->locked = (unsigned char *)locked + thread * worker->size;
	worker->seed = (process * THREADS_MAX + thread) * (ROUNDS + 1);
	CU(cuCtxGetCurrent(&worker->context));
}

/* The first thread is one of them. */
static size_t process_work(struct crowd *crowd, unsigned int number)
{
	struct worker workers[THREADS_MAX];
	CUdevice device = device_open();
	void *locked = NULL;
	size_t wrong;

	if (crowd->hoard && !number) {
		hoard(crowd->hoard);
		pthread_barrier_wait(&crowd->hoarded);
	}
	CU(cuMemAllocHost(&locked, SIZE));
	worker_init(&workers[0], crowd, number, 0, locked);
	for (unsigned int i = 1; i < crowd->threads; i++) {
		worker_init(&workers[i], crowd, number, i, locked);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			exit(2);
	}
	work(&workers[0]);
	wrong = workers[0].wrong;
	for (unsigned int i = 1; i < crowd->threads; i++) {
		pthread_join(workers[i].thread, NULL);
		wrong += workers[i].wrong;
	}
	CU(cuMemFreeHost(locked));
	device_close(device);
	return wrong;
}

static void barrier_make(pthread_barrier_t *barrier, unsigned int count)
{
	pthread_barrierattr_t shared;

	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(barrier, &shared, count);
	pthread_barrierattr_destroy(&shared);
}

static pid_t process_start(struct crowd *crowd, unsigned int number)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	signal(SIGUSR1, SIG_IGN);
	if (number && crowd->hoard)
		pthread_barrier_wait(&crowd->hoarded);
	_exit(process_work(crowd, number) ? 1 : 0);
}

/* A process that has ended before its time keeps the others waiting. */
static void on_child(int number)
{
	int status;

	(void)number;
	if (go)
		return;
	if (wait(&status) > 0)
		_exit(4);
}

/* The parent is one more at the barriers, and does nothing with CUDA. */
static void tell(struct crowd *crowd)
{
	sigset_t wait_for, before;

	sigemptyset(&wait_for);
	sigaddset(&wait_for, SIGUSR1);
	sigprocmask(SIG_BLOCK, &wait_for, &before);
	pthread_barrier_wait(&crowd->here);
	puts("all here");
	fflush(stdout);
	while (!go)
		sigsuspend(&before);
	sigprocmask(SIG_SETMASK, &before, NULL);
	pthread_barrier_wait(&crowd->told);
}

int main(int argc, char **argv)
{
	unsigned int processes = argc > 2 ? (unsigned int)strtoul(argv[1], NULL, 10) : 0;
	unsigned int threads = argc > 2 ? (unsigned int)strtoul(argv[2], NULL, 10) : 0;
	struct crowd *crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int good = 0;
	int status;

	if (!processes || processes > PROCESSES_MAX || !threads || threads > THREADS_MAX ||
	    crowd == MAP_FAILED) {
		fprintf(stderr, "usage: crowd PROCESSES THREADS [HOARD]\n");
		return 2;
	}
	crowd->threads = threads;
	crowd->hoard = argc > 3 ? (unsigned int)strtoul(argv[3], NULL, 10) : 0;
	barrier_make(&crowd->hoarded, processes);
	barrier_make(&crowd->here, processes * threads + 1);
	barrier_make(&crowd->told, processes * threads + 1);
	signal(SIGUSR1, on_signal);
	signal(SIGCHLD, on_child);
	for (unsigned int i = 0; i < processes; i++)
		if (process_start(crowd, i) < 0)
			return 2;
	tell(crowd);
	while (wait(&status) > 0)
		good += status == 0;
	check_that(good == processes, "crowd", "%u of %u processes with %u threads each", good,
		   processes, threads);
	return check_end();
}
