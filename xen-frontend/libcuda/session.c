/* SPDX-License-Identifier: MIT */
/*
 * Opening the session (cuInit), losing it, and fork: a child has none of the parent's CUDA state
 * until it calls cuInit itself. Any thread; one initialises.
 */
#include "xen-frontend/libcuda/session.h"
#include "xen-frontend/libcuda/order.h"
#include "xen-frontend/libcuda/stage.h"
#include "xen-frontend/libcuda/tell.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "protocol/calls.h"
#include "protocol/visible.h"
#include "xen-frontend/libcuda/arena.h"
#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/checkpoint.h"
#include "xen-frontend/libcuda/fault.h"
#include "xen-frontend/libcuda/handle.h"
#include "xen-frontend/libcuda/host_memory.h"
#include "xen-frontend/libcuda/ipc.h"
#include "xen-frontend/libcuda/logs.h"
#include "xen-frontend/libcuda/managed.h"
#include "xen-frontend/libcuda/memory.h"

struct fe_session fe_session = {.lock = PTHREAD_MUTEX_INITIALIZER, .channel = {.sock = -1}};
struct vg_log_who fe_who = {VG_LOG_NOBODY, VG_LOG_NOBODY, VG_LOG_NOBODY, VG_LOG_WARN};

static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;
/* Result of the last failed try, so that a program that polls does not fill the log. */
static CUresult init_failed;

/* The driver that answers before a session tells its own version. */
#define DRIVER_VERSION_DEFAULT 13000

static void session_in_child(void)
{
	if (fe_session.channel.sock >= 0)
		close(fe_session.channel.sock);
	fe_session.channel = FE_CHANNEL_NONE;
	pthread_mutex_init(&fe_session.lock, NULL);
	pthread_mutex_init(&init_lock, NULL);
	memset(fe_session.lane_used, 0, sizeof(fe_session.lane_used));
	memset(fe_session.lane_number, 0, sizeof(fe_session.lane_number));
	memset(fe_session.region_used, 0, sizeof(fe_session.region_used));
	fe_order_reset();
	atomic_store(&fe_session.lost, 0);
	atomic_store(&fe_session.state, FE_SESSION_NONE);
	init_failed = CUDA_SUCCESS;
	fe_who.pid = getpid();
	fe_lane_reset();
	fe_callback_reset();
	fe_stage_reset();
	fe_device_reset();
	fe_context_reset();
	fe_handle_reset();
	atomic_store(&fe_captures, 0);
	fe_range_reset();
	fe_managed_reset();
	fe_ipc_reset();
	fe_logs_reset();
	fe_notification_reset();
	fe_coredump_reset();
	fe_checkpoint_reset();
	fe_register_reset();
	fe_fault_reset();
	fe_arena_reset();
	fe_tell_reset();
}

__attribute__((constructor)) static void session_load(void)
{
	fe_who.pid = getpid();
	fe_tell_load();
	pthread_atfork(NULL, NULL, session_in_child);
}

void fe_session_lose(CUresult result, const char *why)
{
	int expected = FE_SESSION_OPEN;

	if (!atomic_compare_exchange_strong(&fe_session.state, &expected, FE_SESSION_LOST))
		return;
	atomic_store(&fe_session.lost, (int)result);
	vg_error(&fe_who, "event=session-lost why=\"%s\"", why);
	fe_checkpoint_wake();
}

int fe_session_id_take(bool *used, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		if (!used[i]) {
			used[i] = true;
			return (int)i;
		}
	}
	return -ENOSPC;
}

static CUresult open_result(int rc)
{
	switch (rc) {
	case -ENOENT:
	case -ENODEV:
	case -EACCES: return CUDA_ERROR_NO_DEVICE;
	case -EPROTO: return CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
	case -ENOMEM: return CUDA_ERROR_OUT_OF_MEMORY;
	default: return CUDA_ERROR_SYSTEM_NOT_READY;
	}
}

static void session_give_up(void)
{
	fe_lane_reset();
	fe_channel_close(&fe_session.channel);
	atomic_store(&fe_session.state, FE_SESSION_NONE);
}

/*
 * The program's choice of devices: the driver over there applies it, as it would here. Of a longer list than
 * anybody has what comes first counts.
 */
static CUresult session_choose(void)
{
	const char *list = getenv("CUDA_VISIBLE_DEVICES"), *order = getenv("CUDA_DEVICE_ORDER");
	char text[VG_VISIBLE_TEXT];

	snprintf(text, sizeof(text), "%s", list ? list : "");
	return rpc_vgVisible(list != NULL, text,
			     order && strlen(order) < sizeof(text) ? order : "");
}

/* Learns what is over there. The session is open for this. */
static CUresult session_learn(void)
{
	CUresult result = session_choose();

	if (!result)
		result = rpc_vgSessionInfo(&fe_session.info, sizeof(fe_session.info));
	if (!result)
		result = (CUresult)fe_session.info.init_result;
	if (result)
		return result;
	fe_arena_open(fe_session.info.arena_base, fe_session.info.arena_size,
		      fe_session.info.device_base, fe_session.info.device_size);
	return CUDA_SUCCESS;
}

static CUresult session_open(void)
{
	char text[VG_TEXT_MAX] = "";
	CUresult result;
	int rc = fe_channel_open(&fe_session.channel, VG_SPEC_HASH, text);

	if (rc) {
		result = open_result(rc);
		if (result != init_failed)
			vg_error(&fe_who, "event=no-session error=\"%s\" why=\"%s\"", strerror(-rc),
				 text);
		init_failed = result;
		return result;
	}
	atomic_store(&fe_session.state, FE_SESSION_OPEN);
	result = session_learn();
	if (result)
		session_give_up();
	return result;
}

CUresult fe_cuInit(unsigned int Flags)
{
	CUresult result = CUDA_SUCCESS;

	if (Flags)
		return CUDA_ERROR_INVALID_VALUE;
	if (atomic_load(&fe_session.state) == FE_SESSION_OPEN)
		return CUDA_SUCCESS;
	pthread_mutex_lock(&init_lock);
	switch (atomic_load(&fe_session.state)) {
	case FE_SESSION_NONE: result = session_open(); break;
	case FE_SESSION_LOST: result = (CUresult)atomic_load(&fe_session.lost); break;
	default: break;
	}
	pthread_mutex_unlock(&init_lock);
	return result;
}

CUresult fe_cuDriverGetVersion(int *driverVersion)
{
	if (!driverVersion)
		return CUDA_ERROR_INVALID_VALUE;
	*driverVersion = DRIVER_VERSION_DEFAULT;
	if (atomic_load(&fe_session.state) == FE_SESSION_OPEN && fe_session.info.driver_version)
		*driverVersion = fe_session.info.driver_version;
	return CUDA_SUCCESS;
}
