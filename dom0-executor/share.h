/* SPDX-License-Identifier: MIT */
/* The messages SHARE and UNSHARE. For session.c, the main thread's. */
#ifndef EX_SHARE_H
#define EX_SHARE_H

#include "dom0-executor/session.h"

/* Each answers its message; UNSHARE of a lane when that lane has run what was in its ring. */
void ex_session_share(struct ex_session *session, struct vg_packet *packet);
void ex_session_unshare(struct ex_session *session, const struct vg_packet *packet);
/* Ends the lanes that have run out after an UNSHARE, and answers it. */
void ex_lanes_reap(struct ex_session *session);
void ex_region_close(struct ex_session *session, struct ex_region *region);

/* session.c: answers a request; refusals are logged. */
void ex_session_answer(struct ex_session *session, uint32_t tag, int status, const char *text);

#endif
