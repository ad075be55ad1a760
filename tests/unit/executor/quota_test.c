/* SPDX-License-Identifier: MIT */
/*
 * The quota, as an executor keeps it: two sessions with one account, and what each kind of memory counts,
 * against a driver whose numbers the tests set.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "dom0-executor/calls.h"

#include "tests/unit/executor/fake_driver.h"
#include "tests/unit/executor/harness.h"

#define QUOTA (1024u * 1024)
#define KIB   1024u
#define MIB   ((uint64_t)1 << 20)

static struct harness first, second;
static struct vg_account *account;
static int account_fd;

/* --- the driver --------------------------------------------------------------------------------- */

static struct {
	uint64_t reserved; /* by its one pool */
	uint64_t used;     /* of the device, in all */
	uint64_t module;   /* what the next one takes */
	unsigned int arrays, modules, contexts;
	bool free_fails;
} driver;

static CUresult info(size_t *free_bytes, size_t *total)
{
	*total = (size_t)1 << 40;
	*free_bytes = *total - driver.used;
	return CUDA_SUCCESS;
}

static CUresult pool_get(CUmemoryPool pool, CUmemPool_attribute attribute, void *value)
{
	assert_int_equal(attribute, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT);
	assert_non_null(pool);
	memcpy(value, &driver.reserved, sizeof(driver.reserved));
	return CUDA_SUCCESS;
}

static CUresult pool_current(CUmemoryPool *pool, CUdevice dev)
{
	*pool = (CUmemoryPool)&driver;
	return dev ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

static CUresult pool_alloc(CUdeviceptr *address, size_t size, CUmemoryPool pool, CUstream stream)
{
	(void)stream;
	assert_ptr_equal(pool, &driver);
	return ex_driver.cuMemAlloc_v2(address, size);
}

static CUresult (*fake_free)(CUdeviceptr address);

static CUresult plain_free(CUdeviceptr address)
{
	return driver.free_fails ? CUDA_ERROR_INVALID_CONTEXT : fake_free(address);
}

/* Always the same one. */
static CUresult array_create(CUarray *array, const CUDA_ARRAY_DESCRIPTOR *descriptor)
{
	(void)descriptor;
	driver.arrays++;
	*array = (CUarray)&driver;
	return CUDA_SUCCESS;
}

static CUresult array_destroy(CUarray array)
{
	assert_ptr_equal(array, &driver);
	driver.arrays--;
	return CUDA_SUCCESS;
}

static CUresult module_load(CUmodule *module, const void *image, unsigned int count,
			    CUjit_option *options, void **values)
{
	(void)image, (void)count, (void)options, (void)values;
	driver.modules++;
	driver.used += driver.module;
	*module = (CUmodule)&driver;
	return CUDA_SUCCESS;
}

static CUresult module_unload(CUmodule module)
{
	assert_ptr_equal(module, &driver);
	driver.modules--;
	driver.used -= driver.module;
	return CUDA_SUCCESS;
}

static CUresult context_retain(CUcontext *context, CUdevice dev)
{
	driver.contexts++;
	*context = (CUcontext)&driver.contexts;
	return dev ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

static CUresult context_release(CUdevice dev)
{
	driver.contexts--;
	return dev ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

static CUresult context_create(CUcontext *context, unsigned int flags, CUdevice dev)
{
	(void)flags;
	driver.contexts++;
	*context = (CUcontext)&driver.used;
	return dev ? CUDA_ERROR_INVALID_DEVICE : CUDA_SUCCESS;
}

static CUresult context_destroy(CUcontext context)
{
	assert_ptr_equal(context, &driver.used);
	driver.contexts--;
	return CUDA_SUCCESS;
}

static void driver_install(void)
{
	memset(&driver, 0, sizeof(driver));
	fake_driver_install(0);
	ex_driver.cuMemGetInfo_v2 = info;
	ex_driver.cuMemPoolGetAttribute = pool_get;
	ex_driver.cuDeviceGetMemPool = pool_current;
	ex_driver.cuMemAllocFromPoolAsync = pool_alloc;
	fake_free = ex_driver.cuMemFree_v2;
	ex_driver.cuMemFree_v2 = plain_free;
	ex_driver.cuArrayCreate_v2 = array_create;
	ex_driver.cuArrayDestroy = array_destroy;
	ex_driver.cuModuleLoadDataEx = module_load;
	ex_driver.cuModuleUnload = module_unload;
	ex_driver.cuDevicePrimaryCtxRetain = context_retain;
	ex_driver.cuDevicePrimaryCtxRelease_v2 = context_release;
	ex_driver.cuCtxCreate_v2 = context_create;
	ex_driver.cuCtxDestroy_v2 = context_destroy;
}

/* --- sessions ----------------------------------------------------------------------------------- */

static void open_session(struct harness *h, const char *name, uint64_t quota, unsigned int slot)
{
	const struct ex_settings settings = {.account_fd = {dup(account_fd)},
					     .accounts = 1,
					     .account_slot = slot,
					     .memory = {quota},
					     .memories = 1,
					     .driver = name};

	harness_open_with(h, &settings);
}

static int setup(void **state)
{
	(void)state;
	driver_install();
	account_fd = vg_account_new(&account);
	if (account_fd < 0)
		return -1;
	open_session(&first, "soft", QUOTA, 0);
	open_session(&second, "soft", QUOTA, 1);
	return 0;
}

static int setup_real(void **state)
{
	(void)state;
	driver_install();
	account_fd = vg_account_new(&account);
	if (account_fd < 0)
		return -1;
	open_session(&first, "default", EX_CONTEXT_BYTES + 64 * MIB, 0);
	open_session(&second, "default", EX_CONTEXT_BYTES + 64 * MIB, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	harness_close(&first);
	harness_close(&second);
	fake_driver_reset();
	vg_account_unmap(account);
	close(account_fd);
	return 0;
}

#define CALL(h, name, ...)                                               \
	call_one(h, VG_OP_##name, &(struct vg_args_##name){__VA_ARGS__}, \
		 sizeof(struct vg_args_##name))

static uint64_t answer[32];

static int call_bulk(struct harness *h, uint16_t op, const void *args, size_t size,
		     const void *bulk, size_t bulk_size)
{
	struct vg_reply head = {.result = -1};

	assert_true(harness_command(h, op, 0, args, size, bulk, bulk_size));
	harness_run(h);
	memset(answer, 0, sizeof(answer));
	assert_true(harness_reply(h, &head, answer, sizeof(answer)));
	assert_string_equal(harness_breach(h), "");
	return head.result;
}

static int call_one(struct harness *h, uint16_t op, const void *args, size_t size)
{
	return call_bulk(h, op, args, size, NULL, 0);
}

static uint64_t allocate(struct harness *h, uint64_t size)
{
	assert_int_equal(CALL(h, cuMemAlloc_v2, .bytesize = size), CUDA_SUCCESS);
	return answer[0];
}

static uint64_t free_of(struct harness *h)
{
	assert_int_equal(call_one(h, VG_OP_cuMemGetInfo_v2, NULL, 0), CUDA_SUCCESS);
	assert_int_equal(answer[1], h->settings.memory[0]);
	return answer[0];
}

/* --- tests -------------------------------------------------------------------------------------- */

static void test_shared(void **state)
{
	uint64_t address;

	(void)state;
	address = allocate(&first, 256 * KIB);
	allocate(&first, 256 * KIB);
	allocate(&second, 256 * KIB);
	assert_int_equal(vg_account_total(account), 768 * KIB);
	assert_int_equal(free_of(&first), 256 * KIB);
	assert_int_equal(free_of(&second), 256 * KIB);
	allocate(&second, 252 * KIB);
	assert_int_equal(CALL(&first, cuMemAlloc_v2, .bytesize = 4 * KIB + 1),
			 CUDA_ERROR_OUT_OF_MEMORY);
	allocate(&first, 1); /* a page: the last one */
	assert_int_equal(free_of(&second), 0);
	assert_int_equal(CALL(&second, cuMemAlloc_v2, .bytesize = 1), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(CALL(&first, cuMemFree_v2, .dptr = address), CUDA_SUCCESS);
	allocate(&second, 256 * KIB);
	assert_int_equal(first.session.stats.page->alloc_bytes, 260 * KIB);
	/* The other's executor has gone, and whoever started it says so. */
	vg_account_set(account, 1, 0);
	assert_int_equal(free_of(&first), QUOTA - 260 * KIB);
}

/* What the driver refuses or does not free is counted as what it is. */
static void test_refused(void **state)
{
	uint64_t address;

	(void)state;
	assert_int_equal(CALL(&first, cuMemAlloc_v2, .bytesize = 300 * KIB),
			 CUDA_ERROR_OUT_OF_MEMORY); /* the fake driver's own limit */
	assert_int_equal(vg_account_total(account), 0);
	address = allocate(&first, 100 * KIB);
	driver.free_fails = true;
	assert_int_equal(CALL(&first, cuMemFree_v2, .dptr = address), CUDA_ERROR_INVALID_CONTEXT);
	assert_int_equal(vg_account_total(account), 100 * KIB);
	driver.free_fails = false;
	assert_int_equal(CALL(&first, cuMemFree_v2, .dptr = address), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), 0);
	assert_int_equal(CALL(&first, cuMemAlloc_v2, .bytesize = UINT64_MAX),
			 CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(CALL(&first, cuMemAllocPitch_v2, .WidthInBytes = UINT64_MAX,
			      .Height = UINT64_MAX),
			 CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(vg_account_total(account), 0);
}

static void test_pool(void **state)
{
	uint64_t address, other;

	(void)state;
	driver.reserved = 512 * KIB;
	assert_int_equal(CALL(&first, cuMemAllocAsync, .bytesize = 100 * KIB), CUDA_SUCCESS);
	address = answer[0];
	assert_int_equal(vg_account_total(account), 512 * KIB);
	/* Out of what is reserved: counted already. */
	assert_int_equal(CALL(&first, cuMemAllocAsync, .bytesize = 200 * KIB), CUDA_SUCCESS);
	other = answer[0];
	assert_int_equal(vg_account_total(account), 512 * KIB);
	/* The pool would grow by more than there is. */
	driver.reserved = 2 * QUOTA;
	assert_int_equal(CALL(&first, cuMemAllocAsync, .bytesize = 4 * KIB),
			 CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(vg_account_total(account), 2 * QUOTA); /* as it is */
	assert_int_equal(free_of(&second), 0);
	assert_int_equal(CALL(&second, cuMemAlloc_v2, .bytesize = 1), CUDA_ERROR_OUT_OF_MEMORY);
	/* Freed, and in the course of the next synchronisation given back. */
	assert_int_equal(CALL(&first, cuMemFree_v2, .dptr = address), CUDA_SUCCESS);
	driver.reserved = 256 * KIB;
	assert_int_equal(CALL(&first, cuStreamSynchronize, .hStream = 0), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), 256 * KIB);
	driver.reserved = 0;
	assert_int_equal(CALL(&first, cuMemFree_v2, .dptr = other), CUDA_SUCCESS);
	assert_int_equal(CALL(&first, cuStreamSynchronize, .hStream = 0), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), 0);
}

static CUresult pool_trim(CUmemoryPool pool, size_t keep)
{
	(void)pool, (void)keep;
	driver.reserved = 0;
	return CUDA_SUCCESS;
}

/* What a pool keeps for itself is asked back before an allocation is refused. */
static void test_pool_trimmed(void **state)
{
	(void)state;
	ex_driver.cuMemPoolTrimTo = pool_trim;
	driver.reserved = QUOTA;
	assert_int_equal(CALL(&first, cuMemAllocAsync, .bytesize = 4 * KIB), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), QUOTA);
	allocate(&first, 200 * KIB);
	assert_int_equal(vg_account_total(account), 204 * KIB);
}

static int array_new(struct harness *h, uint64_t width, uint64_t height)
{
	struct {
		struct vg_args_cuArrayCreate_v2 args;
		CUDA_ARRAY_DESCRIPTOR descriptor;
	} create = {.args = {.n_pAllocateArray = 1},
		    .descriptor = {.Width = width,
				   .Height = height,
				   .Format = CU_AD_FORMAT_FLOAT,
				   .NumChannels = 1}};

	return call_one(h, VG_OP_cuArrayCreate_v2, &create, sizeof(create));
}

static void test_arrays(void **state)
{
	uint64_t old, handle;

	(void)state;
	assert_int_equal(array_new(&first, 256, 256), CUDA_SUCCESS);
	old = answer[0];
	assert_int_equal(vg_account_total(account), 256 * KIB);
	/* At the same address: the end of the old one was not noted yet, and takes nothing along. */
	assert_int_equal(array_new(&first, 256, 512), CUDA_SUCCESS);
	handle = answer[0];
	assert_int_not_equal(old, handle);
	assert_int_equal(vg_account_total(account), 512 * KIB);
	assert_int_not_equal(CALL(&first, cuArrayDestroy, .hArray = old), CUDA_SUCCESS);
	assert_int_equal(array_new(&second, 256, 513), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(array_new(&second, UINT64_MAX, UINT64_MAX), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(driver.arrays, 2);
	assert_int_equal(CALL(&first, cuArrayDestroy, .hArray = handle), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), 0);
}

static int module_new(struct harness *h)
{
	static const char ptx[] = ".version 7.0\n.target sm_50\n.address_size 64\n";
	struct vg_args_vgModuleLoad args = {.size = sizeof(ptx),
					    .room_info = VG_ROOM_NULL,
					    .room_error = VG_ROOM_NULL,
					    .room_results = VG_ROOM_NULL};

	return call_bulk(h, VG_OP_vgModuleLoad, &args, sizeof(args), ptx, sizeof(ptx));
}

static void test_modules(void **state)
{
	uint64_t handle;

	(void)state;
	allocate(&first, 100 * KIB);
	driver.used = 100 * KIB;
	driver.module = 700 * KIB;
	assert_int_equal(module_new(&first), CUDA_SUCCESS);
	handle = answer[0];
	assert_int_equal(vg_account_total(account), 800 * KIB);
	driver.used = 0; /* the second's process has a device of its own */
	assert_int_equal(CALL(&second, cuMemAlloc_v2, .bytesize = 225 * KIB),
			 CUDA_ERROR_OUT_OF_MEMORY);
	driver.used = 800 * KIB;
	assert_int_equal(module_new(&first), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(driver.modules, 1);
	assert_int_equal(vg_account_total(account), 800 * KIB);
	assert_int_equal(CALL(&first, cuModuleUnload, .hmod = handle), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), 100 * KIB);
	allocate(&second, 225 * KIB);
}

/* Where nothing can be measured: no NVML lies beside this driver. */
static void test_estimates(void **state)
{
	uint64_t context = vg_handle_make(VG_HANDLE_CUcontext, 1, 1), handle;

	(void)state;
	assert_int_equal(CALL(&first, vgPrimaryRetain, .ctx = context), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), EX_CONTEXT_BYTES);
	assert_int_equal(CALL(&second, vgCtxCreate, .dev = 0), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(CALL(&second, vgPrimaryRetain, .ctx = context), CUDA_ERROR_OUT_OF_MEMORY);
	assert_int_equal(driver.contexts, 1);
	assert_int_equal(module_new(&first), CUDA_SUCCESS);
	handle = answer[0];
	assert_true(vg_account_total(account) > EX_CONTEXT_BYTES);
	assert_int_equal(CALL(&first, cuModuleUnload, .hmod = handle), CUDA_SUCCESS);
	assert_int_equal(CALL(&first, vgPrimaryRelease, .dev = 0), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), 0);
	assert_int_equal(CALL(&second, vgCtxCreate, .dev = 0), CUDA_SUCCESS);
	handle = answer[0];
	assert_int_equal(vg_account_total(account), EX_CONTEXT_BYTES);
	assert_int_equal(CALL(&second, cuCtxDestroy_v2, .ctx = handle), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), 0);
	assert_int_equal(driver.contexts, 0);
}

/* As driver 580 takes them. */
static void test_sizes(void **state)
{
	const struct ex_session *real = &first.session;

	(void)state;
	assert_int_equal(ex_memory_size(real, 1), 512);
	assert_int_equal(ex_memory_size(real, MIB), MIB);
	assert_int_equal(ex_memory_size(real, MIB + 1), 2 * MIB);
	assert_int_equal(ex_memory_size(real, 2 * MIB + 1), 4 * MIB);
	assert_true(ex_memory_size(real, UINT64_MAX) == UINT64_MAX);
	assert_int_equal(array_new(&first, 1025, 1025), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), 6 * MIB);
}

/* --- two vGPUs ---------------------------------------------------------------------------------- */

static struct vg_account *other;
static int other_fd;
static CUdevice current;

static CUresult current_device(CUdevice *device)
{
	*device = current;
	return CUDA_SUCCESS;
}

/* As after vgCtxSetCurrent with a context of that device. */
static void make_current(CUdevice device)
{
	current = device;
	first.lane->gpu = ex_gpu_of(&first.session, device);
}

/* The first vGPU is CUDA's second device, as a program's CUDA_VISIBLE_DEVICES=1,0 has it. */
static int setup_two(void **state)
{
	struct ex_settings settings = {.account_slot = 3,
				       .accounts = 2,
				       .gpu = {"0", "1"},
				       .gpus = 2,
				       .memory = {QUOTA, 2 * QUOTA},
				       .memories = 2,
				       .driver = "soft"};

	(void)state;
	driver_install();
	ex_driver.cuCtxGetDevice = current_device;
	account_fd = vg_account_new(&account);
	other_fd = vg_account_new(&other);
	settings.account_fd[0] = dup(account_fd);
	settings.account_fd[1] = dup(other_fd);
	harness_open_with(&first, &settings);
	atomic_store(&first.session.gpus.of_device[0], 1);
	atomic_store(&first.session.gpus.of_device[1], 0);
	return account_fd < 0 || other_fd < 0 ? -1 : 0;
}

static int teardown_two(void **state)
{
	(void)state;
	harness_close(&first);
	fake_driver_reset();
	vg_account_unmap(account);
	vg_account_unmap(other);
	close(account_fd);
	close(other_fd);
	return 0;
}

static void assert_held(uint64_t of_first, uint64_t of_second)
{
	assert_int_equal(vg_account_total(account), of_first);
	assert_int_equal(vg_account_total(other), of_second);
	assert_int_equal(first.session.stats.page->alloc_bytes, of_first + of_second);
}

static void test_two(void **state)
{
	uint64_t address[2];

	(void)state;
	make_current(0);
	address[0] = allocate(&first, 200 * KIB);
	assert_held(0, 200 * KIB);
	make_current(1);
	address[1] = allocate(&first, 100 * KIB);
	assert_held(100 * KIB, 200 * KIB);
	assert_int_equal(CALL(&first, cuMemAllocManaged, .bytesize = 4 * KIB, .flags = 1),
			 CUDA_SUCCESS);
	assert_held(104 * KIB, 200 * KIB);
	/* Each one's quota is its own. */
	assert_int_equal(call_one(&first, VG_OP_cuMemGetInfo_v2, NULL, 0), CUDA_SUCCESS);
	assert_int_equal(answer[1], QUOTA);
	make_current(0);
	assert_int_equal(call_one(&first, VG_OP_cuMemGetInfo_v2, NULL, 0), CUDA_SUCCESS);
	assert_int_equal(answer[1], 2 * QUOTA);
	assert_int_equal(answer[0], 2 * QUOTA - 200 * KIB);
	for (int i = 0; i < 9; i++)
		allocate(&first, 200 * KIB);
	assert_held(104 * KIB, 2000 * KIB);
	assert_int_equal(CALL(&first, cuMemAlloc_v2, .bytesize = 200 * KIB),
			 CUDA_ERROR_OUT_OF_MEMORY);
	/* Freed where it lies, whatever is current. */
	assert_int_equal(CALL(&first, cuMemFree_v2, .dptr = address[1]), CUDA_SUCCESS);
	assert_held(4 * KIB, 2000 * KIB);
	make_current(1);
	assert_int_equal(CALL(&first, cuMemFree_v2, .dptr = address[0]), CUDA_SUCCESS);
	assert_held(4 * KIB, 1800 * KIB);
}

/* Memory that names its device. */
static void test_two_by_name(void **state)
{
	struct {
		struct vg_args_cuMemCreate args;
		CUmemAllocationProp prop;
	} create = {.args = {.size = 64 * KIB, .n_prop = 1},
		    .prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
			     .location = {CU_MEM_LOCATION_TYPE_DEVICE, 1}}};

	(void)state;
	make_current(0);
	assert_int_equal(call_one(&first, VG_OP_cuMemCreate, &create, sizeof(create)),
			 CUDA_SUCCESS);
	assert_held(64 * KIB, 0);
	create.prop.location.id = 0;
	assert_int_equal(call_one(&first, VG_OP_cuMemCreate, &create, sizeof(create)),
			 CUDA_SUCCESS);
	assert_held(64 * KIB, 64 * KIB);
	/* No device of ours: the driver refuses it, whosever account it was. */
	create.prop.location.id = 1000000;
	create.args.size = 3 * QUOTA;
	assert_int_equal(call_one(&first, VG_OP_cuMemCreate, &create, sizeof(create)),
			 CUDA_ERROR_OUT_OF_MEMORY);
	assert_held(64 * KIB, 64 * KIB);
}

/* A token is taken from the table of the vGPU whose memory it is. */
static void test_two_offers(void **state)
{
	struct vg_offer_taken taken;
	char token[2][CU_IPC_HANDLE_SIZE];
	const char data[4] = "abc";

	(void)state;
	for (unsigned int gpu = 0; gpu < 2; gpu++)
		assert_int_equal(ex_ipc_offer(&first.session, gpu, VG_OFFER_EVENT, 7 + gpu, 0, data,
					      sizeof(data), token[gpu]),
				 CUDA_SUCCESS);
	for (unsigned int gpu = 0; gpu < 2; gpu++) {
		assert_int_equal(ex_ipc_take(&first.session, VG_OFFER_EVENT, token[gpu], &taken),
				 CUDA_SUCCESS);
		assert_int_equal(ex_ipc_gpu(taken.index), gpu);
		ex_ipc_leave(&first.session, taken.index);
	}
	ex_ipc_withdraw(&first.session, VG_OFFER_EVENT, 8);
	assert_int_equal(ex_ipc_take(&first.session, VG_OFFER_EVENT, token[1], &taken),
			 CUDA_ERROR_INVALID_HANDLE);
	assert_true(ex_ipc_offered(&first.session, VG_OFFER_EVENT, 7));
}

#define TWO(test)  cmocka_unit_test_setup_teardown(test, setup_two, teardown_two)
#define SOFT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
#define REAL(test) cmocka_unit_test_setup_teardown(test, setup_real, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOFT(test_shared),       SOFT(test_refused),   SOFT(test_pool),
		SOFT(test_pool_trimmed), SOFT(test_arrays),    SOFT(test_modules),
		REAL(test_estimates),    REAL(test_sizes),     TWO(test_two),
		TWO(test_two_by_name),   TWO(test_two_offers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
