/* SPDX-License-Identifier: MIT */
/* cuInit, devices, contexts, entry points. Two devices. */
#include "tests/unit/soft/soft_test.h"

#include <pthread.h>
#include <sys/wait.h>

static void nothing_works_before_init(void **state)
{
	int count;
	CUdevice device;
	CUcontext ctx;
	CUdeviceptr memory;

	(void)state;
	fails(cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
	fails(cuDeviceGet(&device, 0), CUDA_ERROR_NOT_INITIALIZED);
	fails(cuCtxGetCurrent(&ctx), CUDA_ERROR_NOT_INITIALIZED);
	fails(cuMemAlloc_v2(&memory, 4), CUDA_ERROR_NOT_INITIALIZED);
	fails(cuInit(1), CUDA_ERROR_INVALID_VALUE);
	ok(cuDriverGetVersion(&count));
	assert_int_equal(count, 13000);
	ok(cuInit(0));
	ok(cuInit(0));
}

static void devices_have_properties(void **state)
{
	char name[64], bus[16];
	int count, value, major;
	CUuuid first, second;
	CUdevice device;
	size_t bytes;

	(void)state;
	ok(cuDeviceGetCount(&count));
	assert_int_equal(count, 2);
	fails(cuDeviceGet(&device, 2), CUDA_ERROR_INVALID_DEVICE);
	fails(cuDeviceGet(&device, -1), CUDA_ERROR_INVALID_DEVICE);
	fails(cuDeviceGet(NULL, 0), CUDA_ERROR_INVALID_VALUE);
	ok(cuDeviceGet(&device, 1));
	ok(cuDeviceGetName(name, sizeof(name), device));
	assert_string_equal(name, "vgpu soft device");
	ok(cuDeviceGetName(name, 5, device));
	assert_string_equal(name, "vgpu");
	ok(cuDeviceGetUuid_v2(&first, 0));
	ok(cuDeviceGetUuid_v2(&second, 1));
	assert_memory_not_equal(&first, &second, sizeof(first));
	ok(cuDeviceTotalMem_v2(&bytes, device));
	assert_int_equal(bytes, 64 << 20);
	ok(cuDeviceGetPCIBusId(bus, sizeof(bus), device));
	ok(cuDeviceGetByPCIBusId(&device, bus));
	assert_int_equal(device, 1);
	fails(cuDeviceGetPCIBusId(bus, 3, device), CUDA_ERROR_INVALID_VALUE);
	for (int i = 1; i < CU_DEVICE_ATTRIBUTE_MAX; i++)
		ok(cuDeviceGetAttribute(&value, (CUdevice_attribute)i, 0));
	fails(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_MAX, 0), CUDA_ERROR_INVALID_VALUE);
	fails(cuDeviceGetAttribute(&value, (CUdevice_attribute)0, 0), CUDA_ERROR_INVALID_VALUE);
	ok(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0));
	assert_int_equal(major, 9);
	ok(cuDeviceCanAccessPeer(&value, 0, 1));
	assert_int_equal(value, 1);
}

static void primary_context_lives_while_retained(void **state)
{
	CUcontext ctx, again, current;
	unsigned int flags;
	CUdeviceptr memory;
	CUstream stream;
	int active;

	(void)state;
	ok(cuDevicePrimaryCtxGetState(0, &flags, &active));
	assert_int_equal(active, 0);
	fails(cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_INVALID_CONTEXT);
	ok(cuDevicePrimaryCtxRetain(&ctx, 0));
	ok(cuDevicePrimaryCtxRetain(&again, 0));
	assert_ptr_equal(ctx, again);
	ok(cuCtxSetCurrent(ctx));
	ok(cuMemAlloc_v2(&memory, 100));
	ok(cuStreamCreate(&stream, 0));
	ok(cuDevicePrimaryCtxRelease_v2(0));
	ok(cuStreamSynchronize(stream));
	ok(cuDevicePrimaryCtxRelease_v2(0));
	fails(cuStreamSynchronize(NULL), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	fails(cuMemFree_v2(memory), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	ok(cuCtxGetCurrent(&current));
	assert_ptr_equal(current, ctx);

	ok(cuDevicePrimaryCtxRetain(&again, 0));
	assert_ptr_equal(ctx, again);
	fails(cuStreamSynchronize(stream), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	fails(cuMemFree_v2(memory), CUDA_ERROR_INVALID_VALUE);
	ok(cuDevicePrimaryCtxReset_v2(0));
	ok(cuDevicePrimaryCtxGetState(0, &flags, &active));
	assert_int_equal(active, 0);
	ok(cuCtxSetCurrent(NULL));
}

static void contexts_stack_up(void **state)
{
	CUcontext one, two, got;
	unsigned int version;
	CUdevice device;

	(void)state;
	fails(cuCtxGetDevice(&device), CUDA_ERROR_INVALID_CONTEXT);
	fails(cuCtxPopCurrent_v2(&got), CUDA_ERROR_INVALID_CONTEXT);
	ok(cuCtxCreate_v4(&one, NULL, 0, 0));
	ok(cuCtxCreate_v2(&two, CU_CTX_SCHED_SPIN, 1));
	ok(cuCtxGetDevice(&device));
	assert_int_equal(device, 1);
	ok(cuCtxGetDevice_v2(&device, one));
	assert_int_equal(device, 0);
	ok(cuCtxGetApiVersion(one, &version));
	assert_int_equal(version, 3020);
	ok(cuCtxPopCurrent_v2(&got));
	assert_ptr_equal(got, two);
	ok(cuCtxGetCurrent(&got));
	assert_ptr_equal(got, one);
	ok(cuCtxDestroy_v2(one));
	ok(cuCtxGetCurrent(&got));
	assert_null(got);
	fails(cuCtxDestroy_v2(one), CUDA_ERROR_INVALID_CONTEXT);
	fails(cuCtxSetCurrent(one), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	ok(cuCtxPushCurrent_v2(two));
	ok(cuCtxDestroy_v2(two));
	fails(cuCtxCreate_v2(&one, 0x4000, 0), CUDA_ERROR_INVALID_VALUE);
	fails(cuCtxCreate_v2(&one, 0, 7), CUDA_ERROR_INVALID_DEVICE);
}

static void *use_destroyed(void *ctx)
{
	CUdeviceptr memory;

	(void)ctx;
	return (void *)(uintptr_t)cuMemAlloc_v2(&memory, 16);
}

static void *take_and_use_destroyed(void *ctx)
{
	if (cuCtxSetCurrent(ctx))
		return (void *)1;
	ok(cuCtxDestroy_v2(ctx));
	return use_destroyed(ctx);
}

static void a_context_of_another_thread_can_go(void **state)
{
	pthread_t thread;
	CUcontext ctx;
	void *result;

	(void)state;
	ok(cuCtxCreate_v2(&ctx, 0, 0));
	assert_int_equal(pthread_create(&thread, NULL, take_and_use_destroyed, ctx), 0);
	pthread_join(thread, &result);
	assert_int_equal((uintptr_t)result, CUDA_ERROR_INVALID_CONTEXT); /* its stack is empty */
	assert_int_equal((uintptr_t)use_destroyed(ctx), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	ok(cuCtxSetCurrent(NULL));
}

static void limits_and_settings_are_kept(void **state)
{
	CUfunc_cache cache;
	int least, greatest;
	size_t value;

	(void)state;
	ok(cuCtxSetLimit(CU_LIMIT_STACK_SIZE, 4096));
	ok(cuCtxGetLimit(&value, CU_LIMIT_STACK_SIZE));
	assert_int_equal(value, 4096);
	fails(cuCtxGetLimit(&value, CU_LIMIT_MAX), CUDA_ERROR_UNSUPPORTED_LIMIT);
	fails(cuCtxGetLimit(NULL, CU_LIMIT_STACK_SIZE), CUDA_ERROR_INVALID_VALUE);
	ok(cuCtxSetCacheConfig(CU_FUNC_CACHE_PREFER_L1));
	ok(cuCtxGetCacheConfig(&cache));
	assert_int_equal(cache, CU_FUNC_CACHE_PREFER_L1);
	ok(cuCtxGetStreamPriorityRange(&least, &greatest));
	assert_true(greatest <= least);
}

static void peers_are_kept_account_of(void **state)
{
	CUcontext mine, other;

	(void)state;
	ok(cuCtxGetCurrent(&mine));
	ok(cuDevicePrimaryCtxRetain(&other, 1));
	fails(cuCtxDisablePeerAccess(other), CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
	ok(cuCtxEnablePeerAccess(other, 0));
	fails(cuCtxEnablePeerAccess(other, 0), CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
	ok(cuCtxDisablePeerAccess(other));
	fails(cuCtxEnablePeerAccess(mine, 0), CUDA_ERROR_INVALID_DEVICE);
	fails(cuCtxEnablePeerAccess(NO_HANDLE(CUcontext), 0), CUDA_ERROR_INVALID_CONTEXT);
	ok(cuDevicePrimaryCtxRelease_v2(1));
}

static void entry_points_are_found_by_version(void **state)
{
	CUdriverProcAddressQueryResult status;
	void *found, *wanted;

	(void)state;
	ok(cuGetProcAddress_v2("cuMemAlloc", &found, 12000, 0, &status));
	assert_ptr_equal(found, (void *)cuMemAlloc_v2);
	assert_int_equal(status, CU_GET_PROC_ADDRESS_SUCCESS);
	ok(cuGetProcAddress_v2("cuMemcpyAsync", &found, 12000, 2, &status));
	wanted = (void *)cuMemcpyAsync_ptsz;
	assert_ptr_equal(found, wanted);
	ok(cuGetProcAddress_v2("cuMemcpyAsync", &found, 12000, 1, &status));
	assert_ptr_equal(found, (void *)cuMemcpyAsync);
	ok(cuGetProcAddress_v2("cuCtxCreate", &found, 12050, 0, &status));
	assert_ptr_equal(found, (void *)cuCtxCreate_v4);
	ok(cuGetProcAddress_v2("cuCtxCreate", &found, 12040, 0, &status));
	assert_ptr_equal(found, (void *)cuCtxCreate_v3);
	ok(cuGetProcAddress_v2("cuLibraryLoadData", &found, 11000, 0, &status));
	assert_null(found);
	assert_int_equal(status, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT);
	ok(cuGetProcAddress_v2("cuNoSuchCall", &found, 13000, 0, &status));
	assert_null(found);
	assert_int_equal(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
	fails(cuGetProcAddress("cuNoSuchCall", &found, 13000, 0), CUDA_ERROR_NOT_FOUND);
	fails(cuGetProcAddress_v2(NULL, &found, 13000, 0, &status), CUDA_ERROR_INVALID_VALUE);
}

static void errors_have_names(void **state)
{
	const char *text;

	(void)state;
	ok(cuGetErrorName(CUDA_ERROR_INVALID_HANDLE, &text));
	assert_string_equal(text, "CUDA_ERROR_INVALID_HANDLE");
	ok(cuGetErrorString(CUDA_SUCCESS, &text));
	assert_string_equal(text, "no error");
	fails(cuGetErrorName((CUresult)12345, &text), CUDA_ERROR_INVALID_VALUE);
	assert_null(text);
}

static void wrong_handles_are_refused(void **state)
{
	CUstream stream;
	CUevent event;
	unsigned int flags;
	CUdevice device;

	(void)state;
	ok(cuStreamCreate(&stream, 0));
	ok(cuEventCreate(&event, 0));
	fails(cuEventQuery((CUevent)stream), CUDA_ERROR_INVALID_HANDLE);
	fails(cuStreamGetFlags((CUstream)event, &flags), CUDA_ERROR_INVALID_HANDLE);
	fails(cuStreamGetFlags(NO_HANDLE(CUstream), &flags), CUDA_ERROR_INVALID_HANDLE);
	fails(cuModuleUnload((CUmodule)stream), CUDA_ERROR_INVALID_HANDLE);
	fails(cuLibraryUnload(NO_HANDLE(CUlibrary)), CUDA_ERROR_INVALID_HANDLE);
	fails(cuArrayDestroy(NO_HANDLE(CUarray)), CUDA_ERROR_INVALID_HANDLE);
	fails(cuGraphDestroy(NO_HANDLE(CUgraph)), CUDA_ERROR_INVALID_VALUE);
	fails(cuCtxGetDevice_v2(&device, NO_HANDLE(CUcontext)), CUDA_ERROR_INVALID_CONTEXT);
	ok(cuStreamDestroy_v2(stream));
	fails(cuStreamDestroy_v2(stream), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	fails(cuStreamSynchronize(stream), CUDA_ERROR_CONTEXT_IS_DESTROYED);
	ok(cuEventDestroy_v2(event));
	fails(cuEventDestroy_v2(event), CUDA_ERROR_CONTEXT_IS_DESTROYED);
}

static void a_forked_child_has_no_driver(void **state)
{
	int status;
	pid_t child;

	(void)state;
	child = fork();
	if (child == 0) {
		int count;

		_exit(cuInit(0) == CUDA_ERROR_NOT_INITIALIZED &&
				      cuDeviceGetCount(&count) == CUDA_ERROR_NOT_INITIALIZED
			      ? 0
			      : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

/* --- export tables --------------------------------------------------------------------------- */

#define UUID_STORAGE "\xc6\x93\x33\x6e\x11\x21\xdf\x11\xa8\xc3\x68\xf3\x55\xd8\x95\x93"
#define UUID_CHECKS  "\x26\x3e\x88\x60\x7c\xd2\x61\x43\x92\xf6\xbb\xd5\x00\x6d\xfa\x7e"
#define UUID_LOG     "\xf8\xcf\xf9\x51\x21\x46\x8b\x4e\xb9\xe2\xfb\x46\x9e\x7c\x0d\xd9"

static CUresult table_get(const char *uuid, const void *const **table)
{
	CUuuid id;
	const void *found = (const void *)1;
	CUresult result;

	memcpy(id.bytes, uuid, 16);
	result = cuGetExportTable(&found, &id);
	*table = found;
	return result;
}

static unsigned int dtors;

static void dtor(CUcontext ctx, void *key, void *value)
{
	(void)ctx;
	(void)key;
	dtors++;
	++*(int *)value;
}

static void export_tables_are_found(void **state)
{
	CUresult (*slot)(void);
	const void *const *table;

	(void)state;
	ok(table_get(UUID_CHECKS, &table));
	assert_int_equal((uintptr_t)table[0], 15 * 8);
	memcpy(&slot, &table[14], sizeof(slot));
	fails(slot(), CUDA_ERROR_NOT_SUPPORTED);
	/* One that only the guest's library has. */
	fails(table_get(UUID_LOG, &table), CUDA_ERROR_NOT_FOUND);
	assert_null(table);
	fails(cuGetExportTable(NULL, NULL), CUDA_ERROR_INVALID_VALUE);
}

static void storage_ends_with_its_context(void **state)
{
	CUresult (*put)(CUcontext, void *, void *, void (*)(CUcontext, void *, void *));
	CUresult (*get)(void **, CUcontext, void *);
	CUresult (*drop)(CUcontext, void *);
	const void *const *table;
	int key, value = 0, other = 0;
	void *found;
	CUcontext ctx;

	(void)state;
	ok(cuInit(0));
	ok(table_get(UUID_STORAGE, &table));
	assert_null(table[3]);
	memcpy(&put, &table[0], sizeof(put));
	memcpy(&drop, &table[1], sizeof(drop));
	memcpy(&get, &table[2], sizeof(get));
	ok(cuCtxSetCurrent(NULL));
	fails(put(NULL, &key, &value, dtor), CUDA_ERROR_INVALID_CONTEXT);
	fails(get(&found, NULL, &key), CUDA_ERROR_INVALID_CONTEXT);
	fails(drop(NULL, NULL), CUDA_ERROR_INVALID_HANDLE);
	ok(cuCtxCreate_v2(&ctx, 0, 0));
	ok(put(NULL, &key, &value, dtor));
	ok(put(ctx, &other, &other, dtor));
	ok(get(&found, (CUcontext)-1, &key));
	assert_ptr_equal(found, &value);
	ok(drop(ctx, &other));
	fails(get(&found, ctx, &other), CUDA_ERROR_INVALID_HANDLE);
	assert_null(found);
	ok(cuCtxDestroy_v2(ctx));
	assert_int_equal(dtors, 1);
	assert_int_equal(value, 1);
	fails(get(&found, ctx, &key), CUDA_ERROR_INVALID_HANDLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_works_before_init),
		cmocka_unit_test(devices_have_properties),
		cmocka_unit_test(primary_context_lives_while_retained),
		cmocka_unit_test(contexts_stack_up),
		cmocka_unit_test(a_context_of_another_thread_can_go),
		test(limits_and_settings_are_kept),
		test(peers_are_kept_account_of),
		cmocka_unit_test(entry_points_are_found_by_version),
		cmocka_unit_test(errors_have_names),
		cmocka_unit_test(export_tables_are_found),
		cmocka_unit_test(storage_ends_with_its_context),
		test(wrong_handles_are_refused),
		cmocka_unit_test(a_forked_child_has_no_driver),
	};

	setenv("VGPU_SOFT_DEVICES", "2", 1);
	setenv("VGPU_SOFT_MEM", "64M", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
