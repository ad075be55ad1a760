/* SPDX-License-Identifier: MIT */
/*
 * Domains by name or number, as xenstore has them.
 */
#include "tools/vgpu.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/log.h"

#define DOMAINS_MAX 4096

bool vgpu_domain_exists(struct vgpu *vgpu, uint32_t domid)
{
	char path[32];

	snprintf(path, sizeof(path), "/local/domain/%u", domid);
	return xs_is_domain_introduced(vgpu->xs, domid) &&
	       vg_store_exists(vgpu->xs, XBT_NULL, path);
}

void vgpu_domain_name(struct vgpu *vgpu, uint32_t domid, char *name, size_t size)
{
	char dir[32];

	snprintf(dir, sizeof(dir), "/local/domain/%u", domid);
	if (vg_store_read(vgpu->xs, XBT_NULL, dir, "name", name, size))
		snprintf(name, size, "?");
	vg_log_clean(name);
}

static int find_by_name(struct vgpu *vgpu, const char *text, uint32_t *domid)
{
	static uint32_t ids[DOMAINS_MAX];
	int count = vg_store_list_numbers(vgpu->xs, XBT_NULL, "/local/domain", VGPU_DOMID_MAX, ids,
					  DOMAINS_MAX);

	for (int i = 0; i < count; i++) {
		char name[256];

		vgpu_domain_name(vgpu, ids[i], name, sizeof(name));
		if (!strcmp(name, text)) {
			*domid = ids[i];
			return 0;
		}
	}
	return -ENOENT;
}

bool vgpu_domain_find(struct vgpu *vgpu, const char *text, uint32_t *domid)
{
	uint64_t number;

	if (vg_parse_uint(text, &number) && number <= VGPU_DOMID_MAX) {
		*domid = (uint32_t)number;
		if (vgpu_domain_exists(vgpu, *domid))
			return true;
	} else if (!find_by_name(vgpu, text, domid)) {
		return true;
	}
	vgpu_fail("there is no domain `%s`: `xl list` shows names and numbers", text);
	return false;
}
