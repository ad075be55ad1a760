/* SPDX-License-Identifier: MIT */
/*
 * Stream memory operations: words written by, and waited for in, a stream. A wait polls, with pauses
 * that grow, because the word is written by kernels and by the host alike; it ends when its context
 * breaks.
 */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/memop.h"
#include "dom0-executor/soft/range.h"

#include <string.h>
#include <time.h>

#define PAUSE_MIN_NS 1000
#define PAUSE_MAX_NS 200000

struct memop_work {
	struct soft_work work;
	unsigned int count;
	CUstreamBatchMemOpParams ops[];
};

/* The fields that the operations on a word share. */
struct word_op {
	bool wait;
	size_t size;
	uint64_t address, value;
	unsigned int flags;
};

/* waitValue and writeValue lie alike: only waitValue is named here. */
_Static_assert(sizeof(struct CUstreamMemOpWaitValueParams_st) ==
		       sizeof(struct CUstreamMemOpWriteValueParams_st),
	       "operations on words");

/* False: it is none of the operations on a word. */
static bool word_op_of(const CUstreamBatchMemOpParams *params, struct word_op *op)
{
	switch ((int)params->operation) {
	case CU_STREAM_MEM_OP_WAIT_VALUE_32: *op = (struct word_op){.wait = true, .size = 4}; break;
	case CU_STREAM_MEM_OP_WAIT_VALUE_64: *op = (struct word_op){.wait = true, .size = 8}; break;
	case CU_STREAM_MEM_OP_WRITE_VALUE_32: *op = (struct word_op){.size = 4}; break;
	case CU_STREAM_MEM_OP_WRITE_VALUE_64: *op = (struct word_op){.size = 8}; break;
	default: return false;
	}
	op->address = params->waitValue.address;
	op->value = op->size == 8 ? params->waitValue.value64 : params->waitValue.value;
	op->flags = params->waitValue.flags;
	return true;
}

/* The memory is pinned. */
static bool word_satisfies(const struct word_op *op)
{
	uint64_t word, value = op->value;

	if (op->size == 8) {
		word = __atomic_load_n((uint64_t *)(uintptr_t)op->address, __ATOMIC_ACQUIRE);
	} else {
		word = __atomic_load_n((uint32_t *)(uintptr_t)op->address, __ATOMIC_ACQUIRE);
		value = (uint32_t)value;
	}
	switch (op->flags & 3) {
	case CU_STREAM_WAIT_VALUE_GEQ:
		return op->size == 8 ? (int64_t)(word - value) >= 0
				     : (int32_t)((uint32_t)word - (uint32_t)value) >= 0;
	case CU_STREAM_WAIT_VALUE_EQ: return word == value;
	case CU_STREAM_WAIT_VALUE_AND: return (word & value) != 0;
	default: return ~(word | value) & (op->size == 8 ? UINT64_MAX : UINT32_MAX);
	}
}

static CUresult word_wait(const struct word_op *op, struct soft_context *ctx)
{
	struct timespec pause = {.tv_nsec = PAUSE_MIN_NS};
	CUresult error;
	bool done;

	for (;;) {
		if (!range_pin_span(op->address, op->size, !op->wait))
			return CUDA_ERROR_ILLEGAL_ADDRESS;
		done = word_satisfies(op);
		range_unpin_span(op->address, op->size);
		if (done)
			return CUDA_SUCCESS;
		error = context_error(ctx);
		if (error != CUDA_SUCCESS || !atomic_load(&ctx->alive))
			return error ? error : CUDA_ERROR_CONTEXT_IS_DESTROYED;
		nanosleep(&pause, NULL);
		if (pause.tv_nsec < PAUSE_MAX_NS)
			pause.tv_nsec *= 2;
	}
}

static CUresult word_write(const struct word_op *op)
{
	if (!range_pin_span(op->address, op->size, !op->wait))
		return CUDA_ERROR_ILLEGAL_ADDRESS;
	if (op->size == 8)
		__atomic_store_n((uint64_t *)(uintptr_t)op->address, op->value, __ATOMIC_RELEASE);
	else
		__atomic_store_n((uint32_t *)(uintptr_t)op->address, (uint32_t)op->value,
				 __ATOMIC_RELEASE);
	range_unpin_span(op->address, op->size);
	return CUDA_SUCCESS;
}

static CUresult memop_run(struct soft_work *work, struct soft_stream *stream)
{
	struct memop_work *memop = (struct memop_work *)work;
	CUresult result = CUDA_SUCCESS;
	struct word_op op;

	for (unsigned int i = 0; i < memop->count && result == CUDA_SUCCESS; i++) {
		if (!word_op_of(&memop->ops[i], &op))
			atomic_thread_fence(memory_order_seq_cst); /* barriers and flushes */
		else
			result = op.wait ? word_wait(&op, stream->object.ctx) : word_write(&op);
	}
	return result;
}

static bool memop_brief(const struct soft_work *work)
{
	const struct memop_work *memop = (const struct memop_work *)work;
	struct word_op op;

	for (unsigned int i = 0; i < memop->count; i++) {
		if (word_op_of(&memop->ops[i], &op) && op.wait)
			return false;
	}
	return true;
}

static const struct soft_work_type memop_type = {
	.node = CU_GRAPH_NODE_TYPE_BATCH_MEM_OP,
	.run = memop_run,
	.brief = memop_brief,
};

static CUresult op_check(const CUstreamBatchMemOpParams *params)
{
	struct word_op op;

	if (!word_op_of(params, &op))
		return params->operation == CU_STREAM_MEM_OP_BARRIER ||
				       params->operation == CU_STREAM_MEM_OP_FLUSH_REMOTE_WRITES
			       ? CUDA_SUCCESS
			       : CUDA_ERROR_INVALID_VALUE;
	if (op.address % op.size || !range_pin_span(op.address, op.size, !op.wait))
		return CUDA_ERROR_INVALID_VALUE;
	range_unpin_span(op.address, op.size);
	return CUDA_SUCCESS;
}

CUresult memop_work_new(const CUstreamBatchMemOpParams *params, unsigned int count,
			struct soft_work **work)
{
	struct memop_work *memop;
	CUresult result;

	if ((count && !params) || count > 256)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++) {
		result = op_check(&params[i]);
		if (result != CUDA_SUCCESS)
			return result;
	}
	memop = work_new(&memop_type, sizeof(*memop) + count * sizeof(*params));
	if (!memop)
		return CUDA_ERROR_OUT_OF_MEMORY;
	memop->count = count;
	if (count)
		memcpy(memop->ops, params, count * sizeof(*params));
	*work = &memop->work;
	return CUDA_SUCCESS;
}

const CUstreamBatchMemOpParams *memop_of_work(struct soft_work *work, unsigned int *count)
{
	const struct memop_work *memop = (struct memop_work *)work;

	*count = memop->count;
	return memop->ops;
}

CUresult cuStreamBatchMemOp_v2(CUstream hStream, unsigned int count,
			       CUstreamBatchMemOpParams *paramArray, unsigned int flags)
{
	struct soft_work *work;
	CUresult result;

	ENTER_STREAM(ctx, stream, hStream);
	if (flags)
		return CUDA_ERROR_INVALID_VALUE;
	result = memop_work_new(paramArray, count, &work);
	return result ? result : stream_submit(stream, work, SOFT_QUEUE);
}

/* `value` of an operation on 32 bits is the low half of value64. */
#define WRITE_FLAGS (unsigned int)CU_STREAM_WRITE_VALUE_NO_MEMORY_BARRIER
#define WAIT_FLAGS  (unsigned int)(CU_STREAM_WAIT_VALUE_NOR | CU_STREAM_WAIT_VALUE_FLUSH)

static CUresult stream_op(CUstream stream, CUstreamBatchMemOpType operation, CUdeviceptr address,
			  uint64_t value, unsigned int flags)
{
	CUstreamBatchMemOpParams op = {.waitValue = {.operation = operation,
						     .address = address,
						     .value64 = value,
						     .flags = flags}};
	bool write = operation == CU_STREAM_MEM_OP_WRITE_VALUE_32 ||
		     operation == CU_STREAM_MEM_OP_WRITE_VALUE_64;

	if (flags & ~(write ? WRITE_FLAGS : WAIT_FLAGS))
		return CUDA_ERROR_INVALID_VALUE;
	return cuStreamBatchMemOp_v2(stream, 1, &op, 0);
}

CUresult cuStreamWaitValue32_v2(CUstream hStream, CUdeviceptr addr, cuuint32_t value,
				unsigned int flags)
{
	return stream_op(hStream, CU_STREAM_MEM_OP_WAIT_VALUE_32, addr, value, flags);
}

CUresult cuStreamWaitValue64_v2(CUstream hStream, CUdeviceptr addr, cuuint64_t value,
				unsigned int flags)
{
	return stream_op(hStream, CU_STREAM_MEM_OP_WAIT_VALUE_64, addr, value, flags);
}

CUresult cuStreamWriteValue32_v2(CUstream hStream, CUdeviceptr addr, cuuint32_t value,
				 unsigned int flags)
{
	return stream_op(hStream, CU_STREAM_MEM_OP_WRITE_VALUE_32, addr, value, flags);
}

CUresult cuStreamWriteValue64_v2(CUstream hStream, CUdeviceptr addr, cuuint64_t value,
				 unsigned int flags)
{
	return stream_op(hStream, CU_STREAM_MEM_OP_WRITE_VALUE_64, addr, value, flags);
}
