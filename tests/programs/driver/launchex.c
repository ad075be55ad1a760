/* SPDX-License-Identifier: MIT */
/*
 * cuLaunchKernelEx: launches with attributes (cooperative, priority, programmatic serialization,
 * memory-synchronization domain, cluster of one) and with none, through pointers and packed
 * parameters, beside cuLaunchCooperativeKernel and its form for several devices; grids and blocks of three dimensions. One thread.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"
#include "tests/programs/grid.ptx.h"

#define BLOCKS 8u
#define ROUNDS 6u

static CUlaunchConfig config_of(unsigned int blocks, unsigned int threads, CUstream stream,
				CUlaunchAttribute *attributes, unsigned int count)
{
	CUlaunchConfig c;

	memset(&c, 0, sizeof(c));
	c.gridDimX = blocks;
	c.gridDimY = c.gridDimZ = c.blockDimY = c.blockDimZ = 1;
	c.blockDimX = threads;
	c.hStream = stream;
	c.attrs = attributes;
	c.numAttrs = count;
	return c;
}

/* What grid_barrier leaves in the last round, each value depending on all blocks in each round. */
static bool barrier_agrees(CUdeviceptr values)
{
	unsigned int got[BLOCKS], now[BLOCKS], next[BLOCKS];

	for (unsigned int b = 0; b < BLOCKS; b++)
		now[b] = b + 1;
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int b = 0; b < BLOCKS; b++)
			next[b] = now[b] * 3 + now[(b + BLOCKS - 1) % BLOCKS];
		memcpy(now, next, sizeof(now));
	}
	CU(cuMemcpyDtoH(got, values + (CUdeviceptr)sizeof(got) * ROUNDS, sizeof(got)));
	return memcmp(got, now, sizeof(got)) == 0;
}

/* In a graph the launch is a node that stays cooperative. */
static void launch_captured(CUfunction f, CUstream stream, void **params)
{
	CUgraphExec exec = NULL;
	CUgraph graph = NULL;

	CU(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
	CU(cuLaunchCooperativeKernel(f, BLOCKS, 1, 1, 32, 1, 1, 0, stream, params));
	CU(cuStreamEndCapture(stream, &graph));
	CU(cuGraphInstantiateWithFlags(&exec, graph, 0));
	CU(cuGraphLaunch(exec, stream));
	CU(cuStreamSynchronize(stream));
	CU(cuGraphExecDestroy(exec));
	CU(cuGraphDestroy(graph));
}

static void check_cooperative(CUdevice dev, CUmodule module, CUstream stream)
{
	static const char *const ways[] = {"attribute", "cuLaunchCooperativeKernel", "captured"};
	CUfunction f = module_function(module, "grid_barrier");
	CUlaunchAttribute attribute = {.id = CU_LAUNCH_ATTRIBUTE_COOPERATIVE};
	CUlaunchConfig config = config_of(BLOCKS, 32, stream, &attribute, 1);
	unsigned int first[BLOCKS], rounds = ROUNDS;
	CUdeviceptr arrived = 0, values = 0;
	void *params[] = {&arrived, &values, &rounds};

	if (!device_attribute(dev, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH)) {
		check_skip("cooperative", "the device has no cooperative launch");
		return;
	}
	attribute.value.cooperative = 1;
	for (unsigned int b = 0; b < BLOCKS; b++)
		first[b] = b + 1;
	CU(cuMemAlloc(&arrived, ROUNDS * 4));
	CU(cuMemAlloc(&values, (ROUNDS + 1) * sizeof(first)));
	for (int way = 0; way < 3; way++) {
		CU(cuMemsetD32(arrived, 0, ROUNDS));
		CU(cuMemcpyHtoD(values, first, sizeof(first)));
		CU(cuCtxSynchronize());
		if (way == 0)
			CU(cuLaunchKernelEx(&config, f, params, NULL));
		else if (way == 1)
			CU(cuLaunchCooperativeKernel(f, BLOCKS, 1, 1, 32, 1, 1, 0, stream, params));
		else
			launch_captured(f, stream, params);
		CU(cuStreamSynchronize(stream));
		check_that(barrier_agrees(values), "cooperative", "%u barriers of %u blocks, %s",
			   ROUNDS, BLOCKS, ways[way]);
	}
	CU(cuMemFree(arrived));
	CU(cuMemFree(values));
}

struct shape {
	unsigned int gx, gy, gz, bx, by, bz;
};

static unsigned int count_wrong(const struct shape *s, const unsigned int *got)
{
	unsigned int at = 0, wrong = 0, grid = s->gx * s->gy * s->gz, block = s->bx * s->by * s->bz;

	for (unsigned int b = 0; b < grid; b++) {
		unsigned int x = b % s->gx, y = b / s->gx % s->gy, z = b / s->gx / s->gy;

		for (unsigned int t = 0; t < block; t++, at++) {
			unsigned int tx = t % s->bx, ty = t / s->bx % s->by, tz = t / s->bx / s->by;

			wrong += got[at] != (z << 25 | y << 20 | x << 15 | tz << 10 | ty << 5 | tx);
		}
	}
	return wrong;
}

static void check_shape(CUfunction f, const struct shape *s, CUlaunchAttribute *attributes,
			unsigned int count, CUstream stream, const char *name)
{
	size_t size = sizeof(unsigned int) * s->gx * s->gy * s->gz * s->bx * s->by * s->bz;
	unsigned int *got = malloc(size), wrong;
	CUlaunchConfig config = config_of(s->gx, s->bx, stream, attributes, count);
	CUdeviceptr out = 0;
	size_t params_size = sizeof(out);
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &out, CU_LAUNCH_PARAM_BUFFER_SIZE,
			 &params_size, CU_LAUNCH_PARAM_END};
	void *params[] = {&out};

	if (!got)
		exit(2);
	config.gridDimY = s->gy;
	config.gridDimZ = s->gz;
	config.blockDimY = s->by;
	config.blockDimZ = s->bz;
	for (int packed = 0; packed < 2; packed++) {
		CU(cuMemAlloc(&out, size));
		CU(cuMemsetD8(out, 0xff, size));
		CU(cuCtxSynchronize());
		CU(cuLaunchKernelEx(&config, f, packed ? NULL : params, packed ? extra : NULL));
		CU(cuStreamSynchronize(stream));
		CU(cuMemcpyDtoH(got, out, size));
		CU(cuMemFree(out));
		wrong = count_wrong(s, got);
		check_that(wrong == 0, name, "(%u,%u,%u) x (%u,%u,%u) %s: %u threads wrong", s->gx,
			   s->gy, s->gz, s->bx, s->by, s->bz, packed ? "packed" : "pointers",
			   wrong);
	}
	free(got);
}

/* A packed block may be short (zeros follow), not long. */
static void check_packed(CUfunction f)
{
	unsigned char block[64] = {0};
	size_t size = sizeof(block);
	void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, block, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
			 CU_LAUNCH_PARAM_END};
	unsigned int got = 0xffffffff;
	CUdeviceptr out = 0;

	check_result("packed-long", cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra),
		     CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES);
	size = 70000;
	check_result("packed-longest", cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra),
		     CUDA_ERROR_INVALID_VALUE);
	CU(cuMemAlloc(&out, sizeof(got)));
	CU(cuMemcpyHtoD(out, &got, sizeof(got)));
	memcpy(block, &out, sizeof(out));
	size = 7; /* the eighth byte of an address is 0 */
	CU(cuLaunchKernel(f, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra));
	CU(cuMemcpyDtoH(&got, out, sizeof(got)));
	check_that(got == 0, "packed-short", "%x", got);
	CU(cuMemFree(out));
}

static void check_attributes(CUdevice dev, CUfunction f, CUstream stream)
{
	static const struct shape shape = {4, 1, 1, 16, 1, 1};
	int major = device_attribute(dev, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
	CUlaunchAttribute a[3];
	unsigned int count = 0;

	memset(a, 0, sizeof(a));
	a[0].id = CU_LAUNCH_ATTRIBUTE_PRIORITY;
	a[0].value.priority = 0;
	check_shape(f, &shape, a, 1, stream, "attribute-priority");
	a[0].id = CU_LAUNCH_ATTRIBUTE_IGNORE;
	check_shape(f, &shape, a, 1, stream, "attribute-ignore");
	if (major < 9) {
		check_skip("attributes-of-9.0", "the device is of compute capability %d", major);
		return;
	}
	a[count].id = CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION;
	a[count].value.clusterDim.x = a[count].value.clusterDim.y = a[count].value.clusterDim.z = 1;
	count++;
	a[count].id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
	a[count++].value.programmaticStreamSerializationAllowed = 1;
	a[count].id = CU_LAUNCH_ATTRIBUTE_MEM_SYNC_DOMAIN;
	a[count++].value.memSyncDomain = CU_LAUNCH_MEM_SYNC_DOMAIN_REMOTE;
	check_shape(f, &shape, a, count, stream, "attributes-of-9.0");
}

typedef CUresult (*multi_fn)(CUDA_LAUNCH_PARAMS *, unsigned int, unsigned int);

/* A list of one device is the only one that any machine can be relied on to have. */
static void check_multi(CUdevice dev, CUmodule module, CUstream stream)
{
	multi_fn launch = (multi_fn)entry_of("cuLaunchCooperativeKernelMultiDevice", 9000);
	unsigned int first[BLOCKS], rounds = ROUNDS;
	CUdeviceptr arrived = 0, values = 0;
	void *params[] = {&arrived, &values, &rounds};
	CUDA_LAUNCH_PARAMS one = {
		module_function(module, "grid_barrier"), BLOCKS, 1, 1, 32, 1, 1, 0, stream, params};

	if (!device_attribute(dev, CU_DEVICE_ATTRIBUTE_COOPERATIVE_LAUNCH)) {
		check_skip("multi", "the device has no cooperative launch");
		return;
	}
	for (unsigned int b = 0; b < BLOCKS; b++)
		first[b] = b + 1;
	CU(cuMemAlloc(&arrived, ROUNDS * 4));
	CU(cuMemAlloc(&values, (ROUNDS + 1) * sizeof(first)));
	CU(cuMemsetD32(arrived, 0, ROUNDS));
	CU(cuMemcpyHtoD(values, first, sizeof(first)));
	CU(cuCtxSynchronize());
	CU(launch(&one, 1, 0));
	CU(cuStreamSynchronize(stream));
	check_that(barrier_agrees(values), "multi", "%u barriers of %u blocks", ROUNDS, BLOCKS);
	check_result("multi-none", launch(NULL, 0, 0), CUDA_ERROR_INVALID_VALUE);
	check_result("multi-flags", launch(&one, 1, 4), CUDA_ERROR_INVALID_VALUE);
	one.hStream = NULL;
	check_result("multi-default-stream", launch(&one, 1, 0), CUDA_ERROR_INVALID_HANDLE);
	CU(cuMemFree(arrived));
	CU(cuMemFree(values));
}

/* The same kernel on two devices, each with a barrier of its own grid; the second stream waits for the first's work. */
static void check_two_devices(const char *ptx)
{
	multi_fn launch = (multi_fn)entry_of("cuLaunchCooperativeKernelMultiDevice", 9000);
	unsigned int first[BLOCKS], rounds = ROUNDS;
	CUdeviceptr arrived[2], values[2];
	CUDA_LAUNCH_PARAMS list[2];
	void *params[2][3];
	CUcontext context[2];
	CUmodule module[2];
	CUstream stream[2];
	int count = 0;

	CU(cuDeviceGetCount(&count));
	if (count < 2 ||
	    !device_attribute(0, CU_DEVICE_ATTRIBUTE_COOPERATIVE_MULTI_DEVICE_LAUNCH)) {
		check_skip("two-devices", "there is one, or they cannot");
		return;
	}
	for (unsigned int b = 0; b < BLOCKS; b++)
		first[b] = b + 1;
	for (int i = 0; i < 2; i++) {
		CU(cuDevicePrimaryCtxRetain(&context[i], i));
		CU(cuCtxPushCurrent(context[i]));
		module[i] = module_load(ptx);
		CU(cuStreamCreate(&stream[i], CU_STREAM_NON_BLOCKING));
		CU(cuMemAlloc(&arrived[i], ROUNDS * 4));
		CU(cuMemAlloc(&values[i], (ROUNDS + 1) * sizeof(first)));
		CU(cuMemsetD32(arrived[i], 0, ROUNDS));
		CU(cuMemcpyHtoD(values[i], first, sizeof(first)));
		CU(cuCtxSynchronize());
		params[i][0] = &arrived[i];
		params[i][1] = &values[i];
		params[i][2] = &rounds;
		list[i] = (CUDA_LAUNCH_PARAMS){module_function(module[i], "grid_barrier"),
					       BLOCKS,
					       1,
					       1,
					       32,
					       1,
					       1,
					       0,
					       stream[i],
					       params[i]};
		CU(cuCtxPopCurrent(&context[i]));
	}
	CU(launch(list, 2, 0));
	for (int i = 0; i < 2; i++) {
		CU(cuCtxPushCurrent(context[i]));
		CU(cuStreamSynchronize(stream[i]));
		check_that(barrier_agrees(values[i]), "two-devices", "device %d", i);
		CU(cuCtxPopCurrent(&context[i]));
	}
	list[1].gridDimX++;
	check_result("two-shapes", launch(list, 2, 0), CUDA_ERROR_INVALID_VALUE);
	for (int i = 0; i < 2; i++) {
		CU(cuCtxPushCurrent(context[i]));
		CU(cuMemFree(arrived[i]));
		CU(cuMemFree(values[i]));
		CU(cuStreamDestroy(stream[i]));
		CU(cuModuleUnload(module[i]));
		CU(cuCtxPopCurrent(&context[i]));
		CU(cuDevicePrimaryCtxRelease(i));
	}
}

int main(void)
{
	static const struct shape shapes[] = {{1, 1, 1, 1, 1, 1},
					      {3, 5, 7, 2, 3, 5},
					      {1, 1, 31, 1, 1, 31},
					      {31, 2, 1, 31, 31, 1}};
	CUdevice dev = device_open();
	CUmodule module = module_load(grid_ptx);
	CUfunction coordinates = module_function(module, "coordinates");
	CUstream stream = NULL;

	CU(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		check_shape(coordinates, &shapes[i], NULL, 0, stream, "shape");
	check_packed(coordinates);
	check_attributes(dev, coordinates, stream);
	check_cooperative(dev, module, stream);
	check_multi(dev, module, stream);
	check_two_devices(grid_ptx);
	CU(cuStreamDestroy(stream));
	CU(cuModuleUnload(module));
	device_close(dev);
	return check_end();
}
