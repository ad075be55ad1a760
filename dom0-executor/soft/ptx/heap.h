/* SPDX-License-Identifier: MIT */
/* malloc and free of kernels, where the host gives no callbacks. */
#ifndef SOFT_PTX_HEAP_H
#define SOFT_PTX_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ptx_heap;

/* The process's heap, with its limit set anew (0: 8 MiB). */
struct ptx_heap *ptx_heap_get(uint64_t limit);
void *ptx_heap_alloc(struct ptx_heap *heap, uint64_t bytes); /* NULL: the limit or no memory */
bool ptx_heap_free(struct ptx_heap *heap, void *address);    /* false: not from here */

#endif
