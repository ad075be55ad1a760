/* SPDX-License-Identifier: MIT */
/*
 * JIT options: see jit.h. The program's buffers are written to only here, and never beyond the room
 * that it has given. Texts come from the executor and are bounded, not trusted to end.
 */
#include "xen-frontend/libcuda/jit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Both logs and the rest of the answer share one reply (VG_ARGS_MAX). */
#define LOG_MAX (256u * 1024)

static bool is_table(CUjit_option option)
{
	return option == CU_JIT_GLOBAL_SYMBOL_NAMES || option == CU_JIT_GLOBAL_SYMBOL_ADDRESSES ||
	       option == CU_JIT_REFERENCED_KERNEL_NAMES ||
	       option == CU_JIT_REFERENCED_VARIABLE_NAMES;
}

/* Options whose place in the values' array receives an answer. */
static bool is_output(CUjit_option option)
{
	return option == CU_JIT_THREADS_PER_BLOCK || option == CU_JIT_WALL_TIME ||
	       option == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES ||
	       option == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES;
}

/* Lengths are unsigned int there, whatever lies in the other half of the pointer. */
static size_t log_room(void *value)
{
	size_t room = (unsigned int)(uintptr_t)value;

	return room < LOG_MAX ? room : LOG_MAX;
}

static void option_take(struct fe_jit *jit, unsigned int i, void *value)
{
	jit->values[i] = (uint64_t)(uintptr_t)value;
	switch (jit->options[i]) {
	case CU_JIT_INFO_LOG_BUFFER:
		jit->info.program = value;
		jit->values[i] = 0;
		break;
	case CU_JIT_ERROR_LOG_BUFFER:
		jit->error.program = value;
		jit->values[i] = 0;
		break;
	case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
		jit->info.room = log_room(value);
		jit->values[i] = jit->info.room;
		break;
	case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
		jit->error.room = log_room(value);
		jit->values[i] = jit->error.room;
		break;
	case CU_JIT_WALL_TIME: jit->values[i] = 0; break;
	default: break;
	}
}

static bool log_make(struct fe_jit_log *log)
{
	if (!log->program)
		log->room = 0;
	log->text = calloc(1, log->room + 1);
	return log->text;
}

CUresult fe_jit_check(unsigned int count, const CUjit_option *options, void *const *values)
{
	if (count > FE_JIT_OPTIONS_MAX || (count && (!options || !values)))
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++) {
		if ((unsigned int)options[i] >= CU_JIT_NUM_OPTIONS)
			return CUDA_ERROR_INVALID_VALUE;
		if (is_table(options[i]))
			return CUDA_ERROR_NOT_SUPPORTED;
	}
	return CUDA_SUCCESS;
}

CUresult fe_jit_open(struct fe_jit *jit, unsigned int count, const CUjit_option *options,
		     void *const *values)
{
	CUresult result = fe_jit_check(count, options, values);

	memset(jit, 0, sizeof(*jit));
	if (result)
		return result;
	jit->count = count;
	jit->options = options;
	for (unsigned int i = 0; i < count; i++)
		option_take(jit, i, values[i]);
	memcpy(jit->results, jit->values, sizeof(jit->results));
	return log_make(&jit->info) && log_make(&jit->error) ? CUDA_SUCCESS
							     : CUDA_ERROR_OUT_OF_MEMORY;
}

size_t fe_jit_log_write(const struct fe_jit_log *log)
{
	size_t length;

	if (!log->program || !log->room || !log->text)
		return 0;
	length = strnlen(log->text, log->room - 1);
	memcpy(log->program, log->text, length);
	log->program[length] = '\0';
	return length;
}

void fe_jit_write_back(struct fe_jit *jit, void **values)
{
	(void)fe_jit_log_write(&jit->info);
	(void)fe_jit_log_write(&jit->error);
	for (unsigned int i = 0; i < jit->count; i++) {
		if (is_output(jit->options[i]))
			values[i] = (void *)(uintptr_t)jit->results[i];
	}
}

void fe_jit_close(struct fe_jit *jit)
{
	free(jit->info.text);
	free(jit->error.text);
	jit->info.text = jit->error.text = NULL;
}
