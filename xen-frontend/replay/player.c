/* SPDX-License-Identifier: MIT */
/*
 * See player.h. Threads: the main one for shares, one a lane for its commands, one that answers for the program's functions
 * (host_func.c). Whoever finds that it cannot go on ends the play for all; then the main thread collects them.
 */
#include "xen-frontend/replay/player.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"
#include "protocol/calls.h"
#include "protocol/clock.h"
#include "protocol/cuda_types.h"
#include "protocol/session_info.h"
#include "xen-frontend/replay/exchange.h"
#include "xen-frontend/replay/host_func.h"
#include "xen-frontend/replay/send.h"
#include "xen-frontend/replay/translate.h"

void rp_play_stop(struct rp_player *player, const struct vg_trace_command *command, const char *why)
{
	if (!rp_order_ended(&player->order))
		rp_report_stop(player->report, command, why);
	rp_order_end(&player->order);
	rp_session_stop(&player->session);
}

static uint64_t limit(const struct rp_player *player)
{
	return vg_clock_ms() + player->options.limit_ms;
}

/* --- what is compared ------------------------------------------------------------------------------ */

/* What is not the program's doing, and depends on the time of day. */
static bool is_volatile(unsigned int op)
{
	return op == VG_OP_vgOutput || op == VG_OP_vgNvml || op == VG_OP_vgLogsFetch ||
	       op == VG_OP_vgRefused;
}

static bool is_query(unsigned int op)
{
	return op == VG_OP_cuStreamQuery || op == VG_OP_cuEventQuery;
}

/* Other bulk parts are texts with addresses in them. */
static bool is_data(unsigned int op)
{
	return op == VG_OP_vgCopyOut || op == VG_OP_vgCopyBoxOut || op == VG_OP_vgManagedOut;
}

static void difference(struct rp_lane *lane, const struct vg_trace_command *recorded)
{
	if (lane->player->options.stop_at_first)
		rp_play_stop(lane->player, recorded, "the first difference");
}

static void data_compare(struct rp_lane *lane, const struct vg_trace_command *recorded,
			 uint64_t size)
{
	const struct vg_trace_call *call = &recorded->call;

	if (!lane->player->options.compare || !(call->seen & VG_TRACE_SUMS))
		return;
	rp_report_compared(lane->player->report);
	if (lane->answer.bulk == size && lane->answer.bulk_sum == call->answer_bulk_sum)
		return;
	rp_report_data(lane->player->report, recorded, size, call->answer_bulk_sum,
		       lane->answer.bulk_sum);
	difference(lane, recorded);
}

static bool result_same(const struct vg_trace_call *call, int result)
{
	if (is_volatile(call->op))
		return true;
	if (is_query(call->op) && call->result == CUDA_ERROR_NOT_READY)
		return !result || result == CUDA_ERROR_NOT_READY;
	return result == call->result;
}

/* Those of the lane's commands that nobody waited for, once an answer says that they have been run. */
static void errors_compare(struct rp_lane *lane, const struct vg_trace_command *recorded)
{
	struct vg_lane_shared *shared = lane->lane->shared;
	uint32_t count = __atomic_load_n(&shared->error_count, __ATOMIC_ACQUIRE);

	if (count == lane->errors + lane->forgiven)
		return;
	rp_report_errors(lane->player->report, recorded, lane->errors, count,
			 __atomic_load_n(&shared->error_op, __ATOMIC_RELAXED),
			 (int)__atomic_load_n(&shared->error_result, __ATOMIC_RELAXED));
	lane->forgiven = count - lane->errors;
	difference(lane, recorded);
}

/* Where regions lie over there. */
static void arena_learn(struct rp_session *session, const struct vg_trace_session *then,
			const struct rp_answer *answer)
{
	struct vg_session_info info;
	size_t head = sizeof(struct vg_ret_vgSessionInfo);

	if (answer->args_size < head + sizeof(info))
		return;
	memcpy(&info, answer->args + head, sizeof(info));
	session->arena_then = then->arena;
	session->arena_now = info.arena_base;
	session->arena_bytes = vg_min(then->arena_bytes, info.arena_size);
}

static void answer_learn(struct rp_lane *lane, const struct rp_command *command)
{
	const struct vg_trace_command *recorded = command->recorded;
	const struct vg_trace_call *call = &recorded->call;
	struct rp_player *player = lane->player;

	if (call->op == VG_OP_vgSessionInfo && !player->session.arena_bytes)
		arena_learn(&player->session, &player->plan->session->session, &lane->answer);
	if (call->result || lane->answer.result || !call->answer || call->answer > VG_ARGS_MAX ||
	    !(recorded->whole & 1u << VG_TRACE_ANSWER))
		return;
	vg_trace_part_copy(recorded, VG_TRACE_ANSWER, lane->then);
	/* Sizes that were asked for are the same now: the arguments as they were recorded. */
	vg_trace_part_copy(recorded, VG_TRACE_ARGS, lane->args);
	rp_learn(&player->map, call->op, (struct rp_bytes){lane->args, call->args},
		 (struct rp_bytes){lane->then, call->answer},
		 (struct rp_bytes){lane->answer.args, lane->answer.args_size});
}

/* --- one command ------------------------------------------------------------------------------------ */

static bool lane_failed(struct rp_lane *lane, const struct vg_trace_command *recorded)
{
	const char *wrong = lane->lane->wrong;

	rp_play_stop(lane->player, recorded, wrong ? wrong : "the lane is of no use");
	return false;
}

static bool command_answered(struct rp_lane *lane, const struct rp_command *command)
{
	const struct vg_trace_command *recorded = command->recorded;
	const struct vg_trace_call *call = &recorded->call;
	uint16_t op = command->way == RP_COPY_IN ? VG_OP_vgCopyIn : command->op;

	if (!rp_answer_receive(lane->lane, op, command->number, &lane->answer, limit(lane->player)))
		return lane_failed(lane, recorded);
	if (!result_same(call, lane->answer.result)) {
		rp_report_result(lane->player->report, recorded, call->result, lane->answer.result);
		difference(lane, recorded);
	} else if (is_data(call->op) && !call->result) {
		data_compare(lane, recorded, call->answer_bulk);
	}
	errors_compare(lane, recorded);
	answer_learn(lane, command);
	rp_order_answered(&lane->player->order, command);
	return true;
}

/* What a copy has left in pinned memory: the same bytes by way of the lane. */
static bool copied_see(struct rp_lane *lane, const struct rp_command *command)
{
	const struct vg_args_vgCopy copy = rp_send_copy_args(lane, command);
	struct vg_cmd head = {
		.op = VG_OP_vgCopyOut,
		.flags = command->recorded->call.flags & VG_CMD_PTDS,
		.args_size = sizeof(struct vg_args_vgCopyOut),
	};
	struct vg_args_vgCopyOut out;
	uint64_t until = limit(lane->player);

	memset(&out, 0, sizeof(out));
	out.src = copy.src;
	out.size = copy.size;
	out.mode = copy.mode;
	out.stream = copy.stream;
	if (!rp_command_begin(lane->lane, &head, &out, until))
		return lane_failed(lane, command->recorded);
	rp_command_end(lane->lane);
	if (!rp_answer_receive(lane->lane, VG_OP_vgCopyOut, command->number + 1, &lane->answer,
			       until))
		return lane_failed(lane, command->recorded);
	if (lane->answer.result)
		rp_report_result(lane->player->report, command->recorded, CUDA_SUCCESS,
				 lane->answer.result);
	else
		data_compare(lane, command->recorded, copy.size);
	return true;
}

/* A copy within pinned memory stays one. */
static bool is_copy_in(struct rp_lane *lane, struct rp_command *command)
{
	struct vg_args_vgCopy recorded;

	if (command->way != RP_COPY_IN)
		return false;
	vg_trace_part_copy(command->recorded, VG_TRACE_ARGS, lane->args);
	memcpy(&recorded, lane->args, sizeof(recorded)); /* a stage's begins with dst, too */
	if (!rp_region_covers(&lane->player->session, recorded.dst, 1))
		return true;
	command->way = RP_SEND;
	return false;
}

/* A lane that was closed and opened anew counts its errors anew. */
static void life_begin(struct rp_lane *lane)
{
	uint32_t life = lane->player->session.opened[lane->id];

	if (lane->life != life)
		lane->errors = lane->forgiven = 0;
	lane->life = life;
}

static bool command_play(struct rp_lane *lane, struct rp_command *command)
{
	const struct vg_trace_command *recorded = command->recorded;
	struct rp_player *player = lane->player;
	char why[RP_WHY];
	bool in;

	if (!rp_order_wait(&player->order, command,
			   rp_plan_after(player->plan, recorded->call.after), why)) {
		if (*why)
			rp_play_stop(player, recorded, why);
		return false;
	}
	if (!lane->lane->share.base)
		return lane_failed(lane, recorded);
	life_begin(lane);
	in = is_copy_in(lane, command);
	if (command->puts && !rp_send_memory(lane, recorded)) {
		rp_play_stop(player, recorded, "its pinned memory is not there");
		return false;
	}
	if (!(in ? rp_send_copy_in(lane, command, limit(player))
		 : rp_send_command(lane, command, limit(player))))
		return lane_failed(lane, recorded);
	rp_report_sent(player->report);
	rp_order_sent(&player->order, lane->id, command->number);
	if (recorded->call.flags & VG_CMD_ASYNC)
		lane->errors += recorded->call.result != 0;
	else if (!command_answered(lane, command))
		return false;
	return !command->sees || copied_see(lane, command);
}

/* --- a lane ------------------------------------------------------------------------------------------ */

/* Of the lane's last command. */
static const struct rp_command *lane_last(const struct rp_lane *lane)
{
	const struct rp_plan *plan = lane->player->plan;

	return &plan->commands[plan->lane_end[lane->id] - 1];
}

/* What nobody had waited for when the recording ended: by a command that is answered. */
static void lane_drain(struct rp_lane *lane)
{
	const struct rp_command *last = lane_last(lane);
	struct vg_args_vgSessionInfo args;
	const struct vg_cmd head = {.op = VG_OP_vgSessionInfo, .args_size = sizeof(args)};
	uint64_t until = limit(lane->player);

	if (!lane->lane->share.base || !(last->recorded->call.flags & VG_CMD_ASYNC))
		return;
	memset(&args, 0, sizeof(args));
	args.size = args.room_info = sizeof(struct vg_session_info);
	if (!rp_command_begin(lane->lane, &head, &args, until)) {
		lane_failed(lane, last->recorded);
		return;
	}
	rp_command_end(lane->lane);
	if (!rp_answer_receive(lane->lane, head.op, last->number + last->sees + 1, &lane->answer,
			       until))
		lane_failed(lane, last->recorded);
	else
		errors_compare(lane, last->recorded);
}

/* Calls that can last without end. */
static bool is_waiting(unsigned int op)
{
	return op == VG_OP_cuStreamSynchronize || op == VG_OP_cuEventSynchronize ||
	       op == VG_OP_vgCtxSynchronize || op == VG_OP_vgCopyOut;
}

static const struct vg_trace_command *lane_unfinished(const struct rp_lane *lane)
{
	const struct vg_trace_recorded *session = lane->player->plan->session;

	for (size_t i = 0; i < session->unfinished_count; i++) {
		const struct vg_trace_command *command = &session->unfinished[i];

		if (command->call.head.lane == lane->id && is_waiting(command->call.op) &&
		    command->whole & 1u << VG_TRACE_ARGS)
			return command;
	}
	return NULL;
}

/*
 * The program waited when the recording ended. All others' answers come first, as they did. If it waits now as well, the
 * play is over.
 */
static void unfinished_play(struct rp_lane *lane, const struct vg_trace_command *recorded)
{
	struct rp_player *player = lane->player;
	const struct rp_command *last = lane_last(lane);
	struct rp_command command = {.recorded = recorded, .op = recorded->call.op};
	struct vg_cmd head = {.op = recorded->call.op};
	char why[RP_WHY];

	command.needs[RP_HOST] = player->plan->by[RP_HOST].count;
	command.events = last->events;
	if (!rp_order_wait(&player->order, &command, 0, why) || !lane->lane->share.base)
		return;
	head.args_size = (uint32_t)rp_send_args(lane, &command);
	if (!rp_command_begin(lane->lane, &head, lane->args, limit(player))) {
		lane_failed(lane, recorded);
		return;
	}
	rp_command_end(lane->lane);
	if (rp_answer_receive(lane->lane, head.op, last->number + last->sees + 1, &lane->answer,
			      limit(player))) {
		rp_report_unfinished(player->report, recorded, true, lane->answer.result);
		return;
	}
	if (!rp_order_ended(&player->order))
		rp_report_unfinished(player->report, recorded, false, 0);
	rp_order_end(&player->order);
	rp_session_stop(&player->session);
}

/* Behind its last command. */
static void lane_finish(struct rp_lane *lane)
{
	const struct vg_trace_command *unfinished = lane_unfinished(lane);

	if (unfinished)
		unfinished_play(lane, unfinished);
	else
		lane_drain(lane);
}

static void *lane_thread(void *arg)
{
	struct rp_lane *lane = arg;
	struct rp_player *player = lane->player;
	const struct rp_plan *plan = player->plan;
	size_t end = plan->lane_end[lane->id];

	for (size_t i = plan->lane_begin[lane->id]; i < end; i++) {
		if (plan->commands[i].way != RP_SKIP && !command_play(lane, &plan->commands[i]))
			return NULL;
		if (i + 1 == end)
			lane_finish(lane);
		rp_order_played(&player->order, lane->id, i + 1);
	}
	return NULL;
}

static bool lane_start(struct rp_player *player, struct rp_lane *lane, uint32_t id)
{
	*lane = (struct rp_lane){.player = player, .id = id, .lane = &player->session.lanes[id]};
	lane->args = malloc(RP_ARGS_ROOM);
	lane->then = malloc(RP_ARGS_ROOM);
	lane->answer.args = malloc(RP_ARGS_ROOM);
	lane->runs = lane->args && lane->then && lane->answer.args &&
		     !pthread_create(&lane->thread, NULL, lane_thread, lane);
	return lane->runs;
}

static void lane_end(struct rp_lane *lane)
{
	if (lane->runs)
		pthread_join(lane->thread, NULL);
	free(lane->args);
	free(lane->then);
	free(lane->answer.args);
}

/* --- the whole ---------------------------------------------------------------------------------------- */

static void shares_play(struct rp_player *player)
{
	const struct rp_plan *plan = player->plan;
	char why[RP_WHY], text[VG_TEXT_MAX];

	for (size_t i = 0; i < plan->events_count; i++) {
		if (!rp_order_wait_event(&player->order, &plan->events[i], why)) {
			if (*why)
				rp_play_stop(player, NULL, why);
			return;
		}
		*text = '\0';
		if (rp_session_share(&player->session, plan->events[i].share, text)) {
			rp_play_stop(player, NULL, text);
			return;
		}
		rp_order_shared(&player->order);
	}
}

static void lanes_play(struct rp_player *player)
{
	const struct rp_plan *plan = player->plan;
	struct rp_lane *lanes = calloc(VG_LANES_MAX, sizeof(*lanes));

	for (uint32_t id = 0; lanes && id < VG_LANES_MAX; id++) {
		if (plan->lane_plays[id] && !lane_start(player, &lanes[id], id))
			rp_play_stop(player, NULL, "no memory or no thread for a lane");
	}
	if (lanes)
		shares_play(player);
	else
		rp_play_stop(player, NULL, "no memory for the lanes");
	for (uint32_t id = 0; lanes && id < VG_LANES_MAX; id++)
		lane_end(&lanes[id]);
	free(lanes);
}

int rp_play(struct rp_player *player, char *text)
{
	struct rp_host_funcs funcs;
	uint64_t begun;
	int rc = -ENOMEM;

	rp_map_init(&player->map);
	snprintf(text, VG_TEXT_MAX, "no memory for so many commands");
	if (rp_order_init(&player->order, player->plan, player->options.limit_ms))
		rc = rp_session_open(&player->session, &player->map,
				     player->plan->session->session.jit, text);
	if (rc == 0) {
		begun = vg_clock_ns();
		rp_host_funcs_begin(&funcs, player);
		lanes_play(player);
		player->took_ns = vg_clock_ns() - begun;
		rp_session_stop(&player->session);
		rp_host_funcs_end(&funcs);
		rp_session_close(&player->session);
		if (atomic_load(&player->map.full))
			rp_report_stop(player->report, NULL, "no memory for what has moved");
	}
	player->moved = rp_map_moved(&player->map);
	rp_map_dispose(&player->map);
	rp_order_dispose(&player->order);
	return rc;
}
