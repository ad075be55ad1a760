/* SPDX-License-Identifier: MIT */
/* Exported names of the driver that this library does not carry. */
#ifndef FE_REFUSE_H
#define FE_REFUSE_H

#include "protocol/cuda_types.h"

/* Logs the name once and answers CUDA_ERROR_NOT_SUPPORTED. */
CUresult fe_refuse(const char *symbol);

#endif
