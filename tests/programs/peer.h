/* SPDX-License-Identifier: MIT */
/*
 * For programs of two processes that talk over a socket: each side's messages and turns, descriptors, starts and
 * ends. One thread in each process. When the other has gone, the case `talk` fails and the process ends.
 */
#ifndef TESTS_PROGRAMS_PEER_H
#define TESTS_PROGRAMS_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

extern int peer_socket; /* to the other process */

/* A child that runs that with `own` as its socket and exits with what it returns; other: to be closed, or -1. */
pid_t peer_start(int (*run)(void), int own, int other);
bool peer_ended_well(pid_t pid);
/* One child for each, over a socket of that type (SOCK_...); the case `two-processes`. */
void peer_two(int type, int (*give)(void), int (*take)(void));

void peer_tell(const void *data, size_t size);
void peer_hear(void *data, size_t size);
void peer_turn_give(void);
void peer_turn_take(void);
/* A descriptor, with so many bytes beside it. */
void peer_fd_send(int fd, const void *data, size_t size);
int peer_fd_receive(void *data, size_t size);

#endif
