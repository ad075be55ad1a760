/* SPDX-License-Identifier: MIT */
/*
 * Calls in the log. What is shown is the guest's, from private memory; the decoder bounds it. Runs in the lane's
 * thread; lanes share the session's limit of lines.
 */
#include "dom0-executor/tell.h"

#include "protocol/call_text.h"
#include "protocol/crc32.h"
#include "protocol/errors.h"
#include "protocol/op_names.h"

#include "dom0-executor/lane.h"

#define ARGS_TEXT 700u
#define RET_TEXT  400u

void ex_tell_bulk(struct ex_call *call, const void *span, size_t n)
{
	if (ex_tell_sums(call))
		call->bulk_sum = vg_crc32(call->bulk_sum, span, n);
	if (call->taken)
		ex_trace_bulk(call, call->bulk_pos - n, span, n);
}

void ex_tell_reply_sum(struct ex_call *call, size_t n)
{
	const struct vg_producer *out = &call->lane->out;

	/* It is in one piece: that is what the span was. */
	call->reply_bulk_sum =
		vg_crc32(call->reply_bulk_sum, out->base + (out->pos & (out->size - 1)), n);
}

void ex_tell(const struct ex_call *call, CUresult result, uint64_t took_ns)
{
	const struct ex_lane *lane = call->lane;
	const struct vg_log_who *who = &call->session->who;
	const struct vg_call_bytes bytes = {
		.op = call->op,
		.sums = ex_tell_sums(call),
		.args = call->args,
		.args_size = call->args_size,
		.reply = lane->reply,
		.reply_size = call->reply_head_sent ? call->reply_args : call->reply_size,
	};
	const char *error = result ? vg_error_name((int)result) : NULL;
	char args[ARGS_TEXT], ret[RET_TEXT], in[64], out[64];

	if (!vg_log_rate_allow(&call->session->log_rate, who, VG_LOG_CALL))
		return;
	vg_call_args(&bytes, args, sizeof(args));
	vg_call_ret(&bytes, ret, sizeof(ret));
	vg_call_bulk("in", call->bulk_size,
		     bytes.sums && call->bulk_pos == call->bulk_size ? &call->bulk_sum : NULL, in,
		     sizeof(in));
	vg_call_bulk("out", call->reply_bulk_size, bytes.sums ? &call->reply_bulk_sum : NULL, out,
		     sizeof(out));
	vg_log_write(
		who, VG_LOG_CALL,
		"op=%s lane=%u seq=%llu async=%d result=%d%s%s us=%llu%s%s args=\"%s\" ret=\"%s\"",
		vg_op_name(call->op), lane->id, (unsigned long long)lane->number, call->async,
		(int)result, error ? " error=" : "", error ? error : "",
		(unsigned long long)(took_ns / 1000), in, out, args, ret);
}
