/* SPDX-License-Identifier: MIT */
/*
 * Executors that outlive their xen-vgpud: each listens on a socket whose name says whom it serves. The
 * next xen-vgpud finds them by these names, connects, and makes sessions of them.
 *
 * The folder is root's alone, so the names can be believed: an earlier xen-vgpud has made them. The
 * process is the one that listens, as the kernel says (SO_PEERCRED); it is held by a pidfd. What it
 * says about itself is checked where it matters (resume.c).
 */
#include "xen-backend/daemon.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define YOUNG_S     5
#define NAME_FORMAT "%u-%u-%u-%016" PRIx64

int be_adopt_open(struct be_daemon *daemon, char *why)
{
	const char *dir = daemon->config.session_dir;
	char parent[BE_SESSION_DIR_MAX];
	struct stat st;

	snprintf(parent, sizeof(parent), "%s", dir);
	mkdir(dirname(parent), 0755);
	if (mkdir(dir, 0700) && errno != EEXIST) {
		int rc = -errno;

		snprintf(why, BE_CONFIG_WHY, "cannot make the folder %s: %s", dir, strerror(-rc));
		return rc;
	}
	if (lstat(dir, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() ||
	    (st.st_mode & 077)) {
		snprintf(why, BE_CONFIG_WHY,
			 "%s must be a folder of root's with mode 0700: whoever could write into "
			 "it could pass for an executor",
			 dir);
		return -EPERM;
	}
	return 0;
}

static uint64_t device_print(uint64_t print, const struct be_device *device)
{
	const struct vg_settings *settings = &device->settings;
	char text[512];
	int length = snprintf(text, sizeof(text), "%u|%s|%s|%" PRIu64 "|%u|%u|%u;", device->devid,
			      settings->gpu, settings->driver, settings->mem, settings->max_lanes,
			      settings->max_lane_pages, settings->max_region_pages);

	for (int i = 0; i < length && i < (int)sizeof(text) - 1; i++)
		print = (print ^ (unsigned char)text[i]) * 1099511628211u;
	return print;
}

uint64_t be_settings_print(const struct be_session *session)
{
	uint64_t print = 14695981039346656037u; /* FNV-1a */

	for (unsigned int i = 0; i < session->seat_count; i++)
		print = device_print(print, session->seats[i].device);
	return print;
}

static void address_set(struct sockaddr_un *address, const char *path)
{
	_Static_assert(sizeof(address->sun_path) > BE_SESSION_PATH_MAX, "a path fits");
	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(address->sun_path, sizeof(address->sun_path), "%s", path);
}

int be_adopt_bind(struct be_session *session)
{
	const struct be_device *device = session->device;
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t old;
	int rc = 0;

	if (fd < 0)
		return -errno;
	session->settings_print = be_settings_print(session);
	snprintf(session->path, sizeof(session->path), "%s/" NAME_FORMAT,
		 device->daemon->config.session_dir, device->domid, device->devid, session->id,
		 session->settings_print);
	address_set(&address, session->path);
	old = umask(0177);
	/* No session has this number, so this is what is left of a dead one. */
	unlink(session->path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		rc = -errno;
	umask(old);
	if (rc) {
		session->path[0] = '\0';
		close(fd);
		return rc;
	}
	return fd;
}

/* --- finding --------------------------------------------------------------------------------- */

/* And over the dash behind it. What is not a number comes out as one that is written differently. */
static uint64_t number_take(const char **at, int base)
{
	char *rest;
	uint64_t value = strtoull(*at, &rest, base);

	*at = *rest == '-' ? rest + 1 : rest;
	return value;
}

static bool name_parse(const char *name, struct be_found *found)
{
	const char *at = name;
	char again[64];

	found->domid = (uint32_t)number_take(&at, 10);
	found->devid = (uint32_t)number_take(&at, 10);
	found->session = (uint32_t)number_take(&at, 10);
	found->settings_print = number_take(&at, 16);
	/* Exactly as it would be written. */
	snprintf(again, sizeof(again), NAME_FORMAT, found->domid, found->devid, found->session,
		 found->settings_print);
	return !strcmp(again, name) && found->domid <= BE_DOMID_MAX &&
	       found->devid <= BE_DEVID_MAX && found->session;
}

/* Files are closed before a process is reaped: who has not hung up is still the one with that pid. */
static bool hung_up(int sock)
{
	struct pollfd pfd = {.fd = sock};

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLHUP | POLLERR));
}

/* 0; -ECONNREFUSED: its process has gone; -EAGAIN: it cannot be asked now; other. */
static int found_connect(struct be_found *found)
{
	struct sockaddr_un address;
	struct ucred peer;
	socklen_t size = sizeof(peer);

	address_set(&address, found->path);
	found->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (found->sock < 0)
		return -errno;
	if (connect(found->sock, (struct sockaddr *)&address, sizeof(address)) ||
	    getsockopt(found->sock, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return -errno;
	found->pid = peer.pid;
	found->pidfd = pidfd_open(peer.pid, 0);
	if (found->pidfd < 0)
		return errno == ESRCH ? -ECONNREFUSED : -errno;
	return hung_up(found->sock) ? -ECONNREFUSED : 0;
}

static bool session_known(const struct be_daemon *daemon, const char *path)
{
	for (const struct be_device *d = daemon->devices; d; d = d->next)
		for (const struct be_session *s = d->sessions; s; s = s->next)
			if (!strcmp(s->path, path))
				return true;
	return false;
}

/* Its xen-vgpud was killed as it started it: it may be about to listen. */
static bool is_young(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && time(NULL) - st.st_mtime < YOUNG_S;
}

static void found_adopt(struct be_daemon *daemon, struct be_found *found)
{
	struct be_device *device = NULL;
	int rc = found_connect(found);

	if (!rc)
		device = be_devices_get(daemon, found->domid, found->devid);
	if (!rc && device && be_session_adopt(device, found))
		return;
	if (found->sock >= 0)
		close(found->sock);
	if (found->pidfd >= 0)
		close(found->pidfd);
	if (rc == -ECONNREFUSED && !is_young(found->path)) {
		unlink(found->path);
		return;
	}
	daemon->adopt_again = true;
	vg_warn(&daemon->who, "event=adopt-later socket=\"%s\" errno=%d", found->path, -rc);
}

void be_adopt_scan(struct be_daemon *daemon)
{
	const char *dir = daemon->config.session_dir;
	DIR *handle = opendir(dir);
	const struct dirent *entry;

	daemon->adopt_again = false;
	if (!handle)
		return;
	while ((entry = readdir(handle)) != NULL) {
		struct be_found found = {.sock = -1, .pidfd = -1};

		if (entry->d_name[0] == '.')
			continue;
		if (!name_parse(entry->d_name, &found)) {
			vg_warn(&daemon->who, "event=strange-file folder=\"%s\" name=\"%.60s\"",
				dir, entry->d_name);
			continue;
		}
		snprintf(found.path, sizeof(found.path), "%s/%.55s", dir, entry->d_name);
		if (!session_known(daemon, found.path))
			found_adopt(daemon, &found);
	}
	closedir(handle);
}

/* --- what they hand over -------------------------------------------------------------------------------- */

bool be_adopt_sealed(int fd, size_t bytes)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st;

	/* Ordinary pages that cannot go away. */
	return seals >= 0 && (seals & F_SEAL_SHRINK) && !fstatfs(fd, &fs) &&
	       fs.f_type == TMPFS_MAGIC && !fstat(fd, &st) && st.st_size >= (off_t)bytes;
}

struct vg_stats *be_stats_adopt(int fd)
{
	void *map;

	if (!be_adopt_sealed(fd, sizeof(struct vg_counters)))
		return NULL;
	map = mmap(NULL, sizeof(struct vg_counters), PROT_READ, MAP_SHARED, fd, 0);
	return map == MAP_FAILED ? NULL : map;
}
