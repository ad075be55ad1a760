/* SPDX-License-Identifier: MIT */
/*
 * Hand-written halves that change what goes over: the linker's state, arrays of captures, the search
 * for a block size, attributes of pools, tensor maps, flags of streams and events, how they are waited for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pthread.h>

#include "xen-frontend/libcuda/calls.h"

#include "tests/unit/libcuda/fake.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/lane.h"
#include "xen-frontend/libcuda/memory.h"

/* --- linker ---------------------------------------------------------------------------------- */

static struct {
	unsigned int adds, count, destroyed;
	size_t size, info_room, error_room;
	char name[64], data[64];
	const char *info, *error;
	CUresult result;
} linker;

static const char linked[] = "\177ELF and the rest of it";

CUresult rpc_vgLinkCreate(CUlinkState *state, unsigned int count, const CUjit_option *options,
			  const uint64_t *values, size_t info_room, size_t error_room)
{
	uint64_t handle = vg_handle_make(VG_HANDLE_CUlinkState, 1, VG_HANDLE_EXECUTOR | 7);

	(void)options;
	(void)values;
	linker.count = count;
	linker.info_room = info_room;
	linker.error_room = error_room;
	fe_handle_note(VG_HANDLE_CUlinkState, handle);
	*state = (CUlinkState)handle;
	return CUDA_SUCCESS;
}

static void logs_fill(void *info, size_t info_room, void *error, size_t error_room)
{
	if (linker.info && info_room)
		strncpy(info, linker.info, info_room - 1);
	if (linker.error && error_room)
		strncpy(error, linker.error, error_room - 1);
}

CUresult rpc_vgLinkAdd(uint64_t state, CUjitInputType type, const char *name, const void *data,
		       size_t size, unsigned int count, const CUjit_option *options,
		       const uint64_t *values, size_t info_room, size_t error_room, void *info,
		       void *error)
{
	(void)state;
	(void)type;
	(void)count;
	(void)options;
	(void)values;
	linker.adds++;
	linker.size = size;
	strncpy(linker.name, name, sizeof(linker.name) - 1);
	memcpy(linker.data, data, size < sizeof(linker.data) ? size : sizeof(linker.data));
	logs_fill(info, info_room, error, error_room);
	return linker.result;
}

CUresult rpc_vgLinkComplete(uint64_t state, size_t info_room, size_t error_room, size_t *size,
			    void *info, void *error)
{
	(void)state;
	*size = sizeof(linked);
	logs_fill(info, info_room, error, error_room);
	return linker.result;
}

CUresult rpc_vgLinkFetch(uint64_t state, size_t size, void *image)
{
	(void)state;
	memcpy(image, linked, size);
	return CUDA_SUCCESS;
}

CUresult rpc_cuLinkDestroy(CUlinkState state)
{
	linker.destroyed++;
	fe_handle_drop(VG_HANDLE_CUlinkState, (uint64_t)state);
	return CUDA_SUCCESS;
}

static int setup(void **state)
{
	(void)state;
	fake_reset(1);
	memset(&linker, 0, sizeof(linker));
	return 0;
}

static void link_with_logs(void **state)
{
	char info[16] = "untouched", error[16] = "untouched", data[] = ".version 7.0\n";
	CUjit_option options[] = {CU_JIT_INFO_LOG_BUFFER, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES,
				  CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES};
	void *values[] = {info, (void *)sizeof(info), error, (void *)sizeof(error)};
	CUlinkState link = NULL;
	void *cubin = NULL;
	size_t size = 0;

	(void)state;
	assert_int_equal(fe_cuLinkCreate_v2(4, options, values, &link), CUDA_SUCCESS);
	assert_int_equal(linker.info_room, 16);
	assert_string_equal(info, "untouched"); /* nothing has happened yet */
	linker.error = "bad input, and more than fits";
	linker.result = CUDA_ERROR_INVALID_PTX;
	assert_int_equal(fe_cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, data, sizeof(data), "mine", 0,
					     NULL, NULL),
			 CUDA_ERROR_INVALID_PTX);
	assert_string_equal(linker.name, "mine");
	assert_string_equal(linker.data, data);
	assert_string_equal(error, "bad input, and ");
	assert_int_equal((uintptr_t)values[3], 15);
	assert_int_equal((uintptr_t)values[1], 0);
	linker.result = CUDA_SUCCESS;
	linker.info = "done";
	assert_int_equal(fe_cuLinkComplete(link, &cubin, &size), CUDA_SUCCESS);
	assert_int_equal(size, sizeof(linked));
	assert_memory_equal(cubin, linked, sizeof(linked));
	assert_string_equal(info, "done");
	assert_int_equal((uintptr_t)values[1], 4);
	assert_int_equal(fe_cuLinkDestroy(link), CUDA_SUCCESS);
	assert_int_equal(fe_cuLinkDestroy(link), CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(linker.destroyed, 1);
}

static void link_refusals(void **state)
{
	char data[] = "x";
	CUlinkState link = NULL;
	void *cubin;

	(void)state;
	assert_int_equal(fe_cuLinkComplete((CUlinkState)0x1230, &cubin, NULL),
			 CUDA_ERROR_INVALID_HANDLE);
	assert_int_equal(fe_cuLinkCreate_v2(0, NULL, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuLinkCreate_v2(0, NULL, NULL, &link), CUDA_SUCCESS);
	assert_int_equal(fe_cuLinkAddData_v2(link, CU_JIT_NUM_INPUT_TYPES, data, 1, NULL, 0, NULL,
					     NULL),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuLinkAddData_v2(link, CU_JIT_INPUT_PTX, NULL, 1, NULL, 0, NULL, NULL),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuLinkAddFile_v2(link, CU_JIT_INPUT_PTX, "/does/not/exist", 0, NULL,
					     NULL),
			 CUDA_ERROR_FILE_NOT_FOUND);
	assert_int_equal(linker.adds, 0);
	assert_int_equal(fe_cuLinkDestroy(link), CUDA_SUCCESS);
}

/* --- capture --------------------------------------------------------------------------------- */

static struct {
	unsigned int asked, count;
	CUstreamCaptureStatus status;
	bool special_edge;
} capture;

CUresult rpc_cuStreamBeginCapture_v2(CUstream hStream, CUstreamCaptureMode mode)
{
	(void)hStream;
	return mode == CU_STREAM_CAPTURE_MODE_GLOBAL ? CUDA_SUCCESS : CUDA_ERROR_UNKNOWN;
}

CUresult rpc_cuStreamEndCapture(CUstream hStream, CUgraph *phGraph)
{
	(void)hStream, (void)phGraph;
	return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
}

/* What a capture forbids, this driver forbids always. */
CUresult rpc_cuMemAlloc_v2(CUdeviceptr *dptr, size_t bytesize)
{
	(void)dptr, (void)bytesize;
	return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult rpc_cuMemFree_v2(CUdeviceptr dptr)
{
	(void)dptr;
	return CUDA_SUCCESS;
}

CUresult rpc_cuStreamBeginCaptureToGraph(CUstream hStream, CUgraph hGraph,
					 const CUgraphNode *dependencies,
					 const CUgraphEdgeData *dependencyData,
					 size_t numDependencies, CUstreamCaptureMode mode)
{
	(void)hStream, (void)hGraph, (void)dependencies, (void)dependencyData;
	(void)numDependencies, (void)mode;
	return CUDA_ERROR_UNKNOWN;
}

void fe_memory_capture_begins(void)
{
}

CUresult rpc_vgCaptureInfo(CUstream stream, unsigned int room, CUstreamCaptureStatus *status,
			   cuuint64_t *id, CUgraph *graph, unsigned int *count, CUgraphNode *nodes,
			   CUgraphEdgeData *edges)
{
	(void)stream;
	capture.asked++;
	*status = capture.status;
	*id = 77;
	*graph = (CUgraph)0x40;
	*count = capture.count;
	for (unsigned int i = 0; i < capture.count && i < room; i++) {
		nodes[i] = (CUgraphNode)(uintptr_t)(16 * (i + 1));
		edges[i].type = capture.special_edge && i == capture.count - 1;
	}
	return CUDA_SUCCESS;
}

static void capture_arrays(void **state)
{
	CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_INVALIDATED;
	const CUgraphNode *nodes = NULL;
	const CUgraphEdgeData *edges = NULL;
	CUgraph graph = NULL;
	cuuint64_t id = 0;
	size_t count = 99;

	(void)state;
	memset(&capture, 0, sizeof(capture));
	assert_int_equal(fe_cuStreamGetCaptureInfo_v2(NULL, &status, &id, &graph, &nodes, &count),
			 CUDA_SUCCESS);
	assert_int_equal(status, CU_STREAM_CAPTURE_STATUS_NONE);
	assert_int_equal(count, 99); /* not capturing: the rest is not written */
	capture.status = CU_STREAM_CAPTURE_STATUS_ACTIVE;
	capture.count = 1000; /* more than the first guess */
	capture.asked = 0;
	assert_int_equal(fe_cuStreamGetCaptureInfo_v2(NULL, &status, &id, &graph, &nodes, &count),
			 CUDA_SUCCESS);
	assert_int_equal(capture.asked, 2);
	assert_int_equal(id, 77);
	assert_int_equal(count, 1000);
	assert_ptr_equal(nodes[999], (CUgraphNode)16000);
	capture.special_edge = true;
	assert_int_equal(fe_cuStreamGetCaptureInfo_v2(NULL, &status, &id, &graph, &nodes, &count),
			 CUDA_ERROR_LOSSY_QUERY);
	assert_int_equal(fe_cuStreamGetCaptureInfo_v3(NULL, &status, &id, &graph, &nodes, &edges,
						      &count),
			 CUDA_SUCCESS);
	assert_int_equal(edges[999].type, 1);
	assert_int_equal(edges[998].type, 0);
	assert_int_equal(fe_cuStreamGetCaptureInfo(NULL, &status, &id), CUDA_SUCCESS);
	assert_int_equal(fe_cuStreamGetCaptureInfo(NULL, NULL, &id), CUDA_ERROR_INVALID_VALUE);
	capture.count = 1u << 30;
	assert_int_equal(fe_cuStreamGetCaptureInfo(NULL, &status, &id), CUDA_ERROR_OUT_OF_MEMORY);
}

static void *capture_in_thread(void *arg)
{
	capture_arrays(NULL);
	return arg;
}

/* Its arrays go with the thread: the leak check looks. */
static void capture_of_thread(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, capture_in_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* --- occupancy ------------------------------------------------------------------------------- */

CUresult rpc_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *numBlocks, CUfunction func,
								  int blockSize,
								  size_t dynamicSMemSize,
								  unsigned int flags)
{
	assert_int_equal(flags, CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE);
	return rpc_cuOccupancyMaxActiveBlocksPerMultiprocessor(numBlocks, func, blockSize,
							       dynamicSMemSize);
}

CUresult rpc_vgOccupancyBlockSize(CUfunction func, size_t dynamicSMemSize, int limit,
				  unsigned int flags, int *minGridSize, int *blockSize)
{
	(void)func;
	(void)flags;
	*minGridSize = (int)dynamicSMemSize;
	*blockSize = limit;
	return CUDA_SUCCESS;
}

CUresult rpc_vgOccupancyClusters(unsigned int what, CUfunction func, unsigned int gridX,
				 unsigned int gridY, unsigned int gridZ, unsigned int blockX,
				 unsigned int blockY, unsigned int blockZ, unsigned int shared,
				 CUstream stream, unsigned int count,
				 const CUlaunchAttribute *attrs, int *clusters)
{
	(void)func;
	(void)attrs;
	*clusters = (int)(what * 1000 + gridX + gridY + gridZ + blockX + blockY + blockZ + shared +
			  count + (unsigned int)(uintptr_t)stream);
	return CUDA_SUCCESS;
}

/* 64 KiB of shared memory a multiprocessor, 64 bytes asked for by each thread. */
static size_t shared_of(int block)
{
	return (size_t)block * 64;
}

static int blocks_of(int block, size_t shared)
{
	int by_threads = 2048 / block, by_shared = (int)(65536 / shared);

	assert_int_equal(shared, (size_t)block * 64);
	return by_threads < by_shared ? by_threads : by_shared;
}

static CUfunction occupancy_function(void)
{
	uint64_t h = vg_handle_make(VG_HANDLE_CUfunction, 1, VG_HANDLE_EXECUTOR | 9);
	CUcontext ctx;

	fe_handle_note(VG_HANDLE_CUfunction, h);
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK] = 1024;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_WARP_SIZE] = 32;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR] = 2048;
	fake.info.attribute[CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT] = 10;
	fake.attributes[CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK] = 1000;
	fake.blocks_of = blocks_of;
	assert_int_equal(fe_cuDevicePrimaryCtxRetain(&ctx, 0), CUDA_SUCCESS);
	assert_int_equal(fe_cuCtxSetCurrent(ctx), CUDA_SUCCESS);
	return (CUfunction)h;
}

static void occupancy_search(void **state)
{
	CUfunction f = occupancy_function();
	int grid = 0, block = 0;

	(void)state;
	/* 1000 threads fit once, 992 too; 512 fit twice: 1024 threads are the most there can be. */
	assert_int_equal(fe_cuOccupancyMaxPotentialBlockSize(&grid, &block, f, shared_of, 0, 0),
			 CUDA_SUCCESS);
	assert_int_equal(block, 512);
	assert_int_equal(grid, 20);
	assert_int_equal(
		fe_cuOccupancyMaxPotentialBlockSizeWithFlags(&grid, &block, f, shared_of, 0, 100,
							     CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE),
		CUDA_SUCCESS);
	assert_int_equal(block, 64); /* 16 x 64 beats 10 x 100 */
	assert_int_equal(grid, 160);
	/* Without a function of the program's the driver searches. */
	fake.occupancies = 0;
	assert_int_equal(fe_cuOccupancyMaxPotentialBlockSize(&grid, &block, f, NULL, 77, 300),
			 CUDA_SUCCESS);
	assert_int_equal(grid, 77);
	assert_int_equal(block, 300);
	assert_int_equal(fake.occupancies, 0);
}

static void occupancy_clusters(void **state)
{
	CUlaunchConfig config = {1, 2, 3, 4, 5, 6, 7, NULL, NULL, 0};
	CUfunction f = occupancy_function();
	int answer = 0;

	(void)state;
	assert_int_equal(fe_cuOccupancyMaxActiveClusters(&answer, f, &config), CUDA_SUCCESS);
	assert_int_equal(answer, 28);
	assert_int_equal(fe_cuOccupancyMaxPotentialClusterSize(&answer, f, &config), CUDA_SUCCESS);
	assert_int_equal(answer, 1028);
	assert_int_equal(fe_cuOccupancyMaxActiveClusters(&answer, f, NULL),
			 CUDA_ERROR_INVALID_VALUE);
}

/* --- pools, tensor maps, streams, events ------------------------------------------------------- */

static uint64_t pool_value;

CUresult rpc_vgMemPoolSet(CUmemoryPool pool, CUmemPool_attribute attr, uint64_t value)
{
	(void)pool;
	(void)attr;
	pool_value = value;
	return CUDA_SUCCESS;
}

CUresult rpc_vgMemPoolGet(CUmemoryPool pool, CUmemPool_attribute attr, uint64_t *value)
{
	(void)pool;
	(void)attr;
	*value = pool_value;
	return CUDA_SUCCESS;
}

static size_t pool_grants;

CUresult rpc_cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc *map, size_t count)
{
	(void)pool;
	(void)map;
	pool_grants += count;
	return CUDA_SUCCESS;
}

static void pool_access_for_nobody(void **state)
{
	CUmemoryPool pool = (CUmemoryPool)fe_handle_mint(VG_HANDLE_CUmemoryPool);
	CUmemAccessDesc map = {0};

	(void)state;
	assert_int_equal(fe_cuMemPoolSetAccess(pool, &map, 0), CUDA_SUCCESS);
	assert_int_equal(pool_grants, 0);
	assert_int_equal(fe_cuMemPoolSetAccess(pool, &map, 1), CUDA_SUCCESS);
	assert_int_equal(pool_grants, 1);
	assert_int_equal(fe_cuMemPoolSetAccess(pool, NULL, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuMemPoolSetAccess(NULL, &map, 0), CUDA_ERROR_INVALID_VALUE);
}

static void pool_attributes(void **state)
{
	struct {
		int value, guard;
	} narrow = {1, 0x5a5a5a5a};
	uint64_t wide = 0x123456789abc;

	(void)state;
	assert_int_equal(fe_cuMemPoolSetAttribute(NULL, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC,
						  &narrow.value),
			 CUDA_SUCCESS);
	assert_int_equal(pool_value, 1); /* not the guard beside it */
	pool_value = UINT64_C(0x100000007);
	assert_int_equal(fe_cuMemPoolGetAttribute(NULL, CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC,
						  &narrow.value),
			 CUDA_SUCCESS);
	assert_int_equal(narrow.value, 7);
	assert_int_equal(narrow.guard, 0x5a5a5a5a);
	assert_int_equal(fe_cuMemPoolSetAttribute(NULL, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &wide),
			 CUDA_SUCCESS);
	assert_true(pool_value == wide);
	assert_int_equal(fe_cuMemPoolGetAttribute(NULL, (CUmemPool_attribute)99, &wide),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuMemPoolGetAttribute(NULL, CU_MEMPOOL_ATTR_USED_MEM_HIGH, NULL),
			 CUDA_ERROR_INVALID_VALUE);
}

static struct {
	unsigned int rank;
	uint64_t dims[5], strides[5];
} tensor;

CUresult rpc_vgTensorMapTiled(CUtensorMap *map, unsigned int type, unsigned int rank,
			      uint64_t address, const uint64_t *dims, const uint64_t *strides,
			      const uint32_t *box, const uint32_t *element, unsigned int interleave,
			      unsigned int swizzle, unsigned int promotion, unsigned int fill)
{
	(void)type;
	(void)address;
	(void)box;
	(void)element;
	(void)interleave;
	(void)swizzle;
	(void)promotion;
	(void)fill;
	tensor.rank = rank;
	memcpy(tensor.dims, dims, rank * sizeof(*dims));
	memcpy(tensor.strides, strides, rank * sizeof(*strides));
	memset(map, 0xcc, sizeof(*map));
	return CUDA_SUCCESS;
}

static struct {
	unsigned int kind, rank, mode;
	uint64_t strides[5], replaced;
	uint32_t corners[6];
} im2col;

CUresult rpc_vgTensorMapIm2col(CUtensorMap *map, unsigned int kind, unsigned int type,
			       unsigned int rank, uint64_t address, const uint64_t *dims,
			       const uint64_t *strides, const uint32_t *corners,
			       unsigned int channels, unsigned int pixels, const uint32_t *element,
			       unsigned int interleave, unsigned int mode, unsigned int swizzle,
			       unsigned int promotion, unsigned int fill)
{
	(void)type, (void)address, (void)dims, (void)channels, (void)pixels, (void)element;
	(void)interleave, (void)swizzle, (void)promotion, (void)fill;
	im2col.kind = kind;
	im2col.rank = rank;
	im2col.mode = mode;
	memcpy(im2col.strides, strides, rank * sizeof(*strides));
	memcpy(im2col.corners, corners, sizeof(im2col.corners));
	memset(map, 0xdd, sizeof(*map));
	return CUDA_SUCCESS;
}

CUresult rpc_vgTensorMapReplace(CUtensorMap *map, uint64_t address)
{
	im2col.replaced = address;
	memset(map, 0xee, sizeof(*map));
	return CUDA_SUCCESS;
}

static const cuuint64_t tensor_dims[5] = {64, 32, 16, 8, 4};
static const cuuint32_t tensor_ones[5] = {1, 1, 1, 1, 1};

static void im2col_maps(void **state)
{
	static const int lower[2] = {-1, -2}, upper[2] = {3, 4};
	const cuuint64_t strides[3] = {256, 8192, 16384};
	CUtensorMap map;

	(void)state;
	assert_int_equal(fe_cuTensorMapEncodeIm2col(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 4,
						    (void *)0x10000, tensor_dims, strides, lower,
						    upper, 8, 16, tensor_ones, 0, 0, 0, 0),
			 CUDA_SUCCESS);
	assert_int_equal(im2col.kind, 0);
	assert_int_equal(im2col.rank, 4);
	assert_int_equal(im2col.strides[2], 16384);
	assert_int_equal(im2col.strides[3], 0);
	assert_int_equal((int)im2col.corners[1], -2);
	assert_int_equal((int)im2col.corners[2], 0);
	assert_int_equal((int)im2col.corners[4], 4);
	assert_int_equal(*(unsigned char *)&map, 0xdd);
	assert_int_equal(fe_cuTensorMapEncodeIm2colWide(
				 &map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 3, (void *)0x10000,
				 tensor_dims, strides, -5, 6, 8, 16, tensor_ones, 0,
				 CU_TENSOR_MAP_IM2COL_WIDE_MODE_W128, 0, 0, 0),
			 CUDA_SUCCESS);
	assert_int_equal(im2col.kind, 1);
	assert_int_equal(im2col.mode, CU_TENSOR_MAP_IM2COL_WIDE_MODE_W128);
	assert_int_equal((int)im2col.corners[0], -5);
	assert_int_equal(im2col.corners[3], 6);
	/* Pictures have rows, columns and channels at least. */
	assert_int_equal(fe_cuTensorMapEncodeIm2col(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2,
						    (void *)0x10000, tensor_dims, strides, lower,
						    upper, 8, 16, tensor_ones, 0, 0, 0, 0),
			 CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuTensorMapReplaceAddress(&map, (void *)0x20000), CUDA_SUCCESS);
	assert_int_equal(im2col.replaced, 0x20000);
	assert_int_equal(*(unsigned char *)&map, 0xee);
}

static CUresult encode(CUtensorMap *map, unsigned int rank, const cuuint64_t *strides)
{
	static const cuuint64_t dims[5] = {64, 32, 16, 8, 4};
	static const cuuint32_t ones[5] = {1, 1, 1, 1, 1};

	return fe_cuTensorMapEncodeTiled(map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, rank,
					 (void *)0x10000, dims, strides, ones, ones,
					 CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_NONE,
					 CU_TENSOR_MAP_L2_PROMOTION_NONE,
					 CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

static void tensor_maps(void **state)
{
	CUtensorMap map[2];
	/* One less than the rank: what lies behind is not read (the sanitizer looks). */
	cuuint64_t *strides = malloc(2 * sizeof(*strides));

	(void)state;
	assert_non_null(strides);
	strides[0] = 256;
	strides[1] = 8192;
	memset(map, 0, sizeof(map));
	assert_int_equal(encode(&map[0], 3, strides), CUDA_SUCCESS);
	assert_int_equal(tensor.rank, 3);
	assert_int_equal(tensor.dims[2], 16);
	assert_int_equal(tensor.strides[0], 256);
	assert_int_equal(tensor.strides[1], 8192);
	assert_int_equal(tensor.strides[2], 0);
	assert_int_equal(*(uint8_t *)&map[0], 0xcc);
	assert_int_equal(*(uint8_t *)&map[1], 0);
	assert_int_equal(encode(&map[0], 1, NULL), CUDA_SUCCESS);
	assert_int_equal(encode(&map[0], 2, NULL), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(encode(&map[0], 0, strides), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(encode(&map[0], 6, strides), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(encode(NULL, 1, strides), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(encode((void *)((uint8_t *)map + 8), 1, strides),
			 CUDA_ERROR_INVALID_VALUE);
	free(strides);
}

CUresult rpc_cuStreamCreate(CUstream *phStream, unsigned int Flags)
{
	(void)Flags;
	*phStream = (CUstream)16;
	return CUDA_SUCCESS;
}

CUresult rpc_cuStreamCreateWithPriority(CUstream *phStream, unsigned int flags, int priority)
{
	(void)priority;
	return rpc_cuStreamCreate(phStream, flags);
}

CUresult rpc_cuEventCreate(CUevent *phEvent, unsigned int Flags)
{
	(void)Flags;
	*phEvent = (CUevent)fe_handle_mint(VG_HANDLE_CUevent);
	return CUDA_SUCCESS;
}

static bool sent_asynchronous;

CUresult rpc_cuEventRecord(CUevent hEvent, CUstream hStream, bool asynchronous)
{
	(void)hEvent;
	(void)hStream;
	sent_asynchronous = asynchronous;
	return CUDA_SUCCESS;
}

CUresult rpc_cuEventRecordWithFlags(CUevent hEvent, CUstream hStream, unsigned int flags,
				    bool asynchronous)
{
	(void)flags;
	return rpc_cuEventRecord(hEvent, hStream, asynchronous);
}

CUresult rpc_cuStreamWaitEvent(CUstream hStream, CUevent hEvent, unsigned int Flags,
			       bool asynchronous)
{
	(void)Flags;
	return rpc_cuEventRecord(hEvent, hStream, asynchronous);
}

CUresult rpc_cuIpcOpenEventHandle(CUevent *phEvent, CUipcEventHandle handle)
{
	(void)handle;
	return rpc_cuEventCreate(phEvent, 0);
}

/* What another process relies on is done when the call returns. */
static void shared_events_wait(void **state)
{
	CUipcEventHandle handle = {{0}};
	CUevent own, shared, opened;

	(void)state;
	assert_int_equal(fe_cuEventCreate(&own, CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
	assert_int_equal(fe_cuEventCreate(&shared, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING),
			 CUDA_SUCCESS);
	assert_int_equal(fe_cuIpcOpenEventHandle(&opened, handle), CUDA_SUCCESS);
	fe_cuEventRecord(own, NULL);
	assert_true(sent_asynchronous);
	fe_cuEventRecord(shared, NULL);
	assert_false(sent_asynchronous);
	fe_cuStreamWaitEvent(NULL, own, 0);
	assert_true(sent_asynchronous);
	fe_cuStreamWaitEvent(NULL, opened, 0);
	assert_false(sent_asynchronous);
	fe_cuEventRecordWithFlags(own, NULL, 0);
	assert_true(sent_asynchronous);
	fe_handle_drop(VG_HANDLE_CUevent, (uint64_t)shared);
	fe_cuEventRecord(shared, NULL);
	assert_true(sent_asynchronous);
}

static void flags_are_checked(void **state)
{
	CUstream stream;
	CUevent event;

	(void)state;
	assert_int_equal(fe_cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING), CUDA_SUCCESS);
	assert_int_equal(fe_cuStreamCreate(&stream, 2), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuStreamCreate(NULL, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuStreamCreateWithPriority(&stream, 1, -5), CUDA_SUCCESS);
	assert_int_equal(fe_cuStreamCreateWithPriority(&stream, 3, 0), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuEventCreate(&event, 3), CUDA_SUCCESS);
	assert_int_equal(fe_cuEventCreate(&event, 8), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuEventCreate(&event, CU_EVENT_INTERPROCESS), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuEventCreate(&event, CU_EVENT_INTERPROCESS | CU_EVENT_DISABLE_TIMING),
			 CUDA_SUCCESS);
}

/* --- waiting --------------------------------------------------------------------------------- */

__thread struct fe_lane *fe_lane_own __attribute__((tls_model("initial-exec")));
static enum fe_look looked;

static void look_note(void)
{
	looked = fe_lane_own->look;
	fe_lane_own->look = FE_LOOK; /* as the wait leaves it */
}

CUresult rpc_cuCtxSetFlags(unsigned int flags)
{
	return flags & ~(unsigned int)CU_CTX_FLAGS_MASK ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

CUresult rpc_cuEventSynchronize(CUevent hEvent)
{
	(void)hEvent;
	look_note();
	return CUDA_SUCCESS;
}

static enum fe_look stream_look(void)
{
	fe_cuStreamSynchronize(NULL);
	look_note();
	return looked;
}

static enum fe_look context_look(CUcontext ctx)
{
	assert_int_equal(fe_cuCtxSynchronize_v2(ctx), CUDA_SUCCESS);
	look_note();
	return looked;
}

static void synchronize_another(void **state)
{
	struct fe_lane *lane = calloc(1, sizeof(*lane));
	CUcontext a, b, current;

	(void)state;
	fe_lane_own = lane;
	assert_int_equal(fe_cuCtxCreate_v2(&a, CU_CTX_SCHED_BLOCKING_SYNC, 0), CUDA_SUCCESS);
	assert_int_equal(fe_cuCtxCreate_v2(&b, CU_CTX_SCHED_YIELD, 0), CUDA_SUCCESS);
	assert_int_equal(context_look(a), FE_LOOK_NEVER);
	assert_int_equal(fake.current, (uint64_t)a);
	assert_int_equal(fake.synchronizes, 1);
	assert_int_equal(context_look(b), FE_LOOK);
	assert_int_equal(fe_cuCtxGetCurrent(&current), CUDA_SUCCESS);
	assert_ptr_equal(current, b);
	assert_int_equal(fe_cuCtxSynchronize_v2((CUcontext)0x1230), CUDA_ERROR_INVALID_CONTEXT);
	assert_int_equal(fe_cuCtxGetCurrent(&current), CUDA_SUCCESS);
	assert_ptr_equal(current, b);
	fe_lane_own = NULL;
	free(lane);
}

static void waiting_as_the_program_says(void **state)
{
	struct fe_lane *lane = calloc(1, sizeof(*lane));
	CUevent plain, blocking, both;
	CUcontext ctx;

	(void)state;
	fe_lane_own = lane;
	assert_int_equal(fe_cuCtxCreate_v2(&ctx, 0, 0), CUDA_SUCCESS);
	assert_int_equal(stream_look(), FE_LOOK);
	assert_int_equal(fe_cuCtxSetFlags(0x1000), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(stream_look(), FE_LOOK);
	assert_int_equal(fe_cuCtxSetFlags(CU_CTX_SCHED_BLOCKING_SYNC), CUDA_SUCCESS);
	assert_int_equal(stream_look(), FE_LOOK_NEVER);
	assert_int_equal(fe_cuCtxSetFlags(CU_CTX_SCHED_SPIN), CUDA_SUCCESS);
	assert_int_equal(stream_look(), FE_LOOK);
	assert_int_equal(fe_cuEventCreate(&plain, CU_EVENT_DISABLE_TIMING), CUDA_SUCCESS);
	assert_int_equal(fe_cuEventCreate(&blocking, CU_EVENT_BLOCKING_SYNC), CUDA_SUCCESS);
	assert_int_equal(fe_cuEventCreate(&both, CU_EVENT_BLOCKING_SYNC | CU_EVENT_INTERPROCESS |
							 CU_EVENT_DISABLE_TIMING),
			 CUDA_SUCCESS);
	assert_int_equal(fe_cuEventSynchronize(plain), CUDA_SUCCESS);
	assert_int_equal(looked, FE_LOOK);
	assert_int_equal(fe_cuEventSynchronize(blocking), CUDA_SUCCESS);
	assert_int_equal(looked, FE_LOOK_NEVER);
	assert_int_equal(fe_cuEventSynchronize(both), CUDA_SUCCESS);
	assert_int_equal(looked, FE_LOOK_NEVER);
	/* That it blocks does not make an event one of several processes. */
	assert_int_equal(fe_cuEventRecord(blocking, NULL), CUDA_SUCCESS);
	assert_true(sent_asynchronous);
	assert_int_equal(fe_cuEventRecord(both, NULL), CUDA_SUCCESS);
	assert_false(sent_asynchronous);
	fe_lane_own = NULL;
	free(lane);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(link_with_logs, setup),
		cmocka_unit_test_setup(link_refusals, setup),
		cmocka_unit_test_setup(capture_arrays, setup),
		cmocka_unit_test_setup(capture_of_thread, setup),
		cmocka_unit_test_setup(occupancy_search, setup),
		cmocka_unit_test_setup(occupancy_clusters, setup),
		cmocka_unit_test_setup(pool_access_for_nobody, setup),
		cmocka_unit_test_setup(pool_attributes, setup),
		cmocka_unit_test_setup(tensor_maps, setup),
		cmocka_unit_test_setup(im2col_maps, setup),
		cmocka_unit_test_setup(flags_are_checked, setup),
		cmocka_unit_test_setup(shared_events_wait, setup),
		cmocka_unit_test_setup(synchronize_another, setup),
		cmocka_unit_test_setup(waiting_as_the_program_says, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
