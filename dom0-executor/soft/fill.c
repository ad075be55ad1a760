/* SPDX-License-Identifier: MIT */
/* Fills (cuMemset): the work and the calls. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/copy.h"
#include "dom0-executor/soft/range.h"

#include <string.h>

struct fill_work {
	struct soft_work work;
	CUDA_MEMSET_NODE_PARAMS params;
};

/* Bytes from the first to the last; false on overflow. */
static bool fill_bytes(const CUDA_MEMSET_NODE_PARAMS *params, size_t *bytes)
{
	struct soft_box box = {0, params->height, 1};

	return !__builtin_mul_overflow(params->width, (size_t)params->elementSize, &box.width) &&
	       box_extent(&box, params->pitch, 0, bytes);
}

static void fill_row(char *row, const CUDA_MEMSET_NODE_PARAMS *params)
{
	uint16_t *halves = (uint16_t *)(void *)row;
	uint32_t *words = (uint32_t *)(void *)row;

	switch (params->elementSize) {
	case 1: memset(row, (int)params->value, params->width); break;
	case 2:
		for (size_t i = 0; i < params->width; i++)
			halves[i] = (uint16_t)params->value;
		break;
	default:
		for (size_t i = 0; i < params->width; i++)
			words[i] = params->value;
		break;
	}
}

static CUresult fill_run(struct soft_work *work, struct soft_stream *stream)
{
	const CUDA_MEMSET_NODE_PARAMS *params = &((struct fill_work *)work)->params;
	size_t bytes = 0;

	(void)stream;
	if (!fill_bytes(params, &bytes) || !range_pin_span(params->dst, bytes, true))
		return CUDA_ERROR_ILLEGAL_ADDRESS;
	for (size_t y = 0; y < params->height; y++)
		fill_row((char *)(uintptr_t)params->dst + y * params->pitch, params);
	range_unpin_span(params->dst, bytes);
	return CUDA_SUCCESS;
}

static const struct soft_work_type fill_type = {
	.node = CU_GRAPH_NODE_TYPE_MEMSET,
	.run = fill_run,
};

static CUresult shape_check(const CUDA_MEMSET_NODE_PARAMS *params)
{
	unsigned int each = params->elementSize;

	if ((each != 1 && each != 2 && each != 4) || !params->width || !params->height)
		return CUDA_ERROR_INVALID_VALUE;
	if (params->dst % each ||
	    (params->height > 1 && (params->pitch % each || params->pitch / each < params->width)))
		return CUDA_ERROR_INVALID_VALUE;
	return CUDA_SUCCESS;
}

CUresult fill_check(const CUDA_MEMSET_NODE_PARAMS *params)
{
	size_t bytes;

	if (shape_check(params))
		return CUDA_ERROR_INVALID_VALUE;
	if (!fill_bytes(params, &bytes) || !range_pin_span(params->dst, bytes, true))
		return CUDA_ERROR_INVALID_VALUE;
	range_unpin_span(params->dst, bytes);
	return CUDA_SUCCESS;
}

struct soft_work *fill_work(const CUDA_MEMSET_NODE_PARAMS *params)
{
	struct fill_work *fill = work_new(&fill_type, sizeof(*fill));

	if (!fill)
		return NULL;
	fill->params = *params;
	return &fill->work;
}

const CUDA_MEMSET_NODE_PARAMS *fill_of_work(struct soft_work *work)
{
	return &((struct fill_work *)work)->params;
}

/* A fill need not be complete when the call returns, as in CUDA. */
static CUresult fill(CUstream hStream, CUdeviceptr dst, size_t pitch, unsigned int value,
		     unsigned int each, size_t width, size_t height)
{
	const CUDA_MEMSET_NODE_PARAMS params = {
		.dst = dst,
		.pitch = pitch,
		.value = value,
		.elementSize = each,
		.width = width,
		.height = height,
	};
	CUresult result;

	ENTER_STREAM(ctx, stream, hStream);
	if (!width || !height)
		return CUDA_SUCCESS;
	/* As the driver: a capture takes any address. */
	result = capture_is_on(stream) ? shape_check(&params) : fill_check(&params);
	return result ? result : stream_submit(stream, fill_work(&params), SOFT_QUEUE);
}

CUresult cuMemsetD8_v2(CUdeviceptr dstDevice, unsigned char uc, size_t N)
{
	return fill(NULL, dstDevice, 0, uc, 1, N, 1);
}

CUresult cuMemsetD16_v2(CUdeviceptr dstDevice, unsigned short us, size_t N)
{
	return fill(NULL, dstDevice, 0, us, 2, N, 1);
}

CUresult cuMemsetD32_v2(CUdeviceptr dstDevice, unsigned int ui, size_t N)
{
	return fill(NULL, dstDevice, 0, ui, 4, N, 1);
}

CUresult cuMemsetD2D8_v2(CUdeviceptr dstDevice, size_t dstPitch, unsigned char uc, size_t Width,
			 size_t Height)
{
	return fill(NULL, dstDevice, dstPitch, uc, 1, Width, Height);
}

CUresult cuMemsetD2D16_v2(CUdeviceptr dstDevice, size_t dstPitch, unsigned short us, size_t Width,
			  size_t Height)
{
	return fill(NULL, dstDevice, dstPitch, us, 2, Width, Height);
}

CUresult cuMemsetD2D32_v2(CUdeviceptr dstDevice, size_t dstPitch, unsigned int ui, size_t Width,
			  size_t Height)
{
	return fill(NULL, dstDevice, dstPitch, ui, 4, Width, Height);
}

CUresult cuMemsetD8Async(CUdeviceptr dstDevice, unsigned char uc, size_t N, CUstream hStream)
{
	return fill(hStream, dstDevice, 0, uc, 1, N, 1);
}

CUresult cuMemsetD16Async(CUdeviceptr dstDevice, unsigned short us, size_t N, CUstream hStream)
{
	return fill(hStream, dstDevice, 0, us, 2, N, 1);
}

CUresult cuMemsetD32Async(CUdeviceptr dstDevice, unsigned int ui, size_t N, CUstream hStream)
{
	return fill(hStream, dstDevice, 0, ui, 4, N, 1);
}

CUresult cuMemsetD2D8Async(CUdeviceptr dstDevice, size_t dstPitch, unsigned char uc, size_t Width,
			   size_t Height, CUstream hStream)
{
	return fill(hStream, dstDevice, dstPitch, uc, 1, Width, Height);
}

CUresult cuMemsetD2D16Async(CUdeviceptr dstDevice, size_t dstPitch, unsigned short us, size_t Width,
			    size_t Height, CUstream hStream)
{
	return fill(hStream, dstDevice, dstPitch, us, 2, Width, Height);
}

CUresult cuMemsetD2D32Async(CUdeviceptr dstDevice, size_t dstPitch, unsigned int ui, size_t Width,
			    size_t Height, CUstream hStream)
{
	return fill(hStream, dstDevice, dstPitch, ui, 4, Width, Height);
}
