/* SPDX-License-Identifier: MIT */
/*
 * The socket that programs connect to: who may is decided by its group and mode.
 */
#ifndef FE_LISTENER_H
#define FE_LISTENER_H

#include "xen-frontend/frontd/broker.h"

/* The listening socket, or a negative errno after a log line that says what to do. */
int fe_listener_open(struct fe_broker *broker);
/* Whether there is room for another connection: while there is not, the socket is not to be polled. */
bool fe_listener_ready(const struct fe_broker *broker);
/* Takes what has connected. */
void fe_listener_accept(struct fe_broker *broker, int listener);
void fe_listener_close(struct fe_broker *broker, int listener);

#endif
