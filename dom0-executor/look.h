/* SPDX-License-Identifier: MIT */
/* LOOK of xen-vgpud's: how the session stands, for `vgpu verify` and `vgpu top`. */
#ifndef EX_LOOK_H
#define EX_LOOK_H

#include <stdbool.h>

struct ex_session;
struct vg_packet;

/*
 * Takes over what is wanted, with the descriptor that comes along, writes the lanes' state down and says LOOKED. False:
 * nobody may ask, since the guest's own process is at the other end. The main thread.
 */
bool ex_look_answer(struct ex_session *session, struct vg_packet *request);

#endif
