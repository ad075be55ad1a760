/* SPDX-License-Identifier: MIT */
/* What the two halves of the self-test share: the first granted page. */
#ifndef XENTEST_SELFTEST_H
#define XENTEST_SELFTEST_H

#include <stdint.h>

#define SELFTEST_PAGES  64 /* beside the first: dom0 maps and checks them */
#define SELFTEST_ROUNDS 500
#define SELFTEST_PAGE   4096

struct selftest_page {
	uint32_t ping; /* written by the guest, ends with SELFTEST_ROUNDS */
	uint32_t pong; /* written by dom0: the last ping that it saw */
	uint8_t alive; /* cleared by the guest's kernel when the guest's process has died */
	uint8_t pad[3];
	uint32_t refs[SELFTEST_PAGES];
};

/* What page `page` holds at word `word`, before dom0 turns it over. */
static inline uint32_t selftest_word(uint32_t page, uint32_t word)
{
	return (page + 1) * 2654435761u ^ word * 40503u;
}

#endif
