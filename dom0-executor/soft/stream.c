/* SPDX-License-Identifier: MIT */
/*
 * Queues, workers and waiting: see stream.h. The calls of streams are in stream_api.c.
 *
 * Threads: any thread queues and waits; one detached worker per busy stream runs. A worker holds a
 * reference to its stream.
 */
#include "dom0-executor/soft/busy.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

/* An idle worker ends after this long. */
#define WORKER_IDLE_SECONDS 5

struct soft_op {
	struct soft_op *next;
	struct soft_work *work; /* a reference; NULL: only waits */
	uint64_t seq;
	size_t wait_count;
	struct soft_point waits[];
};

/* Recursive: dropping the last reference to a stream under it takes the stream out of the list. */
pthread_mutex_t sched_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
pthread_cond_t sched_done = PTHREAD_COND_INITIALIZER;

_Thread_local unsigned int thread_default_is_own;

static atomic_ullong last_stream_id;

/* All streams, by context, through soft_stream.next. The scheduler's lock guards it. */
static struct soft_stream *all_streams;

/* --- work ------------------------------------------------------------------------------------ */

void *work_new(const struct soft_work_type *type, size_t size)
{
	struct soft_work *work = calloc(1, size);

	if (!work)
		return NULL;
	work->type = type;
	atomic_init(&work->refs, 1);
	return work;
}

struct soft_work *work_ref(struct soft_work *work)
{
	if (work)
		atomic_fetch_add_explicit(&work->refs, 1, memory_order_relaxed);
	return work;
}

void work_put(struct soft_work *work)
{
	if (!work || atomic_fetch_sub_explicit(&work->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (work->type->destroy)
		work->type->destroy(work);
	free(work);
}

void work_put_variable(struct soft_work **work)
{
	work_put(*work);
}

/* --- making and ending ----------------------------------------------------------------------- */

static void stream_destroy(struct soft_object *object)
{
	struct soft_stream *stream = (struct soft_stream *)object;

	capture_leave(stream);
	pthread_mutex_lock(&sched_lock);
	for (struct soft_stream **at = &all_streams; *at; at = &(*at)->next) {
		if (*at == stream) {
			*at = stream->next;
			break;
		}
	}
	pthread_mutex_unlock(&sched_lock);
	pthread_cond_destroy(&stream->wake);
	free(stream);
}

static struct soft_stream *stream_new(struct soft_context *ctx, unsigned int flags, int priority)
{
	struct soft_stream *stream = object_new(SOFT_STREAM, sizeof(*stream), ctx, stream_destroy);
	pthread_condattr_t attr;

	if (!stream)
		return NULL;
	stream->flags = flags;
	stream->priority = priority;
	stream->id = atomic_fetch_add(&last_stream_id, 1) + 1;
	stream->sync_policy = CU_SYNC_POLICY_AUTO;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&stream->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_lock(&sched_lock);
	stream->next = all_streams;
	all_streams = stream;
	pthread_mutex_unlock(&sched_lock);
	return stream;
}

CUresult stream_create(struct soft_context *ctx, unsigned int flags, int priority,
		       struct soft_stream **stream)
{
	*stream = stream_new(ctx, flags, priority);
	if (!*stream)
		return CUDA_ERROR_OUT_OF_MEMORY;
	return object_publish(*stream);
}

struct soft_stream *stream_create_legacy(struct soft_context *ctx)
{
	struct soft_stream *stream = stream_new(ctx, CU_STREAM_DEFAULT, 0);

	if (stream)
		stream->legacy = true;
	return stream;
}

bool stream_retire(struct soft_stream *stream)
{
	bool first = object_retire(stream);

	capture_abandon(stream);
	pthread_mutex_lock(&sched_lock);
	stream->retired = true;
	pthread_cond_broadcast(&stream->wake);
	pthread_mutex_unlock(&sched_lock);
	return first;
}

/* --- which stream ---------------------------------------------------------------------------- */

/* The calling thread's default streams, by context: few, and only the latest are kept. */
#define OWN_MAX SOFT_DEVICES_MAX

struct own_streams {
	struct soft_stream *streams[OWN_MAX]; /* references */
	unsigned int oldest;
};

static pthread_key_t own_key;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

/* A thread ends: its default streams end with their work. */
static void own_free(void *value)
{
	struct own_streams *own = value;

	for (unsigned int i = 0; i < OWN_MAX; i++) {
		if (own->streams[i])
			stream_retire(own->streams[i]);
		object_put(own->streams[i]);
	}
	free(own);
}

static void own_key_make(void)
{
	pthread_key_create(&own_key, own_free);
}

static struct own_streams *own_get(void)
{
	struct own_streams *own;

	pthread_once(&own_once, own_key_make);
	own = pthread_getspecific(own_key);
	if (!own) {
		own = calloc(1, sizeof(*own));
		if (own && pthread_setspecific(own_key, own) != 0) {
			free(own);
			own = NULL;
		}
	}
	return own;
}

static struct soft_stream *stream_of_thread(struct soft_context *ctx)
{
	struct own_streams *own = own_get();
	struct soft_stream **place = NULL;

	for (unsigned int i = 0; own && i < OWN_MAX; i++) {
		if (own->streams[i] && own->streams[i]->object.ctx == ctx &&
		    !own->streams[i]->retired)
			return object_ref(own->streams[i]);
		if (!place && (!own->streams[i] || own->streams[i]->retired))
			place = &own->streams[i];
	}
	if (!own)
		return NULL;
	if (!place)
		place = &own->streams[own->oldest++ % OWN_MAX];
	if (*place) {
		stream_retire(*place);
		object_put(*place);
	}
	*place = stream_new(ctx, CU_STREAM_DEFAULT, 0);
	if (*place)
		(*place)->per_thread = true;
	return object_ref(*place);
}

struct soft_stream *stream_get(struct soft_context *ctx, CUstream handle)
{
	if (!handle && thread_default_is_own)
		handle = CU_STREAM_PER_THREAD;
	if (!handle || handle == CU_STREAM_LEGACY)
		return object_ref(ctx->legacy);
	if (handle == CU_STREAM_PER_THREAD)
		return stream_of_thread(ctx);
	return object_get(SOFT_STREAM, handle);
}

CUresult stream_unknown(CUstream handle)
{
	return object_kind_of(handle) == SOFT_STREAM ? CUDA_ERROR_CONTEXT_IS_DESTROYED
						     : CUDA_ERROR_INVALID_HANDLE;
}

CUresult stream_enter(CUstream handle, struct soft_stream **stream, struct soft_context **ctx)
{
	CUresult result;

	*stream = object_get(SOFT_STREAM, handle);
	if (*stream)
		return context_enter_of(*stream, ctx);
	result = context_enter(ctx);
	if (result == CUDA_SUCCESS) {
		*stream = stream_get(*ctx, handle);
		result = *stream ? CUDA_SUCCESS : stream_unknown(handle);
	}
	return result;
}

/* --- running --------------------------------------------------------------------------------- */

bool point_passed(const struct soft_point *point)
{
	return !point->stream || point->stream->completed >= point->seq;
}

void point_wait(const struct soft_point *point)
{
	pthread_mutex_lock(&sched_lock);
	while (!point_passed(point))
		pthread_cond_wait(&sched_done, &sched_lock);
	pthread_mutex_unlock(&sched_lock);
}

static bool op_is_ready(const struct soft_op *op)
{
	for (size_t i = 0; i < op->wait_count; i++)
		if (!point_passed(&op->waits[i]))
			return false;
	return true;
}

static void op_free(struct soft_op *op)
{
	for (size_t i = 0; i < op->wait_count; i++)
		object_put(op->waits[i].stream);
	work_put(op->work);
	free(op);
}

/* Run one op, with the lock not held. */
static CUresult op_run(struct soft_op *op, struct soft_stream *stream)
{
	struct soft_context *ctx = stream->object.ctx;
	CUresult result = context_error(ctx);

	if (!op->work || (result != CUDA_SUCCESS && !op->work->type->in_broken))
		return result;
	busy_begin(op->work->type->node, ctx->device);
	result = op->work->type->run(op->work, stream);
	busy_end(op->work->type->node, ctx->device);
	if (result != CUDA_SUCCESS)
		context_fail(ctx, result);
	return result;
}

/* The op has ended; the lock is held. */
static void op_ended(struct soft_op *op, struct soft_stream *stream)
{
	stream->completed = op->seq;
	stream->running = false;
	pthread_cond_broadcast(&sched_done);
	if (stream->head)
		pthread_cond_signal(&stream->wake);
}

/* Wait for work; false when the worker is to end. The lock is held. */
static bool worker_wait(struct soft_stream *stream)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += WORKER_IDLE_SECONDS;
	while (!stream->head || stream->running) {
		if (!stream->head && stream->retired)
			return false;
		if (stream->head) /* another thread runs what came before */
			pthread_cond_wait(&stream->wake, &sched_lock);
		else if (pthread_cond_timedwait(&stream->wake, &sched_lock, &until) == ETIMEDOUT &&
			 !stream->head)
			return false;
	}
	return true;
}

static void *worker_main(void *argument)
{
	struct soft_stream *stream = argument;

	pthread_mutex_lock(&sched_lock);
	while (worker_wait(stream)) {
		struct soft_op *op = stream->head;

		stream->running = true;
		while (!op_is_ready(op))
			pthread_cond_wait(&sched_done, &sched_lock);
		pthread_mutex_unlock(&sched_lock);
		op_run(op, stream);
		pthread_mutex_lock(&sched_lock);
		stream->head = op->next;
		if (!stream->head)
			stream->tail = NULL;
		op_ended(op, stream);
		pthread_mutex_unlock(&sched_lock);
		op_free(op);
		pthread_mutex_lock(&sched_lock);
	}
	stream->has_worker = false;
	pthread_mutex_unlock(&sched_lock);
	object_put(stream);
	return NULL;
}

/* The lock is held. */
static bool worker_start(struct soft_stream *stream)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc;

	if (stream->has_worker)
		return true;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	object_ref(stream);
	rc = pthread_create(&thread, &attr, worker_main, stream);
	pthread_attr_destroy(&attr);
	if (rc) {
		soft_log_error("op=stream cannot start a worker thread: errno=%d", rc);
		atomic_fetch_sub(&stream->object.refs, 1); /* never the last one */
		return false;
	}
	stream->has_worker = true;
	return true;
}

/* --- queueing -------------------------------------------------------------------------------- */

static bool must_wait_for(const struct soft_stream *stream, const struct soft_stream *other)
{
	if (other == stream || other->object.ctx != stream->object.ctx ||
	    other->completed == other->queued)
		return false;
	if (stream->legacy)
		return !(other->flags & CU_STREAM_NON_BLOCKING);
	return other->legacy && !(stream->flags & CU_STREAM_NON_BLOCKING);
}

/* An op that waits for what the legacy stream's rule says, and for `point`. The lock is held. */
static struct soft_op *op_new(struct soft_stream *stream, struct soft_work *work,
			      const struct soft_point *point)
{
	size_t count = point && !point_passed(point);
	struct soft_op *op;

	for (struct soft_stream *other = all_streams; other; other = other->next)
		count += must_wait_for(stream, other);
	op = calloc(1, sizeof(*op) + count * sizeof(op->waits[0]));
	if (!op)
		return NULL;
	op->work = work;
	if (point && !point_passed(point))
		op->waits[op->wait_count++] =
			(struct soft_point){object_ref(point->stream), point->seq};
	for (struct soft_stream *other = all_streams; other; other = other->next)
		if (must_wait_for(stream, other))
			op->waits[op->wait_count++] =
				(struct soft_point){object_ref(other), other->queued};
	return op;
}

static void op_number(struct soft_op *op, struct soft_stream *stream)
{
	op->seq = ++stream->queued;
	if (op->work && op->work->type->queued)
		op->work->type->queued(op->work, stream, op->seq);
}

/* Nothing is before it: no need for another thread. The lock is held. */
static CUresult op_run_here(struct soft_op *op, struct soft_stream *stream)
{
	CUresult result;

	stream->running = true;
	pthread_mutex_unlock(&sched_lock);
	result = op_run(op, stream);
	pthread_mutex_lock(&sched_lock);
	op_ended(op, stream);
	pthread_mutex_unlock(&sched_lock);
	op_free(op);
	pthread_mutex_lock(&sched_lock);
	return result;
}

static void op_append(struct soft_op *op, struct soft_stream *stream)
{
	if (stream->tail)
		stream->tail->next = op;
	else
		stream->head = op;
	stream->tail = op;
	pthread_cond_signal(&stream->wake);
}

static bool op_runs_here(const struct soft_op *op, const struct soft_stream *stream,
			 enum soft_how how)
{
	const struct soft_work *work = op->work;

	if (stream->head || stream->running || !op_is_ready(op))
		return false;
	return how == SOFT_WAIT || (work && work->type->brief && work->type->brief(work));
}

/* Queue an op, or run it at once where that is as good. The lock is held. */
static CUresult op_start(struct soft_op *op, struct soft_stream *stream, enum soft_how how,
			 struct soft_point *end)
{
	CUresult result;

	if (op_runs_here(op, stream, how)) {
		op_number(op, stream);
		result = op_run_here(op, stream);
		return how == SOFT_WAIT ? result : CUDA_SUCCESS; /* else it is the context's */
	}
	if (!worker_start(stream)) {
		pthread_mutex_unlock(&sched_lock);
		op_free(op);
		pthread_mutex_lock(&sched_lock);
		return CUDA_ERROR_OPERATING_SYSTEM;
	}
	op_number(op, stream);
	*end = (struct soft_point){stream, op->seq};
	op_append(op, stream);
	return CUDA_SUCCESS;
}

/* A stream that has all that it may have waits until some of it is done, as NVIDIA's driver does. The lock is held. */
static void room_wait(const struct soft_stream *stream)
{
	while (soft_settings.queue && stream->queued - stream->completed >= soft_settings.queue)
		pthread_cond_wait(&sched_done, &sched_lock);
}

/* Takes over the reference to work. */
static CUresult op_queue(struct soft_stream *stream, struct soft_work *work,
			 const struct soft_point *point, enum soft_how how)
{
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
	struct soft_point end = {0};
	struct soft_op *op;

	pthread_mutex_lock(&sched_lock);
	room_wait(stream);
	op = op_new(stream, work, point);
	if (op)
		result = op_start(op, stream, how, &end);
	pthread_mutex_unlock(&sched_lock);
	if (!op)
		work_put(work);
	if (how == SOFT_WAIT && end.stream) {
		point_wait(&end);
		result = context_error(stream->object.ctx);
	}
	return result;
}

CUresult stream_submit(struct soft_stream *stream, struct soft_work *work, enum soft_how how)
{
	CUresult result;

	if (!work)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (capture_takes(stream, work, how, &result)) {
		work_put(work);
		return result;
	}
	return op_queue(stream, work, NULL, how);
}

CUresult stream_wait_point(struct soft_stream *stream, const struct soft_point *point)
{
	return op_queue(stream, NULL, point, SOFT_QUEUE);
}

/* --- waiting --------------------------------------------------------------------------------- */

/* Points where these streams are now; the references are the caller's. */
struct points {
	struct soft_point *at;
	size_t count;
};

static bool is_wanted(const struct soft_stream *other, const struct soft_stream *stream,
		      const struct soft_context *ctx, const struct soft_device *device)
{
	if (other->completed == other->queued)
		return false; /* so those wanted have work, and that holds a reference */
	if (stream)
		return other == stream || (stream->legacy && must_wait_for(stream, other));
	return other->object.ctx == ctx || other->object.ctx->device == device;
}

/* Wait for what is queued now on one stream (and what it waits for), a context's or a device's. */
static CUresult wait_for_queued(const struct soft_stream *stream, const struct soft_context *ctx,
				const struct soft_device *device)
{
	struct points points = {0};
	size_t count = 0;

	pthread_mutex_lock(&sched_lock);
	for (struct soft_stream *other = all_streams; other; other = other->next)
		count += is_wanted(other, stream, ctx, device);
	if (count)
		points.at = calloc(count, sizeof(*points.at));
	for (struct soft_stream *other = all_streams; points.at && other; other = other->next)
		if (is_wanted(other, stream, ctx, device))
			points.at[points.count++] =
				(struct soft_point){object_ref(other), other->queued};
	pthread_mutex_unlock(&sched_lock);
	for (size_t i = 0; i < points.count; i++) {
		point_wait(&points.at[i]);
		object_put(points.at[i].stream);
	}
	free(points.at);
	return count && !points.count ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

CUresult stream_synchronize(struct soft_stream *stream)
{
	CUresult result = wait_for_queued(stream, NULL, NULL);

	return result ? result : context_error(stream->object.ctx);
}

CUresult context_synchronize(struct soft_context *ctx)
{
	CUresult result = wait_for_queued(NULL, ctx, NULL);

	return result ? result : context_error(ctx);
}

void device_synchronize(struct soft_device *device)
{
	wait_for_queued(NULL, NULL, device);
}
