/* SPDX-License-Identifier: MIT */
/*
 * Records and where they go. Locks: a lane's, then the trace's. What is recorded is the guest's, from private memory,
 * or copied as it lies in shared pages; nothing here looks at it.
 */
#include "dom0-executor/trace.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "protocol/bounds.h"
#include "protocol/calls.h"
#include "protocol/clock.h"
#include "protocol/crc32.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/copy.h"
#include "dom0-executor/lane.h"

/* For a reader who keeps up but for a moment. */
#define WAIT_MS 1000
/* For a copy whose stream may wait for what the program does next. */
#define COPIED_MS 200

#define ON        (VG_WANT_TRACE | VG_WANT_TRACE_DATA)

void ex_trace_init(struct ex_trace *trace)
{
	*trace = (struct ex_trace){.fd = -1, .executor = (uint32_t)getpid()};
	pthread_mutex_init(&trace->lock, NULL);
}

/* Under the lock, but at the end. */
static void trace_close(struct ex_trace *trace)
{
	if (trace->fd >= 0)
		close(trace->fd);
	trace->fd = -1;
}

void ex_trace_dispose(struct ex_trace *trace)
{
	trace_close(trace);
	pthread_mutex_destroy(&trace->lock);
}

void ex_trace_lane_init(struct ex_trace_lane *trace)
{
	pthread_mutex_init(&trace->lock, NULL);
}

void ex_trace_lane_dispose(struct ex_trace_lane *trace)
{
	free(trace->block);
	pthread_mutex_destroy(&trace->lock);
}

/* --- where it goes to ---------------------------------------------------------------------------- */

static struct vg_trace_head head_of(const struct ex_session *session, unsigned int type,
				    uint32_t lane, size_t bytes)
{
	return (struct vg_trace_head){
		.type = (uint16_t)type,
		.lane = (uint16_t)lane,
		.bytes = (uint32_t)bytes,
		.executor = session->trace.executor,
	};
}

/* Under the lock. False: not written, and whether it will ever be is in fd. */
static bool bytes_write(struct ex_session *session, const void *bytes, size_t n)
{
	struct ex_trace *trace = &session->trace;
	struct pollfd room = {.fd = trace->fd, .events = POLLOUT};
	ssize_t written = write(trace->fd, bytes, n);

	if (written < 0 && errno == EAGAIN && trace->data && !trace->late) {
		if (poll(&room, 1, WAIT_MS) <= 0)
			trace->late = true;
		written = write(trace->fd, bytes, n);
	}
	if (written == (ssize_t)n)
		return true;
	if (written < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS))
		return false;
	vg_info(&session->who, "event=trace-ended why=\"%s\"",
		written < 0 ? strerror(errno) : "it was written in part");
	trace_close(trace);
	atomic_fetch_and(&session->want, ~ON);
	return false;
}

static bool lost_tell(struct ex_session *session)
{
	struct ex_trace *trace = &session->trace;
	struct vg_trace_lost lost = {
		.head = head_of(session, VG_TRACE_LOST, 0, sizeof(lost)),
		.at = vg_clock_ns(),
		.records = trace->lost,
	};

	if (!trace->lost)
		return true;
	if (!bytes_write(session, &lost, sizeof(lost)))
		return false;
	trace->lost = 0;
	return true;
}

static void records_write(struct ex_session *session, const void *records, size_t n, uint32_t count)
{
	struct ex_trace *trace = &session->trace;

	pthread_mutex_lock(&trace->lock);
	if (trace->fd >= 0 && (!lost_tell(session) || !bytes_write(session, records, n)))
		trace->lost += count;
	pthread_mutex_unlock(&trace->lock);
}

/* --- a lane's block ------------------------------------------------------------------------------- */

/* Under the lane's lock. */
static void block_write(struct ex_lane *lane)
{
	struct ex_trace_lane *trace = &lane->trace;

	if (trace->used)
		records_write(lane->session, trace->block, trace->used, trace->records);
	trace->used = trace->records = 0;
}

/* Under the lane's lock: room for one more record of that many bytes; NULL: no memory, which is a loss. */
static void *record_room(struct ex_lane *lane, size_t bytes)
{
	struct ex_trace_lane *trace = &lane->trace;
	void *room;

	if (!trace->block)
		trace->block = malloc(VG_TRACE_BLOCK);
	if (!trace->block) {
		pthread_mutex_lock(&lane->session->trace.lock);
		lane->session->trace.lost++;
		pthread_mutex_unlock(&lane->session->trace.lock);
		return NULL;
	}
	if (trace->used + bytes > VG_TRACE_BLOCK)
		block_write(lane);
	room = trace->block + trace->used;
	trace->used += (uint32_t)bytes;
	trace->records++;
	return room;
}

static void record_put(struct ex_lane *lane, const void *record, size_t bytes)
{
	void *room;

	pthread_mutex_lock(&lane->trace.lock);
	room = record_room(lane, bytes);
	if (room)
		memcpy(room, record, bytes);
	pthread_mutex_unlock(&lane->trace.lock);
}

void ex_trace_lane_flush(struct ex_lane *lane)
{
	pthread_mutex_lock(&lane->trace.lock);
	block_write(lane);
	pthread_mutex_unlock(&lane->trace.lock);
}

/* At least one, if only of 0 bytes. */
void ex_trace_part(struct ex_call *call, enum vg_trace_part_kind kind, uint64_t offset,
		   const void *data, size_t size)
{
	struct ex_lane *lane = call->lane;
	const uint8_t *from = data;
	size_t done = 0;

	pthread_mutex_lock(&lane->trace.lock);
	do {
		size_t n = vg_min(size - done, VG_TRACE_BLOCK - sizeof(struct vg_trace_part));
		size_t bytes = sizeof(struct vg_trace_part) + vg_pad8(n);
		struct vg_trace_part part = {
			.head = head_of(lane->session, VG_TRACE_PART, lane->id, bytes),
			.number = lane->number,
			.offset = offset + done,
			.kind = (uint16_t)kind,
			.op = call->op,
			.bytes = (uint32_t)n,
		};
		uint8_t *room = record_room(lane, bytes);

		if (!room)
			break;
		memcpy(room, &part, sizeof(part));
		room += sizeof(part);
		memset(room + vg_pad8(n) - (n ? 8 : 0), 0, n ? 8 : 0);
		if (n)
			memcpy(room, from + done, n);
		done += n;
	} while (done < size);
	pthread_mutex_unlock(&lane->trace.lock);
}

/* --- a command ------------------------------------------------------------------------------------ */

static bool with_data(const struct ex_call *call)
{
	return atomic_load_explicit(&call->session->want, memory_order_relaxed) &
	       VG_WANT_TRACE_DATA;
}

void ex_trace_args(struct ex_call *call)
{
	ex_trace_part(call, VG_TRACE_ARGS, 0, call->args, call->args_size);
	if (!with_data(call))
		return;
	if (vg_trace_is_launch(call->op))
		ex_trace_pinned(call);
	/* Whatever the driver does with it, a crash included, can be seen again. */
	ex_trace_lane_flush(call->lane);
}

void ex_trace_bulk(struct ex_call *call, uint64_t offset, const void *data, size_t n)
{
	if (with_data(call))
		ex_trace_part(call, VG_TRACE_BULK, offset, data, n);
}

struct ex_region *ex_trace_region(struct ex_session *session, uint64_t address, uint64_t size)
{
	for (unsigned int i = 0; i < VG_REGIONS_MAX; i++) {
		struct ex_region *region = &session->regions[i];
		uint64_t at = address - (uintptr_t)region->share.base;

		if (region->used && at < region->share.bytes && size <= region->share.bytes - at)
			return region;
	}
	return NULL;
}

/* The lock keeps the pages where they are. */
void ex_trace_memory(struct ex_call *call, uint64_t address, uint64_t size, CUstream stream)
{
	struct ex_session *session = call->session;
	struct ex_region *region;

	if (!with_data(call))
		return;
	if (ex_stream_captures(stream))
		call->seen |= VG_TRACE_CAPTURED;
	pthread_mutex_lock(&session->region_lock);
	region = ex_trace_region(session, address, size);
	if (region)
		ex_trace_part(call, VG_TRACE_MEMORY, address,
			      ex_trace_pinned_seen(region, address, size), size);
	pthread_mutex_unlock(&session->region_lock);
}

/* The thread's capture, if there is one, must not notice. */
static bool stream_ends(CUstream stream)
{
	CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
	const struct timespec nap = {.tv_nsec = 50000};
	uint64_t until = vg_clock_ms() + COPIED_MS;
	CUresult result = CUDA_ERROR_NOT_SUPPORTED;

	if (!ex_driver.cuStreamQuery)
		return false;
	ex_capture_mode(&mode);
	while ((result = ex_driver.cuStreamQuery(stream)) == CUDA_ERROR_NOT_READY &&
	       vg_clock_ms() < until)
		nanosleep(&nap, NULL);
	ex_capture_mode(&mode);
	return result == CUDA_SUCCESS;
}

void ex_trace_copied(struct ex_call *call, uint64_t address, uint64_t size, CUstream stream)
{
	struct ex_session *session = call->session;

	if (!with_data(call) || ex_stream_captures(stream) || !stream_ends(stream))
		return;
	pthread_mutex_lock(&session->region_lock);
	if (ex_trace_region(session, address, size)) {
		call->reply_bulk_sum =
			vg_crc32(0, (const void *)(uintptr_t)address, size); /* NOLINT */
		call->seen |= VG_TRACE_COPIED;
	}
	pthread_mutex_unlock(&session->region_lock);
}

/* What was stamped in an earlier one, and had no command of that any more, is nothing to this one. */
static unsigned int recording(const struct ex_session *session)
{
	return atomic_load_explicit(&session->trace.number, memory_order_relaxed);
}

/* Waiting for others is none of the program's doing: what it has stamped comes behind. */
static bool stamp_is_for(const struct ex_call *call)
{
	return call->op != VG_OP_vgAfter;
}

void ex_trace_call(struct ex_call *call, CUresult result)
{
	struct ex_lane *lane = call->lane;
	size_t answer = call->reply_head_sent ? call->reply_args : call->reply_size;
	struct vg_trace_call record = {
		.head = head_of(call->session, VG_TRACE_CALL, lane->id, sizeof(record)),
		.number = lane->number,
		.after = call->after,
		.op = call->op,
		.flags = (uint16_t)((call->async ? VG_CMD_ASYNC : 0) |
				    (call->ptds ? VG_CMD_PTDS : 0)),
		.result = (int32_t)result,
		.args = (uint32_t)call->args_size,
		.answer = (uint32_t)answer,
		.bulk = call->bulk_size,
		.answer_bulk = call->reply_bulk_size,
		.bulk_sum = call->bulk_sum,
		.answer_bulk_sum = call->reply_bulk_sum,
		.seen = call->seen | (with_data(call) ? VG_TRACE_SUMS : 0),
		.taken = call->taken,
		.begun = call->begun,
		.done = call->done,
		.answered = call->async ? 0 : vg_clock_ns(),
	};

	if (stamp_is_for(call)) {
		bool ours = lane->trace.stamped == recording(call->session);

		record.called = ours ? lane->trace.called : 0;
		record.had = ours ? lane->trace.had : 0;
		lane->trace.called = lane->trace.had = 0;
	}
	if (answer && !call->async)
		ex_trace_part(call, VG_TRACE_ANSWER, 0, lane->reply, answer);
	record_put(lane, &record, sizeof(record));
}

/* --- shares ---------------------------------------------------------------------------------------- */

static bool is_on(const struct ex_session *session)
{
	return atomic_load_explicit(&session->want, memory_order_relaxed) & VG_WANT_TRACE;
}

static void share_write(struct ex_session *session, const struct vg_trace_share *share)
{
	records_write(session, share, sizeof(*share), 1);
}

static void lane_write(const struct ex_lane *lane, bool open)
{
	share_write(lane->session, &(struct vg_trace_share){
					   .head = head_of(lane->session, VG_TRACE_LANE, lane->id,
							   sizeof(struct vg_trace_share)),
					   .at = vg_clock_ns(),
					   .open = open,
					   .id = lane->id,
					   .bytes = lane->share.bytes,
					   .cmd_bytes = (uint32_t)lane->in.size,
					   .reply_bytes = (uint32_t)lane->out.size,
				   });
}

static void lane_say(const struct ex_lane *lane, bool on)
{
	__atomic_store_n(&lane->shared->traced, on, __ATOMIC_RELAXED);
}

CUresult ex_vgStamp(struct ex_call *call, uint64_t called, uint64_t had)
{
	call->lane->trace.called = called;
	call->lane->trace.had = had;
	call->lane->trace.stamped = recording(call->session);
	/* Recording has ended by an error of the descriptor, which may have been another lane's: enough of these. */
	if (!is_on(call->session))
		lane_say(call->lane, false);
	return CUDA_SUCCESS;
}

void ex_trace_lane_share(struct ex_lane *lane, bool open)
{
	if (!is_on(lane->session))
		return;
	ex_trace_lane_flush(lane);
	lane_write(lane, open);
	lane_say(lane, open);
}

static void region_write(struct ex_session *session, uint32_t id, const struct ex_region *region,
			 bool open)
{
	share_write(session, &(struct vg_trace_share){
				     .head = head_of(session, VG_TRACE_REGION, 0,
						     sizeof(struct vg_trace_share)),
				     .at = vg_clock_ns(),
				     .open = open,
				     .id = id,
				     .address = (uintptr_t)region->share.base,
				     .bytes = region->share.bytes,
			     });
}

void ex_trace_region_share(struct ex_session *session, uint32_t id, const struct ex_region *region,
			   bool open)
{
	if (is_on(session))
		region_write(session, id, region, open);
}

/* --- the session ------------------------------------------------------------------------------------ */

static bool is_new(const struct ex_session *session)
{
	for (unsigned int i = 0; i < VG_LANES_MAX; i++)
		if (atomic_load(&session->order.lane[i].executed))
			return false;
	return !session->lanes_open && !session->region_pages;
}

static void session_write(struct ex_session *session, bool data)
{
	const struct ex_settings *settings = session->settings;
	struct vg_trace_session record = {
		.head = head_of(session, VG_TRACE_SESSION, 0, sizeof(record)),
		.at = vg_clock_ns(),
		.flags = (session->trace.whole ? VG_TRACE_WHOLE : 0) | (data ? VG_TRACE_DATA : 0),
		.protocol = VG_PROTOCOL_VERSION,
		.spec_hash = VG_SPEC_HASH,
		.domid = (int32_t)settings->domid,
		.devid = settings->devids ? settings->devid[0] : -1,
		.session = (int32_t)settings->session,
		.pid = session->stats.page->pid,
		.uid = session->guest_uid,
		.jit = session->jit,
		.arena = session->arena_base,
		.arena_bytes = session->arena_size,
	};

	memcpy(record.comm, session->comm, sizeof(record.comm));
	records_write(session, &record, sizeof(record), 1);
	for (unsigned int i = 0; i < VG_REGIONS_MAX; i++)
		if (session->regions[i].used)
			region_write(session, i, &session->regions[i], true);
	for (unsigned int i = 0; i < VG_LANES_MAX; i++)
		if (session->lanes[i])
			lane_write(session->lanes[i], true);
}

static void lanes_say(struct ex_session *session, bool on)
{
	for (unsigned int i = 0; i < VG_LANES_MAX; i++)
		if (session->lanes[i])
			lane_say(session->lanes[i], on);
}

void ex_trace_begin(struct ex_session *session, int fd, bool data)
{
	struct ex_trace *trace = &session->trace;

	ex_trace_end(session);
	pthread_mutex_lock(&trace->lock);
	trace->fd = fd;
	trace->data = data;
	trace->whole = is_new(session);
	trace->late = false;
	trace->lost = 0;
	pthread_mutex_unlock(&trace->lock);
	atomic_fetch_add(&trace->number, 1);
	session_write(session, data);
	atomic_fetch_or(&session->want, VG_WANT_TRACE | (data ? VG_WANT_TRACE_DATA : 0));
	lanes_say(session, true);
	vg_info(&session->who, "event=trace-begun data=%d", data);
}

void ex_trace_flush(struct ex_session *session)
{
	if (!is_on(session))
		return;
	for (unsigned int i = 0; i < VG_LANES_MAX; i++)
		if (session->lanes[i])
			ex_trace_lane_flush(session->lanes[i]);
}

void ex_trace_end(struct ex_session *session)
{
	ex_trace_flush(session);
	lanes_say(session, false);
	atomic_fetch_and(&session->want, ~ON);
	pthread_mutex_lock(&session->trace.lock);
	trace_close(&session->trace);
	pthread_mutex_unlock(&session->trace.lock);
}

void ex_trace_finish(struct ex_session *session)
{
	const struct vg_trace_end end = {
		.head = head_of(session, VG_TRACE_END, 0, sizeof(end)),
		.at = vg_clock_ns(),
		.commands = session->stats.page->commands,
	};

	if (is_on(session))
		records_write(session, &end, sizeof(end), 1);
}
