/* SPDX-License-Identifier: MIT */
/*
 * What a command brings along: arguments, memory for its duration, the bulk part; and its handles
 * and ranges. Trusts nothing in it. Runs in the lane's thread.
 */
#include "dom0-executor/call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"
#include "protocol/calls.h"
#include "protocol/crc32.h"
#include "protocol/op_names.h"

#include "dom0-executor/copy.h"
#include "dom0-executor/lane.h"
#include "dom0-executor/tell.h"

/* --- arguments ---------------------------------------------------------------------------------- */

static bool room_make(uint8_t **buffer, size_t *room, size_t wanted)
{
	uint8_t *bigger;
	size_t size = *room ? *room : 64 * 1024;

	if (wanted <= *room)
		return true;
	while (size < wanted)
		size *= 2;
	bigger = realloc(*buffer, size);
	if (!bigger)
		return false;
	memset(bigger + *room, 0, size - *room);
	*buffer = bigger;
	*room = size;
	return true;
}

/* Copies the command's arguments out of the ring, however they come, and gives their room back. */
bool ex_args_read(struct ex_lane *lane, size_t size)
{
	size_t padded = vg_pad8(size), done = 0;

	if (padded + EX_ARGS_SLACK <= lane->args_room &&
	    vg_consumer_get_piece(&lane->in, lane->args, padded)) {
		ex_lane_release_some(lane);
		return true;
	}
	if (!room_make(&lane->args, &lane->args_room, padded + EX_ARGS_SLACK)) {
		ex_session_breach(lane->session, -ENOMEM, "no memory for a command's arguments");
		return false;
	}
	while (done < padded) {
		if (!ex_lane_wait_in(lane, 8))
			return false;
		done += vg_consumer_get(&lane->in, lane->args + done, padded - done);
		if (done < padded)
			ex_lane_release(lane);
	}
	ex_lane_release_some(lane);
	return true;
}

const void *ex_args_take(struct ex_call *call, size_t n)
{
	const uint8_t *at = call->args + call->args_pos;
	size_t left = vg_pad8(call->args_size) - call->args_pos;

	/* Each part is padded, so the position stays within the padded size. */
	if (call->breach || n > left || vg_pad8(n) > left) {
		ex_breach(call, "the arguments are too short");
		return NULL;
	}
	call->args_pos += vg_pad8(n);
	return at;
}

const void *ex_args_array(struct ex_call *call, uint64_t count, size_t element)
{
	uint64_t bytes = vg_sat_mul(count, element);

	if (bytes > VG_ARGS_MAX) {
		ex_breach(call, "an array is larger than any command");
		return NULL;
	}
	return ex_args_take(call, bytes);
}

bool ex_args_end(struct ex_call *call)
{
	if (!call->breach && call->args_pos != vg_pad8(call->args_size))
		ex_breach(call, "the arguments are too long");
	return !call->breach;
}

const char *ex_args_string(struct ex_call *call, uint64_t size_with_nul)
{
	const char *text = ex_args_array(call, size_with_nul, 1);

	if (!text)
		return NULL;
	if (!size_with_nul || memchr(text, '\0', size_with_nul) != text + size_with_nul - 1) {
		ex_breach(call, "a string does not end where it should");
		return NULL;
	}
	return text;
}

CUresult ex_breach(struct ex_call *call, const char *why)
{
	char text[VG_TEXT_MAX];

	if (!call->breach) {
		snprintf(text, sizeof(text), "%s (call %s, number %llu of lane %u)", why,
			 vg_op_name(call->op), (unsigned long long)call->lane->number,
			 call->lane->id);
		ex_session_breach(call->session, -EPROTO, text);
	}
	call->breach = true;
	return CUDA_ERROR_UNKNOWN;
}

/* --- memory ------------------------------------------------------------------------------------- */

static void *scratch_chunk(struct ex_lane *lane, size_t bytes)
{
	struct ex_scratch_chunk *chunk = calloc(1, sizeof(*chunk) + bytes);

	if (!chunk)
		return NULL;
	chunk->next = lane->scratch;
	lane->scratch = chunk;
	return chunk + 1;
}

void *ex_scratch(struct ex_call *call, uint64_t count, size_t element)
{
	struct ex_lane *lane = call->lane;
	uint64_t bytes = vg_sat_mul(count, element);
	void *memory;

	if (bytes > EX_SCRATCH_MAX - lane->scratch_total)
		return NULL;
	bytes = (bytes + 15) & ~15ull;
	lane->scratch_total = vg_min(lane->scratch_total + bytes, EX_SCRATCH_MAX);
	if (bytes > EX_SCRATCH_INLINE - lane->scratch_used)
		return scratch_chunk(lane, bytes);
	memory = lane->scratch_inline + lane->scratch_used;
	lane->scratch_used += bytes;
	return memset(memory, 0, bytes);
}

void ex_scratch_end(struct ex_lane *lane)
{
	while (lane->scratch) {
		struct ex_scratch_chunk *chunk = lane->scratch;

		lane->scratch = chunk->next;
		free(chunk);
	}
	lane->scratch_used = lane->scratch_total = 0;
	if (lane->bulk) {
		free(lane->bulk);
		lane->bulk = NULL;
		atomic_fetch_sub(&lane->session->bulk_bytes, lane->bulk_room);
	}
}

/* --- the bulk part ------------------------------------------------------------------------------ */

/* Pieces are at least this part of the ring, so that the guest fills one while we use another. */
static uint64_t piece_of(uint64_t left, uint64_t max, uint64_t ring)
{
	return vg_min(vg_min(left, max), ring / 4);
}

size_t ex_bulk_span(struct ex_call *call, const void **span, size_t max)
{
	struct ex_lane *lane = call->lane;
	uint64_t left = call->bulk_size - call->bulk_pos;
	uint64_t piece = piece_of(left, max, lane->in.size);
	size_t n;

	*span = NULL;
	ex_lane_release_some(lane); /* the piece before */
	if (!piece || !ex_lane_wait_in(lane, piece))
		return 0;
	n = vg_consumer_span(&lane->in, span, piece);
	vg_consumer_advance(&lane->in, n);
	call->bulk_pos += n;
	if (__builtin_expect(call->begun != 0, 0) || call->taken)
		ex_tell_bulk(call, *span, n);
	return n;
}

/* All bulk parts held privately in a session stay below the bound of one. */
static bool bulk_reserve(struct ex_session *session, uint64_t bytes)
{
	if (bytes > VG_BULK_WHOLE_MAX)
		return false;
	if (atomic_fetch_add(&session->bulk_bytes, bytes) + bytes <= VG_BULK_WHOLE_MAX)
		return true;
	atomic_fetch_sub(&session->bulk_bytes, bytes);
	return false;
}

const void *ex_bulk_whole(struct ex_call *call)
{
	struct ex_lane *lane = call->lane;
	uint64_t room = vg_sat_add(call->bulk_size, 8);
	const void *span;
	size_t n;

	if (lane->bulk || call->bulk_pos || !bulk_reserve(call->session, room))
		return NULL;
	lane->bulk = malloc(room);
	lane->bulk_room = room;
	if (!lane->bulk) {
		atomic_fetch_sub(&call->session->bulk_bytes, room);
		return NULL;
	}
	while (call->bulk_pos < call->bulk_size) {
		uint64_t at = call->bulk_pos;

		n = ex_bulk_span(call, &span, SIZE_MAX);
		if (!n)
			return NULL;
		memcpy((uint8_t *)lane->bulk + at, span, n);
	}
	memset((uint8_t *)lane->bulk + call->bulk_size, 0, 8);
	return lane->bulk;
}

/* Passes over what the call has left of its bulk part. False: the lane ends. */
bool ex_bulk_finish(struct ex_call *call)
{
	const void *span;

	if (!call->bulk_size)
		return true;
	while (call->bulk_pos < call->bulk_size)
		if (!ex_bulk_span(call, &span, SIZE_MAX))
			return false;
	vg_consumer_pad(&call->lane->in);
	ex_lane_release_some(call->lane);
	return true;
}

/* --- handles ------------------------------------------------------------------------------------ */

CUresult ex_handle_get(struct ex_call *call, enum vg_handle_type type, uint64_t handle,
		       unsigned int flags, void **real)
{
	*real = NULL;
	if (vg_handle_passes(type, handle)) {
		*real = (void *)(uintptr_t)handle;
		return CUDA_SUCCESS;
	}
	if (!handle && (flags & EX_NULL_OK))
		return CUDA_SUCCESS;
	if (ex_handles_get_recent(&call->session->handles, &call->lane->recent, type, handle, real))
		return CUDA_SUCCESS;
	return vg_handle_error(type, handle && vg_handle_accepts(type, vg_handle_type(handle)));
}

CUresult ex_handle_in(struct ex_call *call, enum vg_handle_type type, const void *guest,
		      unsigned int flags, void *real)
{
	void *found = NULL;
	CUresult result = ex_handle_get(call, type, (uintptr_t)guest, flags, &found);

	memcpy(real, &found, sizeof(found));
	return result;
}

CUresult ex_handle_get_array(struct ex_call *call, enum vg_handle_type type,
			     const uint64_t *handles, uint64_t count, void ***reals)
{
	void **array = ex_scratch(call, count, sizeof(void *));

	if (!array)
		return CUDA_ERROR_OUT_OF_MEMORY;
	for (uint64_t i = 0; i < count; i++) {
		CUresult result = ex_handle_get(call, type, handles[i], 0, &array[i]);

		if (result)
			return result;
	}
	*reals = array;
	return CUDA_SUCCESS;
}

/* Objects that outlive the context which is current when they are made. */
static bool stands_alone(enum vg_handle_type type)
{
	switch (type) {
	case VG_HANDLE_CUcontext:
	case VG_HANDLE_CUlibrary:
	case VG_HANDLE_CUgraph:
	case VG_HANDLE_CUgraphExec:
	case VG_HANDLE_CUuserObject:
	case VG_HANDLE_CUgreenCtx:
	case VG_HANDLE_CUdevResourceDesc:
	case VG_HANDLE_CUmemoryPool:
	case VG_HANDLE_CUmemGenericAllocationHandle: return true;
	default: return false;
	}
}

static uint64_t parent_of(const struct ex_call *call, enum vg_handle_type type, uint64_t parent)
{
	if (parent)
		return parent;
	return stands_alone(type) ? 0 : call->lane->context;
}

static void handles_count(struct ex_session *session)
{
	ex_stats_set(&session->stats.page->handles, ex_handles_live(&session->handles));
}

uint64_t ex_handle_put(struct ex_call *call, enum vg_handle_type type, void *real, uint64_t parent)
{
	uint64_t handle;

	if (vg_handle_passes(type, (uintptr_t)real))
		return (uintptr_t)real;
	if (!real)
		return 0;
	handle = ex_handles_put(&call->session->handles, type, real, parent_of(call, type, parent));
	if (type == VG_HANDLE_CUcontext && handle)
		ex_context_entered(call->session, handle, real);
	handles_count(call->session);
	return handle;
}

CUresult ex_handle_bind(struct ex_call *call, enum vg_handle_type type, uint64_t handle, void *real,
			uint64_t parent)
{
	int rc = ex_handles_bind(&call->session->handles, type, handle, real,
				 parent_of(call, type, parent));

	if (type == VG_HANDLE_CUcontext && !rc)
		ex_context_entered(call->session, handle, real);
	handles_count(call->session);
	switch (rc) {
	case 0: return CUDA_SUCCESS;
	case -ENOMEM: return CUDA_ERROR_OUT_OF_MEMORY;
	case -EEXIST: return ex_breach(call, "a handle is made twice");
	default: return ex_breach(call, "a handle that the guest cannot make");
	}
}

void ex_handle_drop(struct ex_call *call, enum vg_handle_type type, uint64_t handle)
{
	ex_handles_drop(&call->session->handles, type, handle);
	handles_count(call->session);
}

/* --- numbers ------------------------------------------------------------------------------------ */

/* In the table 0 stands for nothing, but may be a number. */
static void *number_real(uint64_t number)
{
	return (void *)(uintptr_t)(number + 1);
}

CUresult ex_number_check(struct ex_call *call, enum vg_handle_type type, uint64_t number)
{
	return ex_handles_find(&call->session->handles, type, number_real(number))
		       ? CUDA_SUCCESS
		       : CUDA_ERROR_INVALID_VALUE;
}

CUresult ex_number_put(struct ex_call *call, enum vg_handle_type type, uint64_t number,
		       uint64_t parent)
{
	return ex_handle_put(call, type, number_real(number), parent) ? CUDA_SUCCESS
								      : CUDA_ERROR_OUT_OF_MEMORY;
}

void ex_number_drop(struct ex_call *call, enum vg_handle_type type, uint64_t number)
{
	ex_handle_drop(call, type,
		       ex_handles_find(&call->session->handles, type, number_real(number)));
}

/* --- ranges ------------------------------------------------------------------------------------- */

CUresult ex_range_check(struct ex_call *call, uint64_t address, uint64_t size)
{
	return ex_ranges_cover(&call->session->ranges, address, size, NULL)
		       ? CUDA_SUCCESS
		       : CUDA_ERROR_INVALID_VALUE;
}

CUresult ex_range_check_on(struct ex_call *call, uint64_t address, uint64_t size, CUstream stream)
{
	CUresult result = ex_range_check(call, address, size);

	if (!stream && call->ptds)
		stream = CU_STREAM_PER_THREAD;
	return result && ex_stream_captures(stream) ? CUDA_SUCCESS : result;
}

CUresult ex_range_add(struct ex_call *call, uint64_t address, uint64_t size,
		      enum ex_range_kind kind)
{
	struct ex_span span = {.start = address,
			       .size = size,
			       .owner = call->lane->context,
			       .kind = kind,
			       .gpu = call->lane->gpu};

	return ex_ranges_add(&call->session->ranges, &span) ? CUDA_ERROR_OUT_OF_MEMORY
							    : CUDA_SUCCESS;
}

bool ex_range_remove(struct ex_call *call, uint64_t address)
{
	return ex_ranges_remove(&call->session->ranges, address, NULL);
}
