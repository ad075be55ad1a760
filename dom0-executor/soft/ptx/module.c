/* SPDX-License-Identifier: MIT */
/* What a loaded module tells about itself. */
#include "link.h"

#include "jit.h"

#include <errno.h>
#include <string.h>

uint32_t ptx_module_kernel_count(const struct ptx_module *module)
{
	return module->kernel_count;
}

struct ptx_kernel *ptx_module_kernel_at(const struct ptx_module *module, uint32_t index)
{
	return index < module->kernel_count ? &module->kernels[index] : NULL;
}

struct ptx_kernel *ptx_module_kernel(const struct ptx_module *module, const char *name)
{
	for (uint32_t i = 0; i < module->kernel_count; i++)
		if (!strcmp(module->kernels[i].info.name, name))
			return &module->kernels[i];
	return NULL;
}

uint32_t ptx_module_global_count(const struct ptx_module *module)
{
	return module->global_count;
}

int ptx_module_global_at(const struct ptx_module *module, uint32_t index,
			 struct ptx_global_info *info)
{
	const struct ptx_var *v;

	if (index >= module->global_count)
		return -ENOENT;
	v = module->globals[index];
	*info = (struct ptx_global_info){.name = v->symbol.name,
					 .address = v->address,
					 .size = v->size,
					 .is_const = v->space == PTX_SPACE_CONST,
					 .is_managed = v->is_managed};
	return 0;
}

int ptx_module_global(const struct ptx_module *module, const char *name,
		      struct ptx_global_info *info)
{
	for (uint32_t i = 0; i < module->global_count; i++)
		if (!strcmp(module->globals[i]->symbol.name, name))
			return ptx_module_global_at(module, i, info);
	return -ENOENT;
}

void ptx_kernel_info(const struct ptx_kernel *kernel, struct ptx_kernel_info *info)
{
	*info = kernel->info;
}

int ptx_kernel_prepare(struct ptx_kernel *kernel, struct ptx_log *log)
{
	const struct ptx_jit *jit;
	int rc = 0;

	if (__atomic_load_n(&kernel->code, __ATOMIC_ACQUIRE))
		return 0;
	jit = ptx_jit(log);
	if (!jit)
		return -ENOSYS;
	pthread_mutex_lock(&kernel->module->lock);
	if (!kernel->code)
		rc = jit->compile(kernel, log);
	pthread_mutex_unlock(&kernel->module->lock);
	return rc;
}

const char *ptx_fault_name(enum ptx_fault_kind kind)
{
	switch (kind) {
	case PTX_FAULT_NONE: return "none";
	case PTX_FAULT_CONFIG: return "invalid configuration";
	case PTX_FAULT_COMPILE: return "does not compile";
	case PTX_FAULT_MEMORY_OUT: return "out of memory";
	case PTX_FAULT_ADDRESS: return "illegal address";
	case PTX_FAULT_MISALIGNED: return "misaligned address";
	case PTX_FAULT_INSTRUCTION: return "illegal instruction";
	case PTX_FAULT_TRAP: return "trap";
	case PTX_FAULT_ASSERT: return "assertion failed";
	case PTX_FAULT_STACK_OVERFLOW: return "stack overflow";
	case PTX_FAULT_BAD_CALL: return "call of something that is no function";
	case PTX_FAULT_DEADLOCK: return "all threads of a block wait";
	case PTX_FAULT_CANCELLED: return "cancelled";
	}
	return "?";
}
