/* SPDX-License-Identifier: MIT */
/* vgpu list --format: what a script gets, whatever names domains have and whoever does not answer. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/vgpu.h"

static char said[256]; /* last by vgpu_fail */

int vgpu_fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(said, sizeof(said), format, args);
	va_end(args);
	return VGPU_FAILED;
}

static void assert_printed(const char *devices_text, const char *format, const char *wanted)
{
	struct json_object *devices = json_tokener_parse(devices_text);
	FILE *before = stdout, *file;
	char *text = NULL;
	size_t size = 0;

	assert_non_null(devices);
	assert_true(vgpu_columns_check(format));
	file = open_memstream(&text, &size);
	stdout = file;
	vgpu_columns_print(devices, format);
	stdout = before;
	fclose(file);
	json_object_put(devices);
	assert_string_equal(text, wanted);
	free(text);
}

#define FIRST                                                                                      \
	"{\"domain\":\"a\\tb\\nc\",\"domid\":3,\"devid\":0,\"backend\":0,\"state\":\"connected\"," \
	"\"gpu\":\"soft\",\"driver\":\"soft\",\"mem\":\"1073741824\",\"max-sessions\":\"16\","     \
	"\"mem_used\":4096,\"sessions\":[{\"calls\":5,\"launches\":1,\"bytes_htod\":10,"           \
	"\"bytes_dtoh\":3,\"errors\":0},{\"calls\":7,\"launches\":2,\"errors\":1}]}"
#define SECOND "{\"domain\":\"\",\"domid\":4,\"devid\":2,\"mem\":\"0\"}"

static void test_columns(void **state)
{
	(void)state;
	assert_printed("[" FIRST "]", "domid,devid,domain,state", "3\t0\ta?b?c\tconnected\n");
	assert_printed("[" FIRST "]", "mem,mem-used,max-sessions,sessions",
		       "1073741824\t4096\t16\t2\n");
	assert_printed("[" FIRST "]", "calls,launches,bytes-htod,bytes-dtoh,errors,error",
		       "12\t3\t10\t3\t1\t-\n");
	assert_printed("[" FIRST "," SECOND "]", "domid", "3\n4\n");
	assert_printed("[]", "domid", "");
}

/* No quota, no name, and no xen-vgpud that answers. */
static void test_unknown(void **state)
{
	(void)state;
	assert_printed("[" SECOND "]", "domain,mem,mem-used,sessions,calls,gpu,domid,domid",
		       "-\t-\t-\t-\t-\t-\t4\t4\n");
}

static void test_names(void **state)
{
	static const char *const bad[] = {"",       ",",      "domid,", ",domid", "domid,,devid",
					  "domi",   "domidx", "DOMID",  " domid", "domid devid",
					  "pid,gpu"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (vgpu_columns_check(bad[i]))
			fail_msg("taken: %s", bad[i]);
		assert_non_null(strstr(said, "is no column"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
