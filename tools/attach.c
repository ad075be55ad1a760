/* SPDX-License-Identifier: MIT */
/*
 * vgpu attach and vgpu detach.
 */
#include "tools/vgpu.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define POLL_MS 50

static int attach_usage(void)
{
	fprintf(stderr, "usage: vgpu attach [--no-wait] DOMAIN KEY=VALUE[,KEY=VALUE...]\n"
			"       as in: vgpu attach guest gpu=0,mem=4G    (settings: vgpu(8))\n");
	return VGPU_USAGE;
}

/* Everything that can be known without changing anything. */
static int attach_check(struct vgpu *vgpu, const char *domain, const char *spec, bool wait,
			struct vg_settings_text *text, uint32_t *domid, int *devid)
{
	struct vg_settings settings;
	char why[VG_SCHEMA_WHY];

	if (vg_settings_parse(spec, text, devid, why) || vg_settings_resolve(text, &settings, why))
		return vgpu_fail("%s", why);
	if (!vgpu_xenstore(vgpu) || !vgpu_domain_find(vgpu, domain, domid))
		return VGPU_FAILED;
	if (*domid == 0)
		return vgpu_fail("domain 0 has the GPU itself: a program there needs no vGPU "
				 "(vgpu-run runs one over the local channel)");
	if (wait && !vgpu_daemon_runs(vgpu))
		return vgpu_fail(
			"xen-vgpud does not answer on %s (%s): start it (systemctl start "
			"xen-vgpud), or give --no-wait to have it pick the device up later",
			vgpu->socket, strerror(errno));
	return VGPU_DONE;
}

static int attach_add_failed(const char *domain, int devid, int rc)
{
	if (rc == -EEXIST)
		return vgpu_fail("domain %s has a vGPU number %d already: choose another devid, or "
				 "detach that one first",
				 domain, devid);
	if (rc == -ENOENT)
		return vgpu_fail("domain %s has just gone", domain);
	if (rc == -EACCES)
		return vgpu_fail("xenstore refuses: run vgpu as root in dom0");
	return vgpu_fail("cannot write the device to xenstore: %s", strerror(-rc));
}

/* Until xen-vgpud has accepted or refused the settings. */
static int attach_wait(struct vgpu *vgpu, uint32_t domid, uint32_t devid)
{
	uint64_t until = vgpu_now_ms() + VGPU_WAIT_MS;
	char error[512];

	for (;;) {
		int state = vgpu_tree_state(vgpu, domid, devid, error, sizeof(error));

		if (state >= 2 && state <= 4)
			return VGPU_DONE;
		if (*error) {
			vgpu_tree_remove(vgpu, domid, devid);
			return vgpu_fail("xen-vgpud refuses the device: %s", error);
		}
		if (state == 0)
			return vgpu_fail("the device vanished: its domain has gone");
		if (vgpu_now_ms() >= until) {
			vgpu_tree_remove(vgpu, domid, devid);
			return vgpu_fail(
				"xen-vgpud did not pick the device up within %d s; nothing "
				"was changed. See its log (journalctl -u xen-vgpud)",
				VGPU_WAIT_MS / 1000);
		}
		vgpu_sleep_ms(POLL_MS);
	}
}

int vgpu_attach(struct vgpu *vgpu, int argc, char **argv)
{
	static const struct option options[] = {{"no-wait", no_argument, NULL, 'n'}, {0}};
	struct vg_settings_text text;
	int devid = -1, c, rc;
	bool wait = true;
	uint32_t domid = 0;

	while ((c = getopt_long(argc, argv, "n", options, NULL)) >= 0) {
		if (c != 'n')
			return attach_usage();
		wait = false;
	}
	if (argc - optind < 1 || argc - optind > 2)
		return attach_usage();
	rc = attach_check(vgpu, argv[optind], argc - optind == 2 ? argv[optind + 1] : "", wait,
			  &text, &domid, &devid);
	if (rc)
		return rc;
	rc = vgpu_tree_add(vgpu, domid, &devid, &text);
	if (rc)
		return attach_add_failed(argv[optind], devid, rc);
	if (wait)
		rc = attach_wait(vgpu, domid, (uint32_t)devid);
	if (!rc)
		printf("%d\n", devid);
	return rc;
}

/* --- detach ---------------------------------------------------------------------------------- */

static int detach_usage(void)
{
	fprintf(stderr, "usage: vgpu detach [--force] DOMAIN DEVID\n");
	return VGPU_USAGE;
}

/* true: the backend is closed, or nobody is there who could close it. */
static bool detach_wait(struct vgpu *vgpu, uint32_t domid, uint32_t devid)
{
	uint64_t until = vgpu_now_ms() + VGPU_WAIT_MS;
	char error[8];

	for (;;) {
		int state = vgpu_tree_state(vgpu, domid, devid, error, sizeof(error));

		if (state == 0 || state == 6)
			return true;
		if (vgpu_now_ms() >= until)
			return false;
		vgpu_sleep_ms(POLL_MS);
	}
}

static int detach_device(struct vgpu *vgpu, const char *domain, uint32_t domid, uint32_t devid,
			 bool force)
{
	char error[8];
	bool closed;
	int rc;

	if (!force && vgpu_tree_state(vgpu, domid, devid, error, sizeof(error)) != 6 &&
	    !vgpu_daemon_runs(vgpu))
		return vgpu_fail(
			"xen-vgpud, which has to let go of the guest's memory, does not answer "
			"on %s (%s): start it, or give --force; nothing was changed",
			vgpu->socket, strerror(errno));
	rc = vgpu_tree_close(vgpu, domid, devid);

	if (rc == -EACCES)
		return vgpu_fail("xenstore refuses: run vgpu as root in dom0");
	if (rc && rc != -ENOENT)
		return vgpu_fail("cannot close the device: %s", strerror(-rc));
	closed = rc == -ENOENT || (force && !vgpu_daemon_runs(vgpu)) ||
		 detach_wait(vgpu, domid, devid);
	if (!closed && !force)
		return vgpu_fail(
			"vGPU %u of domain %s did not close within %d s; it stays, closing. "
			"See xen-vgpud's log, or give --force to remove it anyway",
			devid, domain, VGPU_WAIT_MS / 1000);
	rc = vgpu_tree_remove(vgpu, domid, devid);
	return rc ? vgpu_fail("cannot remove the device's nodes: %s", strerror(-rc)) : VGPU_DONE;
}

int vgpu_detach(struct vgpu *vgpu, int argc, char **argv)
{
	static const struct option options[] = {{"force", no_argument, NULL, 'f'}, {0}};
	bool force = false;
	uint64_t devid;
	uint32_t domid = 0;
	int c;

	while ((c = getopt_long(argc, argv, "f", options, NULL)) >= 0) {
		if (c != 'f')
			return detach_usage();
		force = true;
	}
	if (argc - optind != 2)
		return detach_usage();
	if (!vg_parse_uint(argv[optind + 1], &devid) || devid > VGPU_DEVID_MAX)
		return vgpu_fail("`%s` is no device number: `vgpu list` shows them",
				 argv[optind + 1]);
	if (!vgpu_xenstore(vgpu) || !vgpu_domain_find(vgpu, argv[optind], &domid))
		return VGPU_FAILED;
	if (!vgpu_tree_exists(vgpu, domid, (uint32_t)devid))
		return vgpu_fail("domain %s has no vGPU number %u: `vgpu list` shows them",
				 argv[optind], (unsigned int)devid);
	return detach_device(vgpu, argv[optind], domid, (uint32_t)devid, force);
}
