/* SPDX-License-Identifier: MIT */
/*
 * The schema's checks of values, and the settings of a vGPU, on good and bad input.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "xenstore-schema/settings.h"

static const struct vg_schema_device device = {12, 3, 7};

struct value {
	enum vg_schema_tree_id tree;
	bool good;
	const char *key, *value;
};

static const struct value values[] = {
	{VG_TREE_BACKEND, true, "gpu", "soft"},
	{VG_TREE_BACKEND, true, "gpu", "soft:0"},
	{VG_TREE_BACKEND, true, "gpu", "soft:3"},
	{VG_TREE_BACKEND, false, "gpu", "soft:4"},
	{VG_TREE_BACKEND, false, "gpu", "soft:"},
	{VG_TREE_BACKEND, false, "gpu", "soft:01"},
	{VG_TREE_BACKEND, false, "gpu", "softly"},
	{VG_TREE_BACKEND, true, "gpu", "0"},
	{VG_TREE_BACKEND, true, "gpu", "255"},
	{VG_TREE_BACKEND, false, "gpu", "256"},
	{VG_TREE_BACKEND, false, "gpu", ""},
	{VG_TREE_BACKEND, false, "gpu", "softer"},
	{VG_TREE_BACKEND, true, "gpu", "GPU-01234567-89ab-cdef-0123-456789abcdef"},
	{VG_TREE_BACKEND, true, "gpu", "MIG-01234567-89AB-cdef-0123-456789abcdef"},
	{VG_TREE_BACKEND, false, "gpu", "GPU-01234567-89ab-cdef-0123-456789abcde"},
	{VG_TREE_BACKEND, false, "gpu", "GPU-01234567-89ab-cdef-0123-456789abcdefa"},
	{VG_TREE_BACKEND, false, "gpu", "GPU-0123456g-89ab-cdef-0123-456789abcdef"},
	{VG_TREE_BACKEND, true, "gpu", "3b:00.0"},
	{VG_TREE_BACKEND, true, "gpu", "0000:3b:00.0"},
	{VG_TREE_BACKEND, true, "gpu", "00000000:3b:00.0"},
	{VG_TREE_BACKEND, false, "gpu", "0000:3b:00.8"},
	{VG_TREE_BACKEND, false, "gpu", "0000:3b:00"},
	{VG_TREE_BACKEND, true, "driver", "soft"},
	{VG_TREE_BACKEND, true, "driver", "/opt/libcuda.so.1"},
	{VG_TREE_BACKEND, false, "driver", "libcuda.so.1"},
	{VG_TREE_BACKEND, false, "driver", "/opt/a\nb"},
	{VG_TREE_BACKEND, true, "mem", "1G"},
	{VG_TREE_BACKEND, true, "mem", "1g"},
	{VG_TREE_BACKEND, true, "mem", "16777216"},
	{VG_TREE_BACKEND, false, "mem", "16777215"},
	{VG_TREE_BACKEND, false, "mem", "2P"},
	{VG_TREE_BACKEND, false, "mem", "G"},
	{VG_TREE_BACKEND, false, "mem", "1GB"},
	{VG_TREE_BACKEND, false, "mem", "-1G"},
	{VG_TREE_BACKEND, false, "mem", "99999999999999999999"},
	{VG_TREE_BACKEND, false, "mem", "18446744073709551615K"},
	{VG_TREE_BACKEND, true, "max-lanes", "1"},
	{VG_TREE_BACKEND, false, "max-lanes", "0"},
	{VG_TREE_BACKEND, false, "max-lanes", "257"},
	{VG_TREE_BACKEND, false, "max-lanes", "+1"},
	{VG_TREE_BACKEND, false, "max-lanes", " 1"},
	{VG_TREE_BACKEND, false, "max-lanes", "1K"},
	{VG_TREE_BACKEND, true, "online", "1"},
	{VG_TREE_BACKEND, false, "online", "2"},
	{VG_TREE_BACKEND, true, "state", "6"},
	{VG_TREE_BACKEND, false, "state", "7"},
	{VG_TREE_BACKEND, false, "state", "0"},
	{VG_TREE_BACKEND, true, "protocol-versions", "1"},
	{VG_TREE_BACKEND, true, "protocol-versions", "1,2,10"},
	{VG_TREE_BACKEND, false, "protocol-versions", "2,1"},
	{VG_TREE_BACKEND, false, "protocol-versions", "1,"},
	{VG_TREE_BACKEND, false, "protocol-versions", ""},
	{VG_TREE_BACKEND, true, "frontend", "/local/domain/12/device/vgpu/3"},
	{VG_TREE_BACKEND, false, "frontend", "/local/domain/12/device/vgpu/30"},
	{VG_TREE_BACKEND, false, "frontend", "/local/domain/1/device/vgpu/3"},
	{VG_TREE_BACKEND, false, "frontend", "/local/domain/12/device/vgpu/"},
	{VG_TREE_BACKEND, true, "frontend-id", "12"},
	{VG_TREE_BACKEND, false, "frontend-id", "13"},
	{VG_TREE_FRONTEND, true, "ring-ref", "4294967295"},
	{VG_TREE_FRONTEND, false, "ring-ref", "0"},
	{VG_TREE_FRONTEND, false, "ring-ref", "4294967296"},
	{VG_TREE_FRONTEND, true, "backend-id", "7"},
	{VG_TREE_FRONTEND, false, "backend-id", "07"},
	{VG_TREE_FRONTEND, true, "backend", "/local/domain/7/backend/vgpu/12/3"},
	{VG_TREE_FRONTEND, false, "backend", "/local/domain/0/backend/vgpu/12/3"},
	{VG_TREE_LIBXL, true, "max-lanes", "64"}, /* copied from the backend's tree */
};

static void test_values(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		const struct value *v = &values[i];
		const struct vg_schema_key *key = vg_schema_find(v->tree, v->key);
		char why[VG_SCHEMA_WHY] = "";
		int rc;

		assert_non_null(key);
		rc = vg_schema_check(key, v->value, &device, why);
		if ((rc == 0) != v->good)
			print_error("%s=%s: %d\n", v->key, v->value, rc);
		assert_int_equal(rc, v->good ? 0 : -EINVAL);
		/* A message names the key, the value and what is allowed. */
		if (!v->good) {
			assert_non_null(strstr(why, v->key));
			assert_non_null(strstr(why, v->value));
			assert_non_null(strstr(why, key->allowed));
		}
	}
}

static void test_find(void **state)
{
	(void)state;
	assert_null(vg_schema_find(VG_TREE_BACKEND, "colour"));
	assert_null(vg_schema_find(VG_TREE_FRONTEND, "gpu"));
	/* The toolstack's copy holds what the toolstack wrote, not what the backend publishes. */
	assert_null(vg_schema_find(VG_TREE_LIBXL, "protocol-versions"));
	assert_non_null(vg_schema_find(VG_TREE_LIBXL, "gpu"));
}

static void test_long_value(void **state)
{
	char value[2048], why[VG_SCHEMA_WHY];

	(void)state;
	memset(value, '9', sizeof(value));
	value[sizeof(value) - 1] = '\0';
	assert_int_equal(vg_schema_check(vg_schema_find(VG_TREE_BACKEND, "mem"), value, &device,
					 why),
			 -EINVAL);
	assert_true(strlen(why) < sizeof(why));
}

static void test_parse(void **state)
{
	struct vg_settings_text text;
	struct vg_settings settings;
	char why[VG_SCHEMA_WHY];
	struct vg_place place = VG_PLACE_ANY;

	(void)state;
	assert_int_equal(
		vg_settings_parse("gpu=soft,mem=1G,devid=4,max-lanes=2", &text, &place, why), 0);
	assert_int_equal(place.devid, 4);
	assert_string_equal(vg_settings_text_get(&text, "mem"), "1073741824");
	assert_int_equal(vg_settings_resolve(&text, &settings, why), 0);
	assert_string_equal(settings.gpu, "soft");
	assert_string_equal(settings.driver, "soft");
	assert_true(settings.mem == 1ull << 30);
	assert_int_equal(settings.max_lanes, 2);
	assert_int_equal(settings.max_sessions, 16);
	assert_true(settings.max_region_pages > 0 && settings.max_lane_pages > 0);
}

static void test_parse_nothing(void **state)
{
	struct vg_settings_text text;
	struct vg_settings settings;
	char why[VG_SCHEMA_WHY];
	struct vg_place place = VG_PLACE_ANY;

	(void)state;
	assert_int_equal(vg_settings_parse("", &text, &place, why), 0);
	assert_int_equal(vg_settings_resolve(&text, &settings, why), 0);
	assert_int_equal(place.devid, -1);
	assert_string_equal(settings.gpu, "0");
	assert_string_equal(settings.driver, "default");
	assert_true(settings.mem == 0);
}

/* As administrators write lists in xl's configuration files. */
static void test_parse_blanks(void **state)
{
	static const char *const good[] = {"gpu=soft,mem=1G,devid=4",
					   " gpu = soft ,\tmem=1G , devid= 4 ",
					   "backend=0,gpu=soft,mem=1G,devid=4",
					   "gpu=soft,mem=1G,backend=dom0,devid=4",
					   "gpu=soft, mem=1G, devid=4, backend=Domain-0"};
	struct vg_settings_text text;
	char why[VG_SCHEMA_WHY];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct vg_place place = VG_PLACE_ANY;

		assert_int_equal(vg_settings_parse(good[i], &text, &place, why), 0);
		assert_int_equal(place.devid, 4);
		assert_string_equal(vg_settings_text_get(&text, "gpu"), "soft");
		assert_string_equal(vg_settings_text_get(&text, "mem"), "1073741824");
	}
	assert_int_equal(vg_settings_parse("  ", &text, &VG_PLACE_ANY, why), 0);
}

static void test_parse_backend(void **state)
{
	static const char *const good[] = {"0", "7", "dom0", "gpu-domain", "a domain"};
	struct vg_settings_text text;
	char spec[64], why[VG_SCHEMA_WHY];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct vg_place place = VG_PLACE_ANY;

		snprintf(spec, sizeof(spec), "gpu=0,backend=%s", good[i]);
		assert_int_equal(vg_settings_parse(spec, &text, &place, why), 0);
		assert_string_equal(place.backend, good[i]);
	}
}

/* The paths of a device, and the way back from its backend's to the domain. */
static void test_paths(void **state)
{
	static const char *const bad[] = {"",
					  "/local/domain/7",
					  "/local/domain/7/backend/vgpu/12/4",
					  "/local/domain/7/backend/vgpu/12/3/x",
					  "/local/domain/32752/backend/vgpu/12/3",
					  "/local/domain/-7/backend/vgpu/12/3",
					  "/local/domain/99999999999999999999/backend/vgpu/12/3",
					  "/local/domain//backend/vgpu/12/3",
					  "/libxl/7/backend/vgpu/12/3"};
	struct vg_schema_device found = {12, 3, 0};
	char path[VG_SCHEMA_PATH];

	(void)state;
	vg_schema_path(path, VG_TREE_BACKEND, VG_LEVEL_DEVICE, &device);
	assert_string_equal(path, "/local/domain/7/backend/vgpu/12/3");
	assert_int_equal(vg_schema_backend_of(path, &found), 0);
	assert_int_equal(found.backend, 7);
	vg_schema_path(path, VG_TREE_BACKEND, VG_LEVEL_DOMAIN, &device);
	assert_string_equal(path, "/local/domain/7/backend/vgpu/12");
	vg_schema_path(path, VG_TREE_BACKEND, VG_LEVEL_ALL, &device);
	assert_string_equal(path, "/local/domain/7/backend/vgpu");
	vg_schema_path(path, VG_TREE_FRONTEND, VG_LEVEL_DEVICE, &device);
	assert_string_equal(path, "/local/domain/12/device/vgpu/3");
	vg_schema_path(path, VG_TREE_LIBXL, VG_LEVEL_DOMAIN, &device);
	assert_string_equal(path, "/libxl/12/device/vgpu");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(vg_schema_backend_of(bad[i], &found), -EINVAL);
}

static void test_parse_bad(void **state)
{
	static const struct {
		const char *spec, *says;
	} bad[] = {
		{"colour=red",
		 "unknown setting `colour`; known are devid, backend, gpu, driver, mem"},
		{"gpu", "`gpu` is not KEY=VALUE"},
		{"gpu=", "`gpu=` is not KEY=VALUE"},
		{"=soft", "`=soft` is not KEY=VALUE"},
		{"gpu=soft,", "`` is not KEY=VALUE"},
		{",gpu=soft", "`` is not KEY=VALUE"},
		{"gpu=soft,gpu=0", "gpu is given twice"},
		{"devid=1,devid=1", "devid is given twice"},
		{"devid=256", "devid=256 is not valid: devid is a number from 0 to 255"},
		{"devid=-1", "devid=-1 is not valid"},
		{"mem=lots", "mem=lots is not valid: mem is bytes from 16M to 1P"},
		{"gpu=soft, mem = lots ", "mem=lots is not valid"},
		{"gpu=soft, ,mem=1G", "` ` is not KEY=VALUE"},
		{"backend=32752",
		 "backend=32752 is not valid: backend is the name or the number of"},
		{"backend=/local/domain/3,gpu=0", "backend=/local/domain/3 is not valid"},
		{"backend=0,backend=0", "backend is given twice"},
		{"state=4", "unknown setting `state`"}, /* a key, but nobody's to set */
		{"online=1", "unknown setting `online`"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vg_settings_text text;
		char why[VG_SCHEMA_WHY] = "";
		struct vg_place place = VG_PLACE_ANY;

		assert_int_equal(vg_settings_parse(bad[i].spec, &text, &place, why), -EINVAL);
		if (!strstr(why, bad[i].says))
			print_error("%s: %s\n", bad[i].spec, why);
		assert_non_null(strstr(why, bad[i].says));
	}
}

static void test_parse_too_long(void **state)
{
	char spec[4096], why[VG_SCHEMA_WHY];
	struct vg_settings_text text;
	struct vg_place place = VG_PLACE_ANY;

	(void)state;
	memset(spec, 'a', sizeof(spec));
	spec[sizeof(spec) - 1] = '\0';
	assert_int_equal(vg_settings_parse(spec, &text, &place, why), -EINVAL);
	memcpy(spec, "driver=/", 8);
	spec[600] = '\0';
	assert_int_equal(vg_settings_parse(spec, &text, &place, why), -EINVAL);
}

static void test_contradictions(void **state)
{
	static const char *const bad[] = {"gpu=soft,driver=default", "gpu=0,driver=soft"};
	static const char *const good[] = {"gpu=soft,driver=soft", "gpu=soft,driver=/x.so",
					   "gpu=0,driver=/x.so", "gpu=1,driver=default"};
	struct vg_settings_text text;
	struct vg_settings settings;
	char why[VG_SCHEMA_WHY];
	struct vg_place place = VG_PLACE_ANY;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(vg_settings_parse(bad[i], &text, &place, why), 0);
		assert_int_equal(vg_settings_resolve(&text, &settings, why), -EINVAL);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(vg_settings_parse(good[i], &text, &place, why), 0);
		assert_int_equal(vg_settings_resolve(&text, &settings, why), 0);
	}
}

/* Each setting of the schema is one that the backend uses: a new one must get a field. */
static void test_all_settings_are_known(void **state)
{
	static const char *const used[] = {"gpu",
					   "driver",
					   "mem",
					   "max-sessions",
					   "max-lanes",
					   "max-lane-pages",
					   "max-region-pages"};
	struct vg_settings_text text;

	(void)state;
	vg_settings_text_init(&text);
	assert_int_equal(text.count, sizeof(used) / sizeof(used[0]));
	for (size_t i = 0; i < text.count; i++) {
		bool found = false;

		for (size_t j = 0; j < sizeof(used) / sizeof(used[0]); j++)
			found |= !strcmp(text.key[i]->name, used[j]);
		assert_true(found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_find),
		cmocka_unit_test(test_long_value),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_nothing),
		cmocka_unit_test(test_parse_blanks),
		cmocka_unit_test(test_parse_backend),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test(test_parse_too_long),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_all_settings_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
