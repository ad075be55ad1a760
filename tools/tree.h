/* SPDX-License-Identifier: MIT */
/*
 * The devices of a domain in xenstore, as a toolstack writes and removes them. Shared by vgpu and by
 * xl's preload library, which finds libxenstore's functions in the process that it is loaded into:
 * nothing but libc and those is needed here. Trusts dom0's nodes.
 */
#ifndef VGPU_TREE_H
#define VGPU_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xenstore.h>

#include "xenstore-schema/settings.h"
#include "xenstore-schema/store.h"

#define VGPU_SOCKET    "/run/vgpu/xen-vgpud.sock"
#define VGPU_DEVID_MAX 255u
#define VGPU_DOMID_MAX 32751u
#define VGPU_WAIT_MS   10000

struct vgpu_device {
	struct vg_place place;
	uint32_t backend; /* domid; what vgpu_tree_backends() makes of the place's */
	uint32_t number;  /* out: the devid that it got */
	struct vg_settings_text settings;
};

/*
 * Finds the backend of each device. 0, or a negative errno with a message in `why` (VG_SCHEMA_WHY
 * bytes): there is no such domain.
 */
int vgpu_tree_backends(struct xs_handle *xs, struct vgpu_device *devices, size_t count, char *why);
/*
 * Writes the three trees of each device, all in one transaction. 0, -EEXIST (a devid is taken),
 * -ENOENT (the domain has gone), -EINVAL (it would be its own backend), or another negative errno;
 * then nothing was written.
 */
int vgpu_tree_add(struct xs_handle *xs, uint32_t domid, struct vgpu_device *devices, size_t count);
/* online=0 and state=5, in one transaction. -ENOENT: no such device. */
int vgpu_tree_close(struct xs_handle *xs, uint32_t domid, uint32_t devid);
/* Removes what is left of the device. */
int vgpu_tree_remove(struct xs_handle *xs, uint32_t domid, uint32_t devid);
bool vgpu_tree_exists(struct xs_handle *xs, uint32_t domid, uint32_t devid);
/* XenbusState of the backend, 0 when there is none; its error, if any, into `error`. */
int vgpu_tree_state(struct xs_handle *xs, uint32_t domid, uint32_t devid, char *error, size_t size);
/*
 * Who serves a device: by the toolstack's record, or, of a device without one, the domain that we
 * run in.
 */
uint32_t vgpu_tree_backend(struct xs_handle *xs, uint32_t domid, uint32_t devid);
/* The domain that we run in. */
uint32_t vgpu_tree_self(struct xs_handle *xs);
/* false: it is being detached. A device whose backend's directory has gone counts as online. */
bool vgpu_tree_online(struct xs_handle *xs, uint32_t domid, uint32_t devid);
/* The toolstack's own record: the domain's devids, and what one was given. */
int vgpu_tree_list(struct xs_handle *xs, uint32_t domid, uint32_t *devids, size_t size);
int vgpu_tree_settings(struct xs_handle *xs, uint32_t domid, uint32_t devid,
		       struct vg_settings_text *text);

/* --- name.c ----------------------------------------------------------------------------------- */

/* A domain's name, "?" when it has none; cleaned by the caller. */
void vgpu_name_of(struct xs_handle *xs, uint32_t domid, char *name, size_t size);
/* A domain by name or number: whether there is one, and its number. */
bool vgpu_name_find(struct xs_handle *xs, const char *text, uint32_t *domid);
bool vgpu_name_exists(struct xs_handle *xs, uint32_t domid);

/* --- wait.c: at most VGPU_WAIT_MS ------------------------------------------------------------- */

/*
 * Until xen-vgpud has accepted the device's settings. 0, -ECONNREFUSED (it refuses; why is in
 * `error`), -ENODEV (the device vanished), -ETIMEDOUT.
 */
int vgpu_tree_wait_accepted(struct xs_handle *xs, uint32_t domid, uint32_t devid, char *error,
			    size_t size);
/* Until the backend is closed or gone. 0, -ETIMEDOUT. */
int vgpu_tree_wait_closed(struct xs_handle *xs, uint32_t domid, uint32_t devid);

/* --- clock.c --------------------------------------------------------------------------------- */

uint64_t vgpu_now_ms(void);
void vgpu_sleep_ms(unsigned int ms);

/* --- socket.c -------------------------------------------------------------------------------- */

/* Where xen-vgpud listens: $VGPU_SOCKET, or the usual place. */
const char *vgpu_socket_path(void);
/* A connection to it; -1 and errno when nobody listens there. */
int vgpu_socket_connect(const char *path);
/* The same without waiting, and the connection does not wait either. EAGAIN: too many others do. */
int vgpu_socket_connect_now(const char *path);

#endif
