/* SPDX-License-Identifier: MIT */
/*
 * What the screen of vgpu top shows. All text from elsewhere has been cleaned when it was read.
 */
#include "tools/top_screen.h"

#include <curses.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/op_names.h"

#define BAR 26

static bool colours;

void top_draw_init(void)
{
	static const short pairs[][2] = {
		[TOP_LOOK_DIM] = {COLOR_CYAN, -1},
		[TOP_LOOK_HEAD] = {COLOR_BLACK, COLOR_GREEN},
		[TOP_LOOK_SELECTED] = {COLOR_BLACK, COLOR_CYAN},
		[TOP_LOOK_GUEST] = {-1, -1},
		[TOP_LOOK_GOOD] = {COLOR_GREEN, -1},
		[TOP_LOOK_HIGH] = {COLOR_YELLOW, -1},
		[TOP_LOOK_BAD] = {COLOR_RED, -1},
		[TOP_LOOK_KEY] = {COLOR_BLACK, COLOR_CYAN},
	};

	colours = has_colors() && start_color() == OK && use_default_colors() == OK &&
		  COLOR_PAIRS > TOP_LOOK_KEY;
	for (short i = TOP_LOOK_DIM; colours && i <= TOP_LOOK_KEY; i++)
		init_pair(i, pairs[i][0], pairs[i][1]);
}

int top_look(enum top_look look)
{
	int attributes = colours ? COLOR_PAIR(look) : 0;

	switch (look) {
	case TOP_LOOK_PLAIN: return A_NORMAL;
	case TOP_LOOK_GUEST: return attributes | (int)A_BOLD;
	case TOP_LOOK_BAD: return attributes | (int)A_BOLD;
	case TOP_LOOK_HEAD:
	case TOP_LOOK_SELECTED:
	case TOP_LOOK_KEY: return colours ? attributes : (int)A_REVERSE;
	default: return attributes;
	}
}

void top_draw_text(int y, int x, int width, enum top_look look, const char *text)
{
	char line[512];

	if (width > (int)sizeof(line) - 1)
		width = (int)sizeof(line) - 1;
	if (width <= 0)
		return;
	snprintf(line, sizeof(line), "%-*.*s", width, width, text);
	attrset(top_look(look));
	mvaddstr(y, x, line);
	attrset(A_NORMAL);
}

/* --- above the table -------------------------------------------------------------------------- */

static void draw_title(const struct top_screen *screen, int width)
{
	const struct top *top = screen->top;
	char summary[256], when[16] = "", text[320];
	time_t now = time(NULL);
	struct tm tm;

	if (*top->model.why) {
		top_draw_text(0, 0, width, TOP_LOOK_BAD, top->model.why);
		return;
	}
	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%H:%M:%S", &tm);
	top_summary_line(top, summary, sizeof(summary));
	snprintf(text, sizeof(text), "vgpu top  %s  %s%s", when,
		 top->model.sampled ? summary : "waiting for xen-vgpud",
		 screen->paused ? "  [paused]" : "");
	top_draw_text(0, 0, width, TOP_LOOK_PLAIN, text);
}

/* "[|||||     45%]" */
static void draw_bar(int y, int x, double part, const char *text)
{
	int inside = BAR - 2, filled;
	char bar[BAR - 1];

	part = part < 0 || isnan(part) ? 0 : part > 1 ? 1 : part;
	filled = (int)lround(part * inside);
	for (int i = 0; i < inside; i++)
		bar[i] = i < filled ? '|' : ' ';
	bar[inside] = '\0';
	memcpy(bar + inside - strlen(text), text, strlen(text));
	top_draw_text(y, x, 1, TOP_LOOK_GUEST, "[");
	top_draw_text(y, x + BAR - 1, 1, TOP_LOOK_GUEST, "]");
	for (int i = 0; i < inside; i++) {
		char letter[2] = {bar[i], '\0'};

		top_draw_text(y, x + 1 + i, 1,
			      i >= filled  ? TOP_LOOK_PLAIN
			      : part > 0.9 ? TOP_LOOK_HIGH
					   : TOP_LOOK_GOOD,
			      letter);
	}
}

static void draw_gpu(const struct top_gpu *gpu, int y, int width)
{
	char line[512], used[TOP_CELL], total[TOP_CELL], bar[BAR];
	bool bars = gpu->known && width >= 2 * BAR + 40;

	top_gpu_line(gpu, bars, line, sizeof(line));
	if (!bars) {
		top_draw_text(y, 0, width, TOP_LOOK_PLAIN, line);
		return;
	}
	top_text_share(gpu->is.busy, used);
	snprintf(bar, sizeof(bar), "busy %.8s", used);
	draw_bar(y, 0, gpu->is.busy, bar);
	top_text_bytes(gpu->is.memory_used, used);
	top_text_bytes(gpu->is.memory_total, total);
	snprintf(bar, sizeof(bar), "%.8s/%.8s", used, total);
	draw_bar(y, BAR + 1, gpu->is.memory_used / gpu->is.memory_total, bar);
	top_draw_text(y, 2 * BAR + 2, width - 2 * BAR - 2, TOP_LOOK_PLAIN, line);
}

static void draw_total(const struct top_screen *screen, int y, int width)
{
	const struct top_figures *total = &screen->top->model.total;
	char cell[TOP_COUNTERS + TOP_PERCENTILES][TOP_CELL], text[512];

	for (unsigned int i = 0; i < TOP_COUNTERS; i++)
		if (i == TOP_TO_GPU || i == TOP_FROM_GPU)
			top_text_bytes(total->rate[i], cell[i]);
		else
			top_text_count(total->rate[i], cell[i]);
	for (unsigned int i = 0; i < TOP_PERCENTILES; i++)
		top_text_ns(total->latency[i], cell[TOP_COUNTERS + i]);
	snprintf(text, sizeof(text),
		 "calls %.16s/s  launches %.16s/s  to GPU %.16s/s  from GPU %.16s/s  errors "
		 "%.16s/s  p50 %.16s p90 %.16s p99 %.16s",
		 cell[TOP_CALLS], cell[TOP_LAUNCHES], cell[TOP_TO_GPU], cell[TOP_FROM_GPU],
		 cell[TOP_ERRORS], cell[TOP_COUNTERS], cell[TOP_COUNTERS + 1],
		 cell[TOP_COUNTERS + 2]);
	top_draw_text(y, 0, width, total->rate[TOP_ERRORS] > 0 ? TOP_LOOK_HIGH : TOP_LOOK_PLAIN,
		      text);
}

/* The next free line. */
static int draw_above(const struct top_screen *screen, int height, int width)
{
	const struct top_gpus *gpus = &screen->top->gpus;
	int y = 1;

	draw_title(screen, width);
	for (size_t i = 0; i < gpus->count && y < 1 + height / 4; i++)
		draw_gpu(&gpus->gpu[i], y++, width);
	if (screen->top->model.sampled)
		draw_total(screen, y++, width);
	if (screen->graphs)
		y += top_draw_graphs(screen, y, height / 3, width);
	return y;
}

/* --- the table -------------------------------------------------------------------------------- */

static bool column_shown(const struct top_screen *screen, unsigned int column)
{
	return column == TOP_COL_PROGRAM || column > screen->column;
}

static void draw_cell(const struct top_screen *screen, int y, int *x, int width,
		      unsigned int column, enum top_look look, const char *text)
{
	int cell = abs(top_columns[column].width);
	char filled[TOP_CELL];

	if (screen->top->view.flat && column == TOP_COL_PROGRAM)
		cell += 12;
	if (top_columns[column].width < 0)
		snprintf(filled, sizeof(filled), "%-*.*s ", cell, cell, text);
	else
		snprintf(filled, sizeof(filled), "%*.*s ", cell, cell, text);
	top_draw_text(y, *x, width - *x < cell + 1 ? width - *x : cell + 1, look, filled);
	*x += cell + 1;
}

static void draw_heads(const struct top_screen *screen, int y, int width)
{
	int x = 0;

	top_draw_text(y, 0, width, TOP_LOOK_HEAD, "");
	for (unsigned int c = 0; c < TOP_COLUMNS; c++)
		if (column_shown(screen, c))
			draw_cell(screen, y, &x, width, c,
				  c == screen->top->view.sort ? TOP_LOOK_SELECTED : TOP_LOOK_HEAD,
				  top_columns[c].head);
}

static enum top_look cell_look(const struct top_row *row, unsigned int column)
{
	const struct top_figures *figures = row->process ? &row->process->figures
							 : &row->guest->figures;

	if (column == TOP_COL_ERRORS && figures->rate[TOP_ERRORS] > 0)
		return TOP_LOOK_BAD;
	if (column == TOP_COL_QUOTA && figures->memory / row->guest->figures.quota > 0.9)
		return TOP_LOOK_HIGH;
	return row->process ? TOP_LOOK_PLAIN : TOP_LOOK_GUEST;
}

static void draw_row(const struct top_screen *screen, const struct top_row *row, int y, int width,
		     bool selected)
{
	int x = 0;

	if (selected)
		top_draw_text(y, 0, width, TOP_LOOK_SELECTED, "");
	for (unsigned int c = 0; c < TOP_COLUMNS; c++) {
		char text[TOP_CELL];

		if (!column_shown(screen, c))
			continue;
		top_view_cell(&screen->top->view, row, (enum top_column)c, text);
		draw_cell(screen, y, &x, width, c, selected ? TOP_LOOK_SELECTED : cell_look(row, c),
			  text);
	}
}

static void draw_table(struct top_screen *screen, int y, int height, int width)
{
	draw_heads(screen, y, width);
	screen->body = height > 1 ? (size_t)height - 1 : 0;
	if (screen->selected < screen->scroll)
		screen->scroll = screen->selected;
	if (screen->body && screen->selected >= screen->scroll + screen->body)
		screen->scroll = screen->selected - screen->body + 1;
	for (size_t i = 0; i < screen->body && screen->scroll + i < screen->count; i++)
		draw_row(screen, &screen->rows[screen->scroll + i], y + 1 + (int)i, width,
			 screen->scroll + i == screen->selected);
	if (!screen->count && screen->top->model.sampled && height > 1)
		top_draw_text(y + 1, 0, width, TOP_LOOK_DIM,
			      *screen->top->view.filter ? "nothing matches the filter"
							: "no guest has a vGPU");
}

/* --- one process ------------------------------------------------------------------------------ */

static void draw_lane(const struct top_lane *lane, int y, int width)
{
	char unread[TOP_CELL], bytes[TOP_CELL], bar[BAR], text[256], waits[32] = "";

	top_text_bytes((double)lane->commands_unread, unread);
	top_text_bytes((double)lane->commands_bytes, bytes);
	snprintf(bar, sizeof(bar), "%.8s/%.8s", unread, bytes);
	snprintf(text, sizeof(text), "lane %3llu", (unsigned long long)lane->lane);
	top_draw_text(y, 0, width, TOP_LOOK_PLAIN, text);
	draw_bar(y, 9, (double)lane->commands_unread / (double)lane->commands_bytes, bar);
	if (lane->waited)
		snprintf(waits, sizeof(waits), " for %llu ms", (unsigned long long)lane->begun_ms);
	snprintf(text, sizeof(text), "%llu taken, %llu done, last %s%s",
		 (unsigned long long)lane->taken, (unsigned long long)lane->done,
		 vg_op_name((unsigned int)lane->op), waits);
	top_draw_text(y, BAR + 10, width - BAR - 10, TOP_LOOK_PLAIN, text);
}

static void draw_op(const struct top_rate_op *op, int y, int width)
{
	char rate[TOP_CELL], mean[TOP_CELL], text[3 * TOP_CELL];

	top_text_count(op->rate, rate);
	top_text_ns(op->ns, mean);
	snprintf(text, sizeof(text), "%8s %10s  %s", rate, mean, vg_op_name((unsigned int)op->op));
	top_draw_text(y, 0, width, TOP_LOOK_PLAIN, text);
}

static void draw_detail(const struct top_screen *screen, int y, int height, int width)
{
	const struct top_process *process = screen->count ? screen->rows[screen->selected].process
							  : NULL;
	int end = y + height;
	char text[256];

	if (!process) {
		top_draw_text(y, 0, width, TOP_LOOK_HEAD, "this process has ended; Esc goes back");
		return;
	}
	snprintf(text, sizeof(text), "%s, process %llu of domain %llu, executor %llu: lanes",
		 process->session.program, (unsigned long long)process->session.id.pid,
		 (unsigned long long)process->session.id.domid,
		 (unsigned long long)process->session.id.executor);
	top_draw_text(y++, 0, width, TOP_LOOK_HEAD, text);
	/* Half of the place for lanes, if calls need the other. */
	for (size_t i = 0; i < process->session.lane_count && y < end - height / 2; i++)
		draw_lane(&process->session.lanes[i], y++, width);
	if (y >= end)
		return;
	top_draw_text(y++, 0, width, TOP_LOOK_HEAD, " CALLS/S       MEAN  CALL");
	for (size_t i = 0; i < process->op_count && y < end; i++)
		draw_op(&process->ops[i], y++, width);
}

/* --- help, menu, keys ------------------------------------------------------------------------- */

static void draw_help(int y, int height, int width)
{
	static const char *const lines[] = {
		"Keys, as htop has them",
		"  up down page home end   select a row          left right  more columns",
		"  Enter   lanes and calls of a process          Esc         back",
		"  F3 /    search, n: next                       F4 \\        filter",
		"  F5 t    guests with processes, or flat        F6 > <      column to sort by",
		"  I       the other way round                   C M P L     sort by calls, memory,",
		"                                                            GPU share, latency",
		"  g G     what the graphs show, next, before    v           graphs or none",
		"  + -     longer, shorter delay                 space       pause",
		"  r       look now                              q F10       quit",
		"",
		"GPU%: of one GPU's time, from NVML; - where there is none (libcuda-soft, MIG).",
		"QUEUE: bytes in the process's command rings that its executor has not taken yet.",
		"P50 P90 P99: time that commands took in the executor since the last sample.",
		"QUOTA%: device memory held, of what the guest may hold. - is what is not known.",
	};

	for (int i = 0; i < height; i++)
		top_draw_text(y + i, 0, width, i ? TOP_LOOK_PLAIN : TOP_LOOK_HEAD,
			      i < (int)(sizeof(lines) / sizeof(lines[0])) ? lines[i] : "");
}

static void draw_sort(const struct top_screen *screen, int y, int height)
{
	int first = 0;

	top_draw_text(y, 0, 20, TOP_LOOK_HEAD, "Sort by");
	if ((int)screen->sort >= height - 1)
		first = (int)screen->sort - height + 2;
	for (int i = first; i < TOP_COLUMNS && i - first + 1 < height; i++)
		top_draw_text(y + 1 + i - first, 0, 20,
			      i == (int)screen->sort ? TOP_LOOK_SELECTED : TOP_LOOK_PLAIN,
			      top_columns[i].name);
}

static void draw_keys(const struct top_screen *screen, int y, int width)
{
	static const char *const keys[][2] = {
		{"F1", "Help"},   {"F3", "Search"},   {"F4", "Filter"}, {"F5", "Tree"},
		{"F6", "SortBy"}, {"Enter", "Lanes"}, {"g", "Graph"},   {"F10", "Quit"},
	};
	int x = 0;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && x + 14 < width; i++) {
		top_draw_text(y, x, (int)strlen(keys[i][0]), TOP_LOOK_PLAIN, keys[i][0]);
		x += (int)strlen(keys[i][0]);
		top_draw_text(y, x, (int)strlen(keys[i][1]) + 1, TOP_LOOK_KEY, keys[i][1]);
		x += (int)strlen(keys[i][1]) + 1;
	}
	if (screen->note)
		top_draw_text(y, x + 1, width - x - 2, TOP_LOOK_HIGH, screen->note);
	else if (*screen->top->view.filter)
		top_draw_text(y, x + 1, width - x - 2, TOP_LOOK_HIGH, screen->top->view.filter);
}

static void draw_below(const struct top_screen *screen, int y, int width)
{
	char text[2 * TOP_TEXT];

	if (screen->mode != TOP_MODE_FILTER && screen->mode != TOP_MODE_SEARCH) {
		curs_set(0);
		draw_keys(screen, y, width);
		return;
	}
	snprintf(text, sizeof(text), "%s: %s",
		 screen->mode == TOP_MODE_FILTER ? "Filter" : "Search", screen->input);
	/* Not the last cell: writing there scrolls some terminals. */
	top_draw_text(y, 0, width - 1, TOP_LOOK_KEY, text);
	curs_set(1);
	move(y, (int)strlen(text) < width ? (int)strlen(text) : width - 1);
}

void top_draw(struct top_screen *screen)
{
	int height, width, y;

	getmaxyx(stdscr, height, width);
	erase();
	if (height < 4 || width < 20) {
		mvaddnstr(0, 0, "too small", width);
		refresh();
		return;
	}
	if (screen->mode == TOP_MODE_HELP) {
		draw_title(screen, width);
		draw_help(1, height - 2, width);
	} else {
		y = draw_above(screen, height, width);
		if (screen->mode == TOP_MODE_DETAIL)
			draw_detail(screen, y, height - 1 - y, width);
		else
			draw_table(screen, y, height - 1 - y, width);
		if (screen->mode == TOP_MODE_SORT)
			draw_sort(screen, y, height - 1 - y);
	}
	draw_below(screen, height - 1, width);
	refresh();
}
