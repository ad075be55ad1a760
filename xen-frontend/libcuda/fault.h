/* SPDX-License-Identifier: MIT */
/*
 * Touches of pages that this library has protected: managed memory whose newest bytes are on the device,
 * and memory that is just being registered. The program's thread is held in the handler of SIGSEGV while a
 * thread of ours brings what it wants; other faults are passed on to whoever had the signal before.
 *
 * A thread of ours, because the program's may be in the middle of anything, on a small signal stack.
 */
#ifndef FE_FAULT_H
#define FE_FAULT_H

#include <stdbool.h>
#include <stdint.h>

/* Sees to it that faults come here; again whenever the program may have put a handler of its own in
 * our place. 0 or a negative errno. */
int fe_fault_watch(void);
/* Widens the addresses whose faults may be ours. */
void fe_fault_cover(uint64_t address, uint64_t bytes);

/*
 * While [address, address + bytes) is exchanged, whoever touches it waits until it has been. One
 * area at a time: begin waits for the one before.
 */
void fe_fault_hold(uint64_t address, uint64_t bytes);
void fe_fault_release(void);

/* This thread runs a function of the program's that a stream waits for (callback.c). */
extern __thread bool fe_in_callback __attribute__((tls_model("initial-exec")));

/* In a child after fork. */
void fe_fault_reset(void);

#endif
