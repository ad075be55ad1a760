/* SPDX-License-Identifier: MIT */
/*
 * cuGetExportTable: what CUDA's own runtime asks of a driver library beyond the public calls, so that
 * ordinary CUDA programs run on this library without anything in between. The slots that matter are
 * listed in docs/libcuda.md; all others refuse.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/context.h"
#include "dom0-executor/soft/storage.h"
#include "protocol/export_table.h"
#include "protocol/integrity.h"

#include <string.h>

static CUresult cudart_primary(CUcontext *ctx, CUdevice device)
{
	ENTER_DRIVER();
	if (!ctx)
		return CUDA_ERROR_INVALID_VALUE;
	if (!device_of(device))
		return CUDA_ERROR_INVALID_DEVICE;
	*ctx = object_handle(device_of(device)->primary); /* not made active by this */
	return CUDA_SUCCESS;
}

static CUresult cudart_load_header(const void *header, CUmodule *module)
{
	return cuModuleLoadData(module, header);
}

static const void *const cudart_table[] = VG_EXPORT_CUDART_TABLE(
	cuModuleLoadData, cudart_primary, cuModuleLoadData, cudart_load_header);
static const void *const tls_table[] = VG_EXPORT_TLS_TABLE(cuCtxGetCurrent);
static const void *const storage_table[] =
	VG_EXPORT_STORAGE_TABLE(storage_put, storage_delete, storage_get);

#ifndef VG_NO_INTEGRITY
static CUresult integrity_check(uint32_t version, uint64_t seconds, uint64_t out[2]);

static const void *const integrity_table[] = VG_EXPORT_SINGLE_TABLE(integrity_check);

static CUresult integrity_check(uint32_t version, uint64_t seconds, uint64_t out[2])
{
	static const struct vg_integrity_tables tables = {cudart_table, integrity_table};
	struct vg_integrity_device devices[SOFT_DEVICES_MAX];
	int driver_version = 0;

	ENTER_DRIVER();
	cuDriverGetVersion(&driver_version);
	for (int i = 0; device_of(i); i++) {
		memcpy(devices[i].uuid, device_of(i)->uuid.bytes, sizeof(devices[i].uuid));
		devices[i].domain = device_limit(device_of(i), CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID);
		devices[i].bus = device_limit(device_of(i), CU_DEVICE_ATTRIBUTE_PCI_BUS_ID);
		devices[i].device = device_limit(device_of(i), CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID);
	}
	vg_integrity_answer(&tables, driver_version, devices, soft_settings.visible, version,
			    seconds, out);
	return CUDA_SUCCESS;
}
#endif

CUresult cuGetExportTable(const void **ppExportTable, const CUuuid *pExportTableId)
{
	static const void *const *const tables[VG_EXPORTS] = {
		[VG_EXPORT_CUDART] = cudart_table,
		[VG_EXPORT_HOOKS] = vg_export_hooks,
		[VG_EXPORT_TLS] = tls_table,
		[VG_EXPORT_STORAGE] = storage_table,
		[VG_EXPORT_CHECKS] = vg_export_checks,
#ifndef VG_NO_INTEGRITY
		[VG_EXPORT_INTEGRITY] = integrity_table,
#endif
	};

	return vg_export_get(tables, ppExportTable, pExportTableId);
}
