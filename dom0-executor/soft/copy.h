/* SPDX-License-Identifier: MIT */
/* Copies and fills of memory, in one to three dimensions, as work. */
#ifndef SOFT_COPY_H
#define SOFT_COPY_H

#include "dom0-executor/soft/stream.h"

struct soft_array;

/* One side of a copy: `width` bytes a row, rows `pitch` bytes apart, slices `slice` bytes apart. */
struct soft_side {
	uint64_t address; /* of the first byte copied */
	size_t pitch;
	size_t slice;
	bool pageable;            /* host memory that the driver does not know */
	struct soft_array *array; /* a reference, or NULL */
};

struct soft_box {
	size_t width, height, depth; /* bytes, rows, slices; none is 0 */
};

/* Copy work; takes the references of the sides. NULL without memory. `what` is kept for the getters
 * of nodes. */
struct soft_work *copy_work(const struct soft_side *dst, const struct soft_side *src,
			    const struct soft_box *box, const CUDA_MEMCPY3D *what);
const CUDA_MEMCPY3D *copy_of_work(struct soft_work *work);

/* From CUDA's description to sides; CUDA_ERROR_INVALID_VALUE etc. *empty: nothing is to be copied. */
CUresult copy_describe(const CUDA_MEMCPY3D *what, struct soft_side *dst, struct soft_side *src,
		       struct soft_box *box, bool *empty);
CUresult copy_work_of(const CUDA_MEMCPY3D *what, struct soft_work **work);

/* One side of addresses, checked: device memory must be allocated. */
CUresult copy_side(uint64_t address, size_t pitch, size_t slice, const struct soft_box *box,
		   CUmemorytype type, bool write, struct soft_side *side);

/* Make one flat copy on the stream, with CUDA's rules about who waits for what. */
CUresult copy_flat(struct soft_stream *stream, uint64_t dst, CUmemorytype dst_type, uint64_t src,
		   CUmemorytype src_type, size_t size, enum soft_how how);

/* Fills of 1, 2 or 4 bytes an element. */
struct soft_work *fill_work(const CUDA_MEMSET_NODE_PARAMS *params);
CUresult fill_check(const CUDA_MEMSET_NODE_PARAMS *params);
const CUDA_MEMSET_NODE_PARAMS *fill_of_work(struct soft_work *work);

/* Bytes from the first to the last of a box with these distances; false on overflow. */
bool box_extent(const struct soft_box *box, size_t pitch, size_t slice, size_t *bytes);

#endif
