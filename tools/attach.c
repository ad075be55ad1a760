/* SPDX-License-Identifier: MIT */
/*
 * vgpu attach and vgpu detach.
 */
#include "tools/vgpu.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

struct attach {
	struct vgpu *vgpu;
	const char *domain;
	char spec[1024];
	bool wait, quiet, json, dry_run;
	uint32_t domid;
	struct vgpu_device device;
};

static int attach_usage(void)
{
	fprintf(stderr, "usage: vgpu attach [--no-wait] [--quiet] [--json] [--dry-run] DOMAIN "
			"KEY=VALUE[,KEY=VALUE...]...\n"
			"       as in: vgpu attach guest gpu=0,mem=4G    (settings: vgpu(8))\n");
	return VGPU_USAGE;
}

/* Settings may come in one word or in several, as with xl's attach commands. */
static int attach_join(struct attach *attach, int argc, char **argv)
{
	size_t used = 0;

	for (int i = 0; i < argc; i++) {
		int n = snprintf(attach->spec + used, sizeof(attach->spec) - used, "%s%s",
				 i ? "," : "", argv[i]);

		if (n < 0 || (size_t)n >= sizeof(attach->spec) - used)
			return vgpu_fail("the settings are longer than %zu bytes",
					 sizeof(attach->spec) - 1);
		used += (size_t)n;
	}
	return VGPU_DONE;
}

static int attach_options(struct attach *attach, int argc, char **argv)
{
	static const struct option options[] = {{"no-wait", no_argument, NULL, 'n'},
						{"quiet", no_argument, NULL, 'q'},
						{"json", no_argument, NULL, 'j'},
						{"dry-run", no_argument, NULL, 'd'},
						{0}};
	int c;

	while ((c = getopt_long(argc, argv, "nqj", options, NULL)) >= 0) {
		switch (c) {
		case 'n': attach->wait = false; break;
		case 'q': attach->quiet = true; break;
		case 'j': attach->json = true; break;
		case 'd': attach->dry_run = true; break;
		default: return attach_usage();
		}
	}
	if (optind == argc)
		return attach_usage();
	attach->domain = argv[optind];
	return attach_join(attach, argc - optind - 1, argv + optind + 1);
}

/* Everything that can be known without changing anything. */
static int attach_check(struct attach *attach)
{
	struct vgpu *vgpu = attach->vgpu;
	struct vg_settings settings;
	char why[VG_SCHEMA_WHY];

	if (vg_settings_parse(attach->spec, &attach->device.settings, &attach->device.place, why) ||
	    vg_settings_resolve(&attach->device.settings, &settings, why))
		return vgpu_fail("%s", why);
	if (!vgpu_xenstore(vgpu) || !vgpu_domain_find(vgpu, attach->domain, &attach->domid))
		return VGPU_FAILED;
	if (vgpu_tree_backends(vgpu->xs, &attach->device, 1, why))
		return vgpu_fail("%s", why);
	if (attach->domid == attach->device.backend)
		return vgpu_fail(
			"domain %u would serve itself: where the GPU is a program needs no vGPU "
			"(vgpu-run runs one over the local channel)",
			attach->domid);
	if (attach->domid == 0)
		return vgpu_fail("domain 0 cannot have a vGPU: give it to a guest");
	if (attach->wait && !attach->dry_run &&
	    attach->device.backend == vgpu_tree_self(vgpu->xs) && !vgpu_daemon_runs(vgpu))
		return vgpu_fail(
			"xen-vgpud does not answer on %s (%s): start it (systemctl start "
			"xen-vgpud), or give --no-wait to have it pick the device up later",
			vgpu->socket, strerror(errno));
	return VGPU_DONE;
}

static int attach_add_failed(const struct attach *attach, int rc)
{
	if (rc == -EEXIST)
		return vgpu_fail("domain %s has a vGPU number %d already: choose another devid, or "
				 "detach that one first",
				 attach->domain, attach->device.place.devid);
	if (rc == -ENOSPC)
		return vgpu_fail("domain %s has %u vGPUs already, and no more numbers",
				 attach->domain, VGPU_DEVID_MAX + 1);
	if (rc == -ENOENT)
		return vgpu_fail("domain %s has just gone", attach->domain);
	if (rc == -EACCES)
		return vgpu_fail("xenstore refuses: run vgpu as root in dom0");
	return vgpu_fail("cannot write the device to xenstore: %s", strerror(-rc));
}

/* Until xen-vgpud has accepted or refused the settings. */
static int attach_wait(const struct attach *attach)
{
	struct xs_handle *xs = attach->vgpu->xs;
	uint32_t domid = attach->domid, devid = attach->device.number;
	char error[512];
	int rc = vgpu_tree_wait_accepted(xs, domid, devid, error, sizeof(error));

	if (!rc)
		return VGPU_DONE;
	if (rc == -ENODEV)
		return vgpu_fail("the device vanished: its domain has gone");
	vgpu_tree_remove(xs, domid, devid);
	if (rc == -ECONNREFUSED)
		return vgpu_fail("xen-vgpud refuses the device: %s", error);
	return vgpu_fail(
		"xen-vgpud of domain %u did not pick the device up within %d s; nothing was "
		"changed. See its log (journalctl -u xen-vgpud)",
		attach->device.backend, VGPU_WAIT_MS / 1000);
}

/* {"vgpu": 1, "domid": ..., "devid": ...}; the caller puts it. */
static struct json_object *device_json(uint32_t domid, int devid)
{
	struct json_object *object = json_object_new_object();

	json_object_object_add(object, "vgpu", json_object_new_int(1));
	json_object_object_add(object, "domid", json_object_new_int64(domid));
	if (devid >= 0)
		json_object_object_add(object, "devid", json_object_new_int64(devid));
	return object;
}

/* The settings with their defaults, as the device has or would have them. */
static void attach_print(const struct attach *attach)
{
	const struct vg_settings_text *text = &attach->device.settings;
	int devid = attach->dry_run ? attach->device.place.devid : (int)attach->device.number;
	struct json_object *object;

	if (!attach->json && !attach->dry_run) {
		if (!attach->quiet)
			printf("%d\n", devid);
		return;
	}
	object = device_json(attach->domid, devid);
	json_object_object_add(object, "backend", json_object_new_int64(attach->device.backend));
	for (size_t i = 0; i < text->count; i++)
		if (*text->value[i])
			json_object_object_add(object, text->key[i]->name,
					       json_object_new_string(text->value[i]));
	puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY));
	json_object_put(object);
}

int vgpu_attach(struct vgpu *vgpu, int argc, char **argv)
{
	struct attach attach = {.vgpu = vgpu, .wait = true, .device.place = VG_PLACE_ANY};
	int rc = attach_options(&attach, argc, argv);

	if (!rc)
		rc = attach_check(&attach);
	if (!rc && !attach.dry_run) {
		int error = vgpu_tree_add(vgpu->xs, attach.domid, &attach.device, 1);

		rc = error ? attach_add_failed(&attach, error) : VGPU_DONE;
		if (!rc && attach.wait)
			rc = attach_wait(&attach);
	}
	if (!rc)
		attach_print(&attach);
	return rc;
}

/* --- detach ---------------------------------------------------------------------------------- */

static int detach_usage(void)
{
	fprintf(stderr, "usage: vgpu detach [--force] [--json] DOMAIN DEVID\n");
	return VGPU_USAGE;
}

static int detach_device(struct vgpu *vgpu, const char *domain, uint32_t domid, uint32_t devid,
			 bool force)
{
	bool here = vgpu_tree_backend(vgpu->xs, domid, devid) == vgpu_tree_self(vgpu->xs);
	char error[8];
	bool closed;
	int rc;

	if (here && !force && vgpu_tree_state(vgpu->xs, domid, devid, error, sizeof(error)) != 6 &&
	    !vgpu_daemon_runs(vgpu))
		return vgpu_fail(
			"xen-vgpud, which has to let go of the guest's memory, does not answer "
			"on %s (%s): start it, or give --force; nothing was changed",
			vgpu->socket, strerror(errno));
	rc = vgpu_tree_close(vgpu->xs, domid, devid);

	if (rc == -EACCES)
		return vgpu_fail("xenstore refuses: run vgpu as root in dom0");
	if (rc && rc != -ENOENT)
		return vgpu_fail("cannot close the device: %s", strerror(-rc));
	closed = rc == -ENOENT || (here && force && !vgpu_daemon_runs(vgpu)) ||
		 !vgpu_tree_wait_closed(vgpu->xs, domid, devid);
	if (!closed && !force)
		return vgpu_fail(
			"vGPU %u of domain %s did not close within %d s; it stays, closing. "
			"See xen-vgpud's log, or give --force to remove it anyway",
			devid, domain, VGPU_WAIT_MS / 1000);
	rc = vgpu_tree_remove(vgpu->xs, domid, devid);
	return rc ? vgpu_fail("cannot remove the device's nodes: %s", strerror(-rc)) : VGPU_DONE;
}

int vgpu_detach(struct vgpu *vgpu, int argc, char **argv)
{
	static const struct option options[] = {
		{"force", no_argument, NULL, 'f'}, {"json", no_argument, NULL, 'j'}, {0}};
	bool force = false, json = false;
	uint64_t devid;
	uint32_t domid = 0;
	int c, rc;

	while ((c = getopt_long(argc, argv, "fj", options, NULL)) >= 0) {
		if (c != 'f' && c != 'j')
			return detach_usage();
		force |= c == 'f';
		json |= c == 'j';
	}
	if (argc - optind != 2)
		return detach_usage();
	if (!vg_parse_uint(argv[optind + 1], &devid) || devid > VGPU_DEVID_MAX)
		return vgpu_fail("`%s` is no device number: `vgpu list` shows them",
				 argv[optind + 1]);
	if (!vgpu_xenstore(vgpu) || !vgpu_domain_find(vgpu, argv[optind], &domid))
		return VGPU_FAILED;
	if (!vgpu_tree_exists(vgpu->xs, domid, (uint32_t)devid))
		return vgpu_fail("domain %s has no vGPU number %u: `vgpu list` shows them",
				 argv[optind], (unsigned int)devid);
	rc = detach_device(vgpu, argv[optind], domid, (uint32_t)devid, force);
	if (!rc && json) {
		struct json_object *object = device_json(domid, (int)devid);

		json_object_object_add(object, "detached", json_object_new_boolean(true));
		puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY));
		json_object_put(object);
	}
	return rc;
}
