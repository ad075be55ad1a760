/* SPDX-License-Identifier: MIT */
/*
 * One NVML call under execution: what generated dispatch and hand-written halves work with. Its bytes
 * come from the guest (protocol/nvml_wire.h), in private memory already; each read is bounded. Runs in
 * the lane's thread.
 */
#ifndef EX_NVML_ASK_H
#define EX_NVML_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/nvml_types.h"

struct ex_session;

struct ex_ask {
	struct ex_session *session;
	const uint8_t *in; /* parts that have not been taken */
	size_t left;
	uint8_t *out; /* room for parts */
	size_t room, used;
	bool breach;        /* no guest library of ours asks like this */
	nvmlReturn_t wrong; /* the call is answered with this instead of being made */
};

/* A list that is asked for. `counted`: only how many there are. */
struct ex_ask_list {
	unsigned int count;
	unsigned int most; /* room of ours, and of the guest's */
	bool counted;
};

void ex_ask_breach(struct ex_ask *ask);
/* Each takes the next part. Devices: NULL, and the ask is wrong, for one that the vGPU has not. */
nvmlDevice_t ex_ask_device(struct ex_ask *ask);
void ex_ask_in(struct ex_ask *ask, void *value, size_t size);
void ex_ask_list(struct ex_ask *ask, struct ex_ask_list *list, unsigned int most);
/* Its size, by which of the versions its first word is; 0: none of them. */
unsigned int ex_ask_versioned(struct ex_ask *ask, void *value, const unsigned int *versions,
			      size_t count);
/* True when the call is to be made: all parts have been taken, and it has its devices. */
bool ex_ask_ready(struct ex_ask *ask, nvmlReturn_t *result);

/* The library has no such function: what the call answers. */
nvmlReturn_t ex_ask_missing(const struct ex_ask *ask);

/* Each adds a part to the answer. */
void ex_ask_out(struct ex_ask *ask, const void *value, size_t size);
void ex_ask_list_out(struct ex_ask *ask, const struct ex_ask_list *list, nvmlReturn_t result,
		     const void *items, size_t size);

/* Generated: what an op is and how it runs. NULL: no such op. */
struct ex_nvml_op {
	const char *name;
	nvmlReturn_t (*run)(struct ex_ask *ask);
};
const struct ex_nvml_op *ex_nvml_op_find(unsigned int op);

#endif
