/* SPDX-License-Identifier: MIT */
/*
 * Where and when the call is made: in which thread, with which context, in which kind of capture. The
 * arguments exist already. A context that is destroyed while it is current belongs to a thread
 * of its own, which lives as long as the process.
 */
#include <pthread.h>
#include <string.h>

#include "protocol/errors.h"
#include "tests/programs/differ/cases.h"
#include "tests/programs/differ/shapes.h"

struct job {
	struct df_world *w;
	CUresult (*call)(const void *);
	const void *args;
	bool bound;
};

static void *run_job(void *data)
{
	struct job *job = data;

	if (job->bound)
		cuCtxSetCurrent(job->w->ctx);
	job->w->result = job->call(job->args);
	return NULL;
}

static void call_in_thread(struct job *job, void *(*run)(void *))
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, run, job)) {
		df_print(job->w, " no-thread");
		return;
	}
	pthread_join(thread, NULL);
}

/* The thread whose current context has been destroyed. It takes one job after another. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	CUcontext context;
	struct job *job; /* NULL: idle */
	bool there, bound;
} dead = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

/* The job may have made another context current here. False: the dead one is none any more. */
static bool is_still_dead(const struct df_world *w)
{
	CUcontext top = NULL;

	while (!cuCtxGetCurrent(&top) && top && top != dead.context) {
		cuCtxPopCurrent_v2(&top);
		if (top != w->ctx && top != (CUcontext)w->made[DF_context])
			cuCtxDestroy_v2(top);
	}
	return top == dead.context;
}

static void *run_dead(void *data)
{
	const struct df_world *w = data;
	CUresult result = cuCtxCreate_v2(&dead.context, 0, w->dev);

	pthread_mutex_lock(&dead.lock);
	dead.there = !result;
	dead.bound = true;
	while (dead.bound) {
		pthread_cond_broadcast(&dead.moved);
		while (!dead.job)
			pthread_cond_wait(&dead.moved, &dead.lock);
		pthread_mutex_unlock(&dead.lock);
		run_job(dead.job);
		pthread_mutex_lock(&dead.lock);
		dead.job = NULL;
		dead.bound = is_still_dead(w);
	}
	pthread_cond_broadcast(&dead.moved);
	pthread_mutex_unlock(&dead.lock);
	return NULL;
}

/* A thread's current context may be destroyed by another thread only: by this one. */
static bool dead_is_there(struct df_world *w)
{
	pthread_t thread;

	if (dead.bound)
		return dead.there;
	if (pthread_create(&thread, NULL, run_dead, w))
		return false;
	pthread_detach(thread);
	pthread_mutex_lock(&dead.lock);
	while (!dead.bound)
		pthread_cond_wait(&dead.moved, &dead.lock);
	pthread_mutex_unlock(&dead.lock);
	if (dead.there && cuCtxDestroy_v2(dead.context))
		dead.there = false;
	return dead.there;
}

static void call_dead(struct job *job)
{
	if (!dead_is_there(job->w)) {
		df_print(job->w, " no-context");
		return;
	}
	pthread_mutex_lock(&dead.lock);
	dead.job = job;
	pthread_cond_broadcast(&dead.moved);
	while (dead.job)
		pthread_cond_wait(&dead.moved, &dead.lock);
	pthread_mutex_unlock(&dead.lock);
}

static void call_captured(struct job *job, CUstream stream, CUstreamCaptureMode mode)
{
	struct df_world *w = job->w;
	CUgraph graph = NULL;
	CUresult result = cuStreamBeginCapture_v2(stream, mode);

	if (result) {
		df_print(w, " no-capture=%s", vg_error_name((int)result));
		return;
	}
	run_job(job);
	result = cuStreamEndCapture(stream, &graph);
	df_print(w, " capture=%s", vg_error_name((int)result));
	if (!result && graph)
		cuGraphDestroy(graph);
}

/* Resets may be counted or not: afterwards, one retain holds it, as before. */
static void call_after_reset(struct job *job)
{
	struct df_world *w = job->w;
	CUresult result = cuDevicePrimaryCtxReset_v2(w->dev);

	if (result)
		df_print(w, " no-reset=%s", vg_error_name((int)result));
	run_job(job);
}

void df_call(struct df_world *w, CUresult (*call)(const void *), const void *args)
{
	struct job job = {w, call, args, false};

	switch (w->stage) {
	case DF_NO_CONTEXT:
		cuCtxSetCurrent(NULL);
		run_job(&job);
		break;
	case DF_THREAD_BOUND:
		job.bound = true;
		call_in_thread(&job, run_job);
		break;
	case DF_THREAD: call_in_thread(&job, run_job); break;
	case DF_OTHER_CONTEXT:
		cuCtxSetCurrent((CUcontext)df_get(w, DF_context));
		run_job(&job);
		break;
	case DF_DEAD_CONTEXT: call_dead(&job); break;
	case DF_CAPTURE_GLOBAL:
		call_captured(&job, (CUstream)df_get(w, DF_stream2), CU_STREAM_CAPTURE_MODE_GLOBAL);
		break;
	case DF_CAPTURE_THREAD:
		call_captured(&job, (CUstream)df_get(w, DF_stream2),
			      CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
		break;
	case DF_CAPTURE_RELAXED:
		call_captured(&job, (CUstream)df_get(w, DF_stream2),
			      CU_STREAM_CAPTURE_MODE_RELAXED);
		break;
	case DF_CAPTURED:
		call_captured(&job, (CUstream)df_get(w, DF_stream), CU_STREAM_CAPTURE_MODE_RELAXED);
		break;
	case DF_RESET: call_after_reset(&job); break;
	default: run_job(&job);
	}
}

void df_out_number(struct df_world *w, const char *name, const void *given, long long value)
{
	if (given)
		df_print(w, " %s=%lld", name, value);
}

void df_out_float(struct df_world *w, const char *name, const void *given, float value)
{
	if (given)
		df_print(w, " %s=%g", name, (double)value);
}

void df_out_set(struct df_world *w, const char *name, const void *given, bool set)
{
	if (given)
		df_print(w, " %s=%s", name, set ? "set" : "null");
}

void df_out_text(struct df_world *w, const char *name, const char *text)
{
	df_print(w, " %s=\"%.60s\"", name, text ? text : "");
}

void df_out_bytes(struct df_world *w, const char *name, const void *bytes, size_t size)
{
	if (bytes)
		df_print(w, " %s=%08x", name, df_hash(bytes, size));
}
