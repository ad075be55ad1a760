/* SPDX-License-Identifier: MIT */
/* Modules, their functions, and the libraries and kernels that become modules in a context. */
#ifndef SOFT_MODULE_H
#define SOFT_MODULE_H

#include "dom0-executor/soft/context.h"
#include "dom0-executor/soft/fatbin.h"
#include "dom0-executor/soft/object.h"
#include "dom0-executor/soft/ptx/ptx.h"

/* What a caller may set on a function or kernel. */
struct soft_function_settings {
	atomic_int max_dynamic_shared;
	atomic_int carveout;
	atomic_int cache_config;
	int constant_bytes; /* of the module; not to be set */
};

struct soft_module {
	struct soft_object object;
	struct ptx_module *ptx;
	atomic_bool of_library; /* unloaded with it, not by cuModuleUnload */
	CUfunction *functions;  /* handles, in the engine's order; constant once published */
	uint32_t function_count;
};

struct soft_function {
	struct soft_object object;
	struct soft_module *module; /* a reference */
	struct ptx_kernel *kernel;
	struct ptx_kernel_info info;
	struct soft_function_settings settings;
	atomic_bool of_kernel; /* has taken over what was set on its kernel */
	atomic_bool loaded;    /* compiled, or asked to be */
};

struct soft_library {
	struct soft_object object;
	struct soft_texts texts;
	CUkernel *kernels; /* handles, in the engine's order; constant once published */
	uint32_t kernel_count;
	pthread_mutex_t lock;     /* guards what follows */
	struct ptx_module *first; /* made to check the text; the first context gets it */
	CUmodule *instances;      /* one a context that has used it; may be stale */
	size_t instance_count;
};

struct soft_kernel {
	struct soft_object object;
	struct soft_library *library; /* a reference */
	uint32_t index;               /* in the modules of the library */
	char *name;
	struct ptx_kernel_info info; /* but for the name, and params: a copy */
	struct soft_function_settings settings;
};

/* JIT options as modules, libraries and the linker take them. */
struct soft_jit {
	struct ptx_options options;
	char *info_log, *error_log;
	size_t info_room, error_room;
	size_t info_used, error_used;
	void **info_back, **error_back, **wall_back; /* where sizes and times are to be told */
};
CUresult jit_read(unsigned int count, CUjit_option *options, void **values, struct soft_jit *jit);
void jit_tell(struct soft_jit *jit, const struct ptx_log *log);
void jit_done(struct soft_jit *jit, double milliseconds); /* writes what it tells back */

/* Bytes of the module's constant variables. */
int constant_bytes_of(const struct ptx_module *ptx);

/* Load the texts as one engine module whose variables are the device's memory. */
CUresult texts_load(struct soft_device *device, const struct soft_texts *texts,
		    struct soft_jit *jit, struct ptx_module **ptx);

/* A module from an engine module, which it takes over; published. */
CUresult module_create(struct soft_context *ctx, struct ptx_module *ptx, struct soft_module **out);
void module_unload(struct soft_module *module); /* the caller has retired it */

/* The function that a call names in a context, with a reference; a kernel is one too. */
CUresult function_get(struct soft_context *ctx, CUfunction handle, struct soft_function **function);

/* Compile it, if it has not been. */
CUresult function_load(struct soft_function *function);

/* The function of a kernel in a context, with a reference. */
CUresult kernel_function(struct soft_kernel *kernel, struct soft_context *ctx,
			 struct soft_function **function);

/* Attributes of functions and kernels. */
CUresult settings_get(const struct ptx_kernel_info *info,
		      const struct soft_function_settings *settings, CUfunction_attribute attribute,
		      int *value);
CUresult settings_set(const struct soft_device *device, const struct ptx_kernel_info *info,
		      struct soft_function_settings *settings, CUfunction_attribute attribute,
		      int value);

/* A whole file, with a NUL after it that *size counts. The caller frees it. */
CUresult file_read(const char *path, char **bytes, size_t *size);

/* The result of a launch that ended so. */
CUresult fault_result(int rc, const struct ptx_fault *fault);

#endif
