/* SPDX-License-Identifier: MIT */
/*
 * The compute cache's files: see jit_store.h. An entry is one file, which appears whole by rename, begins with
 * its size and SHA-256 and is named by its key. Its modification time is that of its last use: the oldest
 * go first. Folder and files must be the user's own: who else can write there could have the user's programs
 * run other code.
 */
#include "xen-frontend/libcuda/jit_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "protocol/wire.h"

#include "xen-frontend/libcuda/image_source.h"
#include "xen-frontend/libcuda/session.h"

/* As the driver has them (CUDA programming guide). */
#define SIZE_DEFAULT (1ull << 30)
#define SIZE_MAX_SET (4ull << 30)

#define MAGIC        "vgpujit1"
#define NEW          ".new-"
#define NEW_AGE      3600 /* seconds; a file that is still not whole was given up */

struct head {
	char magic[8];
	uint64_t size;
	uint8_t digest[VG_SHA256_SIZE];
};

struct entry {
	char name[2 * VG_SHA256_SIZE + 1];
	uint64_t size;
	struct timespec used;
};

struct entries {
	struct entry *at;
	size_t count, room;
	uint64_t bytes;
};

static pthread_once_t settings_once = PTHREAD_ONCE_INIT;
static char folder[PATH_MAX]; /* "": off */
static uint64_t size_max = SIZE_DEFAULT;

/* --- settings -------------------------------------------------------------------------------- */

static void size_read(void)
{
	const char *text = secure_getenv("CUDA_CACHE_MAXSIZE");
	unsigned long long value;
	char *end;

	if (!text || !*text)
		return;
	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || *text == '-')
		return;
	size_max = value < SIZE_MAX_SET ? value : SIZE_MAX_SET;
}

static void settings_read(void)
{
	const char *off = secure_getenv("CUDA_CACHE_DISABLE");
	const char *path = secure_getenv("CUDA_CACHE_PATH"), *home = secure_getenv("HOME");
	int n = 0;

	size_read();
	if ((off && strtol(off, NULL, 0)) || !size_max)
		return;
	if (path && *path)
		n = snprintf(folder, sizeof(folder), "%s/vgpu", path);
	else if (home && *home)
		n = snprintf(folder, sizeof(folder), "%s/.nv/ComputeCache/vgpu", home);
	if (n < 0 || (size_t)n >= sizeof(folder))
		folder[0] = '\0';
}

bool fe_jit_store_on(void)
{
	pthread_once(&settings_once, settings_read);
	return folder[0] != '\0';
}

/* --- the folder ------------------------------------------------------------------------------ */

static int folder_make(void)
{
	char path[PATH_MAX];

	memcpy(path, folder, sizeof(path));
	for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(path, 0700) && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(path, 0700) && errno != EEXIST ? -errno : 0;
}

/* A descriptor, or a negative errno; made first if asked for. */
static int folder_open(bool make)
{
	struct stat status;
	int fd, rc = make ? folder_make() : 0;

	if (rc)
		return rc;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!fstat(fd, &status) && status.st_uid == geteuid() &&
	    !(status.st_mode & (S_IWGRP | S_IWOTH)))
		return fd;
	close(fd);
	return -EPERM;
}

static void name_of(const struct fe_jit_key *key, char name[2 * VG_SHA256_SIZE + 1])
{
	for (size_t i = 0; i < sizeof(key->digest); i++)
		snprintf(name + 2 * i, 3, "%02x", key->digest[i]);
}

/* --- reading --------------------------------------------------------------------------------- */

static bool is_whole(const struct head *head, const void *data)
{
	uint8_t digest[VG_SHA256_SIZE];

	vg_sha256(data, head->size, digest);
	return !memcmp(digest, head->digest, sizeof(digest));
}

/* NULL: it is not an entry, or was damaged. */
static void *entry_read(int fd, size_t *size)
{
	struct stat status;
	struct head head;
	void *data;

	if (fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_uid != geteuid())
		return NULL;
	if (!fe_read_all(fd, &head, sizeof(head)) ||
	    memcmp(head.magic, MAGIC, sizeof(head.magic)) || !head.size ||
	    head.size > VG_BULK_WHOLE_MAX || (uint64_t)status.st_size != sizeof(head) + head.size)
		return NULL;
	data = malloc(head.size);
	if (data && fe_read_all(fd, data, head.size) && is_whole(&head, data)) {
		*size = head.size;
		return data;
	}
	free(data);
	return NULL;
}

void *fe_jit_store_get(const struct fe_jit_key *key, size_t *size)
{
	char name[2 * VG_SHA256_SIZE + 1];
	int fd, dir = folder_open(false);
	void *data = NULL;

	if (dir < 0)
		return NULL;
	name_of(key, name);
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0) {
		data = entry_read(fd, size);
		if (data) {
			(void)futimens(fd, NULL); /* used now */
		} else {
			(void)unlinkat(dir, name, 0);
			vg_info(&fe_who, "event=jit-cache result=damaged key=%.16s", name);
		}
		close(fd);
	}
	close(dir);
	return data;
}

void fe_jit_store_drop(const struct fe_jit_key *key)
{
	char name[2 * VG_SHA256_SIZE + 1];
	int dir = folder_open(false);

	if (dir < 0)
		return;
	name_of(key, name);
	(void)unlinkat(dir, name, 0);
	close(dir);
}

/* --- making room ----------------------------------------------------------------------------- */

static bool entries_add(struct entries *entries, const char *name, const struct stat *status)
{
	struct entry *entry;

	if (entries->count == entries->room) {
		size_t room = entries->room ? 2 * entries->room : 64;
		struct entry *grown = reallocarray(entries->at, room, sizeof(*grown));

		if (!grown)
			return false;
		entries->at = grown;
		entries->room = room;
	}
	entry = &entries->at[entries->count++];
	memcpy(entry->name, name, sizeof(entry->name));
	entry->size = (uint64_t)status->st_size;
	entry->used = status->st_mtim;
	entries->bytes += entry->size;
	return true;
}

/* Everything of ours in there; what was left half-made is taken away. */
static void entries_read(DIR *dir, struct entries *entries)
{
	time_t now = time(NULL);
	struct dirent *file;
	struct stat status;

	while ((file = readdir(dir))) {
		const char *name = file->d_name;

		if (fstatat(dirfd(dir), name, &status, AT_SYMLINK_NOFOLLOW) ||
		    !S_ISREG(status.st_mode))
			continue;
		if (strlen(name) == 2 * VG_SHA256_SIZE) {
			if (!entries_add(entries, name, &status))
				return;
		} else if (!strncmp(name, NEW, strlen(NEW)) && status.st_mtime < now - NEW_AGE) {
			(void)unlinkat(dirfd(dir), name, 0);
		}
	}
}

static int by_use(const void *a, const void *b)
{
	const struct timespec *x = &((const struct entry *)a)->used;
	const struct timespec *y = &((const struct entry *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

/* Other processes may do the same meanwhile: then there is more room than was needed. */
static void room_make(int folder_fd, uint64_t need)
{
	struct entries entries = {0};
	int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return;
	}
	entries_read(dir, &entries);
	if (entries.count && entries.bytes + need > size_max)
		qsort(entries.at, entries.count, sizeof(*entries.at), by_use);
	for (size_t i = 0; i < entries.count && entries.bytes + need > size_max; i++) {
		(void)unlinkat(fd, entries.at[i].name, 0);
		entries.bytes -= entries.at[i].size;
		vg_info(&fe_who, "event=jit-cache result=evicted key=%.16s", entries.at[i].name);
	}
	free(entries.at);
	closedir(dir);
}

/* --- writing --------------------------------------------------------------------------------- */

static bool write_all(int fd, const void *data, size_t size)
{
	const uint8_t *from = data;

	while (size) {
		ssize_t n = write(fd, from, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		from += n;
		size -= (size_t)n;
	}
	return true;
}

/* 0 or a negative errno. */
static int entry_write(int dir, const char *name, const void *data, size_t size)
{
	struct head head = {.magic = MAGIC, .size = size};
	char temporary[PATH_MAX + sizeof("/" NEW "XXXXXX")];
	int fd, rc = 0;

	vg_sha256(data, size, head.digest);
	snprintf(temporary, sizeof(temporary), "%s/" NEW "XXXXXX", folder);
	fd = mkostemp(temporary, O_CLOEXEC); /* mode 0600 */
	if (fd < 0)
		return -errno;
	if (!write_all(fd, &head, sizeof(head)) || !write_all(fd, data, size))
		rc = errno ? -errno : -EIO;
	if (close(fd) && !rc)
		rc = -errno;
	if (!rc && renameat(AT_FDCWD, temporary, dir, name))
		rc = -errno;
	if (rc)
		(void)unlink(temporary);
	return rc;
}

void fe_jit_store_put(const struct fe_jit_key *key, const void *data, size_t size)
{
	char name[2 * VG_SHA256_SIZE + 1];
	int dir, rc;

	name_of(key, name);
	if (!size || size > VG_BULK_WHOLE_MAX || sizeof(struct head) + size > size_max) {
		vg_info(&fe_who, "event=jit-cache result=too-large key=%.16s size=%zu", name, size);
		return;
	}
	rc = dir = folder_open(true);
	if (dir >= 0) {
		room_make(dir, sizeof(struct head) + size);
		rc = entry_write(dir, name, data, size);
		close(dir);
	}
	if (rc < 0)
		vg_info(&fe_who,
			"event=jit-cache result=not-kept key=%.16s folder=\"%s\" error=\"%s\"",
			name, folder, strerror(-rc));
	else
		vg_info(&fe_who, "event=jit-cache result=kept key=%.16s size=%zu", name, size);
}
