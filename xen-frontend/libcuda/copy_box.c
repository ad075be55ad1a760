/* SPDX-License-Identifier: MIT */
/*
 * Copies of rows and slices. Ends in pageable memory are packed into, or unpacked from, a buffer of
 * bounded size, a few rows at a time; every other end is handled over there.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"
#include "xen-frontend/libcuda/arena.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/copy.h"
#include "xen-frontend/libcuda/memory.h"

/* Aim for one piece; a single row may be longer. */
#define PIECE_BYTES (2u * 1024 * 1024)

static uint8_t *row_at(const struct vg_box_end *end, uint64_t y, uint64_t z)
{
	return (uint8_t *)end->address + (z + end->z) * end->pitch * end->height +
	       (y + end->y) * end->pitch + end->x;
}

static void rows_pack(const struct vg_copy_box *box, uint64_t z, uint64_t y, uint64_t rows,
		      uint8_t *to)
{
	for (uint64_t i = 0; i < rows; i++)
		memcpy(to + i * box->width, row_at(&box->src, y + i, z), box->width);
}

static void rows_unpack(const struct vg_copy_box *box, uint64_t z, uint64_t y, uint64_t rows,
			const uint8_t *from)
{
	for (uint64_t i = 0; i < rows; i++)
		memcpy(row_at(&box->dst, y + i, z), from + i * box->width, box->width);
}

static bool end_covered(const struct vg_copy_box *box, const struct vg_box_end *end)
{
	uint64_t slice = vg_sat_mul(end->pitch, end->height);
	uint64_t before = vg_sat_add(
		vg_sat_add(vg_sat_mul(end->z, slice), vg_sat_mul(end->y, end->pitch)), end->x);
	uint64_t bytes = vg_sat_add(vg_sat_mul(box->depth - 1, slice),
				    vg_rows(box->height, end->pitch, box->width));

	if (end->memory == VG_BOX_ARRAY)
		return true;
	if (end->memory == VG_BOX_HOST)
		return !fe_arena_is_device(vg_sat_add(end->address, before));
	return fe_range_known(vg_sat_add(end->address, before), bytes);
}

/* What an array holds is known over there: whether the box fits is waited for. */
static bool has_array(const struct vg_copy_box *box)
{
	return box->src.memory == VG_BOX_ARRAY || box->dst.memory == VG_BOX_ARRAY;
}

/* One piece: `rows` rows from row y of slice z, as a box of its own. */
static struct vg_copy_box piece_of(const struct vg_copy_box *box, uint64_t z, uint64_t y,
				   uint64_t rows)
{
	struct vg_copy_box piece = *box;
	struct vg_box_end *ends[] = {&piece.src, &piece.dst};

	for (unsigned int i = 0; i < 2; i++) {
		ends[i]->z += z;
		ends[i]->y += y;
		if (ends[i]->memory == VG_BOX_HOST)
			*ends[i] = (struct vg_box_end){.memory = VG_BOX_HOST};
	}
	piece.height = rows;
	piece.depth = 1;
	return piece;
}

static CUresult piece_copy(const struct vg_copy_box *box, uint64_t z, uint64_t y, uint64_t rows,
			   uint8_t *buffer, struct fe_copy_how how)
{
	struct vg_copy_box piece = piece_of(box, z, y, rows);
	size_t size = rows * box->width;
	CUresult result;

	if (box->src.memory == VG_BOX_HOST) {
		rows_pack(box, z, y, rows, buffer);
		return rpc_vgCopyBoxIn(&piece, size, buffer, how.mode, how.stream,
				       !has_array(box) && fe_copy_returns(how, size));
	}
	result = rpc_vgCopyBoxOut(&piece, size, how.mode, how.stream, buffer);
	if (!result)
		rows_unpack(box, z, y, rows, buffer);
	return result;
}

static CUresult box_staged(const struct vg_copy_box *box, struct fe_copy_how how)
{
	uint64_t rows = box->width < PIECE_BYTES ? PIECE_BYTES / box->width : 1;
	uint8_t *buffer = malloc(vg_min(rows, box->height) * box->width);
	CUresult result = CUDA_SUCCESS;

	if (!buffer)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (uint64_t z = 0; z < box->depth && !result; z++) {
		for (uint64_t y = 0; y < box->height && !result; y += rows)
			result = piece_copy(box, z, y, vg_min(rows, box->height - y), buffer, how);
	}
	free(buffer);
	return result;
}

static CUresult box_on_host(const struct vg_copy_box *box, struct fe_copy_how how)
{
	CUresult result = fe_copy_wait(how);

	if (result)
		return result;
	for (uint64_t z = 0; z < box->depth; z++) {
		for (uint64_t y = 0; y < box->height; y++)
			memmove(row_at(&box->dst, y, z), row_at(&box->src, y, z), box->width);
	}
	return CUDA_SUCCESS;
}

CUresult fe_copy_box(struct vg_copy_box *box, struct fe_copy_how how)
{
	bool src_host = box->src.memory == VG_BOX_HOST, dst_host = box->dst.memory == VG_BOX_HOST;

	if (!box->width || !box->height || !box->depth)
		return CUDA_SUCCESS;
	if (!end_covered(box, &box->src) || !end_covered(box, &box->dst))
		return CUDA_ERROR_INVALID_VALUE;
	if (src_host && dst_host)
		return box_on_host(box, how);
	if (src_host || dst_host)
		return box_staged(box, how);
	return rpc_vgCopyBox(box, how.mode, how.stream,
			     !has_array(box) && how.mode == VG_COPY_ASYNC);
}
