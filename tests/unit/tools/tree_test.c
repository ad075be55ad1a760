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

static struct vgpu vgpu_;

static int setup(void **state)
{
	(void)state;
	fake_xs_reset();
	fake_xs_set("/libxl/3/device", "");
	fake_xs_set("/local/domain/0/backend", "");
	fake_xs_domain(3, true);
	fake_xs_set("/local/domain/3/name", "guest");
	fake_xs_set("/local/domain/3/device", "");
	vgpu_ = (struct vgpu){.xs = xs_open(0)};
	return 0;
}

static int add(const char *spec, int *devid)
{
	struct vg_settings_text text;
	char why[VG_SCHEMA_WHY];

	*devid = -1;
	assert_int_equal(vg_settings_parse(spec, &text, devid, why), 0);
	return vgpu_tree_add(&vgpu_, 3, devid, &text);
}

/* Everything that the toolstack has to have written is there and valid. */
static void assert_schema(enum vg_schema_tree_id id, unsigned int devid)
{
	const struct vg_schema_tree *trees[] = {&vg_schema_trees[id], NULL};
	struct vg_schema_device device = {3, devid};

	if (trees[0]->copies >= 0)
		trees[1] = &vg_schema_trees[trees[0]->copies];
	for (size_t t = 0; t < 2 && trees[t]; t++) {
		for (size_t i = 0; i < trees[t]->count; i++) {
			const struct vg_schema_key *key = &trees[t]->keys[i];
			char path[256], why[VG_SCHEMA_WHY];
			const char *value;
			int n;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			n = snprintf(path, sizeof(path), trees[0]->path, 3u, devid);
#pragma GCC diagnostic pop
			snprintf(path + n, sizeof(path) - (size_t)n, "/%s", key->name);
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
	assert_int_equal(vgpu_tree_state(&vgpu_, 3, 0, error, sizeof(error)), 1);
	assert_string_equal(error, "");
	assert_int_equal(vgpu_tree_close(&vgpu_, 3, 0), 0);
	assert_string_equal(fake_xs_get("/local/domain/0/backend/vgpu/3/0/online"), "0");
	assert_string_equal(fake_xs_get("/local/domain/0/backend/vgpu/3/0/state"), "5");
	fake_xs_set("/local/domain/0/error/backend/vgpu/3/0/error", "22 x");
	assert_int_equal(vgpu_tree_remove(&vgpu_, 3, 0), 0);
	assert_false(vgpu_tree_exists(&vgpu_, 3, 0));
	assert_int_equal(vgpu_tree_close(&vgpu_, 3, 0), -ENOENT);
	assert_null(fake_xs_get("/local/domain/0/error/backend/vgpu/3/0"));
	/* Of the directories on the way only those that all devices share stay. */
	assert_null(fake_xs_get("/local/domain/0/backend/vgpu/3"));
	assert_null(fake_xs_get("/libxl/3/device/vgpu"));
	assert_in_range(fake_xs_nodes(), nodes, nodes + 4);
}

static void test_domains(void **state)
{
	uint32_t domid = 77;

	(void)state;
	assert_true(vgpu_domain_find(&vgpu_, "guest", &domid));
	assert_int_equal(domid, 3);
	assert_true(vgpu_domain_find(&vgpu_, "3", &domid));
	assert_false(vgpu_domain_find(&vgpu_, "4", &domid));
	assert_false(vgpu_domain_find(&vgpu_, "gues", &domid));
	assert_false(vgpu_domain_find(&vgpu_, "", &domid));
	assert_false(vgpu_domain_find(&vgpu_, "99999999999999999999", &domid));
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
		T(test_attach),    T(test_numbers), T(test_conflicts), T(test_no_domain),
		T(test_leftovers), T(test_detach),  T(test_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
