/* SPDX-License-Identifier: MIT */
/*
 * The model as rows and columns: which rows, in which order, and the text of each cell. Of the screen and of the
 * plain tables.
 */
#ifndef VGPU_TOP_VIEW_H
#define VGPU_TOP_VIEW_H

#include "tools/top_model.h"

#define TOP_CELL 96u

enum top_column {
	TOP_COL_PROGRAM,
	TOP_COL_PID,
	TOP_COL_EXECUTOR,
	TOP_COL_CALLS,
	TOP_COL_LAUNCHES,
	TOP_COL_TO_GPU,
	TOP_COL_FROM_GPU,
	TOP_COL_MEMORY,
	TOP_COL_QUOTA,
	TOP_COL_GPU,
	TOP_COL_QUEUE,
	TOP_COL_P50,
	TOP_COL_P90,
	TOP_COL_P99,
	TOP_COL_ERRORS,
	TOP_COL_STATE,
	TOP_COLUMNS
};

struct top_column_info {
	const char *head;
	const char *name; /* as --sort has it */
	int width;        /* negative: left-aligned, as printf has it */
	bool text;        /* sorted from a to z; numbers from the highest */
};
extern const struct top_column_info top_columns[TOP_COLUMNS];

struct top_view {
	enum top_column sort;
	bool inverted;
	bool flat;              /* processes only, of all guests; not guest by guest */
	char filter[TOP_TEXT];  /* empty: all */
	const uint32_t *domids; /* borrowed; those that were asked for */
	size_t domid_count;     /* 0: all */
};

/* `process` NULL: the guest's own row. */
struct top_row {
	const struct top_guest *guest;
	const struct top_process *process;
};

/* The rows of a view, for the caller to free; NULL: no memory. They point into the model. */
struct top_row *top_view_rows(const struct top_view *view, const struct top_model *model,
			      size_t *count);
/* Without the width's blanks. */
void top_view_cell(const struct top_view *view, const struct top_row *row, enum top_column column,
		   char text[TOP_CELL]);
bool top_view_column(const char *name, enum top_column *column);
bool top_view_wants(const struct top_view *view, uint64_t domid);
/* Does the row have this text in its program, process, executor or guest? Upper and lower case are one. */
bool top_view_matches(const struct top_row *row, const char *text);
/* "demo (3)", or "domain 3". */
void top_guest_label(const struct top_guest *guest, char text[TOP_CELL]);

/* 1234 -> "1234", 12345 -> "12.3k"; "-" for what is not known. All at most seven characters. */
void top_text_count(double value, char text[TOP_CELL]);
void top_text_bytes(double value, char text[TOP_CELL]);
void top_text_share(double value, char text[TOP_CELL]); /* 0.5 -> "50%" */
void top_text_ns(double value, char text[TOP_CELL]);    /* 1500 -> "1.5us" */
/* A graph's value in its unit, and what it is. */
void top_text_graph(enum top_graph graph, double value, char text[TOP_CELL]);
extern const char *const top_graph_names[TOP_GRAPHS];

#endif
