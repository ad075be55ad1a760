/* SPDX-License-Identifier: MIT */
/*
 * xen-vgpud's socket.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/tree.h"

const char *vgpu_socket_path(void)
{
	const char *path = getenv("VGPU_SOCKET");

	return path && *path ? path : VGPU_SOCKET;
}

static int socket_connect(const char *path, int flags)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int keep = errno;

		close(fd);
		errno = keep;
		return -1;
	}
	return fd;
}

int vgpu_socket_connect(const char *path)
{
	return socket_connect(path, 0);
}

int vgpu_socket_connect_now(const char *path)
{
	return socket_connect(path, SOCK_NONBLOCK);
}
