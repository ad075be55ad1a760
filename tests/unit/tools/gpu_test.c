/* SPDX-License-Identifier: MIT */
/*
 * The host's GPU by a made-up NVML (fake_nvml.c): what gpu.c takes from it, and what vgpu verify says of one that is
 * well, of one that is not there, and of a driver that hangs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dlfcn.h>
#include <errno.h>
#include <math.h>

#include "tools/gpu.h"
#include "tools/verify.h"

#define LIBRARY "libnvidia-ml.so.1"
#define WAIT_MS 20000u

static struct vgpu_findings findings;
static char why[160];

static int setup(void **state)
{
	(void)state;
	findings = (struct vgpu_findings){0};
	unsetenv("FAKE_NVML");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vgpu_nvml_close();
	vgpu_findings_free(&findings);
	return 0;
}

/* By its name it is found from now on: it is in the process. */
static int fake_load(void **state)
{
	const char *build = getenv("VGPU_BUILD");
	char path[4096];

	(void)state;
	snprintf(path, sizeof(path), "%s/test/nvml/" LIBRARY, build ? build : "build/release");
	if (dlopen(path, RTLD_NOW))
		return setup(state);
	print_message("%s\n", dlerror());
	return -1;
}

/* --- gpu.c ------------------------------------------------------------------------------------ */

static void opened(void)
{
	assert_int_equal(vgpu_nvml_open(why, sizeof(why)), 0);
}

static void versions(void **state)
{
	struct vgpu_nvml_versions v;

	(void)state;
	opened();
	vgpu_nvml_versions(&v);
	assert_string_equal(v.driver, "580.95.05");
	assert_string_equal(v.nvml, "13.580.95.05");
	assert_string_equal(v.cuda, "13.2");
}

static void does_not_start(void **state)
{
	(void)state;
	setenv("FAKE_NVML", "broken", 1);
	assert_int_equal(vgpu_nvml_open(why, sizeof(why)), -ENODEV);
	assert_non_null(strstr(why, "Driver Not Loaded"));
	assert_null(strchr(why, '\033'));
	/* And nothing is called in what is closed. */
	assert_int_equal(vgpu_gpu_count(), 0);
	assert_null(vgpu_gpu_find("0"));
}

static void found_by_its_setting(void **state)
{
	static const struct {
		const char *setting;
		int index; /* -1: none */
	} cases[] = {
		{"", 0},
		{"0", 0},
		{"1", 1},
		{"2", -1},
		{"99999999999999999999", -1},
		{"GPU-second", 1},
		{"GPU-third", -1},
		{"0000:02:00.0", 1},
		{"0000:03:00.0", -1},
	};

	(void)state;
	opened();
	assert_int_equal(vgpu_gpu_count(), 2);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		nvmlDevice_t device = vgpu_gpu_find(cases[i].setting);

		if ((device ? vgpu_gpu_index(device) : -1) != cases[i].index)
			fail_msg("`%s` is not %d", cases[i].setting, cases[i].index);
	}
}

static void what_it_is(void **state)
{
	struct vgpu_gpu gpu;

	(void)state;
	opened();
	vgpu_gpu_read(vgpu_gpu_at(0), &gpu);
	assert_non_null(strstr(gpu.model, "Test GPU"));
	assert_null(strchr(gpu.model, '\033'));
	assert_string_equal(gpu.uuid, "GPU-first");
	assert_true(gpu.busy > 0.449 && gpu.busy < 0.451);
	assert_true(gpu.memory_used == 20.0 * (1 << 30) && gpu.memory_total == 80.0 * (1 << 30));
	assert_true(gpu.celsius == 54 && gpu.watts == 310);
	vgpu_gpu_read(vgpu_gpu_at(1), &gpu);
	assert_true(isnan(gpu.watts) && gpu.busy == 0);
	setenv("FAKE_NVML", "mute", 1);
	vgpu_gpu_read(vgpu_gpu_at(0), &gpu);
	assert_string_equal(gpu.model, "");
	assert_string_equal(gpu.uuid, "");
	assert_true(isnan(gpu.busy) && isnan(gpu.memory_used) && isnan(gpu.memory_total));
}

static void shares_of_its_time(void **state)
{
	static struct vgpu_gpu_times times;
	uint64_t since = 5000;

	(void)state;
	opened();
	assert_true(vgpu_gpu_times(vgpu_gpu_at(0), &since, &times));
	assert_int_equal(since, 7000);
	assert_true(fabs(vgpu_gpu_share(&times, 4001) - 0.37) < 1e-9);
	assert_true(fabs(vgpu_gpu_share(&times, 4002) - 0.05) < 1e-9);
	assert_true(vgpu_gpu_share(&times, 4003) == 0);
	/* Nothing ran. */
	assert_true(vgpu_gpu_times(vgpu_gpu_at(1), &since, &times));
	assert_int_equal(since, 7000);
	assert_true(vgpu_gpu_share(&times, 4001) == 0);
	setenv("FAKE_NVML", "mute", 1);
	assert_false(vgpu_gpu_times(vgpu_gpu_at(0), &since, &times));
	assert_int_equal(times.count, 0);
}

static void memory_held(void **state)
{
	static struct vgpu_gpu_holders holders;

	(void)state;
	opened();
	assert_true(vgpu_gpu_holders(vgpu_gpu_at(0), &holders));
	assert_true(vgpu_gpu_held(&holders, 4001) == 3.0 * (1 << 30));
	assert_true(isnan(vgpu_gpu_held(&holders, 4002)));
	assert_true(vgpu_gpu_held(&holders, 4003) == 0);
	setenv("FAKE_NVML", "mute", 1);
	assert_false(vgpu_gpu_holders(vgpu_gpu_at(0), &holders));
	assert_int_equal(holders.count, 0);
}

/* --- vgpu verify ------------------------------------------------------------------------------ */

/* What it finds of a vGPU of that setting, with these executors. */
static const struct vgpu_finding *finding(const char *gpu, const char *executors,
					  unsigned int timeout_ms)
{
	struct json_object *device;
	char text[256];

	snprintf(text, sizeof(text), "{\"gpu\":\"%s\",\"sessions\":[%s]}", gpu, executors);
	device = json_tokener_parse(text);
	assert_non_null(device);
	vgpu_findings_free(&findings);
	vgpu_verify_nvml(&findings, device, timeout_ms);
	json_object_put(device);
	assert_int_equal(findings.count, 1);
	assert_int_equal(findings.all[0].link, VGPU_LINK_GPU);
	/* It was another process's. */
	assert_int_equal(vgpu_gpu_count(), 0);
	return &findings.all[0];
}

/* First, while nothing is loaded; where a driver is installed that one is found. */
static void no_library(void **state)
{
	const struct vgpu_finding *f;

	(void)state;
	if (dlopen(LIBRARY, RTLD_NOW))
		return;
	f = finding("0", "", WAIT_MS);
	assert_int_equal(f->verdict, VGPU_NOTE);
	assert_non_null(strstr(f->seen, "--probe"));
}

static void well(void **state)
{
	const struct vgpu_finding *f;

	(void)state;
	f = finding("0", "{\"executor\":4001},{\"executor\":4005}", WAIT_MS);
	assert_int_equal(f->verdict, VGPU_OK);
	assert_non_null(strstr(f->seen, "Test GPU"));
	assert_non_null(strstr(f->seen, "(GPU-first), driver 580.95.05, CUDA 13.2: 45 % busy, "
					"20.0G of 80.0G; by this vGPU 37 % and 4.0G"));
}

static void well_without_programs(void **state)
{
	const struct vgpu_finding *f;

	(void)state;
	f = finding("GPU-second", "", WAIT_MS);
	assert_int_equal(f->verdict, VGPU_OK);
	assert_non_null(strstr(f->seen, ": 0 % busy, 20.0G of 80.0G"));
	assert_null(strstr(f->seen, "by this vGPU"));
}

static void some_is_not_known(void **state)
{
	const struct vgpu_finding *f;

	(void)state;
	f = finding("0", "{\"executor\":4001},{\"executor\":4002}", WAIT_MS);
	assert_int_equal(f->verdict, VGPU_OK);
	assert_non_null(strstr(f->seen, "; by this vGPU 42 %"));
	assert_null(strstr(f->seen, " and "));
	setenv("FAKE_NVML", "mute", 1);
	f = finding("0", "{\"executor\":4001}", WAIT_MS);
	assert_int_equal(f->verdict, VGPU_OK);
	assert_string_equal(f->seen,
			    "a GPU (no UUID), driver 580.95.05, CUDA 13.2: memory unknown");
}

static void not_there(void **state)
{
	const struct vgpu_finding *f;

	(void)state;
	f = finding("7", "", WAIT_MS);
	assert_int_equal(f->verdict, VGPU_BROKEN);
	assert_string_equal(f->seen, "7: NVML does not find it");
}

static void no_driver(void **state)
{
	const struct vgpu_finding *f;

	(void)state;
	setenv("FAKE_NVML", "broken", 1);
	f = finding("0", "", WAIT_MS);
	assert_int_equal(f->verdict, VGPU_BROKEN);
	assert_non_null(strstr(f->seen, "NVML does not start: Driver Not Loaded"));
	assert_non_null(strstr(f->remedy, "modprobe nvidia"));
}

static void driver_hangs(void **state)
{
	const struct vgpu_finding *f;
	uint64_t begun = vgpu_now_ms();

	(void)state;
	setenv("FAKE_NVML", "hangs", 1);
	f = finding("0", "", 200);
	assert_int_equal(f->verdict, VGPU_BROKEN);
	assert_string_equal(f->seen, "0: NVML does not answer");
	assert_true(vgpu_now_ms() - begun < WAIT_MS);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(no_library),
		cmocka_unit_test_setup_teardown(versions, fake_load, teardown),
		CASE(does_not_start),
		CASE(found_by_its_setting),
		CASE(what_it_is),
		CASE(shares_of_its_time),
		CASE(memory_held),
		CASE(well),
		CASE(well_without_programs),
		CASE(some_is_not_known),
		CASE(not_there),
		CASE(no_driver),
		CASE(driver_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
