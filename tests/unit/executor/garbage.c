/* SPDX-License-Identifier: MIT */
/* See garbage.h. */
#include "tests/unit/executor/garbage.h"

#include <string.h>

#include "tests/unit/executor/fake_driver.h"

#define ARGS_MOST 512u

static const char ptx[] = ".version 8.0\n.target sm_90\n.address_size 64\n";

/* A handle such as a guest mints. */
static uint64_t minted(uint32_t n)
{
	return vg_handle_make((enum vg_handle_type)(n % VG_HANDLE_TYPES), 1, n / 16 % 8);
}

static bool value_next(struct garbage *g, uint64_t *value)
{
	uint32_t what, n;

	if (!g->next(g->context, &what) || !g->next(g->context, &n))
		return false;
	switch (what % 9) {
	case 0: *value = 0; break;
	case 1: *value = n % 64; break;
	case 2: *value = n; break;
	case 3: *value = (uint64_t)n << 32 | what; break;
	case 4: *value = g->known_count ? g->known[n % g->known_count] : 0; break;
	case 5: *value = fake_driver_address(n) + (what >> 8) % 64; break;
	case 6: *value = minted(n); break;
	case 7: *value = UINT64_MAX - n % 16; break; /* VG_ROOM_NULL among them */
	default: *value = 1ull << (n % 64); break;
	}
	return true;
}

/* The same number of an argument and of the length that it states is what most decoders ask for. */
static bool arguments_make(struct garbage *g, uint64_t *args, size_t words)
{
	for (size_t i = 0; i < words; i++) {
		uint32_t again;

		if (!g->next(g->context, &again) || !value_next(g, &args[i]))
			return false;
		if (i && again % 3 == 0)
			args[i] = args[again / 3 % i];
	}
	return true;
}

bool garbage_command(struct garbage *g, struct harness *h)
{
	uint64_t args[ARGS_MOST / 8 + 256] = {0};
	struct vg_cmd cmd = {0};
	const struct ex_op *op;
	uint8_t bulk[256];
	uint32_t n, shape;
	size_t words;

	if (!g->next(g->context, &n) || !g->next(g->context, &shape))
		return false;
	cmd.op = (uint16_t)(n % (VG_OP_END + 1));
	/* Numbers that are no calls are tried now and then. */
	while (!ex_op_find(cmd.op) && shape % 128)
		cmd.op = (uint16_t)((cmd.op + 1) % VG_OP_END);
	op = ex_op_find(cmd.op);
	words = op ? (op->min_args + 7) / 8 : 1;
	/* Half the time room for one part of variable length, seldom for any. */
	if (op && (shape >> 7) % 2 == 0)
		words += shape >> 12 & 3;
	if ((shape >> 10) % 32 == 0)
		words += shape % 9;
	if (!arguments_make(g, args, words))
		return false;
	cmd.args_size = (uint32_t)(words * 8);
	if (op && !(op->flags & EX_OP_SYNC_OK))
		cmd.flags = VG_CMD_ASYNC;
	if (shape >> 8 & 1)
		cmd.flags ^= VG_CMD_PTDS;
	if ((shape >> 9) % 32 == 0)
		cmd.flags ^= VG_CMD_ASYNC;
	if (op && (op->flags & EX_OP_BULK)) {
		/* As long as one of the arguments says, if that is short enough. */
		cmd.bulk_size = args[(shape >> 16) % words] % (sizeof(bulk) + 1);
		memset(bulk, (int)shape, sizeof(bulk));
		memcpy(bulk, ptx, sizeof(ptx));
	}
	return harness_put(h, &cmd, sizeof(cmd)) && harness_put(h, args, cmd.args_size) &&
	       harness_put(h, bulk, cmd.bulk_size);
}

static void remember(struct garbage *g, uint64_t value)
{
	if (value < 4096 || (g->known_count && g->known[(g->known_count - 1) % 64] == value))
		return;
	g->known[g->known_count < 64 ? g->known_count++ : value / 16 % 64] = value;
}

void garbage_learn(struct garbage *g, struct harness *h)
{
	uint64_t words[64];
	struct vg_reply head;

	while (memset(words, 0, sizeof(words)), harness_reply(h, &head, words, sizeof(words)))
		for (unsigned int i = 0; i < 64; i++)
			remember(g, words[i]);
	harness_drain(h);
}
