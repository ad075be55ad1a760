/* SPDX-License-Identifier: MIT */
/* Events: a point in a stream, and when it was passed. */
#ifndef SOFT_EVENT_H
#define SOFT_EVENT_H

#include "dom0-executor/soft/capture.h"
#include "dom0-executor/soft/ipc.h"

struct soft_event {
	struct soft_object object;
	unsigned int flags;
	struct event_shared
		*shared; /* of CU_EVENT_INTERPROCESS, owned; NULL: this process's alone */
	int fd, peer;    /* of shared, owned; peer -1: made here */

	/* The scheduler's lock guards the rest. */
	bool recorded;
	struct soft_point point; /* of the last record */
	uint64_t time;           /* ns, of the last record that has run */
	struct soft_captured captured;
};

/* The work of recording an event; for nodes. NULL without memory. */
struct soft_work *event_record_work(struct soft_event *event);
struct soft_work *event_wait_work(struct soft_event *event);

/* The event of such a work. */
struct soft_event *event_of_work(struct soft_work *work);

#endif
