/* SPDX-License-Identifier: MIT */
/*
 * Grants and event channels without a hypervisor: memfds and eventfds behind grants.h.
 */
#ifndef FAKE_GRANTS_H
#define FAKE_GRANTS_H

#include <stdint.h>

void fake_grants_reset(void);
/* Pages that may be granted at a time. */
void fake_grants_limit(uint32_t pages);
/* Pages and ports that the broker holds. */
uint32_t fake_grants_pages(void);
uint32_t fake_grants_ports(void);
/* As the backend would map it; NULL when nothing is granted by that reference. */
const void *fake_grants_page(uint32_t ref);
uint32_t fake_grants_last_port(void);
/* Of the last unmap notification that was set. */
uint32_t fake_grants_notify_offset(void);

#endif
