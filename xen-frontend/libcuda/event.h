/* SPDX-License-Identifier: MIT */
/* Events: what is known of them on this side. */
#ifndef FE_EVENT_H
#define FE_EVENT_H

#include <stdbool.h>

#include "protocol/cuda_types.h"

/* Who waits for it is to sleep at once (CU_EVENT_BLOCKING_SYNC). Any value. */
bool fe_event_blocks(CUevent event);

#endif
