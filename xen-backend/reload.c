/* SPDX-License-Identifier: MIT */
/*
 * Settings that change while the daemon runs: by a reload of the file, or by `vgpu log`.
 */
#include "xen-backend/daemon.h"

bool be_log_level_set(struct be_daemon *daemon, int64_t domid, enum vg_log_level level)
{
	bool found = domid < 0;

	for (struct be_device *d = daemon->devices; d; d = d->next) {
		if (domid >= 0 && domid != d->domid)
			continue;
		found = true;
		vg_log_set_level(&d->who, level);
		for (struct be_session *s = d->sessions; s; s = s->next) {
			vg_log_set_level(&s->who, level);
			be_session_look(s);
		}
	}
	if (domid < 0)
		vg_log_set_level(&daemon->who, level);
	return found;
}

void be_reload(struct be_daemon *daemon, const struct be_config *fresh)
{
	enum vg_log_level before = daemon->config.log_level;
	char restart[BE_CONFIG_WHY];
	bool changed = be_config_adopt(&daemon->config, fresh, restart);

	/* What `vgpu log` has set stays, unless the file says something new. */
	if (daemon->config.log_level != before)
		be_log_level_set(daemon, -1, daemon->config.log_level);
	be_endpoint_update(daemon);
	vg_info(&daemon->who, "event=reloaded changed=%d file=\"%s\"", changed,
		daemon->config.config);
	if (*restart)
		vg_warn(&daemon->who,
			"event=reload-waits settings=\"%s\" do=\"systemctl restart xen-vgpud\"",
			restart);
}
