/* SPDX-License-Identifier: MIT */
/*
 * Host functions and stream callbacks: the application's code in a stream's worker, where it may not
 * call the driver.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/host_func.h"

struct host_work {
	struct soft_work work;
	CUDA_HOST_NODE_PARAMS params;
	CUstreamCallback callback; /* instead of params.fn */
	CUstream stream;           /* as the caller named it */
};

static CUresult host_run(struct soft_work *work, struct soft_stream *stream)
{
	struct host_work *host = (struct host_work *)work;

	thread_in_host_function = true;
	if (host->callback)
		host->callback(host->stream, context_error(stream->object.ctx),
			       host->params.userData);
	else
		host->params.fn(host->params.userData);
	thread_in_host_function = false;
	return CUDA_SUCCESS;
}

static const struct soft_work_type host_type = {
	.node = CU_GRAPH_NODE_TYPE_HOST,
	.run = host_run,
};

/* A callback is told of errors, so it runs in a broken context. */
static const struct soft_work_type callback_type = {
	.node = CU_GRAPH_NODE_TYPE_HOST,
	.in_broken = true,
	.run = host_run,
};

struct soft_work *host_work(const CUDA_HOST_NODE_PARAMS *params)
{
	struct host_work *host = work_new(&host_type, sizeof(*host));

	if (!host)
		return NULL;
	host->params = *params;
	return &host->work;
}

const CUDA_HOST_NODE_PARAMS *host_of_work(struct soft_work *work)
{
	return &((struct host_work *)work)->params;
}

CUresult cuLaunchHostFunc(CUstream hStream, CUhostFn fn, void *userData)
{
	const CUDA_HOST_NODE_PARAMS params = {.fn = fn, .userData = userData};

	ENTER_STREAM(ctx, stream, hStream);
	if (!fn)
		return CUDA_ERROR_INVALID_VALUE;
	return stream_submit(stream, host_work(&params), SOFT_QUEUE);
}

CUresult cuStreamAddCallback(CUstream hStream, CUstreamCallback callback, void *userData,
			     unsigned int flags)
{
	struct host_work *host;

	ENTER_STREAM(ctx, stream, hStream);
	if (!callback || flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (capture_is_on(stream))
		return capture_forbids(ctx, stream);
	host = work_new(&callback_type, sizeof(*host));
	if (!host)
		return CUDA_ERROR_OUT_OF_MEMORY;
	host->callback = callback;
	host->params.userData = userData;
	host->stream = hStream;
	return stream_submit(stream, &host->work, SOFT_QUEUE);
}
