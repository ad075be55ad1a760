/* SPDX-License-Identifier: MIT */
/* See top_view.h. */
#include "tools/top_view.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/op_names.h"
#include "tools/value.h"

const struct top_column_info top_columns[TOP_COLUMNS] = {
	[TOP_COL_PROGRAM] = {"GUEST/PROGRAM", "program", -20, true},
	[TOP_COL_PID] = {"PID", "pid", 7, false},
	[TOP_COL_EXECUTOR] = {"EXECUTOR", "executor", 8, false},
	[TOP_COL_CALLS] = {"CALLS/S", "calls", 7, false},
	[TOP_COL_LAUNCHES] = {"LAUNCH/S", "launches", 8, false},
	[TOP_COL_TO_GPU] = {"TO-GPU/S", "to-gpu", 8, false},
	[TOP_COL_FROM_GPU] = {"FROM/S", "from-gpu", 7, false},
	[TOP_COL_MEMORY] = {"MEMORY", "memory", 7, false},
	[TOP_COL_QUOTA] = {"QUOTA%", "quota", 6, false},
	[TOP_COL_GPU] = {"GPU%", "gpu", 5, false},
	[TOP_COL_QUEUE] = {"QUEUE", "queue", 6, false},
	[TOP_COL_P50] = {"P50", "p50", 6, false},
	[TOP_COL_P90] = {"P90", "p90", 6, false},
	[TOP_COL_P99] = {"P99", "p99", 6, false},
	[TOP_COL_ERRORS] = {"ERR/S", "errors", 6, false},
	[TOP_COL_STATE] = {"STATE", "state", -9, true},
};

const char *const top_graph_names[TOP_GRAPHS] = {
	"calls/s",   "launches/s", "bytes/s",     "memory",
	"GPU share", "queue",      "p99 latency", "errors/s",
};

/* --- texts ------------------------------------------------------------------------------------ */

void top_text_count(double value, char text[TOP_CELL])
{
	static const char units[] = " kMGTPE";
	int unit = 0;

	if (isnan(value)) {
		snprintf(text, TOP_CELL, "-");
		return;
	}
	for (; value >= 9999.5 && unit < 6; unit++)
		value /= 1000;
	if (unit)
		snprintf(text, TOP_CELL, value < 99.95 ? "%.1f%c" : "%.0f%c", value, units[unit]);
	else
		snprintf(text, TOP_CELL, value > 0 && value < 9.95 ? "%.1f" : "%.0f", value);
}

void top_text_bytes(double value, char text[TOP_CELL])
{
	snprintf(text, TOP_CELL, "%s",
		 isnan(value)                 ? "-"
		 : value < (double)UINT64_MAX ? vgpu_bytes((uint64_t)value)
					      : vgpu_bytes(UINT64_MAX));
}

void top_text_share(double value, char text[TOP_CELL])
{
	if (isnan(value))
		snprintf(text, TOP_CELL, "-");
	else
		snprintf(text, TOP_CELL, "%.0f%%", value < 99.99 ? value * 100 : 9999);
}

void top_text_ns(double value, char text[TOP_CELL])
{
	static const char *const units[] = {"ns", "us", "ms", "s"};
	int unit = 0;

	if (isnan(value)) {
		snprintf(text, TOP_CELL, "-");
		return;
	}
	for (; value >= 999.5 && unit < 3; unit++)
		value /= 1000;
	snprintf(text, TOP_CELL, unit && value < 99.95 ? "%.1f%s" : "%.0f%s", value, units[unit]);
}

void top_text_graph(enum top_graph graph, double value, char text[TOP_CELL])
{
	switch (graph) {
	case TOP_GRAPH_BYTES:
	case TOP_GRAPH_MEMORY:
	case TOP_GRAPH_QUEUE: top_text_bytes(value, text); break;
	case TOP_GRAPH_GPU: top_text_share(value, text); break;
	case TOP_GRAPH_P99: top_text_ns(value, text); break;
	default: top_text_count(value, text); break;
	}
}

void top_guest_label(const struct top_guest *guest, char text[TOP_CELL])
{
	if (*guest->name)
		snprintf(text, TOP_CELL, "%s (%llu)", guest->name,
			 (unsigned long long)guest->domid);
	else
		snprintf(text, TOP_CELL, "domain %llu", (unsigned long long)guest->domid);
}

bool top_view_column(const char *name, enum top_column *column)
{
	for (unsigned int i = 0; i < TOP_COLUMNS; i++) {
		if (strcmp(name, top_columns[i].name) != 0)
			continue;
		*column = (enum top_column)i;
		return true;
	}
	return false;
}

/* --- cells ------------------------------------------------------------------------------------ */

static const struct top_figures *row_figures(const struct top_row *row)
{
	return row->process ? &row->process->figures : &row->guest->figures;
}

/* A process's part of its guest's quota. */
static double row_quota(const struct top_row *row)
{
	return row_figures(row)->memory / row->guest->figures.quota;
}

static double row_value(const struct top_row *row, enum top_column column)
{
	const struct top_figures *f = row_figures(row);

	switch (column) {
	case TOP_COL_PID: return row->process ? (double)row->process->session.id.pid : NAN;
	case TOP_COL_EXECUTOR:
		return row->process ? (double)row->process->session.id.executor : NAN;
	case TOP_COL_CALLS: return f->rate[TOP_CALLS];
	case TOP_COL_LAUNCHES: return f->rate[TOP_LAUNCHES];
	case TOP_COL_TO_GPU: return f->rate[TOP_TO_GPU];
	case TOP_COL_FROM_GPU: return f->rate[TOP_FROM_GPU];
	case TOP_COL_MEMORY: return f->memory;
	case TOP_COL_QUOTA: return row_quota(row);
	case TOP_COL_GPU: return f->gpu;
	case TOP_COL_QUEUE: return f->queue;
	case TOP_COL_P50: return f->latency[TOP_P50];
	case TOP_COL_P90: return f->latency[TOP_P90];
	case TOP_COL_P99: return f->latency[TOP_P99];
	case TOP_COL_ERRORS: return f->rate[TOP_ERRORS];
	default: return NAN;
	}
}

static void text_program(const struct top_view *view, const struct top_row *row,
			 char text[TOP_CELL])
{
	char label[TOP_CELL];

	top_guest_label(row->guest, label);
	if (!row->process)
		memcpy(text, label, sizeof(label));
	else if (view->flat)
		snprintf(text, TOP_CELL, "%.40s  %.40s", row->process->session.program, label);
	else
		snprintf(text, TOP_CELL, "  %s", row->process->session.program);
}

static void text_state(const struct top_row *row, char text[TOP_CELL])
{
	const char *waits = row->guest->connected ? "connected" : "waiting";

	snprintf(text, TOP_CELL, "%s", row->process ? row->process->session.state : waits);
}

void top_view_cell(const struct top_view *view, const struct top_row *row, enum top_column column,
		   char text[TOP_CELL])
{
	double value = row_value(row, column);

	switch (column) {
	case TOP_COL_PROGRAM: text_program(view, row, text); break;
	case TOP_COL_STATE: text_state(row, text); break;
	case TOP_COL_PID:
	case TOP_COL_EXECUTOR:
		if (isnan(value))
			*text = '\0';
		else
			snprintf(text, TOP_CELL, "%.0f", value);
		break;
	case TOP_COL_TO_GPU:
	case TOP_COL_FROM_GPU:
	case TOP_COL_MEMORY:
	case TOP_COL_QUEUE: top_text_bytes(value, text); break;
	case TOP_COL_QUOTA:
	case TOP_COL_GPU: top_text_share(value, text); break;
	case TOP_COL_P50:
	case TOP_COL_P90:
	case TOP_COL_P99: top_text_ns(value, text); break;
	default: top_text_count(value, text); break;
	}
}

/* --- rows ------------------------------------------------------------------------------------- */

bool top_view_wants(const struct top_view *view, uint64_t domid)
{
	for (size_t i = 0; i < view->domid_count; i++)
		if (view->domids[i] == domid)
			return true;
	return !view->domid_count;
}

bool top_view_matches(const struct top_row *row, const char *text)
{
	char label[TOP_CELL], numbers[TOP_CELL];

	top_guest_label(row->guest, label);
	if (!row->process)
		return strcasestr(label, text) != NULL;
	snprintf(numbers, sizeof(numbers), "%llu %llu",
		 (unsigned long long)row->process->session.id.pid,
		 (unsigned long long)row->process->session.id.executor);
	return strcasestr(row->process->session.program, text) || strcasestr(numbers, text) ||
	       strcasestr(label, text);
}

/* qsort() passes nothing on: each row is sorted with what it is sorted by. */
struct sorted {
	struct top_row row;
	double value; /* what is not known is less than all */
	const char *text;
	bool inverted;
};

static int sorted_compare(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;
	int by = x->text ? strcmp(x->text, y->text) : (x->value < y->value) - (x->value > y->value);

	if (x->inverted)
		by = -by;
	if (!by)
		by = (x->row.guest->domid > y->row.guest->domid) -
		     (x->row.guest->domid < y->row.guest->domid);
	if (!by && x->row.process && y->row.process)
		by = (x->row.process->session.id.executor > y->row.process->session.id.executor) -
		     (x->row.process->session.id.executor < y->row.process->session.id.executor);
	return by;
}

static const char *sort_text(const struct top_row *row, enum top_column column)
{
	if (column == TOP_COL_STATE)
		return row->process            ? row->process->session.state
		       : row->guest->connected ? "connected"
					       : "waiting";
	return row->process ? row->process->session.program : row->guest->name;
}

static struct sorted sorted_new(const struct top_view *view, const struct top_guest *guest,
				const struct top_process *process)
{
	struct sorted sorted = {.row = {guest, process}, .inverted = view->inverted};

	sorted.value = row_value(&sorted.row, view->sort);
	if (isnan(sorted.value))
		sorted.value = -1;
	if (top_columns[view->sort].text)
		sorted.text = sort_text(&sorted.row, view->sort);
	return sorted;
}

/* The processes of a guest, or of all (NULL). */
static size_t collect_processes(const struct top_view *view, const struct top_model *model,
				const struct top_guest *only, struct sorted *sorted)
{
	size_t count = 0;

	for (size_t i = 0; i < model->process_count; i++) {
		const struct top_process *process = &model->processes[i];
		const struct top_guest *guest = top_model_guest(model, process->session.id.domid);
		struct top_row row = {guest, process};

		if (!process->present || !guest || (only && only != guest) ||
		    !top_view_wants(view, guest->domid) || !top_view_matches(&row, view->filter))
			continue;
		sorted[count++] = sorted_new(view, guest, process);
	}
	qsort(sorted, count, sizeof(*sorted), sorted_compare);
	return count;
}

static size_t collect_guests(const struct top_view *view, const struct top_model *model,
			     struct sorted *sorted)
{
	size_t count = 0;

	for (size_t i = 0; i < model->guest_count; i++) {
		const struct top_guest *guest = model->guests[i];

		if (guest->present && top_view_wants(view, guest->domid))
			sorted[count++] = sorted_new(view, guest, NULL);
	}
	qsort(sorted, count, sizeof(*sorted), sorted_compare);
	return count;
}

/* A guest with its processes below it; one that the filter leaves nothing of is left out. */
static size_t rows_tree(const struct top_view *view, const struct top_model *model,
			struct sorted *guests, struct sorted *scratch, struct top_row *rows)
{
	size_t guest_count = collect_guests(view, model, guests), count = 0;

	for (size_t g = 0; g < guest_count; g++) {
		size_t n = collect_processes(view, model, guests[g].row.guest, scratch);

		if (!n && !top_view_matches(&guests[g].row, view->filter))
			continue;
		rows[count++] = guests[g].row;
		for (size_t i = 0; i < n; i++)
			rows[count++] = scratch[i].row;
	}
	return count;
}

struct top_row *top_view_rows(const struct top_view *view, const struct top_model *model,
			      size_t *count)
{
	size_t most = model->process_count + model->guest_count + 1;
	struct top_row *rows = calloc(most, sizeof(*rows));
	struct sorted *sorted = calloc(2 * most, sizeof(*sorted));

	*count = 0;
	if (rows && sorted && view->flat) {
		*count = collect_processes(view, model, NULL, sorted);
		for (size_t i = 0; i < *count; i++)
			rows[i] = sorted[i].row;
	} else if (rows && sorted) {
		*count = rows_tree(view, model, sorted, sorted + most, rows);
	}
	if (!sorted) {
		free(rows);
		rows = NULL;
	}
	free(sorted);
	return rows;
}
