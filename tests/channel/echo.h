/* SPDX-License-Identifier: MIT */
/*
 * What the stand-in executor (executor.c) does with the words that a client (client.c) puts into a
 * lane's command ring; each gives one word in the reply ring. No CUDA: the channel alone is tried.
 */
#ifndef TEST_ECHO_H
#define TEST_ECHO_H

#include <stddef.h>
#include <stdint.h>

/* Where regions may lie: both programs, and the sanitizers' own maps, are free of anything there. */
#ifdef VG_TSAN
#define ARENA_START 0x4000000000ull
#else
#define ARENA_START 0x200000000000ull
#endif
#define ARENA_BYTES (1ull << 30)

/* word = op in the top byte, operand below */
#define ECHO_OP(word)      ((word) >> 56)
#define ECHO_ARG(word)     ((word)&0xffffffffffffffull)
#define ECHO_WORD(op, arg) (((uint64_t)(op) << 56) | (arg))

enum echo_op {
	ECHO_PLAIN = 0, /* reply: arg + 1 */
	ECHO_SUM = 1,   /* reply: sum of region `arg`, 0 when there is none */
	ECHO_WRITE = 2, /* region `arg`: every byte is inverted; reply: its new sum */
	ECHO_CRASH = 3, /* the executor ends by SIGKILL */
	ECHO_SPIN = 4,  /* from now on poll instead of sleeping (arg 1), or sleep (arg 0) */
};

/* Depends on the order of the pages, which a plain sum would not. */
static inline uint64_t echo_sum(const void *base, size_t bytes)
{
	const uint64_t *word = base;
	uint64_t sum = 1;

	for (size_t i = 0; i < bytes / sizeof(*word); i++)
		sum = sum * 0x100000001b3ull + word[i];
	return sum;
}

#endif
