/* SPDX-License-Identifier: MIT */
/*
 * What the parts of a session's life share: session.c starts executors and carries requests, resume.c
 * takes over those of an earlier xen-vgpud, ending.c ends them.
 */
#ifndef BE_SESSION_H
#define BE_SESSION_H

#include "xen-backend/daemon.h"

struct vg_packet;

/* Not yet in the device's list. NULL: out of memory. */
struct be_session *be_session_new(struct be_device *device, uint32_t id);
void be_session_add(struct be_session *session);
/* What the guest says about itself, for logs and lists. */
void be_session_introduce(struct be_session *session, uint32_t pid, uint32_t uid, const char *comm);
/* An answer to the guest's request of that tag; text may be NULL. */
void be_session_answer(struct be_session *session, uint32_t tag, int32_t status, const char *text);
/* The request that the executor owes an answer to; with `used` false a free place for one. */
struct be_request *be_session_find(struct be_session *session, bool used, uint32_t tag);
/* The executor's answer to ADOPT has come. */
void be_session_adopted(struct be_session *session, struct vg_packet *packet);

#endif
