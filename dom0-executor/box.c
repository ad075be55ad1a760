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

/* One end, ready for the driver. */
struct end {
	uint32_t memory; /* enum vg_box_memory */
	int kind;        /* enum ex_range_kind of an address */
	CUdeviceptr address;
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

static CUresult end_read(struct ex_call *call, const struct vg_box_end *wire,
			 const struct vg_copy_box *box, struct end *end)
{
	void *real = NULL;
	CUresult result;

	*end = (struct end){
		.memory = wire->memory,
		.x = wire->x,
		.y = wire->y,
		.z = wire->z,
		.lod = wire->lod,
		.address = wire->address,
		.pitch = wire->pitch ? wire->pitch : box->width,
		.height = wire->height ? wire->height : box->height,
	};
	switch (wire->memory) {
	case VG_BOX_HOST: return CUDA_SUCCESS;
	case VG_BOX_ARRAY:
		result = ex_handle_get(call, VG_HANDLE_CUarray, wire->array, 0, &real);
		end->array = real;
		return result;
	case VG_BOX_DEVICE:
		if (end->pitch < vg_sat_add(end->x, box->width) ||
		    !ex_ranges_cover(&call->session->ranges, end->address, end_extent(end, box),
				     &end->kind))
			return CUDA_ERROR_INVALID_VALUE;
		return CUDA_SUCCESS;
	default: return CUDA_ERROR_INVALID_VALUE;
	}
}

/* --- one piece ---------------------------------------------------------------------------------- */

static void set_source(CUDA_MEMCPY3D *copy, const struct end *end, const struct piece *piece,
		       const void *stage)
{
	copy->srcXInBytes = end->x + piece->x;
	copy->srcY = end->y + piece->y;
	copy->srcZ = end->z + piece->z;
	copy->srcLOD = end->lod;
	copy->srcPitch = end->pitch;
	copy->srcHeight = end->height;
	if (end->memory == VG_BOX_ARRAY) {
		copy->srcMemoryType = CU_MEMORYTYPE_ARRAY;
		copy->srcArray = end->array;
	} else if (end->memory == VG_BOX_HOST) {
		copy->srcMemoryType = CU_MEMORYTYPE_HOST;
		copy->srcHost = stage;
		copy->srcXInBytes = copy->srcY = copy->srcZ = 0;
		copy->srcPitch = piece->width;
		copy->srcHeight = piece->height;
	} else if (end->kind == EX_RANGE_REGION) {
		copy->srcMemoryType = CU_MEMORYTYPE_HOST;
		copy->srcHost = (const void *)(uintptr_t)end->address;
	} else {
		copy->srcMemoryType = CU_MEMORYTYPE_DEVICE;
		copy->srcDevice = end->address;
	}
}

static void set_destination(CUDA_MEMCPY3D *copy, const struct end *end, const struct piece *piece,
			    void *stage)
{
	copy->dstXInBytes = end->x + piece->x;
	copy->dstY = end->y + piece->y;
	copy->dstZ = end->z + piece->z;
	copy->dstLOD = end->lod;
	copy->dstPitch = end->pitch;
	copy->dstHeight = end->height;
	if (end->memory == VG_BOX_ARRAY) {
		copy->dstMemoryType = CU_MEMORYTYPE_ARRAY;
		copy->dstArray = end->array;
	} else if (end->memory == VG_BOX_HOST) {
		copy->dstMemoryType = CU_MEMORYTYPE_HOST;
		copy->dstHost = stage;
		copy->dstXInBytes = copy->dstY = copy->dstZ = 0;
		copy->dstPitch = piece->width;
		copy->dstHeight = piece->height;
	} else if (end->kind == EX_RANGE_REGION) {
		copy->dstMemoryType = CU_MEMORYTYPE_HOST;
		copy->dstHost = (void *)(uintptr_t)end->address;
	} else {
		copy->dstMemoryType = CU_MEMORYTYPE_DEVICE;
		copy->dstDevice = end->address;
	}
}

static CUresult piece_copy(struct ex_call *call, const struct end *src, const struct end *dst,
			   const struct piece *piece, void *stage, unsigned int mode,
			   CUstream stream)
{
	CUDA_MEMCPY3D copy = {
		.WidthInBytes = piece->width, .Height = piece->height, .Depth = piece->depth};

	set_source(&copy, src, piece, stage);
	set_destination(&copy, dst, piece, stage);
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
	return piece_copy(call, &src, &dst, &all, NULL, mode, stream);
}
