/* SPDX-License-Identifier: MIT */
/* See send.h. */
#include "xen-frontend/replay/send.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/session_info.h"
#include "xen-frontend/replay/translate.h"

/* The devices that the player's own environment chooses, if it does. Bytes of arguments, or 0. */
static size_t visible_args(uint8_t *args)
{
	const char *list = getenv("CUDA_VISIBLE_DEVICES"), *order = getenv("CUDA_DEVICE_ORDER");
	struct vg_args_vgVisible head;
	size_t list_size, order_size;

	if (!list)
		return 0;
	order = order ? order : "";
	list_size = strlen(list) + 1;
	order_size = strlen(order) + 1;
	if (sizeof(head) + vg_pad8(list_size) + vg_pad8(order_size) > VG_ARGS_MAX)
		return 0;
	memset(&head, 0, sizeof(head));
	head.has = 1;
	head.n_list = list_size;
	head.n_order = order_size;
	memset(args, 0, sizeof(head) + vg_pad8(list_size) + vg_pad8(order_size));
	memcpy(args, &head, sizeof(head));
	memcpy(args + sizeof(head), list, list_size);
	memcpy(args + sizeof(head) + vg_pad8(list_size), order, order_size);
	return sizeof(head) + vg_pad8(list_size) + vg_pad8(order_size);
}

size_t rp_send_args(struct rp_lane *lane, const struct rp_command *command)
{
	const struct vg_trace_command *recorded = command->recorded;
	size_t size = recorded->call.op == VG_OP_vgVisible ? visible_args(lane->args) : 0;

	if (size)
		return size;
	size = recorded->call.args;
	memset(lane->args + size, 0, RP_ARGS_ROOM - size < 8 ? RP_ARGS_ROOM - size : 8);
	vg_trace_part_copy(recorded, VG_TRACE_ARGS, lane->args);
	rp_translate_args(&lane->player->map, recorded->call.op, lane->args, size);
	return size;
}

/* Data in which addresses may be. */
static bool is_scanned(const struct rp_lane *lane, unsigned int op)
{
	return lane->player->options.scan && rp_map_moved(&lane->player->map) &&
	       (op == VG_OP_vgCopyIn || op == VG_OP_vgCopyBoxIn || op == VG_OP_vgManagedIn);
}

/*
 * The command's pieces of that kind into the lane. Looked through, a piece is copied first, and an address that lies across the ends of
 * two is not found: recorders cut at multiples of 8.
 */
static bool pieces_put(struct rp_lane *lane, const struct vg_trace_command *recorded,
		       enum vg_trace_part_kind kind, bool scan, uint64_t until)
{
	uint8_t copy[VG_TRACE_BLOCK];

	for (uint32_t i = 0; i < recorded->count; i++) {
		const struct vg_trace_piece *piece = &recorded->pieces[i];
		const uint8_t *data = piece->data;

		if (piece->kind != kind)
			continue;
		if (scan) {
			memcpy(copy, data, piece->bytes);
			rp_translate_words(&lane->player->map, copy, piece->bytes);
			data = copy;
		}
		if (!fe_lane_plain_put(lane->lane, data, piece->bytes, until))
			return false;
	}
	return true;
}

static struct vg_cmd head_make(const struct rp_lane *lane, const struct rp_command *command)
{
	const struct vg_trace_call *call = &command->recorded->call;

	return (struct vg_cmd){
		.op = command->op,
		.flags = call->flags,
		.bulk_size = call->bulk,
		.after = rp_plan_after(lane->player->plan, call->after),
	};
}

bool rp_send_command(struct rp_lane *lane, const struct rp_command *command, uint64_t until)
{
	const struct vg_trace_command *recorded = command->recorded;
	struct vg_cmd head = head_make(lane, command);

	head.args_size = (uint32_t)rp_send_args(lane, command);
	if (!rp_command_begin(lane->lane, &head, lane->args, until) ||
	    !pieces_put(lane, recorded, VG_TRACE_BULK, is_scanned(lane, recorded->call.op), until))
		return false;
	rp_command_end(lane->lane);
	return true;
}

/* dst, size, stream and mode of a copy in one dimension, as they are to be sent. */
struct vg_args_vgCopy rp_send_copy_args(struct rp_lane *lane, const struct rp_command *command)
{
	struct vg_args_vgCopyStage stage;
	struct vg_args_vgCopy copy;

	rp_send_args(lane, command);
	memcpy(&copy, lane->args, sizeof(copy)); /* the room is larger */
	if (command->recorded->call.op == VG_OP_vgCopy)
		return copy;
	memcpy(&stage, lane->args, sizeof(stage));
	memset(&copy, 0, sizeof(copy));
	copy.dst = stage.dst;
	copy.src = stage.src;
	copy.size = stage.size;
	copy.mode = VG_COPY_ASYNC;
	copy.stream = stage.stream;
	return copy;
}

/* Two calls have arguments of one form. */
_Static_assert(sizeof(struct vg_args_vgCopyIn) == sizeof(struct vg_args_vgCopyOut), "in and out");

bool rp_send_copy_in(struct rp_lane *lane, const struct rp_command *command, uint64_t until)
{
	const struct vg_args_vgCopy copy = rp_send_copy_args(lane, command);
	struct vg_cmd head = head_make(lane, command);
	struct vg_args_vgCopyIn in;

	memset(&in, 0, sizeof(in));
	in.dst = copy.dst;
	in.size = copy.size;
	in.mode = copy.mode;
	in.stream = copy.stream;
	head.op = VG_OP_vgCopyIn;
	head.args_size = sizeof(in);
	head.bulk_size = copy.size;
	if (!rp_command_begin(lane->lane, &head, &in, until) ||
	    !pieces_put(lane, command->recorded, VG_TRACE_MEMORY, is_scanned(lane, VG_OP_vgCopyIn),
			until))
		return false;
	rp_command_end(lane->lane);
	return true;
}

bool rp_send_memory(struct rp_lane *lane, const struct vg_trace_command *recorded)
{
	struct rp_player *player = lane->player;
	bool scan = player->options.scan && rp_map_moved(&player->map);
	uint8_t copy[VG_TRACE_BLOCK];

	for (uint32_t i = 0; i < recorded->count; i++) {
		const struct vg_trace_piece *piece = &recorded->pieces[i];
		struct rp_pinned pinned = {
			.recorded = piece->offset,
			.then = piece->data,
			.now = piece->data,
			.bytes = piece->bytes,
			.changes = vg_trace_is_launch(recorded->call.op),
		};

		if (piece->kind != VG_TRACE_MEMORY)
			continue;
		if (scan) {
			memcpy(copy, piece->data, piece->bytes);
			rp_translate_words(&player->map, copy, piece->bytes);
			pinned.now = copy;
		}
		if (!rp_region_write(&player->session, &pinned))
			return false;
	}
	return true;
}
