/* SPDX-License-Identifier: MIT */
/*
 * Virtual addresses, and physical memory mapped to them. The guest may map only into what this
 * session has reserved, and name only what is mapped. Physical memory counts against the quota for as
 * long as a handle names it or it is mapped somewhere. Runs in lanes' threads.
 */
#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

#define PHYSICAL VG_HANDLE_CUmemGenericAllocationHandle

static void *real_of(CUmemGenericAllocationHandle handle)
{
	return (void *)(uintptr_t)handle;
}

/* --- reservations ------------------------------------------------------------------------------- */

CUresult ex_cuMemAddressReserve(struct ex_call *call, CUdeviceptr *ptr, size_t size,
				size_t alignment, CUdeviceptr addr, unsigned long long flags)
{
	struct ex_span span = {.size = size, .kind = EX_RANGE_VMM};
	CUresult result;

	if (!ex_driver.cuMemAddressReserve || !ex_driver.cuMemAddressFree)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuMemAddressReserve(ptr, size, alignment, addr, flags);
	if (result)
		return result;
	span.start = *ptr;
	if (ex_ranges_add(&call->session->reserved, &span)) {
		ex_driver.cuMemAddressFree(*ptr, size);
		return CUDA_ERROR_OUT_OF_MEMORY;
	}
	return CUDA_SUCCESS;
}

CUresult ex_cuMemAddressFree(struct ex_call *call, CUdeviceptr ptr, size_t size)
{
	struct ex_ranges *reserved = &call->session->reserved;
	struct ex_span span;
	CUresult result;

	if (!ex_driver.cuMemAddressFree)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_ranges_find(reserved, ptr, &span) || span.start != ptr || span.size != size)
		return CUDA_ERROR_INVALID_VALUE;
	result = ex_driver.cuMemAddressFree(ptr, size);
	if (!result)
		ex_ranges_remove(reserved, ptr, NULL);
	return result;
}

/* --- physical memory ---------------------------------------------------------------------------- */

/* Memory of the host, which some devices' drivers give too, counts as the current device's. */
static unsigned int create_gpu(const struct ex_call *call, const CUmemAllocationProp *prop)
{
	return prop->location.type == CU_MEM_LOCATION_TYPE_DEVICE
		       ? ex_gpu_of(call->session, prop->location.id)
		       : call->lane->gpu;
}

/*
 * The one pointer in the properties is a Windows security descriptor. Memory that can be exported to other
 * hosts (fabric) would leave the guest. The handle is entered here, to keep what it counts with
 * it; the generated code finds it again.
 */
CUresult ex_cuMemCreate(struct ex_call *call, CUmemGenericAllocationHandle *handle, size_t size,
			const CUmemAllocationProp *prop, unsigned long long flags)
{
	CUmemAllocationProp own = *prop;
	struct ex_charge *charge;
	CUresult result;

	if (!ex_driver.cuMemCreate || !ex_driver.cuMemRelease ||
	    (own.requestedHandleTypes & ~CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR))
		return CUDA_ERROR_NOT_SUPPORTED;
	own.win32HandleMetaData = NULL;
	charge = ex_charge_new(call->session, create_gpu(call, prop), size);
	if (!charge)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = ex_driver.cuMemCreate(handle, size, &own, flags);
	if (!result && !ex_charge_bind(call, PHYSICAL, real_of(*handle), charge)) {
		ex_driver.cuMemRelease(*handle);
		result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (result)
		ex_charge_drop(call->session, charge);
	return result;
}

CUresult ex_cuMemRelease(struct ex_call *call, CUmemGenericAllocationHandle handle)
{
	(void)call;
	return ex_driver.cuMemRelease ? ex_driver.cuMemRelease(handle) : CUDA_ERROR_NOT_SUPPORTED;
}

/* --- mappings ----------------------------------------------------------------------------------- */

static CUresult map_enter(struct ex_call *call, CUdeviceptr ptr, size_t size, uint64_t guest)
{
	struct ex_session *session = call->session;
	struct ex_charge *charge = ex_handles_cookie(&session->handles, PHYSICAL, guest);
	struct ex_span span = {.start = ptr, .size = size, .kind = EX_RANGE_VMM, .object = charge};

	ex_charge_use(charge);
	if (!ex_ranges_add(&session->ranges, &span))
		return CUDA_SUCCESS;
	ex_charge_drop(session, charge);
	ex_driver.cuMemUnmap(ptr, size);
	return CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult ex_cuMemMap(struct ex_call *call, CUdeviceptr ptr, size_t size, size_t offset,
		     CUmemGenericAllocationHandle handle, unsigned long long flags)
{
	struct ex_handles *handles = &call->session->handles;
	uint64_t guest = ex_handles_find(handles, PHYSICAL, real_of(handle));
	CUresult result;

	if (!ex_driver.cuMemMap || !ex_driver.cuMemUnmap)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!size || !ex_ranges_cover(&call->session->reserved, ptr, size, NULL))
		return CUDA_ERROR_INVALID_VALUE;
	/* Held, so that what it counts stays while another lane may release it. */
	if (!guest || !ex_handles_hold(handles, PHYSICAL, guest))
		return CUDA_ERROR_INVALID_VALUE;
	result = ex_driver.cuMemMap(ptr, size, offset, handle, flags);
	if (!result)
		result = map_enter(call, ptr, size, guest);
	ex_handle_drop(call, PHYSICAL, guest);
	return result;
}

CUresult ex_cuMemUnmap(struct ex_call *call, CUdeviceptr ptr, size_t size)
{
	CUresult result;

	if (!ex_driver.cuMemUnmap)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!size || !ex_ranges_cover(&call->session->reserved, ptr, size, NULL))
		return CUDA_ERROR_INVALID_VALUE;
	result = ex_driver.cuMemUnmap(ptr, size);
	if (!result)
		ex_ranges_remove_within(&call->session->ranges, ptr, size);
	return result;
}

/* The driver counts, and so does the handle; one that had gone comes back as a new one. */
CUresult ex_vgMemRetainHandle(struct ex_call *call, CUmemGenericAllocationHandle *handle,
			      CUdeviceptr addr)
{
	struct ex_session *session = call->session;
	struct ex_span span;
	uint64_t guest;
	CUresult result;

	if (!ex_driver.cuMemRetainAllocationHandle)
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!ex_ranges_find(&session->ranges, addr, &span) || span.kind != EX_RANGE_VMM)
		return CUDA_ERROR_INVALID_VALUE;
	result = ex_driver.cuMemRetainAllocationHandle(handle, real_of(addr));
	if (result)
		return result;
	guest = ex_handles_find(&session->handles, PHYSICAL, real_of(*handle));
	if (guest && ex_handles_hold(&session->handles, PHYSICAL, guest))
		return CUDA_SUCCESS;
	guest = ex_handle_put(call, PHYSICAL, real_of(*handle), 0);
	if (!guest)
		return CUDA_ERROR_OUT_OF_MEMORY;
	ex_charge_use(span.object);
	ex_handles_set_cookie(&session->handles, PHYSICAL, guest, span.object);
	return CUDA_SUCCESS;
}
