/* SPDX-License-Identifier: MIT */
/* See session.h. */
#include "xen-frontend/nvml/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "protocol/bounds.h"
#include "protocol/calls.h"
#include "protocol/clock.h"
#include "xen-frontend/nvml/calls.h"
#include "xen-frontend/nvml/device.h"
#include "xen-frontend/nvml/lane.h"

/* A lost session is not asked for again more often than this. */
#define RETRY_MS 1000

struct vg_log_who fe_who = {VG_LOG_NOBODY, VG_LOG_NOBODY, VG_LOG_NOBODY, VG_LOG_WARN};

static struct {
	pthread_mutex_t lock; /* of all but `inits` */
	atomic_uint inits;    /* nvmlInit less nvmlShutdown */
	bool open;
	struct fe_channel channel;
	struct fe_nvml_lane lane;
	unsigned int devices;
	nvmlReturn_t failed; /* of the last try to open */
	uint64_t retry_ms;   /* no sooner */
} session = {.lock = PTHREAD_MUTEX_INITIALIZER, .channel = {.sock = -1}};

/* The parent's session stays the parent's. What was initialised there is so here. */
static void session_in_child(void)
{
	pthread_mutex_init(&session.lock, NULL);
	fe_who.pid = getpid();
	if (session.channel.sock >= 0)
		close(session.channel.sock);
	session.channel = FE_CHANNEL_NONE;
	if (session.open)
		fe_nvml_lane_forget(&session.lane);
	session.open = false;
	session.retry_ms = 0;
}

__attribute__((constructor)) static void session_load(void)
{
	const char *level = getenv("VGPU_LOG");
	enum vg_log_level parsed;

	fe_who.pid = getpid();
	if (level && !vg_log_level_parse(level, &parsed))
		vg_log_set_level(&fe_who, parsed);
	pthread_atfork(NULL, NULL, session_in_child);
}

/* --- opened and closed (the lock is held) --------------------------------------------------------- */

static void session_close(void)
{
	if (session.open)
		fe_nvml_lane_close(&session.lane);
	session.open = false;
	fe_channel_close(&session.channel);
}

static nvmlReturn_t open_result(int rc)
{
	switch (rc) {
	case -ENOENT:
	case -ENODEV: return NVML_ERROR_DRIVER_NOT_LOADED;
	case -EACCES: return NVML_ERROR_NO_PERMISSION;
	case -EPROTO: return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
	case -ENOMEM: return NVML_ERROR_MEMORY;
	case -EBUSY:
	case -ENOSPC: return NVML_ERROR_INSUFFICIENT_RESOURCES;
	default: return NVML_ERROR_UNKNOWN;
	}
}

static nvmlReturn_t session_fail(nvmlReturn_t result, const char *why)
{
	/* A program that polls must not fill the log; one that only looks whether there is a GPU, nothing. */
	if (session.failed != result)
		vg_log(&fe_who, result == NVML_ERROR_DRIVER_NOT_LOADED ? VG_LOG_INFO : VG_LOG_ERROR,
		       "event=no-nvml result=%d why=\"%s\"", (int)result, why);
	session.failed = result;
	session.retry_ms = vg_clock_ms() + RETRY_MS;
	session_close();
	return result;
}

static nvmlReturn_t session_connect(void)
{
	char text[VG_TEXT_MAX] = "";
	int rc = fe_channel_open(&session.channel, VG_SPEC_HASH, text);

	if (!rc) {
		rc = fe_nvml_lane_open(&session.lane, &session.channel, text);
		session.open = !rc;
	}
	return rc ? session_fail(open_result(rc), text) : NVML_SUCCESS;
}

static nvmlReturn_t session_open(void)
{
	nvmlReturn_t result = session_connect();
	unsigned int devices = 0;

	if (result)
		return result;
	result = fe_device_count(&devices);
	if (result)
		return session_fail(result, "the host's NVML does not work");
	session.devices = (unsigned int)vg_min(devices, FE_NVML_DEVICES_MAX);
	session.failed = NVML_SUCCESS;
	return NVML_SUCCESS;
}

/* --- for exported functions ----------------------------------------------------------------------- */

nvmlReturn_t fe_nvml_init(void)
{
	nvmlReturn_t result = NVML_SUCCESS;

	pthread_mutex_lock(&session.lock);
	if (!session.open)
		result = session_open();
	if (!result)
		atomic_fetch_add(&session.inits, 1);
	pthread_mutex_unlock(&session.lock);
	return result;
}

nvmlReturn_t fe_nvml_shutdown(void)
{
	nvmlReturn_t result = NVML_SUCCESS;

	pthread_mutex_lock(&session.lock);
	if (!atomic_load(&session.inits))
		result = NVML_ERROR_UNINITIALIZED;
	else if (atomic_fetch_sub(&session.inits, 1) == 1)
		session_close();
	pthread_mutex_unlock(&session.lock);
	return result;
}

bool fe_nvml_ready(void)
{
	return atomic_load_explicit(&session.inits, memory_order_relaxed) != 0;
}

nvmlReturn_t fe_nvml_refuse(const char *name, nvmlReturn_t code)
{
	if (!fe_nvml_ready())
		return NVML_ERROR_UNINITIALIZED;
	vg_info(&fe_who, "event=refused nvml=%s result=%d", name, (int)code);
	return code;
}

unsigned int fe_nvml_devices(void)
{
	unsigned int devices;

	pthread_mutex_lock(&session.lock);
	devices = session.devices;
	pthread_mutex_unlock(&session.lock);
	return devices;
}

/* --- exchanges ----------------------------------------------------------------------------------- */

void fe_nvml_enter(void)
{
	pthread_mutex_lock(&session.lock);
}

void fe_nvml_leave(void)
{
	pthread_mutex_unlock(&session.lock);
}

nvmlReturn_t fe_nvml_broken(const char *why)
{
	return session_fail(NVML_ERROR_GPU_IS_LOST, why);
}

static nvmlReturn_t session_again(void)
{
	if (!fe_nvml_ready())
		return NVML_ERROR_UNINITIALIZED; /* another thread has shut it down */
	if (session.retry_ms && vg_clock_ms() < session.retry_ms)
		return NVML_ERROR_GPU_IS_LOST;
	return session_open() ? NVML_ERROR_GPU_IS_LOST : NVML_SUCCESS;
}

nvmlReturn_t fe_nvml_exchange(const void *ask, size_t size, void *answer, size_t room,
			      size_t *answered)
{
	nvmlReturn_t result = session.open ? NVML_SUCCESS : session_again();

	if (result)
		return result;
	if (fe_nvml_lane_exchange(&session.lane, ask, size, answer, room, answered))
		return NVML_SUCCESS;
	return fe_nvml_broken(session.lane.lane.wrong);
}
