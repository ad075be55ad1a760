/* SPDX-License-Identifier: MIT */
/*
 * vgpu top for pipes and files: a table a sample.
 */
#include "tools/top.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "protocol/op_names.h"
#include "tools/value.h"

/* Nothing of what NVML does not know. */
static void append_known(char *text, size_t size, double value, const char *unit)
{
	if (!isnan(value))
		vgpu_append(text, size, ", %.0f%s", value, unit);
}

void top_gpu_line(const struct top_gpu *gpu, bool bars, char *text, size_t size)
{
	char used[TOP_CELL], total[TOP_CELL], held[TOP_CELL];

	top_text_bytes(gpu->is.memory_used, used);
	top_text_bytes(gpu->is.memory_total, total);
	top_text_bytes(gpu->held, held);
	snprintf(text, size, "GPU %s", *gpu->name ? gpu->name : "0");
	if (*gpu->is.model)
		vgpu_append(text, size, " %s", gpu->is.model);
	if (!bars)
		append_known(text, size, gpu->is.busy * 100, "% busy");
	if (!bars && !isnan(gpu->is.memory_total))
		vgpu_append(text, size, ", %s of %s", used, total);
	append_known(text, size, gpu->is.celsius, " C");
	append_known(text, size, gpu->is.watts, " W");
	vgpu_append(text, size, ": %zu vGPU%s, %zu process%s, %s held", gpu->vgpus,
		    gpu->vgpus == 1 ? "" : "s", gpu->processes, gpu->processes == 1 ? "" : "es",
		    held);
}

void top_summary_line(const struct top *top, char *text, size_t size)
{
	const struct top_model *model = &top->model;
	size_t guests = 0, processes = 0;
	int64_t up = model->sample.now - model->sample.started;

	for (size_t i = 0; i < model->guest_count; i++) {
		if (!model->guests[i]->present ||
		    !top_view_wants(&top->view, model->guests[i]->domid))
			continue;
		guests++;
		processes += model->guests[i]->process_count;
	}
	snprintf(text, size, "%zu guest%s, %zu process%s", guests, guests == 1 ? "" : "s",
		 processes, processes == 1 ? "" : "es");
	if (up >= 0)
		vgpu_append(text, size, ", xen-vgpud up %lld:%02lld:%02lld", (long long)up / 3600,
			    (long long)up / 60 % 60, (long long)up % 60);
}

static void print_row(const struct top *top, const struct top_row *row)
{
	for (unsigned int c = 0; c < TOP_COLUMNS; c++) {
		char text[TOP_CELL];

		top_view_cell(&top->view, row, (enum top_column)c, text);
		printf("%s%*s", c ? " " : "", c + 1 < TOP_COLUMNS ? top_columns[c].width : 0, text);
	}
	putchar('\n');
}

static void print_lane(const struct top_lane *lane)
{
	char unread[TOP_CELL], bytes[TOP_CELL];

	top_text_bytes((double)lane->commands_unread, unread);
	top_text_bytes((double)lane->commands_bytes, bytes);
	printf("    lane %llu: %llu taken, %llu done, %s of %s queued, last %s",
	       (unsigned long long)lane->lane, (unsigned long long)lane->taken,
	       (unsigned long long)lane->done, unread, bytes, vg_op_name((unsigned int)lane->op));
	if (lane->waited)
		printf(" for %llu ms", (unsigned long long)lane->begun_ms);
	putchar('\n');
}

static void print_clock(const struct top *top)
{
	char when[32] = "?", summary[256];
	time_t now = time(NULL);
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	top_summary_line(top, summary, sizeof(summary));
	printf("vgpu top %s, %.1f s: %s\n", when, top->model.seconds, summary);
}

void top_print_plain(const struct top *top)
{
	size_t count;
	struct top_row *rows = top_view_rows(&top->view, &top->model, &count);
	char line[512];

	print_clock(top);
	for (size_t i = 0; i < top->gpus.count; i++) {
		top_gpu_line(&top->gpus.gpu[i], false, line, sizeof(line));
		puts(line);
	}
	for (unsigned int c = 0; c < TOP_COLUMNS; c++)
		printf("%s%*s", c ? " " : "", c + 1 < TOP_COLUMNS ? top_columns[c].width : 0,
		       top_columns[c].head);
	putchar('\n');
	for (size_t i = 0; rows && i < count; i++) {
		print_row(top, &rows[i]);
		for (size_t l = 0;
		     top->lanes && rows[i].process && l < rows[i].process->session.lane_count; l++)
			print_lane(&rows[i].process->session.lanes[l]);
	}
	free(rows);
}
