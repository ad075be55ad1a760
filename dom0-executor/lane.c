/* SPDX-License-Identifier: MIT */
/*
 * The lane's thread: takes commands out of the ring, runs them, answers.
 *
 * Trusts nothing in the shared pages: indices are checked by ring.c, a head is copied once and
 * checked before use, arguments are copied before they are looked at. A breach ends the
 * session. Waits end when the lane is stopped, when the session ends, when the guest's side has
 * gone; each has a time limit and looks again.
 */
#include "dom0-executor/lane.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "protocol/bounds.h"
#include "protocol/calls.h"
#include "protocol/clock.h"
#include "protocol/op_names.h"

#include "dom0-executor/tell.h"

/* Looking for work before sleeping: at most that long. */
#define SPIN_NS  100000u
#define SLEEP_MS 1000

/* Commands are some 100 to 200 bytes: the next one or two are fetched while one runs. */
#define AHEAD_BYTES 192u
#define AHEAD_LINES 3u

/* --- made and ended by the main thread ------------------------------------------------------ */

struct ex_lane *ex_lane_new(struct ex_session *session, uint32_t id, struct ex_share *share,
			    uint32_t cmd_bytes, uint32_t reply_bytes, int *rc)
{
	struct ex_lane *lane = calloc(1, sizeof(*lane));
	uint8_t *base = share->base;

	*rc = -ENOMEM;
	if (!lane)
		return NULL;
	lane->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lane->stop_fd < 0) {
		*rc = -errno;
		free(lane);
		return NULL;
	}
	ex_trace_lane_init(&lane->trace);
	lane->session = session;
	lane->id = id;
	lane->share = *share;
	memset(share, 0, sizeof(*share));
	lane->shared = (struct vg_lane_shared *)base;
	lane->number = atomic_load(&session->order.lane[id].executed);
	lane->live = &vg_live_of(session->stats.page)->lane[id];
	ex_spin_begin(&lane->spin, session->settings->spin_us, SPIN_NS);
	vg_consumer_init(&lane->in, base + VG_PAGE_SIZE, cmd_bytes, &lane->shared->cmd_prod,
			 &lane->shared->cmd_cons);
	vg_producer_init(&lane->out, base + VG_PAGE_SIZE + cmd_bytes, reply_bytes,
			 &lane->shared->reply_prod, &lane->shared->reply_cons);
	__atomic_store_n(&lane->shared->cmd_cons, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&lane->shared->reply_prod, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&lane->shared->exec_alive, 1, __ATOMIC_RELEASE);
	*rc = 0;
	return lane;
}

static void *lane_thread(void *arg)
{
	struct ex_lane *lane = arg;

	ex_lane_run(lane);
	atomic_store(&lane->done, true);
	ex_session_wake(lane->session);
	return NULL;
}

int ex_lane_start(struct ex_lane *lane)
{
	return -pthread_create(&lane->thread, NULL, lane_thread, lane);
}

void ex_lane_stop(struct ex_lane *lane)
{
	atomic_store(&lane->stop, true);
	ex_host_funcs_wake(&lane->session->host_funcs);
	if (write(lane->stop_fd, &(uint64_t){1}, sizeof(uint64_t)) < 0)
		return; /* full: it is readable already */
}

void ex_lane_hang_up(struct ex_lane *lane)
{
	if (!lane->shared)
		return;
	__atomic_store_n(&lane->shared->exec_alive, 0, __ATOMIC_RELEASE);
	if (lane->share.bell.ring_fd >= 0)
		vg_bell_ring(&lane->share.bell);
}

void ex_lane_free(struct ex_lane *lane)
{
	if (!lane)
		return;
	ex_scratch_end(lane);
	ex_host_funcs_page_gone(&lane->session->host_funcs, &lane->shared->turn);
	if (lane->session->channel)
		lane->session->channel->ops->share_unmap(lane->session->channel, &lane->share);
	ex_trace_lane_dispose(&lane->trace);
	close(lane->stop_fd);
	free(lane->args);
	free(lane->logs.lines);
	free(lane->reply);
	free(lane->stage);
	free(lane->text);
	free(lane);
}

/* --- waiting --------------------------------------------------------------------------------- */

/* Bytes of commands have come, or there is room for bytes of replies. */
static bool lane_ready(struct ex_lane *lane, enum vg_sleep what, uint64_t want)
{
	if (what == VG_SLEEP_ROOM)
		return vg_producer_room(&lane->out, want) >= want;
	return vg_consumer_avail(&lane->in, want) >= want;
}

static bool lane_spin(struct ex_lane *lane, enum vg_sleep what, uint64_t want)
{
	uint32_t looks = vg_spin_looks(&lane->spin);

	while (!lane_ready(lane, what, want)) {
		if (!looks-- || lane->in.broken || lane->out.broken)
			return false;
		vg_relax();
	}
	return true;
}

/* False: the lane is to end. What is in the ring of a lane that stops is still executed. */
static bool lane_goes_on(struct ex_lane *lane)
{
	if (lane->in.broken || lane->out.broken) {
		ex_session_breach(lane->session, -EPROTO, "an index of a lane makes no sense");
		return false;
	}
	if (atomic_load(&lane->stop) || atomic_load(&lane->session->ending))
		return false;
	return __atomic_load_n(&lane->shared->guest_alive, __ATOMIC_ACQUIRE) != 0;
}

static bool lane_sleep(struct ex_lane *lane, enum vg_sleep what, uint64_t want)
{
	bool adapts = vg_spin_learns(&lane->spin);
	uint64_t begin = adapts ? vg_clock_ns() : 0;
	int mask = vg_bell_take(&lane->share.bell);

	if (__builtin_expect(atomic_load_explicit(&lane->trace.used, memory_order_relaxed) != 0, 0))
		ex_trace_lane_flush(lane);
	if (mask < 0)
		goto broken;
	vg_sleep_begin(&lane->shared->exec_sleeps, what);
	if (lane_ready(lane, what, want)) {
		vg_sleep_end(&lane->shared->exec_sleeps);
		return true;
	}
	mask = vg_bell_wait(&lane->share.bell, lane->stop_fd, SLEEP_MS);
	vg_sleep_end(&lane->shared->exec_sleeps);
	if (mask < 0)
		goto broken;
	if (mask & VG_BELL_RUNG) {
		ex_stats_add(&lane->session->stats.page->wakes, 1);
		ex_stats_set(&vg_live_of(lane->session->stats.page)->woken, vg_clock_coarse_ms());
	}
	if (adapts)
		vg_spin_slept(&lane->spin, vg_clock_ns() - begin);
	return true;
broken:
	ex_session_breach(lane->session, mask, "a lane's bell is broken");
	return false;
}

/* All that is in the ring has been taken: nothing is kept back while we wait. */
static void lane_idle(struct ex_lane *lane)
{
	if (lane->in.released != (lane->in.pos & ~7ull))
		ex_lane_release(lane);
	ex_tally_flush(&lane->tally, &lane->session->stats);
}

static bool lane_wait(struct ex_lane *lane, enum vg_sleep what, uint64_t want)
{
	if (lane_ready(lane, what, want))
		return true;
	lane_idle(lane);
	for (;;) {
		if (lane_spin(lane, what, want))
			return true;
		if (!lane_goes_on(lane))
			/* It may have come just before we were told to stop. */
			return !lane->in.broken && !lane->out.broken &&
			       lane_ready(lane, what, want);
		if (!lane_sleep(lane, what, want))
			return false;
	}
}

bool ex_lane_wait_in(struct ex_lane *lane, uint64_t want)
{
	return lane_wait(lane, VG_SLEEP_DATA, want);
}

bool ex_lane_wait_out(struct ex_lane *lane, uint64_t want)
{
	return lane_wait(lane, VG_SLEEP_ROOM, want);
}

/* `moved`: our index that did, as the guest sees it. */
static void lane_wake_guest(struct ex_lane *lane, enum vg_sleep moved)
{
	if (!vg_sleep_wake(&lane->shared->guest_sleeps, moved))
		return;
	if (lane->share.bell.ring_fd >= 0)
		vg_bell_ring(&lane->share.bell);
	ex_stats_add(&lane->session->stats.page->rings, 1);
}

void ex_lane_release(struct ex_lane *lane)
{
	vg_consumer_release(&lane->in);
	lane_wake_guest(lane, VG_SLEEP_ROOM);
}

/*
 * A quarter of the ring: a guest that waits for room then writes much at once, and the line with our index
 * goes back and forth that much less.
 */
void ex_lane_release_some(struct ex_lane *lane)
{
	if (lane->in.pos - lane->in.released >= lane->in.size / 4)
		ex_lane_release(lane);
}

void ex_lane_publish(struct ex_lane *lane)
{
	lane->reply_hidden = false;
	vg_producer_publish(&lane->out);
	lane_wake_guest(lane, VG_SLEEP_DATA);
}

/* --- errors ------------------------------------------------------------------------------------ */

void ex_lane_error(struct ex_lane *lane, uint16_t op, CUresult result)
{
	struct vg_lane_shared *shared = lane->shared;

	__atomic_store_n(&shared->error_result, (uint32_t)result, __ATOMIC_RELAXED);
	__atomic_store_n(&shared->error_op, op, __ATOMIC_RELAXED);
	/* Release: whoever sees the count sees the result. */
	__atomic_add_fetch(&shared->error_count, 1, __ATOMIC_RELEASE);
}

static bool lane_breach(struct ex_lane *lane, const struct vg_cmd *cmd, const char *why)
{
	char text[VG_TEXT_MAX];

	snprintf(text, sizeof(text), "%s (call %s, number %llu of lane %u)", why,
		 vg_op_name(cmd->op), (unsigned long long)lane->number, lane->id);
	ex_session_breach(lane->session, -EPROTO, text);
	return false;
}

/* --- commands ----------------------------------------------------------------------------------- */

/* What a head must be like for its op; NULL: it is. */
static const char *head_check(const struct vg_cmd *cmd, const struct ex_op *op)
{
	if (!op)
		return "there is no such call";
	if (cmd->flags & ~(VG_CMD_ASYNC | VG_CMD_PTDS))
		return "unknown flags";
	if (!(op->flags & ((cmd->flags & VG_CMD_ASYNC) ? EX_OP_ASYNC_OK : EX_OP_SYNC_OK)))
		return "the call cannot be made that way";
	if (cmd->args_size > VG_ARGS_MAX || cmd->args_size < op->min_args)
		return "size of the arguments";
	if (cmd->bulk_size && !(op->flags & EX_OP_BULK))
		return "the call has no bulk part";
	if (cmd->bulk_size > UINT64_MAX / 2)
		return "size of the bulk part";
	return NULL;
}

/* VG_WANT_*; may change while the session runs, as the log's level may. */
static unsigned int wanted(const struct ex_lane *lane)
{
	return atomic_load_explicit(&lane->session->want, memory_order_relaxed);
}

static bool command_timed(const struct ex_lane *lane)
{
	return vg_log_on(&lane->session->who, VG_LOG_CALL) || wanted(lane);
}

static __attribute__((cold, noinline)) void command_took(struct ex_lane *lane, struct ex_call *call,
							 CUresult result)
{
	call->done = vg_clock_ns();
	if (wanted(lane) & VG_WANT_TIMES)
		ex_stats_took(&lane->session->stats, call->op, call->done - call->begun);
	if (vg_log_on(&lane->session->who, VG_LOG_CALL))
		ex_tell(call, result, call->done - call->begun);
}

static CUresult command_run(struct ex_lane *lane, struct ex_call *call, const struct ex_op *op)
{
	size_t said = lane->logs.size;
	CUresult result;

	if (__builtin_expect(command_timed(lane), 0))
		call->begun = vg_clock_ns();
	result = op->run(call);

	ex_logs_settle(lane, said, result);
	if ((op->flags & EX_OP_REPORTS) && !call->async)
		ex_output_announce(lane, result);
	if (!call->async)
		ex_memory_settle(lane->session);
	if (__builtin_expect(call->begun != 0, 0))
		command_took(lane, call, result);
	ex_tally_command(&lane->tally, &lane->session->stats, call->op, call->async,
			 (int32_t)result);
	if (call->breach)
		return result;
	if (!call->async)
		ex_reply_finish(call, result);
	else if (result)
		ex_lane_error(lane, call->op, result);
	return result;
}

static bool command_execute(struct ex_lane *lane, const struct vg_cmd *cmd, const struct ex_op *op,
			    uint64_t taken)
{
	struct ex_call call = {
		.lane = lane,
		.session = lane->session,
		.op = cmd->op,
		.async = cmd->flags & VG_CMD_ASYNC,
		.ptds = cmd->flags & VG_CMD_PTDS,
		.args_size = cmd->args_size,
		.bulk_size = cmd->bulk_size,
		.taken = taken,
		.after = cmd->after,
	};
	CUresult result;
	bool whole;

	if (!ex_args_read(lane, cmd->args_size))
		return false;
	call.args = lane->args;
	if (__builtin_expect(taken != 0, 0))
		ex_trace_args(&call);
	/* Even in a lane that is to stop: what is in its ring still has its place in the order. */
	if (cmd->after &&
	    !ex_order_wait(&lane->session->order, cmd->after, vg_spin_looks(&lane->spin)))
		return atomic_load(&lane->session->ending) ? false
							   : lane_breach(lane, cmd, "order");
	result = command_run(lane, &call, op);
	whole = !call.breach && ex_bulk_finish(&call);
	if (__builtin_expect(taken != 0, 0))
		ex_trace_call(&call, result);
	ex_scratch_end(lane);
	ex_order_done(&lane->session->order, lane->id, lane->number);
	ex_live_end(lane->live, lane->number);
	return whole;
}

static bool lane_command(struct ex_lane *lane)
{
	struct vg_cmd cmd;
	const struct ex_op *op;
	const char *wrong;
	uint64_t taken = 0;

	if (!vg_consumer_get_piece(&lane->in, &cmd, sizeof(cmd))) {
		if (!ex_lane_wait_in(lane, sizeof(cmd)))
			return false;
		vg_consumer_get(&lane->in, &cmd, sizeof(cmd));
	}
	for (unsigned int i = 0; i < AHEAD_LINES; i++)
		vg_consumer_prefetch(&lane->in, AHEAD_BYTES + i * 64);
	lane->number++;
	if (__builtin_expect(wanted(lane) & VG_WANT_TRACE, 0) && cmd.op != VG_OP_vgStamp)
		taken = vg_clock_ns();
	ex_live_begin(lane->live, &cmd, lane->number);
	op = ex_op_find(cmd.op);
	wrong = head_check(&cmd, op);
	if (wrong)
		return lane_breach(lane, &cmd, wrong);
	return command_execute(lane, &cmd, op, taken);
}

void ex_lane_run(struct ex_lane *lane)
{
	ex_logs_begin(lane);
	while (!atomic_load(&lane->session->ending) && lane_command(lane))
		;
	ex_tally_flush(&lane->tally, &lane->session->stats);
	/* A lane that was cut short must hold up nobody. */
	ex_order_done(&lane->session->order, lane->id, lane->number);
	ex_trace_lane_flush(lane);
	ex_lane_hang_up(lane);
}
