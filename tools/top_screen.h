/* SPDX-License-Identifier: MIT */
/*
 * The screen of vgpu top: keys in top_screen.c, what is drawn in top_draw.c and top_graph.c.
 */
#ifndef VGPU_TOP_SCREEN_H
#define VGPU_TOP_SCREEN_H

#include "tools/top.h"

/* What the keys mean at the moment. */
enum top_mode {
	TOP_MODE_LIST,
	TOP_MODE_DETAIL, /* lanes and calls of one process */
	TOP_MODE_HELP,
	TOP_MODE_SORT,
	TOP_MODE_FILTER,
	TOP_MODE_SEARCH
};

enum top_look {
	TOP_LOOK_PLAIN,
	TOP_LOOK_DIM,
	TOP_LOOK_HEAD,     /* the table's */
	TOP_LOOK_SELECTED, /* the row */
	TOP_LOOK_GUEST,    /* its row */
	TOP_LOOK_GOOD,
	TOP_LOOK_HIGH,
	TOP_LOOK_BAD,
	TOP_LOOK_KEY
};

struct top_screen {
	struct top *top;
	enum top_mode mode;
	enum top_graph graph;
	bool paused, blocks, graphs;          /* blocks: the terminal has block characters */
	struct top_row *rows;                 /* owned; of the model as it is */
	size_t count, selected, scroll, body; /* body: rows that were shown */
	uint64_t domid;                       /* of the selected row, which is found again by it */
	struct top_id id;                     /* executor 0: a guest's row */
	unsigned int column;                  /* the first one that is shown after the program */
	char input[TOP_TEXT], before[TOP_TEXT]; /* what is typed; the filter that was there */
	enum top_column sort;                   /* the menu's */
	const char *note;                       /* of the last key, NULL: none */
};

/* Chooses colours if the terminal has them. */
void top_draw_init(void);
void top_draw(struct top_screen *screen);
/* The attributes of a look, for attrset(). */
int top_look(enum top_look look);

/* Guests' histories from line `y` on, at most `height` lines. How many were used. */
int top_draw_graphs(const struct top_screen *screen, int y, int height, int width);
/* Text, cut or filled with blanks to `width`. */
void top_draw_text(int y, int x, int width, enum top_look look, const char *text);

#endif
