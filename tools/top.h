/* SPDX-License-Identifier: MIT */
/*
 * vgpu top: what all of its forms share. One thread; nothing in it waits but poll().
 */
#ifndef VGPU_TOP_H
#define VGPU_TOP_H

#include "tools/top_ask.h"
#include "tools/top_gpu.h"
#include "tools/top_view.h"
#include "tools/vgpu.h"

struct top {
	struct vgpu *vgpu;
	uint32_t *domids; /* owned */
	uint32_t delay_ms;
	uint64_t iterations; /* 0: no end */
	bool json, lanes, plain, ascii;
	struct top_ask ask;
	struct top_gpus gpus;
	struct top_model model;
	struct top_view view;
};

/* One step of what is asked; true: there is something new in the model, an answer or that there is none. */
bool top_step(struct top *top);

/* --- top_plain.c, top_json.c: what the model has, to standard output -------------------------- */

void top_print_plain(const struct top *top);
void top_print_json(const struct top *top);
/* "GPU 0 NVIDIA H100, 45% busy, ..." without an end of line; without what bars beside it show. */
void top_gpu_line(const struct top_gpu *gpu, bool bars, char *text, size_t size);
/* "2 guests, 3 processes, ...": */
void top_summary_line(const struct top *top, char *text, size_t size);

/* --- top_screen.c; top_noscreen.c where ncurses was not there when it was built ---------------- */

/* An exit status; -1: there can be no screen, after a message why. */
int top_screen(struct top *top);

#endif
