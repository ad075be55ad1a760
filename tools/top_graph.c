/* SPDX-License-Identifier: MIT */
/*
 * The guests' histories on the screen: a column a sample, the newest at the right.
 */
#include "tools/top_screen.h"

#include <curses.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define LABEL     30
#define LINES_MAX 4 /* of one guest */

/* Eighths of a cell. */
static const char *const blocks[9] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const letters[9] = {" ", ".", ".", ":", ":", "-", "=", "+", "#"};

/* What the full height is: all of it where there is such a thing, else the highest that is shown. */
static double graph_scale(const struct top_screen *screen, const struct top_guest *guest,
			  int columns)
{
	double most = 0;

	if (screen->graph == TOP_GRAPH_GPU)
		most = 1;
	if (screen->graph == TOP_GRAPH_MEMORY && !isnan(guest->figures.quota))
		most = guest->figures.quota;
	for (int i = 0; i < columns; i++) {
		double value = top_guest_past(&screen->top->model, guest, screen->graph, (size_t)i);

		if (value > most)
			most = value;
	}
	return most;
}

static enum top_look graph_look(const struct top_screen *screen, double part)
{
	if (screen->graph == TOP_GRAPH_ERRORS)
		return TOP_LOOK_BAD;
	if (screen->graph == TOP_GRAPH_MEMORY && part > 0.9)
		return TOP_LOOK_HIGH;
	return TOP_LOOK_GOOD;
}

static void draw_column(const struct top_screen *screen, int y, int x, int height, double part)
{
	/* What is there at all is seen. */
	int eighths = part > 0 ? (int)ceil(part * height * 8) : 0;

	attrset(top_look(graph_look(screen, part)));
	for (int line = height - 1; line >= 0; line--) {
		int here = eighths < 0 ? 0 : eighths > 8 ? 8 : eighths;

		mvaddstr(y + line, x, screen->blocks ? blocks[here] : letters[here]);
		eighths -= 8;
	}
}

static void draw_guest(const struct top_screen *screen, const struct top_guest *guest, int y,
		       int height, int width)
{
	char name[TOP_CELL], now[TOP_CELL], most[TOP_CELL], text[3 * TOP_CELL];
	int columns = width - LABEL;
	double scale;

	if (columns > (int)TOP_HISTORY)
		columns = (int)TOP_HISTORY;
	scale = graph_scale(screen, guest, columns);
	top_guest_label(guest, name);
	top_text_graph(screen->graph, top_guest_past(&screen->top->model, guest, screen->graph, 0),
		       now);
	top_text_graph(screen->graph, scale, most);
	snprintf(text, sizeof(text), "%-14.14s %6s /%6s", name, now, most);
	top_draw_text(y, 0, LABEL, TOP_LOOK_GUEST, text);
	for (int i = 0; i < columns; i++) {
		double value = top_guest_past(&screen->top->model, guest, screen->graph, (size_t)i);

		if (isnan(value))
			continue;
		draw_column(screen, y, width - 1 - i, height, scale > 0 ? value / scale : 0);
	}
}

static void draw_title(const struct top_screen *screen, int y, int width)
{
	uint64_t seconds = (uint64_t)(width - LABEL) * screen->top->ask.delay_ms / 1000;
	char text[160];

	snprintf(text, sizeof(text), "%s, now / full height; %llu min %02llu s across",
		 top_graph_names[screen->graph], (unsigned long long)seconds / 60,
		 (unsigned long long)seconds % 60);
	top_draw_text(y, 0, width, TOP_LOOK_DIM, text);
}

int top_draw_graphs(const struct top_screen *screen, int y, int height, int width)
{
	int guests = 0, each, used = 1;

	for (size_t i = 0; i < screen->top->model.guest_count; i++) {
		const struct top_guest *guest = screen->top->model.guests[i];

		guests += guest->present && top_view_wants(&screen->top->view, guest->domid);
	}
	if (!guests || height < 2 || width < LABEL + 8)
		return 0;
	each = (height - 1) / guests;
	each = each < 1 ? 1 : each > LINES_MAX ? LINES_MAX : each;
	draw_title(screen, y, width);
	for (size_t i = 0; i < screen->top->model.guest_count && used + each <= height; i++) {
		const struct top_guest *guest = screen->top->model.guests[i];

		if (!guest->present || !top_view_wants(&screen->top->view, guest->domid))
			continue;
		draw_guest(screen, guest, y + used, each, width);
		used += each;
	}
	return used;
}
