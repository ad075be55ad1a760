/* SPDX-License-Identifier: MIT */
/* What the driver says of errors, kept for the lane whose command has failed. The lane's thread. */
#ifndef EX_LOGS_H
#define EX_LOGS_H

#include <stddef.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

struct ex_lane;

struct ex_logs {
	uint8_t *lines; /* struct vg_log_line and texts, VG_LOG_LINES_MAX; owned, NULL at first */
	size_t size;
	unsigned int epoch; /* ex_session.logs_epoch when they were kept; of another: void */
};

/* What the driver says in this thread from here on is about that lane's commands. */
void ex_logs_begin(struct ex_lane *lane);
/* After a command: what was said in it (beyond `before`) is of interest only if it has failed. */
void ex_logs_settle(struct ex_lane *lane, size_t before, CUresult result);

#endif
