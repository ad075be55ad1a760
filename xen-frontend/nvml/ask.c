/* SPDX-License-Identifier: MIT */
/* See ask.h. The executor's answers are checked to the byte before a program sees them. */
#include "xen-frontend/nvml/ask.h"

#include <string.h>

#include "protocol/bounds.h"
#include "protocol/nvml_ops.h"
#include "protocol/wire.h"
#include "xen-frontend/nvml/device.h"
#include "xen-frontend/nvml/session.h"

/* --- parts --------------------------------------------------------------------------------------- */

void fe_ask_in(struct fe_ask *ask, const void *data, size_t size)
{
	ask->in[ask->ins].data = data;
	ask->in[ask->ins++].size = size;
}

void fe_ask_out(struct fe_ask *ask, void *data, size_t size)
{
	ask->out[ask->outs].data = data;
	ask->out[ask->outs++].size = size;
}

void fe_ask_text(struct fe_ask *ask, char *text, size_t size)
{
	ask->out[ask->outs].text = true;
	fe_ask_out(ask, text, size);
}

bool fe_ask_device(struct fe_ask *ask, nvmlDevice_t device)
{
	uint32_t *index = &ask->devices[ask->devices_used++];

	fe_ask_in(ask, index, sizeof(*index));
	return fe_device_index(device, index);
}

void fe_ask_list(struct fe_ask *ask, struct fe_ask_list *list, unsigned int *count, void *items,
		 size_t element, unsigned int most)
{
	unsigned int room = items ? (unsigned int)vg_min(*count, most) : 0;

	list->head = (struct vg_nvml_list){.count = room, .items = room != 0};
	list->count = count;
	list->element = element;
	fe_ask_in(ask, &list->head, sizeof(list->head));
	ask->out[ask->outs].list = list;
	fe_ask_out(ask, room ? items : NULL, room * element);
}

bool fe_ask_versioned(struct fe_ask *ask, void *data, const unsigned int *versions, size_t count)
{
	unsigned int version;

	memcpy(&version, data, sizeof(version));
	for (size_t i = 0; i < count; i++) {
		if (versions[i] != version)
			continue;
		fe_ask_in(ask, data, version & 0xffffff);
		fe_ask_out(ask, data, version & 0xffffff);
		return true;
	}
	return false;
}

/* --- there --------------------------------------------------------------------------------------- */

static size_t ask_write(const struct fe_ask *ask, uint8_t *to)
{
	struct vg_nvml_ask head = {.hash = VG_NVML_HASH, .op = ask->op};
	size_t at = sizeof(head);

	memcpy(to, &head, sizeof(head));
	for (unsigned int i = 0; i < ask->ins; i++) {
		size_t padded = vg_pad8(ask->in[i].size);

		memset(to + at, 0, padded);
		memcpy(to + at, ask->in[i].data, ask->in[i].size);
		at += padded;
	}
	return at;
}

static size_t ask_size(const struct fe_ask *ask)
{
	size_t size = sizeof(struct vg_nvml_ask);

	for (unsigned int i = 0; i < ask->ins; i++)
		size += vg_pad8(ask->in[i].size);
	return size;
}

static size_t answer_room(const struct fe_ask *ask)
{
	size_t room = sizeof(struct vg_nvml_answer);

	for (unsigned int i = 0; i < ask->outs; i++)
		room += vg_pad8(ask->out[i].size) +
			(ask->out[i].list ? sizeof(struct vg_nvml_list) : 0);
	return room;
}

/* --- back ---------------------------------------------------------------------------------------- */

struct answer {
	const uint8_t *at;
	size_t left;
};

static const void *answer_take(struct answer *answer, size_t size)
{
	const void *at = answer->at;

	if (vg_pad8(size) > answer->left)
		return NULL;
	answer->at += vg_pad8(size);
	answer->left -= vg_pad8(size);
	return at;
}

/* A list's count comes also when there was too little room for it. */
static bool read_list(struct answer *answer, const struct fe_ask_list *list, void *items, bool keep)
{
	const void *from = answer_take(answer, sizeof(struct vg_nvml_list));
	struct vg_nvml_list head;

	if (!from)
		return false;
	memcpy(&head, from, sizeof(head));
	if (head.items > list->head.count || (head.items && !keep) ||
	    (keep && list->head.count && head.items != head.count))
		return false;
	from = answer_take(answer, head.items * list->element);
	if (!from)
		return false;
	if (head.items)
		memcpy(items, from, head.items * list->element);
	*list->count = head.count;
	return true;
}

static bool read_part(struct answer *answer, const struct fe_ask *ask, unsigned int i, bool keep)
{
	const void *from;

	if (ask->out[i].list)
		return read_list(answer, ask->out[i].list, ask->out[i].data, keep);
	from = answer_take(answer, ask->out[i].size);
	if (!from)
		return false;
	if (keep && ask->out[i].size)
		memcpy(ask->out[i].data, from, ask->out[i].size);
	if (keep && ask->out[i].text && ask->out[i].size)
		((char *)ask->out[i].data)[ask->out[i].size - 1] = '\0';
	return true;
}

static nvmlReturn_t answer_read(const struct fe_ask *ask, const uint8_t *bytes, size_t size)
{
	struct vg_nvml_answer head;
	struct answer answer = {bytes + sizeof(head), size - sizeof(head)};

	if (size < sizeof(head))
		return fe_nvml_broken("an answer is too short");
	memcpy(&head, bytes, sizeof(head));
	if (head.result != NVML_SUCCESS && head.result != NVML_ERROR_INSUFFICIENT_SIZE)
		return (nvmlReturn_t)head.result;
	for (unsigned int i = 0; i < ask->outs; i++)
		if (!read_part(&answer, ask, i, head.result == NVML_SUCCESS))
			return fe_nvml_broken("an answer's parts make no sense");
	if (answer.left)
		return fe_nvml_broken("an answer is too long");
	return (nvmlReturn_t)head.result;
}

nvmlReturn_t fe_ask_run_locked(struct fe_ask *ask)
{
	static uint8_t there[VG_NVML_ASK_MAX], back[VG_NVML_ANSWER_MAX];
	size_t size = ask_size(ask), room = answer_room(ask), answered = 0;
	nvmlReturn_t result;

	if (size > sizeof(there) || room > sizeof(back))
		return NVML_ERROR_INVALID_ARGUMENT;
	ask_write(ask, there);
	result = fe_nvml_exchange(there, size, back, room, &answered);
	if (!result)
		result = answer_read(ask, back, answered);
	vg_call(&fe_who, "nvml=%u result=%d", ask->op, (int)result);
	return result;
}

nvmlReturn_t fe_ask_run(struct fe_ask *ask)
{
	nvmlReturn_t result;

	fe_nvml_enter();
	result = fe_ask_run_locked(ask);
	fe_nvml_leave();
	return result;
}
