/* SPDX-License-Identifier: MIT */
/* See gpus.h. */
#include "dom0-executor/gpus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/uuid.h"
#include "protocol/visible.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/driver.h"
#include "dom0-executor/lane.h"

#define ENV_LIST  "CUDA_VISIBLE_DEVICES"
#define ENV_ORDER "CUDA_DEVICE_ORDER"
#define ENV_SOFT  "VGPU_SOFT_DEVICES"

/* What the driver is given: a UUID or a name for each GPU, and commas. */
#define LIST_MAX (EX_VGPUS_MAX * (EX_UUID_MAX + 1))

/* --- made and ended ----------------------------------------------------------------------------- */

/* As many software devices as the highest number that is asked for needs. */
static int soft_devices(const struct ex_settings *settings)
{
	const char *have = getenv(ENV_SOFT);
	unsigned long want = have ? strtoul(have, NULL, 10) : 1;
	char text[24];

	for (unsigned int i = 0; i < settings->gpus; i++) {
		unsigned long number = ex_nvml_soft_number(settings->gpu[i]);

		if (number != EX_NVML_NO_NUMBER && number + 1 > want)
			want = number + 1;
	}
	snprintf(text, sizeof(text), "%lu", want);
	return setenv(ENV_SOFT, text, 1) ? -errno : 0;
}

/*
 * Nothing, where GPUs are named: it stays so until the start says which. That the variables are there means,
 * too, that setting them then moves no others, which the driver's threads may read.
 */
int ex_gpus_environment(const struct ex_settings *settings)
{
	if (!settings->gpus)
		return 0;
	if (!strcmp(settings->driver, "soft") && soft_devices(settings))
		return -errno;
	return setenv(ENV_ORDER, "PCI_BUS_ID", 1) || setenv(ENV_LIST, "", 1) ? -errno : 0;
}

int ex_gpus_init(struct ex_gpus *gpus, const struct ex_settings *settings, struct vg_stats *stats)
{
	int rc = 0;

	memset(gpus, 0, sizeof(*gpus));
	gpus->held.stats = stats;
	gpus->named = settings->gpus;
	pthread_mutex_init(&gpus->lock, NULL);
	atomic_init(&gpus->used, gpus->named ? gpus->named : 1);
	for (unsigned int i = 0; i < EX_DEVICES_MAX; i++)
		atomic_init(&gpus->of_device[i], (unsigned char)i);
	for (unsigned int i = 0; i < EX_GPUS_MAX; i++) {
		int failed = ex_account_init(&gpus->gpu[i].account, settings, i, &gpus->held);

		rc = rc ? rc : failed;
		gpus->limited |= gpus->gpu[i].account.limit != 0;
	}
	return rc;
}

void ex_gpus_dispose(struct ex_gpus *gpus)
{
	for (unsigned int i = 0; i < EX_GPUS_MAX; i++)
		ex_account_dispose(&gpus->gpu[i].account);
	while (gpus->contexts) {
		struct ex_context *context = gpus->contexts;

		gpus->contexts = context->next;
		free(context);
	}
	free(gpus->list);
	free(gpus->order);
	gpus->list = gpus->order = NULL;
	pthread_mutex_destroy(&gpus->lock);
}

/* --- what the program says ------------------------------------------------------------------------ */

CUresult ex_vgVisible(struct ex_call *call, int has, const char *list, const char *order)
{
	struct ex_gpus *gpus = &call->session->gpus;

	if (strlen(list) > VG_VISIBLE_TEXT || strlen(order) > VG_VISIBLE_TEXT)
		return ex_breach(call, "a list of devices that is too long");
	pthread_mutex_lock(&gpus->lock);
	/* Once CUDA has been initialised it changes nothing, as natively. */
	if (!gpus->started) {
		free(gpus->list);
		free(gpus->order);
		gpus->list = has ? strdup(list) : NULL;
		gpus->order = *order ? strdup(order) : NULL;
	}
	pthread_mutex_unlock(&gpus->lock);
	return CUDA_SUCCESS;
}

/* --- which GPUs the driver is to have (the lock is held) ------------------------------------------ */

/* NULL: without it. */
static void environment_set(const char *name, const char *value)
{
	if (value)
		setenv(name, value, 1);
	else
		unsetenv(name);
}

/* One GPU by its number, and no UUIDs to compare: NVML can stay closed, which saves its time. */
static bool needs_nvml(const struct ex_session *session)
{
	const struct ex_gpus *gpus = &session->gpus;

	return gpus->named > 1 || session->soft || strchr(session->settings->gpu[0], ':') ||
	       (gpus->list && !vg_visible_numbers(gpus->list));
}

/* What there is to choose from, in the order in which the program numbers it. */
struct offered {
	unsigned int count;
	unsigned int gpu[EX_VGPUS_MAX];
	const char *uuid[EX_VGPUS_MAX];
};

static void offered_add(struct offered *offered, unsigned int gpu, const char *uuid)
{
	offered->gpu[offered->count] = gpu;
	offered->uuid[offered->count++] = uuid;
}

/* By NVML, which has each GPU once; without it as they were named. */
static void offered_fill(struct ex_session *session, bool by_bus, struct offered *offered)
{
	const struct ex_nvml *nvml = &session->nvml;

	offered->count = 0;
	if (!needs_nvml(session) || ex_nvml_open(session) || !nvml->count) {
		for (unsigned int i = 0; i < session->gpus.named; i++)
			offered_add(offered, i, session->settings->gpu[i]);
	} else if (by_bus) {
		for (unsigned int i = 0; i < nvml->count; i++)
			offered_add(offered, nvml->gpu[i], nvml->uuid[i]);
	} else {
		for (unsigned int gpu = 0; gpu < session->gpus.named; gpu++)
			for (unsigned int i = 0; i < nvml->count; i++)
				if (nvml->gpu[i] == gpu)
					offered_add(offered, gpu, nvml->uuid[i]);
	}
}

static CUresult devices_choose(struct ex_session *session)
{
	struct ex_gpus *gpus = &session->gpus;
	unsigned int chosen[VG_VISIBLE_MAX];
	struct offered offered;
	char list[LIST_MAX] = "";
	size_t used = 0;
	bool by_bus;
	int count;

	if (!vg_visible_order(gpus->order, &by_bus))
		return CUDA_ERROR_INVALID_DEVICE;
	offered_fill(session, by_bus, &offered);
	count = vg_visible_choose(gpus->list, offered.uuid, offered.count, chosen);
	if (count < 0)
		return CUDA_ERROR_INVALID_DEVICE;
	for (int i = 0; i < count && used < sizeof(list); i++) {
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", i ? "," : "",
					 offered.uuid[chosen[i]]);
		atomic_store(&gpus->of_device[i], (unsigned char)offered.gpu[chosen[i]]);
	}
	environment_set(ENV_LIST, list);
	return used < sizeof(list) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

/* --- which they were, where all were to be had ------------------------------------------------------- */

/* NVML's number of a device of CUDA's, by which all processes of the host know it. */
static unsigned int device_find(struct ex_session *session, CUdevice device)
{
	const struct ex_nvml *nvml = &session->nvml;
	char text[VG_UUID_TEXT];
	CUuuid uuid;

	if (!ex_driver.cuDeviceGetUuid || ex_driver.cuDeviceGetUuid(&uuid, device))
		return (unsigned int)device;
	vg_uuid_text(&uuid, text);
	for (unsigned int i = 0; i < nvml->count; i++)
		if (!strcmp(nvml->uuid[i], text))
			return nvml->gpu[i];
	return (unsigned int)device;
}

static void devices_find(struct ex_session *session)
{
	struct ex_gpus *gpus = &session->gpus;
	const struct ex_account *first = &gpus->gpu[0].account;
	int count = 0;

	if (!ex_driver.cuDeviceGetCount || ex_driver.cuDeviceGetCount(&count))
		return;
	count = count < EX_DEVICES_MAX ? count : EX_DEVICES_MAX;
	atomic_store(&gpus->used, count > 1 ? (unsigned int)count : 1);
	/* One that is alone, or whose memory nobody counts, may have any number. */
	if ((count < 2 && !gpus->list) || (!first->limit && !first->page) || ex_nvml_open(session))
		return;
	for (int i = 0; i < count; i++)
		atomic_store(&gpus->of_device[i], (unsigned char)device_find(session, i));
	atomic_store(&gpus->used, session->nvml.count > (unsigned int)count ? session->nvml.count
									    : (unsigned int)count);
}

/* --- the start ---------------------------------------------------------------------------------------- */

static CUresult start(struct ex_session *session)
{
	struct ex_gpus *gpus = &session->gpus;
	CUresult result;

	if (gpus->named) {
		result = devices_choose(session);
		return result ? result : ex_driver_init();
	}
	environment_set(ENV_LIST, gpus->list);
	environment_set(ENV_ORDER, gpus->order);
	result = ex_driver_init();
	if (!result)
		devices_find(session);
	return result;
}

CUresult ex_gpus_start(struct ex_session *session)
{
	struct ex_gpus *gpus = &session->gpus;
	CUresult result;

	pthread_mutex_lock(&gpus->lock);
	if (!gpus->started)
		gpus->result = start(session);
	gpus->started = true;
	result = gpus->result;
	pthread_mutex_unlock(&gpus->lock);
	return result;
}

/* --- for calls ---------------------------------------------------------------------------------------- */

unsigned int ex_gpu_of(struct ex_session *session, CUdevice device)
{
	if (device < 0 || device >= EX_DEVICES_MAX)
		return 0;
	return atomic_load_explicit(&session->gpus.of_device[device], memory_order_relaxed);
}

struct ex_account *ex_account_of(struct ex_session *session, unsigned int gpu)
{
	return &session->gpus.gpu[gpu < EX_GPUS_MAX ? gpu : 0].account;
}

/* Without a second vGPU there is nothing to find out. */
static bool is_only_one(struct ex_session *session)
{
	return atomic_load_explicit(&session->gpus.used, memory_order_relaxed) < 2 ||
	       !ex_driver.cuCtxGetDevice;
}

unsigned int ex_gpu_current(struct ex_session *session)
{
	CUdevice device = 0;

	if (is_only_one(session) || ex_driver.cuCtxGetDevice(&device))
		device = 0;
	return ex_gpu_of(session, device);
}

static unsigned int context_gpu(struct ex_session *session, CUcontext real)
{
	CUcontext before = NULL;
	unsigned int gpu;

	if (is_only_one(session) || !ex_driver.cuCtxGetCurrent || !ex_driver.cuCtxSetCurrent ||
	    ex_driver.cuCtxGetCurrent(&before))
		return ex_gpu_of(session, 0);
	gpu = ex_driver.cuCtxSetCurrent(real) ? ex_gpu_of(session, 0) : ex_gpu_current(session);
	ex_driver.cuCtxSetCurrent(before);
	return gpu;
}

/* The lock is held. */
static void contexts_show(struct ex_gpus *gpus, unsigned int gpu)
{
	uint32_t count = 0;

	for (const struct ex_context *c = gpus->contexts; c; c = c->next)
		count += c->gpu == gpu;
	ex_account_contexts(&gpus->gpu[gpu].account, count);
}

static struct ex_context **context_find(struct ex_gpus *gpus, uint64_t handle)
{
	struct ex_context **at = &gpus->contexts;

	while (*at && (*at)->handle != handle)
		at = &(*at)->next;
	return at;
}

void ex_context_entered(struct ex_session *session, uint64_t handle, CUcontext real)
{
	struct ex_gpus *gpus = &session->gpus;
	unsigned int gpu = context_gpu(session, real);
	struct ex_context *context;

	pthread_mutex_lock(&gpus->lock);
	context = *context_find(gpus, handle) ? NULL : malloc(sizeof(*context));
	if (context) {
		*context = (struct ex_context){gpus->contexts, handle, gpu};
		gpus->contexts = context;
		contexts_show(gpus, gpu);
	}
	pthread_mutex_unlock(&gpus->lock);
}

void ex_context_left(struct ex_session *session, uint64_t handle)
{
	struct ex_gpus *gpus = &session->gpus;
	struct ex_context **at, *gone;

	pthread_mutex_lock(&gpus->lock);
	at = context_find(gpus, handle);
	gone = *at;
	if (gone) {
		*at = gone->next;
		contexts_show(gpus, gone->gpu);
	}
	pthread_mutex_unlock(&gpus->lock);
	free(gone);
}

uint64_t ex_gpus_held(struct ex_session *session)
{
	return atomic_load(&session->gpus.held.bytes);
}
