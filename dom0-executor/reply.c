/* SPDX-License-Identifier: MIT */
/*
 * Answers: a head and arguments gathered in private memory, then written into the reply ring; or
 * a head followed by a bulk part that is filled where it lies. Runs in the lane's thread.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"

#include "dom0-executor/call.h"
#include "dom0-executor/lane.h"
#include "dom0-executor/tell.h"

static uint8_t *reply_room(struct ex_call *call, size_t n)
{
	struct ex_lane *lane = call->lane;
	size_t wanted = call->reply_size + vg_pad8(n);
	size_t size = lane->reply_room ? lane->reply_room : 4096;
	uint8_t *bigger;

	if (n > VG_ARGS_MAX || wanted > VG_ARGS_MAX)
		return NULL;
	while (size < wanted)
		size *= 2;
	if (size > lane->reply_room) {
		bigger = realloc(lane->reply, size);
		if (!bigger)
			return NULL;
		lane->reply = bigger;
		lane->reply_room = size;
	}
	bigger = lane->reply + call->reply_size;
	call->reply_size = wanted;
	return bigger;
}

void *ex_reply_put(struct ex_call *call, size_t n)
{
	uint8_t *room = reply_room(call, n);

	if (!room)
		return NULL;
	return memset(room, 0, vg_pad8(n));
}

bool ex_reply_bytes(struct ex_call *call, const void *data, size_t n)
{
	uint8_t *room = reply_room(call, n);

	if (!room) {
		call->reply_size = 0; /* an error goes without arguments */
		return false;
	}
	if (n)
		memcpy(room, data, n);
	memset(room + n, 0, vg_pad8(n) - n);
	return true;
}

static bool out_write(struct ex_lane *lane, const void *data, size_t n)
{
	size_t done = 0;

	while (done < n) {
		if (!ex_lane_wait_out(lane, vg_min(n - done, lane->out.size / 2)))
			return false;
		done += vg_producer_put(&lane->out, (const uint8_t *)data + done, n - done);
		if (done < n)
			ex_lane_publish(lane);
	}
	return true;
}

static struct vg_reply reply_head(const struct ex_call *call, CUresult result)
{
	return (struct vg_reply){
		.op = call->op,
		.result = (int32_t)result,
		.args_size = (uint32_t)call->reply_size,
		.number = (uint32_t)call->lane->number,
		.bulk_size = call->reply_bulk_size,
	};
}

/* The head stays unpublished until the first piece does, so that an early error can still replace it. */
bool ex_reply_bulk_begin(struct ex_call *call, uint64_t size)
{
	struct ex_lane *lane = call->lane;
	struct vg_reply head;

	if (call->reply_head_sent || call->async || call->reply_size > lane->out.size / 2)
		return false;
	if (!ex_lane_wait_out(lane, sizeof(head) + call->reply_size))
		return false;
	call->reply_bulk_size = size;
	head = reply_head(call, CUDA_SUCCESS);
	lane->reply_start = lane->out.pos;
	lane->reply_hidden = true;
	vg_producer_put(&lane->out, &head, sizeof(head));
	vg_producer_put(&lane->out, lane->reply, call->reply_size);
	call->reply_head_sent = true;
	call->reply_args = call->reply_size;
	call->reply_size = 0; /* from here on: bulk bytes committed */
	return true;
}

size_t ex_reply_bulk_span(struct ex_call *call, void **span, size_t max)
{
	struct ex_lane *lane = call->lane;
	uint64_t left = call->reply_bulk_size - call->reply_size;
	uint64_t piece = vg_min(vg_min(left, max), lane->out.size / 4);

	*span = NULL;
	if (!piece || !ex_lane_wait_out(lane, piece))
		return 0;
	return vg_producer_span(&lane->out, span, piece);
}

void ex_reply_bulk_commit(struct ex_call *call, size_t n)
{
	if (ex_tell_sums(call))
		ex_tell_reply_sum(call, n);
	vg_producer_advance(&call->lane->out, n);
	call->reply_size += n;
	if (call->reply_size == call->reply_bulk_size)
		vg_producer_pad(&call->lane->out);
	ex_lane_publish(call->lane);
}

void ex_reply_bulk_fail(struct ex_call *call, CUresult why)
{
	struct ex_lane *lane = call->lane;
	void *span;
	size_t n;

	if (lane->reply_hidden) {
		lane->out.pos = lane->reply_start;
		lane->reply_hidden = false;
		call->reply_head_sent = false;
		call->reply_bulk_size = 0;
		call->reply_size = 0;
		return;
	}
	while (call->reply_size < call->reply_bulk_size) {
		n = ex_reply_bulk_span(call, &span, SIZE_MAX);
		if (!n)
			return;
		memset(span, 0, n);
		ex_reply_bulk_commit(call, n);
	}
	ex_lane_error(lane, call->op, why);
}

/* Sends what there is to be sent for the call's result. */
void ex_reply_finish(struct ex_call *call, CUresult result)
{
	struct ex_lane *lane = call->lane;
	struct vg_reply head;

	if (call->reply_head_sent) {
		if (!result && call->reply_size < call->reply_bulk_size)
			result = CUDA_ERROR_UNKNOWN;
		if (result)
			ex_reply_bulk_fail(call, result);
		else if (lane->reply_hidden) /* a bulk part of 0 bytes */
			ex_lane_publish(lane);
		if (call->reply_head_sent)
			return;
	}
	head = reply_head(call, result);
	if (out_write(lane, &head, sizeof(head)) && out_write(lane, lane->reply, call->reply_size))
		ex_lane_publish(lane);
}
