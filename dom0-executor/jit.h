/* SPDX-License-Identifier: MIT */
/*
 * JIT options from the guest, made fit for the driver: values that are pointers become buffers of our own.
 */
#ifndef EX_JIT_H
#define EX_JIT_H

#include "dom0-executor/call.h"

struct ex_jit {
	unsigned int count; /* options that go to the driver */
	CUjit_option *options;
	void **values;
	uint32_t *origin; /* index of each in the guest's list */
};

/* Where the driver is to write its logs; a NULL buffer or no room: the log options are left out. */
struct ex_jit_logs {
	void *info, *error;
	size_t info_room, error_room;
};

/* Bytes of one log. */
#define EX_JIT_LOG_MAX (256u * 1024)

/*
 * In scratch memory. CUDA_ERROR_NOT_SUPPORTED for options whose values are pointers to
 * other things, CUDA_ERROR_INVALID_VALUE for unknown ones.
 */
CUresult ex_jit_read(struct ex_call *call, unsigned int count, const CUjit_option *options,
		     const uint64_t *values, const struct ex_jit_logs *logs, struct ex_jit *jit);
/* What the driver has left in the values, by the guest's index; results may be NULL. */
void ex_jit_results(const struct ex_jit *jit, const uint64_t *values, unsigned int count,
		    uint64_t *results);

#endif
