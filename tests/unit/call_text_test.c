/* SPDX-License-Identifier: MIT */
/*
 * Calls as text: each class of field as it should look, from the wire and from a program's arguments; and every call of the
 * spec with bytes of every kind and length, in memory that ends where they end, for AddressSanitizer to watch.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/call_fields.h"
#include "protocol/call_text.h"
#include "protocol/calls.h"
#include "protocol/crc32.h"
#include "protocol/wire.h"

static char text[512];

static const char *args_of(uint16_t op, const void *args, size_t size)
{
	struct vg_call_bytes call = {.op = op, .args = args, .args_size = size};
	size_t n = vg_call_args(&call, text, sizeof(text));

	assert_int_equal(n, strlen(text));
	return text;
}

static const char *ret_of(uint16_t op, const void *reply, size_t size)
{
	struct vg_call_bytes call = {.op = op, .reply = reply, .reply_size = size};

	vg_call_ret(&call, text, sizeof(text));
	return text;
}

#define ARGS(name, ...) \
	args_of(VG_OP_##name, &(struct vg_args_##name){__VA_ARGS__}, sizeof(struct vg_args_##name))
#define RET(name, ...) \
	ret_of(VG_OP_##name, &(struct vg_ret_##name){__VA_ARGS__}, sizeof(struct vg_ret_##name))

/* --- the wire ------------------------------------------------------------------------------------- */

static void test_numbers(void **state)
{
	(void)state;
	assert_string_equal(ARGS(cuMemAlloc_v2, .bytesize = 4096), "bytesize=4096");
	assert_string_equal(RET(cuMemAlloc_v2, .dptr = 0x7f0000400000), "dptr=0x7f0000400000");
	assert_string_equal(ARGS(cuDeviceCanAccessPeer, .dev = -1, .peerDev = 2),
			    "dev=-1, peerDev=2");
	assert_string_equal(RET(cuMemGetInfo_v2, .free = 1, .total = UINT64_MAX),
			    "free=1, total=18446744073709551615");
	assert_string_equal(ARGS(cuTexRefSetMipmapLevelBias, .bias = -0.5f),
			    "hTexRef=0, bias=-0.5");
	assert_string_equal(RET(cuEventElapsedTime_v2, .pMilliseconds = 1.25f),
			    "pMilliseconds=1.25");
}

static void test_handles(void **state)
{
	uint64_t guest = vg_handle_make(VG_HANDLE_CUevent, 1, 7);
	uint64_t again = vg_handle_make(VG_HANDLE_CUevent, 3, 7);
	uint64_t executor = vg_handle_make(VG_HANDLE_CUkernel, 1, 9 | VG_HANDLE_EXECUTOR);

	(void)state;
	assert_string_equal(ARGS(cuEventRecord, .hEvent = guest, .hStream = 0),
			    "hEvent=event:7, hStream=0");
	assert_string_equal(ARGS(cuEventRecord, .hEvent = again, .hStream = 1),
			    "hEvent=event:7.3, hStream=CU_STREAM_LEGACY");
	assert_string_equal(ARGS(cuEventRecord, .hEvent = executor, .hStream = 2),
			    "hEvent=kernel:e9, hStream=CU_STREAM_PER_THREAD");
	assert_string_equal(ARGS(cuEventRecord, .hEvent = 0x1234, .hStream = UINT64_MAX),
			    "hEvent=bad:0x1234, hStream=bad:0xffffffffffffffff");
	/* One that the guest makes goes with the command. */
	assert_string_equal(ARGS(cuEventCreate, .phEvent = guest, .Flags = 0),
			    "phEvent=event:7, Flags=CU_EVENT_DEFAULT");
	/* A number that the spec says is one. */
	assert_string_equal(ARGS(vgCtxSetCurrent, .ctx = vg_handle_make(VG_HANDLE_CUcontext, 1, 2),
				 .primary = 0),
			    "ctx=context:2, primary=0");
}

static void test_enumerations(void **state)
{
	(void)state;
	assert_string_equal(ARGS(cuCtxGetLimit, .limit = CU_LIMIT_MALLOC_HEAP_SIZE),
			    "limit=CU_LIMIT_MALLOC_HEAP_SIZE");
	assert_string_equal(ARGS(cuCtxGetLimit, .limit = (CUlimit)77), "limit=77");
	assert_string_equal(ARGS(cuEventCreate,
				 .Flags = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING),
			    "phEvent=0, Flags=CU_EVENT_BLOCKING_SYNC|CU_EVENT_DISABLE_TIMING");
	assert_string_equal(ARGS(cuEventCreate, .Flags = 0x101),
			    "phEvent=0, Flags=CU_EVENT_BLOCKING_SYNC|0x100");
	assert_string_equal(ARGS(cuEventCreate, .Flags = 0x80000000),
			    "phEvent=0, Flags=0x80000000");
}

struct named {
	struct vg_args_cuModuleGetFunction args;
	char name[304];
};

static void test_strings(void **state)
{
	struct named in = {.args = {.n_name = 6}, .name = "saxpy"};
	char want[128];

	(void)state;
	assert_string_equal(args_of(VG_OP_cuModuleGetFunction, &in, sizeof(in.args) + 8),
			    "hmod=0, name='saxpy'");
	/* Without an end, with what would end our quotes or the line, and long ones. */
	memcpy(in.name, "a\"\n\\\xff", 6);
	in.args.n_name = 5;
	assert_string_equal(args_of(VG_OP_cuModuleGetFunction, &in, sizeof(in.args) + 8),
			    "hmod=0, name='a???"
			    "?'");
	in.args.n_name = 300;
	memset(in.name, 'x', sizeof(in.name));
	snprintf(want, sizeof(want), "hmod=0, name='%.96s'...", in.name);
	assert_string_equal(args_of(VG_OP_cuModuleGetFunction, &in, sizeof(in)), want);
	in.args.n_name = 0;
	assert_string_equal(args_of(VG_OP_cuModuleGetFunction, &in, sizeof(in.args)),
			    "hmod=0, name=NULL");
	/* More than came. */
	in.args.n_name = 20;
	assert_string_equal(args_of(VG_OP_cuModuleGetFunction, &in, sizeof(in.args) + 8),
			    "hmod=0, name=<8 of 20 bytes>?");
	in.args.n_name = UINT64_MAX;
	assert_string_equal(args_of(VG_OP_cuModuleGetFunction, &in, sizeof(in.args) + 8),
			    "hmod=0, name=<8 of 18446744073709551615 bytes>?");
}

static void test_arrays(void **state)
{
	struct {
		struct vg_args_cuMemDiscardBatchAsync args;
		uint64_t dptrs[10], sizes[10];
	} in = {.args = {.n_dptrs = 10, .n_sizes = 10, .count = 10, .flags = 3}};
	struct {
		struct vg_ret_cuDeviceGetHostAtomicCapabilities ret;
		unsigned int capabilities[2];
	} out = {.ret = {.n_capabilities = 2}, .capabilities = {5, 6}};

	(void)state;
	for (unsigned int i = 0; i < 10; i++) {
		in.dptrs[i] = 0x1000 * (i + 1);
		in.sizes[i] = i;
	}
	assert_string_equal(
		args_of(VG_OP_cuMemDiscardBatchAsync, &in, sizeof(in)),
		"dptrs=[0x1000, 0x2000, 0x3000, 0x4000, 0x5000, 0x6000, 0x7000, 0x8000, "
		"... 10], sizes=[0, 1, 2, 3, 4, 5, 6, 7, ... 10], count=10, flags=0x3, "
		"hStream=0");
	assert_string_equal(ret_of(VG_OP_cuDeviceGetHostAtomicCapabilities, &out, sizeof(out)),
			    "capabilities=[5, 6]");
	in.args.n_dptrs = 0;
	in.args.n_sizes = 1;
	assert_memory_equal(args_of(VG_OP_cuMemDiscardBatchAsync, &in, sizeof(in)),
			    "dptrs=[], sizes=[4096],", 23);
}

static void test_bytes(void **state)
{
	struct {
		struct vg_args_vgLaunch args;
		uint8_t params[40];
	} in = {.args = {.gridX = 1, .size = 4, .n_params = 4}, .params = {0xde, 0xad, 0xbe, 0xef}};
	struct vg_call_bytes call = {.op = VG_OP_vgLaunch, .args = &in, .args_size = sizeof(in)};
	char want[64];

	(void)state;
	assert_non_null(
		strstr(args_of(VG_OP_vgLaunch, &in, sizeof(in.args) + 8), "gridX=1, gridY=0,"));
	assert_non_null(strstr(text, "attrs=[], size=4, params=<deadbeef>"));
	in.args.n_params = 40;
	assert_non_null(strstr(args_of(VG_OP_vgLaunch, &in, sizeof(in)), "params=<40 bytes>"));
	call.sums = true;
	vg_call_args(&call, text, sizeof(text));
	snprintf(want, sizeof(want), "params=<40 bytes crc32=%08x>", vg_crc32(0, in.params, 40));
	assert_non_null(strstr(text, want));
	/* A structure by value. */
	assert_string_equal(ARGS(cuMemAdvise_v2, .devPtr = 0x10, .count = 2,
				 .advice = CU_MEM_ADVISE_SET_READ_MOSTLY,
				 .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 3}),
			    "devPtr=0x10, count=2, advice=CU_MEM_ADVISE_SET_READ_MOSTLY, "
			    "location=<0100000003000000>");
}

static void test_short_ones(void **state)
{
	struct vg_args_cuEventRecord args = {0};

	(void)state;
	assert_string_equal(args_of(VG_OP_cuEventRecord, &args, sizeof(args) / 2),
			    "hEvent=0, hStream=?");
	assert_string_equal(args_of(VG_OP_cuEventRecord, NULL, 100), "hEvent=?, hStream=?");
	assert_string_equal(args_of(VG_OP_END, &args, sizeof(args)), "");
	assert_string_equal(args_of(UINT16_MAX, &args, sizeof(args)), "");
	assert_string_equal(ret_of(VG_OP_cuMemAlloc_v2, NULL, 8), "");
}

static void test_line(void **state)
{
	struct vg_args_cuMemAlloc_v2 args = {.bytesize = 4096};
	struct vg_ret_cuMemAlloc_v2 ret = {.dptr = 0x20};
	struct vg_call_bytes call = {.op = VG_OP_cuMemAlloc_v2,
				     .args = &args,
				     .args_size = sizeof(args),
				     .reply = &ret,
				     .reply_size = sizeof(ret)};

	(void)state;
	vg_call_line(&call, CUDA_SUCCESS, text, sizeof(text));
	assert_string_equal(text, "cuMemAlloc_v2(bytesize=4096) = CUDA_SUCCESS {dptr=0x20}");
	call.reply = NULL;
	vg_call_line(&call, CUDA_ERROR_OUT_OF_MEMORY, text, sizeof(text));
	assert_string_equal(text, "cuMemAlloc_v2(bytesize=4096) = CUDA_ERROR_OUT_OF_MEMORY");
	vg_call_line(&call, 12345, text, sizeof(text));
	assert_string_equal(text, "cuMemAlloc_v2(bytesize=4096) = 12345");
	assert_int_equal(vg_call_line(&call, 0, text, 20), 19);
	assert_string_equal(text, "cuMemAlloc_v2(by...");
	assert_int_equal(vg_call_line(&call, 0, text, 0), 0);
}

/* --- a program's arguments ------------------------------------------------------------------------ */

static bool read_memory(void *to, uint64_t from, size_t n)
{
	if (from < 4096)
		return false;
	memcpy(to, (const void *)(uintptr_t)from, n); /* NOLINT(performance-no-int-to-ptr) */
	return true;
}

#define PLACES(...) ((const struct vg_call_place[]){__VA_ARGS__})

static const char *program(uint16_t op, const struct vg_call_place *places, unsigned int count,
			   bool ret)
{
	struct vg_call_program call = {
		.op = op, .count = count, .places = places, .read = read_memory};

	(ret ? vg_program_ret : vg_program_args)(&call, text, sizeof(text));
	return text;
}

static void test_program(void **state)
{
	CUdeviceptr address = 0x40, *dptr = &address;
	size_t bytesize = 100;
	const struct vg_call_place *places = PLACES({&dptr, 0}, {&bytesize, 0});

	(void)state;
	assert_string_equal(program(VG_OP_cuMemAlloc_v2, places, 2, false), "bytesize=100");
	assert_string_equal(program(VG_OP_cuMemAlloc_v2, places, 2, true), "dptr=0x40");
	dptr = NULL;
	assert_string_equal(program(VG_OP_cuMemAlloc_v2, places, 2, false),
			    "dptr=NULL, bytesize=100");
	assert_string_equal(program(VG_OP_cuMemAlloc_v2, places, 2, true), "");
	/* Nothing is there. */
	dptr = (CUdeviceptr *)16;
	assert_string_equal(program(VG_OP_cuMemAlloc_v2, places, 2, true), "dptr=0x10");
	assert_string_equal(program(VG_OP_END, places, 2, true), "");
}

static void test_program_text(void **state)
{
	char name[32] = "a name";
	char *out = name;
	int len = 32;
	CUdevice dev = 1;
	const char *symbol = "cuInit", *bad = (const char *)1, *error_text = "no error";
	const char **str = &error_text;
	CUresult error = CUDA_ERROR_NOT_FOUND;
	void *pfn = (void *)0x1000, **ppfn = &pfn;
	int version = 12000;
	cuuint64_t flags = CU_GET_PROC_ADDRESS_LEGACY_STREAM;

	(void)state;
	program(VG_OP_cuDeviceGetName, PLACES({&out, 0}, {&len, 0}, {&dev, 0}), 3, true);
	assert_string_equal(text, "name='a name'");
	program(VG_OP_cuGetProcAddress,
		PLACES({&symbol, 0}, {&ppfn, 0}, {&version, 0}, {&flags, 0}), 4, false);
	assert_string_equal(text, "symbol='cuInit', cudaVersion=12000, "
				  "flags=CU_GET_PROC_ADDRESS_LEGACY_STREAM");
	program(VG_OP_cuGetProcAddress, PLACES({&bad, 0}, {&ppfn, 0}, {&version, 0}, {&flags, 0}),
		4, true);
	assert_string_equal(text, "pfn=0x1000");
	program(VG_OP_cuGetProcAddress, PLACES({&bad, 0}, {&ppfn, 0}), 2, false);
	assert_string_equal(text, "symbol=0x1");
	program(VG_OP_cuGetErrorString, PLACES({&error, 0}, {&str, 0}), 2, false);
	assert_string_equal(text, "error=CUDA_ERROR_NOT_FOUND");
	program(VG_OP_cuGetErrorString, PLACES({&error, 0}, {&str, 0}), 2, true);
	assert_string_equal(text, "pStr='no error'");
}

static void test_program_several(void **state)
{
	CUdeviceptr dptrs[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, *first = dptrs;
	size_t sizes[2] = {5, 6}, *size = sizes, count = 9;
	unsigned long long flags = 0;
	CUstream stream = NULL;
	CUdevice dev = 0;
	CUuuid uuid = {"0123456789abcde"}, *to = &uuid;

	(void)state;
	program(VG_OP_cuMemDiscardBatchAsync,
		PLACES({&first, 9}, {&size, 2}, {&count, 0}, {&flags, 0}, {&stream, 0}), 5, false);
	assert_string_equal(text, "dptrs=[0x1, 0x2, 0x3, 0x4, 0x5, 0x6, 0x7, 0x8, ... 9], "
				  "sizes=[5, 6], count=9, flags=0, hStream=0");
	/* Structures in a program's memory are not looked into. */
	program(VG_OP_cuDeviceGetUuid, PLACES({&to, 0}, {&dev, 0}), 2, true);
	assert_string_equal(text, "");
}

/* --- anything -------------------------------------------------------------------------------------- */

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* Bytes in memory of just that size: random, or small numbers, so that counts lead somewhere. */
static uint8_t *any_bytes(size_t size)
{
	uint8_t *bytes = malloc(size ? size : 1);
	bool small = any() & 1;

	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = small && i % 8 ? 0 : (uint8_t)any();
	return bytes;
}

static void check_text(const char *at, size_t n, size_t room)
{
	assert_true(room ? n < room && strlen(at) == n : n == 0);
	for (size_t i = 0; i < n; i++)
		assert_true(at[i] >= ' ' && at[i] <= '~' && at[i] != '"' && at[i] != '\\');
}

static void check_call(uint16_t op, size_t args_size, size_t reply_size, size_t room)
{
	uint8_t *args = any_bytes(args_size), *reply = any_bytes(reply_size);
	char *at = malloc(room ? room : 1);
	struct vg_call_bytes call = {.op = op,
				     .sums = any() & 1,
				     .args = args,
				     .args_size = args_size,
				     .reply = reply,
				     .reply_size = reply_size};

	assert_non_null(at);
	check_text(at, vg_call_args(&call, at, room), room);
	check_text(at, vg_call_ret(&call, at, room), room);
	check_text(at, vg_call_line(&call, (int)any(), at, room), room);
	free(args);
	free(reply);
	free(at);
}

static void test_every_call(void **state)
{
	unsigned int calls = 0;

	(void)state;
	for (unsigned int op = 0; op < VG_OP_END + 8; op++) {
		const struct vg_call_fields *fields = vg_call_fields(op);
		size_t args = vg_pad8(fields->args), ret = vg_pad8(fields->ret);

		calls += fields->count > 0;
		for (unsigned int i = 0; i < 40; i++) {
			check_call((uint16_t)op, any() % (args + 1), any() % (ret + 1), 512);
			check_call((uint16_t)op, args + any() % 600, ret + any() % 600,
				   any() & 1 ? 2048 : any() % 64);
		}
	}
	assert_true(calls > 450);
}

/* Each field of the table has a name, a type that exists and a place within its part. */
static void test_table(void **state)
{
	(void)state;
	for (unsigned int op = 0; op < VG_OP_END; op++) {
		const struct vg_call_fields *call = vg_call_fields(op);

		for (unsigned int i = 0; i < call->count; i++) {
			const struct vg_field *f = &vg_fields[call->first + i];
			size_t size = f->shape == VG_SHAPE_ONE ? f->size : 8;

			assert_true(vg_field_texts[f->name] != '\0' && f->size > 0);
			assert_true(f->in == VG_FIELD_NONE || f->in + size <= call->args);
			assert_true(f->out == VG_FIELD_NONE || f->out + size <= call->ret);
			if (f->class == VG_CLASS_ENUM || f->class == VG_CLASS_FLAGS)
				assert_true(f->type < vg_enumerations_count);
			if (f->class == VG_CLASS_HANDLE)
				assert_true(f->type && f->type < VG_HANDLE_TYPES);
		}
	}
}

/* A program's arguments are as wide as C makes them; pointers may be anything. */
static void test_every_program(void **state)
{
	(void)state;
	for (unsigned int op = 0; op < VG_OP_END; op++) {
		uint64_t values[24][128];
		struct vg_call_place places[24];
		unsigned int count = vg_call_fields(op)->count;

		assert_true(count <= 24);
		for (unsigned int round = 0; round < 8; round++) {
			for (unsigned int i = 0; i < count; i++) {
				memset(values[i], 0, sizeof(values[i]));
				values[i][0] = any() & 1 ? any() % 4096 : (uintptr_t)values[23 - i];
				places[i] = (struct vg_call_place){values[i], any() % 12};
			}
			program((uint16_t)op, places, count, round & 1);
			check_text(text, strlen(text), sizeof(text));
		}
	}
}

static void test_crc32(void **state)
{
	(void)state;
	assert_int_equal(vg_crc32(0, "123456789", 9), 0xcbf43926);
	assert_int_equal(vg_crc32(vg_crc32(0, "1234", 4), "56789", 5), 0xcbf43926);
	assert_int_equal(vg_crc32(0, "", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),         cmocka_unit_test(test_handles),
		cmocka_unit_test(test_enumerations),    cmocka_unit_test(test_strings),
		cmocka_unit_test(test_arrays),          cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_short_ones),      cmocka_unit_test(test_line),
		cmocka_unit_test(test_program),         cmocka_unit_test(test_program_text),
		cmocka_unit_test(test_program_several), cmocka_unit_test(test_every_call),
		cmocka_unit_test(test_table),           cmocka_unit_test(test_every_program),
		cmocka_unit_test(test_crc32),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
