/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor behind link.h, without one: pages by reference, event channels by port.
 */
#ifndef FAKE_LINK_H
#define FAKE_LINK_H

#include <stdint.h>

#include "protocol/control.h"

void fake_link_reset(void);
/* The guest grants a zeroed page under this reference, made ready as a frontend does. */
struct vg_control_ring *fake_link_page(uint32_t ref);
/* The guest rings. */
void fake_link_ring(void);
/* How often the backend has rung, mapped pages and bound ports. */
unsigned int fake_link_rung(void);
int fake_link_mapped(void);
int fake_link_bound(void);
/* Is the port masked: taken and not yet unmasked? */
int fake_link_masked(void);

#endif
