/* SPDX-License-Identifier: MIT */
/*
 * The guest's libnvidia-ml against an executor that is played by threads here: in order, with answers that
 * lie, lost, forked, from several threads.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/nvml_proto.h"

#include "tests/unit/nvml/fake_executor.h"

static int begin(void **state)
{
	(void)state;
	atomic_store(&service.lie, TRUTH);
	atomic_store(&service.status, NVML_SUCCESS);
	atomic_store(&service.refuse, 0);
	atomic_store(&service.opens, 0);
	atomic_store(&service.closes, 0);
	return nvmlInit_v2() == NVML_SUCCESS ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	while (nvmlShutdown() == NVML_SUCCESS)
		;
	return 0;
}

static nvmlDevice_t device_get(unsigned int index)
{
	nvmlDevice_t device = NULL;

	assert_int_equal(nvmlDeviceGetHandleByIndex_v2(index, &device), NVML_SUCCESS);
	return device;
}

/* --- in order -------------------------------------------------------------------------------------- */

static void inits_count(void **state)
{
	unsigned int count = 0;

	(void)state;
	assert_int_equal(nvmlInit(), NVML_SUCCESS);
	assert_int_equal(nvmlInitWithFlags(NVML_INIT_FLAG_NO_GPUS), NVML_SUCCESS);
	assert_int_equal(nvmlInitWithFlags(64), NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(atomic_load(&service.opens), 1);
	assert_int_equal(nvmlShutdown(), NVML_SUCCESS);
	assert_int_equal(nvmlShutdown(), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetCount_v2(&count), NVML_SUCCESS);
	assert_int_equal(count, DEVICES);
	assert_int_equal(nvmlShutdown(), NVML_SUCCESS);
	assert_int_equal(nvmlShutdown(), NVML_ERROR_UNINITIALIZED);
	assert_int_equal(nvmlDeviceGetCount_v2(&count), NVML_ERROR_UNINITIALIZED);
	assert_int_equal(nvmlInit_v2(), NVML_SUCCESS);
	assert_int_equal(atomic_load(&service.opens), 2);
}

static void handles(void **state)
{
	nvmlDevice_t device = NULL;
	unsigned int index = 9;

	(void)state;
	assert_int_equal(nvmlDeviceGetHandleByIndex_v2(DEVICES, &device),
			 NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(nvmlDeviceGetHandleByIndex_v2(0, NULL), NVML_ERROR_INVALID_ARGUMENT);
	device = device_get(1);
	assert_ptr_equal(device, device_get(1));
	assert_ptr_not_equal(device, device_get(0));
	assert_int_equal(nvmlDeviceGetIndex(device, &index), NVML_SUCCESS);
	assert_int_equal(index, 1);
	assert_int_equal(nvmlDeviceGetIndex((nvmlDevice_t)(void *)&index, &index),
			 NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(nvmlDeviceGetIndex(NULL, &index), NVML_ERROR_INVALID_ARGUMENT);
	/* Another one's handle is not even asked about. */
	atomic_store(&service.calls, 0);
	assert_int_equal(nvmlDeviceGetTemperature((nvmlDevice_t)(void *)&index, 0, &index),
			 NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(nvmlDeviceGetTemperature(device, 0, NULL), NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(atomic_load(&service.calls), 0);
	assert_int_equal(nvmlDeviceGetHandleByUUID("GPU-of-nobody", &device), NVML_ERROR_NOT_FOUND);
	assert_int_equal(nvmlDeviceGetHandleByPciBusId_v2("no bus", &device),
			 NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(nvmlDeviceGetHandleByPciBusId_v2("0000:01:00.0", &device),
			 NVML_ERROR_NOT_FOUND);
}

/* Whatever comes, a text ends within its room, and nothing behind it is written. */
static void texts_end(void **state)
{
	char text[32];

	(void)state;
	memset(text, 'z', sizeof(text));
	assert_int_equal(nvmlDeviceGetName(device_get(0), text, 16), NVML_SUCCESS);
	assert_int_equal(strlen(text), 15);
	assert_int_equal(text[16], 'z');
	assert_int_equal(nvmlDeviceGetName(device_get(0), NULL, 16), NVML_ERROR_INVALID_ARGUMENT);
}

static void results(void **state)
{
	nvmlMemory_t memory = {.total = 1};
	char text[8] = "before";

	(void)state;
	atomic_store(&service.status, NVML_ERROR_NOT_SUPPORTED);
	assert_int_equal(nvmlDeviceGetMemoryInfo(device_get(0), &memory), NVML_ERROR_NOT_SUPPORTED);
	assert_int_equal(memory.total, 1);
	atomic_store(&service.status, NVML_ERROR_INSUFFICIENT_SIZE);
	assert_int_equal(nvmlDeviceGetName(device_get(0), text, sizeof(text)),
			 NVML_ERROR_INSUFFICIENT_SIZE);
	assert_string_equal(text, "before");
}

static void versions(void **state)
{
	nvmlMemory_v2_t memory = {.version = NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2)};
	nvmlTemperature_t temperature = {.version = NVML_STRUCT_VERSION(nvmlTemperature_t, 1)};
	nvmlNvLinkInfo_v1_t link = {.version = NVML_STRUCT_VERSION(nvmlNvLinkInfo_v1_t, 1)};
	const unsigned int wrong[] = {
		0,  1, sizeof(memory), 3u << 24 | sizeof(memory), 2u << 24 | (sizeof(memory) + 8),
		~0u};
	nvmlDevice_t device = device_get(0);

	(void)state;
	assert_int_equal(nvmlDeviceGetMemoryInfo_v2(device, &memory), NVML_SUCCESS);
	assert_int_equal(memory.version, NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2));
	assert_int_equal(nvmlDeviceGetTemperatureV(device, &temperature), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceGetNvLinkInfo(device, (nvmlNvLinkInfo_t *)(void *)&link),
			 NVML_SUCCESS);
	atomic_store(&service.calls, 0);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		memory.version = temperature.version = link.version = wrong[i];
		assert_int_equal(nvmlDeviceGetMemoryInfo_v2(device, &memory),
				 NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
		assert_int_equal(nvmlDeviceGetTemperatureV(device, &temperature),
				 NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
		assert_int_equal(nvmlDeviceGetNvLinkInfo(device, (nvmlNvLinkInfo_t *)(void *)&link),
				 NVML_ERROR_ARGUMENT_VERSION_MISMATCH);
	}
	assert_int_equal(atomic_load(&service.calls), 0);
}

static void process_lists(void **state)
{
	nvmlProcessInfo_v1_t old[GROUPS];
	nvmlProcessInfo_t infos[8];
	nvmlProcessDetail_v1_t details[GROUPS];
	nvmlProcessDetailList_t list = {.version = NVML_STRUCT_VERSION(nvmlProcessDetailList_t, 1)};
	nvmlDevice_t device = device_get(0);
	unsigned int count = 0;

	(void)state;
	assert_int_equal(nvmlDeviceGetComputeRunningProcesses_v3(device, &count, NULL),
			 NVML_ERROR_INSUFFICIENT_SIZE);
	assert_int_equal(count, GROUPS);
	count = GROUPS - 1;
	assert_int_equal(nvmlDeviceGetComputeRunningProcesses_v2(device, &count, infos),
			 NVML_ERROR_INSUFFICIENT_SIZE);
	assert_int_equal(count, GROUPS);
	count = 8;
	assert_int_equal(nvmlDeviceGetComputeRunningProcesses_v3(device, &count, infos),
			 NVML_SUCCESS);
	assert_int_equal(count, GROUPS);
	assert_int_equal(infos[2].pid, 0x41414141);
	count = GROUPS;
	assert_int_equal(nvmlDeviceGetComputeRunningProcesses(device, &count, old), NVML_SUCCESS);
	assert_int_equal(old[2].pid, 0x41414141);
	assert_int_equal(nvmlDeviceGetRunningProcessDetailList(device, &list),
			 NVML_ERROR_INSUFFICIENT_SIZE);
	assert_int_equal(list.numProcArrayEntries, GROUPS);
	list.procArray = details;
	assert_int_equal(nvmlDeviceGetRunningProcessDetailList(device, &list), NVML_SUCCESS);
	assert_int_equal(details[0].pid, 0x41414141);
	assert_int_equal(nvmlDeviceGetComputeRunningProcesses_v3(device, NULL, infos),
			 NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(nvmlDeviceGetGraphicsRunningProcesses_v3(device, &count, infos),
			 NVML_SUCCESS);
	assert_int_equal(count, 0);
}

static void in_the_guest(void **state)
{
	nvmlDevice_t device = device_get(0);
	unsigned long cpus[32];
	unsigned long long types = 1;
	nvmlEventSet_t set = NULL;
	nvmlEventData_t data;
	char name[64] = "";
	unsigned int count = 9;

	(void)state;
	atomic_store(&service.calls, 0);
	assert_int_equal(nvmlDeviceGetCpuAffinity(device, 32, cpus), NVML_SUCCESS);
	assert_true(cpus[0] & 1);
	assert_int_equal(nvmlDeviceGetCpuAffinity(device, 0, cpus), NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(nvmlSystemGetProcessName((unsigned int)getpid(), name, sizeof(name)),
			 NVML_SUCCESS);
	assert_non_null(strstr(name, "nvml-guest"));
	assert_int_equal(nvmlSystemGetProcessName(0x7fffffff, name, sizeof(name)),
			 NVML_ERROR_NOT_FOUND);
	assert_int_equal(nvmlUnitGetCount(&count), NVML_SUCCESS);
	assert_int_equal(count, 0);
	assert_int_equal(nvmlDeviceGetSupportedEventTypes(device, &types), NVML_SUCCESS);
	assert_int_equal(types, 0);
	assert_int_equal(nvmlEventSetCreate(&set), NVML_SUCCESS);
	assert_int_equal(nvmlDeviceRegisterEvents(device, 8, set), NVML_ERROR_NOT_SUPPORTED);
	assert_int_equal(nvmlEventSetWait_v2(set, &data, 1), NVML_ERROR_TIMEOUT);
	assert_int_equal(nvmlEventSetFree(set), NVML_SUCCESS);
	assert_int_equal(atomic_load(&service.calls), 0);
}

/* Larger than a ring, both ways. */
static void large(void **state)
{
	static nvmlFieldValue_t values[128];
	static nvmlSample_t samples[512];
	nvmlValueType_t type;
	unsigned int count = 512;

	(void)state;
	assert_int_equal(nvmlDeviceGetFieldValues(device_get(0), 128, values), NVML_SUCCESS);
	assert_int_equal(values[127].fieldId, 0x41414141);
	assert_int_equal(nvmlDeviceGetFieldValues(device_get(0), 129, values),
			 NVML_ERROR_INVALID_ARGUMENT);
	assert_int_equal(nvmlDeviceGetFieldValues(device_get(0), -1, values),
			 NVML_ERROR_INVALID_ARGUMENT);
	/* A count of 0x41414141 is no list: the session ends, and nothing is written. */
	assert_int_equal(nvmlDeviceGetSamples(device_get(0), 0, 0, &type, &count, samples),
			 NVML_ERROR_GPU_IS_LOST);
	assert_int_equal(count, 512);
}

/* --- out of order ---------------------------------------------------------------------------------- */

static void init_fails(void **state)
{
	const struct {
		int status;
		nvmlReturn_t result;
	} cases[] = {
		{-ENODEV, NVML_ERROR_DRIVER_NOT_LOADED},       {-EACCES, NVML_ERROR_NO_PERMISSION},
		{-EPROTO, NVML_ERROR_LIB_RM_VERSION_MISMATCH}, {-ENOMEM, NVML_ERROR_MEMORY},
		{-EBUSY, NVML_ERROR_INSUFFICIENT_RESOURCES},   {-EIO, NVML_ERROR_UNKNOWN}};

	end(state);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		atomic_store(&service.refuse, cases[i].status);
		assert_int_equal(nvmlInit_v2(), cases[i].result);
	}
	setenv("VGPU_SOCKET", "/nowhere/at/all", 1);
	assert_int_equal(nvmlInit_v2(), NVML_ERROR_DRIVER_NOT_LOADED);
	setenv("VGPU_SOCKET", service.path, 1);
	assert_int_equal(nvmlShutdown(), NVML_ERROR_UNINITIALIZED);
	atomic_store(&service.refuse, 0);
	assert_int_equal(nvmlInit_v2(), NVML_SUCCESS);
}

/* Each lie ends the session, and the next call, once a second has gone, has a new one. */
static void answers_lie(void **state)
{
	nvmlProcessInfo_t infos[4];

	(void)state;
	for (int lie = LIE_OP; lie < LIE_END; lie++) {
		nvmlDevice_t device = device_get(0);
		unsigned int count = 4, temperature = 1234;
		nvmlReturn_t result;

		atomic_store(&service.lie, lie);
		memset(infos, 0x55, sizeof(infos));
		result = lie == LIE_ITEMS || lie == LIE_COUNT
				 ? nvmlDeviceGetComputeRunningProcesses_v3(device, &count, infos)
				 : nvmlDeviceGetTemperature(device, 0, &temperature);
		atomic_store(&service.lie, TRUTH);
		if (result != NVML_ERROR_GPU_IS_LOST)
			print_message("lie %d: %d\n", lie, (int)result);
		assert_int_equal(result, NVML_ERROR_GPU_IS_LOST);
		assert_int_equal(temperature, 1234);
		assert_int_equal(count, 4);
		assert_int_equal(infos[0].pid, 0x55555555);
		assert_int_equal(nvmlDeviceGetTemperature(device, 0, &temperature),
				 NVML_ERROR_GPU_IS_LOST);
		nvmlShutdown();
		assert_int_equal(nvmlInit_v2(), NVML_SUCCESS);
		assert_int_equal(nvmlDeviceGetTemperature(device, 0, &temperature), NVML_SUCCESS);
	}
}

static void comes_back(void **state)
{
	unsigned int temperature;
	nvmlDevice_t device = device_get(0);

	(void)state;
	atomic_store(&service.lie, LIE_GONE);
	assert_int_equal(nvmlDeviceGetTemperature(device, 0, &temperature), NVML_ERROR_GPU_IS_LOST);
	atomic_store(&service.lie, TRUTH);
	sleep(1);
	usleep(50000);
	assert_int_equal(nvmlDeviceGetTemperature(device, 0, &temperature), NVML_SUCCESS);
	assert_int_equal(atomic_load(&service.opens), 2);
}

/* --- fork, threads ---------------------------------------------------------------------------------- */

static void after_fork(void **state)
{
	unsigned int temperature;
	nvmlDevice_t device = device_get(1);
	int status = -1;
	pid_t pid;

	(void)state;
	assert_int_equal(nvmlDeviceGetTemperature(device, 0, &temperature), NVML_SUCCESS);
	pid = fork();
	if (pid == 0) {
		bool good = !nvmlDeviceGetTemperature(device, 0, &temperature) && !nvmlShutdown() &&
			    nvmlShutdown() == NVML_ERROR_UNINITIALIZED;

		_exit(good ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	assert_int_equal(status, 0);
	assert_int_equal(atomic_load(&service.opens), 2);
	/* The child's end was its own. */
	assert_int_equal(nvmlDeviceGetTemperature(device, 0, &temperature), NVML_SUCCESS);
	assert_int_equal(atomic_load(&service.opens), 2);
}

static atomic_uint failures;

static void *many_calls(void *arg)
{
	nvmlDevice_t device = arg;

	for (int i = 0; i < 200; i++) {
		char name[24];
		unsigned int temperature = 0;

		if (nvmlInit_v2() || nvmlDeviceGetName(device, name, sizeof(name)) ||
		    strlen(name) != sizeof(name) - 1 ||
		    nvmlDeviceGetTemperature(device, 0, &temperature) ||
		    temperature != 0x41414141 || nvmlShutdown())
			atomic_fetch_add(&failures, 1);
	}
	return NULL;
}

static void from_threads(void **state)
{
	pthread_t threads[6];

	(void)state;
	atomic_store(&failures, 0);
	for (int i = 0; i < 6; i++)
		pthread_create(&threads[i], NULL, many_calls,
			       device_get((unsigned int)i % DEVICES));
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&failures), 0);
	assert_int_equal(atomic_load(&service.opens), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(inits_count, begin, end),
		cmocka_unit_test_setup_teardown(handles, begin, end),
		cmocka_unit_test_setup_teardown(texts_end, begin, end),
		cmocka_unit_test_setup_teardown(results, begin, end),
		cmocka_unit_test_setup_teardown(versions, begin, end),
		cmocka_unit_test_setup_teardown(process_lists, begin, end),
		cmocka_unit_test_setup_teardown(in_the_guest, begin, end),
		cmocka_unit_test_setup_teardown(large, begin, end),
		cmocka_unit_test_setup_teardown(init_fails, begin, end),
		cmocka_unit_test_setup_teardown(answers_lie, begin, end),
		cmocka_unit_test_setup_teardown(comes_back, begin, end),
		cmocka_unit_test_setup_teardown(after_fork, begin, end),
		cmocka_unit_test_setup_teardown(from_threads, begin, end),
	};

	return cmocka_run_group_tests(tests, service_start, service_stop);
}
