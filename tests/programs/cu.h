/* SPDX-License-Identifier: MIT */
/*
 * The CUDA driver API for the test programs: the toolkit's own cuda.h where there is one, since that
 * is what real programs are compiled with, otherwise the project's declarations of the same calls.
 */
#ifndef TESTS_PROGRAMS_CU_H
#define TESTS_PROGRAMS_CU_H

#ifdef HAVE_CUDA_H
#include <cuda.h>
#else
#include "protocol/cuda_types.h"
#include "protocol/cuda_proto.h"
#endif

#endif
