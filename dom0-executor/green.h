/* SPDX-License-Identifier: MIT */
/* The parts of devices that this session has been told of. Any thread. */
#ifndef EX_GREEN_H
#define EX_GREEN_H

#include <pthread.h>

#include "protocol/cuda_types.h"

#define EX_RESOURCES_MAX 512u

struct ex_resources {
	pthread_mutex_t lock;
	unsigned int count, next; /* filled; to be written next */
	CUdevResource told[EX_RESOURCES_MAX];
};

void ex_resources_init(struct ex_resources *resources);
void ex_resources_dispose(struct ex_resources *resources);

#endif
