/* SPDX-License-Identifier: MIT */
/*
 * What `vgpu top` shows: rates between samples, by process and by guest, and the guests' history.
 *
 * Executors' counters are their own words: each is held by the highest value that it has had, so that one that
 * goes back, or is nought while xen-vgpud takes over an executor, is no rate and no leap afterwards.
 */
#ifndef VGPU_TOP_MODEL_H
#define VGPU_TOP_MODEL_H

#include "tools/top_sample.h"

#define TOP_HISTORY   600u   /* samples */
#define TOP_FORGET_MS 60000u /* what has been away for so long is forgotten */

enum top_percentile {
	TOP_P50,
	TOP_P90,
	TOP_P99,
	TOP_PERCENTILES
};

/* What is drawn over time. */
enum top_graph {
	TOP_GRAPH_CALLS,
	TOP_GRAPH_LAUNCHES,
	TOP_GRAPH_BYTES,
	TOP_GRAPH_MEMORY,
	TOP_GRAPH_GPU,
	TOP_GRAPH_QUEUE,
	TOP_GRAPH_P99,
	TOP_GRAPH_ERRORS,
	TOP_GRAPHS
};

/* NAN: not known. */
struct top_figures {
	double rate[TOP_COUNTERS];       /* a second */
	double latency[TOP_PERCENTILES]; /* ns; of the commands since the last sample */
	double gpu;                      /* of one GPU's time, 1: all of it */
	double memory, quota;            /* bytes; quota NAN: none */
	double queue;                    /* bytes in rings that no executor has taken */
};

struct top_rate_op {
	uint64_t op;
	double rate; /* calls a second */
	double ns;   /* mean; NAN: not timed */
};

struct top_process {
	struct top_session session; /* as last seen; its counters are the highest so far */
	struct top_figures figures;
	uint64_t seen;           /* ms: the sample that had it last */
	bool present;            /* in the last sample */
	bool ended;              /* and will not come back */
	struct top_rate_op *ops; /* owned; those made since the last sample, most first */
	size_t op_count;
	double took[TOP_TOOK]; /* commands since the last sample, by their time */
};

struct top_guest {
	uint64_t domid;
	char name[TOP_TEXT]; /* empty: not known */
	bool present;
	uint64_t seen;
	size_t device_count, process_count;
	bool connected; /* all of its vGPUs */
	struct top_figures figures;
	double gone[TOP_COUNTERS]; /* counted by processes that ended since the last sample */
	double took[TOP_TOOK];
	float history[TOP_GRAPHS][TOP_HISTORY]; /* a ring; NAN: not known */
};

struct top_model {
	struct top_sample sample;      /* the last; without what the processes have taken */
	bool sampled;                  /* there is one */
	double seconds;                /* between the last two; 0: there is one only */
	uint64_t restarts;             /* of xen-vgpud, seen */
	struct top_process *processes; /* owned; also those that are away */
	size_t process_count;
	struct top_guest **guests; /* owned, each too; by domid */
	size_t guest_count;
	struct top_id *ended; /* owned; those that the last sample had */
	size_t ended_count;
	struct top_figures total;
	size_t next, filled; /* of the histories */
	char why[512];       /* why there was no answer, empty: there was */
};

/* Takes the sample over, whatever it returns. 0 or -ENOMEM: then the sample is missed. */
int top_model_add(struct top_model *model, struct top_sample *sample);
/* After top_model_add(): a process's share of a GPU's time; of several GPUs the sum. */
void top_model_gpu(struct top_model *model, uint64_t executor, double share);
/* Then, with all shares told: sums by guest, and one step of the histories. */
void top_model_step(struct top_model *model);
/* No answer, and why: the histories go on, not known. */
void top_model_miss(struct top_model *model, const char *why);
void top_model_dispose(struct top_model *model);

struct top_guest *top_model_guest(const struct top_model *model, uint64_t domid);
/* The history's value so many samples ago, 0: the last. NAN: not known. */
double top_guest_past(const struct top_model *model, const struct top_guest *guest,
		      enum top_graph graph, size_t ago);
/* From commands by the logarithm of their time; NAN: there are none. */
double top_percentile(const double *took, double part);

#endif
