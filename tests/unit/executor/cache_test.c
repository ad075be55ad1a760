/* SPDX-License-Identifier: MIT */
/* The driver's compute cache: a file system that only its executor sees, bounded, and no rights left over from making it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dom0-executor/cache.h"

#define BYTES (1024u * 1024)

enum outcome {
	FINE,
	NO_CACHE,
	CANNOT_OPEN,
	WRONG_PLACE,
	CANNOT_WRITE,
	UNBOUNDED,
	HAS_RIGHTS
};

static struct vg_log_who who;

static bool writes(const char *path, size_t bytes)
{
	char block[4096] = {1};
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool all = fd >= 0;

	for (size_t at = 0; all && at < bytes; at += sizeof(block))
		all = write(fd, block, sizeof(block)) == (ssize_t)sizeof(block);
	if (fd >= 0)
		close(fd);
	return all;
}

static bool has_rights(void)
{
	char line[128];
	bool any = false;
	FILE *status = fopen("/proc/self/status", "re");

	if (!status)
		return true;
	while (fgets(line, sizeof(line), status))
		any |= !strncmp(line, "Cap", 3) && strtoull(line + strcspn(line, "\t"), NULL, 16);
	fclose(status);
	return any;
}

/* In a process of its own, since it is for good. */
static enum outcome cache_look(uint64_t bytes)
{
	const char *place;
	struct statfs fs;
	char path[256];

	if (ex_cache_open(bytes, &who))
		return CANNOT_OPEN;
	if (has_rights() && bytes)
		return HAS_RIGHTS;
	place = getenv("CUDA_CACHE_PATH");
	if (getenv("CUDA_CACHE_DISABLE"))
		return NO_CACHE;
	if (!place || statfs(place, &fs) || fs.f_type != TMPFS_MAGIC ||
	    !getenv("CUDA_CACHE_MAXSIZE"))
		return WRONG_PLACE;
	snprintf(path, sizeof(path), "%s/vgpu-cache-test", place);
	if (!writes(path, 4096) || access(path, F_OK))
		return CANNOT_WRITE;
	return writes(path, 2 * (size_t)bytes) ? UNBOUNDED : FINE;
}

static enum outcome in_child(uint64_t bytes)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0)
		_exit((int)cache_look(bytes));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return (enum outcome)WEXITSTATUS(status);
}

static void one_of_its_own(void **state)
{
	enum outcome outcome = in_child(BYTES);

	(void)state;
	/* Where the kernel gives no user namespace to those who are nobody. */
	if (outcome == NO_CACHE)
		skip();
	assert_int_equal(outcome, FINE);
	assert_int_not_equal(access("/media/vgpu-cache-test", F_OK), 0);
}

static void none_where_none_is_wanted(void **state)
{
	(void)state;
	assert_int_equal(in_child(0), NO_CACHE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_of_its_own),
		cmocka_unit_test(none_where_none_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
