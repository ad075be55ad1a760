/* SPDX-License-Identifier: MIT */
/* Exported names of the driver behind which there is nothing. */
#ifndef FE_REFUSE_H
#define FE_REFUSE_H

#include "protocol/cuda_types.h"

/* Logs the name once and answers CUDA_ERROR_NOT_SUPPORTED. */
CUresult fe_refuse(const char *symbol);
/* The driver's own answer to everything, once there is a session. */
CUresult fe_answer(const char *symbol, CUresult answer);

#endif
