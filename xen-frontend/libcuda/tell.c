/* SPDX-License-Identifier: MIT */
/*
 * Calls in the log. The program's pointers are read by the kernel (process_vm_readv), since there may be
 * nothing behind them; where a sandbox forbids that, they are shown as they are. Runs in the program's threads.
 */
#include "xen-frontend/libcuda/tell.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "protocol/crc32.h"
#include "protocol/errors.h"
#include "protocol/log_rate.h"
#include "protocol/op_names.h"
#include "xen-frontend/libcuda/lane.h"

#define ARGS_TEXT 700u
#define RET_TEXT  400u

bool fe_tell_calls, fe_tell_commands;
__thread bool fe_telling __attribute__((tls_model("initial-exec")));

static struct vg_log_rate rate = VG_LOG_RATE(0);

static void rate_end(void)
{
	vg_log_rate_end(&rate, &fe_who);
}

void fe_tell_load(void)
{
	const char *level = getenv("VGPU_LOG"), *number = getenv("VGPU_LOG_RATE");
	enum vg_log_level parsed;
	unsigned long most;

	if (level && !vg_log_level_parse(level, &parsed))
		vg_log_set_level(&fe_who, parsed);
	fe_tell_calls = vg_log_on(&fe_who, VG_LOG_CALL);
	fe_tell_commands = vg_log_on(&fe_who, VG_LOG_DATA);
	if (!number || !fe_tell_calls)
		return;
	most = strtoul(number, NULL, 10);
	rate.rate = most < UINT_MAX ? (uint32_t)most : 0;
	if (rate.rate)
		atexit(rate_end);
}

void fe_tell_reset(void)
{
	/* Whoever held the lock is not here. */
	rate = (struct vg_log_rate)VG_LOG_RATE(rate.rate);
}

static bool program_read(void *to, uint64_t from, size_t n)
{
	struct iovec here = {to, n}, there = {(void *)(uintptr_t)from, n}; /* NOLINT */
	int keep = errno;
	bool whole = process_vm_readv(getpid(), &here, 1, &there, 1, 0) == (ssize_t)n;

	errno = keep;
	return whole;
}

static unsigned long long us_since(uint64_t begun)
{
	return (vg_clock_ns() - begun) / 1000;
}

static long thread_id(void)
{
	return syscall(SYS_gettid);
}

/* " error=CUDA_ERROR_...", or nothing. */
struct error_text {
	char text[80];
};

static struct error_text error_text(CUresult result)
{
	const char *name = result ? vg_error_name((int)result) : NULL;
	struct error_text error = {""};

	if (name)
		snprintf(error.text, sizeof(error.text), " error=%s", name);
	return error;
}

CUresult fe_tell(const char *symbol, uint16_t op, const struct vg_call_place *places,
		 unsigned int count, CUresult result, uint64_t begun)
{
	const struct vg_call_program call = {
		.op = op, .count = count, .places = places, .read = program_read};
	char args[ARGS_TEXT] = "", ret[RET_TEXT] = "";
	unsigned long long us = us_since(begun);

	if (vg_log_rate_allow(&rate, &fe_who, VG_LOG_CALL)) {
		vg_program_args(&call, args, sizeof(args));
		if (!result)
			vg_program_ret(&call, ret, sizeof(ret));
		vg_log_write(&fe_who, VG_LOG_CALL,
			     "op=%s tid=%ld result=%d%s us=%llu args=\"%s\" ret=\"%s\"", symbol,
			     thread_id(), (int)result, error_text(result).text, us, args, ret);
	}
	return result;
}

/* --- commands ------------------------------------------------------------------------------------- */

/* Pieces as they lie on the wire. NULL: no memory, or nothing. */
static uint8_t *pieces_gather(const struct fe_in *pieces, unsigned int count, size_t *size)
{
	uint8_t *all, *at;

	*size = 0;
	for (unsigned int i = 0; i < count; i++)
		*size += vg_pad8(pieces[i].size);
	all = at = *size && *size <= VG_ARGS_MAX ? calloc(1, *size) : NULL;
	if (!all) {
		*size = 0;
		return NULL;
	}
	for (unsigned int i = 0; i < count; i++) {
		if (pieces[i].size)
			memcpy(at, pieces[i].data, pieces[i].size);
		at += vg_pad8(pieces[i].size);
	}
	return all;
}

static uint8_t *reply_gather(const struct fe_call *call, size_t *size)
{
	struct fe_in pieces[8];
	unsigned int count = call->outs < 8 ? call->outs : 8;

	for (unsigned int i = 0; i < count; i++)
		pieces[i] = (struct fe_in){call->out[i].data, call->out[i].size};
	return pieces_gather(pieces, count, size);
}

/* After a success: what a failed call has carried is of no interest. */
static void bulk_text(const char *way, const void *data, size_t size, CUresult result, char *text,
		      size_t room)
{
	uint32_t sum = size && !result ? vg_crc32(0, data, size) : 0;

	vg_call_bulk(way, result ? 0 : size, &sum, text, room);
}

static void sent_write(const struct fe_call *call, const struct vg_call_bytes *bytes,
		       CUresult result, unsigned long long us)
{
	const struct fe_lane *lane = fe_lane_own;
	char args[ARGS_TEXT], ret[RET_TEXT], in[64], out[64];

	vg_call_args(bytes, args, sizeof(args));
	vg_call_ret(bytes, ret, sizeof(ret));
	bulk_text("in", call->bulk.data, call->bulk.size, result, in, sizeof(in));
	bulk_text("out", call->bulk_out.data, call->bulk_out.size, result, out, sizeof(out));
	vg_log_write(
		&fe_who, VG_LOG_DATA,
		"op=%s lane=%d seq=%llu async=%d result=%d%s us=%llu%s%s args=\"%s\" ret=\"%s\"",
		vg_op_name(call->op), lane ? (int)lane->id : -1,
		(unsigned long long)(lane ? lane->number : 0), call->async, (int)result,
		error_text(result).text, us, in, out, args, ret);
}

void fe_tell_sent(const struct fe_call *call, CUresult result, uint64_t begun)
{
	unsigned long long us = us_since(begun);
	struct vg_call_bytes bytes = {.op = call->op, .sums = true};
	uint8_t *args, *reply = NULL;
	int keep = errno;

	if (!vg_log_rate_allow(&rate, &fe_who, VG_LOG_DATA))
		return;
	args = pieces_gather(call->in, call->ins, &bytes.args_size);
	if (!result && !call->async)
		reply = reply_gather(call, &bytes.reply_size);
	bytes.args = args;
	bytes.reply = reply;
	sent_write(call, &bytes, result, us);
	free(args);
	free(reply);
	errno = keep;
}
