/* SPDX-License-Identifier: MIT */
/*
 * Pools that processes of one vGPU share, as executors do it: two sessions with one account and table, a
 * third with its own; tokens that were made up; what counts when either side ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dom0-executor/calls.h"

#include "tests/unit/executor/fake_driver.h"
#include "tests/unit/executor/harness.h"

#define QUOTA (1024u * 1024)
#define SIZE  (100u * 1024)

static struct harness first, second, stranger;
static struct vg_account *account, *other_account;
static int account_fd, other_fd;

/* --- the driver --------------------------------------------------------------------------------- */

static struct {
	char own, imported; /* their addresses are the pools */
	unsigned int pool_imports, pointer_imports, frees;
	CUdeviceptr where; /* the next import's; 0: memory of its own */
	CUdeviceptr given;
} driver;

static CUresult pool_export(void *handle, CUmemoryPool pool, CUmemAllocationHandleType type,
			    unsigned long long flags)
{
	int fd = memfd_create("pool", MFD_CLOEXEC);

	assert_int_equal(type, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
	assert_int_equal(flags, 0);
	assert_ptr_equal(pool, &driver.own);
	assert_int_equal(write(fd, "pool", 4), 4);
	memcpy(handle, &fd, sizeof(fd));
	return CUDA_SUCCESS;
}

static CUresult pool_import(CUmemoryPool *pool, void *handle, CUmemAllocationHandleType type,
			    unsigned long long flags)
{
	char text[4];

	(void)type, (void)flags;
	assert_int_equal(pread((int)(intptr_t)handle, text, 4, 0), 4);
	assert_memory_equal(text, "pool", 4);
	driver.pool_imports++;
	*pool = (CUmemoryPool)&driver.imported;
	return CUDA_SUCCESS;
}

static CUresult pool_alloc(CUdeviceptr *address, size_t size, CUmemoryPool pool, CUstream stream)
{
	(void)stream;
	assert_ptr_equal(pool, &driver.own);
	return ex_driver.cuMemAlloc_v2(address, size);
}

static CUresult pool_get(CUmemoryPool pool, CUmemPool_attribute attribute, void *value)
{
	(void)pool, (void)attribute;
	memset(value, 0, sizeof(uint64_t));
	return CUDA_SUCCESS;
}

static CUresult pointer_export(CUmemPoolPtrExportData *data, CUdeviceptr address)
{
	memset(data, 0x5a, sizeof(*data));
	memcpy(data, &address, sizeof(address));
	return CUDA_SUCCESS;
}

static CUresult pointer_import(CUdeviceptr *address, CUmemoryPool pool,
			       CUmemPoolPtrExportData *data)
{
	assert_ptr_equal(pool, &driver.imported);
	assert_int_equal(((uint8_t *)data)[63], 0x5a);
	driver.pointer_imports++;
	*address = driver.where;
	return driver.where ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

static CUresult address_range(CUdeviceptr *base, size_t *size, CUdeviceptr address)
{
	*base = address;
	*size = SIZE;
	return CUDA_SUCCESS;
}

static CUresult (*fake_free)(CUdeviceptr address);

static CUresult counted_free(CUdeviceptr address)
{
	if (address != driver.given)
		return fake_free(address);
	driver.frees++;
	return CUDA_SUCCESS;
}

static void driver_install(void)
{
	memset(&driver, 0, sizeof(driver));
	fake_driver_install(0);
	fake_free = ex_driver.cuMemFree_v2;
	ex_driver.cuMemFree_v2 = counted_free;
	ex_driver.cuMemAllocFromPoolAsync = pool_alloc;
	ex_driver.cuMemPoolGetAttribute = pool_get;
	ex_driver.cuMemPoolExportToShareableHandle = pool_export;
	ex_driver.cuMemPoolImportFromShareableHandle = pool_import;
	ex_driver.cuMemPoolExportPointer = pointer_export;
	ex_driver.cuMemPoolImportPointer = pointer_import;
	ex_driver.cuMemGetAddressRange_v2 = address_range;
}

/* --- sessions ----------------------------------------------------------------------------------- */

static void open_session(struct harness *h, int fd, unsigned int slot)
{
	const struct ex_settings settings = {.account_fd = {dup(fd)},
					     .accounts = 1,
					     .account_slot = slot,
					     .memory = {QUOTA},
					     .memories = 1,
					     .driver = "soft"};

	harness_open_with(h, &settings);
}

static int setup(void **state)
{
	(void)state;
	driver_install();
	account_fd = vg_account_new(&account);
	other_fd = vg_account_new(&other_account);
	if (account_fd < 0 || other_fd < 0)
		return -1;
	open_session(&first, account_fd, 0);
	open_session(&second, account_fd, 1);
	open_session(&stranger, other_fd, 1);
	/* Where the second's driver puts what it imports: nothing of the fake's own. */
	driver.given = driver.where = 0x7f0000000000;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	harness_close(&first);
	harness_close(&second);
	harness_close(&stranger);
	fake_driver_reset();
	vg_account_unmap(account);
	vg_account_unmap(other_account);
	close(account_fd);
	close(other_fd);
	return 0;
}

#define CALL(h, name, ...)                                               \
	call_one(h, VG_OP_##name, &(struct vg_args_##name){__VA_ARGS__}, \
		 sizeof(struct vg_args_##name))

static uint64_t answer[32];

static int call_one(struct harness *h, uint16_t op, const void *args, size_t size)
{
	struct vg_reply head = {.result = -1};

	assert_true(harness_command(h, op, 0, args, size, NULL, 0));
	harness_run(h);
	memset(answer, 0, sizeof(answer));
	assert_true(harness_reply(h, &head, answer, sizeof(answer)));
	assert_string_equal(harness_breach(h), "");
	return head.result;
}

/* --- what both sides do --------------------------------------------------------------------------- */

static uint64_t pool_enter(struct harness *h, void *real)
{
	return ex_handles_put(&h->session.handles, VG_HANDLE_CUmemoryPool, real, 0);
}

static CUipcMemHandle pool_offer(uint64_t pool)
{
	CUipcMemHandle token;

	assert_int_equal(CALL(&first, vgPoolExport, .pool = pool), CUDA_SUCCESS);
	memcpy(&token, answer, sizeof(token));
	return token;
}

/* SIZE bytes of that pool, and their token. */
static uint64_t allocate(uint64_t pool, CUmemPoolPtrExportData *token)
{
	uint64_t address;

	assert_int_equal(CALL(&first, cuMemAllocFromPoolAsync, .bytesize = SIZE, .pool = pool),
			 CUDA_SUCCESS);
	address = answer[0];
	assert_int_equal(CALL(&first, cuMemPoolExportPointer, .ptr = address), CUDA_SUCCESS);
	memcpy(token, answer, sizeof(*token));
	return address;
}

static int import_pointer(struct harness *h, uint64_t pool, const CUmemPoolPtrExportData *token)
{
	struct vg_args_vgPoolImportPointer args = {.pool = pool, .token = *token};

	return call_one(h, VG_OP_vgPoolImportPointer, &args, sizeof(args));
}

static int import_pool(struct harness *h, const CUipcMemHandle *token)
{
	struct vg_args_vgPoolImport args = {.token = *token};

	return call_one(h, VG_OP_vgPoolImport, &args, sizeof(args));
}

static int free_memory(struct harness *h, uint64_t address)
{
	return CALL(h, cuMemFree_v2, .dptr = address);
}

/* --- tests ---------------------------------------------------------------------------------------- */

static void test_shared(void **state)
{
	uint64_t pool = pool_enter(&first, &driver.own), imported, address;
	CUipcMemHandle token = pool_offer(pool), again = pool_offer(pool);
	CUmemPoolPtrExportData data;

	(void)state;
	assert_memory_equal(&token, &again, sizeof(token));
	assert_int_equal(import_pool(&second, &token), CUDA_SUCCESS);
	imported = answer[0];
	address = allocate(pool, &data);
	assert_int_equal(vg_account_total(account), SIZE);
	assert_int_equal(import_pointer(&second, imported, &data), CUDA_SUCCESS);
	assert_int_equal(answer[0], driver.given);
	assert_int_equal(answer[1], SIZE);
	assert_int_equal(vg_account_total(account), SIZE);
	/* Its owner frees it: it counts on for who has it. */
	assert_int_equal(free_memory(&first, address), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), SIZE);
	assert_int_equal(import_pointer(&second, imported, &data), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(free_memory(&second, driver.given), CUDA_SUCCESS);
	assert_int_equal(driver.frees, 1);
	assert_int_equal(vg_account_total(account), 0);
	assert_int_equal(free_memory(&second, driver.given), CUDA_ERROR_INVALID_VALUE);
}

static void test_same_address(void **state)
{
	uint64_t pool = pool_enter(&first, &driver.own), imported, address;
	CUipcMemHandle token = pool_offer(pool);
	CUmemPoolPtrExportData data;

	(void)state;
	assert_int_equal(import_pool(&second, &token), CUDA_SUCCESS);
	imported = answer[0];
	address = allocate(pool, &data);
	assert_int_equal(import_pointer(&second, imported, &data), CUDA_SUCCESS);
	assert_int_equal(import_pointer(&second, imported, &data), CUDA_SUCCESS);
	assert_int_equal(free_memory(&first, address), CUDA_SUCCESS);
	assert_int_equal(free_memory(&second, driver.given), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), SIZE);
	assert_int_equal(free_memory(&second, driver.given), CUDA_SUCCESS);
	assert_int_equal(driver.frees, 2);
	assert_int_equal(vg_account_total(account), 0);
}

/* Two addresses of one allocation: the offer is left with the last. */
static void test_two_addresses(void **state)
{
	uint64_t pool = pool_enter(&first, &driver.own), imported, address;
	CUipcMemHandle token = pool_offer(pool);
	CUmemPoolPtrExportData data;

	(void)state;
	assert_int_equal(import_pool(&second, &token), CUDA_SUCCESS);
	imported = answer[0];
	address = allocate(pool, &data);
	assert_int_equal(import_pointer(&second, imported, &data), CUDA_SUCCESS);
	driver.where += 1 << 21;
	assert_int_equal(import_pointer(&second, imported, &data), CUDA_SUCCESS);
	assert_int_equal(free_memory(&first, address), CUDA_SUCCESS);
	assert_int_equal(free_memory(&second, driver.given), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), SIZE);
	driver.given = driver.where;
	assert_int_equal(free_memory(&second, driver.given), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), 0);
}

/* An import that the driver refuses leaves what was imported before as it is. */
static void test_refused(void **state)
{
	uint64_t pool = pool_enter(&first, &driver.own), imported, address;
	CUipcMemHandle token = pool_offer(pool);
	CUmemPoolPtrExportData data;

	(void)state;
	assert_int_equal(import_pool(&second, &token), CUDA_SUCCESS);
	imported = answer[0];
	address = allocate(pool, &data);
	assert_int_equal(import_pointer(&second, imported, &data), CUDA_SUCCESS);
	driver.where = 0;
	assert_int_equal(import_pointer(&second, imported, &data), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(free_memory(&first, address), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), SIZE);
	assert_int_equal(free_memory(&second, driver.given), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), 0);
}

static void test_hostile(void **state)
{
	uint64_t pool = pool_enter(&first, &driver.own), address, imported;
	CUipcMemHandle token = pool_offer(pool), bad = token;
	CUmemPoolPtrExportData data, made_up;

	(void)state;
	address = allocate(pool, &data);
	imported = pool_enter(&second, &driver.imported);
	((uint8_t *)&bad)[20] ^= 1; /* a random byte of it */
	assert_int_equal(import_pool(&second, &bad), CUDA_ERROR_INVALID_VALUE);
	memset(&bad, 0xff, sizeof(bad));
	assert_int_equal(import_pool(&second, &bad), CUDA_ERROR_INVALID_VALUE);
	memcpy(&bad, &data, sizeof(bad)); /* of another kind */
	assert_int_equal(import_pool(&second, &bad), CUDA_ERROR_INVALID_VALUE);
	memcpy(&made_up, &token, sizeof(made_up));
	assert_int_equal(import_pointer(&second, imported, &made_up), CUDA_ERROR_INVALID_VALUE);
	/* What the driver itself would take. */
	assert_int_equal(pointer_export(&made_up, address), CUDA_SUCCESS);
	assert_int_equal(import_pointer(&second, imported, &made_up), CUDA_ERROR_INVALID_VALUE);
	/* No pool, another session's pool. */
	assert_int_equal(import_pointer(&second, 0, &data), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(import_pointer(&second, 0x1234560, &data), CUDA_ERROR_INVALID_VALUE);
	/* Another vGPU's process, whoever told it. */
	assert_int_equal(import_pool(&stranger, &token), CUDA_ERROR_INVALID_VALUE);
	imported = pool_enter(&stranger, &driver.imported);
	assert_int_equal(import_pointer(&stranger, imported, &data), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(driver.pool_imports, 0);
	assert_int_equal(driver.pointer_imports, 0);
	/* Only whole allocations of its own. */
	assert_int_equal(CALL(&first, cuMemPoolExportPointer, .ptr = address + 512),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(&second, cuMemPoolExportPointer, .ptr = address),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(CALL(&first, cuMemAlloc_v2, .bytesize = 4096), CUDA_SUCCESS);
	assert_int_equal(CALL(&first, cuMemPoolExportPointer, .ptr = answer[0]),
			 CUDA_ERROR_INVALID_VALUE);
}

/* With the pool its descriptor goes, and with the executor all that it offers. */
static void test_ends(void **state)
{
	uint64_t pool = pool_enter(&first, &driver.own), imported;
	CUipcMemHandle token = pool_offer(pool);
	CUmemPoolPtrExportData data;

	(void)state;
	assert_int_equal(import_pool(&second, &token), CUDA_SUCCESS);
	imported = answer[0];
	allocate(pool, &data);
	assert_int_equal(import_pointer(&second, imported, &data), CUDA_SUCCESS);
	ex_handles_drop(&first.session.handles, VG_HANDLE_CUmemoryPool, pool);
	assert_int_equal(import_pool(&second, &token), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(driver.pool_imports, 1);
	/* Whoever started them says that the first has ended. */
	vg_offers_clear(&account->offers, 0);
	vg_account_set(account, 0, 0);
	assert_int_equal(vg_account_total(account), SIZE);
	assert_int_equal(import_pointer(&second, imported, &data), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(free_memory(&second, driver.given), CUDA_SUCCESS);
	assert_int_equal(vg_account_total(account), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
