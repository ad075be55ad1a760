/* SPDX-License-Identifier: MIT */
/*
 * Memory and events for other processes. What is handed out says where this process listens (a socket
 * without a file, so that nothing stays behind) and what for; whoever asks there, as the same
 * user, gets the descriptor of the memory.
 */
#ifndef SOFT_IPC_H
#define SOFT_IPC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"

struct soft_context;

/* An event that several processes record and wait for, in memory that they share. */
struct event_shared {
	_Atomic uint64_t queued; /* how often it was recorded */
	_Atomic uint64_t done;   /* how many of those have run */
};

/* A new one and its descriptor; NULL. */
struct event_shared *event_shared_new(int *fd);
/* One that another process has made. peer: ends when that process does. */
struct event_shared *event_shared_open(const CUipcEventHandle *handle, int *fd, int *peer);
void event_shared_free(struct event_shared *shared, int fd, int peer); /* NULL is fine */
/* Let others open it; id is unique in this process. */
CUresult event_shared_offer(uint64_t id, int fd, CUipcEventHandle *handle);
void event_shared_withdraw(uint64_t id);

/* Another record; what is to be reported when it has run. */
uint64_t event_shared_record(struct event_shared *shared);
void event_shared_ran(struct event_shared *shared, uint64_t record);
/* The record has run, or never will since its process has ended. */
bool event_shared_passed(struct event_shared *shared, uint64_t record, int peer);
void event_shared_wait(struct event_shared *shared, uint64_t record, int peer);

/* Pools (pool_share.c). A place fills CU_IPC_HANDLE_SIZE bytes; owner: 16 bytes that name a process. */
CUresult ipc_pool_place(uint64_t pool, void *place);
bool ipc_pool_read(const void *place, uint8_t *owner, uint64_t *pool);
CUresult ipc_pointer_place(uint64_t base, uint64_t id, uint64_t pool, void *place);
/* Maps it as RANGE_POOLED. CUDA_ERROR_INVALID_VALUE unless it is memory of that pool. */
CUresult ipc_pointer_map(struct soft_context *ctx, const void *place, const uint8_t *owner,
			 uint64_t pool, CUdeviceptr *out);

#endif
