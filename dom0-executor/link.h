/* SPDX-License-Identifier: MIT */
/*
 * A link under way (cuLink*): the driver's state and the buffers that it keeps writing logs to, which
 * must live as long as it does. What a CUlinkState handle stands for here.
 */
#ifndef EX_LINK_H
#define EX_LINK_H

#include "dom0-executor/session.h"

/* The link's handle has gone: frees it unless another lane still uses it; then that one does. */
void ex_link_forget(struct ex_session *session, void *real);

#endif
