/* SPDX-License-Identifier: MIT */
/* JIT options, and texts to engine modules. Any thread. */
#include "dom0-executor/soft/memory.h"
#include "dom0-executor/soft/module.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sizes come in the pointer-sized value itself. */
static size_t value_of(void *value)
{
	return (size_t)(uintptr_t)value;
}

CUresult jit_read(unsigned int count, CUjit_option *options, void **values, struct soft_jit *jit)
{
	*jit = (struct soft_jit){.options = {.opt_level = 1}};
	if (count && (!options || !values))
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < count; i++) {
		switch ((int)options[i]) {
		case CU_JIT_INFO_LOG_BUFFER: jit->info_log = values[i]; break;
		case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
			jit->info_room = value_of(values[i]);
			jit->info_back = &values[i];
			break;
		case CU_JIT_ERROR_LOG_BUFFER: jit->error_log = values[i]; break;
		case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
			jit->error_room = value_of(values[i]);
			jit->error_back = &values[i];
			break;
		case CU_JIT_WALL_TIME: jit->wall_back = &values[i]; break;
		case CU_JIT_OPTIMIZATION_LEVEL:
			if (value_of(values[i]) > 4)
				return CUDA_ERROR_INVALID_VALUE;
			jit->options.opt_level = value_of(values[i]) ? 1 : 0;
			break;
		default: /* about machine code that we do not make */
			if ((int)options[i] < 0 || options[i] >= CU_JIT_NUM_OPTIONS)
				return CUDA_ERROR_INVALID_VALUE;
			break;
		}
	}
	return CUDA_SUCCESS;
}

void jit_tell(struct soft_jit *jit, const struct ptx_log *log)
{
	size_t length = strlen(log->text);

	if (!jit->error_log || !jit->error_room || !length)
		return;
	if (length >= jit->error_room - jit->error_used)
		length = jit->error_room - jit->error_used - 1;
	memcpy(jit->error_log + jit->error_used, log->text, length);
	jit->error_used += length;
	jit->error_log[jit->error_used] = '\0';
}

void jit_done(struct soft_jit *jit, double milliseconds)
{
	float wall = (float)milliseconds;
	uint32_t bits;

	if (jit->info_log && jit->info_room)
		jit->info_log[0] = '\0';
	if (jit->error_log && jit->error_room && !jit->error_used)
		jit->error_log[0] = '\0';
	if (jit->info_back)
		*jit->info_back = (void *)jit->info_used;
	if (jit->error_back)
		*jit->error_back = (void *)jit->error_used;
	memcpy(&bits, &wall, sizeof(bits));
	if (jit->wall_back)
		*jit->wall_back = (void *)(uintptr_t)bits;
}

static CUresult load_result(int rc)
{
	switch (rc) {
	case 0: return CUDA_SUCCESS;
	case -ENOMEM: return CUDA_ERROR_OUT_OF_MEMORY;
	case -ENOSYS: return CUDA_ERROR_JIT_COMPILER_NOT_FOUND;
	case -ENOENT: return CUDA_ERROR_SHARED_OBJECT_SYMBOL_NOT_FOUND;
	default: return CUDA_ERROR_INVALID_PTX;
	}
}

static int link_texts(const struct soft_texts *texts, const struct ptx_options *options,
		      struct ptx_log *log, struct ptx_module **ptx)
{
	struct ptx_linker *linker = NULL;
	char name[32];
	int rc;

	rc = ptx_linker_create(options, &linker);
	for (size_t i = 0; i < texts->count && rc == 0; i++) {
		snprintf(name, sizeof(name), "text %zu", i + 1);
		rc = ptx_linker_add(linker, texts->at[i].text, texts->at[i].length, name, log);
	}
	if (rc == 0)
		rc = ptx_linker_finish(linker, log, ptx);
	ptx_linker_destroy(linker);
	return rc;
}

/* All that this driver has is compiled. */
static bool is_disabled(void)
{
	const char *ptx = getenv("CUDA_DISABLE_PTX_JIT"), *any = getenv("CUDA_DISABLE_JIT");

	return (ptx && strtol(ptx, NULL, 0)) || (any && strtol(any, NULL, 0));
}

CUresult texts_load(struct soft_device *device, const struct soft_texts *texts,
		    struct soft_jit *jit, struct ptx_module **ptx)
{
	struct ptx_log log = {0};
	int rc;

	if (is_disabled())
		return CUDA_ERROR_JIT_COMPILATION_DISABLED;
	jit->options.variables_alloc = memory_variables_alloc;
	jit->options.variables_free = memory_variables_free;
	jit->options.opaque = device;
	if (texts->count == 1)
		rc = ptx_module_load(texts->at[0].text, texts->at[0].length, &jit->options, &log,
				     ptx);
	else
		rc = link_texts(texts, &jit->options, &log, ptx);
	if (rc < 0)
		soft_log_error("op=load errno=%d %s", -rc, log.text);
	jit_tell(jit, &log);
	return load_result(rc);
}
