/* SPDX-License-Identifier: MIT */
/*
 * vgpu top on a terminal: keys, and when it is drawn. Nothing waits but one poll() for keys and for xen-vgpud.
 */
#include "tools/top_screen.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY_ESCAPE 27
#define ESCAPE_MS  50
#define DELAY_LOW  250u
#define DELAY_HIGH 60000u

/* --- the selected row ------------------------------------------------------------------------- */

static void selected_keep(struct top_screen *screen)
{
	const struct top_row *row = &screen->rows[screen->selected];

	if (!screen->count)
		return;
	screen->domid = row->guest->domid;
	screen->id = row->process ? row->process->session.id : (struct top_id){0};
}

static bool row_is_selected(const struct top_screen *screen, const struct top_row *row)
{
	if (row->guest->domid != screen->domid)
		return false;
	return row->process ? top_id_same(&row->process->session.id, &screen->id)
			    : !screen->id.executor;
}

/* The rows anew, with the same one selected. A process that has ended is looked at until Esc. */
static void screen_rows(struct top_screen *screen)
{
	free(screen->rows);
	screen->rows = top_view_rows(&screen->top->view, &screen->top->model, &screen->count);
	for (size_t i = 0; i < screen->count; i++) {
		if (!row_is_selected(screen, &screen->rows[i]))
			continue;
		screen->selected = i;
		return;
	}
	if (screen->mode == TOP_MODE_DETAIL) {
		screen->mode = TOP_MODE_LIST;
		screen->note = "the process has ended";
	}
	if (screen->selected >= screen->count)
		screen->selected = screen->count ? screen->count - 1 : 0;
	selected_keep(screen);
}

static void screen_move(struct top_screen *screen, int64_t by)
{
	int64_t to = (int64_t)screen->selected + by;

	if (!screen->count)
		return;
	if (to < 0)
		to = 0;
	if (to >= (int64_t)screen->count)
		to = (int64_t)screen->count - 1;
	screen->selected = (size_t)to;
	selected_keep(screen);
}

/* The next row with the text, from `from` rows behind the selected one on. */
static void screen_search(struct top_screen *screen, size_t from)
{
	for (size_t i = 0; *screen->input && i < screen->count; i++) {
		size_t at = (screen->selected + from + i) % screen->count;

		if (!top_view_matches(&screen->rows[at], screen->input))
			continue;
		screen->selected = at;
		selected_keep(screen);
		return;
	}
	if (*screen->input)
		screen->note = "not found";
}

/* --- keys ------------------------------------------------------------------------------------- */

static void screen_sort(struct top_screen *screen, enum top_column column)
{
	screen->top->view.sort = column;
	screen_rows(screen);
}

static void screen_delay(struct top_screen *screen, bool longer)
{
	uint32_t *delay = &screen->top->ask.delay_ms;
	static char note[64];

	*delay = longer ? *delay * 2 : *delay / 2;
	if (*delay < DELAY_LOW)
		*delay = DELAY_LOW;
	if (*delay > DELAY_HIGH)
		*delay = DELAY_HIGH;
	snprintf(note, sizeof(note), "delay %.2f s", *delay / 1000.0);
	screen->note = note;
	top_ask_now(&screen->top->ask);
}

static void key_move(struct top_screen *screen, int key)
{
	int64_t page = (int64_t)screen->body > 1 ? (int64_t)screen->body - 1 : 1;

	switch (key) {
	case KEY_UP:
	case 'k': screen_move(screen, -1); break;
	case KEY_DOWN:
	case 'j': screen_move(screen, 1); break;
	case KEY_PPAGE: screen_move(screen, -page); break;
	case KEY_NPAGE: screen_move(screen, page); break;
	case KEY_HOME: screen_move(screen, INT32_MIN); break;
	case KEY_END: screen_move(screen, INT32_MAX); break;
	case KEY_LEFT: screen->column -= screen->column > 0; break;
	case KEY_RIGHT: screen->column += screen->column + 2 < TOP_COLUMNS; break;
	default: break;
	}
}

static void key_view(struct top_screen *screen, int key)
{
	struct top_view *view = &screen->top->view;

	switch (key) {
	case KEY_F(5):
	case 't':
		view->flat = !view->flat;
		screen_rows(screen);
		break;
	case 'I':
		view->inverted = !view->inverted;
		screen_rows(screen);
		break;
	case 'C': screen_sort(screen, TOP_COL_CALLS); break;
	case 'M': screen_sort(screen, TOP_COL_MEMORY); break;
	case 'P': screen_sort(screen, TOP_COL_GPU); break;
	case 'L': screen_sort(screen, TOP_COL_P99); break;
	case 'g': screen->graph = (enum top_graph)((screen->graph + 1) % TOP_GRAPHS); break;
	case 'G':
		screen->graph = (enum top_graph)((screen->graph + TOP_GRAPHS - 1) % TOP_GRAPHS);
		break;
	case 'v': screen->graphs = !screen->graphs; break;
	case '+': screen_delay(screen, true); break;
	case '-': screen_delay(screen, false); break;
	case ' ': screen->paused = !screen->paused; break;
	case 'r': top_ask_now(&screen->top->ask); break;
	case 'n': screen_search(screen, 1); break;
	default: key_move(screen, key); break;
	}
}

static void input_begin(struct top_screen *screen, enum top_mode mode, const char *text)
{
	screen->mode = mode;
	snprintf(screen->before, sizeof(screen->before), "%s", screen->top->view.filter);
	snprintf(screen->input, sizeof(screen->input), "%s", text);
}

static void key_enter(struct top_screen *screen)
{
	if (screen->count && screen->rows[screen->selected].process)
		screen->mode = TOP_MODE_DETAIL;
	else
		screen->note = "select a process";
}

/* false: quit */
static bool key_list(struct top_screen *screen, int key)
{
	switch (key) {
	case 'q':
	case KEY_F(10): return false;
	case KEY_F(1):
	case 'h':
	case '?': screen->mode = TOP_MODE_HELP; break;
	case KEY_F(3):
	case '/': input_begin(screen, TOP_MODE_SEARCH, ""); break;
	case KEY_F(4):
	case '\\': input_begin(screen, TOP_MODE_FILTER, screen->top->view.filter); break;
	case KEY_F(6):
	case '>':
	case '<':
		screen->sort = screen->top->view.sort;
		screen->mode = TOP_MODE_SORT;
		break;
	case KEY_ENTER:
	case '\n':
	case '\r': key_enter(screen); break;
	case KEY_ESCAPE:
		screen->top->view.filter[0] = '\0';
		screen_rows(screen);
		break;
	default: key_view(screen, key); break;
	}
	return true;
}

static bool key_back(struct top_screen *screen, int key)
{
	switch (key) {
	case KEY_F(10): return false;
	case 'q':
	case KEY_ESCAPE:
	case KEY_ENTER:
	case '\n':
	case '\r':
	case KEY_F(1): screen->mode = TOP_MODE_LIST; break;
	default:
		if (screen->mode == TOP_MODE_DETAIL)
			key_view(screen, key);
		else
			screen->mode = TOP_MODE_LIST;
		break;
	}
	return true;
}

static void key_sort(struct top_screen *screen, int key)
{
	switch (key) {
	case KEY_UP: screen->sort = screen->sort ? screen->sort - 1 : TOP_COLUMNS - 1; break;
	case KEY_DOWN: screen->sort = (enum top_column)((screen->sort + 1) % TOP_COLUMNS); break;
	case KEY_ENTER:
	case '\n':
	case '\r':
		screen->mode = TOP_MODE_LIST;
		screen_sort(screen, screen->sort);
		break;
	case 'q':
	case KEY_ESCAPE: screen->mode = TOP_MODE_LIST; break;
	default: break;
	}
}

static void input_end(struct top_screen *screen, bool taken)
{
	bool search = screen->mode == TOP_MODE_SEARCH;

	screen->mode = TOP_MODE_LIST;
	if (search && taken) {
		screen_search(screen, 0); /* says if there is none; n goes on with it */
		return;
	}
	if (search)
		screen->input[0] = '\0';
	else if (!taken)
		snprintf(screen->top->view.filter, sizeof(screen->top->view.filter), "%s",
			 screen->before);
	screen_rows(screen);
}

/* Both follow what is typed letter by letter. */
static void input_changed(struct top_screen *screen)
{
	if (screen->mode == TOP_MODE_SEARCH) {
		screen_search(screen, 0);
		return;
	}
	snprintf(screen->top->view.filter, sizeof(screen->top->view.filter), "%s", screen->input);
	screen_rows(screen);
}

static void key_input(struct top_screen *screen, int key)
{
	size_t used = strlen(screen->input);

	switch (key) {
	case KEY_ENTER:
	case '\n':
	case '\r': input_end(screen, true); return;
	case KEY_ESCAPE: input_end(screen, false); return;
	case KEY_BACKSPACE:
	case '\b':
	case 127:
		if (used)
			screen->input[used - 1] = '\0';
		break;
	default:
		if (key < ' ' || key > '~' || used + 1 >= sizeof(screen->input))
			return;
		screen->input[used] = (char)key;
		screen->input[used + 1] = '\0';
		break;
	}
	input_changed(screen);
}

static bool screen_key(struct top_screen *screen, int key)
{
	screen->note = NULL;
	if (key == KEY_RESIZE)
		return true;
	switch (screen->mode) {
	case TOP_MODE_LIST: return key_list(screen, key);
	case TOP_MODE_SORT: key_sort(screen, key); return true;
	case TOP_MODE_FILTER:
	case TOP_MODE_SEARCH: key_input(screen, key); return true;
	default: return key_back(screen, key);
	}
}

/* --- the loop --------------------------------------------------------------------------------- */

/* Until a key, an answer, or the time for the next question. false: the terminal has gone. */
static bool screen_wait(const struct top_screen *screen)
{
	struct pollfd pfd[2] = {{.fd = STDIN_FILENO, .events = POLLIN}, {.events = POLLIN}};
	uint64_t until, now = vgpu_now_ms();
	int timeout;

	pfd[1].fd = top_ask_poll(&screen->top->ask, &until);
	timeout = until > now ? (int)(until - now) : 0;
	if (screen->paused) {
		pfd[1].fd = -1;
		timeout = -1;
	}
	if (poll(pfd, 2, timeout) < 0)
		return errno == EINTR; /* the terminal's size */
	return !(pfd[0].revents & (POLLHUP | POLLERR | POLLNVAL));
}

static bool screen_keys(struct top_screen *screen)
{
	int key;

	while ((key = getch()) != ERR)
		if (!screen_key(screen, key))
			return false;
	return true;
}

static void screen_loop(struct top_screen *screen)
{
	uint64_t samples = 0;

	top_draw(screen);
	while (screen_wait(screen)) {
		if (!screen->paused && top_step(screen->top)) {
			screen_rows(screen);
			samples++;
		}
		if (!screen_keys(screen) ||
		    (screen->top->iterations && samples > screen->top->iterations))
			return;
		top_draw(screen);
	}
}

static bool has_blocks(const struct top *top)
{
	setlocale(LC_CTYPE, "");
	return !top->ascii && !strcmp(nl_langinfo(CODESET), "UTF-8");
}

int top_screen(struct top *top)
{
	struct top_screen screen = {.top = top, .graphs = true, .blocks = has_blocks(top)};
	SCREEN *terminal = newterm(NULL, stdout, stdin);

	if (!terminal) {
		vgpu_fail("the terminal (TERM=%s) is not known to ncurses: tables follow",
			  getenv("TERM") ? getenv("TERM") : "");
		return -1;
	}
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	top_draw_init();
	screen_loop(&screen);
	endwin();
	delscreen(terminal);
	free(screen.rows);
	return VGPU_DONE;
}
