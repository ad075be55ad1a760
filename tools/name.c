/* SPDX-License-Identifier: MIT */
/*
 * Domains by name or number, as xenstore has them.
 */
#include <stdio.h>
#include <string.h>

#include "tools/tree.h"

#define DOMAINS_MAX 4096

bool vgpu_name_exists(struct xs_handle *xs, uint32_t domid)
{
	char path[32];

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	return xs_is_domain_introduced(xs, domid) && vg_store_exists(xs, XBT_NULL, path);
}

void vgpu_name_of(struct xs_handle *xs, uint32_t domid, char *name, size_t size)
{
	char dir[32];

	snprintf(dir, sizeof(dir), "/local/domain/%u", domid);
	if (vg_store_read(xs, XBT_NULL, dir, "name", name, size))
		snprintf(name, size, "?");
}

bool vgpu_name_find(struct xs_handle *xs, const char *text, uint32_t *domid)
{
	static uint32_t ids[DOMAINS_MAX];
	uint64_t number;
	int count;

	if (vg_parse_uint(text, &number) && number <= VGPU_DOMID_MAX) {
		*domid = (uint32_t)number;
		return vgpu_name_exists(xs, *domid);
	}
	count = vg_store_list_numbers(xs, XBT_NULL, "/local/domain", VGPU_DOMID_MAX, ids,
				      DOMAINS_MAX);
	for (int i = 0; i < count; i++) {
		char name[256];

		vgpu_name_of(xs, ids[i], name, sizeof(name));
		if (!strcmp(name, text)) {
			*domid = ids[i];
			return true;
		}
	}
	return false;
}
