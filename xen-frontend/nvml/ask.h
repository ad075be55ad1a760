/* SPDX-License-Identifier: MIT */
/*
 * One call on its way to the executor (protocol/nvml_wire.h): what generated stubs work with. Inputs and
 * outputs are added in the order of the arguments, then it is run. Nothing is copied before.
 */
#ifndef FE_NVML_ASK_H
#define FE_NVML_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/nvml_types.h"
#include "protocol/nvml_wire.h"

#define FE_ASK_PARTS_MAX 8

struct fe_ask_list {
	struct vg_nvml_list head; /* as it is sent */
	unsigned int *count;      /* the program's */
	size_t element;
};

struct fe_ask {
	uint32_t op; /* enum vg_nvml_op */
	unsigned int ins, outs;
	struct {
		const void *data;
		size_t size;
	} in[FE_ASK_PARTS_MAX];
	struct {
		void *data; /* NULL: a list that is only counted */
		size_t size;
		const struct fe_ask_list *list; /* NULL: no list */
		bool text;                      /* ends with a NUL, whatever comes */
	} out[FE_ASK_PARTS_MAX];
	uint32_t devices[2]; /* indices, by number of device arguments */
	unsigned int devices_used;
};

/* Pointers must stay valid until fe_ask_run. device: false for a bad handle. */
bool fe_ask_device(struct fe_ask *ask, nvmlDevice_t device);
void fe_ask_in(struct fe_ask *ask, const void *data, size_t size);
void fe_ask_out(struct fe_ask *ask, void *data, size_t size);
void fe_ask_text(struct fe_ask *ask, char *text, size_t size);
/* Room for *count items, of which at most `most` are asked for; items NULL: how many are there? */
void fe_ask_list(struct fe_ask *ask, struct fe_ask_list *list, unsigned int *count, void *items,
		 size_t element, unsigned int most);
/* A structure that is in and out; false: its first word is none of these versions. */
bool fe_ask_versioned(struct fe_ask *ask, void *data, const unsigned int *versions, size_t count);

nvmlReturn_t fe_ask_run(struct fe_ask *ask);
/* The same under fe_nvml_enter. */
nvmlReturn_t fe_ask_run_locked(struct fe_ask *ask);

#endif
