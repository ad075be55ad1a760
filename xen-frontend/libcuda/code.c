/* SPDX-License-Identifier: MIT */
/* Machine code in the place of PTX: see code.h. Runs in the program's threads. */
#include "xen-frontend/libcuda/code.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/image.h"
#include "protocol/wire.h"

#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/device.h"
#include "xen-frontend/libcuda/session.h"

/* Moves when what is kept, or how it was made, changes. */
#define FORM "vgpu code 1"

/* Options that the compiler heeds, in the order given. */
struct code_options {
	unsigned int count;
	CUjit_option options[FE_JIT_OPTIONS_MAX];
	uint64_t values[FE_JIT_OPTIONS_MAX];
};

static bool is_log(CUjit_option option)
{
	return option == CU_JIT_INFO_LOG_BUFFER || option == CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES ||
	       option == CU_JIT_ERROR_LOG_BUFFER || option == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES;
}

/* Options by which the program wants to know, or to decide, what a compilation does. */
static bool is_about_compiling(CUjit_option option, uint64_t value)
{
	return option == CU_JIT_THREADS_PER_BLOCK || option == CU_JIT_WALL_TIME ||
	       option == CU_JIT_FALLBACK_STRATEGY || (option == CU_JIT_LOG_VERBOSE && value);
}

static bool options_take(const struct fe_jit *jit, struct code_options *code)
{
	code->count = 0;
	for (unsigned int i = 0; i < jit->count; i++) {
		CUjit_option option = jit->options[i];

		if (is_about_compiling(option, jit->values[i]))
			return false;
		if (is_log(option) || option == CU_JIT_LOG_VERBOSE)
			continue;
		code->options[code->count] = option;
		code->values[code->count++] = jit->values[i];
	}
	return true;
}

/* --- what is compiled ------------------------------------------------------------------------ */

struct arch {
	int major, minor;
};

/* Code for a device of the same major version and not a higher minor one runs there. */
static bool runs_on(const struct vg_fatbin_entry *entry, const struct arch *arch)
{
	return entry->arch / 10 == (uint32_t)arch->major &&
	       entry->arch % 10 <= (uint32_t)arch->minor;
}

/* A fatbin with PTX for the device and no machine code. What is not known in it may be code. */
static bool fatbin_is_compiled(const struct fe_image *image, const struct arch *arch)
{
	struct vg_fatbin_entry entry;
	size_t cursor = 0;
	bool ptx = false;
	int rc;

	while ((rc = vg_fatbin_next(image->data, image->size, &cursor, &entry)) > 0) {
		if (entry.kind == VG_FATBIN_PTX)
			ptx |= entry.arch <= (uint32_t)(10 * arch->major + arch->minor);
		else if (entry.kind != VG_FATBIN_ELF || runs_on(&entry, arch))
			return false;
	}
	return !rc && ptx;
}

/* Several fatbins are to be linked together when they are loaded: that is left as it is. */
static bool image_is_compiled(const struct fe_image *image, const struct arch *arch,
			      enum vg_image_kind *kind)
{
	size_t size;

	if (vg_image_size(image->data, image->size, &size, kind))
		return false;
	if (*kind == VG_IMAGE_FATBIN)
		return size == image->size && fatbin_is_compiled(image, arch);
	return *kind == VG_IMAGE_PTX;
}

static bool arch_get(CUdevice device, struct arch *arch)
{
	const struct vg_device_info *info = fe_device_info(device);

	if (!info)
		return false;
	arch->major = fe_device_attribute(info, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
	arch->minor = fe_device_attribute(info, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
	return arch->major > 0;
}

/* --- its name -------------------------------------------------------------------------------- */

static void key_make(const struct fe_image *image, const struct code_options *options,
		     const struct arch *arch, struct fe_jit_key *key)
{
	const struct vg_session_info *info = &fe_session.info;
	struct vg_sha256 sha;

	vg_sha256_start(&sha);
	vg_sha256_add(&sha, FORM, sizeof(FORM));
	vg_sha256_add(&sha, info->driver_id, sizeof(info->driver_id));
	vg_sha256_add(&sha, &info->driver_version, sizeof(info->driver_version));
	vg_sha256_add(&sha, arch, sizeof(*arch));
	vg_sha256_add(&sha, &options->count, sizeof(options->count));
	for (unsigned int i = 0; i < options->count; i++) {
		vg_sha256_add(&sha, &options->options[i], sizeof(options->options[i]));
		vg_sha256_add(&sha, &options->values[i], sizeof(options->values[i]));
	}
	vg_sha256_add(&sha, image->data, image->size);
	vg_sha256_end(&sha, key->digest);
}

/* Whether the driver that was named can be told from the next one, and compiles at all as it likes. */
static bool driver_is_known(void)
{
	static const uint8_t none[sizeof(fe_session.info.driver_id)];

	return memcmp(fe_session.info.driver_id, none, sizeof(none)) && !fe_session.channel.jit;
}

bool fe_code_key(const struct fe_image *image, const struct fe_jit *jit, CUdevice device,
		 struct fe_jit_key *key)
{
	struct code_options options;
	enum vg_image_kind kind;
	struct arch arch;

	if (!fe_jit_store_on() || !driver_is_known() || !arch_get(device, &arch) ||
	    !image_is_compiled(image, &arch, &kind) || !options_take(jit, &options))
		return false;
	key_make(image, &options, &arch, key);
	return true;
}

/* --- finding and making it ------------------------------------------------------------------- */

static void say(const char *what, const struct fe_jit_key *key, size_t size)
{
	const uint8_t *d = key->digest;

	vg_info(&fe_who, "event=jit-cache result=%s key=%02x%02x%02x%02x%02x%02x%02x%02x size=%zu",
		what, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], size);
}

bool fe_code_find(const struct fe_jit_key *key, struct fe_image *code)
{
	*code = FE_IMAGE_NONE;
	code->data = code->heap = fe_jit_store_get(key, &code->size);
	say(code->heap ? "hit" : "miss", key, code->size);
	return code->heap;
}

static CUresult linked_fetch(CUlinkState state, size_t size, struct fe_image *code)
{
	CUresult result;

	if (!size || size > VG_BULK_WHOLE_MAX)
		return CUDA_ERROR_INVALID_IMAGE;
	code->data = code->heap = malloc(size);
	code->size = size;
	if (!code->heap)
		return CUDA_ERROR_OUT_OF_MEMORY;
	result = rpc_vgLinkFetch((uint64_t)state, size, code->heap);
	if (result)
		fe_image_free(code);
	return result;
}

static CUresult link_one(CUlinkState state, CUjitInputType type, const struct fe_image *image,
			 struct fe_image *code)
{
	size_t size = 0;
	CUresult result = rpc_vgLinkAdd((uint64_t)state, type, "", image->data, image->size, 0,
					NULL, NULL, 0, 0, NULL, NULL);

	if (!result)
		result = rpc_vgLinkComplete((uint64_t)state, 0, 0, &size, NULL, NULL);
	return result ? result : linked_fetch(state, size, code);
}

static CUresult compile(const struct fe_image *image, enum vg_image_kind kind,
			const struct code_options *options, struct fe_image *code)
{
	CUlinkState state = NULL;
	CUresult result =
		rpc_vgLinkCreate(&state, options->count, options->options, options->values, 0, 0);

	if (result)
		return result;
	result = link_one(state, kind == VG_IMAGE_PTX ? CU_JIT_INPUT_PTX : CU_JIT_INPUT_FATBINARY,
			  image, code);
	(void)rpc_cuLinkDestroy(state);
	return result;
}

/*
 * PTX for one architecture alone (.target sm_90a) may need the linker to be told so; a load does not. False: it is
 * not such, or the program says what it wants.
 */
static bool target_add(const char *text, struct code_options *options)
{
	const char *at = strstr(text, ".target sm_");
	unsigned long arch;
	char *end;

	for (unsigned int i = 0; i < options->count; i++)
		if (options->options[i] == CU_JIT_TARGET ||
		    options->options[i] == CU_JIT_TARGET_FROM_CUCONTEXT)
			return false;
	if (!at || options->count == FE_JIT_OPTIONS_MAX)
		return false;
	arch = strtoul(at + strlen(".target sm_"), &end, 10);
	if (*end != 'a' || arch >= CU_COMPUTE_ACCELERATED_TARGET_BASE)
		return false;
	options->options[options->count] = CU_JIT_TARGET;
	options->values[options->count++] = CU_COMPUTE_ACCELERATED_TARGET_BASE + arch;
	return true;
}

bool fe_code_compile(const struct fe_image *image, const struct fe_jit *jit,
		     const struct fe_jit_key *key, struct fe_image *code)
{
	struct code_options options;
	enum vg_image_kind kind;
	CUresult result;
	size_t size;

	*code = FE_IMAGE_NONE;
	if (!options_take(jit, &options) || vg_image_size(image->data, image->size, &size, &kind))
		return false;
	result = compile(image, kind, &options, code);
	if (result && kind == VG_IMAGE_PTX && target_add(image->data, &options))
		result = compile(image, kind, &options, code);
	if (result)
		say("not-compiled", key, image->size);
	else
		fe_jit_store_put(key, code->data, code->size);
	return !result;
}

void fe_code_loaded(const struct fe_jit_key *key, CUresult result)
{
	if (result != CUDA_ERROR_INVALID_IMAGE && result != CUDA_ERROR_NO_BINARY_FOR_GPU &&
	    result != CUDA_ERROR_INVALID_PTX)
		return;
	say("not-loaded", key, 0);
	fe_jit_store_drop(key);
}
