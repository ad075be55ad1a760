/* SPDX-License-Identifier: MIT */
/*
 * cuGetExportTable: tables of functions that the CUDA runtime and CUDA's libraries take from the
 * driver besides its documented functions. What each must do was observed from outside or is
 * published; docs/libcuda.md lists it. Any thread, before cuInit too.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/compile_cache.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/context_storage.h"
#include "xen-frontend/libcuda/device.h"
#include "protocol/export_table.h"
#include "protocol/integrity.h"
#include "xen-frontend/libcuda/session.h"

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

static const void *const cudart_table[] = VG_EXPORT_CUDART_TABLE(
	cudart_load, cudart_primary, cudart_load_wrapper, cudart_load_header);

/* --- TOOLS_TLS, CONTEXT_LOCAL_STORAGE -------------------------------------------------------- */

static CUresult tls_current(CUcontext *ctx)
{
	return fe_cuCtxGetCurrent(ctx);
}

static const void *const tls_table[] = VG_EXPORT_TLS_TABLE(tls_current);
static const void *const storage_table[] =
	VG_EXPORT_STORAGE_TABLE(fe_storage_put, fe_storage_delete, fe_storage_get);

/* --- INTEGRITY_CHECK --------------------------------------------------------------------------- */

#ifndef VG_NO_INTEGRITY
static CUresult integrity_check(uint32_t version, uint64_t seconds, uint64_t out[2]);

static const void *const integrity_table[] = VG_EXPORT_SINGLE_TABLE(integrity_check);

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
	static const struct vg_integrity_tables tables = {cudart_table, integrity_table};
	struct vg_integrity_device devices[FE_DEVICES_MAX];
	int driver_version = 0, count = fe_device_count();
	CUresult result = integrity_devices(devices, count);

	if (!result)
		result = fe_cuDriverGetVersion(&driver_version);
	if (!result)
		vg_integrity_answer(&tables, driver_version, devices, (size_t)count, version,
				    seconds, out);
	return result;
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

static const void *const log_table[] = VG_EXPORT_SINGLE_TABLE(log_error);

/* --- contexts and modules, as cuBLASLt and cuFFT use them ---------------------------------------- */

static CUresult context_id(CUcontext ctx, uint64_t *id)
{
	unsigned long long value = 0;
	CUresult result = fe_cuCtxGetId(ctx, &value);

	if (!result)
		*id = value;
	return result;
}

/* cuBLAS keeps what it has for each stream under the id that these two give. */
static CUresult context_stream(CUcontext ctx, CUstream stream, CUstream *resolved)
{
	(void)ctx;
	*resolved = stream ? stream : CU_STREAM_LEGACY;
	return CUDA_SUCCESS;
}

static CUresult context_stream_id(CUcontext ctx, CUstream stream, unsigned long long *id)
{
	bool entered = false;
	CUresult result = with_session();

	if (!result)
		result = fe_context_enter(ctx, &entered);
	if (!result)
		result = rpc_cuStreamGetId(stream, id);
	fe_context_exit(entered);
	return result;
}

static const void *const context_table[] = {
	[0] = VG_EXPORT_SIZE(93),
	[1 ... 3] = VG_EXPORT_REFUSED,
	[4] = VG_EXPORT_SLOT(context_id),
	[5 ... 38] = VG_EXPORT_REFUSED,
	[39] = VG_EXPORT_SLOT(context_stream_id),
	[40 ... 50] = VG_EXPORT_REFUSED,
	[51] = VG_EXPORT_SLOT(context_stream),
	[52 ... 92] = VG_EXPORT_REFUSED,
};

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

static const void *const module_table[] = {
	[0] = VG_EXPORT_SIZE(99),
	[1 ... 6] = VG_EXPORT_REFUSED,
	[7] = VG_EXPORT_SLOT(module_functions),
	[8 ... 98] = VG_EXPORT_REFUSED,
};

/* A client that then fails, or crashes, wants this table. */
static void log_unknown(const CUuuid *id)
{
	char text[2 * sizeof(id->bytes) + 1];

	for (size_t i = 0; i < sizeof(id->bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", (unsigned char)id->bytes[i]);
	vg_info(&fe_who, "event=no-export-table uuid=%s", text);
}

CUresult fe_cuGetExportTable(const void **ppExportTable, const CUuuid *pExportTableId)
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
		[VG_EXPORT_LOG] = log_table,
		[VG_EXPORT_CONTEXT] = context_table,
		[VG_EXPORT_MODULE] = module_table,
		[VG_EXPORT_BLAS] = vg_export_blas,
		[VG_EXPORT_COMPILED] = fe_compile_cache_table,
	};

	CUresult result = vg_export_get(tables, ppExportTable, pExportTableId);

	if (result == CUDA_ERROR_NOT_FOUND)
		log_unknown(pExportTableId);
	return result;
}
