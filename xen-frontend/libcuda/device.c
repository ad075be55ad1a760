/* SPDX-License-Identifier: MIT */
/*
 * Devices: cuDevice* that need no round trip. What they answer cannot change while the session
 * lives, so it is asked once per device. Runs in the program's threads.
 */
#include "xen-frontend/libcuda/device.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/session.h"
#include "xen-frontend/pci_id.h"

/* Filled at first use; published with release, owned by this table. */
static struct vg_device_info *_Atomic infos[FE_DEVICES_MAX];

int fe_device_count(void)
{
	int count = fe_session.info.device_count;

	if (count < 0)
		return 0;
	return count < FE_DEVICES_MAX ? count : FE_DEVICES_MAX;
}

CUresult fe_device_check(CUdevice device)
{
	return device >= 0 && device < fe_device_count() ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

static CUresult device_fetch(CUdevice device, const struct vg_device_info **info)
{
	struct vg_device_info *fetched = calloc(1, sizeof(*fetched)), *none = NULL;
	CUresult result;

	if (!fetched)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = rpc_vgDeviceInfo(fetched, sizeof(*fetched), device);
	if (result) {
		free(fetched);
		return result;
	}
	fetched->name[sizeof(fetched->name) - 1] = '\0';
	fetched->pci_bus_id[sizeof(fetched->pci_bus_id) - 1] = '\0';
	/* Another thread may have been faster: its copy stays. */
	if (atomic_compare_exchange_strong(&infos[device], &none, fetched)) {
		*info = fetched;
	} else {
		free(fetched);
		*info = none;
	}
	return CUDA_SUCCESS;
}

CUresult fe_device_get(CUdevice device, const struct vg_device_info **info)
{
	CUresult result = fe_device_check(device);

	if (result)
		return result;
	*info = atomic_load_explicit(&infos[device], memory_order_acquire);
	return *info ? CUDA_SUCCESS : device_fetch(device, info);
}

const struct vg_device_info *fe_device_info(CUdevice device)
{
	const struct vg_device_info *info = NULL;

	return fe_device_get(device, &info) ? NULL : info;
}

/* In a child after fork, which has one thread. */
void fe_device_reset(void)
{
	for (int i = 0; i < FE_DEVICES_MAX; i++)
		free(atomic_exchange(&infos[i], NULL));
}

CUresult fe_cuDeviceGet(CUdevice *device, int ordinal)
{
	CUresult result;

	if (!device)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_device_check(ordinal);
	if (!result)
		*device = ordinal;
	return result;
}

CUresult fe_cuDeviceGetCount(int *count)
{
	if (!count)
		return CUDA_ERROR_INVALID_VALUE;
	*count = fe_device_count();
	return CUDA_SUCCESS;
}

/* As much of text as len bytes hold, always terminated. */
static CUresult text_out(char *out, int len, const char *text)
{
	snprintf(out, (size_t)len, "%s", text);
	return CUDA_SUCCESS;
}

CUresult fe_cuDeviceGetName(char *name, int len, CUdevice dev)
{
	const struct vg_device_info *info;
	CUresult result;

	/* A negative length is a large one, as in the driver. */
	if (!name || !len)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_device_get(dev, &info);
	return result ? result : text_out(name, len < 0 ? INT_MAX : len, info->name);
}

CUresult fe_cuDeviceGetUuid(CUuuid *uuid, CUdevice dev)
{
	const struct vg_device_info *info;
	CUresult result;

	if (!uuid)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_device_get(dev, &info);
	if (result)
		return result;
	_Static_assert(sizeof(*uuid) == sizeof(info->uuid), "a UUID has 16 bytes");
	memcpy(uuid, info->uuid, sizeof(*uuid));
	return CUDA_SUCCESS;
}

CUresult fe_cuDeviceTotalMem_v2(size_t *bytes, CUdevice dev)
{
	const struct vg_device_info *info;
	CUresult result;

	if (!bytes)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_device_get(dev, &info);
	if (!result)
		*bytes = info->total_memory;
	return result;
}

CUresult fe_cuDeviceGetAttribute(int *pi, CUdevice_attribute attrib, CUdevice dev)
{
	const struct vg_device_info *info;
	CUresult result;

	if (!pi)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_device_get(dev, &info);
	if (result)
		return result;
	if ((unsigned int)attrib >= VG_DEVICE_ATTRIBUTES)
		return CUDA_ERROR_INVALID_VALUE;
	if (!info->result[attrib])
		*pi = info->attribute[attrib];
	return (CUresult)info->result[attrib];
}

CUresult fe_cuDeviceComputeCapability(int *major, int *minor, CUdevice dev)
{
	CUresult result;

	if (!major || !minor)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_cuDeviceGetAttribute(major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, dev);
	return result ? result
		      : fe_cuDeviceGetAttribute(minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR,
						dev);
}

CUresult fe_cuDeviceGetPCIBusId(char *pciBusId, int len, CUdevice dev)
{
	const struct vg_device_info *info;
	CUresult result;

	if (!pciBusId || len <= 0)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_device_get(dev, &info);
	if (!result && (size_t)len <= strlen(info->pci_bus_id))
		result = CUDA_ERROR_INVALID_VALUE;
	return result ? result : text_out(pciBusId, len, info->pci_bus_id);
}

CUresult fe_cuDeviceGetByPCIBusId(CUdevice *dev, const char *pciBusId)
{
	struct fe_pci_id wanted, have;

	if (!dev || !pciBusId || !fe_pci_id_parse(pciBusId, &wanted))
		return CUDA_ERROR_INVALID_VALUE;
	for (CUdevice i = 0; i < fe_device_count(); i++) {
		const struct vg_device_info *info;
		CUresult result = fe_device_get(i, &info);

		if (result)
			return result;
		if (fe_pci_id_parse(info->pci_bus_id, &have) && fe_pci_id_same(&have, &wanted)) {
			*dev = i;
			return CUDA_SUCCESS;
		}
	}
	return CUDA_ERROR_INVALID_DEVICE;
}
