/* SPDX-License-Identifier: MIT */
/*
 * Control messages over a SOCK_SEQPACKET UNIX socket, with descriptors.
 */
#ifndef VG_SOCKET_H
#define VG_SOCKET_H

#include "protocol/control.h"

/* A message and the descriptors that came or go with it; unused ones are -1. */
struct vg_packet {
	struct vg_control msg;
	int fds[VG_CONTROL_FDS_MAX];
};

void vg_packet_init(struct vg_packet *packet, uint32_t type, uint32_t tag);
void vg_packet_close_fds(struct vg_packet *packet);

/* Sends; does not take ownership of the descriptors. 0 or a negative errno (-EPIPE: peer gone). */
int vg_packet_send(int sock, const struct vg_packet *packet);

/*
 * Receives one message; its descriptors belong to the caller. Waits up to timeout_ms (-1: for
 * ever). 0, -ETIMEDOUT, -EPIPE when the peer has gone, -EPROTO for a message of a wrong size,
 * or another negative errno. Strings are NUL-terminated in any case.
 */
int vg_packet_recv(int sock, struct vg_packet *packet, int timeout_ms);

#endif
