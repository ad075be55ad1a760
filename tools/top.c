/* SPDX-License-Identifier: MIT */
/*
 * vgpu top: what the guests do, again and again. On a terminal a screen (top_screen.c), else a table or an object
 * a sample.
 */
#include "tools/top.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DELAY_MS     2000u
#define DELAY_MIN_MS 100u
#define DELAY_MAX_MS 300000u

static int top_usage(void)
{
	fprintf(stderr, "usage: vgpu top [--once] [--plain] [--json] [--delay SECONDS] "
			"[--iterations N] [--lanes]\n"
			"                [--flat] [--sort COLUMN] [--filter TEXT] [--no-times] "
			"[--ascii] [DOMAIN...]\n");
	return VGPU_USAGE;
}

/* --- options ---------------------------------------------------------------------------------- */

static bool parse_delay(const char *text, uint32_t *ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= DELAY_MIN_MS / 1000.0) ||
	    !(seconds <= DELAY_MAX_MS / 1000.0)) {
		vgpu_fail("--delay takes %g to %u seconds, not `%s`", DELAY_MIN_MS / 1000.0,
			  DELAY_MAX_MS / 1000, text);
		return false;
	}
	*ms = (uint32_t)(seconds * 1000);
	return true;
}

static bool parse_iterations(const char *text, uint64_t *count)
{
	if (vg_parse_uint(text, count) && *count)
		return true;
	vgpu_fail("--iterations takes a number from 1 on, not `%s`", text);
	return false;
}

static bool parse_sort(const char *text, enum top_column *column)
{
	if (top_view_column(text, column))
		return true;
	fprintf(stderr, "vgpu: --sort takes one of");
	for (unsigned int i = 0; i < TOP_COLUMNS; i++)
		fprintf(stderr, " %s", top_columns[i].name);
	fprintf(stderr, ", not `%s`\n", text);
	return false;
}

static bool top_option(struct top *top, int c)
{
	switch (c) {
	case '1':
		top->iterations = 1;
		top->plain = true;
		return true;
	case 'p': top->plain = true; return true;
	case 'j': top->json = true; return true;
	case 'l': top->lanes = true; return true;
	case 'f': top->view.flat = true; return true;
	case 't': top->ask.times = false; return true;
	case 'a': top->ascii = true; return true;
	case 'd': return parse_delay(optarg, &top->delay_ms);
	case 'n': return parse_iterations(optarg, &top->iterations);
	case 's': return parse_sort(optarg, &top->view.sort);
	case 'F': snprintf(top->view.filter, sizeof(top->view.filter), "%s", optarg); return true;
	default: return false;
	}
}

static int top_options(struct top *top, int argc, char **argv)
{
	static const struct option options[] = {
		{"once", no_argument, NULL, '1'},
		{"plain", no_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},
		{"lanes", no_argument, NULL, 'l'},
		{"flat", no_argument, NULL, 'f'},
		{"no-times", no_argument, NULL, 't'},
		{"ascii", no_argument, NULL, 'a'},
		{"delay", required_argument, NULL, 'd'},
		{"iterations", required_argument, NULL, 'n'},
		{"sort", required_argument, NULL, 's'},
		{"filter", required_argument, NULL, 'F'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "d:n:s:", options, NULL)) >= 0) {
		if (c == '?')
			return top_usage();
		if (!top_option(top, c))
			return VGPU_USAGE;
	}
	return VGPU_DONE;
}

/* Numbers are taken as they are where there is no xenstore to ask. */
static bool top_domain(struct top *top, const char *text, uint32_t *domid)
{
	uint64_t number;

	if (top->vgpu->xs)
		return vgpu_domain_find(top->vgpu, text, domid);
	if (!vg_parse_uint(text, &number) || number > VGPU_DOMID_MAX)
		return vgpu_xenstore(top->vgpu) && vgpu_domain_find(top->vgpu, text, domid);
	*domid = (uint32_t)number;
	return true;
}

static int top_domains(struct top *top, int argc, char **argv)
{
	top->domids = calloc((size_t)argc + 1, sizeof(*top->domids));
	if (!top->domids)
		return vgpu_fail("no memory");
	for (int i = 0; i < argc; i++)
		if (!top_domain(top, argv[i], &top->domids[i]))
			return VGPU_FAILED;
	top->view.domids = top->domids;
	top->view.domid_count = (size_t)argc;
	if (argc == 1)
		top->ask.domid = top->domids[0];
	return VGPU_DONE;
}

/* --- samples ---------------------------------------------------------------------------------- */

static void top_names(struct top *top)
{
	char name[256];

	for (size_t i = 0; i < top->model.guest_count; i++) {
		struct top_guest *guest = top->model.guests[i];

		if (!guest->present || !top->vgpu->xs)
			continue;
		vgpu_domain_name(top->vgpu, (uint32_t)guest->domid, name, sizeof(name));
		if (strcmp(name, "?") != 0)
			snprintf(guest->name, sizeof(guest->name), "%.63s", name);
	}
}

static void top_take(struct top *top, struct json_object *answer)
{
	struct top_sample sample;

	if (top_sample_read(&sample, answer, vgpu_now_ms()) ||
	    top_model_add(&top->model, &sample)) {
		top_model_miss(&top->model, "no memory");
		return;
	}
	top_names(top);
	top_gpus_read(&top->gpus, &top->model);
	top_model_step(&top->model);
}

bool top_step(struct top *top)
{
	struct json_object *answer;
	char why[512];

	switch (top_ask_step(&top->ask, &answer, why, sizeof(why))) {
	case TOP_NEWS_ANSWER:
		top_take(top, answer);
		json_object_put(answer);
		return true;
	case TOP_NEWS_MISSED: top_model_miss(&top->model, why); return true;
	default: return false;
	}
}

static void top_wait(const struct top *top)
{
	struct pollfd pfd = {.events = POLLIN};
	uint64_t until, now = vgpu_now_ms();

	pfd.fd = top_ask_poll(&top->ask, &until);
	if (until > now)
		(void)poll(&pfd, 1, (int)(until - now));
}

/* Rates need two samples: the first is not printed. */
static int top_stream(struct top *top)
{
	uint64_t printed = 0, missed = 0;

	while (!top->iterations || printed + missed < top->iterations) {
		top_wait(top);
		if (!top_step(top))
			continue;
		if (*top->model.why) {
			vgpu_fail("%s", top->model.why);
			missed++;
			continue;
		}
		if (!(top->model.seconds > 0))
			continue;
		if (printed++ && !top->json)
			putchar('\n');
		if (top->json)
			top_print_json(top);
		else
			top_print_plain(top);
		/* Whoever reads has gone. */
		if (fflush(stdout))
			return VGPU_FAILED;
	}
	return missed ? VGPU_FAILED : VGPU_DONE;
}

static int top_run(struct top *top)
{
	int rc = -1;

	if (!top->json && !top->plain && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO))
		rc = top_screen(top);
	return rc < 0 ? top_stream(top) : rc;
}

int vgpu_top(struct vgpu *vgpu, int argc, char **argv)
{
	struct top top = {.vgpu = vgpu, .delay_ms = DELAY_MS, .view = {.sort = TOP_COL_CALLS}};
	int rc;

	top_ask_init(&top.ask, vgpu->socket, DELAY_MS);
	rc = top_options(&top, argc, argv);
	if (rc)
		return rc;
	top.ask.delay_ms = top.delay_ms;
	if (!vgpu->xs)
		vgpu->xs = xs_open(0); /* for names only: without it there are none */
	rc = top_domains(&top, argc - optind, argv + optind);
	if (!rc) {
		top_gpus_init(&top.gpus);
		rc = top_run(&top);
		top_gpus_dispose(&top.gpus);
	}
	top_model_dispose(&top.model);
	top_ask_dispose(&top.ask);
	free(top.domids);
	return rc;
}
