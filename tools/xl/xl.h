/* SPDX-License-Identifier: MIT */
/*
 * xl with vGPUs: what the preload library does inside xl's process. One thread; xl's own calls come
 * in the order that create_domain() of xl has: the configuration is read, the domain is made, it
 * runs; when it reboots, the configuration is read again from what libxl has stored, the domain is
 * destroyed, and a new one is made. All of that is one process.
 *
 * Trusts the administrator's configuration (but says what is wrong in it) and dom0's xenstore nodes.
 */
#ifndef VGPU_XL_H
#define VGPU_XL_H

#include "tools/xl/specs.h"

/* libxl's, which are the same in every version. */
#define XL_ERROR_FAIL    (-3)
#define XL_ERROR_INVAL   (-6)
#define XL_INVALID_DOMID (~(uint32_t)0)

/* "xl: vgpu: " and the message on standard error, which of a daemon is its log file. */
void xl_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What xl was called with, each word with its NUL: some commands are treated differently. */
void xl_start(const char *words, size_t length);

/* --- guests.c: what this process knows of the domains that it has made ------------------------ */

/* What the next domain is to have. */
struct xl_specs *xl_next(void);
/* A configuration was read: xl_next() is what it says, and no domain's. */
void xl_next_from_config(struct xl_specs *specs);
/*
 * The stored configuration of a domain was read, to make it anew: if it is one of ours, xl_next() is
 * what it has now, or, if xenstore does not say, what it was made with.
 */
void xl_next_from_domain(uint32_t domid);
/* A domain was made with xl_next(). */
void xl_made(uint32_t domid);
/* Whether the next domain replaces one that this process has made. */
bool xl_next_is_again(void);

/* --- devices.c: libxenstore as xl's libxl has it ------------------------------------------------------------------------------------ */

/* A connection of its own, for the caller to close; NULL and errno. */
struct xs_handle *xl_xenstore(void);
/*
 * Whether the backends are there for the devices of a new domain, as far as that can be known now;
 * false after a message.
 */
bool xl_backends_ready(struct xl_specs *specs);
/*
 * Gives the domain its devices, before it runs, and waits for xen-vgpud to accept them. `again`: it
 * is a domain that reboots, and must not be lost because xen-vgpud happens not to run; it will pick
 * the devices up. false after a message: the domain has none of them.
 */
bool xl_devices_attach(struct xl_specs *specs, uint32_t domid, bool again);
/* Takes them all away, as before a soft reset; `had` gets what there was. */
void xl_devices_detach(uint32_t domid, struct xl_specs *had);
/* How many there are; 0 too when xenstore cannot be asked. The numbers in words, into `text`. */
int xl_devices_count(uint32_t domid, char *text, size_t size);

#endif
