/* SPDX-License-Identifier: MIT */
/*
 * Copies in one dimension. Pageable memory of the guest's comes and goes through the rings, piece
 * by piece where it lies; pinned memory is a region that lies here at the same address.
 *
 * A copy from a ring is a copy from pageable memory to the driver: it returns when the driver has the
 * bytes, asynchronous or not, so the piece may be given back. Where a device can read such memory by
 * itself that is not so, and the stream is waited for (pageable_is_async). A captured copy would keep the
 * ring's address and is refused, as CUDA refuses to capture copies of pageable memory.
 *
 * Runs in lanes' threads.
 */
#include "dom0-executor/copy.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

/* The per-thread-default-stream form of a synchronous function, where that is meant and there is one. */
#define FORM(call, name) \
	((call)->ptds && ex_driver.name##_ptds ? ex_driver.name##_ptds : ex_driver.name)

bool ex_stream_captures(CUstream stream)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;

	return ex_driver.cuStreamIsCapturing && !ex_driver.cuStreamIsCapturing(stream, &status) &&
	       status != CU_STREAM_CAPTURE_STATUS_NONE;
}

CUresult ex_copy_mode_check(struct ex_call *call, unsigned int mode, CUstream *stream,
			    bool pageable)
{
	if (mode != VG_COPY_SYNC && mode != VG_COPY_ASYNC)
		return CUDA_ERROR_INVALID_VALUE;
	if (!*stream && call->ptds)
		*stream = CU_STREAM_PER_THREAD;
	if (mode == VG_COPY_SYNC || !pageable)
		return CUDA_SUCCESS;
	return ex_stream_captures(*stream) ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

void ex_capture_mode(CUstreamCaptureMode *mode)
{
	if (ex_driver.cuThreadExchangeStreamCaptureMode)
		ex_driver.cuThreadExchangeStreamCaptureMode(mode);
}

CUresult ex_copy_settle(struct ex_call *call, unsigned int mode, CUstream stream, bool always)
{
	CUstreamCaptureMode capture = CU_STREAM_CAPTURE_MODE_RELAXED;
	CUresult result;

	if (mode != VG_COPY_ASYNC || (!always && !call->session->pageable_is_async))
		return CUDA_SUCCESS;
	if (!ex_driver.cuStreamSynchronize)
		return CUDA_ERROR_NOT_SUPPORTED;
	ex_capture_mode(&capture);
	result = ex_driver.cuStreamSynchronize(stream);
	ex_capture_mode(&capture);
	return result;
}

static CUresult copy_in(struct ex_call *call, CUdeviceptr dst, const void *src, size_t size,
			unsigned int mode, CUstream stream)
{
	if (mode == VG_COPY_ASYNC)
		return ex_driver.cuMemcpyHtoDAsync_v2
			       ? ex_driver.cuMemcpyHtoDAsync_v2(dst, src, size, stream)
			       : CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_driver.cuMemcpyHtoD_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	return FORM(call, cuMemcpyHtoD_v2)(dst, src, size);
}

static CUresult copy_out(struct ex_call *call, void *dst, CUdeviceptr src, size_t size,
			 unsigned int mode, CUstream stream)
{
	if (mode == VG_COPY_ASYNC)
		return ex_driver.cuMemcpyDtoHAsync_v2
			       ? ex_driver.cuMemcpyDtoHAsync_v2(dst, src, size, stream)
			       : CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_driver.cuMemcpyDtoH_v2)
		return CUDA_ERROR_NOT_SUPPORTED;
	return FORM(call, cuMemcpyDtoH_v2)(dst, src, size);
}

CUresult ex_vgCopyIn(struct ex_call *call, CUdeviceptr dst, size_t size, unsigned int mode,
		     CUstream stream)
{
	CUresult result = ex_range_check(call, dst, size);
	const void *span;
	size_t n;

	if (!result)
		result = ex_copy_mode_check(call, mode, &stream, true);
	for (size_t at = 0; !result && at < size; at += n) {
		n = ex_bulk_span(call, &span, size - at);
		if (!n)
			return CUDA_ERROR_UNKNOWN; /* the lane ends */
		result = copy_in(call, dst + at, span, n, mode, stream);
		if (!result)
			result = ex_copy_settle(call, mode, stream, false);
	}
	if (!result)
		ex_stats_add(&call->session->stats.page->bytes_htod, size);
	return result;
}

CUresult ex_vgCopyOut(struct ex_call *call, CUdeviceptr src, size_t size, unsigned int mode,
		      CUstream stream)
{
	CUresult result = ex_range_check(call, src, size);
	void *span;
	size_t n;

	if (!result)
		result = ex_copy_mode_check(call, mode, &stream, true);
	if (result)
		return result;
	if (!ex_reply_bulk_begin(call, size))
		return CUDA_ERROR_UNKNOWN;
	for (size_t at = 0; at < size; at += n) {
		n = ex_reply_bulk_span(call, &span, size - at);
		if (!n)
			return CUDA_ERROR_UNKNOWN;
		result = copy_out(call, span, src + at, n, mode, stream);
		if (!result)
			result = ex_copy_settle(call, mode, stream, true);
		if (result)
			return result;
		ex_reply_bulk_commit(call, n);
	}
	ex_stats_add(&call->session->stats.page->bytes_dtoh, size);
	return CUDA_SUCCESS;
}

/* --- between addresses -------------------------------------------------------------------------- */

static void *host(CUdeviceptr address)
{
	return (void *)(uintptr_t)address;
}

/* Named by what the ends are, so that it does not depend on what the driver makes of an address. */
static CUresult copy_between(struct ex_call *call, CUdeviceptr dst, int dst_kind, CUdeviceptr src,
			     int src_kind, size_t size, unsigned int mode, CUstream stream)
{
	bool from_host = src_kind == EX_RANGE_REGION, to_host = dst_kind == EX_RANGE_REGION;

	if (from_host && !to_host)
		return copy_in(call, dst, host(src), size, mode, stream);
	if (to_host && !from_host)
		return copy_out(call, host(dst), src, size, mode, stream);
	if (mode == VG_COPY_ASYNC)
		return !ex_driver.cuMemcpyAsync ? CUDA_ERROR_NOT_SUPPORTED
						: ex_driver.cuMemcpyAsync(dst, src, size, stream);
	return !ex_driver.cuMemcpy ? CUDA_ERROR_NOT_SUPPORTED
				   : FORM(call, cuMemcpy)(dst, src, size);
}

CUresult ex_vgCopy(struct ex_call *call, CUdeviceptr dst, CUdeviceptr src, size_t size,
		   unsigned int mode, CUstream stream)
{
	struct ex_ranges *ranges = &call->session->ranges;
	struct vg_stats *stats = call->session->stats.page;
	int dst_kind, src_kind;
	CUresult result;

	if (!ex_ranges_cover(ranges, dst, size, &dst_kind) ||
	    !ex_ranges_cover(ranges, src, size, &src_kind))
		return CUDA_ERROR_INVALID_VALUE;
	result = ex_copy_mode_check(call, mode, &stream, false);
	if (result || !size)
		return result;
	if (call->taken && src_kind == EX_RANGE_REGION)
		ex_trace_memory(call, src, size, stream);
	result = copy_between(call, dst, dst_kind, src, src_kind, size, mode, stream);
	if (!result && call->taken && dst_kind == EX_RANGE_REGION)
		ex_trace_copied(call, dst, size, stream);
	if (!result && src_kind == EX_RANGE_REGION)
		ex_stats_add(&stats->bytes_htod, size);
	if (!result && dst_kind == EX_RANGE_REGION)
		ex_stats_add(&stats->bytes_dtoh, size);
	return result;
}

/*
 * Behind what the stream has so far, by the device: a store of ours could meet a region that the guest has taken
 * away meanwhile.
 */
static CUresult word_write(CUstream stream, CUdeviceptr word, cuuint32_t value)
{
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (ex_driver.cuStreamWriteValue32_v2)
		result = ex_driver.cuStreamWriteValue32_v2(stream, word, value, 0);
	if (result == CUDA_ERROR_NOT_SUPPORTED && ex_driver.cuMemsetD32Async)
		result = ex_driver.cuMemsetD32Async(word, value, 1, stream);
	return result;
}

CUresult ex_vgCopyStage(struct ex_call *call, CUdeviceptr dst, CUdeviceptr src, size_t size,
			CUstream stream, CUdeviceptr done, cuuint32_t value)
{
	CUresult result;
	int kind;

	if (done && (done % sizeof(value) ||
		     !ex_ranges_cover(&call->session->ranges, done, sizeof(value), &kind) ||
		     kind != EX_RANGE_REGION))
		return CUDA_ERROR_INVALID_VALUE;
	if (call->taken && done)
		ex_trace_pinned_stage(call->session, done);
	result = ex_vgCopy(call, dst, src, size, VG_COPY_ASYNC, stream);
	return result || !done ? result : word_write(stream, done, value);
}

static CUresult copy_peers(struct ex_call *call, CUdeviceptr dst, CUcontext dst_context,
			   CUdeviceptr src, CUcontext src_context, size_t size, unsigned int mode,
			   CUstream stream)
{
	if (mode == VG_COPY_ASYNC)
		return !ex_driver.cuMemcpyPeerAsync
			       ? CUDA_ERROR_NOT_SUPPORTED
			       : ex_driver.cuMemcpyPeerAsync(dst, dst_context, src, src_context,
							     size, stream);
	return !ex_driver.cuMemcpyPeer
		       ? CUDA_ERROR_NOT_SUPPORTED
		       : FORM(call, cuMemcpyPeer)(dst, dst_context, src, src_context, size);
}

CUresult ex_vgCopyPeer(struct ex_call *call, CUdeviceptr dst, CUcontext dstContext, CUdeviceptr src,
		       CUcontext srcContext, size_t size, unsigned int mode, CUstream stream)
{
	struct ex_ranges *ranges = &call->session->ranges;
	int dst_kind, src_kind;
	CUresult result;

	if (!ex_ranges_cover(ranges, dst, size, &dst_kind) ||
	    !ex_ranges_cover(ranges, src, size, &src_kind))
		return CUDA_ERROR_INVALID_VALUE;
	/* Pinned memory belongs to no device. */
	if (src_kind == EX_RANGE_REGION || dst_kind == EX_RANGE_REGION)
		return ex_vgCopy(call, dst, src, size, mode, stream);
	result = ex_copy_mode_check(call, mode, &stream, false);
	if (result || !size)
		return result;
	return copy_peers(call, dst, dstContext, src, srcContext, size, mode, stream);
}

/* --- decompression ------------------------------------------------------------------------------ */

static CUresult decompress_check(struct ex_call *call, const CUmemDecompressParams *params)
{
	CUresult result = ex_range_check(call, (uintptr_t)params->src, params->srcNumBytes);

	if (!result)
		result = ex_range_check(call, (uintptr_t)params->dst, params->dstNumBytes);
	if (!result && params->dstActBytes)
		result = ex_range_check(call, (uintptr_t)params->dstActBytes,
					sizeof(*params->dstActBytes));
	return result;
}

CUresult ex_cuMemBatchDecompressAsync(struct ex_call *call, CUmemDecompressParams *paramsArray,
				      size_t count, unsigned int flags, size_t *errorIndex,
				      CUstream stream)
{
	CUresult result = CUDA_SUCCESS;

	if (!ex_driver.cuMemBatchDecompressAsync)
		return CUDA_ERROR_NOT_SUPPORTED;
	/* The driver says first whether it can do it at all. */
	if (!paramsArray && count) {
		result = ex_driver.cuMemBatchDecompressAsync(NULL, 0, flags, errorIndex, stream);
		return result ? result : CUDA_ERROR_INVALID_VALUE;
	}
	for (size_t i = 0; i < count && !result; i++)
		result = decompress_check(call, &paramsArray[i]);
	return result ? result
		      : ex_driver.cuMemBatchDecompressAsync(paramsArray, count, flags, errorIndex,
							    stream);
}
