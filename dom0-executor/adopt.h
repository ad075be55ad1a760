/* SPDX-License-Identifier: MIT */
/*
 * Between two xen-vgpuds: lanes go on while nobody is at the control socket, and the next xen-vgpud
 * takes the session over by the socket that we listen on. The main thread.
 */
#ifndef EX_ADOPT_H
#define EX_ADOPT_H

#include "protocol/socket.h"

#include "dom0-executor/session.h"

/* The peer has gone. */
void ex_adopt_begin(struct ex_session *session);
/* For poll(): until when somebody must have come. -1: no limit. */
int ex_adopt_wait_ms(const struct ex_session *session);
/* Somebody has connected: it is the peer from now on, but must send ADOPT in time. */
void ex_adopt_accept(struct ex_session *session);
/* The answer to ADOPT; with its success the session is not alone any more. */
void ex_adopt_answer(struct ex_session *session, const struct vg_packet *request);
/* While alone: the session ends when the time is over, or when the guest's process has gone. */
void ex_adopt_check(struct ex_session *session);

#endif
