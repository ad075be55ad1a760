/* SPDX-License-Identifier: MIT */
/* The calls of variants.h: each is the call itself with another meaning of NULL streams. */
#include "dom0-executor/soft/api.h"
#include "dom0-executor/soft/stream.h"

#define VARIANT(call, suffix, parameters, arguments) \
	CUresult call##suffix parameters             \
	{                                            \
		CUresult result;                     \
                                                     \
		thread_default_is_own++;             \
		result = call arguments;             \
		thread_default_is_own--;             \
		return result;                       \
	}

#include "dom0-executor/soft/variants.h"
