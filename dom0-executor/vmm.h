/* SPDX-License-Identifier: MIT */
/*
 * Physical memory made by cuMemCreate. It counts against the quota for as long as a handle names
 * it or it is mapped somewhere.
 */
#ifndef EX_VMM_H
#define EX_VMM_H

#include "dom0-executor/session.h"

struct ex_physical;

/* One use less; the last one gives its bytes back. NULL is fine. */
void ex_physical_drop(struct ex_session *session, struct ex_physical *physical);

#endif
