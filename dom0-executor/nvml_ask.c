/* SPDX-License-Identifier: MIT */
/* Taking an NVML call apart and answering it: see nvml_ask.h. */
#include "dom0-executor/nvml_ask.h"

#include <string.h>

#include "protocol/bounds.h"
#include "protocol/nvml_ops.h"
#include "protocol/nvml_wire.h"
#include "protocol/wire.h"

#include "dom0-executor/calls.h"
#include "dom0-executor/lane.h"

void ex_ask_breach(struct ex_ask *ask)
{
	ask->breach = true;
}

static const void *part_take(struct ex_ask *ask, size_t size)
{
	const void *at = ask->in;

	if (ask->breach || vg_pad8(size) > ask->left) {
		ask->breach = true;
		return NULL;
	}
	ask->in += vg_pad8(size);
	ask->left -= vg_pad8(size);
	return at;
}

void ex_ask_in(struct ex_ask *ask, void *value, size_t size)
{
	const void *part = part_take(ask, size);

	if (part)
		memcpy(value, part, size);
}

nvmlDevice_t ex_ask_device(struct ex_ask *ask)
{
	uint32_t index = UINT32_MAX;
	nvmlDevice_t device;

	ex_ask_in(ask, &index, sizeof(index));
	device = ex_nvml_device(ask->session, index);
	if (!device && !ask->wrong)
		ask->wrong = NVML_ERROR_INVALID_ARGUMENT;
	return device;
}

void ex_ask_list(struct ex_ask *ask, struct ex_ask_list *list, unsigned int most)
{
	struct vg_nvml_list head = {0};

	ex_ask_in(ask, &head, sizeof(head));
	list->counted = !head.items;
	list->most = (unsigned int)vg_min(head.count, most);
	list->count = list->counted ? 0 : list->most;
}

unsigned int ex_ask_versioned(struct ex_ask *ask, void *value, const unsigned int *versions,
			      size_t count)
{
	unsigned int version, size;

	if (ask->left < sizeof(version)) {
		ask->breach = true;
		return 0;
	}
	memcpy(&version, ask->in, sizeof(version));
	for (size_t i = 0; i < count; i++) {
		if (version != versions[i])
			continue;
		size = version & 0xffffff;
		ex_ask_in(ask, value, size);
		return size;
	}
	ask->breach = true; /* the guest's library has looked */
	return 0;
}

bool ex_ask_ready(struct ex_ask *ask, nvmlReturn_t *result)
{
	if (ask->left)
		ask->breach = true;
	*result = ask->breach ? NVML_ERROR_UNKNOWN : ask->wrong;
	return !ask->breach && !ask->wrong;
}

/* The software device has what it has; an old driver is another matter. */
nvmlReturn_t ex_ask_missing(const struct ex_ask *ask)
{
	return ask->session->soft ? NVML_ERROR_NOT_SUPPORTED : NVML_ERROR_FUNCTION_NOT_FOUND;
}

void ex_ask_out(struct ex_ask *ask, const void *value, size_t size)
{
	if (vg_pad8(size) > ask->room - ask->used) {
		ask->breach = true; /* the guest knows what it asks for */
		return;
	}
	memcpy(ask->out + ask->used, value, size);
	ask->used += vg_pad8(size);
}

void ex_ask_list_out(struct ex_ask *ask, const struct ex_ask_list *list, nvmlReturn_t result,
		     const void *items, size_t size)
{
	struct vg_nvml_list head = {.count = list->count};

	if (!result && !list->counted)
		head.items = (uint32_t)vg_min(list->count, list->most);
	ex_ask_out(ask, &head, sizeof(head));
	if (head.items)
		ex_ask_out(ask, items, head.items * size);
}

static nvmlReturn_t ask_run(struct ex_ask *ask, const struct vg_nvml_ask *head)
{
	const struct ex_nvml_op *op = ex_nvml_op_find(head->op);
	nvmlReturn_t result;

	if (head->hash != VG_NVML_HASH)
		return NVML_ERROR_LIB_RM_VERSION_MISMATCH;
	if (!op) {
		ask->breach = true;
		return NVML_ERROR_UNKNOWN;
	}
	result = ex_nvml_open(ask->session);
	if (!result)
		result = op->run(ask);
	vg_call(&ask->session->who, "nvml=%s result=%d", op->name, (int)result);
	return result;
}

CUresult ex_vgNvml(struct ex_call *call, const void *ask, unsigned int size, unsigned int room,
		   unsigned int *answered, void *answer)
{
	const struct vg_nvml_ask *head = ask;
	struct vg_nvml_answer *back = answer;
	struct ex_ask parts = {.session = call->session};

	*answered = 0;
	if (!head || !back || size < sizeof(*head) || room < sizeof(*back) ||
	    size > VG_NVML_ASK_MAX || room > VG_NVML_ANSWER_MAX)
		return ex_breach(call, "sizes of an NVML call");
	parts.in = (const uint8_t *)(head + 1);
	parts.left = size - sizeof(*head);
	parts.out = (uint8_t *)(back + 1);
	parts.room = room - sizeof(*back);
	back->result = (int32_t)ask_run(&parts, head);
	if (parts.breach)
		return ex_breach(call, "an NVML call's parts");
	*answered = sizeof(*back);
	if (back->result == NVML_SUCCESS || back->result == NVML_ERROR_INSUFFICIENT_SIZE)
		*answered += (unsigned int)parts.used;
	return CUDA_SUCCESS;
}
