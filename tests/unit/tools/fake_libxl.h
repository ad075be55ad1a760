/* SPDX-License-Identifier: MIT */
/*
 * libxl and libxlutil for tests, as much of them as xl's preload library meets, on top of a xenstore in
 * memory; and an xen-vgpud that accepts each device at once, or refuses gpu=9.
 */
#ifndef FAKE_LIBXL_H
#define FAKE_LIBXL_H

#include <stdbool.h>
#include <stdint.h>

#define FAKE_ITEMS 8

struct XLU_Config {
	int read_rc; /* of xlu_cfg_readdata */
	int list_rc; /* of xlu_cfg_get_list; ESRCH: there is no such key */
	const char *items[FAKE_ITEMS];
	int count;
};

struct fake_libxl {
	uint32_t next_domid;
	uint32_t backend; /* the domain that xen-vgpud runs in */
	int create_rc, retrieve_rc;
	int created, restored, resets, destroyed, suspended, remus;
	bool devices_at_reset; /* there still were some when the domain was reset */
};

extern struct fake_libxl fake_libxl;

void fake_libxl_reset(void);
/* How many nodes there are below the device's directory in xen-vgpud's tree, and the value of one. */
const char *fake_libxl_device(uint32_t domid, uint32_t devid, const char *key);
/* What xen-vgpud does when it sees a new device. */
void fake_vgpud_look(void);
/* The domain has ended and its nodes are gone. */
void fake_libxl_domain_gone(uint32_t domid);

#endif
