/* SPDX-License-Identifier: MIT */
/*
 * The export table by which libnvrtc keeps in the driver's compute cache what it has compiled: PTX made of what its
 * front end made of the source, and machine code. Without it cuDNN, which compiles kernels as it goes, takes
 * a third of a second for each new shape. Entries are files of the program's own (jit_store.h). Observed from outside with
 * NVRTC 13.0. Any thread, before cuInit too.
 */
#include "xen-frontend/libcuda/compile_cache.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/sha256.h"
#include "xen-frontend/libcuda/jit_store.h"
#include "xen-frontend/libcuda/session.h"

/* What is asked for; the caller keeps it between open and close. */
struct compiled {
	struct fe_jit_key key;
};

static void add_number(struct vg_sha256 *sha, uint64_t value)
{
	vg_sha256_add(sha, &value, sizeof(value));
}

/* Its length first, so that two do not run into one another. */
static void add_text(struct vg_sha256 *sha, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	add_number(sha, length);
	vg_sha256_add(sha, text, length);
}

/*
 * kind: 1 machine code, 2 PTX; source: size bytes of NVVM's intermediate form; platform and build: the compiler's
 * own. CUDA_ERROR_NOT_INITIALIZED where the cache is off.
 */
static CUresult compiled_open(struct compiled **handle, unsigned int kind, const void *source,
			      size_t size, const char *options, const char *platform,
			      const char *build, unsigned int capability)
{
	struct compiled *compiled;
	struct vg_sha256 sha;

	if (!fe_jit_store_on())
		return CUDA_ERROR_NOT_INITIALIZED;
	if (!handle || !source)
		return CUDA_ERROR_INVALID_VALUE;
	compiled = calloc(1, sizeof(*compiled));
	if (!compiled)
		return CUDA_ERROR_OUT_OF_MEMORY;
	vg_sha256_start(&sha);
	add_text(&sha, "nvrtc");
	add_number(&sha, kind);
	add_number(&sha, capability);
	add_text(&sha, platform);
	add_text(&sha, build);
	add_text(&sha, options);
	add_number(&sha, size);
	vg_sha256_add(&sha, source, size);
	vg_sha256_end(&sha, compiled->key.digest);
	*handle = compiled;
	return CUDA_SUCCESS;
}

static CUresult compiled_close(struct compiled *compiled)
{
	free(compiled);
	return CUDA_SUCCESS;
}

/* *data: to be given to compiled_free. */
static CUresult compiled_get(struct compiled *compiled, int unused, void **data, unsigned int *size)
{
	size_t found = 0;

	(void)unused;
	if (!compiled || !data || !size)
		return CUDA_ERROR_INVALID_VALUE;
	*data = fe_jit_store_get(&compiled->key, &found);
	*size = (unsigned int)found;
	vg_info(&fe_who, "event=compile-cache result=%s size=%zu", *data ? "hit" : "miss", found);
	return *data ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

static CUresult compiled_put(struct compiled *compiled, int unused, const void *data,
			     unsigned int size)
{
	(void)unused;
	if (!compiled || !data || !size)
		return CUDA_ERROR_INVALID_VALUE;
	fe_jit_store_put(&compiled->key, data, size);
	return CUDA_SUCCESS;
}

static CUresult compiled_free(void *data)
{
	free(data);
	return CUDA_SUCCESS;
}

const void *const fe_compile_cache_table[7] = {
	VG_EXPORT_SIZE(7),
	VG_EXPORT_SLOT(compiled_open),
	VG_EXPORT_SLOT(compiled_close),
	VG_EXPORT_SLOT(compiled_get),
	VG_EXPORT_SLOT(compiled_put),
	VG_EXPORT_REFUSED,
	VG_EXPORT_SLOT(compiled_free),
};
