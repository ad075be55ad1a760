/* SPDX-License-Identifier: MIT */
/* See listen.h. */
#include "xen-backend/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "xenstore-schema/schema.h"

#define BACKLOG 8

static int unix_parse(const char *path, struct be_listen *place)
{
	struct sockaddr_un *address = (struct sockaddr_un *)&place->address;

	if (*path != '/' || strlen(path) >= sizeof(address->sun_path))
		return -EINVAL;
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, strlen(path) + 1);
	place->size = sizeof(*address);
	return 0;
}

static int ip4_parse(const char *host, uint16_t port, struct be_listen *place)
{
	struct sockaddr_in *address = (struct sockaddr_in *)&place->address;

	if (inet_pton(AF_INET, host, &address->sin_addr) != 1 ||
	    ntohl(address->sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
		return -EINVAL;
	address->sin_family = AF_INET;
	address->sin_port = htons(port);
	place->size = sizeof(*address);
	return 0;
}

static int ip6_parse(const char *host, uint16_t port, struct be_listen *place)
{
	struct sockaddr_in6 *address = (struct sockaddr_in6 *)&place->address;

	if (inet_pton(AF_INET6, host, &address->sin6_addr) != 1 ||
	    !IN6_IS_ADDR_LOOPBACK(&address->sin6_addr))
		return -EINVAL;
	address->sin6_family = AF_INET6;
	address->sin6_port = htons(port);
	place->size = sizeof(*address);
	return 0;
}

/* HOST:PORT, or [HOST]:PORT for one with colons of its own. */
static int port_parse(const char *text, struct be_listen *place)
{
	const char *colon = strrchr(text, ':');
	char host[INET6_ADDRSTRLEN + 2];
	size_t length = colon ? (size_t)(colon - text) : 0;
	uint64_t port;

	if (!length || length >= sizeof(host) || !vg_parse_uint(colon + 1, &port) || !port ||
	    port > UINT16_MAX)
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	if (*host != '[')
		return ip4_parse(host, (uint16_t)port, place);
	if (host[length - 1] != ']')
		return -EINVAL;
	host[length - 1] = '\0';
	return ip6_parse(host + 1, (uint16_t)port, place);
}

int be_listen_parse(const char *text, struct be_listen *place)
{
	memset(place, 0, sizeof(*place));
	if (!strcmp(text, "off")) {
		place->off = true;
		return 0;
	}
	if (!strncmp(text, "unix:", 5))
		return unix_parse(text + 5, place);
	return port_parse(text, place);
}

/* -EADDRINUSE: somebody answers there. -EEXIST: it is no socket. */
static int path_claim(const struct be_listen *place)
{
	const char *path = ((const struct sockaddr_un *)&place->address)->sun_path;
	struct stat st;
	int fd, taken;

	if (lstat(path, &st))
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	taken = !connect(fd, (const struct sockaddr *)&place->address, place->size) ||
		errno == EAGAIN;
	close(fd);
	if (taken)
		return -EADDRINUSE;
	return unlink(path) ? -errno : 0;
}

static int path_bind(int fd, const struct be_listen *place, const char *group)
{
	const struct group *entry = *group ? getgrnam(group) : NULL;
	gid_t before = (gid_t)-1;
	int rc = path_claim(place);
	mode_t old;

	if (rc)
		return rc;
	if (*group && !entry)
		return -ESRCH;
	old = umask(entry ? 0117 : 0177);
	/* It is made the group's: to give it away later would take a capability that the unit has not. */
	if (entry)
		before = (gid_t)setfsgid(entry->gr_gid);
	if (entry && (gid_t)setfsgid((gid_t)-1) != entry->gr_gid)
		rc = -EPERM;
	else if (bind(fd, (const struct sockaddr *)&place->address, place->size))
		rc = -errno;
	if (entry)
		setfsgid(before);
	umask(old);
	return rc;
}

int be_listen_open(const struct be_listen *place, const char *group)
{
	int family = place->address.ss_family, on = 1, rc;
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	if (family == AF_UNIX) {
		rc = path_bind(fd, place, group);
	} else {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		rc = bind(fd, (const struct sockaddr *)&place->address, place->size) ? -errno : 0;
	}
	if (!rc && listen(fd, BACKLOG))
		rc = -errno;
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

void be_listen_remove(const struct be_listen *place)
{
	if (!place->off && place->address.ss_family == AF_UNIX)
		unlink(((const struct sockaddr_un *)&place->address)->sun_path);
}
