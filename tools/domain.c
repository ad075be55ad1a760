/* SPDX-License-Identifier: MIT */
/*
 * Domains as the administrator writes them and as they are shown.
 */
#include "tools/vgpu.h"

#include "protocol/log.h"

void vgpu_domain_name(struct vgpu *vgpu, uint32_t domid, char *name, size_t size)
{
	vgpu_name_of(vgpu->xs, domid, name, size);
	vg_log_clean(name);
}

bool vgpu_domain_find(struct vgpu *vgpu, const char *text, uint32_t *domid)
{
	if (vgpu_name_find(vgpu->xs, text, domid))
		return true;
	vgpu_fail("there is no domain `%s`: `xl list` shows names and numbers", text);
	return false;
}
