/* SPDX-License-Identifier: MIT */
/*
 * Texts of errors, and what exported names without an implementation do. Any thread, before cuInit
 * too.
 */
#include "protocol/errors.h"

#include <stdatomic.h>
#include <stdint.h>

#include "protocol/clock.h"
#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/refuse.h"
#include "xen-frontend/libcuda/session.h"
#include "xen-frontend/libcuda/tell.h"

CUresult fe_cuGetErrorString(CUresult error, const char **pStr)
{
	if (!pStr)
		return CUDA_ERROR_INVALID_VALUE;
	*pStr = vg_error_text((int)error);
	return *pStr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult fe_cuGetErrorName(CUresult error, const char **pStr)
{
	if (!pStr)
		return CUDA_ERROR_INVALID_VALUE;
	*pStr = vg_error_name((int)error);
	return *pStr ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

/* Names said so far; symbols are constants of the generated code, so their addresses are enough. */
#define SAID_MAX 1024 /* more than there are exported names */
static const char *_Atomic said[SAID_MAX];

static bool first_time(const char *symbol)
{
	unsigned int at = (unsigned int)((uintptr_t)symbol * 0x9e3779b97f4a7c15ull >> 54);

	for (unsigned int tries = 0; tries < SAID_MAX; tries++, at++) {
		const char *none = NULL;

		if (atomic_compare_exchange_strong(&said[at % SAID_MAX], &none, symbol))
			return true;
		if (none == symbol)
			return false;
	}
	return false;
}

CUresult fe_refuse(const char *symbol)
{
	if (first_time(symbol)) {
		vg_warn(&fe_who, "op=%s result=%d: not supported on this device", symbol,
			(int)CUDA_ERROR_NOT_SUPPORTED);
		if (atomic_load(&fe_session.state) == FE_SESSION_OPEN)
			(void)rpc_vgRefused(symbol); /* so that dom0 sees what is missing */
	}
	if (fe_tell_calls)
		fe_tell(symbol, 0, NULL, 0, CUDA_ERROR_NOT_SUPPORTED, vg_clock_ns());
	return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult fe_answer(const char *symbol, CUresult answer)
{
	uint64_t begun = fe_tell_calls ? vg_clock_ns() : 0;
	CUresult result = fe_enter(0);

	if (!result)
		result = answer;
	if (begun)
		fe_tell(symbol, 0, NULL, 0, result, begun);
	return fe_leave(symbol, result);
}
