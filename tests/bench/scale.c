/* SPDX-License-Identifier: MIT */
/*
 * How the cost of a program grows: with processes beside it, with its threads, with what it keeps alive. An ordinary
 * program: runs natively and over any channel; tests/bench/scale-run runs it both ways and compares.
 *
 * usage: bench_scale processes COUNT SECONDS   COUNT processes at once
 *        bench_scale threads COUNT SECONDS     COUNT threads of one process, each with a stream of its own
 *        bench_scale live KIND LIMIT COUNT...  calls beside COUNT allocations, modules or events that live, in rising order
 *        bench_scale hold THREADS              a session that many threads use, which then sleep until standard input ends
 *
 * Of processes and threads a line for each kind of work, which all do for SECONDS together: {"item": NAME, "per_s": HOW
 * MANY OF ALL}. Of what lives: {"item": NAME, "live": AS MANY, "us": OF ONE}; making them ends after LIMIT
 * seconds. hold says what it has once it sleeps: {"pid": PID, "before_kib": RESIDENT, "after_kib": RESIDENT}.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/clock.h"
#include "tests/bench/cuda.h"

#define WORKERS_MAX 256u
#define BATCHES     7u
#define OBJECTS_MAX 1000000u
#define MIB         ((size_t)1024 * 1024)

static struct {
	CUcontext context;
	CUmodule module;
	CUfunction empty;
} w;

/* One thread's. */
struct lane {
	CUstream stream;
	CUevent event;
	CUdeviceptr memory;
	void *pinned;
};

static void fail(const char *what)
{
	fprintf(stderr, "bench_scale: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void world_open(void)
{
	CU(cuInit(0));
	CU(cuDevicePrimaryCtxRetain(&w.context, 0));
	CU(cuCtxSetCurrent(w.context));
	CU(cuModuleLoadData(&w.module, BENCH_EMPTY_PTX));
	CU(cuModuleGetFunction(&w.empty, w.module, "empty"));
}

static void world_close(void)
{
	CU(cuModuleUnload(w.module));
	CU(cuDevicePrimaryCtxRelease_v2(0));
}

static void lane_open(struct lane *lane)
{
	CU(cuCtxSetCurrent(w.context));
	CU(cuStreamCreate(&lane->stream, CU_STREAM_NON_BLOCKING));
	CU(cuEventCreate(&lane->event, CU_EVENT_DISABLE_TIMING));
	CU(cuMemAlloc_v2(&lane->memory, MIB));
	CU(cuMemHostAlloc(&lane->pinned, MIB, 0));
	memset(lane->pinned, 0x5a, MIB);
}

static void lane_close(struct lane *lane)
{
	CU(cuMemFreeHost(lane->pinned));
	CU(cuMemFree_v2(lane->memory));
	CU(cuEventDestroy_v2(lane->event));
	CU(cuStreamDestroy_v2(lane->stream));
}

/* --- work: a few of a kind, waited for; how many --------------------------------------------------------- */

/* No more than this are under way when time is up. */
static unsigned int launch(struct lane *lane)
{
	for (unsigned int i = 0; i < 256; i++)
		bench_launch(w.empty, lane->stream);
	CU(cuStreamSynchronize(lane->stream));
	return 256;
}

static unsigned int launch_and_wait(struct lane *lane)
{
	bench_launch(w.empty, lane->stream);
	CU(cuStreamSynchronize(lane->stream));
	return 1;
}

static unsigned int copy(struct lane *lane)
{
	for (unsigned int i = 0; i < 4; i++)
		CU(cuMemcpyHtoDAsync_v2(lane->memory, lane->pinned, MIB, lane->stream));
	CU(cuStreamSynchronize(lane->stream));
	return 4;
}

static const struct work {
	const char *name;
	unsigned int (*some)(struct lane *lane);
} works[] = {
	{"launch", launch},
	{"launch-and-wait", launch_and_wait},
	{"copy-1M", copy},
};
#define WORKS (sizeof(works) / sizeof(works[0]))

/* --- many at once: processes, or threads of one --------------------------------------------------------- */

struct done {
	double began, ended;
	unsigned long count;
};

/* In memory that all of them share. */
struct crowd {
	pthread_barrier_t ready;
	double seconds;
	struct done done[WORKS][WORKERS_MAX];
};

struct worker {
	pthread_t thread;
	struct crowd *crowd;
	unsigned int number;
};

static struct crowd *crowd_new(unsigned int count, double seconds)
{
	struct crowd *crowd = mmap(NULL, sizeof(*crowd), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_barrierattr_t shared;

	if (crowd == MAP_FAILED)
		fail("mmap");
	crowd->seconds = seconds;
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&crowd->ready, &shared, count);
	pthread_barrierattr_destroy(&shared);
	return crowd;
}

static void work_do(const struct work *work, struct lane *lane, double seconds, struct done *done)
{
	done->count = 0;
	done->began = bench_now();
	do {
		done->count += work->some(lane);
		done->ended = bench_now();
	} while (done->ended - done->began < seconds);
}

/* Each work by all at once: nobody is still about his last one, or has gone, when the next begins. */
static void crowd_work(struct crowd *crowd, unsigned int number)
{
	struct lane lane;

	lane_open(&lane);
	for (size_t i = 0; i < WORKS; i++) {
		(void)works[i].some(&lane);
		pthread_barrier_wait(&crowd->ready);
		work_do(&works[i], &lane, crowd->seconds, &crowd->done[i][number]);
	}
	pthread_barrier_wait(&crowd->ready);
	lane_close(&lane);
}

/* All that was done, by the time from the first one's begin to the last one's end. */
static double crowd_rate(const struct done *done, unsigned int count)
{
	double began = done[0].began, ended = done[0].ended, sum = 0;

	for (unsigned int n = 0; n < count; n++) {
		sum += (double)done[n].count;
		began = done[n].began < began ? done[n].began : began;
		ended = done[n].ended > ended ? done[n].ended : ended;
	}
	return sum / (ended - began);
}

static void crowd_print(const struct crowd *crowd, const char *what, unsigned int count)
{
	for (size_t i = 0; i < WORKS; i++)
		printf("{\"item\": \"%s-%u-%s\", \"per_s\": %.1f}\n", what, count, works[i].name,
		       crowd_rate(crowd->done[i], count));
}

static pid_t process_start(struct crowd *crowd, unsigned int number)
{
	pid_t pid = fork();

	if (pid < 0)
		fail("fork");
	if (pid)
		return pid;
	world_open();
	crowd_work(crowd, number);
	world_close();
	exit(0);
}

/*
 * One that fails leaves the others waiting for it: they are ended. The parent itself has nothing to do with CUDA, as
 * fork demands.
 */
static int processes_run(unsigned int count, double seconds)
{
	struct crowd *crowd = crowd_new(count, seconds);
	pid_t children[WORKERS_MAX];
	bool failed = false;
	int status;

	for (unsigned int i = 0; i < count; i++)
		children[i] = process_start(crowd, i);
	for (unsigned int i = 0; i < count; i++) {
		pid_t pid = wait(&status);

		for (unsigned int n = 0; n < count; n++)
			if (children[n] == pid)
				children[n] = 0;
		if (status == 0 || failed)
			continue;
		failed = true;
		fprintf(stderr, "bench_scale: a process ended with status 0x%x\n", status);
		for (unsigned int n = 0; n < count; n++)
			if (children[n])
				kill(children[n], SIGKILL);
	}
	if (!failed)
		crowd_print(crowd, "processes", count);
	return failed;
}

static void *thread_run(void *argument)
{
	struct worker *worker = argument;

	crowd_work(worker->crowd, worker->number);
	return NULL;
}

static int threads_run(unsigned int count, double seconds)
{
	struct crowd *crowd = crowd_new(count, seconds);
	struct worker workers[WORKERS_MAX];

	world_open();
	for (unsigned int i = 0; i < count; i++) {
		workers[i] = (struct worker){.crowd = crowd, .number = i};
		errno = pthread_create(&workers[i].thread, NULL, thread_run, &workers[i]);
		if (errno)
			fail("pthread_create");
	}
	for (unsigned int i = 0; i < count; i++)
		pthread_join(workers[i].thread, NULL);
	world_close();
	crowd_print(crowd, "threads", count);
	return 0;
}

/* --- beside what lives -------------------------------------------------------------------------------- */

union object {
	CUdeviceptr memory;
	CUmodule module;
	CUevent event;
};

static CUresult memory_make(union object *object)
{
	return cuMemAlloc_v2(&object->memory, 512);
}

static CUresult memory_end(union object *object)
{
	return cuMemFree_v2(object->memory);
}

static CUresult module_make(union object *object)
{
	return cuModuleLoadData(&object->module, BENCH_EMPTY_PTX);
}

static CUresult module_end(union object *object)
{
	return cuModuleUnload(object->module);
}

static CUresult event_make(union object *object)
{
	return cuEventCreate(&object->event, CU_EVENT_DISABLE_TIMING);
}

static CUresult event_end(union object *object)
{
	return cuEventDestroy_v2(object->event);
}

static const struct kind {
	const char *name;
	CUresult (*make)(union object *object);
	CUresult (*end)(union object *object);
	unsigned int batch;
} kinds[] = {
	{"allocations", memory_make, memory_end, 200},
	{"modules", module_make, module_end, 20},
	{"events", event_make, event_end, 200},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const struct kind *kind_named(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

/* Until as many live, or memory or time are at an end. How many do. */
static unsigned int objects_make(const struct kind *kind, union object *objects, unsigned int live,
				 unsigned int count, double until)
{
	while (live < count && bench_now() < until) {
		CUresult result = kind->make(&objects[live]);

		if (result == CUDA_ERROR_OUT_OF_MEMORY)
			break;
		bench_must(result, kind->name);
		live++;
	}
	return live;
}

/* What is measured: one each. `kind` is what lives. */
static void make_and_end(const struct kind *kind, struct lane *lane)
{
	union object object;

	(void)lane;
	bench_must(kind->make(&object), kind->name);
	bench_must(kind->end(&object), kind->name);
}

static void launch_one(const struct kind *kind, struct lane *lane)
{
	(void)kind;
	bench_launch(w.empty, lane->stream);
}

static void record_one(const struct kind *kind, struct lane *lane)
{
	(void)kind;
	CU(cuEventRecord(lane->event, lane->stream));
}

/* Its address is looked up. */
static void copy_word(const struct kind *kind, struct lane *lane)
{
	unsigned int word = 1;

	(void)kind;
	CU(cuMemcpyHtoD_v2(lane->memory, &word, sizeof(word)));
}

static const struct beside {
	const char *name;
	void (*call)(const struct kind *kind, struct lane *lane);
	bool own; /* in the batches of the kind */
} besides[] = {
	{"make-and-end", make_and_end, true},
	{"launch", launch_one, false},
	{"event-record", record_one, false},
	{"copy-4", copy_word, false},
};
#define BESIDES (sizeof(besides) / sizeof(besides[0]))

static void beside_run(const struct beside *beside, const struct kind *kind, struct lane *lane,
		       unsigned int asked, unsigned int live)
{
	unsigned int count = beside->own ? kind->batch : 200;
	double times[BATCHES];

	beside->call(kind, lane);
	CU(cuCtxSynchronize());
	for (unsigned int b = 0; b < BATCHES; b++) {
		times[b] = bench_now();
		for (unsigned int i = 0; i < count; i++)
			beside->call(kind, lane);
		CU(cuCtxSynchronize());
		times[b] = (bench_now() - times[b]) / count * 1e6;
	}
	printf("{\"item\": \"%s-%u-%s\", \"live\": %u, \"us\": %.3f}\n", kind->name, asked,
	       beside->name, live, bench_median(times, BATCHES));
}

static int live_run(const char *name, double limit, int counts, char **asked)
{
	const struct kind *kind = kind_named(name);
	union object *objects = calloc(OBJECTS_MAX, sizeof(*objects));
	double until = bench_now() + limit;
	unsigned int live = 0;
	struct lane lane;

	if (!kind || !objects) {
		fprintf(stderr, "bench_scale: '%s' is neither allocations, modules nor events\n",
			name);
		free(objects);
		return 2;
	}
	world_open();
	lane_open(&lane);
	for (int i = 0; i < counts; i++) {
		unsigned int count = bench_number(asked[i]);

		live = objects_make(kind, objects, live, count < OBJECTS_MAX ? count : OBJECTS_MAX,
				    until);
		for (size_t n = 0; n < BESIDES; n++)
			beside_run(&besides[n], kind, &lane, count, live);
	}
	fflush(stdout);
	/* What lives ends with the process: taking it apart is not what is asked here. */
	_exit(0);
}

/* --- a session that sleeps ------------------------------------------------------------------------------ */

struct sleepers {
	pthread_barrier_t here, end;
};

static long resident_kib(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	long kib = -1;

	while (file && kib < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, "VmRSS:", 6))
			kib = strtol(line + 6, NULL, 10);
	if (file)
		fclose(file);
	return kib;
}

static void *sleeper_run(void *argument)
{
	struct sleepers *sleepers = argument;
	CUstream stream = bench_stream(w.context, w.empty);

	pthread_barrier_wait(&sleepers->here);
	pthread_barrier_wait(&sleepers->end);
	CU(cuStreamDestroy_v2(stream));
	return NULL;
}

static void end_awaited(void)
{
	char byte;

	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
}

/* The first thread is one of them. */
static int hold_run(unsigned int count)
{
	long before = resident_kib();
	struct sleepers sleepers;
	pthread_t threads[WORKERS_MAX];

	pthread_barrier_init(&sleepers.here, NULL, count);
	pthread_barrier_init(&sleepers.end, NULL, count);
	world_open();
	bench_launch(w.empty, NULL);
	CU(cuCtxSynchronize());
	for (unsigned int i = 1; i < count; i++) {
		errno = pthread_create(&threads[i], NULL, sleeper_run, &sleepers);
		if (errno)
			fail("pthread_create");
	}
	pthread_barrier_wait(&sleepers.here);
	printf("{\"pid\": %d, \"before_kib\": %ld, \"after_kib\": %ld}\n", (int)getpid(), before,
	       resident_kib());
	fflush(stdout);
	end_awaited();
	pthread_barrier_wait(&sleepers.end);
	for (unsigned int i = 1; i < count; i++)
		pthread_join(threads[i], NULL);
	world_close();
	return 0;
}

/* --- the program ------------------------------------------------------------------------------------------ */

static unsigned int workers(const char *text)
{
	unsigned int count = bench_number(text);

	if (count && count <= WORKERS_MAX)
		return count;
	fprintf(stderr, "bench_scale: %s: 1 to %u\n", text, WORKERS_MAX);
	exit(2);
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "processes"))
		return processes_run(workers(argv[2]), strtod(argv[3], NULL));
	if (argc == 4 && !strcmp(argv[1], "threads"))
		return threads_run(workers(argv[2]), strtod(argv[3], NULL));
	if (argc > 4 && !strcmp(argv[1], "live"))
		return live_run(argv[2], strtod(argv[3], NULL), argc - 4, argv + 4);
	if (argc == 3 && !strcmp(argv[1], "hold"))
		return hold_run(workers(argv[2]));
	fprintf(stderr, "usage: bench_scale processes COUNT SECONDS | threads COUNT SECONDS |\n"
			"       live allocations|modules|events LIMIT COUNT... | hold THREADS\n");
	return 2;
}
