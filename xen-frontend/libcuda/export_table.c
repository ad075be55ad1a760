/* SPDX-License-Identifier: MIT */
/*
 * cuGetExportTable: tables of functions that the CUDA runtime and CUDA's libraries take from the
 * driver besides its documented functions. What each must do was observed from outside or is
 * published; docs/libcuda.md lists it. Slots that nobody was seen to need answer
 * CUDA_ERROR_NOT_SUPPORTED. Any thread, before cuInit too.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/context_storage.h"
#include "xen-frontend/libcuda/device.h"
#include "protocol/integrity.h"
#include "xen-frontend/libcuda/session.h"

/* Slot 0 holds the table's size in bytes. */
#define SIZE_SLOT(table) ((const void *)sizeof(table))

static CUresult slot_refused(void)
{
	return CUDA_ERROR_NOT_SUPPORTED;
}
#define REFUSED ((const void *)slot_refused)

/* Needs a session, as an exported function does. */
static CUresult with_session(void)
{
	return fe_enter(VG_OP_cuGetExportTable);
}

/* --- CUDART_INTERFACE ---------------------------------------------------------------------- */

static CUresult cudart_load(CUmodule *module, const void *image)
{
	CUresult result = with_session();

	return result ? result : fe_cuModuleLoadData(module, image);
}

static CUresult cudart_primary(CUcontext *ctx, CUdevice device)
{
	CUresult result = with_session();

	if (!result && !ctx)
		result = CUDA_ERROR_INVALID_VALUE;
	return result ? result : fe_context_primary(device, ctx);
}

static CUresult cudart_load_wrapper(CUmodule *module, const void *wrapper, void *unused1,
				    void *unused2, unsigned int unused3)
{
	(void)unused1;
	(void)unused2;
	(void)unused3;
	return cudart_load(module, wrapper);
}

static CUresult cudart_load_header(const void *header, CUmodule *module, void *unused1,
				   void *unused2, unsigned int unused3)
{
	(void)unused1;
	(void)unused2;
	(void)unused3;
	return cudart_load(module, header);
}

static CUresult returns_0(void)
{
	return CUDA_SUCCESS;
}

static const void *const cudart_table[13] = {
	SIZE_SLOT(cudart_table),
	(const void *)cudart_load,
	(const void *)cudart_primary,
	REFUSED,
	REFUSED,
	REFUSED,
	(const void *)cudart_load_wrapper,
	(const void *)returns_0,
	(const void *)cudart_load_header,
	REFUSED,
	REFUSED,
	REFUSED,
	(const void *)returns_0,
};

/* --- TOOLS_RUNTIME_CALLBACK_HOOKS: arrays in which a profiler would subscribe: none does ------ */

#define HOOKS_MAX 4096
static uint32_t hooks_api[HOOKS_MAX], hooks_resource[HOOKS_MAX];

static CUresult hooks_of_api(void **flags, size_t *count)
{
	*flags = hooks_api;
	*count = HOOKS_MAX;
	return CUDA_SUCCESS;
}

static CUresult hooks_of_resources(void **flags, size_t *count)
{
	*flags = hooks_resource;
	*count = HOOKS_MAX / 2; /* pointers fit as well */
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

/* --- TOOLS_TLS, CONTEXT_CHECKS --------------------------------------------------------------- */

static CUresult tls_current(CUcontext *ctx)
{
	return fe_cuCtxGetCurrent(ctx);
}

static const void *const tls_table[3] = {
	SIZE_SLOT(tls_table),
	REFUSED,
	(const void *)tls_current,
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

/* --- CONTEXT_LOCAL_STORAGE: no size, but a NULL at the end ------------------------------------ */

static const void *const storage_table[4] = {
	(const void *)fe_storage_put,
	(const void *)fe_storage_delete,
	(const void *)fe_storage_get,
	NULL,
};

/* --- INTEGRITY_CHECK --------------------------------------------------------------------------- */

#ifndef VG_NO_INTEGRITY
static CUresult integrity_check(uint32_t version, uint64_t seconds, uint64_t out[2]);

static const void *const integrity_table[3] = {
	SIZE_SLOT(integrity_table),
	(const void *)integrity_check,
	REFUSED,
};

static CUresult integrity_devices(struct vg_integrity_device *devices, int count)
{
	const struct vg_device_info *info;

	for (CUdevice i = 0; i < count; i++) {
		CUresult result = fe_device_get(i, &info);

		if (result)
			return result;
		memcpy(devices[i].uuid, info->uuid, sizeof(devices[i].uuid));
		devices[i].domain = fe_device_attribute(info, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID);
		devices[i].bus = fe_device_attribute(info, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID);
		devices[i].device = fe_device_attribute(info, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID);
	}
	return CUDA_SUCCESS;
}

static CUresult integrity_check(uint32_t version, uint64_t seconds, uint64_t out[2])
{
	struct vg_integrity_device devices[FE_DEVICES_MAX];
	int driver_version = 0, count = fe_device_count();
	CUresult result = integrity_devices(devices, count);

	if (!result)
		result = fe_cuDriverGetVersion(&driver_version);
	if (result)
		return result;
	vg_integrity_sum(
		&(struct vg_integrity){
			.driver_version = (uint32_t)driver_version,
			.version = version,
			.pid = (uint32_t)getpid(),
			.thread = (uint32_t)(uintptr_t)pthread_self(),
			.cudart_table = cudart_table,
			.integrity_table = integrity_table,
			.function = (const void *)integrity_check,
			.seconds = seconds,
		},
		devices, (size_t)count, out);
	return CUDA_SUCCESS;
}
#endif

/* --- error log ---------------------------------------------------------------------------------- */

static CUresult log_error(const char *domain, int severity, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));
static CUresult log_error(const char *domain, int severity, const char *format, va_list args)
{
	char text[512];

	if (!format || !vg_log_on(&fe_who, VG_LOG_INFO))
		return CUDA_SUCCESS;
	vsnprintf(text, sizeof(text), format, args);
	vg_info(&fe_who, "from=%s severity=%d text=\"%s\"", domain ? domain : "-", severity, text);
	return CUDA_SUCCESS;
}

static const void *const log_table[3] = {
	SIZE_SLOT(log_table),
	(const void *)log_error,
	REFUSED,
};

/* --- contexts and modules, as cuBLASLt and cuFFT use them ---------------------------------------- */

static CUresult context_id(CUcontext ctx, uint64_t *id)
{
	unsigned long long value = 0;
	CUresult result = fe_cuCtxGetId(ctx, &value);

	if (!result)
		*id = value;
	return result;
}

#define CONTEXT_SLOTS 93
#define CONTEXT_ID    4
static const void *context_table[CONTEXT_SLOTS];

typedef void (*function_visitor)(void *user, CUfunction function, void *unused);

/* 1, as was seen: also where nothing is visited. */
static uint64_t module_functions(CUcontext ctx, CUmodule module, function_visitor visit, void *user)
{
	unsigned int count = 0;
	CUfunction *functions = NULL;
	bool entered = false;

	if (with_session() || fe_context_enter(ctx, &entered))
		return 1;
	if (!rpc_cuModuleGetFunctionCount(&count, module) && count)
		functions = calloc(count, sizeof(*functions));
	if (functions && !rpc_cuModuleEnumerateFunctions(functions, count, module)) {
		for (unsigned int i = 0; i < count; i++)
			visit(user, functions[i], NULL);
	}
	fe_context_exit(entered);
	free(functions);
	return 1;
}

#define MODULE_SLOTS     99
#define MODULE_FUNCTIONS 7
static const void *module_table[MODULE_SLOTS];

static void tables_fill(void)
{
	for (unsigned int i = 1; i < CONTEXT_SLOTS; i++)
		context_table[i] = REFUSED;
	for (unsigned int i = 1; i < MODULE_SLOTS; i++)
		module_table[i] = REFUSED;
	context_table[0] = SIZE_SLOT(context_table);
	context_table[CONTEXT_ID] = (const void *)context_id;
	module_table[0] = SIZE_SLOT(module_table);
	module_table[MODULE_FUNCTIONS] = (const void *)module_functions;
}

/* --- the tables by their UUIDs -------------------------------------------------------------------- */

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
	{{0xf8, 0xcf, 0xf9, 0x51, 0x21, 0x46, 0x8b, 0x4e, 0xb9, 0xe2, 0xfb, 0x46, 0x9e, 0x7c, 0x0d,
	  0xd9},
	 log_table},
	{{0x21, 0x31, 0x8c, 0x60, 0x97, 0x14, 0x32, 0x48, 0x8c, 0xa6, 0x41, 0xff, 0x73, 0x24, 0xc8,
	  0xf2},
	 context_table},
	{{0x6e, 0x16, 0x3f, 0xbe, 0xb9, 0x58, 0x44, 0x4d, 0x83, 0x5c, 0xe1, 0x82, 0xaf, 0xf1, 0x99,
	  0x1e},
	 module_table},
};

CUresult fe_cuGetExportTable(const void **ppExportTable, const CUuuid *pExportTableId)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	if (!ppExportTable || !pExportTableId)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_once(&once, tables_fill);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		if (!memcmp(tables[i].uuid, pExportTableId, sizeof(tables[i].uuid))) {
			*ppExportTable = tables[i].table;
			return CUDA_SUCCESS;
		}
	}
	/* Never success without a table: the callers do not look twice. */
	*ppExportTable = NULL;
	return CUDA_ERROR_NOT_FOUND;
}
