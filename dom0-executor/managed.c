/* SPDX-License-Identifier: MIT */
/*
 * Managed memory: the driver's own, whose bytes travel between the guest's pages and here as they change
 * hands (docs/managed-memory.md). The guest says when; it may name only what is its own.
 *
 * The copies run beside the program's streams, on one of ours for each context, so that they neither
 * wait for what runs there nor end up in a capture. Runs in lanes' threads.
 */
#include "dom0-executor/calls.h"
#include "dom0-executor/copy.h"
#include "dom0-executor/lane.h"

/* Under the session's managed_lock. The stream goes with its context. */
static CUresult stream_make(struct ex_managed_stream *place, CUcontext context, CUstream *stream)
{
	CUresult result = ex_driver.cuStreamCreate(stream, CU_STREAM_NON_BLOCKING);

	if (!result)
		*place = (struct ex_managed_stream){context, *stream};
	return result;
}

/* Our stream in the current context. fresh: another than we had, since that may have gone. */
static CUresult stream_of(struct ex_session *session, bool fresh, CUstream *stream)
{
	struct ex_managed_stream *streams = session->managed_streams, *place = NULL;
	CUcontext context = NULL;
	CUresult result;

	if (!ex_driver.cuStreamCreate || !ex_driver.cuCtxGetCurrent ||
	    !ex_driver.cuStreamSynchronize || !ex_driver.cuMemcpyHtoDAsync_v2 ||
	    !ex_driver.cuMemcpyDtoHAsync_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuCtxGetCurrent(&context);
	if (result)
		return result;
	if (!context)
		return CUDA_ERROR_INVALID_CONTEXT;
	pthread_mutex_lock(&session->managed_lock);
	for (unsigned int i = 0; i < EX_MANAGED_STREAMS && !place; i++)
		if (streams[i].context == context)
			place = &streams[i];
	if (place && !fresh) {
		*stream = place->stream;
	} else {
		if (!place)
			place = &streams[session->managed_next++ % EX_MANAGED_STREAMS];
		result = stream_make(place, context, stream);
	}
	pthread_mutex_unlock(&session->managed_lock);
	return result;
}

/* Copies n bytes one way or the other, and waits for them. */
static CUresult piece_copy(struct ex_session *session, CUdeviceptr address, void *host, size_t n,
			   bool in)
{
	CUstream stream;
	CUresult result;

	for (int fresh = 0; fresh < 2; fresh++) {
		result = stream_of(session, fresh, &stream);
		if (result)
			return result;
		result = in ? ex_driver.cuMemcpyHtoDAsync_v2(address, host, n, stream)
			    : ex_driver.cuMemcpyDtoHAsync_v2(host, address, n, stream);
		if (!result)
			return ex_driver.cuStreamSynchronize(stream);
		if (result != CUDA_ERROR_INVALID_HANDLE &&
		    result != CUDA_ERROR_CONTEXT_IS_DESTROYED)
			break;
	}
	return result;
}

CUresult ex_vgManagedIn(struct ex_call *call, CUdeviceptr address, size_t size)
{
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUresult result = ex_range_check(call, address, size);
	const void *span;
	size_t n;

	/* A module's variable may have gone with it: then its bytes are nobody's. */
	if (result)
		return CUDA_SUCCESS;
	ex_capture_mode(&mode);
	for (size_t at = 0; !result && at < size; at += n) {
		n = ex_bulk_span(call, &span, size - at);
		if (!n) {
			result = CUDA_ERROR_UNKNOWN; /* the lane ends */
			break;
		}
		result = piece_copy(call->session, address + at, (void *)(uintptr_t)span, n, true);
	}
	ex_capture_mode(&mode);
	if (!result)
		ex_stats_add(&call->session->stats.page->bytes_htod, size);
	return result;
}

static CUresult managed_out(struct ex_call *call, CUdeviceptr address, size_t size)
{
	CUresult result;
	void *span;
	size_t n;

	for (size_t at = 0; at < size; at += n) {
		n = ex_reply_bulk_span(call, &span, size - at);
		if (!n)
			return CUDA_ERROR_UNKNOWN;
		result = piece_copy(call->session, address + at, span, n, false);
		if (result)
			return result;
		ex_reply_bulk_commit(call, n);
	}
	ex_stats_add(&call->session->stats.page->bytes_dtoh, size);
	return CUDA_SUCCESS;
}

CUresult ex_vgManagedOut(struct ex_call *call, CUdeviceptr address, size_t size)
{
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUresult result = ex_range_check(call, address, size);

	if (result)
		return result;
	if (!ex_reply_bulk_begin(call, size))
		return CUDA_ERROR_UNKNOWN;
	ex_capture_mode(&mode);
	result = managed_out(call, address, size);
	ex_capture_mode(&mode);
	return result;
}

/* --- batches ------------------------------------------------------------------------------------ */

static CUresult batch_check(struct ex_call *call, const CUdeviceptr *dptrs, const size_t *sizes,
			    size_t count)
{
	CUresult result = CUDA_SUCCESS;

	for (size_t i = 0; i < count && !result; i++)
		result = ex_range_check(call, dptrs[i], sizes[i]);
	return result;
}

CUresult ex_cuMemPrefetchBatchAsync(struct ex_call *call, CUdeviceptr *dptrs, size_t *sizes,
				    size_t count, CUmemLocation *prefetchLocs,
				    size_t *prefetchLocIdxs, size_t numPrefetchLocs,
				    unsigned long long flags, CUstream hStream)
{
	CUresult result = batch_check(call, dptrs, sizes, count);

	if (!ex_driver.cuMemPrefetchBatchAsync)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (result)
		return result;
	return ex_driver.cuMemPrefetchBatchAsync(dptrs, sizes, count, prefetchLocs, prefetchLocIdxs,
						 numPrefetchLocs, flags, hStream);
}

CUresult ex_cuMemDiscardBatchAsync(struct ex_call *call, CUdeviceptr *dptrs, size_t *sizes,
				   size_t count, unsigned long long flags, CUstream hStream)
{
	CUresult result = batch_check(call, dptrs, sizes, count);

	if (!ex_driver.cuMemDiscardBatchAsync)
		return CUDA_ERROR_NOT_SUPPORTED;
	return result ? result
		      : ex_driver.cuMemDiscardBatchAsync(dptrs, sizes, count, flags, hStream);
}

CUresult ex_cuMemDiscardAndPrefetchBatchAsync(struct ex_call *call, CUdeviceptr *dptrs,
					      size_t *sizes, size_t count,
					      CUmemLocation *prefetchLocs, size_t *prefetchLocIdxs,
					      size_t numPrefetchLocs, unsigned long long flags,
					      CUstream hStream)
{
	CUresult result = batch_check(call, dptrs, sizes, count);

	if (!ex_driver.cuMemDiscardAndPrefetchBatchAsync)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (result)
		return result;
	return ex_driver.cuMemDiscardAndPrefetchBatchAsync(dptrs, sizes, count, prefetchLocs,
							   prefetchLocIdxs, numPrefetchLocs, flags,
							   hStream);
}
