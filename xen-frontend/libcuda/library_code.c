/* SPDX-License-Identifier: MIT */
/* Libraries' code: see library_code.h. Runs in the program's threads. */
#include "xen-frontend/libcuda/library_code.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/call.h"
#include "xen-frontend/libcuda/code.h"
#include "xen-frontend/libcuda/context.h"
#include "xen-frontend/libcuda/device.h"

/* Kept with the handle and freed with it: a library that waits for its first use. */
struct waiting {
	pthread_mutex_t lock;
	atomic_bool over;      /* nothing is to be done (any more) */
	struct fe_image image; /* heap: a copy, which goes when it is over */
	struct fe_jit_key key;
	struct fe_jit jit; /* without its logs; options are those below */
	CUjit_option options[FE_JIT_OPTIONS_MAX];
};

static CUresult library_send(CUlibrary *library, const struct fe_image *image, struct fe_jit *jit)
{
	return rpc_vgLibraryLoad(library, image->data, image->size, jit->count, jit->options,
				 jit->values, jit->info.room, jit->error.room, 0, NULL, NULL,
				 jit->info.text, jit->error.text, jit->results);
}

/* A library belongs to no device: its code must be good for each. */
static bool key_get(const struct fe_image *image, const struct fe_jit *jit, struct fe_jit_key *key)
{
	struct fe_jit_key other;

	if (!fe_device_count() || !fe_code_key(image, jit, 0, key))
		return false;
	for (CUdevice device = 1; device < fe_device_count(); device++)
		if (!fe_code_key(image, jit, device, &other) || memcmp(key, &other, sizeof(other)))
			return false;
	return true;
}

/* --- waiting for the first use --------------------------------------------------------------- */

static void waiting_end(struct waiting *waiting)
{
	fe_image_free(&waiting->image);
	atomic_store(&waiting->over, true);
}

static bool image_keep(struct fe_image *to, const struct fe_image *from, bool preserved)
{
	*to = (struct fe_image){.data = from->data, .size = from->size};
	if (preserved && !from->heap)
		return true;
	to->data = to->heap = malloc(from->size);
	if (to->heap)
		memcpy(to->heap, from->data, from->size);
	return to->heap;
}

static struct waiting *waiting_new(const struct fe_image *image, const struct fe_jit *jit,
				   const struct fe_jit_key *key, bool preserved)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (!waiting)
		return NULL;
	if (!image_keep(&waiting->image, image, preserved)) {
		free(waiting);
		return NULL;
	}
	pthread_mutex_init(&waiting->lock, NULL);
	waiting->key = *key;
	waiting->jit.count = jit->count;
	waiting->jit.options = waiting->options;
	if (jit->count)
		memcpy(waiting->options, jit->options, jit->count * sizeof(*jit->options));
	memcpy(waiting->jit.values, jit->values, sizeof(jit->values));
	return waiting;
}

static void library_wait(CUlibrary library, const struct fe_image *image, const struct fe_jit *jit,
			 const struct fe_jit_key *key, bool preserved)
{
	struct waiting *waiting = waiting_new(image, jit, key, preserved);

	if (waiting && fe_handle_set_data((uint64_t)library, waiting) != waiting) {
		waiting_end(waiting);
		free(waiting);
	}
}

/* The code is loaded as a library of its own, which then takes the other's handle. */
static void code_place(CUlibrary library, const struct fe_jit_key *key, const struct fe_image *code)
{
	CUlibrary made = NULL;
	CUresult result = rpc_vgLibraryLoad(&made, code->data, code->size, 0, NULL, NULL, 0, 0, 0,
					    NULL, NULL, NULL, NULL, NULL);

	fe_code_loaded(key, result);
	if (result)
		return;
	(void)rpc_vgLibrarySwap((uint64_t)library, (uint64_t)made);
	(void)rpc_cuLibraryUnload(made);
}

static void waiting_compile(CUlibrary library, const struct waiting *waiting)
{
	struct fe_image code;

	/* The compiler needs a context; another process may have been here meanwhile. */
	if (!fe_context_current())
		return;
	if (!fe_code_find(&waiting->key, &code) &&
	    !fe_code_compile(&waiting->image, &waiting->jit, &waiting->key, &code))
		return;
	code_place(library, &waiting->key, &code);
	fe_image_free(&code);
}

void fe_ready_CUlibrary(CUlibrary handle)
{
	struct waiting *waiting = fe_handle_data((uint64_t)handle);

	if (!waiting || atomic_load(&waiting->over))
		return;
	pthread_mutex_lock(&waiting->lock);
	if (!atomic_load(&waiting->over)) {
		waiting_compile(handle, waiting);
		waiting_end(waiting);
	}
	pthread_mutex_unlock(&waiting->lock);
}

void fe_library_forget(CUlibrary library)
{
	struct waiting *waiting = NULL;

	if (!fe_handle_check(VG_HANDLE_CUlibrary, (uint64_t)library, 0))
		waiting = fe_handle_data((uint64_t)library);
	if (!waiting)
		return;
	pthread_mutex_lock(&waiting->lock);
	if (!atomic_load(&waiting->over))
		waiting_end(waiting);
	pthread_mutex_unlock(&waiting->lock);
}

/* --- loading --------------------------------------------------------------------------------- */

CUresult fe_library_load(CUlibrary *library, const struct fe_image *image, struct fe_jit *jit,
			 bool preserved)
{
	struct fe_image code = FE_IMAGE_NONE;
	struct fe_jit_key key;
	bool keyed = key_get(image, jit, &key);
	CUresult result;

	if (keyed && fe_code_find(&key, &code)) {
		result = library_send(library, &code, jit);
		fe_code_loaded(&key, result);
		fe_image_free(&code);
		if (!result)
			return CUDA_SUCCESS;
	}
	result = library_send(library, image, jit);
	if (!result && keyed)
		library_wait(*library, image, jit, &key, preserved);
	return result;
}
