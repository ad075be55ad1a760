/* SPDX-License-Identifier: MIT */
/* Lines about errors as a backend sends them, sound and not, and the callbacks that get them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/wire.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/logs.h"
#include "xen-frontend/libcuda/session.h"

struct fe_session fe_session;

static uint8_t sent[VG_LOG_LINES_MAX]; /* what the backend has */
static unsigned int sent_size, fetches;
static unsigned int heard;
static char last[2048], before_last[2048];
static size_t last_length;

CUresult rpc_vgLogsFetch(unsigned int room, unsigned int *size, void *lines)
{
	fetches++;
	*size = sent_size;
	if (lines)
		memcpy(lines, sent, room);
	return CUDA_SUCCESS;
}

CUresult rpc_vgLogsDump(int has, CUlogIterator *iterator, size_t *size, char *buffer,
			unsigned int flags)
{
	(void)has, (void)iterator, (void)size, (void)buffer, (void)flags;
	return CUDA_ERROR_NOT_SUPPORTED;
}

static void hear(void *user, CUlogLevel level, char *message, size_t length)
{
	(void)level;
	assert_ptr_equal(user, &heard);
	assert_int_equal(message[length], '\0');
	memcpy(before_last, last, sizeof(last));
	snprintf(last, sizeof(last), "%s", message);
	last_length = length;
	heard++;
}

static void line_put(uint32_t length, uint32_t level)
{
	struct vg_log_line head = {level, length};

	memcpy(sent + sent_size, &head, sizeof(head));
	sent_size += sizeof(head);
}

static CUlogsCallbackHandle handle;

static int setup(void **state)
{
	(void)state;
	memset(sent, 'y', sizeof(sent));
	sent_size = heard = fetches = 0;
	atomic_store(&fe_session.state, FE_SESSION_OPEN);
	return fe_cuLogsRegisterCallback(hear, &heard, &handle);
}

static int teardown(void **state)
{
	(void)state;
	return fe_cuLogsUnregisterCallback(handle);
}

static void test_sound(void **state)
{
	(void)state;
	line_put(5, 77); /* a level that there is none of */
	sent_size += 8;
	fe_logs_tell("cuThing", CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(heard, 2);
	assert_string_equal(before_last, "yyyyy");
	assert_string_equal(last, "Returning 1 (CUDA_ERROR_INVALID_VALUE) from cuThing");
	fe_logs_tell("cuThing", CUDA_ERROR_NOT_READY);
	assert_int_equal(heard, 2);
	fe_logs_tell("cuThing", (CUresult)98765); /* as a backend may answer */
	assert_string_equal(last, "Returning 98765 (?) from cuThing");
}

static void hostile(uint32_t length, uint32_t size)
{
	heard = sent_size = 0;
	line_put(length, 0);
	sent_size = size;
	fe_logs_tell("cuThing", CUDA_ERROR_UNKNOWN);
	assert_int_equal(heard, 1); /* the call's own */
}

static void test_hostile(void **state)
{
	(void)state;
	hostile(UINT32_MAX, VG_LOG_LINES_MAX);
	hostile(UINT32_MAX - 3, UINT32_MAX);
	hostile(VG_LOG_LINE_MAX + 1, VG_LOG_LINES_MAX);
	hostile(9, 16);
	hostile(1, 12);
	hostile(0, 7);
}

static void test_lost(void **state)
{
	unsigned int asked = fetches;

	(void)state;
	atomic_store(&fe_session.state, FE_SESSION_LOST);
	fe_logs_tell("cuThing", CUDA_ERROR_DEVICE_UNAVAILABLE);
	assert_int_equal(heard, 1);
	assert_int_equal(fetches, asked);
}

static void test_handles(void **state)
{
	CUlogsCallbackHandle second = NULL;

	(void)state;
	assert_int_equal(fetches, 1);
	assert_int_equal(fe_cuLogsRegisterCallback(NULL, NULL, &second), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuLogsRegisterCallback(hear, &heard, &second), CUDA_SUCCESS);
	assert_int_equal(fetches, 1); /* the first one's listening is enough */
	fe_logs_tell("cuThing", CUDA_ERROR_UNKNOWN);
	assert_int_equal(heard, 2);
	assert_int_equal(fe_cuLogsUnregisterCallback(second), CUDA_SUCCESS);
	assert_int_equal(fe_cuLogsUnregisterCallback(second), CUDA_ERROR_INVALID_VALUE);
	assert_int_equal(fe_cuLogsUnregisterCallback(NULL), CUDA_ERROR_INVALID_VALUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sound, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_handles, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
