/* SPDX-License-Identifier: MIT */
/*
 * Four threads, each with its own stream and events, in one context.
 *
 * pipeline: in each round thread i's stream waits for the event that thread i-1 recorded, adds its
 * step to the data and records its own; the data tells whether any step ran early.
 * hand-over: the threads take turns on one stream without ever synchronizing, so that only the order
 * in which their asynchronous calls returned orders the work.
 * legacy: the same, every other turn on the default stream and the ones between on streams that wait for it.
 * current: what is current in one thread is not so in another.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"

#define THREADS 4
#define ROUNDS  40
#define COUNT   10007u
#define SLOW    3000u

/* A turn-taker: host code of the threads runs one after the other, 0 1 2 3 0 1 ... */
struct turns {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned int next;
};

struct shared {
	CUcontext context;
	CUfunction step, append, append_slowly;
	struct turns turns;
	CUevent events[THREADS];
	CUstream common;
	CUdeviceptr data[THREADS]; /* thread i writes data[i], from data[i - 1] */
	CUdeviceptr state;
	bool none_current[THREADS], own_current[THREADS];
};

struct worker {
	struct shared *shared;
	unsigned int id;
	CUstream stream, waits; /* the second one waits for the default stream, and that for it */
};

static void turn_take(struct turns *t, unsigned int turn)
{
	pthread_mutex_lock(&t->lock);
	while (t->next != turn)
		pthread_cond_wait(&t->changed, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

static void turn_pass(struct turns *t)
{
	pthread_mutex_lock(&t->lock);
	t->next++;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
}

static void check_current(struct worker *w)
{
	CUcontext current = NULL;

	CU(cuCtxGetCurrent(&current));
	w->shared->none_current[w->id] = !current;
	CU(cuCtxSetCurrent(w->shared->context));
	CU(cuCtxGetCurrent(&current));
	w->shared->own_current[w->id] = current == w->shared->context;
}

static void pipeline_round(struct worker *w, unsigned int round)
{
	struct shared *s = w->shared;
	unsigned int before = (w->id + THREADS - 1) % THREADS, id = w->id + round;
	unsigned int n = COUNT, rounds = SLOW, zero = 0;
	void *params[] = {&s->data[before], &s->data[w->id], &id, &n};
	void *slow[] = {&s->state, &id, &rounds, &zero};

	turn_take(&s->turns, round * THREADS + w->id);
	/* The first of all waits for nothing: its event was never recorded. */
	CU(cuStreamWaitEvent(w->stream, s->events[before], 0));
	launch_1d(s->append_slowly, 1, 1, w->stream, slow);
	launch_1d(s->step, (COUNT + 255) / 256, 256, w->stream, params);
	CU(cuEventRecord(s->events[w->id], w->stream));
	turn_pass(&s->turns);
}

static void hand_over_round(struct worker *w, unsigned int round)
{
	struct shared *s = w->shared;
	unsigned int id = w->id + 1;
	void *params[] = {&s->state, &id};

	turn_take(&s->turns, (ROUNDS + round) * THREADS + w->id);
	/* The pipeline's last step may still be running. */
	if (round == 0 && w->id == 0)
		CU(cuStreamWaitEvent(s->common, s->events[THREADS - 1], 0));
	launch_1d(s->append, 1, 1, s->common, params);
	turn_pass(&s->turns);
}

static void legacy_round(struct worker *w, unsigned int round)
{
	struct shared *s = w->shared;
	unsigned int id = w->id + 1, rounds = SLOW, zero = 0;
	void *params[] = {&s->state, &id}, *slow[] = {&s->state, &id, &rounds, &zero};
	bool on_default = w->id % 2;

	turn_take(&s->turns, (2 * ROUNDS + round) * THREADS + w->id);
	if (round == 0 && w->id == 0)
		CU(cuStreamSynchronize(s->common));
	/* One that runs long, so that one that does not wait would be seen. */
	if (on_default)
		launch_1d(s->append_slowly, 1, 1, NULL, slow);
	else
		launch_1d(s->append, 1, 1, w->waits, params);
	turn_pass(&s->turns);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	check_current(w);
	CU(cuStreamCreate(&w->stream, CU_STREAM_NON_BLOCKING));
	CU(cuStreamCreate(&w->waits, CU_STREAM_DEFAULT));
	for (unsigned int round = 0; round < ROUNDS; round++)
		pipeline_round(w, round);
	CU(cuStreamSynchronize(w->stream));
	for (unsigned int round = 0; round < ROUNDS; round++)
		hand_over_round(w, round);
	for (unsigned int round = 0; round < ROUNDS; round++)
		legacy_round(w, round);
	CU(cuStreamDestroy(w->waits));
	CU(cuStreamDestroy(w->stream));
	return NULL;
}

static void shared_create(struct shared *s, CUmodule module)
{
	memset(s, 0, sizeof(*s));
	CU(cuCtxGetCurrent(&s->context));
	s->step = module_function(module, "step");
	s->append = module_function(module, "append");
	s->append_slowly = module_function(module, "append_slowly");
	pthread_mutex_init(&s->turns.lock, NULL);
	pthread_cond_init(&s->turns.changed, NULL);
	CU(cuStreamCreate(&s->common, CU_STREAM_DEFAULT));
	CU(cuMemAlloc(&s->state, sizeof(uint64_t)));
	CU(cuMemsetD32(s->state, 0, 2));
	for (int i = 0; i < THREADS; i++) {
		CU(cuEventCreate(&s->events[i], CU_EVENT_DISABLE_TIMING));
		CU(cuMemAlloc(&s->data[i], COUNT * sizeof(uint32_t)));
		CU(cuMemsetD32(s->data[i], 1, COUNT));
	}
	CU(cuCtxSynchronize());
}

static void shared_destroy(struct shared *s)
{
	for (int i = 0; i < THREADS; i++) {
		CU(cuEventDestroy(s->events[i]));
		CU(cuMemFree(s->data[i]));
	}
	CU(cuMemFree(s->state));
	CU(cuStreamDestroy(s->common));
}

static void check_results(struct shared *s)
{
	uint32_t *got = malloc(COUNT * sizeof(*got)), value = 1;
	uint64_t state = 0, got_state = 0;
	unsigned int wrong = 0, none = 0, own = 0;

	if (!got)
		exit(2);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int i = 0; i < THREADS; i++) {
			value = value * 3 + i + round;
			state = state * 3 + i + round;
		}
	}
	for (unsigned int i = 0; i < 2 * ROUNDS * THREADS; i++)
		state = state * 3 + i % THREADS + 1;
	CU(cuMemcpyDtoH(got, s->data[THREADS - 1], COUNT * sizeof(*got)));
	for (unsigned int i = 0; i < COUNT; i++)
		wrong += got[i] != value;
	check_that(wrong == 0, "pipeline", "%d threads, %d rounds, %u of %u values wrong", THREADS,
		   ROUNDS, wrong, COUNT);
	CU(cuMemcpyDtoH(&got_state, s->state, sizeof(got_state)));
	check_that(got_state == state, "hand-over and legacy", "%016llx, CPU %016llx",
		   (unsigned long long)got_state, (unsigned long long)state);
	for (int i = 0; i < THREADS; i++) {
		none += s->none_current[i];
		own += s->own_current[i];
	}
	check_that(none == THREADS && own == THREADS, "current",
		   "%u of %d threads began without a context, %u got theirs", none, THREADS, own);
	free(got);
}

int main(void)
{
	CUdevice dev = device_open();
	CUmodule module = module_load(chain_ptx);
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	struct shared shared;

	shared_create(&shared, module);
	for (unsigned int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.shared = &shared, .id = i};
		if (pthread_create(&threads[i], NULL, work, &workers[i])) {
			check_that(false, "threads", "cannot start thread %u", i);
			return 1;
		}
	}
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CU(cuCtxSynchronize());
	check_results(&shared);
	shared_destroy(&shared);
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
