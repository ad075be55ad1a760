/* SPDX-License-Identifier: MIT */
/* Events. Any thread; the scheduler's lock guards what an event has recorded. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/event.h"

#include <stdlib.h>
#include <time.h>

#include "protocol/clock.h"

#define EVENT_FLAGS (CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS)

struct event_work {
	struct soft_work work;
	struct soft_event *event; /* a reference */
	uint64_t record;          /* of a shared event */
};

static void event_destroy(struct soft_object *object)
{
	struct soft_event *event = (struct soft_event *)object;

	captured_clear(&event->captured);
	object_put(event->point.stream);
	if (event->shared && event->peer < 0)
		event_shared_withdraw(event->object.handle);
	event_shared_free(event->shared, event->fd, event->peer);
	free(event);
}

/* --- work ------------------------------------------------------------------------------------ */

static void event_work_destroy(struct soft_work *work)
{
	object_put(((struct event_work *)work)->event);
}

/* Queued: from now on the event stands for this point. */
static void record_queued(struct soft_work *work, struct soft_stream *stream, uint64_t seq)
{
	struct soft_event *event = ((struct event_work *)work)->event;
	struct soft_stream *before = event->point.stream;

	event->recorded = true;
	if (event->shared)
		((struct event_work *)work)->record = event_shared_record(event->shared);
	event->point = (struct soft_point){object_ref(stream), seq};
	object_put(before);
}

static CUresult record_run(struct soft_work *work, struct soft_stream *stream)
{
	struct soft_event *event = ((struct event_work *)work)->event;

	(void)stream;
	pthread_mutex_lock(&sched_lock);
	event->time = vg_clock_ns();
	pthread_mutex_unlock(&sched_lock);
	if (event->shared)
		event_shared_ran(event->shared, ((struct event_work *)work)->record);
	return CUDA_SUCCESS;
}

static const struct soft_work_type record_type = {
	.node = CU_GRAPH_NODE_TYPE_EVENT_RECORD,
	.in_broken = true,
	.run = record_run,
	.queued = record_queued,
	.destroy = event_work_destroy,
};

/* Only in graphs: waits for what the event stands for when the node runs. */
static CUresult wait_run(struct soft_work *work, struct soft_stream *stream)
{
	struct soft_event *event = ((struct event_work *)work)->event;
	struct soft_point point;

	pthread_mutex_lock(&sched_lock);
	point = event->point;
	object_ref(point.stream);
	pthread_mutex_unlock(&sched_lock);
	if (point.stream != stream) /* what came before in this stream has passed */
		point_wait(&point);
	object_put(point.stream);
	return CUDA_SUCCESS;
}

static const struct soft_work_type wait_type = {
	.node = CU_GRAPH_NODE_TYPE_WAIT_EVENT,
	.run = wait_run,
	.destroy = event_work_destroy,
};

/* Another process may have recorded it: what is waited for is the last record of all. */
static CUresult shared_wait_run(struct soft_work *work, struct soft_stream *stream)
{
	const struct event_work *wait = (struct event_work *)work;

	(void)stream;
	event_shared_wait(wait->event->shared, wait->record, wait->event->peer);
	return CUDA_SUCCESS;
}

static const struct soft_work_type shared_wait_type = {
	.node = CU_GRAPH_NODE_TYPE_WAIT_EVENT,
	.run = shared_wait_run,
	.destroy = event_work_destroy,
};

static struct soft_work *event_work_new(const struct soft_work_type *type, struct soft_event *event)
{
	struct event_work *work = work_new(type, sizeof(*work));

	if (!work)
		return NULL;
	work->event = object_ref(event);
	return &work->work;
}

struct soft_work *event_record_work(struct soft_event *event)
{
	return event_work_new(&record_type, event);
}

struct soft_work *event_wait_work(struct soft_event *event)
{
	return event_work_new(&wait_type, event);
}

struct soft_event *event_of_work(struct soft_work *work)
{
	return ((struct event_work *)work)->event;
}

static CUresult shared_wait(struct soft_stream *stream, struct soft_event *event)
{
	uint64_t record = atomic_load(&event->shared->queued);
	struct soft_work *work;

	if (event_shared_passed(event->shared, record, event->peer))
		return CUDA_SUCCESS;
	work = event_work_new(&shared_wait_type, event);
	if (work)
		((struct event_work *)work)->record = record;
	return stream_submit(stream, work, SOFT_QUEUE);
}

/* --- the calls ------------------------------------------------------------------------------- */

static struct soft_event *event_new(struct soft_context *ctx, unsigned int flags)
{
	struct soft_event *event = object_new(SOFT_EVENT, sizeof(*event), ctx, event_destroy);

	if (event) {
		event->flags = flags;
		event->fd = event->peer = -1;
	}
	return event;
}

CUresult cuEventCreate(CUevent *phEvent, unsigned int Flags)
{
	struct soft_event *event;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!phEvent || Flags & ~EVENT_FLAGS)
		return CUDA_ERROR_INVALID_VALUE;
	if (Flags & CU_EVENT_INTERPROCESS && !(Flags & CU_EVENT_DISABLE_TIMING))
		return CUDA_ERROR_INVALID_VALUE;
	event = event_new(ctx, Flags);
	if (event && Flags & CU_EVENT_INTERPROCESS) {
		event->shared = event_shared_new(&event->fd);
		if (!event->shared) {
			object_put(event);
			event = NULL;
		}
	}
	if (!event)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = object_publish(event);
	if (result == CUDA_SUCCESS)
		*phEvent = object_handle(event);
	return result;
}

CUresult cuIpcGetEventHandle(CUipcEventHandle *pHandle, CUevent hEvent)
{
	struct soft_event *event auto_put = object_get(SOFT_EVENT, hEvent);

	ENTER_CONTEXT(ctx);
	if (!pHandle)
		return CUDA_ERROR_INVALID_VALUE;
	if (!event || !event->shared || event->peer >= 0)
		return CUDA_ERROR_INVALID_HANDLE;
	return event_shared_offer(event->object.handle, event->fd, pHandle);
}

CUresult cuIpcOpenEventHandle(CUevent *phEvent, CUipcEventHandle handle)
{
	struct soft_event *event;
	CUresult result;

	ENTER_CONTEXT(ctx);
	if (!phEvent)
		return CUDA_ERROR_INVALID_VALUE;
	event = event_new(ctx, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING);
	if (!event)
		return CUDA_ERROR_OUT_OF_MEMORY;
	event->shared = event_shared_open(&handle, &event->fd, &event->peer);
	if (!event->shared) {
		object_put(event);
		return CUDA_ERROR_MAP_FAILED;
	}
	result = object_publish(event);
	if (result == CUDA_SUCCESS)
		*phEvent = object_handle(event);
	return result;
}

CUresult cuEventDestroy_v2(CUevent hEvent)
{
	struct soft_event *event auto_put = object_get(SOFT_EVENT, hEvent);

	ENTER_DRIVER();
	if (!event || !object_retire(event))
		return CUDA_ERROR_INVALID_HANDLE;
	object_put(event); /* the table's */
	return CUDA_SUCCESS;
}

static CUresult event_record(CUevent hEvent, CUstream hStream, unsigned int flags)
{
	struct soft_event *event auto_put = object_get(SOFT_EVENT, hEvent);
	struct soft_captured before;
	CUresult result;

	ENTER_STREAM_ALONE(ctx, stream, hStream);
	if (!event)
		return CUDA_ERROR_INVALID_HANDLE;
	if (flags & ~(unsigned int)CU_EVENT_RECORD_EXTERNAL)
		return CUDA_ERROR_INVALID_VALUE;
	if (event->object.ctx != stream->object.ctx)
		return CUDA_ERROR_INVALID_HANDLE;
	if (!(flags & CU_EVENT_RECORD_EXTERNAL) && capture_records(stream, event, &result))
		return result;
	pthread_mutex_lock(&sched_lock);
	before = event->captured;
	event->captured = (struct soft_captured){0};
	pthread_mutex_unlock(&sched_lock);
	captured_clear(&before);
	return stream_submit(stream, event_record_work(event), SOFT_QUEUE);
}

CUresult cuEventRecord(CUevent hEvent, CUstream hStream)
{
	return event_record(hEvent, hStream, 0);
}

CUresult cuEventRecordWithFlags(CUevent hEvent, CUstream hStream, unsigned int flags)
{
	return event_record(hEvent, hStream, flags);
}

CUresult cuStreamWaitEvent(CUstream hStream, CUevent hEvent, unsigned int Flags)
{
	struct soft_event *event auto_put = object_get(SOFT_EVENT, hEvent);
	struct soft_point point;
	CUresult result;

	ENTER_STREAM(ctx, stream, hStream);
	if (!event)
		return CUDA_ERROR_INVALID_HANDLE;
	if (Flags & ~(unsigned int)CU_EVENT_WAIT_EXTERNAL)
		return CUDA_ERROR_INVALID_VALUE;
	if (capture_waits(stream, event, Flags, &result))
		return result;
	if (Flags & CU_EVENT_WAIT_EXTERNAL)
		return CUDA_ERROR_ILLEGAL_STATE;
	if (event->shared)
		return shared_wait(stream, event);
	pthread_mutex_lock(&sched_lock);
	point = event->point;
	object_ref(point.stream);
	pthread_mutex_unlock(&sched_lock);
	result = point.stream ? stream_wait_point(stream, &point) : CUDA_SUCCESS;
	object_put(point.stream);
	return result;
}

/* Where the event stands; CUDA_ERROR_CAPTURED_EVENT while it is part of a capture. */
static CUresult event_point(struct soft_event *event, struct soft_point *point)
{
	CUresult result = CUDA_SUCCESS;

	pthread_mutex_lock(&sched_lock);
	*point = (struct soft_point){0};
	if (event->captured.capture)
		result = CUDA_ERROR_CAPTURED_EVENT;
	else
		*point = event->point;
	object_ref(point->stream);
	pthread_mutex_unlock(&sched_lock);
	return result;
}

/* The point that a program asks about, which a capture may forbid; event may be NULL. */
static CUresult event_ask(struct soft_context *ctx, struct soft_event *event,
			  struct soft_point *point)
{
	CUresult result = capture_forbids(ctx, NULL);

	return result ? result : event_point(event, point);
}

CUresult cuEventQuery(CUevent hEvent)
{
	struct soft_event *event auto_put = object_get(SOFT_EVENT, hEvent);
	struct soft_point point;
	CUresult result;
	bool passed;

	ENTER_CONTEXT_OF(ctx, event);
	result = event_ask(ctx, event, &point);
	if (result != CUDA_SUCCESS)
		return result;
	pthread_mutex_lock(&sched_lock);
	passed = point_passed(&point);
	pthread_mutex_unlock(&sched_lock);
	if (event->shared)
		passed = event_shared_passed(event->shared, atomic_load(&event->shared->queued),
					     event->peer);
	object_put(point.stream);
	if (passed)
		return context_error(event->object.ctx);
	return CUDA_ERROR_NOT_READY;
}

CUresult cuEventSynchronize(CUevent hEvent)
{
	struct soft_event *event auto_put = object_get(SOFT_EVENT, hEvent);
	struct soft_point point;
	CUresult result;

	ENTER_CONTEXT_OF(ctx, event);
	result = event_ask(ctx, event, &point);
	if (result != CUDA_SUCCESS)
		return result;
	if (event->shared)
		event_shared_wait(event->shared, atomic_load(&event->shared->queued), event->peer);
	else
		point_wait(&point);
	object_put(point.stream);
	return context_error(event->object.ctx);
}

/* What must be true of both events before the time between them means something. */
static CUresult timing_of(const struct soft_event *event)
{
	if (event->flags & CU_EVENT_DISABLE_TIMING || !event->recorded)
		return CUDA_ERROR_INVALID_HANDLE;
	if (event->captured.capture)
		return CUDA_ERROR_CAPTURED_EVENT;
	return point_passed(&event->point) ? CUDA_SUCCESS : CUDA_ERROR_NOT_READY;
}

CUresult cuEventElapsedTime_v2(float *pMilliseconds, CUevent hStart, CUevent hEnd)
{
	struct soft_event *start auto_put = object_get(SOFT_EVENT, hStart);
	struct soft_event *end auto_put = object_get(SOFT_EVENT, hEnd);
	CUresult result;

	ENTER_CONTEXT_OF(ctx, start);
	if (!pMilliseconds || !end || start->object.ctx != end->object.ctx)
		return CUDA_ERROR_INVALID_HANDLE;
	pthread_mutex_lock(&sched_lock);
	result = timing_of(start);
	if (result == CUDA_SUCCESS)
		result = timing_of(end);
	if (result == CUDA_SUCCESS)
		*pMilliseconds = (float)((double)(int64_t)(end->time - start->time) / 1e6);
	pthread_mutex_unlock(&sched_lock);
	return result;
}

CUresult cuEventElapsedTime(float *pMilliseconds, CUevent hStart, CUevent hEnd)
{
	return cuEventElapsedTime_v2(pMilliseconds, hStart, hEnd);
}
