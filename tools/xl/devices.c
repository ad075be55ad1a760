/* SPDX-License-Identifier: MIT */
/*
 * A domain's devices come and go with it. All waiting is bounded (VGPU_WAIT_MS a device), as libxl's
 * for its own devices.
 */
#include "tools/xl/xl.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct xs_handle *xl_xenstore(void)
{
	if (dlsym(RTLD_DEFAULT, "xs_open"))
		return xs_open(0);
	errno = ENOSYS;
	return NULL;
}

static bool daemon_ready(void)
{
	int fd = vgpu_socket_connect(vgpu_socket_path());

	if (fd < 0) {
		xl_say("xen-vgpud does not answer on %s (%s), so the domain's vGPUs cannot work: "
		       "start it (systemctl start xen-vgpud); no domain was made",
		       vgpu_socket_path(), strerror(errno));
		return false;
	}
	close(fd);
	return true;
}

/* Of a driver domain's xen-vgpud it is seen only when it picks the device up. */
static bool backends_ready(struct xs_handle *xs, struct xl_specs *specs)
{
	uint32_t self = vgpu_tree_self(xs);
	char why[VG_SCHEMA_WHY];

	if (vgpu_tree_backends(xs, specs->devices, specs->count, why)) {
		xl_say("%s; no domain was made", why);
		return false;
	}
	for (size_t i = 0; i < specs->count; i++)
		if (specs->devices[i].backend == self)
			return daemon_ready();
	return true;
}

bool xl_backends_ready(struct xl_specs *specs)
{
	struct xs_handle *xs = xl_xenstore();
	bool ready;

	if (!xs) {
		xl_say("cannot reach xenstore (%s); no domain was made", strerror(errno));
		return false;
	}
	ready = backends_ready(xs, specs);
	xs_close(xs);
	return ready;
}

static bool device_wait(struct xs_handle *xs, uint32_t domid, uint32_t devid, bool again)
{
	char error[512];
	int rc = vgpu_tree_wait_accepted(xs, domid, devid, error, sizeof(error));

	if (!rc)
		return true;
	if (rc == -ETIMEDOUT && again) {
		xl_say("xen-vgpud did not pick vGPU %u of domain %u up within %d s: the domain "
		       "goes on without it until it does",
		       devid, domid, VGPU_WAIT_MS / 1000);
		return true;
	}
	if (rc == -ECONNREFUSED)
		xl_say("xen-vgpud refuses vGPU %u of domain %u: %s", devid, domid, error);
	else if (rc == -ENODEV)
		xl_say("vGPU %u of domain %u vanished", devid, domid);
	else
		xl_say("xen-vgpud of domain %u did not pick vGPU %u of domain %u up within %d s. See "
		       "its log (journalctl -u xen-vgpud)",
		       vgpu_tree_backend(xs, domid, devid), devid, domid, VGPU_WAIT_MS / 1000);
	return false;
}

static bool devices_add(struct xs_handle *xs, struct xl_specs *specs, uint32_t domid, bool again)
{
	char why[VG_SCHEMA_WHY];
	bool good = true;
	int rc = vgpu_tree_backends(xs, specs->devices, specs->count, why);

	if (rc) { /* a driver domain that was made anew has another number, too */
		xl_say("%s: domain %u %s", why, domid,
		       again ? "goes on without its vGPUs" : "cannot have its vGPUs");
		return again;
	}
	rc = vgpu_tree_add(xs, domid, specs->devices, specs->count);
	if (rc) {
		xl_say("cannot write the vGPUs of domain %u to xenstore: %s", domid, strerror(-rc));
		return false;
	}
	for (size_t i = 0; i < specs->count && good; i++)
		good = device_wait(xs, domid, specs->devices[i].number, again);
	for (size_t i = 0; i < specs->count && !good; i++)
		vgpu_tree_remove(xs, domid, specs->devices[i].number);
	return good;
}

bool xl_devices_attach(struct xl_specs *specs, uint32_t domid, bool again)
{
	struct xs_handle *xs = xl_xenstore();
	bool good;

	if (!xs) {
		xl_say("cannot reach xenstore (%s) for the vGPUs of domain %u", strerror(errno),
		       domid);
		return false;
	}
	good = devices_add(xs, specs, domid, again);
	xs_close(xs);
	return good;
}

void xl_devices_detach(uint32_t domid, struct xl_specs *had)
{
	struct xs_handle *xs = xl_xenstore();

	if (!xs)
		return;
	if (xl_specs_read(had, xs, domid))
		xl_say("cannot read the vGPUs of domain %u from xenstore", domid);
	for (size_t i = 0; i < had->count; i++)
		vgpu_tree_close(xs, domid, (uint32_t)had->devices[i].place.devid);
	for (size_t i = 0; i < had->count; i++) {
		uint32_t devid = (uint32_t)had->devices[i].place.devid;

		if (vgpu_tree_wait_closed(xs, domid, devid))
			xl_say("vGPU %u of domain %u did not close within %d s", devid, domid,
			       VGPU_WAIT_MS / 1000);
		vgpu_tree_remove(xs, domid, devid);
	}
	xs_close(xs);
}

int xl_devices_count(uint32_t domid, char *text, size_t size)
{
	uint32_t devids[VGPU_DEVID_MAX + 1];
	struct xs_handle *xs = xl_xenstore();
	size_t used = 0;
	int count;

	*text = '\0';
	if (!xs)
		return 0;
	count = vgpu_tree_list(xs, domid, devids, VGPU_DEVID_MAX + 1);
	xs_close(xs);
	for (int i = 0; i < count && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%u", i ? ", " : "",
					 devids[i]);
	return count > 0 ? count : 0;
}
