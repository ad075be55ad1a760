/* SPDX-License-Identifier: MIT */
/*
 * vgpu: the administrator's command in dom0. One process, one thread (libxenstore starts one of its own
 * only for watches, which are not used here), short-lived. Trusts dom0's xenstore nodes; what guests and
 * executors say is only printed, and cleaned before.
 */
#ifndef VGPU_H
#define VGPU_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <xenstore.h>

#include "xenstore-schema/settings.h"
#include "xenstore-schema/store.h"

#define VGPU_SOCKET    "/run/vgpu/xen-vgpud.sock"
#define VGPU_DEVID_MAX 255u
#define VGPU_DOMID_MAX 32751u
#define VGPU_WAIT_MS   10000

/* Exit statuses. */
enum {
	VGPU_DONE = 0,
	VGPU_FAILED = 1,
	VGPU_USAGE = 2
};

struct vgpu {
	struct xs_handle *xs; /* owned; NULL until vgpu_xenstore() */
	const char *socket;
};

/* "vgpu: " and the message on standard error; returns VGPU_FAILED. */
int vgpu_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Opens xenstore once; false after a message. */
bool vgpu_xenstore(struct vgpu *vgpu);
uint64_t vgpu_now_ms(void);
void vgpu_sleep_ms(unsigned int ms);

/* --- domain.c -------------------------------------------------------------------------------- */

/* A domain by name or number. false after a message. */
bool vgpu_domain_find(struct vgpu *vgpu, const char *text, uint32_t *domid);
/* Its name; "?" when it has none. */
void vgpu_domain_name(struct vgpu *vgpu, uint32_t domid, char *name, size_t size);
bool vgpu_domain_exists(struct vgpu *vgpu, uint32_t domid);

/* --- tree.c ---------------------------------------------------------------------------------- */

/*
 * Writes the three trees of a device in one transaction. *devid: -1 takes the lowest free number.
 * 0, -EEXIST (this number is taken), -ENOENT (the domain has gone), or another negative errno.
 */
int vgpu_tree_add(struct vgpu *vgpu, uint32_t domid, int *devid,
		  const struct vg_settings_text *settings);
/* online=0 and state=5, in one transaction. -ENOENT: no such device. */
int vgpu_tree_close(struct vgpu *vgpu, uint32_t domid, uint32_t devid);
/* Removes what is left of the device. */
int vgpu_tree_remove(struct vgpu *vgpu, uint32_t domid, uint32_t devid);
bool vgpu_tree_exists(struct vgpu *vgpu, uint32_t domid, uint32_t devid);
/* XenbusState of the backend, 0 when there is none; its error, if any, into `error`. */
int vgpu_tree_state(struct vgpu *vgpu, uint32_t domid, uint32_t devid, char *error, size_t size);

/* --- request.c ------------------------------------------------------------------------------- */

/*
 * Asks xen-vgpud; takes ownership of `request` (NULL: an empty one). The answer, for the caller to
 * put; NULL: nobody answers (errno) or the answer was an error, which has been printed (errno 0).
 */
struct json_object *vgpu_request(struct vgpu *vgpu, const char *name, struct json_object *request);
bool vgpu_daemon_runs(struct vgpu *vgpu);

/* --- commands: arguments after the command's name -------------------------------------------- */

int vgpu_attach(struct vgpu *vgpu, int argc, char **argv);
int vgpu_detach(struct vgpu *vgpu, int argc, char **argv);
int vgpu_list(struct vgpu *vgpu, int argc, char **argv);
int vgpu_log_command(struct vgpu *vgpu, int argc, char **argv);

#endif
