/* SPDX-License-Identifier: MIT */
/*
 * vgpu: the administrator's command in dom0. One process, one thread (libxenstore starts one of its own
 * only for watches, which are not used here), short-lived. Trusts dom0's xenstore nodes; what guests and
 * executors say is only printed, and cleaned before.
 */
#ifndef VGPU_H
#define VGPU_H

#include <json-c/json.h>

#include "tools/tree.h"

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

/* --- domain.c -------------------------------------------------------------------------------- */

/* A domain by name or number. false after a message. */
bool vgpu_domain_find(struct vgpu *vgpu, const char *text, uint32_t *domid);
/* Its name; "?" when it has none. */
void vgpu_domain_name(struct vgpu *vgpu, uint32_t domid, char *name, size_t size);

/* --- request.c ------------------------------------------------------------------------------- */

/*
 * Asks xen-vgpud; takes ownership of `request` (NULL: an empty one). The answer, for the caller to
 * put; NULL: nobody answers (errno) or the answer was an error, which has been printed (errno 0).
 */
struct json_object *vgpu_request(struct vgpu *vgpu, const char *name, struct json_object *request);
/* The same on a connection that stays, with a descriptor for xen-vgpud (-1: none), which stays the caller's. */
struct json_object *vgpu_request_on(int connection, const char *name, struct json_object *request,
				    int given);
/*
 * Is this a daemon's word of success? If not, why, in `why`: its own text, cleaned. `answer` may be NULL,
 * and stays the caller's.
 */
bool vgpu_answer_good(struct json_object *answer, char *why, size_t size);
/* What every request has in it, added to `request` (NULL: to a new one), which it returns. */
struct json_object *vgpu_request_fill(const char *name, struct json_object *request);
bool vgpu_daemon_runs(struct vgpu *vgpu);

/* --- columns.c: devices as chosen columns, separated by commas ------------------------------- */

/* false after a message. */
bool vgpu_columns_check(const char *format);
/* A list's devices, as `vgpu list --json` has them; a format that was checked. */
void vgpu_columns_print(struct json_object *devices, const char *format);

/* --- commands: arguments after the command's name -------------------------------------------- */

int vgpu_attach(struct vgpu *vgpu, int argc, char **argv);
int vgpu_detach(struct vgpu *vgpu, int argc, char **argv);
int vgpu_list(struct vgpu *vgpu, int argc, char **argv);
int vgpu_top(struct vgpu *vgpu, int argc, char **argv);
int vgpu_verify_command(struct vgpu *vgpu, int argc, char **argv);
int vgpu_replay(struct vgpu *vgpu, int argc, char **argv);
int vgpu_log_command(struct vgpu *vgpu, int argc, char **argv);
int vgpu_trace_command(struct vgpu *vgpu, int argc, char **argv);

#endif
