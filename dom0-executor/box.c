/* SPDX-License-Identifier: MIT */
/*
 * Copies of boxes: depth slices of height rows of width bytes, between addresses and arrays. All
 * shapes of cuMemcpy2D, 3D and of arrays come as one of these.
 *
 * A host end travels packed. It goes through a stage of private memory in pieces of whole slices, whole
 * rows or, of a row that is larger than the stage, parts: a piece of the ring may end in the middle of an
 * element, which an array cannot take.
 *
 * Numbers come from the guest: products saturate, an address's extent is checked as a whole before
 * the first piece. Runs in lanes' threads.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/copy.h"
#include "dom0-executor/lane.h"

/* Products of sizes below this do not wrap; no device's memory comes near it. */
#define BOX_BYTES_MAX (1ull << 47)

/* A part of a box: counted from its corner. */
struct piece {
	uint64_t x, y, z;
	uint64_t width, height, depth;
};

/* One end in the driver's terms, at the box's corner or, moved, at a piece's. */
struct end {
	CUmemorytype type;
	bool staged; /* the host's end: pieces lie packed in the stage */
	void *host;
	CUdeviceptr device;
	CUarray array;
	uint64_t x, y, z, lod, pitch, height;
};

static uint64_t box_bytes(const struct vg_copy_box *box)
{
	return vg_sat_mul(vg_sat_mul(box->width, box->height), box->depth);
}

/* From an end's address to behind its last byte. */
static uint64_t end_extent(const struct end *end, const struct vg_copy_box *box)
{
	uint64_t slice = vg_sat_mul(end->height, end->pitch);
	uint64_t slices = vg_sat_mul(vg_sat_add(end->z, box->depth - 1), slice);
	uint64_t rows = vg_sat_mul(vg_sat_add(end->y, box->height - 1), end->pitch);

	return vg_sat_add(vg_sat_add(slices, rows), vg_sat_add(end->x, box->width));
}

/* An end that is an address of the session's: on the device, or in the guest's memory. */
static CUresult end_address(struct ex_call *call, uint64_t address, const struct vg_copy_box *box,
			    struct end *end)
{
	int kind; /* enum ex_range_kind */

	if (end->pitch < vg_sat_add(end->x, box->width) ||
	    !ex_ranges_cover(&call->session->ranges, address, end_extent(end, box), &kind))
		return CUDA_ERROR_INVALID_VALUE;
	if (kind == EX_RANGE_REGION) {
		end->type = CU_MEMORYTYPE_HOST;
		end->host = (void *)(uintptr_t)address;
	} else {
		end->type = CU_MEMORYTYPE_DEVICE;
		end->device = address;
	}
	return CUDA_SUCCESS;
}

static CUresult end_read(struct ex_call *call, const struct vg_box_end *wire,
			 const struct vg_copy_box *box, struct end *end)
{
	void *real = NULL;
	CUresult result;

	*end = (struct end){
		.x = wire->x,
		.y = wire->y,
		.z = wire->z,
		.lod = wire->lod,
		.pitch = wire->pitch ? wire->pitch : box->width,
		.height = wire->height ? wire->height : box->height,
	};
	switch (wire->memory) {
	case VG_BOX_HOST:
		end->type = CU_MEMORYTYPE_HOST;
		end->staged = true;
		return CUDA_SUCCESS;
	case VG_BOX_ARRAY:
		result = ex_handle_get(call, VG_HANDLE_CUarray, wire->array, 0, &real);
		end->type = CU_MEMORYTYPE_ARRAY;
		end->array = real;
		return result;
	case VG_BOX_DEVICE: return end_address(call, wire->address, box, end);
	default: return CUDA_ERROR_INVALID_VALUE;
	}
}

/* --- one piece ---------------------------------------------------------------------------------- */

static struct end end_moved(const struct end *end, const struct piece *piece, void *stage)
{
	struct end moved = *end;

	if (end->staged) {
		moved.host = stage;
		moved.x = moved.y = moved.z = 0;
		moved.pitch = piece->width;
		moved.height = piece->height;
	} else {
		moved.x += piece->x;
		moved.y += piece->y;
		moved.z += piece->z;
	}
	return moved;
}

static CUDA_MEMCPY3D copy_of(const struct end *src, const struct end *dst,
			     const struct piece *piece)
{
	return (CUDA_MEMCPY3D){
		.srcXInBytes = src->x,
		.srcY = src->y,
		.srcZ = src->z,
		.srcLOD = src->lod,
		.srcPitch = src->pitch,
		.srcHeight = src->height,
		.srcMemoryType = src->type,
		.srcHost = src->host,
		.srcDevice = src->device,
		.srcArray = src->array,
		.dstXInBytes = dst->x,
		.dstY = dst->y,
		.dstZ = dst->z,
		.dstLOD = dst->lod,
		.dstPitch = dst->pitch,
		.dstHeight = dst->height,
		.dstMemoryType = dst->type,
		.dstHost = dst->host,
		.dstDevice = dst->device,
		.dstArray = dst->array,
		.WidthInBytes = piece->width,
		.Height = piece->height,
		.Depth = piece->depth,
	};
}

static CUresult piece_copy(struct ex_call *call, const struct end *src, const struct end *dst,
			   const struct piece *piece, void *stage, unsigned int mode,
			   CUstream stream)
{
	const struct end from = end_moved(src, piece, stage), to = end_moved(dst, piece, stage);
	CUDA_MEMCPY3D copy = copy_of(&from, &to, piece);

	if (mode == VG_COPY_ASYNC)
		return ex_driver.cuMemcpy3DAsync_v2 ? ex_driver.cuMemcpy3DAsync_v2(&copy, stream)
						    : CUDA_ERROR_NOT_SUPPORTED;
	if (call->ptds && ex_driver.cuMemcpy3D_v2_ptds)
		return ex_driver.cuMemcpy3D_v2_ptds(&copy);
	return ex_driver.cuMemcpy3D_v2 ? ex_driver.cuMemcpy3D_v2(&copy) : CUDA_ERROR_NOT_SUPPORTED;
}

/* The largest piece from `at` (bytes of the packed box done) that fits the stage; returns its bytes. */
static uint64_t piece_next(const struct vg_copy_box *box, uint64_t at, struct piece *piece)
{
	uint64_t slice = box->width * box->height;

	*piece = (struct piece){.x = at % box->width,
				.y = at / box->width % box->height,
				.z = at / slice,
				.width = box->width,
				.height = 1,
				.depth = 1};
	if (slice <= EX_STAGE_BYTES && !piece->x && !piece->y) {
		piece->height = box->height;
		piece->depth = vg_min(EX_STAGE_BYTES / slice, box->depth - piece->z);
	} else if (box->width <= EX_STAGE_BYTES && !piece->x) {
		piece->height = vg_min(EX_STAGE_BYTES / box->width, box->height - piece->y);
	} else {
		piece->width = vg_min(EX_STAGE_BYTES, box->width - piece->x);
	}
	return piece->width * piece->height * piece->depth;
}

static uint8_t *stage_of(struct ex_call *call)
{
	if (!call->lane->stage)
		call->lane->stage = malloc(EX_STAGE_BYTES);
	return call->lane->stage;
}

static bool stage_fill(struct ex_call *call, uint8_t *stage, uint64_t bytes)
{
	const void *span;

	for (uint64_t at = 0, n; at < bytes; at += n) {
		n = ex_bulk_span(call, &span, bytes - at);
		if (!n)
			return false;
		memcpy(stage + at, span, n);
	}
	return true;
}

static bool stage_send(struct ex_call *call, const uint8_t *stage, uint64_t bytes)
{
	void *span;

	for (uint64_t at = 0, n; at < bytes; at += n) {
		n = ex_reply_bulk_span(call, &span, bytes - at);
		if (!n)
			return false;
		memcpy(span, stage + at, n);
		ex_reply_bulk_commit(call, n);
	}
	return true;
}

/* --- the calls ---------------------------------------------------------------------------------- */

/* Both ends; which of them are the bulk part, which has `size` bytes. */
static CUresult box_read(struct ex_call *call, const struct vg_copy_box *box, uint64_t size,
			 int host_in, int host_out, struct end *src, struct end *dst)
{
	CUresult result;

	if ((box->src.memory == VG_BOX_HOST) != host_in ||
	    (box->dst.memory == VG_BOX_HOST) != host_out)
		return CUDA_ERROR_INVALID_VALUE;
	if ((host_in || host_out) && (box_bytes(box) != size || size > BOX_BYTES_MAX))
		return CUDA_ERROR_INVALID_VALUE;
	if (!box_bytes(box))
		return CUDA_SUCCESS;
	result = end_read(call, &box->src, box, src);
	return result ? result : end_read(call, &box->dst, box, dst);
}

CUresult ex_vgCopyBoxIn(struct ex_call *call, const struct vg_copy_box *box, size_t size,
			unsigned int mode, CUstream stream)
{
	uint8_t *stage = stage_of(call);
	struct end src = {0}, dst = {0};
	struct piece piece;
	CUresult result;

	if (!stage)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = box_read(call, box, size, 1, 0, &src, &dst);
	if (!result)
		result = ex_copy_mode_check(call, mode, &stream, true);
	for (uint64_t at = 0, n; !result && at < size; at += n) {
		n = piece_next(box, at, &piece);
		if (!stage_fill(call, stage, n))
			return CUDA_ERROR_UNKNOWN;
		result = piece_copy(call, &src, &dst, &piece, stage, mode, stream);
		if (!result)
			result = ex_copy_settle(call, mode, stream, false);
	}
	if (!result)
		ex_stats_add(&call->session->stats.page->bytes_htod, size);
	return result;
}

CUresult ex_vgCopyBoxOut(struct ex_call *call, const struct vg_copy_box *box, size_t size,
			 unsigned int mode, CUstream stream)
{
	uint8_t *stage = stage_of(call);
	struct end src = {0}, dst = {0};
	struct piece piece;
	CUresult result;

	if (!stage)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = box_read(call, box, size, 0, 1, &src, &dst);
	if (!result)
		result = ex_copy_mode_check(call, mode, &stream, true);
	if (result)
		return result;
	if (!ex_reply_bulk_begin(call, size))
		return CUDA_ERROR_UNKNOWN;
	for (uint64_t at = 0, n; at < size; at += n) {
		n = piece_next(box, at, &piece);
		result = piece_copy(call, &src, &dst, &piece, stage, mode, stream);
		if (!result)
			result = ex_copy_settle(call, mode, stream, true);
		if (result)
			return result;
		if (!stage_send(call, stage, n))
			return CUDA_ERROR_UNKNOWN;
	}
	ex_stats_add(&call->session->stats.page->bytes_dtoh, size);
	return CUDA_SUCCESS;
}

CUresult ex_vgCopyBox(struct ex_call *call, const struct vg_copy_box *box, unsigned int mode,
		      CUstream stream)
{
	struct piece all = {.width = box->width, .height = box->height, .depth = box->depth};
	struct end src = {0}, dst = {0};
	CUresult result = box_read(call, box, 0, 0, 0, &src, &dst);

	if (!result)
		result = ex_copy_mode_check(call, mode, &stream, false);
	if (result || !box_bytes(box))
		return result;
	if (call->taken && src.host)
		ex_trace_memory(call, (uintptr_t)src.host, end_extent(&src, box), stream);
	return piece_copy(call, &src, &dst, &all, NULL, mode, stream);
}
