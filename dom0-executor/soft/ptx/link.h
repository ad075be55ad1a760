/* SPDX-License-Identifier: MIT */
/*
 * A module: units whose symbols are resolved, memory for its globals, and its kernels, each compiled at its first
 * use. Everything but the compiled state is constant after loading; that state has the module's lock.
 */
#ifndef SOFT_PTX_LINK_H
#define SOFT_PTX_LINK_H

#include "ast.h"
#include "rt.h"

#include <pthread.h>

typedef void ptx_code(struct ptx_thread *t, const void *params);

struct ptx_kernel {
	struct ptx_module *module;
	struct ptx_func *func;
	struct ptx_kernel_info info;
	struct ptx_param_info *params;
	ptx_code *code; /* NULL: not compiled yet; set once, with release order */
	void *engine;   /* what holds the code, see jit.c */
};

struct ptx_module {
	struct ptx_unit *units;
	struct ptx_options options;
	pthread_mutex_t lock; /* compiling */
	struct ptx_kernel *kernels;
	uint32_t kernel_count;
	struct ptx_var **globals;
	uint32_t global_count;
	uint8_t *data; /* the globals, mapped */
	size_t data_bytes;
	struct ptx_func_desc *descs;
	uint32_t shared_bytes; /* of variables that are not a kernel's own */
	uint32_t walk;         /* number of the last walk */
};

/* The functions that root reaches, root first, chained by ->walk; *shared tells whether one of them
 * uses shared variables that are not root's own. */
struct ptx_func *ptx_link_walk(struct ptx_module *module, struct ptx_func *root, bool *shared);

#endif
