/* SPDX-License-Identifier: MIT */
/*
 * Libraries: like modules, but loaded into every context that comes to use them. Runs in the program's
 * threads.
 */
#include "xen-frontend/libcuda/calls.h"

#include "xen-frontend/libcuda/image_source.h"
#include "xen-frontend/libcuda/jit.h"
#include "xen-frontend/libcuda/library_code.h"

/* Arguments as the two exported functions have them. */
struct load {
	unsigned int jit_count;
	const CUjit_option *jit_options;
	void **jit_values;
	unsigned int count;
	const CUlibraryOption *options;
};

/*
 * CU_LIBRARY_BINARY_IS_PRESERVED promises that the program's memory stays: there may be no need for a copy.
 * The other option points to tables of the program's functions, which no device of another
 * machine can call.
 */
static CUresult load_check(const CUlibrary *library, const struct load *load)
{
	if (!library || (load->count && !load->options))
		return CUDA_ERROR_INVALID_VALUE;
	for (unsigned int i = 0; i < load->count; i++) {
		if (load->options[i] == CU_LIBRARY_HOST_UNIVERSAL_FUNCTION_AND_DATA_TABLE)
			return CUDA_ERROR_NOT_SUPPORTED;
		if (load->options[i] != CU_LIBRARY_BINARY_IS_PRESERVED)
			return CUDA_ERROR_INVALID_VALUE;
	}
	return CUDA_SUCCESS;
}

static bool load_preserves(const struct load *load)
{
	for (unsigned int i = 0; i < load->count; i++)
		if (load->options[i] == CU_LIBRARY_BINARY_IS_PRESERVED)
			return true;
	return false;
}

static CUresult library_load(CUlibrary *library, const struct fe_image *image,
			     const struct load *load)
{
	CUlibrary made = NULL;
	struct fe_jit jit;
	CUresult result;

	result = fe_jit_open(&jit, load->jit_count, load->jit_options, load->jit_values);
	if (!result) {
		result = fe_library_load(&made, image, &jit, load_preserves(load));
		fe_jit_write_back(&jit, load->jit_values);
	}
	fe_jit_close(&jit);
	if (!result)
		*library = made;
	return result;
}

/* Loads the image if it was found, and frees it in any case. */
static CUresult library_load_found(CUlibrary *library, CUresult found, struct fe_image *image,
				   const struct load *load)
{
	CUresult result = found ? found : library_load(library, image, load);

	fe_image_free(image);
	return result;
}

/* The driver's prototypes. */
/* NOLINTBEGIN(readability-non-const-parameter) */
CUresult fe_cuLibraryLoadData(CUlibrary *library, const void *code, CUjit_option *jitOptions,
			      void **jitOptionsValues, unsigned int numJitOptions,
			      CUlibraryOption *libraryOptions, void **libraryOptionValues,
			      unsigned int numLibraryOptions)
{
	struct load load = {numJitOptions, jitOptions, jitOptionsValues, numLibraryOptions,
			    libraryOptions};
	struct fe_image image = FE_IMAGE_NONE;
	CUresult result = load_check(library, &load);

	(void)libraryOptionValues;
	if (!result)
		result = fe_image_find(code, &image);
	return library_load_found(library, result, &image, &load);
}

CUresult fe_cuLibraryLoadFromFile(CUlibrary *library, const char *fileName,
				  CUjit_option *jitOptions, void **jitOptionsValues,
				  unsigned int numJitOptions, CUlibraryOption *libraryOptions,
				  void **libraryOptionValues, unsigned int numLibraryOptions)
{
	struct load load = {numJitOptions, jitOptions, jitOptionsValues, numLibraryOptions,
			    libraryOptions};
	struct fe_image image = FE_IMAGE_NONE;
	CUresult result;

	(void)libraryOptionValues;
	if (!library || !fileName || !*fileName)
		return CUDA_ERROR_INVALID_VALUE;
	result = fe_jit_check(numJitOptions, jitOptions, jitOptionsValues);
	if (!result)
		result = fe_image_read_module(fileName, &image);
	if (!result)
		result = load_check(library, &load);
	return library_load_found(library, result, &image, &load);
}
/* NOLINTEND(readability-non-const-parameter) */

CUresult fe_cuLibraryGetUnifiedFunction(void **fptr, CUlibrary library, const char *symbol)
{
	if (!fptr || !symbol)
		return CUDA_ERROR_INVALID_VALUE;
	return rpc_vgLibraryUnified(library, symbol);
}
