/* SPDX-License-Identifier: MIT */
/*
 * NVML beside CUDA: what it says of the device's name, memory, processes and load agrees with what CUDA
 * says and with what this program and another one do. Loads libnvidia-ml.so.1 as programs do, at run time.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "protocol/nvml_types.h"

#include "tests/programs/check.h"

#define BLOCK     ((size_t)48 << 20)
#define BLOCKS    4u
#define LIST_MAX  64u
#define WAIT_S    20.0
#define CHILD_ARG "hold"
/* What a driver may take or give back beside what was asked for. */
#define SLACK ((size_t)8 << 20)

static struct {
	nvmlReturn_t (*init)(void);
	nvmlReturn_t (*shutdown)(void);
	nvmlReturn_t (*count)(unsigned int *count);
	nvmlReturn_t (*by_bus)(const char *bus, nvmlDevice_t *device);
	nvmlReturn_t (*name)(nvmlDevice_t device, char *name, unsigned int length);
	nvmlReturn_t (*uuid)(nvmlDevice_t device, char *uuid, unsigned int length);
	nvmlReturn_t (*capability)(nvmlDevice_t device, int *major, int *minor);
	nvmlReturn_t (*memory)(nvmlDevice_t device, nvmlMemory_t *memory);
	nvmlReturn_t (*processes)(nvmlDevice_t device, unsigned int *count,
				  nvmlProcessInfo_t *infos);
	nvmlReturn_t (*utilization)(nvmlDevice_t device, nvmlUtilization_t *utilization);
	nvmlReturn_t (*process_name)(unsigned int pid, char *name, unsigned int length);
	nvmlReturn_t (*cuda_version)(int *version);
} nvml;

static nvmlDevice_t device;

static bool load(void)
{
	static const struct {
		const char *name;
		void *slot;
	} symbols[] = {
		{"nvmlInit_v2", &nvml.init},
		{"nvmlShutdown", &nvml.shutdown},
		{"nvmlDeviceGetCount_v2", &nvml.count},
		{"nvmlDeviceGetHandleByPciBusId_v2", &nvml.by_bus},
		{"nvmlDeviceGetName", &nvml.name},
		{"nvmlDeviceGetUUID", &nvml.uuid},
		{"nvmlDeviceGetCudaComputeCapability", &nvml.capability},
		{"nvmlDeviceGetMemoryInfo", &nvml.memory},
		{"nvmlDeviceGetComputeRunningProcesses_v3", &nvml.processes},
		{"nvmlDeviceGetUtilizationRates", &nvml.utilization},
		{"nvmlSystemGetProcessName", &nvml.process_name},
		{"nvmlSystemGetCudaDriverVersion", &nvml.cuda_version},
	};
	void *library = dlopen("libnvidia-ml.so.1", RTLD_NOW);
	bool all = library != NULL;

	for (size_t i = 0; all && i < sizeof(symbols) / sizeof(symbols[0]); i++) {
		void *symbol = dlsym(library, symbols[i].name);

		memcpy(symbols[i].slot, &symbol, sizeof(symbol));
		all = symbol != NULL;
	}
	return all;
}

/* NVIDIA's own library, which in a container that has pids of its own knows others. */
static bool is_native(void)
{
	return !getenv("VGPU_SOCKET") && !access("/dev/nvidiactl", F_OK);
}

/* --- before there is a context -------------------------------------------------------------------- */

static bool process_find(pid_t pid, nvmlProcessInfo_t *found)
{
	nvmlProcessInfo_t infos[LIST_MAX];
	unsigned int count = LIST_MAX;

	if (nvml.processes(device, &count, infos))
		return false;
	for (unsigned int i = 0; i < count; i++) {
		if (infos[i].pid != (unsigned int)pid)
			continue;
		*found = infos[i];
		return true;
	}
	return false;
}

static void test_identity(void)
{
	char bus[64], name[2][128] = {"", ""}, uuid[96] = "", wanted[96] = "GPU-";
	int major[2], minor[2], version[2] = {0, 1};
	unsigned int count = 0;
	size_t at = 4;
	CUuuid id;
	bool ok;

	CU(cuDeviceGetPCIBusId(bus, sizeof(bus), 0));
	ok = !nvml.by_bus(bus, &device);
	check_that(ok, "device by PCI id", "%s", bus);
	CU(cuDeviceGetName(name[0], sizeof(name[0]), 0));
	ok = !nvml.name(device, name[1], sizeof(name[1])) && !strcmp(name[0], name[1]);
	check_that(ok, "name", "%s", name[1]);
	CU(cuDeviceGetUuid(&id, 0));
	for (int i = 0; i < 16; i++)
		at += (size_t)snprintf(wanted + at, sizeof(wanted) - at, "%s%02x",
				       i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
				       (unsigned char)id.bytes[i]);
	ok = !nvml.uuid(device, uuid, sizeof(uuid)) && !strcmp(uuid, wanted);
	check_that(ok, "uuid", "%s", uuid);
	CU(cuDeviceGetAttribute(&major[0], CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0));
	CU(cuDeviceGetAttribute(&minor[0], CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0));
	ok = !nvml.capability(device, &major[1], &minor[1]) && major[0] == major[1] &&
	     minor[0] == minor[1];
	check_that(ok, "compute capability", "%d.%d", major[1], minor[1]);
	CU(cuDriverGetVersion(&version[0]));
	ok = !nvml.cuda_version(&version[1]) && version[0] == version[1];
	check_that(ok, "versions", "%d", version[1]);
	ok = !nvml.count(&count) && count >= 1;
	check_that(ok, "count", "%u devices", count);
}

static void test_unseen(void)
{
	nvmlProcessInfo_t info;

	check_that(!process_find(getpid(), &info), "no context, not listed", "pid %d",
		   (int)getpid());
}

/* --- memory ------------------------------------------------------------------------------------- */

static bool near(uint64_t a, uint64_t b)
{
	return (a > b ? a - b : b - a) <= SLACK;
}

/* What CUDA and NVML say is free may differ by a constant that the driver keeps. */
static void free_both(uint64_t *cuda, uint64_t *ml)
{
	nvmlMemory_t memory = {0};
	size_t bytes = 0, total = 0;

	CU(cuMemGetInfo(&bytes, &total));
	nvml.memory(device, &memory);
	*cuda = bytes;
	*ml = memory.free;
}

static void test_memory(void)
{
	uint64_t cuda[3], ml[3];
	CUdeviceptr blocks[BLOCKS];
	nvmlMemory_t memory = {0};
	bool ok;

	free_both(&cuda[0], &ml[0]);
	for (unsigned int i = 0; i < BLOCKS; i++)
		CU(cuMemAlloc(&blocks[i], BLOCK));
	free_both(&cuda[1], &ml[1]);
	check_that(near(ml[0] - ml[1], BLOCKS * BLOCK) && near(cuda[0] - cuda[1], ml[0] - ml[1]),
		   "memory allocated", "NVML %" PRIu64 " less, CUDA %" PRIu64, ml[0] - ml[1],
		   cuda[0] - cuda[1]);
	ok = !nvml.memory(device, &memory) && near(memory.used + memory.free, memory.total);
	check_that(ok, "memory adds up", "used %llu free %llu total %llu", memory.used, memory.free,
		   memory.total);
	for (unsigned int i = 0; i < BLOCKS; i++)
		CU(cuMemFree(blocks[i]));
	free_both(&cuda[2], &ml[2]);
	check_that(near(ml[2], ml[0]) && near(cuda[2], cuda[0]), "memory freed",
		   "NVML %" PRIu64 ", CUDA %" PRIu64, ml[2], cuda[2]);
}

/* --- processes ------------------------------------------------------------------------------------ */

static void test_self(void)
{
	nvmlProcessInfo_t before = {0}, after = {0};
	CUdeviceptr block;
	bool listed = process_find(getpid(), &before);

	if (!listed && is_native()) {
		check_skip("this process", "NVML does not know pid %d here", (int)getpid());
		return;
	}
	CU(cuMemAlloc(&block, BLOCK));
	listed = process_find(getpid(), &after) && listed;
	check_that(listed && near(after.usedGpuMemory - before.usedGpuMemory, BLOCK),
		   "this process", "pid %u used %llu, then %llu", after.pid, before.usedGpuMemory,
		   after.usedGpuMemory);
	CU(cuMemFree(block));
}

/* The other program: holds twice as much until its input ends. */
static int child_main(void)
{
	CUdevice dev;
	CUcontext context;
	CUdeviceptr block;
	char byte;

	CU(cuInit(0));
	CU(cuDeviceGet(&dev, 0));
	CU(cuDevicePrimaryCtxRetain(&context, dev));
	CU(cuCtxSetCurrent(context));
	CU(cuMemAlloc(&block, 2 * BLOCK));
	if (write(STDOUT_FILENO, "+", 1) != 1 || read(STDIN_FILENO, &byte, 1) < 0)
		return 1;
	return 0;
}

static pid_t child_start(const char *program, int *in, int *out)
{
	int to[2], from[2];
	pid_t pid;

	if (pipe(to) || pipe(from))
		return -1;
	pid = fork();
	if (pid == 0) {
		dup2(to[0], STDIN_FILENO);
		dup2(from[1], STDOUT_FILENO);
		close(to[1]);
		close(from[0]);
		execl(program, program, CHILD_ARG, (char *)NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	*in = to[1];
	*out = from[0];
	return pid;
}

static void test_other(const char *program)
{
	char byte = 0, name[256] = "";
	nvmlProcessInfo_t info = {0};
	double until;
	bool listed, ok;
	int in = -1, out = -1, status = -1;
	pid_t pid;

	if (!process_find(getpid(), &info) && is_native()) {
		check_skip("another program", "NVML does not know pids here");
		return;
	}
	pid = child_start(program, &in, &out);
	listed = pid > 0 && read(out, &byte, 1) == 1 && byte == '+' && process_find(pid, &info);
	check_that(listed && info.usedGpuMemory >= 2 * BLOCK, "another program", "pid %d used %llu",
		   (int)pid, info.usedGpuMemory);
	ok = !nvml.process_name((unsigned int)pid, name, sizeof(name)) && *name;
	check_that(ok, "its name", "%s", name);
	check_that(process_find(getpid(), &info), "this one beside it", "pid %d", (int)getpid());
	close(in);
	waitpid(pid, &status, 0);
	until = seconds_now() + WAIT_S;
	while (process_find(pid, &info) && seconds_now() < until)
		usleep(20000);
	check_that(status == 0 && !process_find(pid, &info), "gone when it ends", "status %d",
		   status);
	close(out);
}

/* --- load ------------------------------------------------------------------------------------------ */

/* Fills are work for the device; its load shows while they go on. */
static void test_load(void)
{
	nvmlUtilization_t idle = {0}, busy = {0};
	double until = seconds_now() + WAIT_S;
	CUdeviceptr block;
	bool ok;

	CU(cuMemAlloc(&block, BLOCK));
	ok = !nvml.utilization(device, &idle) && idle.gpu <= 100;
	check_that(ok, "load is told", "%u %%", idle.gpu);
	do {
		double round = seconds_now() + 0.2;

		while (seconds_now() < round) {
			CU(cuMemsetD8(block, 1, BLOCK));
			CU(cuCtxSynchronize());
		}
	} while (!nvml.utilization(device, &busy) && !busy.gpu && seconds_now() < until);
	check_that(busy.gpu > 0 && busy.gpu <= 100, "load is seen", "%u %%", busy.gpu);
	CU(cuMemFree(block));
}

/* --- the whole -------------------------------------------------------------------------------------- */

static void test_end(void)
{
	unsigned int count;
	bool ok;

	ok = !nvml.init() && !nvml.shutdown() && !nvml.count(&count);
	check_that(ok, "shutdown counts", "two inits");
	ok = !nvml.shutdown() && nvml.count(&count) == NVML_ERROR_UNINITIALIZED;
	check_that(ok, "shutdown", "uninitialized after it");
}

int main(int argc, char **argv)
{
	CUcontext context;

	if (argc > 1 && !strcmp(argv[1], CHILD_ARG))
		return child_main();
	if (!load()) {
		printf("FAIL library %s\n", dlerror());
		return 1;
	}
	check_that(!nvml.init(), "init", "loaded at run time");
	CU(cuInit(0));
	test_identity();
	test_unseen();
	CU(cuDevicePrimaryCtxRetain(&context, 0));
	CU(cuCtxSetCurrent(context));
	CU(cuCtxSynchronize());
	test_memory();
	test_self();
	test_other(argv[0]);
	test_load();
	test_end();
	return check_end();
}
