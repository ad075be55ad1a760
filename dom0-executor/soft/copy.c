/* SPDX-License-Identifier: MIT */
/*
 * Copies: what CUDA's descriptions mean, and the work that does it. The calls are in copy_api.c.
 *
 * A copy looks up its memory twice: when it is queued, for CUDA's error, and when it runs, when it
 * pins it, because an application may have freed it in between.
 */
#include "dom0-executor/soft/array.h"
#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/copy.h"
#include "dom0-executor/soft/range.h"

#include <stdlib.h>
#include <string.h>

/* An asynchronous copy from pageable memory up to this size is taken from it at once. */
#define STAGED_MAX ((size_t)64 << 10)
/* Up to here a copy is sooner done than handed to another thread. */
#define BRIEF_MAX ((size_t)512 << 10)

struct copy_work {
	struct soft_work work;
	struct soft_side dst, src;
	struct soft_box box;
	CUDA_MEMCPY3D what;
	unsigned char staged[];
};

bool box_extent(const struct soft_box *box, size_t pitch, size_t slice, size_t *bytes)
{
	size_t rows, slices;

	if (__builtin_mul_overflow(box->height - 1, pitch, &rows) ||
	    __builtin_mul_overflow(box->depth - 1, slice, &slices) ||
	    __builtin_add_overflow(rows, slices, bytes) ||
	    __builtin_add_overflow(*bytes, box->width, bytes))
		return false;
	return *bytes <= UINT64_C(1) << 47;
}

/* --- the work -------------------------------------------------------------------------------- */

static bool side_pin(const struct soft_side *side, const struct soft_box *box, bool write)
{
	size_t bytes;

	if (side->pageable)
		return true;
	return box_extent(box, side->pitch, side->slice, &bytes) &&
	       range_pin_span(side->address, bytes, write);
}

static void side_unpin(const struct soft_side *side, const struct soft_box *box)
{
	size_t bytes;

	if (!side->pageable && box_extent(box, side->pitch, side->slice, &bytes))
		range_unpin_span(side->address, bytes);
}

static void copy_box(const struct soft_side *dst, const struct soft_side *src,
		     const struct soft_box *box)
{
	for (size_t z = 0; z < box->depth; z++) {
		char *to = (char *)(uintptr_t)dst->address + z * dst->slice;
		const char *from = (const char *)(uintptr_t)src->address + z * src->slice;

		for (size_t y = 0; y < box->height; y++)
			memmove(to + y * dst->pitch, from + y * src->pitch, box->width);
	}
}

static CUresult copy_run(struct soft_work *work, struct soft_stream *stream)
{
	struct copy_work *copy = (struct copy_work *)work;

	(void)stream;
	if (!side_pin(&copy->dst, &copy->box, true))
		return CUDA_ERROR_ILLEGAL_ADDRESS;
	if (!side_pin(&copy->src, &copy->box, false)) {
		side_unpin(&copy->dst, &copy->box);
		return CUDA_ERROR_ILLEGAL_ADDRESS;
	}
	copy_box(&copy->dst, &copy->src, &copy->box);
	side_unpin(&copy->src, &copy->box);
	side_unpin(&copy->dst, &copy->box);
	return CUDA_SUCCESS;
}

static bool copy_brief(const struct soft_work *work)
{
	const struct soft_box *box = &((const struct copy_work *)work)->box;

	return box->height == 1 && box->depth == 1 && box->width <= BRIEF_MAX;
}

static void copy_destroy(struct soft_work *work)
{
	struct copy_work *copy = (struct copy_work *)work;

	object_put(copy->dst.array);
	object_put(copy->src.array);
}

static const struct soft_work_type copy_type = {
	.node = CU_GRAPH_NODE_TYPE_MEMCPY,
	.run = copy_run,
	.brief = copy_brief,
	.destroy = copy_destroy,
};

/* `staged` bytes of the source are taken now; 0: it is read when the work runs. */
static struct soft_work *copy_work_staged(const struct soft_side *dst, const struct soft_side *src,
					  const struct soft_box *box, const CUDA_MEMCPY3D *what,
					  size_t staged)
{
	struct copy_work *copy = work_new(&copy_type, sizeof(*copy) + staged);

	if (!copy) {
		object_put(dst->array);
		object_put(src->array);
		return NULL;
	}
	copy->dst = *dst;
	copy->src = *src;
	copy->box = *box;
	if (what)
		copy->what = *what;
	if (staged) {
		memcpy(copy->staged, (const void *)(uintptr_t)src->address, staged);
		copy->src.address = (uintptr_t)copy->staged;
	}
	return &copy->work;
}

struct soft_work *copy_work(const struct soft_side *dst, const struct soft_side *src,
			    const struct soft_box *box, const CUDA_MEMCPY3D *what)
{
	return copy_work_staged(dst, src, box, what, 0);
}

const CUDA_MEMCPY3D *copy_of_work(struct soft_work *work)
{
	return &((struct copy_work *)work)->what;
}

/* --- checking -------------------------------------------------------------------------------- */

CUresult copy_side(uint64_t address, size_t pitch, size_t slice, const struct soft_box *box,
		   CUmemorytype type, bool write, struct soft_side *side)
{
	size_t bytes;

	*side = (struct soft_side){.address = address, .pitch = pitch, .slice = slice};
	if (!address || !box_extent(box, pitch, slice, &bytes))
		return CUDA_ERROR_INVALID_VALUE;
	if (range_pin_span(address, bytes, write)) {
		range_unpin_span(address, bytes);
		return CUDA_SUCCESS;
	}
	/* Partly in memory that the driver knows, or in none of a device: neither is right. */
	if (type == CU_MEMORYTYPE_DEVICE || range_is_device_address(address) ||
	    range_is_device_address(address + bytes - 1) ||
	    range_touches(address, bytes, RANGE_HOST))
		return CUDA_ERROR_INVALID_VALUE;
	side->pageable = true;
	return CUDA_SUCCESS;
}

/* Half of a CUDA_MEMCPY3D. */
struct half {
	size_t x, y, z, pitch, height;
	CUmemorytype type;
	const void *host;
	CUdeviceptr device;
	CUarray array;
};

static CUresult array_side(const struct half *half, const struct soft_box *box,
			   struct soft_side *side)
{
	struct soft_array *array = object_get(SOFT_ARRAY, half->array);

	if (!array)
		return array_unknown(half->array);
	if (half->x > array->row || box->width > array->row - half->x || half->y > array->rows ||
	    box->height > array->rows - half->y || half->z > array->slices ||
	    box->depth > array->slices - half->z) {
		object_put(array);
		return CUDA_ERROR_INVALID_VALUE;
	}
	*side = (struct soft_side){
		.pitch = array->row,
		.slice = array->row * array->rows,
		.array = array,
	};
	side->address = array->base + half->x + half->y * side->pitch + half->z * side->slice;
	return CUDA_SUCCESS;
}

static CUresult linear_side(const struct half *half, const struct soft_box *box, bool write,
			    struct soft_side *side)
{
	uint64_t base = half->type == CU_MEMORYTYPE_HOST ? (uintptr_t)half->host : half->device;
	size_t pitch = half->pitch, rows = half->height, slice, skip_rows, skip_slices, address;
	size_t width;

	if (__builtin_add_overflow(half->x, box->width, &width) || !base)
		return CUDA_ERROR_INVALID_VALUE;
	if (!pitch && box->height == 1 && !half->y)
		pitch = width;
	if (pitch < width)
		return CUDA_ERROR_INVALID_VALUE;
	if (!rows)
		rows = half->y + box->height;
	if (box->depth > 1 && rows < box->height)
		return CUDA_ERROR_INVALID_VALUE;
	if (__builtin_mul_overflow(pitch, rows, &slice) ||
	    __builtin_mul_overflow(half->y, pitch, &skip_rows) ||
	    __builtin_mul_overflow(half->z, slice, &skip_slices) ||
	    __builtin_add_overflow(base, skip_rows, &address) ||
	    __builtin_add_overflow(address, skip_slices, &address) ||
	    __builtin_add_overflow(address, half->x, &address))
		return CUDA_ERROR_INVALID_VALUE;
	return copy_side(address, pitch, slice, box, half->type, write, side);
}

static CUresult half_side(const struct half *half, const struct soft_box *box, bool write,
			  struct soft_side *side)
{
	switch ((int)half->type) {
	case CU_MEMORYTYPE_ARRAY: return array_side(half, box, side);
	case CU_MEMORYTYPE_HOST:
	case CU_MEMORYTYPE_DEVICE:
	case CU_MEMORYTYPE_UNIFIED: return linear_side(half, box, write, side);
	default: return CUDA_ERROR_INVALID_VALUE;
	}
}

CUresult copy_describe(const CUDA_MEMCPY3D *what, struct soft_side *dst, struct soft_side *src,
		       struct soft_box *box, bool *empty)
{
	const struct half from = {
		.x = what->srcXInBytes,
		.y = what->srcY,
		.z = what->srcZ,
		.pitch = what->srcPitch,
		.height = what->srcHeight,
		.type = what->srcMemoryType,
		.host = what->srcHost,
		.device = what->srcDevice,
		.array = what->srcArray,
	};
	const struct half to = {
		.x = what->dstXInBytes,
		.y = what->dstY,
		.z = what->dstZ,
		.pitch = what->dstPitch,
		.height = what->dstHeight,
		.type = what->dstMemoryType,
		.host = what->dstHost,
		.device = what->dstDevice,
		.array = what->dstArray,
	};
	CUresult result;

	*box = (struct soft_box){what->WidthInBytes, what->Height, what->Depth};
	*empty = !box->width || !box->height || !box->depth;
	if (*empty)
		return CUDA_SUCCESS;
	result = half_side(&from, box, false, src);
	if (result != CUDA_SUCCESS)
		return result;
	result = half_side(&to, box, true, dst);
	if (result != CUDA_SUCCESS)
		object_put(src->array);
	return result;
}

CUresult copy_work_of(const CUDA_MEMCPY3D *what, struct soft_work **work)
{
	struct soft_side dst, src;
	struct soft_box box;
	CUresult result;
	bool empty;

	*work = NULL;
	result = copy_describe(what, &dst, &src, &box, &empty);
	if (result != CUDA_SUCCESS)
		return result;
	if (empty)
		return CUDA_ERROR_INVALID_VALUE;
	*work = copy_work(&dst, &src, &box, what);
	return *work ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* --- flat copies ----------------------------------------------------------------------------- */

static CUDA_MEMCPY3D describe_flat(const struct soft_side *dst, const struct soft_side *src,
				   size_t size)
{
	return (CUDA_MEMCPY3D){
		.srcMemoryType = src->pageable ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_UNIFIED,
		.srcHost = (void *)(uintptr_t)src->address,
		.srcDevice = src->address,
		.srcPitch = size,
		.srcHeight = 1,
		.dstMemoryType = dst->pageable ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_UNIFIED,
		.dstHost = (void *)(uintptr_t)dst->address,
		.dstDevice = dst->address,
		.dstPitch = size,
		.dstHeight = 1,
		.WidthInBytes = size,
		.Height = 1,
		.Depth = 1,
	};
}

CUresult copy_flat(struct soft_stream *stream, uint64_t dst, CUmemorytype dst_type, uint64_t src,
		   CUmemorytype src_type, size_t size, enum soft_how how)
{
	const struct soft_box box = {size, 1, 1};
	struct soft_side to, from;
	CUDA_MEMCPY3D what;
	CUresult result;
	size_t staged = 0;

	if (!size)
		return CUDA_SUCCESS;
	result = copy_side(dst, size, size, &box, dst_type, true, &to);
	if (result == CUDA_SUCCESS)
		result = copy_side(src, size, size, &box, src_type, false, &from);
	if (result != CUDA_SUCCESS)
		return result;
	what = describe_flat(&to, &from, size);
	if (how == SOFT_QUEUE && !capture_is_on(stream)) {
		if (to.pageable || (from.pageable && size > STAGED_MAX))
			how = SOFT_WAIT;
		else if (from.pageable)
			staged = size;
	}
	return stream_submit(stream, copy_work_staged(&to, &from, &box, &what, staged), how);
}
