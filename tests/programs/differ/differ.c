/* SPDX-License-Identifier: MIT */
/*
 * The differential test's program: makes every call that the generated table has, good and bad, and prints
 * a line for each: function, case, result, outputs. What it prints natively and on a vGPU is
 * compared by tests/gpu/compare-errors. It judges nothing.
 *
 *     differ [--slice I/N] [--patience SECONDS] [--garbage] [--list] [FUNCTION[:CASE]...]
 *                                                                      (patterns as a shell's)
 *
 * The first process makes no call. Its children do, one after the other: when one dies in a call or
 * hangs there, that is the case's result, and the next child goes on behind it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "protocol/clock.h"
#include "protocol/errors.h"
#include "tests/programs/differ/cases.h"

#define CASE_SECONDS  5  /* that a case may take, if --patience says nothing else */
#define START_SECONDS 60 /* that a child may take before its first */
#define CHILD_CASES   400

/* Shared with the child. */
struct progress {
	atomic_uint at;    /* the case that is being run */
	atomic_uint next;  /* where the next child begins */
	atomic_uint begun; /* cases, by all children: moves with each */
	atomic_bool idle;  /* between cases */
};

struct options {
	bool garbage, list;
	unsigned int slice, slices, patience, children;
	char **patterns;
	int count;
};

static struct options options = {.slices = 1, .patience = CASE_SECONDS};

static bool is_asked_for(const struct df_case *it)
{
	const char *symbol = df_functions[it->function].symbol;

	for (int i = 0; i < options.count; i++) {
		char *colon = strchr(options.patterns[i], ':');
		bool fits;

		if (colon)
			*colon = 0;
		fits = !fnmatch(options.patterns[i], symbol, 0) &&
		       (!colon || !fnmatch(colon + 1, it->name, 0));
		if (colon)
			*colon = ':';
		if (fits)
			return true;
	}
	return !options.count;
}

static bool is_wanted(unsigned int i)
{
	const struct df_case *it = &df_cases[i];

	if (it->risky && !options.garbage)
		return false;
	return it->function % options.slices == options.slice && is_asked_for(it);
}

static void print_name(unsigned int i)
{
	printf("%s %s", df_functions[df_cases[i].function].symbol, df_cases[i].name);
}

static const char *result_text(CUresult result)
{
	static char number[32];
	const char *name = vg_error_name((int)result);

	if (name)
		return name + (strncmp(name, "CUDA_ERROR_", 11) ? 5 : 11);
	snprintf(number, sizeof(number), "%d", (int)result);
	return number;
}

/* What the call did to the buffers. */
static void print_effects(struct df_world *w)
{
	static unsigned char after[DF_SIZE];
	CUresult result;

	if (memcmp(w->pattern, w->host, DF_HOST))
		df_print(w, " host=%08x", df_hash(w->host, DF_HOST));
	if (w->text[0])
		df_print(w, " text=%08x", df_hash(w->text, sizeof(w->text)));
	if (!w->made[DF_mem])
		return;
	result = cuMemcpyDtoH_v2(after, (CUdeviceptr)w->made[DF_mem], sizeof(after));
	if (result) {
		df_print(w, " memory=%s", result_text(result));
		return;
	}
	for (size_t i = 0; i < sizeof(after); i++)
		if (after[i]) {
			df_print(w, " memory=%08x", df_hash(after, sizeof(after)));
			return;
		}
}

/* Errors that come late; false: the context is broken. The case may have left contexts on the stack. */
static bool is_well(struct df_world *w)
{
	CUcontext top = NULL;
	CUresult late;

	for (int i = 0; i < 8 && !cuCtxGetCurrent(&top) && top; i++) {
		cuCtxPopCurrent_v2(&top);
		if (top != w->ctx && top != (CUcontext)w->made[DF_context])
			cuCtxDestroy_v2(top);
	}
	if (w->stage == DF_OTHER_CONTEXT && w->made[DF_context]) {
		cuCtxSetCurrent((CUcontext)w->made[DF_context]);
		cuCtxSynchronize();
	}
	if (cuCtxSetCurrent(w->ctx)) {
		df_print(w, " context-gone");
		return false;
	}
	late = cuCtxSynchronize();
	if (!late)
		return true;
	df_print(w, " then=%s", result_text(late));
	return !cuCtxSynchronize();
}

/* After a reset: as it was, with one retain. */
static bool is_made_anew(struct df_world *w)
{
	CUcontext ctx = NULL;

	df_forget(w, true);
	for (int i = 0; i < 4 && !cuDevicePrimaryCtxRelease_v2(w->dev); i++)
		;
	if (cuDevicePrimaryCtxRetain(&ctx, w->dev))
		return false;
	w->ctx = ctx;
	return !cuCtxSetCurrent(ctx);
}

/* False: this process is of no more use. */
static bool run_case(struct df_world *w, unsigned int i)
{
	const struct df_case *it = &df_cases[i];
	const struct df_function *f = &df_functions[it->function];
	bool well = true, ended;
	void *address;

	w->line[0] = 0;
	w->length = 0;
	w->stage = it->stage;
	w->result = CUDA_ERROR_UNKNOWN;
	address = dlsym(RTLD_DEFAULT, f->symbol);
	if (!address) {
		print_name(i);
		printf(" missing\n");
		return true;
	}
	memcpy(&w->function, &address, sizeof(address));
	df_world_fill(w);
	f->run(w, it->bad);
	if (it->stage == DF_BEFORE_INIT) {
		print_name(i);
		printf(" %s%s\n", result_text(w->result), w->line);
		return w->result || !(f->flags & DF_STATEFUL);
	}
	ended = !w->result && (f->flags & DF_ENDS);
	if (it->stage == DF_RESET) {
		well = is_made_anew(w);
	} else {
		well = is_well(w);
		if (well && !ended)
			print_effects(w);
	}
	print_name(i);
	printf(" %s%s\n", result_text(w->result), w->line);
	fflush(stdout);
	if (!well || (!w->result && (f->flags & DF_STATEFUL)))
		return false;
	if (ended)
		df_forget(w, false);
	else if (it->stage != DF_RESET)
		df_drop(w);
	return true;
}

/* A child: from case `at` on, as far as it is sensible. Never returns. */
static void run_child(struct progress *progress, unsigned int at)
{
	static struct df_world w;
	static unsigned char pattern[DF_HOST];
	bool early = df_cases[at].stage == DF_BEFORE_INIT;
	unsigned int done = 0, i;
	CUresult result;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	w.host = mmap(NULL, DF_HOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (w.host == MAP_FAILED)
		_exit(3);
	df_world_fill(&w);
	memcpy(pattern, w.host, sizeof(pattern));
	w.pattern = pattern;
	if (!early) {
		result = df_world_open(&w);
		if (result) {
			fprintf(stderr, "differ: no device: %s\n", result_text(result));
			_exit(3);
		}
	}
	for (i = at; i < df_case_count && done < CHILD_CASES; i++) {
		if (early != (df_cases[i].stage == DF_BEFORE_INIT))
			break;
		if (!is_wanted(i))
			continue;
		atomic_store(&progress->at, i);
		atomic_store(&progress->next, i + 1);
		atomic_store(&progress->idle, false);
		atomic_fetch_add(&progress->begun, 1);
		done++;
		if (!run_case(&w, i)) {
			i++;
			break;
		}
		atomic_store(&progress->idle, true);
	}
	fflush(stdout);
	atomic_store(&progress->next, i);
	atomic_store(&progress->idle, true);
	_exit(0);
}

/* Waits for the child; kills it when a case takes too long. Returns its status, -1: killed. */
static int wait_child(struct progress *progress, pid_t child)
{
	const struct timespec pause = {0, 2000000};
	unsigned int seen = ~0u, limit;
	uint64_t since = 0;
	int status;

	for (;;) {
		if (waitpid(child, &status, WNOHANG) == child)
			return status;
		if (atomic_load(&progress->begun) != seen) {
			seen = atomic_load(&progress->begun);
			since = vg_clock_ms();
		}
		limit = atomic_load(&progress->idle) ? START_SECONDS : options.patience;
		if (vg_clock_ms() - since > limit * 1000u) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			return -1;
		}
		nanosleep(&pause, NULL);
	}
}

/* Runs all cases from `at` to where a child ends; returns where to go on, or 0 if nothing can be done. */
static unsigned int run_some(struct progress *progress, unsigned int at)
{
	pid_t child;
	int status;

	atomic_store(&progress->at, at);
	atomic_store(&progress->next, at);
	atomic_store(&progress->idle, true);
	fflush(stdout);
	options.children++;
	child = fork();
	if (child < 0) {
		fprintf(stderr, "differ: fork: %s\n", strerror(errno));
		return 0;
	}
	if (child == 0)
		run_child(progress, at);
	status = wait_child(progress, child);
	if (status == 0)
		return atomic_load(&progress->next);
	if (WIFEXITED(status) && atomic_load(&progress->idle) && status != -1)
		return 0;
	print_name(atomic_load(&progress->at));
	if (status == -1)
		printf(" timeout\n");
	else if (WIFSIGNALED(status))
		printf(" crash:%d\n", WTERMSIG(status));
	else
		printf(" exit:%d\n", WEXITSTATUS(status));
	return atomic_load(&progress->at) + 1;
}

/* "I/N" */
static bool take_slice(const char *text)
{
	char *end;

	options.slice = (unsigned int)strtoul(text, &end, 10);
	if (end == text || *end != '/')
		return false;
	text = end + 1;
	options.slices = (unsigned int)strtoul(text, &end, 10);
	return end != text && !*end && options.slice < options.slices;
}

static bool take_patience(const char *text)
{
	char *end;

	options.patience = (unsigned int)strtoul(text, &end, 10);
	return end != text && !*end && options.patience;
}

static bool take_options(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--garbage"))
			options.garbage = true;
		else if (!strcmp(argv[i], "--list"))
			options.list = true;
		else if (!strcmp(argv[i], "--patience")) {
			if (i + 1 >= argc || !take_patience(argv[++i]))
				return false;
		} else if (strcmp(argv[i], "--slice") || i + 1 >= argc || !take_slice(argv[++i]))
			return false;
	}
	options.patterns = argv + i;
	options.count = argc - i;
	return true;
}

int main(int argc, char **argv)
{
	struct progress *progress;
	unsigned int at = 0;

	if (!take_options(argc, argv)) {
		fprintf(stderr,
			"usage: differ [--slice I/N] [--patience SECONDS] [--garbage] [--list] "
			"[FUNCTION[:CASE]...]\n");
		return 2;
	}
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (progress == MAP_FAILED)
		return 2;
	while (at < df_case_count) {
		if (!is_wanted(at)) {
			at++;
		} else if (options.list) {
			print_name(at++);
			putchar('\n');
		} else {
			at = run_some(progress, at);
			if (!at)
				return 2;
		}
	}
	if (!options.list)
		fprintf(stderr, "differ: %u processes\n", options.children);
	return 0;
}
