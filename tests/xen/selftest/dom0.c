/* SPDX-License-Identifier: MIT */
/*
 * Self-test, dom0's half: selftest-dom0 DOMID REF PORT. Maps the guest's pages, answers its pings, turns each
 * word of its pages over, and waits for the news of the guest process' death. One thread; every
 * wait ends.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenevtchn.h>
#include <xengnttab.h>

#include "selftest.h"

#define WAIT_MS 60000

static void fail(const char *what)
{
	printf("FAIL %s\n", what);
	exit(1);
}

static void wait_event(xenevtchn_handle *events)
{
	struct pollfd fd = {.fd = xenevtchn_fd(events), .events = POLLIN};
	int port;

	if (poll(&fd, 1, WAIT_MS) != 1)
		fail("event from the guest: none came");
	port = xenevtchn_pending(events);
	if (port < 0 || xenevtchn_unmask(events, port))
		fail("event channel");
}

static void turn_pages(xengnttab_handle *grants, uint32_t domid, const uint32_t *refs)
{
	uint32_t copy[SELFTEST_PAGES];
	uint32_t *words;

	memcpy(copy, refs, sizeof(copy));
	words = xengnttab_map_domain_grant_refs(grants, SELFTEST_PAGES, domid, copy,
						PROT_READ | PROT_WRITE);
	if (!words)
		fail("mapping the guest's pages");
	for (uint32_t page = 0; page < SELFTEST_PAGES; page++)
		for (uint32_t word = 0; word < SELFTEST_PAGE / 4; word++, words++) {
			if (*words != selftest_word(page, word))
				fail("contents of the guest's pages");
			*words = ~*words;
		}
	words -= SELFTEST_PAGES * (SELFTEST_PAGE / 4);
	if (xengnttab_unmap(grants, words, SELFTEST_PAGES))
		fail("unmapping the guest's pages");
}

int main(int argc, char **argv)
{
	xengnttab_handle *grants = xengnttab_open(NULL, 0);
	xenevtchn_handle *events = xenevtchn_open(NULL, 0);
	volatile struct selftest_page *page;
	uint32_t domid, refs[SELFTEST_PAGES];
	int port;

	if (argc != 4 || !grants || !events)
		fail("usage: selftest-dom0 DOMID REF PORT, as root in dom0");
	domid = strtoul(argv[1], NULL, 10);
	page = xengnttab_map_grant_ref(grants, domid, strtoul(argv[2], NULL, 10),
				       PROT_READ | PROT_WRITE);
	port = xenevtchn_bind_interdomain(events, domid, strtoul(argv[3], NULL, 10));
	if (!page || port < 0)
		fail("mapping the first page and binding the port");
	memcpy(refs, (const void *)page->refs, sizeof(refs));
	turn_pages(grants, domid, refs);
	page->pong = UINT32_MAX;
	xenevtchn_notify(events, port);
	while (page->pong != SELFTEST_ROUNDS) {
		wait_event(events);
		if (page->ping <= SELFTEST_ROUNDS)
			page->pong = page->ping ? page->ping : UINT32_MAX;
		__sync_synchronize();
		xenevtchn_notify(events, port);
	}
	printf("PASS answered %d pings\n", SELFTEST_ROUNDS);
	fflush(stdout);
	while (page->alive)
		wait_event(events);
	printf("PASS the death of the guest's process was noticed\n");
	if (xengnttab_unmap(grants, (void *)page, 1))
		fail("unmapping the first page");
	return 0;
}
