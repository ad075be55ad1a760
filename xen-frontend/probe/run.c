/* SPDX-License-Identifier: MIT */
/*
 * The stages, with no more of CUDA than the driver API, found at run time: what a program of any
 * toolkit needs, and nothing that could be amiss with a toolkit.
 */
#include "xen-frontend/probe/probe.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/clock.h"
#include "protocol/cuda_proto.h"
#include "protocol/errors.h"
#include "protocol/log.h"

#define LIBRARY "libcuda.so.1"
#define BLOCK   256u
#define COUNT   (BLOCK * 256u) /* words of each vector */
#define BYTES   (COUNT * sizeof(uint32_t))

/* What we call, by the names that the library exports. */
#define CALLS(X)                        \
	X(cuInit)                       \
	X(cuDriverGetVersion)           \
	X(cuDeviceGetCount)             \
	X(cuDeviceGet)                  \
	X(cuDeviceGetName)              \
	X(cuDeviceGetUuid)              \
	X(cuDeviceTotalMem_v2)          \
	X(cuDevicePrimaryCtxRetain)     \
	X(cuDevicePrimaryCtxRelease_v2) \
	X(cuCtxSetCurrent)              \
	X(cuCtxSynchronize)             \
	X(cuMemGetInfo_v2)              \
	X(cuMemAlloc_v2)                \
	X(cuMemFree_v2)                 \
	X(cuMemcpyHtoD_v2)              \
	X(cuMemcpyDtoH_v2)              \
	X(cuModuleLoadData)             \
	X(cuModuleGetFunction)          \
	X(cuModuleUnload)               \
	X(cuLaunchKernel)

static struct {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares */
#define X(name) __typeof__(name) *name;
	CALLS(X)
#undef X
} cu;

/* c[i] = a[i] + b[i]. Old enough for every driver and GPU that there is. */
static const char kernel[] = ".version 6.0\n"
			     ".target sm_30\n"
			     ".address_size 64\n"
			     ".visible .entry add(.param .u64 c, .param .u64 a, .param .u64 b)\n"
			     "{\n"
			     "	.reg .b32 %r<7>;\n"
			     "	.reg .b64 %d<8>;\n"
			     "	ld.param.u64 %d1, [c];\n"
			     "	ld.param.u64 %d2, [a];\n"
			     "	ld.param.u64 %d3, [b];\n"
			     "	cvta.to.global.u64 %d1, %d1;\n"
			     "	cvta.to.global.u64 %d2, %d2;\n"
			     "	cvta.to.global.u64 %d3, %d3;\n"
			     "	mov.u32 %r1, %ctaid.x;\n"
			     "	mov.u32 %r2, %ntid.x;\n"
			     "	mov.u32 %r3, %tid.x;\n"
			     "	mad.lo.u32 %r1, %r1, %r2, %r3;\n"
			     "	mul.wide.u32 %d4, %r1, 4;\n"
			     "	add.u64 %d5, %d2, %d4;\n"
			     "	add.u64 %d6, %d3, %d4;\n"
			     "	add.u64 %d7, %d1, %d4;\n"
			     "	ld.global.u32 %r4, [%d5];\n"
			     "	ld.global.u32 %r5, [%d6];\n"
			     "	add.u32 %r6, %r4, %r5;\n"
			     "	st.global.u32 [%d7], %r6;\n"
			     "	ret;\n"
			     "}\n";

/* One device's turn. */
struct turn {
	struct probe_report *report;
	struct probe_device *device;
	CUdevice number;
	CUfunction add;
	CUmodule module;
	CUdeviceptr a, b, c;
	uint32_t *host; /* owned; three vectors */
	uint64_t began; /* ns; the stage */
};

static void stage_begin(struct turn *turn, enum probe_stage stage)
{
	pthread_mutex_lock(&turn->report->lock);
	turn->report->stage = stage;
	pthread_mutex_unlock(&turn->report->lock);
	turn->began = vg_clock_ns();
}

static void stage_took(struct turn *turn, double us)
{
	pthread_mutex_lock(&turn->report->lock);
	turn->device->us[turn->report->stage] = us;
	pthread_mutex_unlock(&turn->report->lock);
}

static double us_since(uint64_t began)
{
	return (double)(vg_clock_ns() - began) / 1000.0;
}

static void stage_end(struct turn *turn)
{
	stage_took(turn, us_since(turn->began));
}

static bool fail(struct probe_report *report, const char *error)
{
	pthread_mutex_lock(&report->lock);
	report->failed = true;
	snprintf(report->error, sizeof(report->error), "%s", error);
	vg_log_clean(report->error);
	pthread_mutex_unlock(&report->lock);
	return false;
}

static bool good(struct probe_report *report, CUresult result)
{
	const char *name = vg_error_name((int)result);
	char number[32];

	if (result == CUDA_SUCCESS)
		return true;
	snprintf(number, sizeof(number), "CUDA error %d", (int)result);
	return fail(report, name ? name : number);
}

#define GOOD(turn, call) good((turn)->report, cu.call)

/* --- the stages -------------------------------------------------------------------------------- */

static bool driver_open(struct probe_report *report)
{
	void *library = dlopen(LIBRARY, RTLD_NOW);
	const char *missing = NULL;

	if (!library)
		return fail(report, dlerror());
#define X(name)                                     \
	*(void **)&cu.name = dlsym(library, #name); \
	missing = missing || cu.name ? missing : #name;
	CALLS(X)
#undef X
	if (missing) {
		char text[64];

		snprintf(text, sizeof(text), LIBRARY " has no %s", missing);
		return fail(report, text);
	}
	return true;
}

static void uuid_print(const CUuuid *uuid, char *text, size_t room)
{
	const unsigned char *b = (const unsigned char *)uuid->bytes;

	snprintf(text, room,
		 "GPU-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
		 b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
		 b[14], b[15]);
}

static bool device_ask(struct turn *turn)
{
	struct probe_device found = {.name = ""};
	size_t total = 0;
	CUuuid uuid;

	stage_begin(turn, PROBE_DEVICE);
	if (!GOOD(turn, cuDeviceGet(&turn->number, turn->number)) ||
	    !GOOD(turn, cuDeviceGetName(found.name, sizeof(found.name), turn->number)) ||
	    !GOOD(turn, cuDeviceGetUuid(&uuid, turn->number)) ||
	    !GOOD(turn, cuDeviceTotalMem_v2(&total, turn->number)) ||
	    !GOOD(turn, cuDriverGetVersion(&found.driver)))
		return false;
	found.name[sizeof(found.name) - 1] = '\0';
	vg_log_clean(found.name);
	uuid_print(&uuid, found.uuid, sizeof(found.uuid));
	pthread_mutex_lock(&turn->report->lock);
	memcpy(turn->device->name, found.name, sizeof(found.name));
	memcpy(turn->device->uuid, found.uuid, sizeof(found.uuid));
	turn->device->memory_total = total;
	turn->device->driver = found.driver;
	pthread_mutex_unlock(&turn->report->lock);
	stage_end(turn);
	return true;
}

static bool context_make(struct turn *turn)
{
	size_t available = 0, total = 0;
	CUcontext context;

	stage_begin(turn, PROBE_CONTEXT);
	if (!GOOD(turn, cuDevicePrimaryCtxRetain(&context, turn->number)) ||
	    !GOOD(turn, cuCtxSetCurrent(context)))
		return false;
	stage_end(turn);
	if (!GOOD(turn, cuMemGetInfo_v2(&available, &total)))
		return false;
	pthread_mutex_lock(&turn->report->lock);
	turn->device->memory_free = available;
	pthread_mutex_unlock(&turn->report->lock);
	return true;
}

static bool vectors_alloc(struct turn *turn)
{
	stage_begin(turn, PROBE_ALLOC);
	turn->host = malloc(3 * BYTES);
	if (!turn->host)
		return fail(turn->report, "out of memory in this process");
	if (!GOOD(turn, cuMemAlloc_v2(&turn->a, BYTES)) ||
	    !GOOD(turn, cuMemAlloc_v2(&turn->b, BYTES)) ||
	    !GOOD(turn, cuMemAlloc_v2(&turn->c, BYTES)))
		return false;
	stage_end(turn);
	return true;
}

static bool kernel_load(struct turn *turn)
{
	stage_begin(turn, PROBE_LOAD);
	if (!GOOD(turn, cuModuleLoadData(&turn->module, kernel)) ||
	    !GOOD(turn, cuModuleGetFunction(&turn->add, turn->module, "add")))
		return false;
	stage_end(turn);
	return true;
}

/* Other numbers each time: an old result in memory that nobody has cleared is not taken for ours. */
static bool vectors_copy_in(struct turn *turn)
{
	uint32_t seed = (uint32_t)vg_clock_ns();

	for (uint32_t i = 0; i < COUNT; i++) {
		turn->host[i] = seed + i * 2654435761u;
		turn->host[COUNT + i] = ~i;
	}
	stage_begin(turn, PROBE_COPY_IN);
	if (!GOOD(turn, cuMemcpyHtoD_v2(turn->a, turn->host, BYTES)) ||
	    !GOOD(turn, cuMemcpyHtoD_v2(turn->b, turn->host + COUNT, BYTES)))
		return false;
	stage_end(turn);
	return true;
}

static bool kernel_launch(struct turn *turn, unsigned int blocks)
{
	void *params[] = {&turn->c, &turn->a, &turn->b};

	return GOOD(turn,
		    cuLaunchKernel(turn->add, blocks, 1, 1, BLOCK, 1, 1, 0, NULL, params, NULL)) &&
	       GOOD(turn, cuCtxSynchronize());
}

static int us_compare(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

static double median(double *us, int count)
{
	qsort(us, (size_t)count, sizeof(*us), us_compare);
	return us[count / 2];
}

/* Enough: all, or as many as there is time for where each takes long. */
static bool rounds_done(const struct turn *turn, int count)
{
	return count == PROBE_ROUNDS ||
	       (count >= PROBE_ROUNDS_MIN && us_since(turn->began) > PROBE_ROUNDS_US);
}

/* Once over everything, then the median over one block. */
static bool launches_time(struct turn *turn)
{
	double us[PROBE_ROUNDS];
	int count = 0;

	stage_begin(turn, PROBE_LAUNCH);
	if (!kernel_launch(turn, COUNT / BLOCK))
		return false;
	do {
		uint64_t began = vg_clock_ns();

		if (!kernel_launch(turn, 1))
			return false;
		us[count++] = us_since(began);
	} while (!rounds_done(turn, count));
	stage_took(turn, median(us, count));
	return true;
}

static bool vectors_copy_out(struct turn *turn)
{
	stage_begin(turn, PROBE_COPY_OUT);
	if (!GOOD(turn, cuMemcpyDtoH_v2(turn->host + 2 * COUNT, turn->c, BYTES)))
		return false;
	stage_end(turn);
	return true;
}

static bool vectors_check(struct turn *turn)
{
	const uint32_t *a = turn->host, *b = a + COUNT, *c = b + COUNT;
	char text[96];

	stage_begin(turn, PROBE_CHECK);
	for (uint32_t i = 0; i < COUNT; i++)
		if (c[i] != a[i] + b[i]) {
			snprintf(text, sizeof(text), "wrong result: %u + %u is not %u (place %u)",
				 a[i], b[i], c[i], i);
			return fail(turn->report, text);
		}
	stage_end(turn);
	return true;
}

static bool round_trips_time(struct turn *turn)
{
	double us[PROBE_ROUNDS];
	uint32_t word;
	int count = 0;

	stage_begin(turn, PROBE_ROUND_TRIP);
	do {
		uint64_t began = vg_clock_ns();

		if (!GOOD(turn, cuMemcpyDtoH_v2(&word, turn->c, sizeof(word))))
			return false;
		us[count++] = us_since(began);
	} while (!rounds_done(turn, count));
	stage_took(turn, median(us, count));
	return true;
}

static bool all_free(struct turn *turn)
{
	stage_begin(turn, PROBE_FREE);
	if (!GOOD(turn, cuModuleUnload(turn->module)) || !GOOD(turn, cuMemFree_v2(turn->a)) ||
	    !GOOD(turn, cuMemFree_v2(turn->b)) || !GOOD(turn, cuMemFree_v2(turn->c)) ||
	    !GOOD(turn, cuDevicePrimaryCtxRelease_v2(turn->number)))
		return false;
	stage_end(turn);
	return true;
}

/* --- in their order ---------------------------------------------------------------------------- */

static bool device_probe(struct probe_report *report, int number, double init_us)
{
	struct turn turn = {
		.report = report, .device = &report->devices[report->count], .number = number};
	bool ok;

	pthread_mutex_lock(&report->lock);
	report->count++;
	for (int i = 0; i < PROBE_STAGES; i++)
		turn.device->us[i] = -1;
	turn.device->us[PROBE_INIT] = init_us;
	pthread_mutex_unlock(&report->lock);
	ok = device_ask(&turn) && context_make(&turn) && vectors_alloc(&turn) &&
	     kernel_load(&turn) && vectors_copy_in(&turn) && launches_time(&turn) &&
	     vectors_copy_out(&turn) && vectors_check(&turn) && round_trips_time(&turn) &&
	     all_free(&turn);
	free(turn.host); /* after a failure the rest goes with the process */
	return ok;
}

static bool probe_all(struct probe_report *report, int device)
{
	struct turn turn = {.report = report};
	double init_us;
	int count = 0;

	stage_begin(&turn, PROBE_DRIVER);
	if (!driver_open(report))
		return false;
	stage_begin(&turn, PROBE_INIT);
	if (!GOOD(&turn, cuInit(0)))
		return false;
	init_us = us_since(turn.began);
	stage_begin(&turn, PROBE_DEVICE);
	if (!GOOD(&turn, cuDeviceGetCount(&count)))
		return false;
	if (device >= 0)
		return device_probe(report, device, init_us);
	if (count <= 0)
		return good(report, CUDA_ERROR_NO_DEVICE);
	for (int i = 0; i < count && i < PROBE_DEVICES; i++)
		if (!device_probe(report, i, init_us))
			return false;
	return true;
}

void probe_run(struct probe_report *report, int device)
{
	(void)probe_all(report, device);
	pthread_mutex_lock(&report->lock);
	report->done = true;
	pthread_cond_signal(&report->ended);
	pthread_mutex_unlock(&report->lock);
}
