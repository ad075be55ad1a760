/* SPDX-License-Identifier: MIT */
/* JIT options. Trusts nothing in them. Runs in lanes' threads. */
#include "dom0-executor/jit.h"

#include <string.h>

enum option_kind {
	OPTION_VALUE,   /* a number, passed on */
	OPTION_LOG,     /* a buffer, replaced by ours */
	OPTION_REFUSED, /* a pointer to something else */
	OPTION_UNKNOWN,
};

static enum option_kind option_kind(CUjit_option option)
{
	switch (option) {
	case CU_JIT_INFO_LOG_BUFFER:
	case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
	case CU_JIT_ERROR_LOG_BUFFER:
	case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES: return OPTION_LOG;
	case CU_JIT_GLOBAL_SYMBOL_NAMES:
	case CU_JIT_GLOBAL_SYMBOL_ADDRESSES:
	case CU_JIT_GLOBAL_SYMBOL_COUNT:
	case CU_JIT_REFERENCED_KERNEL_NAMES:
	case CU_JIT_REFERENCED_KERNEL_COUNT:
	case CU_JIT_REFERENCED_VARIABLE_NAMES:
	case CU_JIT_REFERENCED_VARIABLE_COUNT: return OPTION_REFUSED;
	default: return (unsigned int)option < CU_JIT_NUM_OPTIONS ? OPTION_VALUE : OPTION_UNKNOWN;
	}
}

/* False: there is no buffer, leave the option out. */
static bool log_value(CUjit_option option, const struct ex_jit_logs *logs, void **value)
{
	bool info = option == CU_JIT_INFO_LOG_BUFFER || option == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES;
	void *buffer = info ? logs->info : logs->error;
	size_t room = info ? logs->info_room : logs->error_room;

	if (!buffer || !room)
		return false;
	if (option == CU_JIT_INFO_LOG_BUFFER || option == CU_JIT_ERROR_LOG_BUFFER)
		*value = buffer;
	else
		*value = (void *)(uintptr_t)(uint32_t)room;
	return true;
}

CUresult ex_jit_read(struct ex_call *call, unsigned int count, const CUjit_option *options,
		     const uint64_t *values, const struct ex_jit_logs *logs, struct ex_jit *jit)
{
	*jit = (struct ex_jit){
		.options = ex_scratch(call, count, sizeof(*jit->options)),
		.values = ex_scratch(call, count, sizeof(*jit->values)),
		.origin = ex_scratch(call, count, sizeof(*jit->origin)),
	};
	if (!jit->options || !jit->values || !jit->origin)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (logs->info_room > EX_JIT_LOG_MAX || logs->error_room > EX_JIT_LOG_MAX)
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++) {
		void *value = (void *)(uintptr_t)values[i];

		switch (option_kind(options[i])) {
		case OPTION_REFUSED: return CUDA_ERROR_NOT_SUPPORTED;
		case OPTION_UNKNOWN: return CUDA_ERROR_INVALID_VALUE;
		case OPTION_LOG:
			if (!log_value(options[i], logs, &value))
				continue;
			break;
		case OPTION_VALUE: break;
		}
		jit->options[jit->count] = options[i];
		jit->values[jit->count] = value;
		jit->origin[jit->count++] = i;
	}
	return CUDA_SUCCESS;
}

void ex_jit_results(const struct ex_jit *jit, const uint64_t *values, unsigned int count,
		    uint64_t *results)
{
	if (!results)
		return;
	for (unsigned int i = 0; i < count; i++)
		results[i] = values[i];
	for (unsigned int i = 0; i < jit->count; i++) {
		CUjit_option option = jit->options[i];

		/* Never an address of ours. */
		if (option == CU_JIT_INFO_LOG_BUFFER || option == CU_JIT_ERROR_LOG_BUFFER)
			continue;
		results[jit->origin[i]] = (uint64_t)(uintptr_t)jit->values[i];
	}
}
