/* SPDX-License-Identifier: MIT */
/*
 * Arrays: counted against the quota by their descriptor, since the driver does not tell what one
 * takes. Runs in lanes' threads.
 */
#include "protocol/array_format.h"
#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

/* NVIDIA's tiles: rows of 64 bytes, eight of them. Unknown formats have texels of at most 4 bytes a channel. */
#define TILE_BYTES 64u
#define TILE_ROWS  8u

static uint64_t round_up(uint64_t value, uint64_t step)
{
	return value > UINT64_MAX - step ? UINT64_MAX : (value + step - 1) / step * step;
}

/* Of a format without plain channels, what the largest of those takes. */
static unsigned int channel_bytes(CUarray_format format)
{
	unsigned int bytes = vg_format_bytes(format);

	return bytes ? bytes : 4;
}

static uint64_t array_size(const struct ex_session *session, const CUDA_ARRAY3D_DESCRIPTOR *array)
{
	uint64_t row = vg_sat_mul(array->Width,
				  (uint64_t)array->NumChannels * channel_bytes(array->Format));
	uint64_t rows = array->Height ? array->Height : 1;
	uint64_t slices = array->Depth ? array->Depth : 1;

	if (!session->soft) {
		row = round_up(row, TILE_BYTES);
		rows = rows > 1 ? round_up(rows, TILE_ROWS) : 1;
	}
	return ex_memory_size(session, vg_sat_mul(vg_sat_mul(row, rows), slices));
}

/* `result`: what the driver said to an array that `charge` pays for. */
static CUresult array_enter(struct ex_call *call, CUresult result, CUarray array,
			    struct ex_charge *charge)
{
	if (!result && !ex_charge_bind(call, VG_HANDLE_CUarray, array, charge)) {
		ex_driver.cuArrayDestroy(array);
		result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (result)
		ex_charge_drop(call->session, charge);
	return result;
}

CUresult ex_cuArrayCreate_v2(struct ex_call *call, CUarray *pHandle,
			     const CUDA_ARRAY_DESCRIPTOR *pAllocateArray)
{
	const CUDA_ARRAY3D_DESCRIPTOR array = {.Width = pAllocateArray->Width,
					       .Height = pAllocateArray->Height,
					       .Format = pAllocateArray->Format,
					       .NumChannels = pAllocateArray->NumChannels};
	struct ex_charge *charge;
	CUresult result;

	if (!ex_driver.cuArrayCreate_v2 || !ex_driver.cuArrayDestroy)
		return CUDA_ERROR_NOT_SUPPORTED;
	charge = ex_charge_new(call->session, call->lane->gpu, array_size(call->session, &array));
	if (!charge)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuArrayCreate_v2(pHandle, pAllocateArray);
	return array_enter(call, result, *pHandle, charge);
}

CUresult ex_cuArray3DCreate_v2(struct ex_call *call, CUarray *pHandle,
			       const CUDA_ARRAY3D_DESCRIPTOR *pAllocateArray)
{
	struct ex_charge *charge;
	CUresult result;

	if (!ex_driver.cuArray3DCreate_v2 || !ex_driver.cuArrayDestroy)
		return CUDA_ERROR_NOT_SUPPORTED;
	charge = ex_charge_new(call->session, call->lane->gpu,
			       array_size(call->session, pAllocateArray));
	if (!charge)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuArray3DCreate_v2(pHandle, pAllocateArray);
	return array_enter(call, result, *pHandle, charge);
}

/* All levels, each half of the one before in every direction that there is. */
static uint64_t levels_size(const struct ex_session *session, CUDA_ARRAY3D_DESCRIPTOR level,
			    unsigned int count)
{
	uint64_t size = 0;

	for (unsigned int i = 0; i < count && i < 64; i++) {
		size = vg_sat_add(size, array_size(session, &level));
		level.Width = vg_max(level.Width / 2, 1);
		level.Height = level.Height ? vg_max(level.Height / 2, 1) : 0;
		if (level.Depth && !(level.Flags & CUDA_ARRAY3D_LAYERED))
			level.Depth = vg_max(level.Depth / 2, 1);
	}
	return size;
}

CUresult ex_cuMipmappedArrayCreate(struct ex_call *call, CUmipmappedArray *pHandle,
				   const CUDA_ARRAY3D_DESCRIPTOR *pMipmappedArrayDesc,
				   unsigned int numMipmapLevels)
{
	struct ex_charge *charge;
	CUresult result;

	if (!ex_driver.cuMipmappedArrayCreate || !ex_driver.cuMipmappedArrayDestroy)
		return CUDA_ERROR_NOT_SUPPORTED;
	charge = ex_charge_new(call->session, call->lane->gpu,
			       levels_size(call->session, *pMipmappedArrayDesc, numMipmapLevels));
	if (!charge)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuMipmappedArrayCreate(pHandle, pMipmappedArrayDesc, numMipmapLevels);
	if (!result && !ex_charge_bind(call, VG_HANDLE_CUmipmappedArray, *pHandle, charge)) {
		ex_driver.cuMipmappedArrayDestroy(*pHandle);
		result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (result)
		ex_charge_drop(call->session, charge);
	return result;
}
