/* SPDX-License-Identifier: MIT */
/*
 * Memory that the program has already, registered in its place: its whole pages, those that it begins
 * and ends in too, are exchanged for pages of a region with the same contents. What else lies on them
 * goes on living there. Threads that write to them meanwhile wait (fault.h); system calls that do
 * answer EFAULT.
 *
 * Only private pages that can be written are exchanged. Those of files that are shared, of a stack that is
 * in use here, huge ones, and pages that another registration has, stay where they are.
 *
 * A child after fork gets pages of its own, as with any memory: the parent's fork returns when the
 * child has copied them.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "protocol/wire.h"
#include "xen-frontend/libcuda/arena.h"
#include "xen-frontend/libcuda/calls.h"
#include "xen-frontend/libcuda/fault.h"
#include "xen-frontend/libcuda/host_memory.h"
#include "xen-frontend/libcuda/session.h"

#define STACK_ROOM   (256u * 1024) /* of this thread's, in use or soon */
#define FORK_WAIT_MS 5000
#define LINE_MAX     512

struct placed {
	uint64_t start, bytes; /* pages */
	uint64_t aside;        /* their reservation in the arena */
	uint32_t region;
	struct placed *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of the list, and held over fork */
static struct placed *placed;
static int fork_pipe[2] = {-1, -1};

static void *pointer(uint64_t address)
{
	return (void *)address; /* NOLINT */
}

/* --- which pages can be replaced ---------------------------------------------------------------- */

/* A line of /proc/self/maps: "start-end access offset device inode path". */
static bool line_read(char *line, uint64_t *start, uint64_t *end, char **access, const char **path)
{
	char *at = line;

	*start = strtoull(at, &at, 16);
	if (*at != '-')
		return false;
	*end = strtoull(at + 1, &at, 16);
	if (at[0] != ' ' || strlen(at) < 6)
		return false;
	*access = at + 1;
	*path = strpbrk(*access, "[/");
	if (!*path)
		*path = "";
	return true;
}

/* ours: it is shared pages of this library. */
static bool line_replaceable(char *line, uint64_t *start, uint64_t *end, bool *ours)
{
	const char *path;
	char *access;

	if (!line_read(line, start, end, &access, &path))
		return false;
	*ours = strstr(path, "/memfd:vgpu-region") || strstr(path, "/dev/xen/gntalloc");
	return access[0] == 'r' && access[1] == 'w' && access[3] == 'p' &&
	       !strstr(path, "[stack") && !strstr(path, "[v") && !strstr(path, "hugepage");
}

/* True when every page of [start, end) is replaceable, or, with want_ours, is ours. */
static bool pages_are(uint64_t start, uint64_t end, bool want_ours)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[LINE_MAX];

	if (!maps)
		return false;
	while (start < end && fgets(line, sizeof(line), maps)) {
		uint64_t from = 0, to = 0;
		bool ours = false, good = line_replaceable(line, &from, &to, &ours);

		if (to <= start)
			continue;
		if (from > start || !(want_ours ? ours : good))
			break;
		start = to;
	}
	fclose(maps);
	return start >= end;
}

/* The stack that this runs on: it is written to while its pages are copied. */
static bool is_own_stack(uint64_t start, uint64_t end)
{
	uint64_t here = (uintptr_t)__builtin_frame_address(0);

	return start < here + STACK_ROOM && end > here - STACK_ROOM;
}

/* Under the lock. */
static bool is_taken(uint64_t start, uint64_t end)
{
	for (const struct placed *other = placed; other; other = other->next)
		if (start < other->start + other->bytes && other->start < end)
			return true;
	return false;
}

/* --- exchanging them ------------------------------------------------------------------------------ */

/*
 * Whole pages of the program's, a heap's too: an address sanitizer's memcpy would object to what lies
 * between that heap's blocks. Volatile, so that no compiler makes a memcpy of it.
 */
__attribute__((no_sanitize("address"))) static void pages_copy(uint64_t to, uint64_t from,
							       uint64_t bytes)
{
	volatile uint64_t *into = pointer(to);
	const uint64_t *out = pointer(from);

	for (uint64_t i = 0; i < bytes / sizeof(*out); i++)
		into[i] = out[i];
}

/*
 * The pages at `from` come to be at `to` instead of those there, with their contents, in one step for whoever
 * looks. Nothing here may allocate: it may be the heap that is exchanged.
 */
static int pages_exchange(uint64_t to, uint64_t from, uint64_t bytes)
{
	int rc = 0;

	fe_fault_hold(to, bytes);
	if (mprotect(pointer(to), bytes, PROT_READ)) {
		rc = -errno;
	} else {
		pages_copy(from, to, bytes);
		if (mremap(pointer(from), bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			   pointer(to)) == MAP_FAILED) {
			rc = -errno;
			mprotect(pointer(to), bytes, PROT_READ | PROT_WRITE);
		}
	}
	fe_fault_release();
	return rc;
}

/* The arena's addresses that the region has left. False: something else is there already. */
static bool aside_reserve(uint64_t aside, uint64_t bytes)
{
	void *got = mmap(pointer(aside), bytes, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

	if (got != MAP_FAILED && got != pointer(aside))
		munmap(got, bytes);
	return got == pointer(aside);
}

/* Pages of its own again, with what is in the shared ones. */
static int pages_restore(const struct placed *place)
{
	void *own;
	int rc;

	/* The program may have unmapped it, or put something else there. */
	if (!pages_are(place->start, place->start + place->bytes, true))
		return 0;
	own = mmap(NULL, place->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (own == MAP_FAILED)
		return -errno;
	rc = pages_exchange(place->start, (uintptr_t)own, place->bytes);
	if (rc)
		munmap(own, place->bytes);
	return rc;
}

static void place_end(struct placed *place)
{
	fe_region_unshare(place->region);
	fe_arena_give(place->aside, place->bytes);
	free(place);
}

/* Under the lock: shares pages for the place and puts them there. */
static int place_begin(struct placed *place, const struct fe_range *range)
{
	int id, rc;

	place->aside = fe_arena_take(place->bytes);
	if (!place->aside)
		return -ENOMEM;
	id = fe_region_share(place->start, place->aside, place->bytes);
	if (id < 0) {
		fe_arena_give(place->aside, place->bytes);
		return id;
	}
	place->region = (uint32_t)id;
	rc = rpc_vgHostRegister(place->region, range->base, range->size, range->flags) ? -ENOTSUP
										       : 0;
	if (!rc) {
		rc = pages_exchange(place->start, place->aside, place->bytes);
		if (rc)
			rpc_vgHostUnregister(place->region);
	}
	if (rc) {
		fe_region_unshare(place->region);
		fe_arena_give(place->aside, place->bytes);
		return rc;
	}
	/* Unlike other regions it is inherited, for the moment that the child needs to copy it. */
	madvise(pointer(place->start), place->bytes, MADV_DOFORK);
	if (!aside_reserve(place->aside, place->bytes))
		vg_warn(&fe_who, "event=arena-hole base=0x%" PRIx64, place->aside);
	return 0;
}

static int place_add(struct placed *place, const struct fe_range *range)
{
	uint64_t end = place->start + place->bytes;
	int rc;

	if (is_own_stack(place->start, end) || !pages_are(place->start, end, false))
		return -EOPNOTSUPP;
	rc = fe_fault_watch();
	if (rc)
		return rc;
	pthread_mutex_lock(&lock);
	rc = is_taken(place->start, end) ? -EBUSY : place_begin(place, range);
	if (!rc) {
		place->next = placed;
		placed = place;
	}
	pthread_mutex_unlock(&lock);
	return rc;
}

int fe_register_in_place(struct fe_range *range)
{
	uint64_t page = VG_PAGE_SIZE, end;
	struct placed *place;
	int rc;

	if (__builtin_add_overflow(range->base, range->size + page - 1, &end))
		return -EINVAL;
	place = calloc(1, sizeof(*place));
	if (!place)
		return -ENOMEM;
	place->start = range->base & ~(page - 1);
	place->bytes = (end & ~(page - 1)) - place->start;
	rc = place_add(place, range);
	if (rc) {
		vg_info(&fe_who, "event=registered-staged bytes=%" PRIu64 " why=\"%s\"",
			range->size, strerror(-rc));
		free(place);
		return rc;
	}
	range->kind = FE_RANGE_PINNED;
	range->region = place->region;
	return 0;
}

void fe_unregister_in_place(const struct fe_range *range)
{
	struct placed **at, *place;
	int rc;

	/* Waits for work that uses it, as the driver does. */
	rpc_vgHostUnregister(range->region);
	pthread_mutex_lock(&lock);
	for (at = &placed; *at && (*at)->region != range->region; at = &(*at)->next)
		;
	place = *at;
	rc = place ? pages_restore(place) : 0;
	if (place && !rc)
		*at = place->next;
	pthread_mutex_unlock(&lock);
	if (rc)
		/* It stays shared, and is as good as any memory. */
		vg_warn(&fe_who, "event=not-restored base=0x%" PRIx64 " error=\"%s\"", range->base,
			strerror(-rc));
	else if (place)
		place_end(place);
}

/* --- fork --------------------------------------------------------------------------------------- */

static void fork_prepare(void)
{
	pthread_mutex_lock(&lock);
	if (placed && pipe2(fork_pipe, O_CLOEXEC))
		fork_pipe[0] = fork_pipe[1] = -1;
}

static void pipe_close(void)
{
	for (int i = 0; i < 2; i++) {
		if (fork_pipe[i] >= 0)
			close(fork_pipe[i]);
		fork_pipe[i] = -1;
	}
}

/* The pages are both processes' until the child has copied them: the end of its pipe says so. */
static void fork_parent(void)
{
	if (fork_pipe[0] >= 0) {
		struct pollfd fd = {.fd = fork_pipe[0], .events = POLLIN};

		close(fork_pipe[1]);
		fork_pipe[1] = -1;
		poll(&fd, 1, FORK_WAIT_MS);
	}
	pipe_close();
	pthread_mutex_unlock(&lock);
}

static void fork_child(void)
{
	for (const struct placed *place = placed; place; place = place->next) {
		void *own = mmap(NULL, place->bytes, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (own == MAP_FAILED)
			continue; /* it would write to its parent's: there is no memory to do better */
		pages_copy((uintptr_t)own, place->start, place->bytes);
		mremap(own, place->bytes, place->bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		       pointer(place->start));
	}
	pipe_close();
	pthread_mutex_init(&lock, NULL);
}

__attribute__((constructor)) static void register_load(void)
{
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

void fe_register_reset(void)
{
	while (placed) {
		struct placed *next = placed->next;

		free(placed);
		placed = next;
	}
}
