/* SPDX-License-Identifier: MIT */
/*
 * Physical memory (cuMemCreate) for other processes of the guest. The driver's descriptor stays on this
 * side and goes from executor to executor (handover.h); the guest passes a token around. Exported memory
 * counts for its owner as long as that has it, and after that for as long as somebody else has
 * (protocol/offer.h). Runs in lanes' threads.
 */
#include <string.h>
#include <unistd.h>

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

#define PHYSICAL VG_HANDLE_CUmemGenericAllocationHandle

static void *real_of(CUmemGenericAllocationHandle handle)
{
	return (void *)(uintptr_t)handle;
}

/* --- export ------------------------------------------------------------------------------------- */

/* With the handle held, so that what it counts stays. Exporting again gives the same token. */
static CUresult memory_export(struct ex_call *call, CUmemGenericAllocationHandle handle,
			      struct ex_charge *charge, unsigned long long flags,
			      CUipcMemHandle *token)
{
	struct ex_session *session = call->session;
	uint64_t object = ex_charge_object(session, charge);
	CUresult result;
	int fd = -1;

	result = ex_driver.cuMemExportToShareableHandle(
		&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, flags);
	return result ? result
		      : ex_ipc_offer_fd(session, ex_charge_gpu(charge), VG_OFFER_PHYSICAL, object,
					ex_charge_bytes(charge), fd, token);
}

CUresult ex_vgMemExport(struct ex_call *call, CUipcMemHandle *token,
			CUmemGenericAllocationHandle handle, unsigned long long flags)
{
	struct ex_handles *handles = &call->session->handles;
	uint64_t guest = ex_handles_find(handles, PHYSICAL, real_of(handle));
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;
	struct ex_charge *charge;

	if (!ex_driver.cuMemExportToShareableHandle || !ex_ipc_can(call->session))
		return CUDA_ERROR_NOT_SUPPORTED;
	if (!guest || !ex_handles_hold(handles, PHYSICAL, guest))
		return CUDA_ERROR_INVALID_VALUE;
	charge = ex_handles_cookie(handles, PHYSICAL, guest);
	/* What is another's stays its to export. */
	if (charge && ex_charge_bytes(charge))
		result = memory_export(call, handle, charge, flags, token);
	ex_handle_drop(call, PHYSICAL, guest);
	return result;
}

/* --- import ------------------------------------------------------------------------------------- */

static CUresult memory_import(const struct vg_offer_taken *taken, const CUipcMemHandle *token,
			      CUmemGenericAllocationHandle *handle)
{
	CUresult result;
	int fd = ex_ipc_fetch_fd(taken, token);

	if (fd < 0)
		return CUDA_ERROR_INVALID_HANDLE;
	result = ex_driver.cuMemImportFromShareableHandle(handle, (void *)(uintptr_t)fd,
							  CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
	close(fd);
	return result;
}

/*
 * The driver may give an object that this session has already. The charge, of no bytes, ends with the last
 * handle and mapping, and with it this session's part in the offer.
 */
CUresult ex_vgMemImport(struct ex_call *call, CUmemGenericAllocationHandle *handle,
			CUipcMemHandle token)
{
	struct ex_session *session = call->session;
	struct vg_offer_taken taken;
	struct ex_charge *charge;
	CUresult result;

	if (!ex_driver.cuMemImportFromShareableHandle || !ex_driver.cuMemRelease)
		return CUDA_ERROR_NOT_SUPPORTED;
	pthread_mutex_lock(&session->ipc.lock);
	result = ex_ipc_take(session, VG_OFFER_PHYSICAL, &token, &taken);
	if (result) {
		pthread_mutex_unlock(&session->ipc.lock);
		return result;
	}
	charge = ex_charge_import(session, ex_ipc_gpu(taken.index), taken.index);
	/* Once more: the last other charge of this offer may have gone, and left it, just before. */
	result = charge ? ex_ipc_take(session, VG_OFFER_PHYSICAL, &token, &taken)
			: CUDA_ERROR_OUT_OF_MEMORY;
	if (!result)
		result = memory_import(&taken, &token, handle);
	if (!result && !ex_charge_bind(call, PHYSICAL, real_of(*handle), charge)) {
		ex_driver.cuMemRelease(*handle);
		result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	if (result && charge)
		ex_charge_drop(session, charge);
	else if (!charge)
		ex_ipc_leave(session, taken.index);
	pthread_mutex_unlock(&session->ipc.lock);
	return result;
}
