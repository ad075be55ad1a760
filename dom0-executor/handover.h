/* SPDX-License-Identifier: MIT */
/*
 * Descriptors of the driver's that executors of one vGPU fetch from each other: memory by cuMemCreate.
 * An executor that has some listens on a socket without a file; who knows the 16 random bytes of
 * an offer (protocol/offer.h), and is of the same user, is given its descriptor. Any thread.
 */
#ifndef EX_HANDOVER_H
#define EX_HANDOVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/offer.h"

#define EX_HANDOVER_NAME 16u

struct ex_handed;

struct ex_handover {
	pthread_mutex_t lock;
	int listener; /* -1: nothing has been handed over yet */
	pthread_t thread;
	uint8_t name[EX_HANDOVER_NAME]; /* of the socket */
	struct ex_handed *list;         /* owned */
};

void ex_handover_init(struct ex_handover *handover);
void ex_handover_dispose(struct ex_handover *handover);

/* Listens, if it does not yet; where, is what others are to be told. False: it cannot. */
bool ex_handover_open(struct ex_handover *handover, uint8_t *name);
/* Gives fd to whoever asks with that token; takes fd over. object: for ex_handover_drop. */
bool ex_handover_add(struct ex_handover *handover, const uint8_t *token, uint64_t object, int fd);
void ex_handover_drop(struct ex_handover *handover, uint64_t object);
/* Another executor's: the descriptor, or -1. */
int ex_handover_fetch(const uint8_t *name, const uint8_t *token);

#endif
