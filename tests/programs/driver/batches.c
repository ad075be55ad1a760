/* SPDX-License-Identifier: MIT */
/*
 * Batches of copies, copies of boxes between contexts, operations of streams on words, each in their forms; pools by
 * place. What a device or a driver does not have is skipped. One thread.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/programs/check.h"

#define COPIES 5u
#define BYTES  3000u

struct data {
	CUdevice dev;
	CUcontext context;
	CUstream stream;
	CUdeviceptr memory; /* COPIES * BYTES */
	uint8_t *pinned;    /* the same size */
	uint8_t back[COPIES * BYTES];
};

typedef CUresult (*batch_v2)(CUdeviceptr *, CUdeviceptr *, size_t *, size_t, CUmemcpyAttributes *,
			     size_t *, size_t, CUstream);
typedef CUresult (*batch_v1)(CUdeviceptr *, CUdeviceptr *, size_t *, size_t, CUmemcpyAttributes *,
			     size_t *, size_t, size_t *, CUstream);

/* --- lines ----------------------------------------------------------------------------------------------- */

struct batch {
	CUdeviceptr to[COPIES], from[COPIES];
	size_t sizes[COPIES], starts[2];
	CUmemcpyAttributes attrs[2];
};

/* The first three come from pinned memory, the rest from a stack's. */
static void batch_make(struct data *d, struct batch *b, uint8_t *local, uint64_t seed)
{
	memset(b, 0, sizeof(*b));
	fill_random(d->pinned, COPIES * BYTES, seed);
	memcpy(local, d->pinned, COPIES * BYTES);
	for (unsigned int i = 0; i < COPIES; i++) {
		b->to[i] = d->memory + (size_t)i * BYTES;
		b->from[i] = (CUdeviceptr)(uintptr_t)(i < 3 ? d->pinned : local) +
			     (CUdeviceptr)i * BYTES;
		b->sizes[i] = BYTES - i;
	}
	b->starts[1] = 3;
	b->attrs[0].srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
	b->attrs[1].srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_DURING_API_CALL;
}

static bool batch_came(struct data *d, const uint8_t *wanted)
{
	CU(cuStreamSynchronize(d->stream));
	CU(cuMemcpyDtoH(d->back, d->memory, sizeof(d->back)));
	for (unsigned int i = 0; i < COPIES; i++)
		if (memcmp(d->back + (size_t)i * BYTES, wanted + (size_t)i * BYTES, BYTES - i) != 0)
			return false;
	return true;
}

static void check_batch(struct data *d)
{
	batch_v1 first = (batch_v1)entry_of("cuMemcpyBatchAsync", 12080);
	batch_v2 second = (batch_v2)entry_of("cuMemcpyBatchAsync", 13000);
	uint8_t local[COPIES * BYTES], wanted[COPIES * BYTES];
	size_t failed = 77;
	struct batch b;

	batch_make(d, &b, local, 1);
	memcpy(wanted, local, sizeof(wanted));
	CU(first(b.to, b.from, b.sizes, COPIES, b.attrs, b.starts, 2, &failed, d->stream));
	memset(local, 0, sizeof(local)); /* read during the call */
	check_that(batch_came(d, wanted), "batch-v1", "%u copies", COPIES);
	batch_make(d, &b, local, 2);
	memcpy(wanted, local, sizeof(wanted));
	CU(second(b.to, b.from, b.sizes, COPIES, b.attrs, b.starts, 2, d->stream));
	memset(local, 0, sizeof(local));
	check_that(batch_came(d, wanted), "batch", "%u copies", COPIES);
	check_result("batch-attributes",
		     second(b.to, b.from, b.sizes, COPIES, b.attrs, b.starts, 0, d->stream),
		     CUDA_ERROR_INVALID_VALUE);
	check_that(second(b.to, b.from, b.sizes, COPIES, b.attrs, b.starts, 2, CU_STREAM_LEGACY) !=
			   CUDA_SUCCESS,
		   "batch-stream", "not on the legacy stream");
}

/* --- boxes ------------------------------------------------------------------------------------------------ */

typedef CUresult (*boxes_v1)(size_t, CUDA_MEMCPY3D_BATCH_OP *, size_t *, unsigned long long,
			     CUstream);
typedef CUresult (*boxes_v2)(size_t, CUDA_MEMCPY3D_BATCH_OP *, unsigned long long, CUstream);

#define W 12u
#define H 5u

/* Pinned rows of 16 elements of 4 bytes, of which 12 go into an array, and back out of it, packed. */
static void boxes_make(struct data *d, CUDA_MEMCPY3D_BATCH_OP *op, CUarray array, bool out)
{
	CUmemcpy3DOperand *memory = out ? &op->dst : &op->src;
	CUmemcpy3DOperand *texels = out ? &op->src : &op->dst;

	memset(op, 0, sizeof(*op));
	op->extent.width = W;
	op->extent.height = H;
	op->extent.depth = 1;
	op->srcAccessOrder = CU_MEMCPY_SRC_ACCESS_ORDER_STREAM;
	texels->type = CU_MEMCPY_OPERAND_TYPE_ARRAY;
	texels->op.array.array = array;
	memory->type = CU_MEMCPY_OPERAND_TYPE_POINTER;
	memory->op.ptr.ptr = out ? d->memory : (CUdeviceptr)(uintptr_t)d->pinned;
	memory->op.ptr.rowLength = out ? 0 : 16;
}

static void check_boxes(struct data *d)
{
	boxes_v1 first = (boxes_v1)entry_of("cuMemcpy3DBatchAsync", 12080);
	boxes_v2 second = (boxes_v2)entry_of("cuMemcpy3DBatchAsync", 13000);
	CUDA_ARRAY_DESCRIPTOR desc;
	CUDA_MEMCPY3D_BATCH_OP op;
	unsigned int wrong = 0;
	CUarray array = NULL;
	size_t failed = 77;
	CUresult result;

	memset(&desc, 0, sizeof(desc));
	desc.Width = W;
	desc.Height = H;
	desc.Format = CU_AD_FORMAT_UNSIGNED_INT32;
	desc.NumChannels = 1;
	CU(cuArrayCreate(&array, &desc));
	fill_random(d->pinned, COPIES * BYTES, 3);
	boxes_make(d, &op, array, false);
	result = first(1, &op, &failed, 0, d->stream);
	if (result == CUDA_ERROR_NOT_SUPPORTED) {
		check_skip("boxes", "this driver has no batches of boxes");
		CU(cuArrayDestroy(array));
		return;
	}
	CU(result);
	boxes_make(d, &op, array, true);
	CU(second(1, &op, 0, d->stream));
	CU(cuStreamSynchronize(d->stream));
	CU(cuMemcpyDtoH(d->back, d->memory, W * H * 4));
	for (unsigned int y = 0; y < H; y++)
		wrong += memcmp(d->back + (size_t)y * W * 4, d->pinned + (size_t)y * 64, W * 4) !=
			 0;
	check_that(!wrong, "boxes", "%u of %u rows wrong", wrong, H);
	op.extent.width = 0;
	check_result("boxes-empty", second(1, &op, 0, d->stream), CUDA_ERROR_INVALID_VALUE);
	CU(cuArrayDestroy(array));
}

static void check_peer(struct data *d)
{
	CUDA_MEMCPY3D_PEER copy;

	fill_random(d->pinned, COPIES * BYTES, 4);
	memset(&copy, 0, sizeof(copy));
	copy.srcMemoryType = CU_MEMORYTYPE_HOST;
	copy.srcHost = d->pinned;
	copy.srcPitch = 100;
	copy.srcHeight = 10;
	copy.srcContext = copy.dstContext = d->context;
	copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
	copy.dstDevice = d->memory;
	copy.dstPitch = 100;
	copy.dstHeight = 10;
	copy.WidthInBytes = 100;
	copy.Height = 10;
	copy.Depth = 3;
	CU(cuMemcpy3DPeer(&copy));
	CU(cuMemcpyDtoH(d->back, d->memory, BYTES));
	check_that(!memcmp(d->back, d->pinned, BYTES), "peer-box", "%u bytes", BYTES);
	copy.srcHost = d->pinned + BYTES;
	CU(cuMemcpy3DPeerAsync(&copy, d->stream));
	CU(cuStreamSynchronize(d->stream));
	CU(cuMemcpyDtoH(d->back, d->memory, BYTES));
	check_that(!memcmp(d->back, d->pinned + BYTES, BYTES), "peer-box-async", "%u bytes", BYTES);
}

/* --- words ---------------------------------------------------------------------------------------------------- */

typedef CUresult (*word32)(CUstream, CUdeviceptr, cuuint32_t, unsigned int);
typedef CUresult (*word64)(CUstream, CUdeviceptr, cuuint64_t, unsigned int);
typedef CUresult (*words)(CUstream, unsigned int, CUstreamBatchMemOpParams *, unsigned int);

static uint64_t word_at(struct data *d)
{
	uint64_t word = 0;

	CU(cuStreamSynchronize(d->stream));
	CU(cuMemcpyDtoH(&word, d->memory, sizeof(word)));
	return word;
}

static void words_make(struct data *d, CUstreamBatchMemOpParams *ops, uint32_t value)
{
	memset(ops, 0, 2 * sizeof(*ops));
	ops[0].writeValue.operation = CU_STREAM_MEM_OP_WRITE_VALUE_32;
	ops[0].writeValue.address = d->memory;
	ops[0].writeValue.value = value;
	ops[1].waitValue.operation = CU_STREAM_MEM_OP_WAIT_VALUE_32;
	ops[1].waitValue.address = d->memory;
	ops[1].waitValue.value = value;
	ops[1].waitValue.flags = CU_STREAM_WAIT_VALUE_EQ;
}

static void check_words(struct data *d)
{
	CUstreamBatchMemOpParams ops[2];

	if (!device_attribute(d->dev, CU_DEVICE_ATTRIBUTE_CAN_USE_64_BIT_STREAM_MEM_OPS)) {
		check_skip("words", "no stream memory operations here");
		return;
	}
	CU(cuMemsetD8(d->memory, 0, 16));
	CU(cuCtxSynchronize());
	CU(cuStreamWriteValue32(d->stream, d->memory, 5, 0));
	CU(cuStreamWaitValue32(d->stream, d->memory, 5, CU_STREAM_WAIT_VALUE_EQ));
	check_that(word_at(d) == 5, "word-32", "written and waited for");
	CU(cuStreamWriteValue64(d->stream, d->memory, (cuuint64_t)6 << 33, 0));
	CU(cuStreamWaitValue64(d->stream, d->memory, (cuuint64_t)6 << 33,
			       CU_STREAM_WAIT_VALUE_GEQ));
	check_that(word_at(d) == (uint64_t)6 << 33, "word-64", "written and waited for");
	words_make(d, ops, 7);
	CU(cuStreamBatchMemOp(d->stream, 2, ops, 0));
	check_that((uint32_t)word_at(d) == 7, "words-batch", "written and waited for");
}

/* The first versions need a setting of the driver's since CUDA 12. */
static void check_words_v1(struct data *d)
{
	word32 write32 = (word32)entry_of("cuStreamWriteValue32", 8000);
	word32 wait32 = (word32)entry_of("cuStreamWaitValue32", 8000);
	word64 write64 = (word64)entry_of("cuStreamWriteValue64", 9000);
	word64 wait64 = (word64)entry_of("cuStreamWaitValue64", 9000);
	words batch = (words)entry_of("cuStreamBatchMemOp", 8000);
	CUresult result = write32(d->stream, d->memory, 15, 0);
	CUstreamBatchMemOpParams ops[2];

	if (result == CUDA_ERROR_NOT_SUPPORTED) {
		check_skip("words-v1", "not switched on in this driver");
		return;
	}
	CU(result);
	CU(wait32(d->stream, d->memory, 15, CU_STREAM_WAIT_VALUE_EQ));
	CU(write64(d->stream, d->memory, 16, 0));
	CU(wait64(d->stream, d->memory, 16, CU_STREAM_WAIT_VALUE_EQ));
	check_that(word_at(d) == 16, "words-v1", "written and waited for");
	words_make(d, ops, 17);
	CU(batch(d->stream, 2, ops, 0));
	check_that((uint32_t)word_at(d) == 17, "words-batch-v1", "written and waited for");
}

/* --- pools ------------------------------------------------------------------------------------------------------ */

static void check_pools(struct data *d)
{
	CUmemLocation here;
	CUmemoryPool pool = NULL, same = NULL;
	CUresult result;

	memset(&here, 0, sizeof(here));
	here.type = CU_MEM_LOCATION_TYPE_DEVICE;
	here.id = d->dev;
	result = cuMemGetDefaultMemPool(&pool, &here, CU_MEM_ALLOCATION_TYPE_PINNED);
	if (result == CUDA_ERROR_NOT_SUPPORTED) {
		check_skip("pools", "no pools by place");
		return;
	}
	CU(result);
	CU(cuDeviceGetDefaultMemPool(&same, d->dev));
	check_that(pool && pool == same, "default-pool", "the device's");
	CU(cuMemSetMemPool(&here, CU_MEM_ALLOCATION_TYPE_PINNED, pool));
	CU(cuMemGetMemPool(&same, &here, CU_MEM_ALLOCATION_TYPE_PINNED));
	check_that(pool == same, "pool", "the one that was set");
}

int main(void)
{
	static struct data data;

	data.dev = device_open();
	CU(cuCtxGetCurrent(&data.context));
	CU(cuStreamCreate(&data.stream, CU_STREAM_NON_BLOCKING));
	CU(cuMemAlloc(&data.memory, COPIES * BYTES));
	CU(cuMemHostAlloc((void **)&data.pinned, COPIES * BYTES, 0));
	check_batch(&data);
	check_boxes(&data);
	check_peer(&data);
	check_words(&data);
	check_words_v1(&data);
	check_pools(&data);
	CU(cuMemFreeHost(data.pinned));
	CU(cuMemFree(data.memory));
	CU(cuStreamDestroy(data.stream));
	device_close(data.dev);
	return check_end();
}
