/* SPDX-License-Identifier: MIT */
/*
 * A driver that believes its caller in nothing: device memory is real memory, so that an address which
 * the executor lets through without right is found by AddressSanitizer, and objects are tagged, so that
 * one of the wrong type, or a dead one, aborts the test.
 */
#ifndef FAKE_DRIVER_H
#define FAKE_DRIVER_H

#include <stdint.h>

/* Fills ex_driver. Every `failing`th call of a function answers an error; 0: none does. */
void fake_driver_install(unsigned int failing);
/* Frees what is left. */
void fake_driver_reset(void);
/* Calls seen so far. */
unsigned long fake_driver_calls(void);
/* Allocations alive, for tests that want an address. */
uint64_t fake_driver_address(unsigned int which);

#endif
