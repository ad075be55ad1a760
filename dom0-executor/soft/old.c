/* SPDX-License-Identifier: MIT */
/* The calls of old.h: the first versions of calls. */
#include "dom0-executor/soft/api.h"

#define SAME(call, later, parameters, arguments) \
	CUresult call parameters                 \
	{                                        \
		return later arguments;          \
	}

#define NARROW(call, parameters)                 \
	CUresult call parameters                 \
	{                                        \
		return CUDA_ERROR_NOT_SUPPORTED; \
	}

/* All the NARROW ones answer the same, whatever they are asked. */
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "dom0-executor/soft/old.h"
