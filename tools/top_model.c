/* SPDX-License-Identifier: MIT */
/* See top_model.h. */
#include "tools/top_model.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double percentile_of[TOP_PERCENTILES] = {0.5, 0.9, 0.99};

double top_percentile(const double *took, double part)
{
	double all = 0, before = 0;

	for (unsigned int i = 0; i < TOP_TOOK; i++)
		all += took[i];
	if (!(all > 0))
		return NAN;
	for (unsigned int i = 0; i < TOP_TOOK; i++) {
		if (took[i] > 0 && before + took[i] >= part * all)
			return exp2(i + (part * all - before) / took[i]);
		before += took[i];
	}
	return exp2(TOP_TOOK);
}

static void figures_percentiles(struct top_figures *figures, const double *took)
{
	for (unsigned int p = 0; p < TOP_PERCENTILES; p++)
		figures->latency[p] = top_percentile(took, percentile_of[p]);
}

static void figures_unknown(struct top_figures *figures)
{
	for (unsigned int i = 0; i < TOP_COUNTERS; i++)
		figures->rate[i] = NAN;
	for (unsigned int i = 0; i < TOP_PERCENTILES; i++)
		figures->latency[i] = NAN;
	figures->gpu = figures->quota = NAN;
	figures->memory = figures->queue = 0;
}

/* What is not known adds nothing; a sum of nothing known is not known. */
static void add_known(double *sum, double value)
{
	if (!isnan(value))
		*sum = isnan(*sum) ? value : *sum + value;
}

/* --- processes -------------------------------------------------------------------------------- */

static struct top_process *process_find(const struct top_model *model, const struct top_id *id)
{
	for (size_t i = 0; i < model->process_count; i++)
		if (top_id_same(&model->processes[i].session.id, id))
			return &model->processes[i];
	return NULL;
}

static void process_dispose(struct top_process *process)
{
	top_session_dispose(&process->session);
	free(process->ops);
	process->ops = NULL;
	process->op_count = 0;
}

/* How much it has grown by; `held` becomes the higher one. */
static double grow(uint64_t *held, uint64_t now)
{
	uint64_t by = now > *held ? now - *held : 0;

	*held += by;
	return (double)by;
}

static int rate_op_compare(const void *a, const void *b)
{
	const struct top_rate_op *x = a, *y = b;

	return x->rate < y->rate ? 1 : x->rate > y->rate ? -1 : (x->op > y->op) - (x->op < y->op);
}

static const struct top_op *op_find(const struct top_session *session, uint64_t op)
{
	for (size_t i = 0; i < session->op_count; i++)
		if (session->ops[i].op == op)
			return &session->ops[i];
	return NULL;
}

/* Of the calls since `old`, how often and how long. `now` gets the higher counts of both. */
static void process_ops(struct top_process *process, struct top_session *now,
			const struct top_session *old, double seconds)
{
	free(process->ops);
	process->op_count = 0;
	process->ops = calloc(now->op_count + 1, sizeof(*process->ops));
	if (!process->ops)
		return;
	for (size_t i = 0; i < now->op_count; i++) {
		struct top_op *op = &now->ops[i];
		const struct top_op *was = op_find(old, op->op);
		struct top_op held = was ? *was : (struct top_op){.op = op->op};
		double calls = grow(&held.count, op->count);
		double timed = grow(&held.timed, op->timed), ns = grow(&held.ns, op->ns);

		*op = held;
		if (calls > 0 && seconds > 0)
			process->ops[process->op_count++] = (struct top_rate_op){
				op->op, calls / seconds, timed > 0 ? ns / timed : NAN};
	}
	qsort(process->ops, process->op_count, sizeof(*process->ops), rate_op_compare);
}

/* Its lists are empty while xen-vgpud takes its executor over: the counts of before are kept then. */
static void process_lists(struct top_process *process, struct top_session *now, double seconds)
{
	struct top_session *old = &process->session;

	if (!now->op_count && old->op_count) {
		now->ops = old->ops;
		now->op_count = old->op_count;
		old->ops = NULL;
		old->op_count = 0;
		free(process->ops);
		process->ops = NULL;
		process->op_count = 0;
		return;
	}
	process_ops(process, now, old, seconds);
}

static double queue_of(const struct top_session *session)
{
	double bytes = 0;

	for (size_t i = 0; i < session->lane_count; i++)
		bytes += (double)session->lanes[i].commands_unread;
	return bytes;
}

/* Moves the session in. `seconds`: since its counters were as they are held, 0: nobody knows. */
static void process_update(struct top_process *process, struct top_session *now, double seconds,
			   uint64_t at)
{
	struct top_session *held = &process->session;
	struct top_figures *figures = &process->figures;

	figures_unknown(figures);
	process_lists(process, now, seconds);
	for (unsigned int i = 0; i < TOP_COUNTERS; i++) {
		double by = grow(&held->counter[i], now->counter[i]);

		if (seconds > 0)
			figures->rate[i] = by / seconds;
		now->counter[i] = held->counter[i];
	}
	for (unsigned int i = 0; i < TOP_TOOK; i++) {
		double by = grow(&held->took[i], now->took[i]);

		process->took[i] = seconds > 0 ? by : 0;
		now->took[i] = held->took[i];
	}
	figures_percentiles(figures, process->took);
	figures->memory = (double)now->memory;
	figures->queue = queue_of(now);
	top_session_dispose(held);
	*held = *now;
	memset(now, 0, sizeof(*now));
	process->seen = at;
	process->present = true;
}

/* A new one counts from nought if it has begun since the last sample; seconds are whole there. */
static double first_seconds(const struct top_model *model, const struct top_sample *sample,
			    const struct top_session *session)
{
	if (!model->sampled || sample->at <= model->sample.at ||
	    session->id.started < model->sample.now)
		return 0;
	return (double)(sample->at - model->sample.at) / 1000;
}

static struct top_process *process_new(struct top_model *model)
{
	struct top_process *grown =
		reallocarray(model->processes, model->process_count + 1, sizeof(*grown));

	if (!grown)
		return NULL;
	model->processes = grown;
	memset(&grown[model->process_count], 0, sizeof(*grown));
	return &grown[model->process_count++];
}

static int add_sessions(struct top_model *model, struct top_sample *sample)
{
	for (size_t i = 0; i < sample->session_count; i++) {
		struct top_session *session = &sample->sessions[i];
		struct top_process *process = process_find(model, &session->id);
		double seconds;

		if (process) {
			seconds = (double)(sample->at - process->seen) / 1000;
		} else {
			seconds = first_seconds(model, sample, session);
			process = process_new(model);
			if (!process)
				return -ENOMEM;
			process->session.id = session->id;
		}
		process_update(process, session, seconds, sample->at);
	}
	return 0;
}

/* Drops who has ended or has been away for long. */
static void drop_processes(struct top_model *model, uint64_t at)
{
	size_t kept = 0;

	for (size_t i = 0; i < model->process_count; i++) {
		struct top_process *process = &model->processes[i];

		if (process->present || (!process->ended && at - process->seen <= TOP_FORGET_MS))
			model->processes[kept++] = *process;
		else
			process_dispose(process);
	}
	model->process_count = kept;
}

/* --- guests ----------------------------------------------------------------------------------- */

struct top_guest *top_model_guest(const struct top_model *model, uint64_t domid)
{
	for (size_t i = 0; i < model->guest_count; i++)
		if (model->guests[i]->domid == domid)
			return model->guests[i];
	return NULL;
}

static void history_clear(struct top_guest *guest)
{
	for (unsigned int g = 0; g < TOP_GRAPHS; g++)
		for (unsigned int i = 0; i < TOP_HISTORY; i++)
			guest->history[g][i] = NAN;
}

static struct top_guest *guest_get(struct top_model *model, uint64_t domid)
{
	struct top_guest *guest = top_model_guest(model, domid), **grown;
	size_t i = model->guest_count;

	if (guest)
		return guest;
	grown = reallocarray(model->guests, model->guest_count + 1, sizeof(struct top_guest *));
	if (!grown)
		return NULL;
	model->guests = grown;
	guest = calloc(1, sizeof(*guest));
	if (!guest)
		return NULL;
	guest->domid = domid;
	history_clear(guest);
	for (; i && grown[i - 1]->domid > domid; i--)
		grown[i] = grown[i - 1];
	grown[i] = guest;
	model->guest_count++;
	return guest;
}

static void guest_reset(struct top_guest *guest)
{
	guest->present = false;
	guest->device_count = guest->process_count = 0;
	guest->connected = true;
	memset(guest->gone, 0, sizeof(guest->gone));
	memset(guest->took, 0, sizeof(guest->took));
	figures_unknown(&guest->figures);
}

static int add_devices(struct top_model *model, const struct top_sample *sample)
{
	for (size_t i = 0; i < model->guest_count; i++)
		guest_reset(model->guests[i]);
	for (size_t i = 0; i < sample->device_count; i++) {
		const struct top_device *device = &sample->devices[i];
		struct top_guest *guest = guest_get(model, device->domid);

		if (!guest)
			return -ENOMEM;
		if (!guest->present)
			guest_reset(guest);
		guest->present = true;
		guest->seen = sample->at;
		guest->connected &= device->connected;
		guest->figures.memory += (double)device->mem_used;
		/* One vGPU without a quota: the guest has none. */
		if (!device->mem)
			guest->figures.quota = INFINITY;
		else
			add_known(&guest->figures.quota, (double)device->mem);
		guest->device_count++;
	}
	return 0;
}

static void drop_guests(struct top_model *model, uint64_t at)
{
	size_t kept = 0;

	for (size_t i = 0; i < model->guest_count; i++) {
		struct top_guest *guest = model->guests[i];

		if (guest->present || at - guest->seen <= TOP_FORGET_MS)
			model->guests[kept++] = guest;
		else
			free(guest);
	}
	model->guest_count = kept;
}

static bool ended_known(const struct top_model *model, const struct top_id *id)
{
	for (size_t i = 0; i < model->ended_count; i++)
		if (top_id_same(&model->ended[i], id))
			return true;
	return false;
}

/* What it has done since it was seen, to its guest's account: rates leave out no short program. */
static void add_ended_one(struct top_model *model, const struct top_sample *sample,
			  const struct top_session *session)
{
	struct top_process *process = process_find(model, &session->id);
	struct top_guest *guest = top_model_guest(model, session->id.domid);
	bool counts = process || first_seconds(model, sample, session) > 0;

	for (unsigned int i = 0; guest && counts && i < TOP_COUNTERS; i++) {
		uint64_t held = process ? process->session.counter[i] : 0;

		guest->gone[i] += grow(&held, session->counter[i]);
	}
	if (process)
		process->ended = true;
}

/* Those that the last sample did not have. */
static int add_ended(struct top_model *model, const struct top_sample *sample)
{
	struct top_id *ended = calloc(sample->ended_count + 1, sizeof(*ended));

	if (!ended)
		return -ENOMEM;
	for (size_t i = 0; i < sample->ended_count; i++) {
		ended[i] = sample->ended[i].id;
		if (model->sampled && !ended_known(model, &ended[i]))
			add_ended_one(model, sample, &sample->ended[i]);
	}
	free(model->ended);
	model->ended = ended;
	model->ended_count = sample->ended_count;
	return 0;
}

/* --- samples ---------------------------------------------------------------------------------- */

static int model_take(struct top_model *model, struct top_sample *sample)
{
	int rc;

	for (size_t i = 0; i < model->process_count; i++)
		model->processes[i].present = false;
	rc = add_devices(model, sample);
	if (!rc)
		rc = add_ended(model, sample);
	if (!rc)
		rc = add_sessions(model, sample);
	if (rc)
		return rc;
	drop_processes(model, sample->at);
	drop_guests(model, sample->at);
	return 0;
}

int top_model_add(struct top_model *model, struct top_sample *sample)
{
	int rc = model_take(model, sample);

	if (rc) {
		top_sample_dispose(sample);
		return rc;
	}
	model->seconds = model->sampled ? (double)(sample->at - model->sample.at) / 1000 : 0;
	if (model->sampled &&
	    (sample->daemon != model->sample.daemon || sample->started != model->sample.started))
		model->restarts++;
	model->sampled = true;
	model->why[0] = '\0';
	top_sample_dispose(&model->sample);
	model->sample = *sample;
	memset(sample, 0, sizeof(*sample));
	return 0;
}

void top_model_gpu(struct top_model *model, uint64_t executor, double share)
{
	for (size_t i = 0; i < model->process_count; i++)
		if (model->processes[i].present &&
		    model->processes[i].session.id.executor == executor)
			add_known(&model->processes[i].figures.gpu, share);
}

static double graph_value(const struct top_figures *figures, enum top_graph graph)
{
	switch (graph) {
	case TOP_GRAPH_CALLS: return figures->rate[TOP_CALLS];
	case TOP_GRAPH_LAUNCHES: return figures->rate[TOP_LAUNCHES];
	case TOP_GRAPH_BYTES: return figures->rate[TOP_TO_GPU] + figures->rate[TOP_FROM_GPU];
	case TOP_GRAPH_MEMORY: return figures->memory;
	case TOP_GRAPH_GPU: return figures->gpu;
	case TOP_GRAPH_QUEUE: return figures->queue;
	case TOP_GRAPH_P99: return figures->latency[TOP_P99];
	case TOP_GRAPH_ERRORS: return figures->rate[TOP_ERRORS];
	default: return NAN;
	}
}

static void histories_step(struct top_model *model, bool known)
{
	for (size_t i = 0; i < model->guest_count; i++) {
		struct top_guest *guest = model->guests[i];

		for (unsigned int g = 0; g < TOP_GRAPHS; g++)
			guest->history[g][model->next] =
				known && guest->present
					? (float)graph_value(&guest->figures, (enum top_graph)g)
					: NAN;
	}
	model->next = (model->next + 1) % TOP_HISTORY;
	if (model->filled < TOP_HISTORY)
		model->filled++;
}

static void guest_add_process(struct top_guest *guest, const struct top_process *process)
{
	struct top_figures *sum = &guest->figures;

	guest->process_count++;
	for (unsigned int i = 0; i < TOP_COUNTERS; i++)
		add_known(&sum->rate[i], process->figures.rate[i]);
	for (unsigned int i = 0; i < TOP_TOOK; i++)
		guest->took[i] += process->took[i];
	add_known(&sum->gpu, process->figures.gpu);
	sum->queue += process->figures.queue;
}

static void total_add_guest(struct top_model *model, const struct top_guest *guest)
{
	for (unsigned int i = 0; i < TOP_COUNTERS; i++)
		add_known(&model->total.rate[i], guest->figures.rate[i]);
	add_known(&model->total.gpu, guest->figures.gpu);
	model->total.memory += guest->figures.memory;
	model->total.queue += guest->figures.queue;
}

static void guest_finish(struct top_model *model, struct top_guest *guest)
{
	for (unsigned int i = 0; model->seconds > 0 && i < TOP_COUNTERS; i++)
		add_known(&guest->figures.rate[i], guest->gone[i] / model->seconds);
	figures_percentiles(&guest->figures, guest->took);
	if (isinf(guest->figures.quota))
		guest->figures.quota = NAN;
}

void top_model_step(struct top_model *model)
{
	double took[TOP_TOOK] = {0};

	for (size_t i = 0; i < model->process_count; i++) {
		struct top_guest *guest =
			top_model_guest(model, model->processes[i].session.id.domid);

		if (guest && model->processes[i].present)
			guest_add_process(guest, &model->processes[i]);
	}
	figures_unknown(&model->total);
	for (size_t i = 0; i < model->guest_count; i++) {
		if (!model->guests[i]->present)
			continue;
		guest_finish(model, model->guests[i]);
		total_add_guest(model, model->guests[i]);
		for (unsigned int t = 0; t < TOP_TOOK; t++)
			took[t] += model->guests[i]->took[t];
	}
	figures_percentiles(&model->total, took);
	histories_step(model, true);
}

void top_model_miss(struct top_model *model, const char *why)
{
	snprintf(model->why, sizeof(model->why), "%s", why);
	histories_step(model, false);
}

void top_model_dispose(struct top_model *model)
{
	for (size_t i = 0; i < model->process_count; i++)
		process_dispose(&model->processes[i]);
	free(model->processes);
	for (size_t i = 0; i < model->guest_count; i++)
		free(model->guests[i]);
	free(model->guests);
	free(model->ended);
	top_sample_dispose(&model->sample);
	memset(model, 0, sizeof(*model));
}

double top_guest_past(const struct top_model *model, const struct top_guest *guest,
		      enum top_graph graph, size_t ago)
{
	if (ago >= model->filled)
		return NAN;
	return guest->history[graph][(model->next + TOP_HISTORY - 1 - ago) % TOP_HISTORY];
}
