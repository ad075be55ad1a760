/* SPDX-License-Identifier: MIT */
/*
 * The executor's side of NVML: asks as a guest's library makes them, and as none does. The host's library is
 * a few functions here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "protocol/account.h"
#include "protocol/nvml_ops.h"
#include "protocol/nvml_wire.h"

#include "dom0-executor/nvml_calls.h"
#include "tests/unit/executor/fake_driver.h"
#include "tests/unit/executor/harness.h"

#define MIB   (1ull << 20)
#define QUOTA (64 * MIB)
#define PIDS  0x1000u /* what executors' pids are on the host, here */

static struct harness h;
static struct vg_account *account, *other; /* of the first device's vGPU, and of the second's */
static int account_fd, other_fd;
static char host_devices[2];

/* --- the host's library ------------------------------------------------------------------------- */

static struct {
	nvmlDevice_t device;
	unsigned int number, length, calls;
} seen;

static nvmlReturn_t host_temperature(nvmlDevice_t device, nvmlTemperatureSensors_t sensor,
				     unsigned int *temp)
{
	seen.device = device;
	seen.number = sensor;
	*temp = 41;
	return sensor ? NVML_ERROR_NOT_SUPPORTED : NVML_SUCCESS;
}

static nvmlReturn_t host_name(nvmlDevice_t device, char *name, unsigned int length)
{
	seen.device = device;
	seen.length = length;
	if (length < 7)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	memcpy(name, "a card", 7);
	return NVML_SUCCESS;
}

static nvmlReturn_t host_clocks(nvmlDevice_t device, unsigned int *count, unsigned int *clocks)
{
	unsigned int room = *count;

	(void)device;
	*count = 3;
	if (room < 3)
		return NVML_ERROR_INSUFFICIENT_SIZE;
	for (unsigned int i = 0; i < 3; i++)
		clocks[i] = 100 + i;
	return NVML_SUCCESS;
}

static nvmlReturn_t host_platform(nvmlDevice_t device, nvmlPlatformInfo_t *info)
{
	(void)device;
	seen.number = info->version;
	info->moduleId = 5;
	return NVML_SUCCESS;
}

static nvmlReturn_t host_values(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
	(void)device;
	for (int i = 0; i < count; i++)
		values[i].value.uiVal = values[i].fieldId + 1;
	return NVML_SUCCESS;
}

static nvmlReturn_t host_memory(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
	(void)device;
	memory->total = 1000 * MIB;
	memory->used = 300 * MIB;
	memory->reserved = 10 * MIB;
	memory->free = 690 * MIB;
	return NVML_SUCCESS;
}

/* On the first device: our executors 0 and 1, and somebody else. On the second: executor 2. */
static nvmlReturn_t host_processes(nvmlDevice_t device, unsigned int *count,
				   nvmlProcessInfo_t *infos)
{
	unsigned int first = device == (nvmlDevice_t)(void *)&host_devices[1] ? 2 : 0;

	assert_true(*count >= 3);
	*count = first ? 1 : 3;
	for (unsigned int i = 0; i < *count; i++)
		infos[i] = (nvmlProcessInfo_t){.pid = PIDS + first + i,
					       .usedGpuMemory = (50 + first + i) * MIB,
					       .gpuInstanceId = 7};
	if (!first)
		infos[2].pid = 999999;
	return NVML_SUCCESS;
}

static nvmlReturn_t host_samples(nvmlDevice_t device, nvmlProcessUtilizationSample_t *samples,
				 unsigned int *count, unsigned long long since)
{
	(void)device;
	seen.calls++;
	if (!samples || *count < 3) {
		*count = 3;
		return NVML_ERROR_INSUFFICIENT_SIZE;
	}
	*count = 3;
	for (unsigned int i = 0; i < 3; i++)
		samples[i] = (nvmlProcessUtilizationSample_t){.pid = i == 1 ? 999999 : PIDS + i,
							      .timeStamp = since + 1,
							      .smUtil = 10 + i};
	return NVML_SUCCESS;
}

static int setup(void **state)
{
	struct ex_settings settings = {
		.memory = {QUOTA}, .memories = 1, .accounts = 2, .driver = "soft"};

	(void)state;
	fake_driver_install(0);
	account_fd = vg_account_new(&account);
	other_fd = vg_account_new(&other);
	settings.account_fd[0] = dup(account_fd);
	settings.account_fd[1] = dup(other_fd);
	harness_open_with(&h, &settings);
	memset(&seen, 0, sizeof(seen));
	memset(&ex_nvml_table, 0, sizeof(ex_nvml_table));
	memset(&ex_nvml_host, 0, sizeof(ex_nvml_host));
	h.session.nvml.tried = true;
	h.session.nvml.count = 2;
	for (int i = 0; i < 2; i++) {
		h.session.nvml.devices[i] = (nvmlDevice_t)(void *)&host_devices[i];
		h.session.nvml.gpu[i] = (unsigned char)i;
	}
	ex_nvml_table.nvmlDeviceGetTemperature = host_temperature;
	ex_nvml_table.nvmlDeviceGetName = host_name;
	ex_nvml_table.nvmlDeviceGetSupportedMemoryClocks = host_clocks;
	ex_nvml_table.nvmlDeviceGetPlatformInfo = host_platform;
	ex_nvml_table.nvmlDeviceGetFieldValues = host_values;
	ex_nvml_host.memory = host_memory;
	ex_nvml_host.processes = host_processes;
	ex_nvml_host.samples = host_samples;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	harness_close(&h);
	fake_driver_reset();
	vg_account_unmap(account);
	vg_account_unmap(other);
	close(account_fd);
	close(other_fd);
	return 0;
}

/* --- asking -------------------------------------------------------------------------------------- */

static struct {
	uint8_t bytes[1024];
	size_t size;
} ask;

static struct {
	struct vg_nvml_answer head;
	uint8_t parts[4096];
	size_t size; /* of parts */
} answer;

static void ask_begin(uint32_t op)
{
	struct vg_nvml_ask head = {.hash = VG_NVML_HASH, .op = op};

	memset(&ask, 0, sizeof(ask));
	memcpy(ask.bytes, &head, sizeof(head));
	ask.size = sizeof(head);
}

static void ask_part(const void *part, size_t size)
{
	memcpy(ask.bytes + ask.size, part, size);
	ask.size += vg_pad8(size);
}

static void ask_number(uint32_t number)
{
	ask_part(&number, sizeof(number));
}

static void ask_list(uint32_t count, uint32_t items)
{
	struct vg_nvml_list list = {.count = count, .items = items};

	ask_part(&list, sizeof(list));
}

/* False: no answer. */
static bool ask_send_room(size_t room)
{
	static uint8_t bytes[sizeof(struct vg_args_vgNvml) + sizeof(ask.bytes)], back[8192];
	struct vg_args_vgNvml args = {.n_ask = ask.size,
				      .size = (unsigned int)ask.size,
				      .room = (unsigned int)room,
				      .room_answer = room};
	struct vg_ret_vgNvml ret;
	struct vg_reply head;

	memset(&answer, 0, sizeof(answer));
	memcpy(bytes, &args, sizeof(args));
	memcpy(bytes + sizeof(args), ask.bytes, ask.size);
	assert_true(harness_command(&h, VG_OP_vgNvml, 0, bytes, sizeof(args) + ask.size, NULL, 0));
	harness_run(&h);
	if (!harness_reply(&h, &head, back, sizeof(back)) || head.result)
		return false;
	memcpy(&ret, back, sizeof(ret));
	assert_true(ret.n_answer == room && ret.answered <= room);
	assert_true(ret.answered >= sizeof(answer.head));
	memcpy(&answer.head, back + sizeof(ret), sizeof(answer.head));
	answer.size = ret.answered - sizeof(answer.head);
	memcpy(answer.parts, back + sizeof(ret) + sizeof(answer.head), answer.size);
	return true;
}

static void ask_send(size_t parts)
{
	assert_true(ask_send_room(sizeof(struct vg_nvml_answer) + parts));
	assert_string_equal(harness_breach(&h), "");
}

static void breach_expect(const char *what)
{
	assert_false(ask_send_room(sizeof(struct vg_nvml_answer) + 2048));
	assert_non_null(strstr(harness_breach(&h), what));
	harness_revive(&h);
}

static uint32_t number_at(size_t offset)
{
	uint32_t number;

	memcpy(&number, answer.parts + offset, sizeof(number));
	return number;
}

/* --- what a guest's library asks ------------------------------------------------------------------ */

static void getters(void **state)
{
	(void)state;
	ask_begin(VG_NVML_nvmlDeviceGetTemperature);
	ask_number(1);
	ask_number(0);
	ask_send(8);
	assert_int_equal(answer.head.result, NVML_SUCCESS);
	assert_int_equal(answer.size, 8);
	assert_int_equal(number_at(0), 41);
	assert_ptr_equal(seen.device, &host_devices[1]);
	/* An error comes without parts. */
	ask_begin(VG_NVML_nvmlDeviceGetTemperature);
	ask_number(0);
	ask_number(3);
	ask_send(8);
	assert_int_equal(answer.head.result, NVML_ERROR_NOT_SUPPORTED);
	assert_int_equal(answer.size, 0);
	assert_int_equal(seen.number, 3);
}

static void devices(void **state)
{
	(void)state;
	ask_begin(VG_NVML_vgDevices);
	ask_send(8);
	assert_int_equal(number_at(0), 2);
	ask_begin(VG_NVML_nvmlDeviceGetTemperature);
	ask_number(2);
	ask_number(0);
	ask_send(8);
	assert_int_equal(answer.head.result, NVML_ERROR_INVALID_ARGUMENT);
}

static void texts(void **state)
{
	(void)state;
	ask_begin(VG_NVML_nvmlDeviceGetName);
	ask_number(0);
	ask_number(13);
	ask_send(16);
	assert_int_equal(answer.head.result, NVML_SUCCESS);
	assert_int_equal(seen.length, 13);
	assert_string_equal((char *)answer.parts, "a card");
	ask_begin(VG_NVML_nvmlDeviceGetName);
	ask_number(0);
	ask_number(3);
	ask_send(8);
	assert_int_equal(answer.head.result, NVML_ERROR_INSUFFICIENT_SIZE);
}

static void lists(void **state)
{
	(void)state;
	ask_begin(VG_NVML_nvmlDeviceGetSupportedMemoryClocks);
	ask_number(0);
	ask_list(0, 0);
	ask_send(8);
	assert_int_equal(answer.head.result, NVML_ERROR_INSUFFICIENT_SIZE);
	assert_int_equal(number_at(0), 3);
	assert_int_equal(number_at(4), 0);
	ask_begin(VG_NVML_nvmlDeviceGetSupportedMemoryClocks);
	ask_number(0);
	ask_list(4, 1);
	ask_send(8 + 16);
	assert_int_equal(answer.head.result, NVML_SUCCESS);
	assert_int_equal(number_at(0), 3);
	assert_int_equal(number_at(4), 3);
	assert_int_equal(number_at(8), 100);
	assert_int_equal(number_at(16), 102);
	assert_int_equal(answer.size, 8 + 16);
}

static void versions(void **state)
{
	nvmlPlatformInfo_v1_t info = {.version = NVML_STRUCT_VERSION(nvmlPlatformInfo_v1_t, 1)};

	(void)state;
	ask_begin(VG_NVML_nvmlDeviceGetPlatformInfo);
	ask_number(0);
	ask_part(&info, sizeof(info));
	ask_send(vg_pad8(sizeof(info)));
	assert_int_equal(answer.head.result, NVML_SUCCESS);
	assert_int_equal(seen.number, info.version);
	memcpy(&info, answer.parts, sizeof(info));
	assert_int_equal(info.moduleId, 5);
	info.version ^= 4; /* a size that is none of them */
	ask_begin(VG_NVML_nvmlDeviceGetPlatformInfo);
	ask_number(0);
	ask_part(&info, sizeof(info));
	breach_expect("an NVML call's parts");
}

static void field_values(void **state)
{
	nvmlFieldValue_t values[2] = {{.fieldId = 10}, {.fieldId = 20}};

	(void)state;
	ask_begin(VG_NVML_nvmlDeviceGetFieldValues);
	ask_number(0);
	ask_number(2);
	ask_part(values, sizeof(values));
	ask_send(sizeof(values));
	memcpy(values, answer.parts, sizeof(values));
	assert_int_equal(values[0].value.uiVal, 11);
	assert_int_equal(values[1].value.uiVal, 21);
}

static void missing(void **state)
{
	(void)state;
	ask_begin(VG_NVML_nvmlDeviceGetPowerUsage);
	ask_number(0);
	ask_send(8);
	assert_int_equal(answer.head.result, NVML_ERROR_NOT_SUPPORTED);
	h.session.soft = false;
	ask_send(8);
	assert_int_equal(answer.head.result, NVML_ERROR_FUNCTION_NOT_FOUND);
	h.session.nvml.result = NVML_ERROR_LIBRARY_NOT_FOUND;
	ask_send(8);
	assert_int_equal(answer.head.result, NVML_ERROR_LIBRARY_NOT_FOUND);
	h.session.soft = true;
}

static void other_spec(void **state)
{
	(void)state;
	ask_begin(VG_NVML_vgDevices);
	ask.bytes[0] ^= 1;
	ask_send(8);
	assert_int_equal(answer.head.result, NVML_ERROR_LIB_RM_VERSION_MISMATCH);
}

/* --- the vGPU's own -------------------------------------------------------------------------------- */

static void memory(void **state)
{
	nvmlMemory_v2_t got;

	(void)state;
	vg_account_set(account, 5, 20 * MIB);
	vg_account_set(other, 5, 7 * MIB);
	for (int device = 0; device < 2; device++) {
		uint64_t used = device ? 7 * MIB : 20 * MIB;

		ask_begin(VG_NVML_vgMemory);
		ask_number((uint32_t)device);
		ask_send(sizeof(got));
		assert_int_equal(answer.head.result, NVML_SUCCESS);
		memcpy(&got, answer.parts, sizeof(got));
		assert_int_equal(got.total, QUOTA);
		assert_int_equal(got.used, used);
		assert_int_equal(got.free, QUOTA - used);
		assert_int_equal(got.reserved, 0);
	}
	/* One that scribbles in the account cannot make the numbers absurd. */
	vg_account_set(other, 6, UINT64_MAX);
	ask_send(sizeof(got));
	memcpy(&got, answer.parts, sizeof(got));
	assert_int_equal(got.used, QUOTA);
	assert_int_equal(got.free, 0);
}

/* Without a quota a GPU's numbers are the host's. */
static void memory_whole(void **state)
{
	nvmlMemory_v2_t got;

	(void)state;
	h.session.gpus.gpu[0].account.limit = 0;
	h.session.soft = false;
	ask_begin(VG_NVML_vgMemory);
	ask_number(0);
	ask_send(sizeof(got));
	memcpy(&got, answer.parts, sizeof(got));
	assert_int_equal(got.total, 1000 * MIB);
	assert_int_equal(got.reserved, 10 * MIB);
	h.session.soft = true;
}

/* Three processes of the guest; the third is on the second device; the fourth has no context. */
static void guests_make(void)
{
	for (unsigned int i = 0; i < 4; i++) {
		vg_account_enter(account, 10 + i, 100 + i, PIDS + i);
		vg_account_contexts(account, 10 + i, i < 3);
		vg_account_set(account, 10 + i, (i + 1) * MIB);
	}
}

static unsigned int processes_ask(uint32_t device, uint32_t room, nvmlProcessInfo_t *infos)
{
	ask_begin(VG_NVML_vgProcesses);
	ask_number(device);
	ask_list(room, room != 0);
	ask_send(8 + room * sizeof(*infos));
	if (answer.size > 8)
		memcpy(infos, answer.parts + 8, answer.size - 8);
	return number_at(0);
}

static void processes(void **state)
{
	nvmlProcessInfo_t infos[8] = {0};

	(void)state;
	guests_make();
	assert_int_equal(processes_ask(0, 8, infos), 3);
	assert_int_equal(infos[0].pid, 100);
	assert_int_equal(infos[0].usedGpuMemory, MIB);
	assert_int_equal(infos[2].pid, 102);
	assert_int_equal(processes_ask(0, 2, infos), 3);
	assert_int_equal(answer.head.result, NVML_ERROR_INSUFFICIENT_SIZE);
	assert_int_equal(processes_ask(0, 0, infos), 3);
	assert_int_equal(answer.head.result, NVML_ERROR_INSUFFICIENT_SIZE);
	vg_account_clear(account, 10);
	assert_int_equal(processes_ask(0, 8, infos), 2);
}

static void processes_of_gpu(void **state)
{
	nvmlProcessInfo_t infos[8] = {0};

	(void)state;
	guests_make();
	/* The third has its context on the other vGPU. */
	vg_account_contexts(account, 12, 0);
	vg_account_enter(other, 12, 102, PIDS + 2);
	vg_account_contexts(other, 12, 1);
	h.session.soft = false;
	assert_int_equal(processes_ask(0, 8, infos), 2);
	assert_int_equal(infos[0].pid, 100);
	assert_int_equal(infos[0].usedGpuMemory, 50 * MIB);
	assert_int_equal(infos[1].pid, 101);
	assert_int_equal(infos[1].gpuInstanceId, 7);
	assert_int_equal(processes_ask(1, 8, infos), 1);
	assert_int_equal(infos[0].pid, 102);
	assert_int_equal(infos[0].usedGpuMemory, 52 * MIB);
	/* Where the host's NVML knows none of our pids, the account tells. */
	ex_nvml_host.processes = NULL;
	assert_int_equal(processes_ask(0, 8, infos), 2);
	assert_int_equal(infos[1].usedGpuMemory, 2 * MIB);
	h.session.soft = true;
}

static void samples(void **state)
{
	nvmlProcessUtilizationSample_t got[4];

	(void)state;
	guests_make();
	h.session.soft = false;
	ask_begin(VG_NVML_vgProcessUtilization);
	ask_number(0);
	ask_part(&(unsigned long long){77}, 8);
	ask_list(4, 1);
	ask_send(8 + sizeof(got));
	assert_int_equal(answer.head.result, NVML_SUCCESS);
	assert_int_equal(number_at(0), 2); /* the stranger's is left out */
	memcpy(got, answer.parts + 8, answer.size - 8);
	assert_int_equal(got[0].pid, 100);
	assert_int_equal(got[0].timeStamp, 78);
	assert_int_equal(got[1].pid, 102);
	assert_int_equal(got[1].smUtil, 12);
	h.session.soft = true;
}

static void contexts_are_counted(void **state)
{
	struct vg_account_process process;
	struct ex_call call = {.session = &h.session, .lane = h.lane};
	uint64_t handle;

	(void)state;
	vg_account_enter(account, 0, 55, 1);
	handle = ex_handle_put(&call, VG_HANDLE_CUcontext, &call, 0);
	assert_true(vg_account_process(account, 0, &process));
	assert_int_equal(process.contexts, 1);
	ex_handle_drop(&call, VG_HANDLE_CUcontext, handle);
	assert_true(vg_account_process(account, 0, &process));
	assert_int_equal(process.contexts, 0);
}

/* Half of the time since the last look, in one process, and all of it in another: no more than 100. */
static void soft_load(void **state)
{
	struct ex_busy *before = &h.session.nvml.busy[0][0];
	nvmlUtilization_t load;
	uint64_t second = 1000000000;
	struct timespec now;

	(void)state;
	guests_make();
	clock_gettime(CLOCK_MONOTONIC, &now);
	memset(before, 0, sizeof(*before));
	before->at_ns = (uint64_t)now.tv_sec * second + (uint64_t)now.tv_nsec - second;
	h.session.nvml.busy_next[0] = 1;
	account->busy_ns[11] = second / 2;
	ask_begin(VG_NVML_nvmlDeviceGetUtilizationRates);
	ask_number(0);
	ask_send(8);
	memcpy(&load, answer.parts, sizeof(load));
	assert_in_range(load.gpu, 40, 50);
	account->busy_ns[12] = UINT64_MAX;
	ask_send(8);
	memcpy(&load, answer.parts, sizeof(load));
	assert_int_equal(load.gpu, 100);
}

/* --- what no guest's library asks ------------------------------------------------------------------ */

static void nonsense(void **state)
{
	(void)state;
	ask_begin(VG_NVML_END);
	breach_expect("an NVML call's parts");
	ask_begin(0);
	breach_expect("an NVML call's parts");
	ask_begin(VG_NVML_nvmlDeviceGetTemperature);
	ask_number(0);
	breach_expect("an NVML call's parts"); /* too short */
	ask_begin(VG_NVML_vgDevices);
	ask_number(0);
	breach_expect("an NVML call's parts"); /* too long */
	ask_begin(VG_NVML_nvmlDeviceGetName);
	ask_number(0);
	ask_number(1u << 20);
	breach_expect("an NVML call's parts");
	ask_begin(VG_NVML_nvmlDeviceGetFieldValues);
	ask_number(0);
	ask_number(0x7fffffff);
	breach_expect("an NVML call's parts");
	ask.size = 8;
	breach_expect("sizes of an NVML call");
	ask_begin(VG_NVML_vgDevices);
	assert_false(ask_send_room(sizeof(struct vg_nvml_answer))); /* no room for the number */
	assert_non_null(strstr(harness_breach(&h), "an NVML call's parts"));
	harness_revive(&h);
	assert_false(ask_send_room(VG_NVML_ANSWER_MAX + 8));
	assert_non_null(strstr(harness_breach(&h), "sizes of an NVML call"));
	harness_revive(&h);
}

/* Every op with parts of random bytes and numbers: it is answered, or the session ends. */
static void random_asks(void **state)
{
	unsigned int seed = 4711, answered = 0;

	(void)state;
	guests_make();
	for (int i = 0; i < 20000; i++) {
		ask_begin((uint32_t)rand_r(&seed) % VG_NVML_END);
		for (int k = rand_r(&seed) % 6; k > 0; k--) {
			if (rand_r(&seed) % 4)
				ask_number((uint32_t)rand_r(&seed) % 5);
			else
				ask_part(&(uint64_t){(uint64_t)rand_r(&seed) *
						     (unsigned int)rand_r(&seed)},
					 8);
		}
		if (ask_send_room(sizeof(struct vg_nvml_answer) + (size_t)rand_r(&seed) % 64 * 8))
			answered++;
		else
			harness_revive(&h);
	}
	assert_true(answered > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(getters, setup, teardown),
		cmocka_unit_test_setup_teardown(devices, setup, teardown),
		cmocka_unit_test_setup_teardown(texts, setup, teardown),
		cmocka_unit_test_setup_teardown(lists, setup, teardown),
		cmocka_unit_test_setup_teardown(versions, setup, teardown),
		cmocka_unit_test_setup_teardown(field_values, setup, teardown),
		cmocka_unit_test_setup_teardown(missing, setup, teardown),
		cmocka_unit_test_setup_teardown(other_spec, setup, teardown),
		cmocka_unit_test_setup_teardown(memory, setup, teardown),
		cmocka_unit_test_setup_teardown(memory_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(processes, setup, teardown),
		cmocka_unit_test_setup_teardown(processes_of_gpu, setup, teardown),
		cmocka_unit_test_setup_teardown(samples, setup, teardown),
		cmocka_unit_test_setup_teardown(contexts_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(soft_load, setup, teardown),
		cmocka_unit_test_setup_teardown(nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(random_asks, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
