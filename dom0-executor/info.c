/* SPDX-License-Identifier: MIT */
/* What a guest asks once about the driver and its devices. Runs in lanes' threads. */
#include <stdio.h>
#include <string.h>

#include "protocol/bounds.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/driver.h"
#include "dom0-executor/lane.h"

/*
 * Whether the driver takes shared pages as pinned memory is found out with pages of that very kind: the
 * lane's own. The device's primary context, needed for that, is kept for the guest's first use.
 */
static bool probe_pinning(struct ex_call *call)
{
	struct ex_lane *lane = call->lane;
	void *page = (uint8_t *)lane->share.base + VG_PAGE_SIZE;
	CUcontext context, before = NULL;
	CUresult result;

	if (!ex_driver.cuMemHostRegister_v2 || !ex_driver.cuMemHostUnregister ||
	    !ex_driver.cuCtxSetCurrent || !ex_driver.cuCtxGetCurrent)
		return false;
	if (ex_primary_hold(call, 0, 0, &context) || ex_driver.cuCtxGetCurrent(&before) ||
	    ex_driver.cuCtxSetCurrent(context))
		return false;
	result = ex_driver.cuMemHostRegister_v2(page, VG_PAGE_SIZE, 0);
	if (!result)
		result = ex_driver.cuMemHostUnregister(page);
	ex_driver.cuCtxSetCurrent(before);
	if (result)
		vg_warn(&call->session->who,
			"event=no-pinning result=%d effect=\"pinned memory is staged\"",
			(int)result);
	return result == CUDA_SUCCESS;
}

static void probe_devices(struct ex_session *session, int devices)
{
	int value = 0;

	for (int dev = 0; dev < devices && ex_driver.cuDeviceGetAttribute; dev++)
		if (!ex_driver.cuDeviceGetAttribute(
			    &value,
			    CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES, dev))
			session->pageable_is_async |= value != 0;
}

static bool regions_pinned(struct ex_call *call, int devices)
{
	struct ex_session *session = call->session;
	bool pinned;

	pthread_mutex_lock(&session->probe_lock);
	if (session->regions_pinned < 0) {
		probe_devices(session, devices);
		session->regions_pinned = session->arena_size && devices > 0 && probe_pinning(call);
	}
	pinned = session->regions_pinned > 0;
	pthread_mutex_unlock(&session->probe_lock);
	return pinned;
}

CUresult ex_vgSessionInfo(struct ex_call *call, void *info, size_t size)
{
	struct vg_session_info answer = {.init_result = (int32_t)ex_gpus_start(call->session)};
	CUmoduleLoadingMode mode = 0;
	int value = 0;

	if (!info)
		return CUDA_ERROR_INVALID_VALUE;
	if (ex_driver.cuDriverGetVersion && !ex_driver.cuDriverGetVersion(&value))
		answer.driver_version = value;
	if (!answer.init_result && ex_driver.cuDeviceGetCount &&
	    !ex_driver.cuDeviceGetCount(&value))
		answer.device_count = value;
	if (ex_driver.cuModuleGetLoadingMode && !ex_driver.cuModuleGetLoadingMode(&mode))
		answer.loading_mode = mode;
	if (!answer.init_result)
		answer.regions_pinned = regions_pinned(call, answer.device_count);
	ex_driver_id(answer.driver_id, sizeof(answer.driver_id));
	answer.arena_base = call->session->arena_base;
	answer.arena_size = call->session->arena_size;
	memcpy(info, &answer, vg_min(size, sizeof(answer)));
	return CUDA_SUCCESS;
}

/*
 * What is not true of the device as the guest has it: its processor reads and writes managed memory
 * only while the device does not, and the device reaches no memory of the program's that CUDA was not
 * told of. Memory is not shared with other hosts, and no object spans several devices.
 */
static const CUdevice_attribute not_here[] = {
	CU_DEVICE_ATTRIBUTE_CONCURRENT_MANAGED_ACCESS,
	CU_DEVICE_ATTRIBUTE_DIRECT_MANAGED_MEM_ACCESS_FROM_HOST,
	CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS,
	CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES,
	CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_FABRIC_SUPPORTED,
	CU_DEVICE_ATTRIBUTE_MULTICAST_SUPPORTED,
};

static void device_attributes(struct vg_device_info *info, CUdevice dev)
{
	for (unsigned int i = 0; i < VG_DEVICE_ATTRIBUTES; i++) {
		int value = 0;

		info->result[i] = (uint16_t)ex_driver.cuDeviceGetAttribute(
			&value, (CUdevice_attribute)i, dev);
		info->attribute[i] = value;
	}
	for (size_t i = 0; i < sizeof(not_here) / sizeof(not_here[0]); i++)
		info->attribute[not_here[i]] = 0;
}

CUresult ex_vgDeviceInfo(struct ex_call *call, void *info, size_t size, CUdevice dev)
{
	struct vg_device_info *answer = ex_scratch(call, 1, sizeof(*answer));
	uint64_t quota = ex_account_of(call->session, ex_gpu_of(call->session, dev))->limit;
	size_t total = 0;
	CUresult result;
	CUuuid uuid;

	if (!info)
		return CUDA_ERROR_INVALID_VALUE;
	if (!answer)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (!ex_driver.cuDeviceGetName || !ex_driver.cuDeviceGetUuid ||
	    !ex_driver.cuDeviceTotalMem_v2 || !ex_driver.cuDeviceGetAttribute ||
	    !ex_driver.cuDeviceGetPCIBusId)
		return CUDA_ERROR_NOT_SUPPORTED;
	result = ex_driver.cuDeviceGetName(answer->name, sizeof(answer->name) - 1, dev);
	if (!result)
		result = ex_driver.cuDeviceGetUuid(&uuid, dev);
	if (!result)
		result = ex_driver.cuDeviceTotalMem_v2(&total, dev);
	if (!result)
		result = ex_driver.cuDeviceGetPCIBusId(answer->pci_bus_id,
						       sizeof(answer->pci_bus_id) - 1, dev);
	if (result)
		return result;
	memcpy(answer->uuid, &uuid, sizeof(answer->uuid));
	answer->total_memory = quota ? vg_min(total, quota) : total;
	device_attributes(answer, dev);
	memcpy(info, answer, vg_min(size, sizeof(*answer)));
	return CUDA_SUCCESS;
}

CUresult ex_vgLogsDump(struct ex_call *call, int has, CUlogIterator *iterator, size_t *size,
		       char *buffer, unsigned int flags)
{
	(void)call;
	if (!ex_driver.cuLogsDumpToMemory)
		return CUDA_ERROR_NOT_SUPPORTED;
	return ex_driver.cuLogsDumpToMemory(has ? iterator : NULL, buffer, size, flags);
}
