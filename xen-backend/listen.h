/* SPDX-License-Identifier: MIT */
/*
 * Where the metrics may be asked for: a socket in a folder, or a port of this machine's own addresses,
 * which other machines do not reach. There is no word for any other place.
 */
#ifndef BE_LISTEN_H
#define BE_LISTEN_H

#include <stdbool.h>
#include <sys/socket.h>

#define BE_LISTEN_ALLOWED "off, unix:/PATH, 127.0.0.1:PORT or [::1]:PORT"

struct be_listen {
	bool off;
	struct sockaddr_storage address;
	socklen_t size;
};

/* 0 or -EINVAL. */
int be_listen_parse(const char *text, struct be_listen *place);
/*
 * A socket that listens there, which does not block. One of a folder is for root only (mode 0600), or with
 * `group`, where that is not empty, for its members too (0660). What is left there of a dead process is
 * replaced. Or a negative errno.
 */
int be_listen_open(const struct be_listen *place, const char *group);
/* Removes what was made in a folder. */
void be_listen_remove(const struct be_listen *place);

#endif
