/* SPDX-License-Identifier: MIT */
/*
 * Several devices in one process: contexts on each, work and memory that stay apart, copies and access between them,
 * pools, mapped and managed memory that name another device, two threads on two devices. With one device only
 * what that one says of itself as a peer.
 *
 *   peers           all of it
 *   peers list      a line for each device: UUID, bus, memory
 *   peers init N    cuInit answers N (CUDA_VISIBLE_DEVICES that choose nothing)
 *   peers quota A B device 0 holds no more than A bytes, device 1 no more than B, and each as if the other were not
 *   peers hold      32 MiB on the second device, used until that answers no more; a line a round
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/programs/chain.ptx.h"
#include "tests/programs/check.h"

#define BYTES (1u << 20)
#define MIB   (1ull << 20)

static CUcontext context[2];
static CUdeviceptr memory[2];
static unsigned char sent[BYTES], back[BYTES];

static void list_print(int count)
{
	for (int i = 0; i < count; i++) {
		char bus[32] = "";
		size_t bytes = 0;
		CUuuid uuid;

		CU(cuDeviceGetUuid_v2(&uuid, i));
		CU(cuDeviceGetPCIBusId(bus, sizeof(bus), i));
		CU(cuDeviceTotalMem(&bytes, i));
		printf("device %d GPU-", i);
		for (int k = 0; k < 16; k++)
			printf("%s%02x", k == 4 || k == 6 || k == 8 || k == 10 ? "-" : "",
			       (unsigned char)uuid.bytes[k]);
		printf(" %s %zu\n", bus, bytes);
	}
}

/* --- what the devices say of each other ------------------------------------------------------------- */

static void check_alone(void)
{
	int value = -1;

	CU(cuDeviceCanAccessPeer(&value, 0, 0));
	check_that(value == 0, "own-peer", "a device is no peer of its own");
	check_result("own-p2p",
		     cuDeviceGetP2PAttribute(&value, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0,
					     0),
		     CUDA_ERROR_INVALID_DEVICE);
	check_result("no-device", cuDeviceCanAccessPeer(&value, 0, 1000),
		     CUDA_ERROR_INVALID_DEVICE);
}

static bool peers_reach(void)
{
	int there = 0, back_again = 0, supported = -1, rank = -1;

	CU(cuDeviceCanAccessPeer(&there, 0, 1));
	CU(cuDeviceCanAccessPeer(&back_again, 1, 0));
	CU(cuDeviceGetP2PAttribute(&supported, CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED, 0, 1));
	CU(cuDeviceGetP2PAttribute(&rank, CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK, 1, 0));
	check_that(there == supported && rank >= 0, "p2p", "access %d, rank %d", there, rank);
	return there && back_again;
}

static void check_identity(void)
{
	CUuuid one, other;
	char bus[2][32] = {"", ""};
	CUdevice found = -1;

	CU(cuDeviceGetUuid_v2(&one, 0));
	CU(cuDeviceGetUuid_v2(&other, 1));
	CU(cuDeviceGetPCIBusId(bus[0], sizeof(bus[0]), 0));
	CU(cuDeviceGetPCIBusId(bus[1], sizeof(bus[1]), 1));
	CU(cuDeviceGetByPCIBusId(&found, bus[1]));
	check_that(memcmp(&one, &other, sizeof(one)) != 0 && strcmp(bus[0], bus[1]) != 0 &&
			   found == 1,
		   "identity", "%s and %s", bus[0], bus[1]);
}

/* --- a context on each ---------------------------------------------------------------------------------- */

static void check_contexts(void)
{
	CUcontext made = NULL, popped = NULL;
	CUdevice device = -1;
	int active = 0;
	unsigned int flags = 0;

	for (int i = 0; i < 2; i++) {
		CU(cuDevicePrimaryCtxRetain(&context[i], i));
		CU(cuCtxSetCurrent(context[i]));
		CU(cuCtxGetDevice(&device));
		CU(cuDevicePrimaryCtxGetState(i, &flags, &active));
		check_that(device == i && active, "primary", "of device %d", i);
		CU(cuMemAlloc(&memory[i], BYTES));
	}
	CU(cuCtxCreate(&made, NULL, 0, 1));
	CU(cuCtxGetDevice(&device));
	CU(cuCtxPopCurrent(&popped));
	check_that(device == 1 && popped == made, "created", "on device 1");
	CU(cuCtxGetDevice(&device));
	check_that(device == 1, "popped", "back to the primary one");
	CU(cuCtxDestroy(made));
}

/* *state * 3 + id, in the current context. */
static uint64_t append(CUmodule module, CUdeviceptr at, CUstream stream, uint32_t id)
{
	uint64_t state = 1;
	void *params[] = {&at, &id};

	CU(cuMemcpyHtoD(at, &state, sizeof(state)));
	launch_1d(module_function(module, "append"), 1, 1, stream, params);
	CU(cuStreamSynchronize(stream));
	CU(cuMemcpyDtoH(&state, at, sizeof(state)));
	return state;
}

static void check_modules(void)
{
	CUmodule module[2];
	CUstream stream[2];
	CUdevice device = -1;

	for (int i = 0; i < 2; i++) {
		CU(cuCtxSetCurrent(context[i]));
		module[i] = module_load(chain_ptx);
		CU(cuStreamCreate(&stream[i], CU_STREAM_NON_BLOCKING));
	}
	for (uint32_t i = 0; i < 2; i++) {
		CU(cuCtxSetCurrent(context[i]));
		CU(cuStreamGetDevice(stream[i], &device));
		check_that(append(module[i], memory[i], stream[i], 4 + i) == 7 + i &&
				   device == (CUdevice)i,
			   "kernel", "on device %u", i);
	}
	/* The current context is another than the stream's, which CUDA allows for all but launches' memory. */
	CU(cuStreamDestroy(stream[0]));
	CU(cuModuleUnload(module[0]));
	CU(cuCtxSetCurrent(context[0]));
	CU(cuStreamSynchronize(stream[1]));
	CU(cuStreamDestroy(stream[1]));
	CU(cuModuleUnload(module[1]));
}

/* One library, whose kernel runs wherever a context is current. */
static void check_library(void)
{
	CUlibrary library = NULL;
	CUkernel kernel = NULL;
	CUfunction function[2] = {NULL, NULL};
	uint64_t state[2] = {1, 1};
	uint32_t id = 2;

	CU(cuLibraryLoadData(&library, chain_ptx, NULL, NULL, 0, NULL, NULL, 0));
	CU(cuLibraryGetKernel(&kernel, library, "append"));
	for (int i = 0; i < 2; i++) {
		void *params[] = {&memory[i], &id};

		CU(cuCtxSetCurrent(context[i]));
		CU(cuKernelGetFunction(&function[i], kernel));
		CU(cuMemcpyHtoD(memory[i], &state[i], sizeof(state[i])));
		launch_1d(i ? (CUfunction)kernel : function[i], 1, 1, NULL, params);
		CU(cuMemcpyDtoH(&state[i], memory[i], sizeof(state[i])));
	}
	check_that(state[0] == 5 && state[1] == 5 && function[0] != function[1], "library",
		   "one kernel on two devices");
	CU(cuLibraryUnload(library));
}

/* --- between them ------------------------------------------------------------------------------------- */

static size_t arrived(CUdeviceptr at, uint64_t seed)
{
	memset(back, 0, sizeof(back));
	CU(cuMemcpyDtoH(back, at, BYTES));
	return count_not_random(back, BYTES, seed);
}

static void check_copies(void)
{
	CUevent event = NULL;
	CUstream stream = NULL;

	fill_random(sent, BYTES, 7);
	CU(cuCtxSetCurrent(context[0]));
	CU(cuMemcpyHtoD(memory[0], sent, BYTES));
	CU(cuMemcpyPeer(memory[1], context[1], memory[0], context[0], BYTES));
	check_that(arrived(memory[1], 7) == 0, "copy-peer", "0 to 1");
	CU(cuMemsetD8(memory[0], 0, BYTES));
	CU(cuCtxSynchronize());
	/* From a stream of the other device, awaited by an event. */
	CU(cuCtxSetCurrent(context[1]));
	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CU(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
	CU(cuMemcpyPeerAsync(memory[0], context[0], memory[1], context[1], BYTES, stream));
	CU(cuEventRecord(event, stream));
	CU(cuCtxSetCurrent(context[0]));
	CU(cuStreamWaitEvent(CU_STREAM_LEGACY, event, 0));
	CU(cuCtxSynchronize());
	check_that(arrived(memory[0], 7) == 0, "copy-peer-async", "1 to 0");
	/* Without contexts it is the current one's. */
	CU(cuMemcpyPeer(memory[0], NULL, memory[0] + BYTES / 2, NULL, BYTES / 2));
	CU(cuMemcpyDtoH(back, memory[0], BYTES));
	check_that(!memcmp(back, back + BYTES / 2, BYTES / 2), "copy-current", "no context named");
	CU(cuMemcpyHtoD(memory[0], sent, BYTES));
	CU(cuEventDestroy(event));
	CU(cuStreamDestroy(stream));
}

static void check_pointers(void)
{
	CUcontext owner = NULL;
	int ordinal = -1;

	CU(cuCtxSetCurrent(context[0]));
	CU(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, memory[1]));
	CU(cuPointerGetAttribute(&owner, CU_POINTER_ATTRIBUTE_CONTEXT, memory[1]));
	check_that(ordinal == 1 && owner == context[1], "pointer", "device %d", ordinal);
}

/* A kernel of device 0 writes device 1's memory. */
static void check_access(void)
{
	CUmodule module;

	CU(cuCtxSetCurrent(context[0]));
	check_result("not-enabled", cuCtxDisablePeerAccess(context[1]),
		     CUDA_ERROR_PEER_ACCESS_NOT_ENABLED);
	CU(cuCtxEnablePeerAccess(context[1], 0));
	check_result("enabled", cuCtxEnablePeerAccess(context[1], 0),
		     CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED);
	CU(cuMemsetD8(memory[1], 0, BYTES));
	CU(cuCtxSynchronize());
	CU(cuMemcpy(memory[1], memory[0], BYTES));
	check_that(arrived(memory[1], 7) == 0, "copy-unified", "addresses alone");
	CU(cuCtxSetCurrent(context[0]));
	module = module_load(chain_ptx);
	check_that(append(module, memory[1], CU_STREAM_LEGACY, 9) == 12, "peer-kernel",
		   "in the other's memory");
	CU(cuModuleUnload(module));
	CU(cuCtxDisablePeerAccess(context[1]));
}

static void check_pools(void)
{
	CUmemPoolProps props = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
				.location = {CU_MEM_LOCATION_TYPE_DEVICE, 1}};
	CUmemAccessDesc access = {{CU_MEM_LOCATION_TYPE_DEVICE, 0},
				  CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
	CUmemAccess_flags flags = CU_MEM_ACCESS_FLAGS_PROT_NONE;
	CUmemoryPool pool = NULL;
	CUdeviceptr at = 0;
	CUstream stream = NULL;
	int ordinal = -1;

	CU(cuCtxSetCurrent(context[1]));
	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CU(cuMemPoolCreate(&pool, &props));
	CU(cuMemPoolSetAccess(pool, &access, 1));
	CU(cuMemPoolGetAccess(&flags, pool, &access.location));
	CU(cuMemAllocFromPoolAsync(&at, BYTES, pool, stream));
	CU(cuStreamSynchronize(stream));
	CU(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, at));
	CU(cuCtxSetCurrent(context[0]));
	CU(cuMemcpy(at, memory[0], BYTES));
	check_that(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE && ordinal == 1 &&
			   arrived(at, 7) == 0,
		   "pool", "device 1's, device 0 may write");
	CU(cuMemFreeAsync(at, stream));
	CU(cuStreamSynchronize(stream));
	CU(cuMemPoolDestroy(pool));
	CU(cuStreamDestroy(stream));
}

static void check_mapped(void)
{
	CUmemAllocationProp prop = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
				    .location = {CU_MEM_LOCATION_TYPE_DEVICE, 1}};
	CUmemAccessDesc access[2] = {
		{{CU_MEM_LOCATION_TYPE_DEVICE, 0}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE},
		{{CU_MEM_LOCATION_TYPE_DEVICE, 1}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE}};
	CUmemGenericAllocationHandle physical = 0;
	unsigned long long flags = 0;
	CUdeviceptr at = 0;
	size_t step = 0;
	size_t size;

	CU(cuCtxSetCurrent(context[0]));
	CU(cuMemGetAllocationGranularity(&step, &prop, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
	size = (BYTES + step - 1) / step * step;
	CU(cuMemCreate(&physical, size, &prop, 0));
	CU(cuMemAddressReserve(&at, size, 0, 0, 0));
	CU(cuMemMap(at, size, 0, physical, 0));
	CU(cuMemSetAccess(at, size, access, 2));
	CU(cuMemGetAccess(&flags, &access[0].location, at));
	CU(cuMemcpyDtoD(at, memory[0], BYTES));
	check_that(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE && arrived(at, 7) == 0, "mapped",
		   "device 1's memory, both may write");
	CU(cuMemUnmap(at, size));
	CU(cuMemAddressFree(at, size));
	CU(cuMemRelease(physical));
}

static void check_managed(void)
{
	CUmemLocation there = {CU_MEM_LOCATION_TYPE_DEVICE, 1};
	CUmodule module;
	CUdeviceptr at = 0;
	uint64_t *value;

	CU(cuCtxSetCurrent(context[0]));
	CU(cuMemAllocManaged(&at, BYTES, CU_MEM_ATTACH_GLOBAL));
	value = (uint64_t *)at; /* NOLINT(performance-no-int-to-ptr) */
	*value = 5;
	CU(cuMemAdvise_v2(at, BYTES, CU_MEM_ADVISE_SET_PREFERRED_LOCATION, there));
	CU(cuMemPrefetchAsync_v2(at, BYTES, there, 0, CU_STREAM_LEGACY));
	CU(cuCtxSynchronize());
	CU(cuCtxSetCurrent(context[1]));
	module = module_load(chain_ptx);
	check_that(append(module, at, CU_STREAM_LEGACY, 3) == 6 && *value == 6, "managed",
		   "written by device 1, read here");
	CU(cuModuleUnload(module));
	CU(cuMemFree(at));
}

/* What is pinned in one context is so in all. */
static void check_pinned(void)
{
	CUmodule module;
	CUstream stream = NULL;
	void *host = NULL;

	CU(cuCtxSetCurrent(context[0]));
	CU(cuMemHostAlloc(&host, BYTES, 0));
	fill_random(host, BYTES, 11);
	CU(cuCtxSetCurrent(context[1]));
	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	CU(cuMemcpyHtoDAsync(memory[1], host, BYTES, stream));
	CU(cuStreamSynchronize(stream));
	check_that(arrived(memory[1], 11) == 0, "pinned-copy", "by device 1");
	module = module_load(chain_ptx);
	check_that(append(module, (CUdeviceptr)host, stream, 8) == 11, "pinned-kernel",
		   "of device 1");
	CU(cuModuleUnload(module));
	CU(cuStreamDestroy(stream));
	CU(cuMemFreeHost(host));
}

/* --- two threads ----------------------------------------------------------------------------------------- */

static void *work(void *argument)
{
	int i = argument == &context[1];
	CUmodule module;
	bool good = true;

	CU(cuCtxSetCurrent(context[i]));
	module = module_load(chain_ptx);
	for (uint32_t round = 0; round < 50; round++)
		good &= append(module, memory[i], CU_STREAM_LEGACY, round) == 3 + round;
	CU(cuModuleUnload(module));
	return good ? argument : NULL;
}

static void check_threads(void)
{
	pthread_t other;
	void *theirs = NULL, *ours;

	if (pthread_create(&other, NULL, work, &context[1])) {
		check_that(false, "threads", "no second thread");
		return;
	}
	ours = work(&context[0]);
	pthread_join(other, &theirs);
	check_that(ours && theirs, "threads", "each on its device");
}

/* --- quotas -------------------------------------------------------------------------------------------- */

/* In steps of 1 MiB until there is no more. */
static size_t fill(CUdeviceptr *held, size_t room)
{
	size_t count = 0;

	while (count < room && cuMemAlloc(&held[count], MIB) == CUDA_SUCCESS)
		count++;
	return count;
}

static void check_quota(int argc, char **argv)
{
	static CUdeviceptr held[2][1024];
	size_t quota, free_bytes = 0, total = 0, count[2];

	(void)argc;
	for (int i = 0; i < 2; i++) {
		quota = strtoull(argv[2 + i], NULL, 10);
		CU(cuDevicePrimaryCtxRetain(&context[i], i));
		CU(cuCtxSetCurrent(context[i]));
		CU(cuDeviceTotalMem(&total, i));
		check_that(total == quota, "total", "%zu of device %d", total, i);
		count[i] = fill(held[i], 1024);
		CU(cuMemGetInfo(&free_bytes, &total));
		check_that(total == quota && free_bytes < 2 * MIB && count[i] * MIB <= quota &&
				   (count[i] + 2) * MIB >= quota,
			   "full", "%zu MiB on device %d", count[i], i);
	}
	/* The first is full still; what it gives back is its own. */
	CU(cuCtxSetCurrent(context[0]));
	check_result("still-full", cuMemAlloc(&held[0][1023], 2 * MIB), CUDA_ERROR_OUT_OF_MEMORY);
	for (size_t i = 0; i < count[0]; i++)
		CU(cuMemFree(held[0][i]));
	CU(cuMemAlloc(&held[0][0], 2 * MIB));
	CU(cuCtxSetCurrent(context[1]));
	check_result("other-full", cuMemAlloc(&held[1][1023], 2 * MIB), CUDA_ERROR_OUT_OF_MEMORY);
	/* From the context of one the other's. */
	CU(cuMemFree(held[0][0]));
	CU(cuMemGetInfo(&free_bytes, &total));
	check_that(free_bytes < 2 * MIB, "freed-there", "%zu MiB free here", free_bytes >> 20);
}

/* --- */

static int hold(void)
{
	CUdeviceptr at = 0;
	CUresult result = CUDA_SUCCESS;

	CU(cuDevicePrimaryCtxRetain(&context[1], 1));
	CU(cuCtxSetCurrent(context[1]));
	CU(cuMemAlloc(&at, 32 * MIB));
	for (unsigned int round = 1; result == CUDA_SUCCESS; round++) {
		result = cuMemsetD8(at, (unsigned char)round, MIB);
		if (result == CUDA_SUCCESS)
			result = cuCtxSynchronize();
		printf("round %u\n", round);
		fflush(stdout);
		usleep(50000);
	}
	printf("ended: %s\n", result_name(result));
	return 3;
}

static void check_all(void)
{
	bool reach = peers_reach();

	check_identity();
	check_contexts();
	check_modules();
	check_library();
	check_copies();
	check_pointers();
	if (reach) {
		check_access();
		check_pools();
		check_mapped();
	} else {
		check_skip("peer-access", "the devices do not reach each other");
	}
	check_managed();
	check_pinned();
	check_threads();
	for (int i = 0; i < 2; i++) {
		CU(cuCtxSetCurrent(context[i]));
		CU(cuMemFree(memory[i]));
		CU(cuDevicePrimaryCtxRelease(i));
	}
}

int main(int argc, char **argv)
{
	int count = 0;

	if (argc == 3 && !strcmp(argv[1], "init")) {
		check_result("init", cuInit(0), (CUresult)strtol(argv[2], NULL, 10));
		return check_end();
	}
	CU(cuInit(0));
	CU(cuDeviceGetCount(&count));
	if (argc == 2 && !strcmp(argv[1], "list")) {
		list_print(count);
		return 0;
	}
	check_alone();
	if (count < 2)
		check_skip("peers", "there is one device");
	else if (argc == 4 && !strcmp(argv[1], "quota"))
		check_quota(argc, argv);
	else if (argc == 2 && !strcmp(argv[1], "hold"))
		return hold();
	else
		check_all();
	return check_end();
}
