/* SPDX-License-Identifier: MIT */
/*
 * cuGetExportTable: what CUDA's own runtime asks of a driver library beyond the public calls, so that
 * ordinary CUDA programs run on this library without anything in between. The slots that matter are
 * listed in docs/libcuda.md; all others refuse.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/context.h"
#include "dom0-executor/soft/storage.h"
#include "protocol/integrity.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIZE_SLOT(table) ((const void *)sizeof(table))

static CUresult refused(void)
{
	return CUDA_ERROR_NOT_SUPPORTED;
}
#define REFUSED ((const void *)refused)

static CUresult returns_0(void)
{
	return CUDA_SUCCESS;
}

/* --- CUDART_INTERFACE ------------------------------------------------------------------------ */

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

static const void *const cudart_table[13] = {
	SIZE_SLOT(cudart_table),
	(const void *)cuModuleLoadData,
	(const void *)cudart_primary,
	REFUSED,
	REFUSED,
	REFUSED,
	(const void *)cuModuleLoadData,
	(const void *)returns_0,
	(const void *)cudart_load_header,
	REFUSED,
	REFUSED,
	REFUSED,
	(const void *)returns_0,
};

/* --- hooks for profilers: nobody ever subscribes ---------------------------------------------- */

#define HOOKS 4096
static uint32_t api_hooks[HOOKS], resource_hooks[HOOKS];

static CUresult hooks_of_api(void **flags, size_t *count)
{
	*flags = api_hooks;
	*count = HOOKS;
	return CUDA_SUCCESS;
}

static CUresult hooks_of_resources(void **flags, size_t *count)
{
	*flags = resource_hooks;
	*count = HOOKS / 2; /* they may be pointers */
	return CUDA_SUCCESS;
}

static const void *const hooks_table[7] = {
	SIZE_SLOT(hooks_table),
	REFUSED,
	(const void *)hooks_of_api,
	REFUSED,
	REFUSED,
	REFUSED,
	(const void *)hooks_of_resources,
};

/* --- threads, contexts ----------------------------------------------------------------------- */

static const void *const tls_table[3] = {
	SIZE_SLOT(tls_table),
	REFUSED,
	(const void *)cuCtxGetCurrent,
};

static CUresult checks_context(CUcontext ctx, uint32_t *answer, void **unused)
{
	(void)ctx;
	(void)unused;
	*answer = 0;
	return CUDA_SUCCESS;
}

static const void *const checks_table[15] = {
	SIZE_SLOT(checks_table),
	REFUSED,
	(const void *)checks_context,
	(const void *)returns_0,
	REFUSED,
	REFUSED,
	REFUSED,
	REFUSED,
	REFUSED,
	REFUSED,
	REFUSED,
	REFUSED,
	REFUSED,
	REFUSED,
	REFUSED,
};

/* This one has no size, but a NULL at its end. */
static const void *const storage_table[4] = {
	(const void *)storage_put,
	(const void *)storage_delete,
	(const void *)storage_get,
	NULL,
};

/* --- the self-test --------------------------------------------------------------------------- */

#ifndef VG_NO_INTEGRITY
static CUresult integrity_check(uint32_t version, uint64_t seconds, uint64_t out[2]);

static const void *const integrity_table[3] = {
	SIZE_SLOT(integrity_table),
	(const void *)integrity_check,
	REFUSED,
};

static CUresult integrity_check(uint32_t version, uint64_t seconds, uint64_t out[2])
{
	struct vg_integrity_device devices[SOFT_DEVICES_MAX];
	struct vg_integrity facts = {
		.version = version,
		.pid = (uint32_t)getpid(),
		.thread = (uint32_t)pthread_self(),
		.cudart_table = cudart_table,
		.integrity_table = integrity_table,
		.function = (const void *)integrity_check,
		.seconds = seconds,
	};
	int driver_version = 0;

	ENTER_DRIVER();
	cuDriverGetVersion(&driver_version);
	facts.driver_version = (uint32_t)driver_version;
	for (int i = 0; device_of(i); i++) {
		memcpy(devices[i].uuid, device_of(i)->uuid.bytes, sizeof(devices[i].uuid));
		devices[i].domain = device_limit(device_of(i), CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID);
		devices[i].bus = device_limit(device_of(i), CU_DEVICE_ATTRIBUTE_PCI_BUS_ID);
		devices[i].device = device_limit(device_of(i), CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID);
	}
	vg_integrity_sum(&facts, devices, soft_settings.devices, out);
	return CUDA_SUCCESS;
}
#endif

/* --- tables by their UUIDs ------------------------------------------------------------------- */

static const struct {
	uint8_t uuid[16];
	const void *table;
} tables[] = {
	{{0x6b, 0xd5, 0xfb, 0x6c, 0x5b, 0xf4, 0xe7, 0x4a, 0x89, 0x87, 0xd9, 0x39, 0x12, 0xfd, 0x9d,
	  0xf9},
	 cudart_table},
	{{0xa0, 0x94, 0x79, 0x8c, 0x2e, 0x74, 0x2e, 0x74, 0x93, 0xf2, 0x08, 0x00, 0x20, 0x0c, 0x0a,
	  0x66},
	 hooks_table},
	{{0x42, 0xd8, 0x5a, 0x81, 0x23, 0xf6, 0xcb, 0x47, 0x82, 0x98, 0xf6, 0xe7, 0x8a, 0x3a, 0xec,
	  0xdc},
	 tls_table},
	{{0xc6, 0x93, 0x33, 0x6e, 0x11, 0x21, 0xdf, 0x11, 0xa8, 0xc3, 0x68, 0xf3, 0x55, 0xd8, 0x95,
	  0x93},
	 storage_table},
	{{0x26, 0x3e, 0x88, 0x60, 0x7c, 0xd2, 0x61, 0x43, 0x92, 0xf6, 0xbb, 0xd5, 0x00, 0x6d, 0xfa,
	  0x7e},
	 checks_table},
#ifndef VG_NO_INTEGRITY
	{{0xd4, 0x08, 0x20, 0x55, 0xbd, 0xe6, 0x70, 0x4b, 0x8d, 0x34, 0xba, 0x12, 0x3c, 0x66, 0xe1,
	  0xf2},
	 integrity_table},
#endif
};

CUresult cuGetExportTable(const void **ppExportTable, const CUuuid *pExportTableId)
{
	if (!ppExportTable || !pExportTableId)
		return CUDA_ERROR_INVALID_VALUE;
	*ppExportTable = NULL;
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if (memcmp(tables[i].uuid, pExportTableId->bytes, 16) == 0)
			*ppExportTable = tables[i].table;
	return *ppExportTable ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}
