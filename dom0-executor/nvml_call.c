/* SPDX-License-Identifier: MIT */
/*
 * NVML calls whose answer is the vGPU's and not the GPU's: memory by the quota, processes of this guest
 * alone, and the load of a software device. Other guests' processes are never named. Runs in lanes'
 * threads.
 *
 * What the account's page says of other executors of the guest is believed as far as the guest goes: they run
 * its commands.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/bounds.h"
#include "protocol/clock.h"

#include "dom0-executor/nvml_ask.h"
#include "dom0-executor/nvml_calls.h"
#include "dom0-executor/session.h"

#define NO_INSTANCE      0xffffffffu /* of a GPU that is not divided (MIG) */
#define HOST_SAMPLES_MAX 8192u

nvmlReturn_t ex_vgDevices(struct ex_ask *ask, unsigned int *count)
{
	*count = ask->session->nvml.count;
	return NVML_SUCCESS;
}

/* --- memory -------------------------------------------------------------------------------------- */

/* As cuMemGetInfo says it (memory.c). The software device's memory is each executor's own. */
nvmlReturn_t ex_vgMemory(struct ex_ask *ask, nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
	struct ex_session *session = ask->session;
	struct ex_account *account = ex_account_of(session, ex_nvml_gpu(session, device));
	uint64_t limit = account->limit, used, total;
	nvmlReturn_t result = ex_nvml_host_memory(device, memory);

	if (result || (!limit && !session->soft))
		return result;
	total = limit ? vg_min(memory->total, limit) : memory->total;
	used = vg_min(ex_account_used(account), total);
	memory->free = vg_min(memory->free, total - used);
	memory->total = total;
	memory->used = used;
	memory->reserved = 0;
	return NVML_SUCCESS;
}

/* --- processes ----------------------------------------------------------------------------------- */

static const struct vg_account *page_of(struct ex_session *session, nvmlDevice_t device)
{
	return ex_account_of(session, ex_nvml_gpu(session, device))->page;
}

/* The guest's processes that have contexts on a vGPU, one by one: *slot counts on. False: no more. */
static bool process_next(const struct vg_account *page, unsigned int *slot,
			 struct vg_account_process *process)
{
	while (page && *slot < VG_ACCOUNT_SLOTS)
		if (vg_account_process(page, (*slot)++, process) && process->contexts)
			return true;
	return false;
}

static const nvmlProcessInfo_t *host_find(const nvmlProcessInfo_t *all, unsigned int count,
					  uint32_t pid)
{
	for (unsigned int i = 0; i < count; i++)
		if (all[i].pid == pid)
			return &all[i];
	return NULL;
}

/*
 * With how much it is there the host's NVML knows best; where it does not know pids as we do, the account
 * tells what the process holds.
 */
static void process_describe(const nvmlProcessInfo_t *host, unsigned int hosts,
			     const struct vg_account_process *process, nvmlProcessInfo_t *info)
{
	const nvmlProcessInfo_t *known = host_find(host, hosts, process->executor);

	*info = (nvmlProcessInfo_t){.usedGpuMemory = process->held,
				    .gpuInstanceId = NO_INSTANCE,
				    .computeInstanceId = NO_INSTANCE};
	if (known)
		*info = *known;
	if (info->usedGpuMemory == ~0ull)
		info->usedGpuMemory = process->held;
	info->pid = process->pid;
}

nvmlReturn_t ex_vgProcesses(struct ex_ask *ask, nvmlDevice_t device, unsigned int *count,
			    nvmlProcessInfo_t *infos)
{
	const struct vg_account *page = page_of(ask->session, device);
	unsigned int hosts = 0, slot = 0, room = *count;
	nvmlProcessInfo_t *host = ask->session->soft ? NULL
						     : ex_nvml_host_processes(device, &hosts);
	struct vg_account_process process;
	nvmlProcessInfo_t info;

	*count = 0;
	while (process_next(page, &slot, &process)) {
		process_describe(host, hosts, &process, &info);
		if (infos && *count < room)
			infos[*count] = info;
		++*count;
	}
	free(host);
	return *count > room ? NVML_ERROR_INSUFFICIENT_SIZE : NVML_SUCCESS;
}

/* --- the software devices' load ------------------------------------------------------------------- */

static void busy_take(struct ex_session *session, unsigned int gpu, struct ex_busy *busy)
{
	const struct vg_account *page = ex_account_of(session, gpu)->page;
	struct vg_account_process process;

	memset(busy, 0, sizeof(*busy));
	for (unsigned int slot = 0; page && slot < VG_ACCOUNT_SLOTS; slot++)
		if (vg_account_process(page, slot, &process))
			busy->busy_ns[slot] = process.busy_ns;
	busy->at_ns = vg_clock_ns();
}

/* The newest sample that is old enough to measure from, or else the oldest. */
static const struct ex_busy *busy_before(const struct ex_nvml *nvml, unsigned int gpu, uint64_t now)
{
	const struct ex_busy *found = NULL;

	for (unsigned int i = 1; i <= EX_BUSY_SAMPLES; i++) {
		const struct ex_busy *busy =
			&nvml->busy[gpu]
				   [(nvml->busy_next[gpu] + EX_BUSY_SAMPLES - i) % EX_BUSY_SAMPLES];

		if (!busy->at_ns)
			break;
		found = busy;
		if (now - busy->at_ns >= EX_BUSY_STEP_NS)
			break;
	}
	return found;
}

static void busy_keep(struct ex_nvml *nvml, unsigned int gpu, const struct ex_busy *busy)
{
	unsigned int *next = &nvml->busy_next[gpu];
	const struct ex_busy *last =
		&nvml->busy[gpu][(*next + EX_BUSY_SAMPLES - 1) % EX_BUSY_SAMPLES];

	if (last->at_ns && busy->at_ns - last->at_ns < EX_BUSY_STEP_NS)
		return;
	nvml->busy[gpu][*next] = *busy;
	*next = (*next + 1) % EX_BUSY_SAMPLES;
}

void ex_busy_look(struct ex_session *session)
{
	struct ex_busy now;

	for (unsigned int gpu = 0; gpu < session->settings->accounts; gpu++) {
		busy_take(session, gpu, &now);
		busy_keep(&session->nvml, gpu, &now);
	}
}

/* Of each slot, the percentage of the time since an earlier look in which its process worked. */
static void busy_percent(struct ex_session *session, nvmlDevice_t device,
			 unsigned int percent[VG_ACCOUNT_SLOTS])
{
	struct ex_nvml *nvml = &session->nvml;
	unsigned int gpu = ex_nvml_gpu(session, device);
	const struct ex_busy *before;
	struct ex_busy now;
	uint64_t span;

	memset(percent, 0, sizeof(percent[0]) * VG_ACCOUNT_SLOTS);
	if (gpu >= session->settings->accounts)
		return;
	pthread_mutex_lock(&nvml->lock);
	busy_take(session, gpu, &now);
	before = busy_before(nvml, gpu, now.at_ns);
	span = before && now.at_ns > before->at_ns ? now.at_ns - before->at_ns : 0;
	for (unsigned int i = 0; span && i < VG_ACCOUNT_SLOTS; i++) {
		/* A slot may be another's by now, and less than it was. */
		uint64_t worked = now.busy_ns[i] < before->busy_ns[i]
					  ? now.busy_ns[i]
					  : now.busy_ns[i] - before->busy_ns[i];

		percent[i] = (unsigned int)(vg_min(worked, span) * 100 / span);
	}
	busy_keep(nvml, gpu, &now);
	pthread_mutex_unlock(&nvml->lock);
}

nvmlReturn_t ex_nvmlDeviceGetUtilizationRates(struct ex_ask *ask, nvmlDevice_t device,
					      nvmlUtilization_t *utilization)
{
	unsigned int percent[VG_ACCOUNT_SLOTS], sum = 0;

	if (!ask->session->soft)
		return ex_nvml_host_utilization(device, utilization);
	busy_percent(ask->session, device, percent);
	for (unsigned int i = 0; i < VG_ACCOUNT_SLOTS; i++)
		sum += percent[i];
	utilization->gpu = (unsigned int)vg_min(sum, 100);
	return NVML_SUCCESS;
}

/* --- load by process ------------------------------------------------------------------------------ */

struct sample_list {
	nvmlProcessUtilizationSample_t *samples; /* NULL: only counted */
	unsigned int room, count;
};

static void sample_add(struct sample_list *list, const nvmlProcessUtilizationSample_t *sample)
{
	if (list->samples && list->count < list->room)
		list->samples[list->count] = *sample;
	list->count++;
}

static void soft_samples(struct ex_session *session, nvmlDevice_t device, struct sample_list *list)
{
	const struct vg_account *page = page_of(session, device);
	unsigned int percent[VG_ACCOUNT_SLOTS], slot = 0;
	struct vg_account_process process;
	struct timespec now;

	busy_percent(session, device, percent);
	clock_gettime(CLOCK_REALTIME, &now);
	while (process_next(page, &slot, &process)) {
		nvmlProcessUtilizationSample_t sample = {
			.pid = process.pid,
			.timeStamp = (unsigned long long)now.tv_sec * 1000000 +
				     (unsigned long long)now.tv_nsec / 1000,
			.smUtil = percent[slot - 1],
		};

		sample_add(list, &sample);
	}
}

/* The guest's pid of one of its executors, 0: another guest's, or the host's own. */
static uint32_t guest_pid(const struct vg_account *page, uint32_t executor)
{
	struct vg_account_process process;
	unsigned int slot = 0;

	while (process_next(page, &slot, &process))
		if (process.executor == executor)
			return process.pid;
	return 0;
}

static nvmlReturn_t host_samples(const struct vg_account *page, nvmlDevice_t device,
				 unsigned long long since, struct sample_list *list)
{
	nvmlProcessUtilizationSample_t *all;
	unsigned int count = 0;
	nvmlReturn_t result = ex_nvml_host_samples(device, NULL, &count, since);

	if (result != NVML_ERROR_INSUFFICIENT_SIZE)
		return result;
	count = (unsigned int)vg_min(count, HOST_SAMPLES_MAX);
	all = calloc(count ? count : 1, sizeof(*all));
	if (!all)
		return NVML_ERROR_MEMORY;
	result = ex_nvml_host_samples(device, all, &count, since);
	for (unsigned int i = 0; !result && i < count && i < HOST_SAMPLES_MAX; i++) {
		all[i].pid = guest_pid(page, all[i].pid);
		if (all[i].pid)
			sample_add(list, &all[i]);
	}
	free(all);
	return result;
}

nvmlReturn_t ex_vgProcessUtilization(struct ex_ask *ask, nvmlDevice_t device,
				     unsigned long long since, unsigned int *count,
				     nvmlProcessUtilizationSample_t *samples)
{
	struct sample_list list = {.samples = samples, .room = *count};
	nvmlReturn_t result = NVML_SUCCESS;

	if (ask->session->soft)
		soft_samples(ask->session, device, &list);
	else
		result = host_samples(page_of(ask->session, device), device, since, &list);
	*count = list.count;
	if (!result && !list.count)
		return NVML_ERROR_NOT_FOUND;
	return !result && list.count > list.room ? NVML_ERROR_INSUFFICIENT_SIZE : result;
}
