/* SPDX-License-Identifier: MIT */
/* See host_func.h. The turn word in the lane's page stays VG_TURN_AWAY, so all goes by commands. */
#include "xen-frontend/replay/host_func.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "protocol/bounds.h"
#include "protocol/calls.h"
#include "xen-frontend/replay/exchange.h"
#include "xen-frontend/replay/player.h"

/* Commands are a word, and answers a few. */
#define RING_BYTES VG_RING_MIN

static bool exchange(struct rp_host_funcs *funcs, uint64_t *number, const struct vg_cmd *cmd,
		     const void *args, struct rp_answer *answer)
{
	/* Until the session is stopped: nobody knows when a turn comes. */
	if (!rp_command_begin(&funcs->lane, cmd, args, UINT64_MAX))
		return false;
	rp_command_end(&funcs->lane);
	return rp_answer_receive(&funcs->lane, cmd->op, ++*number, answer, UINT64_MAX) &&
	       !answer->result;
}

static void *serve(void *arg)
{
	static uint8_t room[VG_ARGS_MAX];
	const struct vg_cmd wait = {.op = VG_OP_vgHostFuncWait};
	const struct vg_cmd done = {.op = VG_OP_vgHostFuncDone,
				    .args_size = sizeof(struct vg_args_vgHostFuncDone)};
	struct rp_answer answer = {.args = room};
	struct rp_host_funcs *funcs = arg;
	struct vg_args_vgHostFuncDone end;
	struct vg_ret_vgHostFuncWait turn;
	uint64_t number = 0;

	memset(&end, 0, sizeof(end));
	while (exchange(funcs, &number, &wait, NULL, &answer)) {
		if (answer.args_size < sizeof(turn))
			break;
		memcpy(&turn, room, sizeof(turn));
		end.ticket = turn.ticket;
		if (turn.ticket && !exchange(funcs, &number, &done, &end, &answer))
			break;
	}
	return NULL;
}

/* One that the recording never uses; else the program's own, in which nothing is played. */
static int lane_free(const struct rp_plan *plan, unsigned int lanes)
{
	for (unsigned int id = 0; id < vg_min(lanes, VG_LANES_MAX); id++)
		if (!plan->lane_plays[id])
			return (int)id;
	return -1;
}

void rp_host_funcs_begin(struct rp_host_funcs *funcs, struct rp_player *player)
{
	struct rp_session *session = &player->session;
	const char *why = "no lane for the program's functions";
	struct vg_control_share want = {.cmd_bytes = RING_BYTES, .reply_bytes = RING_BYTES};
	char text[VG_TEXT_MAX] = "";
	int id = lane_free(player->plan, session->channel.limits.lanes);

	*funcs = (struct rp_host_funcs){.player = player, .lane = FE_LANE_PLAIN_NONE};
	if (!player->plan->host_funcs)
		return;
	want.id = (uint32_t)id;
	if (id >= 0 && !fe_lane_plain_open(&funcs->lane, &session->channel, &want, text))
		funcs->runs = !pthread_create(&funcs->thread, NULL, serve, funcs);
	if (!funcs->runs)
		rp_play_stop(player, NULL, *text ? text : why);
}

void rp_host_funcs_end(struct rp_host_funcs *funcs)
{
	if (funcs->runs)
		pthread_join(funcs->thread, NULL);
	vg_bell_close(&funcs->lane.share.bell);
}
