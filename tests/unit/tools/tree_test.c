/* SPDX-License-Identifier: MIT */
/*
 * What `vgpu attach` and `vgpu detach` write, against a xenstore of the tests' own; each device that is
 * written is held against the schema.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/backend/fake_xs.h"
#include "tools/vgpu.h"

static struct xs_handle *xs;

static int setup(void **state)
{
	(void)state;
	fake_xs_reset();
	fake_xs_set("/libxl/3/device", "");
	fake_xs_set("/local/domain/0/backend", "");
	fake_xs_domain(3, true);
	fake_xs_set("/local/domain/3/name", "guest");
	fake_xs_set("/local/domain/3/device", "");
	xs = xs_open(0);
	return 0;
}

static int add(const char *spec, int *devid)
{
	struct vgpu_device device = {.place = VG_PLACE_ANY};
	char why[VG_SCHEMA_WHY];
	int rc;

	assert_int_equal(vg_settings_parse(spec, &device.settings, &device.place, why), 0);
	rc = vgpu_tree_backends(xs, &device, 1, why);
	*devid = -1;
	if (rc)
		return rc;
	rc = vgpu_tree_add(xs, 3, &device, 1);
	*devid = rc ? -1 : (int)device.number;
	return rc;
}

/* Everything that the toolstack has to have written is there and valid. */
static void assert_schema_of(enum vg_schema_tree_id id, unsigned int devid, unsigned int backend)
{
	const struct vg_schema_tree *trees[] = {&vg_schema_trees[id], NULL};
	struct vg_schema_device device = {3, devid, backend};

	if (trees[0]->copies >= 0)
		trees[1] = &vg_schema_trees[trees[0]->copies];
	for (size_t t = 0; t < 2 && trees[t]; t++) {
		for (size_t i = 0; i < trees[t]->count; i++) {
			const struct vg_schema_key *key = &trees[t]->keys[i];
			char path[VG_SCHEMA_PATH + 64], why[VG_SCHEMA_WHY];
			const char *value;
			size_t n;

			vg_schema_path(path, id, VG_LEVEL_DEVICE, &device);
			n = strlen(path);
			snprintf(path + n, sizeof(path) - n, "/%s", key->name);
			value = fake_xs_get(path);
			if (!(key->writers & VG_SIDE_TOOLSTACK) ||
			    key->present != VG_PRESENT_ALWAYS) {
				continue;
			}
			if (!value)
				print_error("missing: %s\n", path);
			assert_non_null(value);
			assert_int_equal(vg_schema_check(key, value, &device, why), 0);
		}
	}
}

static void assert_schema(enum vg_schema_tree_id id, unsigned int devid)
{
	assert_schema_of(id, devid, 0);
}

static void test_attach(void **state)
{
	int devid;

	(void)state;
	assert_int_equal(add("gpu=soft,mem=1G", &devid), 0);
	assert_int_equal(devid, 0);
	assert_schema(VG_TREE_BACKEND, 0);
	assert_schema(VG_TREE_FRONTEND, 0);
	assert_schema(VG_TREE_LIBXL, 0);
	assert_string_equal(fake_xs_get("/local/domain/0/backend/vgpu/3/0/mem"), "1073741824");
	assert_string_equal(fake_xs_get("/libxl/3/device/vgpu/0/mem"), "1073741824");
	assert_null(fake_xs_get("/local/domain/0/backend/vgpu/3/0/driver"));
}

static void test_numbers(void **state)
{
	int devid, nodes;

	(void)state;
	assert_int_equal(add("devid=1", &devid), 0);
	assert_int_equal(devid, 1);
	assert_int_equal(add("", &devid), 0);
	assert_int_equal(devid, 0);
	assert_int_equal(add("", &devid), 0);
	assert_int_equal(devid, 2);
	nodes = fake_xs_nodes();
	assert_int_equal(add("devid=1,gpu=soft", &devid), -EEXIST);
	assert_int_equal(fake_xs_nodes(), nodes); /* nothing was changed */
	assert_string_equal(fake_xs_get("/local/domain/0/backend/vgpu/3/1/gpu"), "0");
}

static void test_conflicts(void **state)
{
	int devid;

	(void)state;
	fake_xs_conflicts(7);
	assert_int_equal(add("", &devid), 0);
	assert_int_equal(devid, 0);
	assert_schema(VG_TREE_BACKEND, 0);
	fake_xs_conflicts(1000);
	assert_int_equal(add("", &devid), -EBUSY); /* not without end */
	fake_xs_conflicts(0);
}

static void test_no_domain(void **state)
{
	int devid, nodes;

	(void)state;
	fake_xs_domain(3, false);
	nodes = fake_xs_nodes();
	assert_int_equal(add("", &devid), -ENOENT);
	assert_int_equal(fake_xs_nodes(), nodes);
}

/* What a dead domain's device of the same number has left does not survive. */
static void test_leftovers(void **state)
{
	int devid;

	(void)state;
	fake_xs_set("/local/domain/0/backend/vgpu/3/0/error", "old");
	fake_xs_set("/local/domain/0/backend/vgpu/3/0/state", "4");
	assert_int_equal(add("", &devid), 0);
	assert_int_equal(devid, 0);
	assert_null(fake_xs_get("/local/domain/0/backend/vgpu/3/0/error"));
	assert_string_equal(fake_xs_get("/local/domain/0/backend/vgpu/3/0/state"), "1");
}

static void test_detach(void **state)
{
	char error[64];
	int devid, nodes = fake_xs_nodes();

	(void)state;
	assert_int_equal(add("gpu=soft", &devid), 0);
	assert_int_equal(vgpu_tree_state(xs, 3, 0, error, sizeof(error)), 1);
	assert_string_equal(error, "");
	assert_int_equal(vgpu_tree_close(xs, 3, 0), 0);
	assert_string_equal(fake_xs_get("/local/domain/0/backend/vgpu/3/0/online"), "0");
	assert_string_equal(fake_xs_get("/local/domain/0/backend/vgpu/3/0/state"), "5");
	fake_xs_set("/local/domain/0/error/backend/vgpu/3/0/error", "22 x");
	assert_int_equal(vgpu_tree_remove(xs, 3, 0), 0);
	assert_false(vgpu_tree_exists(xs, 3, 0));
	assert_int_equal(vgpu_tree_close(xs, 3, 0), -ENOENT);
	assert_null(fake_xs_get("/local/domain/0/error/backend/vgpu/3/0"));
	/* Of the directories on the way only those that all devices share stay. */
	assert_null(fake_xs_get("/local/domain/0/backend/vgpu/3"));
	assert_null(fake_xs_get("/libxl/3/device/vgpu"));
	assert_in_range(fake_xs_nodes(), nodes, nodes + 4);
}

/* Several at once: all or none, and what was given can be read back. */
static void test_several(void **state)
{
	static struct vgpu_device devices[3], bad[2];
	struct vg_settings_text text;
	char why[VG_SCHEMA_WHY];
	uint32_t devids[8];
	int nodes;

	(void)state;
	for (int i = 0; i < 3; i++)
		devices[i].place.devid = i == 1 ? 0 : -1;
	assert_int_equal(vg_settings_parse("gpu=1", &devices[0].settings, &devices[0].place, why),
			 0);
	assert_int_equal(vg_settings_parse("gpu=soft,mem=2G,devid=4", &devices[1].settings,
					   &devices[1].place, why),
			 0);
	assert_int_equal(vg_settings_parse("", &devices[2].settings, &devices[2].place, why), 0);
	fake_xs_conflicts(2);
	assert_int_equal(vgpu_tree_add(xs, 3, devices, 3), 0);
	assert_int_equal(devices[0].number, 0);
	assert_int_equal(devices[1].number, 4);
	assert_int_equal(devices[2].number, 1);
	assert_int_equal(vgpu_tree_list(xs, 3, devids, 8), 3);
	assert_int_equal(devids[0], 0); /* in order, whatever xenstored's */
	assert_int_equal(devids[1], 1);
	assert_int_equal(devids[2], 4);
	assert_int_equal(vgpu_tree_list(xs, 4, devids, 8), 0);
	assert_int_equal(vgpu_tree_settings(xs, 3, 4, &text), 0);
	for (size_t i = 0; i < text.count; i++)
		assert_string_equal(text.value[i], devices[1].settings.value[i]);
	nodes = fake_xs_nodes();
	bad[0] = devices[0];
	bad[1] = devices[1];
	assert_int_equal(vgpu_tree_add(xs, 3, bad, 2), -EEXIST);
	assert_int_equal(fake_xs_nodes(), nodes);
}

/* A backend elsewhere: its own directory, readable by the guest, and the guest's by it. */
static void test_driver_domain(void **state)
{
	int devid, nodes;

	(void)state;
	fake_xs_domain(5, true);
	fake_xs_set("/local/domain/5/name", "gpu-domain");
	nodes = fake_xs_nodes();
	assert_int_equal(add("gpu=soft,backend=gpu-domain", &devid), 0);
	assert_schema_of(VG_TREE_BACKEND, 0, 5);
	assert_schema_of(VG_TREE_FRONTEND, 0, 5);
	assert_schema_of(VG_TREE_LIBXL, 0, 5);
	assert_string_equal(fake_xs_perms("/local/domain/5/backend/vgpu"), "n5");
	assert_string_equal(fake_xs_perms("/local/domain/5/backend/vgpu/3"), "n5");
	assert_string_equal(fake_xs_perms("/local/domain/5/backend/vgpu/3/0"), "n5,r3");
	assert_string_equal(fake_xs_perms("/local/domain/3/device/vgpu/0"), "n3,r5");
	assert_string_equal(fake_xs_perms("/libxl/3/device/vgpu/0"), "n0");
	assert_null(fake_xs_get("/local/domain/0/backend/vgpu/3"));
	assert_int_equal(vgpu_tree_backend(xs, 3, 0), 5);
	/* Another of the guest's devices may be dom0's. */
	assert_int_equal(add("gpu=soft,backend=dom0", &devid), 0);
	assert_int_equal(devid, 1);
	assert_int_equal(vgpu_tree_backend(xs, 3, 1), 0);
	assert_string_equal(fake_xs_perms("/local/domain/0/backend/vgpu/3/1"), "n0,r3");
	assert_string_equal(fake_xs_perms("/local/domain/3/device/vgpu/1"), "n3,r0");
	assert_int_equal(vgpu_tree_close(xs, 3, 0), 0);
	assert_string_equal(fake_xs_get("/local/domain/5/backend/vgpu/3/0/online"), "0");
	assert_string_equal(fake_xs_get("/local/domain/0/backend/vgpu/3/1/online"), "1");
	assert_int_equal(vgpu_tree_remove(xs, 3, 0), 0);
	assert_int_equal(vgpu_tree_remove(xs, 3, 1), 0);
	assert_null(fake_xs_get("/local/domain/5/backend/vgpu"));
	assert_in_range(fake_xs_nodes(), nodes, nodes + 4);
}

static void test_driver_domain_mistakes(void **state)
{
	int devid, nodes = fake_xs_nodes();

	(void)state;
	assert_int_equal(add("backend=nobody", &devid), -ENOENT);
	assert_int_equal(add("backend=7", &devid), -ENOENT);
	assert_int_equal(add("backend=guest", &devid), -EINVAL); /* its own */
	assert_int_equal(fake_xs_nodes(), nodes);
	/* The driver domain has gone, with all that was in it. */
	fake_xs_domain(5, true);
	assert_int_equal(add("backend=5", &devid), 0);
	fake_xs_domain(5, false);
	assert_true(vgpu_tree_exists(xs, 3, 0));
	assert_int_equal(vgpu_tree_close(xs, 3, 0), -ENOENT);
	assert_int_equal(vgpu_tree_remove(xs, 3, 0), 0);
	assert_false(vgpu_tree_exists(xs, 3, 0));
}

static int sleeps;
static uint64_t now_ms;
static const char *daemon_path, *daemon_value;

uint64_t vgpu_now_ms(void)
{
	return now_ms;
}

/* What xen-vgpud does happens at the third look. */
void vgpu_sleep_ms(unsigned int ms)
{
	now_ms += ms;
	if (++sleeps == 2 && daemon_path)
		fake_xs_set(daemon_path, daemon_value);
}

static int wait_for(const char *path, const char *value, bool accepted)
{
	char error[64];

	sleeps = 0;
	daemon_path = path;
	daemon_value = value;
	return accepted ? vgpu_tree_wait_accepted(xs, 3, 0, error, sizeof(error))
			: vgpu_tree_wait_closed(xs, 3, 0);
}

static void test_wait(void **state)
{
	static const char path[] = "/local/domain/0/backend/vgpu/3/0/state";
	uint64_t before;
	int devid;

	(void)state;
	assert_int_equal(wait_for(NULL, NULL, true), -ENODEV);
	assert_int_equal(add("gpu=soft", &devid), 0);
	assert_int_equal(wait_for(path, "2", true), 0);
	assert_int_equal(sleeps, 2);
	assert_int_equal(wait_for(path, "6", false), 0);
	fake_xs_set(path, "1");
	assert_int_equal(wait_for("/local/domain/0/backend/vgpu/3/0/error", "no", true),
			 -ECONNREFUSED);
	fake_xs_remove("/local/domain/0/backend/vgpu/3/0/error");
	before = now_ms;
	assert_int_equal(wait_for(NULL, NULL, true), -ETIMEDOUT);
	assert_int_equal(now_ms - before, VGPU_WAIT_MS);
	assert_int_equal(wait_for(NULL, NULL, false), -ETIMEDOUT);
}

static void test_domains(void **state)
{
	struct vgpu vgpu = {.xs = xs};
	uint32_t domid = 77;

	(void)state;
	assert_true(vgpu_domain_find(&vgpu, "guest", &domid));
	assert_int_equal(domid, 3);
	assert_true(vgpu_domain_find(&vgpu, "3", &domid));
	assert_false(vgpu_domain_find(&vgpu, "4", &domid));
	assert_false(vgpu_domain_find(&vgpu, "gues", &domid));
	assert_false(vgpu_domain_find(&vgpu, "", &domid));
	assert_false(vgpu_domain_find(&vgpu, "99999999999999999999", &domid));
}

/* vgpu.c has them beside main. */
int vgpu_fail(const char *format, ...)
{
	(void)format;
	return VGPU_FAILED;
}

#define T(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_attach),        T(test_numbers),
		T(test_conflicts),     T(test_no_domain),
		T(test_leftovers),     T(test_detach),
		T(test_domains),       T(test_several),
		T(test_driver_domain), T(test_driver_domain_mistakes),
		T(test_wait),          T(test_domains),
		T(test_driver_domain), T(test_wait),
		T(test_domains),       T(test_driver_domain_mistakes),
		T(test_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
