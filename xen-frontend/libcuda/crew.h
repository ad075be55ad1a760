/* SPDX-License-Identifier: MIT */
/*
 * A few threads of ours that help a large copy with its memcpy, since one processor copies slower than a GPU
 * fetches. They are made at first use, look for the next job for a moment after one, and sleep.
 */
#ifndef FE_CREW_H
#define FE_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* Work in pieces that may be done in any order, by any thread. On the stack of the thread whose job it is. */
struct fe_job {
	atomic_size_t next;  /* piece */
	atomic_size_t limit; /* pieces below this may be done now */
	atomic_bool over;
	bool shared; /* by fe_crew_begin: the helpers may be at it */
	void (*work)(struct fe_job *job, size_t piece);
};

/* Calls the helpers. One job at a time: the caller sees to that. Without it the caller does all of the work. */
void fe_crew_begin(struct fe_job *job);
/* More may be done: helpers that have gone to sleep come back. */
void fe_crew_more(struct fe_job *job, size_t limit);
/* Does one piece. False: there is none to be done now. */
bool fe_crew_work(struct fe_job *job);
/* Between two looks at what a helper is about to finish; looks: so far. */
void fe_crew_pause(unsigned int looks);
/* No helper is at it any more when this returns. */
void fe_crew_end(struct fe_job *job);

/* In a child after fork: the threads are the parent's. */
void fe_crew_reset(void);

#endif
