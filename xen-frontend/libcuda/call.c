/* SPDX-License-Identifier: MIT */
/*
 * Running one call: command into the lane, answer out of it; and what surrounds every exported
 * function. Runs in the program's threads, each with its own lane.
 */
#include "xen-frontend/libcuda/call.h"

#include <stdio.h>
#include <string.h>

#include "protocol/calls.h"
#include "protocol/clock.h"
#include "protocol/op_names.h"
#include "xen-frontend/libcuda/checkpoint.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/lane.h"
#include "xen-frontend/libcuda/logs.h"
#include "xen-frontend/libcuda/memory.h"
#include "xen-frontend/libcuda/order.h"
#include "xen-frontend/libcuda/output.h"
#include "xen-frontend/libcuda/session.h"
#include "xen-frontend/libcuda/tell.h"

__thread bool fe_ptds __attribute__((tls_model("initial-exec")));

/* Of the ring behind the command: the lines that the next one or two will be written to. */
#define AHEAD_BYTES 64u
#define AHEAD_LINES 4u

static uint64_t call_args_size(const struct fe_call *call)
{
	uint64_t size = 0;

	for (unsigned int i = 0; i < call->ins; i++)
		size += vg_pad8(call->in[i].size);
	return size;
}

/* Writes bytes of any number, as room comes. */
static bool send_bytes(struct fe_lane *lane, const void *data, size_t size)
{
	const uint8_t *at = data;
	/* Pieces of a long payload: the executor works on one while the next is written. */
	const size_t piece = lane->commands.size / 4;

	while (size) {
		size_t n;

		if (!fe_lane_wait_room(lane, size < 8 ? size : 8))
			return false;
		n = vg_producer_put(&lane->commands, at, size < piece ? size : piece);
		at += n;
		size -= n;
		if (size)
			fe_lane_publish(lane);
	}
	vg_producer_pad(&lane->commands);
	return true;
}

/* A command without arguments that does nothing but wait for another lane's. */
static bool after_send(struct fe_lane *lane, uint64_t after)
{
	struct vg_cmd cmd = {.op = VG_OP_vgAfter, .flags = VG_CMD_ASYNC, .after = after};

	if (!fe_lane_wait_room(lane, sizeof(cmd)))
		return false;
	vg_producer_put(&lane->commands, &cmd, sizeof(cmd));
	lane->number++;
	return true;
}

/* While the executor records: when the program called, and when it had its last answer. Not part of any order. */
static __attribute__((cold, noinline)) bool stamp_send(struct fe_lane *lane)
{
	const struct vg_cmd cmd = {
		.op = VG_OP_vgStamp, .flags = VG_CMD_ASYNC, .args_size = 2 * sizeof(uint64_t)};
	const uint64_t stamp[2] = {vg_clock_ns(), lane->had};

	if (!fe_lane_wait_room(lane, sizeof(cmd) + sizeof(stamp)))
		return false;
	vg_producer_put(&lane->commands, &cmd, sizeof(cmd));
	vg_producer_put(&lane->commands, stamp, sizeof(stamp));
	lane->number++;
	return true;
}

/* Takes the command's place among other threads' commands. */
static bool order_send(struct fe_lane *lane, const struct fe_call *call, uint64_t *after)
{
	unsigned int count = fe_order_take(lane, call, after);

	for (unsigned int i = 0; i < count; i++) {
		if (!after_send(lane, lane->others[i]))
			return false;
	}
	return true;
}

/* Head and arguments where they fit in one piece, which they nearly always do. False: nothing is written. */
static bool send_piece(struct fe_lane *lane, const struct fe_call *call, const struct vg_cmd *cmd)
{
	size_t size = sizeof(*cmd) + cmd->args_size;
	uint8_t *at = vg_producer_piece(&lane->commands, size);

	if (!at)
		return false;
	memcpy(at, cmd, sizeof(*cmd));
	at += sizeof(*cmd);
	for (unsigned int i = 0; i < call->ins; i++) {
		size_t n = call->in[i].size, padded = vg_pad8(n);

		if (!n)
			continue;
		memset(at + padded - 8, 0, 8);
		memcpy(at, call->in[i].data, n);
		at += padded;
	}
	vg_producer_advance(&lane->commands, size);
	for (unsigned int i = 0; i < AHEAD_LINES; i++)
		vg_producer_prefetch(&lane->commands, AHEAD_BYTES + 64 * i);
	return true;
}

static bool send_pieces(struct fe_lane *lane, const struct fe_call *call, const struct vg_cmd *cmd)
{
	if (!send_bytes(lane, cmd, sizeof(*cmd)))
		return false;
	for (unsigned int i = 0; i < call->ins; i++) {
		if (!send_bytes(lane, call->in[i].data, call->in[i].size))
			return false;
	}
	return true;
}

static bool call_send(struct fe_lane *lane, const struct fe_call *call, uint64_t args_size)
{
	struct vg_cmd cmd = {
		.op = call->op,
		.flags = (uint16_t)((call->async ? VG_CMD_ASYNC : 0) | (fe_ptds ? VG_CMD_PTDS : 0)),
		.args_size = (uint32_t)args_size,
		.bulk_size = call->bulk.size,
	};

	if (__builtin_expect(lane->traced, 0) && !stamp_send(lane))
		return false;
	/* Before it has a place among others that wait for it. */
	if (!fe_lane_wait_room(lane, sizeof(cmd) + args_size < lane->commands.size / 2
					     ? sizeof(cmd) + args_size
					     : lane->commands.size / 2))
		return false;
	if (!fe_order_alone(lane, call) && !order_send(lane, call, &cmd.after))
		return false;
	lane->number++;
	if (!send_piece(lane, call, &cmd) && !send_pieces(lane, call, &cmd))
		return false;
	if (call->bulk.size && !send_bytes(lane, call->bulk.data, call->bulk.size))
		return false;
	fe_lane_publish(lane);
	return true;
}

/* Reads size bytes and their padding; data NULL: skips them. */
static bool receive_bytes(struct fe_lane *lane, void *data, size_t size)
{
	uint8_t *at = data;

	while (size) {
		const void *span;
		size_t n;

		if (!fe_lane_wait_reply(lane, size < 8 ? size : 8))
			return false;
		n = vg_consumer_span(&lane->replies, &span, size);
		if (at) {
			memcpy(at, span, n);
			at += n;
		}
		vg_consumer_advance(&lane->replies, n);
		size -= n;
		if (size)
			vg_consumer_release(&lane->replies);
	}
	vg_consumer_pad(&lane->replies);
	return true;
}

static bool protocol_broken(const struct fe_call *call, const char *why)
{
	char text[128];

	snprintf(text, sizeof(text), "the executor's answer to %s makes no sense: %s",
		 vg_op_name(call->op), why);
	fe_session_lose(CUDA_ERROR_DEVICE_UNAVAILABLE, text);
	return false;
}

static bool receive_args(struct fe_lane *lane, struct fe_call *call, uint64_t size)
{
	for (unsigned int i = 0; i < call->outs; i++) {
		struct fe_out *out = &call->out[i];

		if (out->size > size)
			return protocol_broken(call, "too short");
		if (!receive_bytes(lane, out->data, out->size))
			return false;
		size -= vg_pad8(out->size) < size ? vg_pad8(out->size) : size;
		if (i == 0 && call->sizes && !call->sizes(call))
			return protocol_broken(call, "lengths");
	}
	return size ? protocol_broken(call, "too long") : true;
}

static bool call_receive(struct fe_lane *lane, struct fe_call *call, CUresult *result)
{
	struct vg_reply reply;

	if (!receive_bytes(lane, &reply, sizeof(reply)))
		return false;
	if (reply.op != call->op || reply.number != (uint32_t)lane->number)
		return protocol_broken(call, "not the one asked");
	if (reply.args_size && !receive_args(lane, call, reply.args_size))
		return false;
	if (!reply.result && !reply.args_size && call->outs)
		return protocol_broken(call, "no results");
	if (reply.bulk_size && reply.bulk_size != call->bulk_out.size)
		return protocol_broken(call, "size of the bulk part");
	if (reply.bulk_size && !receive_bytes(lane, call->bulk_out.data, reply.bulk_size))
		return false;
	vg_consumer_release(&lane->replies);
	lane->answered = lane->number;
	if (__builtin_expect(lane->traced, 0))
		lane->had = vg_clock_ns();
	fe_order_answered();
	*result = (CUresult)reply.result;
	return true;
}

static CUresult lost(void)
{
	int result = atomic_load(&fe_session.lost);

	return result ? (CUresult)result : CUDA_ERROR_DEVICE_UNAVAILABLE;
}

/* Errors after which a context does no more work. */
static bool is_sticky(CUresult result)
{
	switch ((unsigned int)result) {
	case CUDA_ERROR_ECC_UNCORRECTABLE:
	case CUDA_ERROR_NVLINK_UNCORRECTABLE:
	case CUDA_ERROR_ILLEGAL_ADDRESS:
	case CUDA_ERROR_LAUNCH_TIMEOUT:
	case CUDA_ERROR_ASSERT:
	case CUDA_ERROR_HARDWARE_STACK_ERROR:
	case CUDA_ERROR_ILLEGAL_INSTRUCTION:
	case CUDA_ERROR_MISALIGNED_ADDRESS:
	case CUDA_ERROR_INVALID_ADDRESS_SPACE:
	case CUDA_ERROR_INVALID_PC:
	case CUDA_ERROR_LAUNCH_FAILED: return true;
	default: return false;
	}
}

/*
 * The last context that was seen to have such an error, so that calls which do not wait for an
 * answer return it as well.
 */
static _Atomic(CUcontext) sticky_context;
static _Atomic int sticky_error;

static void sticky_note(CUresult result)
{
	if (!is_sticky(result))
		return;
	atomic_store(&sticky_error, (int)result);
	atomic_store(&sticky_context, fe_context_current());
}

static bool sticky_find(CUresult *error)
{
	CUcontext context = atomic_load_explicit(&sticky_context, memory_order_acquire);

	if (!context || context != fe_context_current())
		return false;
	*error = (CUresult)atomic_load(&sticky_error);
	return true;
}

void fe_call_forgive(CUcontext context)
{
	atomic_compare_exchange_strong(&sticky_context, &context, NULL);
}

/* It is run by the function that writes its line in the log, and calls us again. */
static __thread bool telling __attribute__((tls_model("initial-exec")));

static FE_TOLD CUresult call_run_told(struct fe_call *call)
{
	uint64_t begun = vg_clock_ns();
	CUresult result = fe_call_run(call);

	fe_tell_sent(call, result, begun);
	return result;
}

CUresult fe_call_run(struct fe_call *call)
{
	uint64_t args_size;
	CUresult result, error;
	struct fe_lane *lane;

	if (__builtin_expect(fe_tell_commands, 0)) {
		telling = !telling;
		if (telling)
			return call_run_told(call);
	}
	args_size = call_args_size(call);
	lane = fe_lane_get(&result);
	if (!lane)
		return result;
	if (!call->no_context) {
		result = call->may_context ? fe_context_bind_if(&lane->context_sent)
					   : fe_context_bind(&lane->context_sent);
		if (result)
			return result;
	}
	if (args_size > VG_ARGS_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	/* In a capture a call's error is the capture's end: both are told at once. */
	if (atomic_load_explicit(&fe_captures, memory_order_relaxed) > 0)
		call->async = false;
	if (call->async && call->reports && (sticky_find(&error) || fe_lane_error(lane, &error))) {
		sticky_note(error);
		return error;
	}
	if (!call_send(lane, call, args_size))
		return lost();
	if (call->async)
		return CUDA_SUCCESS;
	if (!call_receive(lane, call, &result))
		return lost();
	sticky_note(result);
	if (call->reports)
		fe_output_fetch(lane);
	if (!result && call->reports && fe_lane_error(lane, &error))
		return error;
	return result;
}

CUresult fe_enter_other(void)
{
	if (atomic_load_explicit(&fe_checkpoint_locked, memory_order_relaxed))
		fe_checkpoint_wait();
	switch (atomic_load_explicit(&fe_session.state, memory_order_acquire)) {
	case FE_SESSION_OPEN: return CUDA_SUCCESS;
	case FE_SESSION_LOST: return lost();
	default: return CUDA_ERROR_NOT_INITIALIZED;
	}
}

void fe_leave_tell(const char *symbol, CUresult result)
{
	if (atomic_load_explicit(&fe_logs_listeners, memory_order_relaxed))
		fe_logs_tell(symbol, result);
}

bool fe_memory_known(uint64_t address, uint64_t bytes)
{
	if (fe_range_known(address, bytes))
		return true;
	vg_call(&fe_who, "event=unknown-memory address=%#llx bytes=%llu",
		(unsigned long long)address, (unsigned long long)bytes);
	return false;
}
