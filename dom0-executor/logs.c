/* SPDX-License-Identifier: MIT */
/*
 * The driver's lines about errors: it calls back in the thread whose call fails. They stay with the lane until the
 * guest fetches them, a bounded number of bytes; what does not fit is in the driver's own log
 * (cuLogsDumpToMemory). Runs in lanes' threads; the driver's other threads are nobody's.
 */
#include "dom0-executor/logs.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/bounds.h"
#include "protocol/wire.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

static __thread struct ex_lane *lane_here;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static CUresult listen_result = CUDA_ERROR_NOT_SUPPORTED;

/* The guest makes the line about the call itself, by the name that its program used. */
#define OF_THE_CALL "Returning "

static bool is_of_the_call(const char *message, size_t length)
{
	return length >= strlen(OF_THE_CALL) && !memcmp(message, OF_THE_CALL, strlen(OF_THE_CALL));
}

/* What was kept for listeners of before is not for those of now. */
static void epoch_look(struct ex_lane *lane)
{
	unsigned int epoch = atomic_load_explicit(&lane->session->logs_epoch, memory_order_relaxed);

	if (lane->logs.epoch != epoch)
		lane->logs.size = 0;
	lane->logs.epoch = epoch;
}

static void line_keep(void *data, CUlogLevel level, char *message, size_t length)
{
	struct ex_logs *logs = lane_here ? &lane_here->logs : NULL;
	struct vg_log_line head = {.level = level};

	(void)data;
	if (!logs || !message || is_of_the_call(message, length))
		return;
	epoch_look(lane_here);
	head.length = (uint32_t)vg_min(length, VG_LOG_LINE_MAX);
	if (!logs->lines)
		logs->lines = malloc(VG_LOG_LINES_MAX);
	if (!logs->lines || VG_LOG_LINES_MAX - logs->size < sizeof(head) + vg_pad8(head.length))
		return;
	memcpy(logs->lines + logs->size, &head, sizeof(head));
	logs->size += sizeof(head);
	memset(logs->lines + logs->size, 0, vg_pad8(head.length));
	memcpy(logs->lines + logs->size, message, head.length);
	logs->size += vg_pad8(head.length);
}

void ex_logs_begin(struct ex_lane *lane)
{
	lane_here = lane;
}

void ex_logs_settle(struct ex_lane *lane, size_t before, CUresult result)
{
	if (!result && lane->logs.size > before)
		lane->logs.size = before;
}

static void listen_once(void)
{
	CUlogsCallbackHandle handle;

	if (ex_driver.cuLogsRegisterCallback)
		listen_result = ex_driver.cuLogsRegisterCallback(line_keep, NULL, &handle);
}

CUresult ex_vgLogsFetch(struct ex_call *call, unsigned int room, unsigned int *size, void *lines)
{
	struct ex_logs *logs = &call->lane->logs;

	if (!room) {
		pthread_once(&once, listen_once);
		atomic_fetch_add(&call->session->logs_epoch, 1);
		return listen_result;
	}
	epoch_look(call->lane);
	if (!lines || room < logs->size)
		return CUDA_ERROR_INVALID_VALUE;
	*size = (unsigned int)logs->size;
	if (logs->size)
		memcpy(lines, logs->lines, logs->size);
	logs->size = 0;
	return CUDA_SUCCESS;
}
