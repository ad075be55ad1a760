/* SPDX-License-Identifier: MIT */
/*
 * What this session offers to the other processes of its guest, and has opened of theirs. Any thread.
 */
#ifndef EX_IPC_H
#define EX_IPC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/cuda_types.h"
#include "protocol/offer.h"

struct ex_call;
struct ex_session;
struct ex_span;
struct ex_taken;

struct ex_ipc {
	pthread_mutex_t lock;       /* of opening and closing */
	atomic_uint made;           /* by kind, a bit: something has been offered */
	pthread_mutex_t taken_lock; /* of `taken`; may be taken with the ranges' lock held */
	struct ex_taken *taken;     /* allocations of others' pools (pool_share.c); owned */
};

void ex_ipc_init(struct ex_session *session);
void ex_ipc_dispose(struct ex_session *session);

/* Whether there is anybody to offer to: the vGPUs have shared accounts. */
bool ex_ipc_can(struct ex_session *session);
/*
 * Offers something of a vGPU's: the token, as the 64 bytes that programs pass on. CUDA_ERROR_NOT_SUPPORTED:
 * there is nobody to offer it to.
 */
CUresult ex_ipc_offer(struct ex_session *session, unsigned int gpu, enum vg_offer_kind kind,
		      uint64_t object, uint64_t bytes, const void *data, size_t size, void *token);
/*
 * What a token stands for, of any of the session's vGPUs; this session is a taker of it (vg_offer_leave). Its
 * index is one over all of them.
 */
CUresult ex_ipc_take(struct ex_session *session, enum vg_offer_kind kind, const void *token,
		     struct vg_offer_taken *taken);
/*
 * Offers a descriptor of the driver's, which stays here, the session's from now on, until another executor
 * fetches it (handover.h). What is offered already has its token again.
 */
CUresult ex_ipc_offer_fd(struct ex_session *session, unsigned int gpu, enum vg_offer_kind kind,
			 uint64_t object, uint64_t bytes, int fd, void *token);
/* Fetches one that was taken by that token. The caller's, or negative: its owner does not give it. */
int ex_ipc_fetch_fd(const struct vg_offer_taken *taken, const void *token);
/* The random bytes in the 64 that programs have. */
const uint8_t *ex_ipc_token(const void *token);
bool ex_ipc_offered(struct ex_session *session, enum vg_offer_kind kind, uint64_t object);
/* The vGPU of an index. */
unsigned int ex_ipc_gpu(unsigned int index);
/* Not a taker any more. */
void ex_ipc_leave(struct ex_session *session, unsigned int index);
/* It ends, before its bytes are given back to the account. */
void ex_ipc_withdraw(struct ex_session *session, enum vg_offer_kind kind, uint64_t object);
/* A range of kind EX_RANGE_FOREIGN has gone. */
void ex_ipc_left(struct ex_session *session, const struct ex_span *span);

#endif
