/* SPDX-License-Identifier: MIT */
/* A process that is locked: its calls wait until it is unlocked. Any thread. */
#ifndef FE_CHECKPOINT_H
#define FE_CHECKPOINT_H

#include <stdatomic.h>
#include <stdbool.h>

extern atomic_bool fe_checkpoint_locked;

/* Waits while the process is locked and its session lasts. */
void fe_checkpoint_wait(void);
/* The session has ended: nobody is to wait any more. */
void fe_checkpoint_wake(void);
/* In a child after fork. One thread. */
void fe_checkpoint_reset(void);

#endif
