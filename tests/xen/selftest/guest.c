/* SPDX-License-Identifier: MIT */
/*
 * Self-test, the guest's half: grants pages and a port to dom0 as root, hands both descriptors to a child
 * that becomes an ordinary user, and the child plays ping-pong with dom0, checks what dom0 did to
 * the pages, says so and waits to be killed. Prints "selftest REF PORT CHILD" for dom0's half. One thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

typedef uint16_t domid_t; /* the next headers want it */
#include <xen/sys/evtchn.h>
#include <xen/sys/gntalloc.h>

#include "selftest.h"

#define COUNT         (1 + SELFTEST_PAGES)
#define ORDINARY_USER 1000

struct shared {
	int gntalloc, evtchn;
	int port;
	uint32_t ref;   /* grant of the first page */
	uint64_t index; /* of the first page, in gntalloc's descriptor */
	struct selftest_page *page;
};

static void fail(const char *what)
{
	printf("FAIL %s: %s\n", what, strerror(errno));
	exit(1);
}

static void shared_map(struct shared *shared)
{
	shared->page = mmap(NULL, COUNT * SELFTEST_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			    shared->gntalloc, shared->index);
	if (shared->page == MAP_FAILED)
		fail("mmap of granted pages");
}

static uint32_t *shared_words(struct shared *shared, uint32_t page)
{
	return (uint32_t *)((char *)shared->page + (1 + page) * SELFTEST_PAGE);
}

static void shared_open(struct shared *shared)
{
	struct ioctl_gntalloc_alloc_gref *alloc = calloc(1, sizeof(*alloc) + COUNT * 4);
	struct ioctl_evtchn_bind_unbound_port bind = {.remote_domain = 0};
	struct ioctl_gntalloc_unmap_notify notify = {0};

	shared->gntalloc = open("/dev/xen/gntalloc", O_RDWR | O_CLOEXEC);
	shared->evtchn = open("/dev/xen/evtchn", O_RDWR | O_CLOEXEC);
	if (!alloc || shared->gntalloc < 0 || shared->evtchn < 0)
		fail("/dev/xen");
	alloc->flags = GNTALLOC_FLAG_WRITABLE;
	alloc->count = COUNT;
	if (ioctl(shared->gntalloc, IOCTL_GNTALLOC_ALLOC_GREF, alloc))
		fail("allocation of grants");
	shared->index = alloc->index;
	shared->port = ioctl(shared->evtchn, IOCTL_EVTCHN_BIND_UNBOUND_PORT, &bind);
	if (shared->port < 0)
		fail("event channel");
	notify.index = alloc->index + offsetof(struct selftest_page, alive);
	notify.action = UNMAP_NOTIFY_CLEAR_BYTE | UNMAP_NOTIFY_SEND_EVENT;
	notify.event_channel_port = shared->port;
	if (ioctl(shared->gntalloc, IOCTL_GNTALLOC_SET_UNMAP_NOTIFY, &notify))
		fail("unmap notification");
	shared_map(shared);
	shared->page->alive = 1;
	for (uint32_t page = 0; page < SELFTEST_PAGES; page++) {
		shared->page->refs[page] = alloc->gref_ids[1 + page];
		for (uint32_t word = 0; word < SELFTEST_PAGE / 4; word++)
			shared_words(shared, page)[word] = selftest_word(page, word);
	}
	shared->ref = alloc->gref_ids[0];
	munmap(shared->page, COUNT * SELFTEST_PAGE);
	free(alloc);
}

static void ring(struct shared *shared)
{
	struct ioctl_evtchn_notify notify = {.port = shared->port};

	if (ioctl(shared->evtchn, IOCTL_EVTCHN_NOTIFY, &notify))
		fail("notify");
}

static void wait_event(struct shared *shared)
{
	struct pollfd fd = {.fd = shared->evtchn, .events = POLLIN};
	uint32_t port;

	if (poll(&fd, 1, 30000) != 1) {
		errno = ETIMEDOUT;
		fail("event from dom0");
	}
	if (read(shared->evtchn, &port, sizeof(port)) != sizeof(port) ||
	    write(shared->evtchn, &port, sizeof(port)) != sizeof(port))
		fail("event channel's descriptor");
}

static void play(struct shared *shared)
{
	volatile struct selftest_page *page = shared->page;

	while (page->pong != UINT32_MAX) /* dom0's first event: it has mapped the pages */
		wait_event(shared);
	for (uint32_t i = 1; i <= SELFTEST_ROUNDS; i++) {
		page->ping = i;
		__sync_synchronize();
		ring(shared);
		while (page->pong != i)
			wait_event(shared);
	}
}

static void client(struct shared *shared)
{
	if (setgroups(0, NULL) || setgid(ORDINARY_USER) || setuid(ORDINARY_USER))
		fail("becoming an ordinary user");
	if (open("/dev/xen/gntalloc", O_RDWR) >= 0 || open("/dev/xen/evtchn", O_RDWR) >= 0) {
		errno = 0;
		fail("an ordinary user could open /dev/xen");
	}
	shared_map(shared);
	play(shared);
	for (uint32_t page = 0; page < SELFTEST_PAGES; page++)
		for (uint32_t word = 0; word < SELFTEST_PAGE / 4; word++)
			if (shared_words(shared, page)[word] != ~selftest_word(page, word)) {
				errno = EILSEQ;
				fail("contents of the pages");
			}
	printf("PASS %d rounds by events, %d pages turned over by dom0, as uid %d\n",
	       SELFTEST_ROUNDS, SELFTEST_PAGES, getuid());
	fflush(stdout);
	pause();
}

int main(void)
{
	struct shared shared = {0};
	pid_t child;
	int status;

	shared_open(&shared);
	child = fork();
	if (child == 0) {
		client(&shared);
		_exit(1);
	}
	printf("selftest %u %d %d\n", shared.ref, shared.port, child);
	fflush(stdout);
	/* Only the child keeps the pages: its death alone must reach dom0. */
	close(shared.gntalloc);
	close(shared.evtchn);
	wait(&status);
	return !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
