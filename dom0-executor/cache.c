/* SPDX-License-Identifier: MIT */
/*
 * The driver's compute cache: see cache.h. A user namespace of our own gives the right to mount, a mount namespace of
 * our own keeps what is mounted to us; the rights are given up again at once.
 */
#include "dom0-executor/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Every system has it, and no driver lies there. */
#define PLACE "/media"

/* The cache removes files of its own accord before it grows beyond this part of the place. */
#define PART(bytes) ((bytes) / 8 * 7)

static int file_write(const char *path, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int file_write(const char *path, const char *format, ...)
{
	char text[64];
	va_list args;
	int fd, rc;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* The same user and group, inside as outside. */
static int namespaces_enter(void)
{
	unsigned int uid = geteuid(), gid = getegid();
	int rc;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -errno;
	rc = file_write("/proc/self/setgroups", "deny");
	if (!rc)
		rc = file_write("/proc/self/uid_map", "%u %u 1", uid, uid);
	if (!rc)
		rc = file_write("/proc/self/gid_map", "%u %u 1", gid, gid);
	return rc;
}

static int place_mount(uint64_t bytes)
{
	char options[96];

	snprintf(options, sizeof(options), "size=%" PRIu64 ",nr_inodes=16384,mode=0700", bytes);
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("vgpu-cache", PLACE, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options))
		return -errno;
	return 0;
}

/* Whoever makes a user namespace has all capabilities in it. */
static int capabilities_drop(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	for (unsigned long cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0); /* EINVAL: beyond what the kernel knows */
	return syscall(SYS_capset, &head, none) ? -errno : 0;
}

static int environment_set(uint64_t bytes)
{
	char size[24];

	snprintf(size, sizeof(size), "%" PRIu64, PART(bytes));
	if (setenv("CUDA_CACHE_PATH", PLACE, 1) || setenv("CUDA_CACHE_MAXSIZE", size, 1) ||
	    unsetenv("CUDA_CACHE_DISABLE"))
		return -errno;
	return 0;
}

static int cache_mount(uint64_t bytes)
{
	int rc = namespaces_enter();

	return rc ? rc : place_mount(bytes);
}

int ex_cache_open(uint64_t bytes, const struct vg_log_who *who)
{
	int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
	int rc, dropped;

	if (setenv("CUDA_CACHE_DISABLE", "1", 1))
		return -errno;
	if (!bytes)
		return 0;
	/* The maps are ours to write only then; a change of the user has ended it. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	rc = cache_mount(bytes);
	prctl(PR_SET_DUMPABLE, dumpable, 0, 0, 0);
	dropped = capabilities_drop();
	if (dropped)
		return dropped;
	if (rc) {
		vg_info(who,
			"event=no-cache error=\"%s\" effect=\"the driver finishes code anew at each "
			"load\"",
			strerror(-rc));
		return 0;
	}
	return environment_set(bytes);
}
