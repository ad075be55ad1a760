/* SPDX-License-Identifier: MIT */
/*
 * The three xenstore trees of a device: what a toolstack writes and removes. Everything happens in
 * transactions, so that the device is there as a whole or not at all.
 */
#include "tools/tree.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMIT_TRIES 32

struct tree_job {
	struct xs_handle *xs;
	struct vg_schema_device id; /* the device that is at hand */
	const struct vg_settings_text *settings;
	struct vgpu_device *devices; /* vgpu_tree_add() */
	size_t count;
};

/* Runs `work` in a transaction until it is committed or fails. */
static int tree_commit(struct tree_job *job, int (*work)(struct tree_job *job, xs_transaction_t t))
{
	for (int i = 0; i < COMMIT_TRIES; i++) {
		xs_transaction_t t = xs_transaction_start(job->xs);
		int rc;

		if (t == XBT_NULL)
			return -errno;
		rc = work(job, t);
		if (!xs_transaction_end(job->xs, t, rc != 0) && !rc)
			rc = -errno;
		if (rc != -EAGAIN)
			return rc;
	}
	return -EBUSY;
}

static int tree_make(struct tree_job *job, xs_transaction_t t, const char *dir,
		     struct xs_permissions *perms, unsigned int count)
{
	if (!xs_mkdir(job->xs, t, dir) || !xs_set_permissions(job->xs, t, dir, perms, count))
		return -errno;
	return 0;
}

/*
 * A driver domain's directories of all and of one guest's devices, which it cleans up itself. dom0's are
 * made with what is in them.
 */
static int tree_make_parents(struct tree_job *job, xs_transaction_t t)
{
	static const enum vg_schema_level levels[] = {VG_LEVEL_ALL, VG_LEVEL_DOMAIN};
	struct xs_permissions perms = {job->id.backend, XS_PERM_NONE};
	int rc = 0;

	for (size_t i = 0; job->id.backend && i < sizeof(levels) / sizeof(levels[0]) && !rc; i++) {
		char dir[VG_SCHEMA_PATH];

		vg_schema_path(dir, VG_TREE_BACKEND, levels[i], &job->id);
		if (!vg_store_exists(job->xs, t, dir))
			rc = tree_make(job, t, dir, &perms, 1);
	}
	return rc;
}

/* A directory with its permissions: whoever comes first owns it. */
static int tree_mkdir(struct tree_job *job, xs_transaction_t t, enum vg_schema_tree_id id)
{
	const struct vg_schema_tree *tree = &vg_schema_trees[id];
	struct xs_permissions perms[3];
	char dir[VG_SCHEMA_PATH];
	unsigned int count = 0;
	int rc = 0;

	vg_schema_path(dir, id, VG_LEVEL_DEVICE, &job->id);
	perms[count++] =
		(struct xs_permissions){vg_schema_domain(tree->owner, &job->id), XS_PERM_NONE};
	for (size_t i = 0; i < tree->reader_count; i++) {
		unsigned int reader = vg_schema_domain(tree->readers[i], &job->id);

		if (reader != perms[0].id)
			perms[count++] = (struct xs_permissions){reader, XS_PERM_READ};
	}
	if (id == VG_TREE_BACKEND)
		rc = tree_make_parents(job, t);
	/* What an earlier device of this number has left goes first. */
	if (!rc)
		rc = vg_store_remove(job->xs, t, dir, NULL);
	return rc ? rc : tree_make(job, t, dir, perms, count);
}

static int tree_key(struct tree_job *job, xs_transaction_t t, enum vg_schema_tree_id id,
		    const char *name, const char *value)
{
	char dir[VG_SCHEMA_PATH];

	vg_schema_path(dir, id, VG_LEVEL_DEVICE, &job->id);
	return vg_store_write(job->xs, t, dir, name, value);
}

/* What the schema says equals something: the path of another tree. */
static int tree_link(struct tree_job *job, xs_transaction_t t, enum vg_schema_tree_id id,
		     const char *name, enum vg_schema_tree_id to)
{
	char path[VG_SCHEMA_PATH];

	vg_schema_path(path, to, VG_LEVEL_DEVICE, &job->id);
	return tree_key(job, t, id, name, path);
}

static int tree_number_key(struct tree_job *job, xs_transaction_t t, enum vg_schema_tree_id id,
			   const char *name, uint32_t number)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", number);
	return tree_key(job, t, id, name, text);
}

static int tree_fill_backend(struct tree_job *job, xs_transaction_t t, enum vg_schema_tree_id id)
{
	int rc = 0;

	for (size_t i = 0; i < job->settings->count && !rc; i++)
		if (*job->settings->value[i])
			rc = tree_key(job, t, id, job->settings->key[i]->name,
				      job->settings->value[i]);
	if (!rc)
		rc = tree_link(job, t, id, VG_KEY_FRONTEND, VG_TREE_FRONTEND);
	if (!rc)
		rc = tree_number_key(job, t, id, VG_KEY_FRONTEND_ID, job->id.domid);
	if (!rc)
		rc = tree_key(job, t, id, VG_KEY_ONLINE, "1");
	return rc ? rc : tree_key(job, t, id, VG_KEY_STATE, "1");
}

static int tree_fill_frontend(struct tree_job *job, xs_transaction_t t)
{
	int rc = tree_link(job, t, VG_TREE_FRONTEND, VG_KEY_BACKEND, VG_TREE_BACKEND);

	if (!rc)
		rc = tree_number_key(job, t, VG_TREE_FRONTEND, VG_KEY_BACKEND_ID, job->id.backend);
	if (!rc)
		rc = tree_key(job, t, VG_TREE_FRONTEND, VG_KEY_STATE, "1");
	return rc ? rc : tree_link(job, t, VG_TREE_LIBXL, VG_KEY_BACKEND, VG_TREE_BACKEND);
}

static bool tree_taken(struct tree_job *job, xs_transaction_t t)
{
	char dir[VG_SCHEMA_PATH];

	vg_schema_path(dir, VG_TREE_LIBXL, VG_LEVEL_DEVICE, &job->id);
	return vg_store_exists(job->xs, t, dir);
}

static int tree_number(struct tree_job *job, xs_transaction_t t, int wanted)
{
	if (wanted >= 0) {
		job->id.devid = (uint32_t)wanted;
		return tree_taken(job, t) ? -EEXIST : 0;
	}
	for (job->id.devid = 0; job->id.devid <= VGPU_DEVID_MAX; job->id.devid++)
		if (!tree_taken(job, t))
			return 0;
	return -ENOSPC;
}

static int tree_add_device(struct tree_job *job, xs_transaction_t t, struct vgpu_device *device)
{
	static const enum vg_schema_tree_id trees[] = {VG_TREE_LIBXL, VG_TREE_BACKEND,
						       VG_TREE_FRONTEND};
	int rc = tree_number(job, t, device->place.devid);

	job->settings = &device->settings;
	job->id.backend = device->backend;
	if (device->backend == job->id.domid)
		rc = -EINVAL;
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]) && !rc; i++)
		rc = tree_mkdir(job, t, trees[i]);
	if (!rc)
		rc = tree_fill_backend(job, t, VG_TREE_LIBXL);
	if (!rc)
		rc = tree_fill_backend(job, t, VG_TREE_BACKEND);
	if (!rc)
		device->number = job->id.devid;
	return rc ? rc : tree_fill_frontend(job, t);
}

static bool is_dom0(const char *name)
{
	static const char *const names[] = {"0", "dom0", "Domain-0"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(name, names[i]))
			return true;
	return false;
}

int vgpu_tree_backends(struct xs_handle *xs, struct vgpu_device *devices, size_t count, char *why)
{
	for (size_t i = 0; i < count; i++) {
		const char *name = devices[i].place.backend;

		devices[i].backend = 0;
		if (!*name || is_dom0(name) || vgpu_name_find(xs, name, &devices[i].backend))
			continue;
		snprintf(
			why, VG_SCHEMA_WHY,
			"backend=%.60s: there is no such domain (`xl list` shows names and numbers)",
			name);
		return -ENOENT;
	}
	return 0;
}

static int work_add(struct tree_job *job, xs_transaction_t t)
{
	char home[32];
	int rc = 0;

	snprintf(home, sizeof(home), "/local/domain/%u", job->id.domid);
	if (!vg_store_exists(job->xs, t, home))
		return -ENOENT;
	for (size_t i = 0; i < job->count && !rc; i++)
		rc = tree_add_device(job, t, &job->devices[i]);
	return rc;
}

int vgpu_tree_add(struct xs_handle *xs, uint32_t domid, struct vgpu_device *devices, size_t count)
{
	struct tree_job job = {.xs = xs, .id.domid = domid, .devices = devices, .count = count};

	return tree_commit(&job, work_add);
}

/* The number of the domain that `xs` belongs to is its own, readable in its home. */
uint32_t vgpu_tree_self(struct xs_handle *xs)
{
	uint64_t self;

	if (vg_store_read_uint(xs, XBT_NULL, "domid", NULL, 0, VGPU_DOMID_MAX, &self))
		return 0;
	return (uint32_t)self;
}

static struct vg_schema_device tree_device(struct xs_handle *xs, xs_transaction_t t, uint32_t domid,
					   uint32_t devid)
{
	struct vg_schema_device id = {domid, devid, 0};
	char dir[VG_SCHEMA_PATH], path[VG_SCHEMA_PATH];

	vg_schema_path(dir, VG_TREE_LIBXL, VG_LEVEL_DEVICE, &id);
	if (vg_store_read(xs, t, dir, VG_KEY_BACKEND, path, sizeof(path)) ||
	    vg_schema_backend_of(path, &id))
		id.backend = vgpu_tree_self(xs);
	return id;
}

uint32_t vgpu_tree_backend(struct xs_handle *xs, uint32_t domid, uint32_t devid)
{
	return tree_device(xs, XBT_NULL, domid, devid).backend;
}

/* The backend's directory, by the record. */
static void tree_backend_dir(struct xs_handle *xs, uint32_t domid, uint32_t devid, char *dir)
{
	struct vg_schema_device id = tree_device(xs, XBT_NULL, domid, devid);

	vg_schema_path(dir, VG_TREE_BACKEND, VG_LEVEL_DEVICE, &id);
}

static int work_close(struct tree_job *job, xs_transaction_t t)
{
	char dir[VG_SCHEMA_PATH];
	int rc;

	job->id = tree_device(job->xs, t, job->id.domid, job->id.devid);
	vg_schema_path(dir, VG_TREE_BACKEND, VG_LEVEL_DEVICE, &job->id);
	if (!vg_store_exists(job->xs, t, dir))
		return -ENOENT;
	rc = vg_store_write(job->xs, t, dir, VG_KEY_ONLINE, "0");
	return rc ? rc : vg_store_write(job->xs, t, dir, VG_KEY_STATE, "5");
}

int vgpu_tree_close(struct xs_handle *xs, uint32_t domid, uint32_t devid)
{
	struct tree_job job = {.xs = xs, .id = {domid, devid, 0}};

	return tree_commit(&job, work_close);
}

static const enum vg_schema_tree_id removed[] = {VG_TREE_FRONTEND, VG_TREE_BACKEND, VG_TREE_LIBXL,
						 VG_TREE_BACKEND_ERROR};

static int work_remove(struct tree_job *job, xs_transaction_t t)
{
	int rc = 0;

	job->id = tree_device(job->xs, t, job->id.domid, job->id.devid);
	for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]) && !rc; i++) {
		char dir[VG_SCHEMA_PATH];

		vg_schema_path(dir, removed[i], VG_LEVEL_DEVICE, &job->id);
		rc = vg_store_remove(job->xs, t, dir, NULL);
	}
	return rc;
}

int vgpu_tree_remove(struct xs_handle *xs, uint32_t domid, uint32_t devid)
{
	struct tree_job job = {.xs = xs, .id = {domid, devid, 0}};
	char dir[VG_SCHEMA_PATH];
	int rc = tree_commit(&job, work_remove);

	if (rc)
		return rc;
	for (size_t i = 0; i < sizeof(removed) / sizeof(removed[0]); i++) {
		vg_schema_path(dir, removed[i], VG_LEVEL_DOMAIN, &job.id);
		vg_store_prune(xs, dir);
	}
	vg_schema_path(dir, VG_TREE_BACKEND, VG_LEVEL_ALL, &job.id);
	vg_store_prune(xs, dir);
	return 0;
}

bool vgpu_tree_exists(struct xs_handle *xs, uint32_t domid, uint32_t devid)
{
	const struct vg_schema_device id = {domid, devid, 0};
	char dir[VG_SCHEMA_PATH];

	tree_backend_dir(xs, domid, devid, dir);
	if (vg_store_exists(xs, XBT_NULL, dir))
		return true;
	vg_schema_path(dir, VG_TREE_LIBXL, VG_LEVEL_DEVICE, &id);
	return vg_store_exists(xs, XBT_NULL, dir);
}

int vgpu_tree_state(struct xs_handle *xs, uint32_t domid, uint32_t devid, char *error, size_t size)
{
	char dir[VG_SCHEMA_PATH];
	uint64_t state;

	tree_backend_dir(xs, domid, devid, dir);
	if (vg_store_read(xs, XBT_NULL, dir, VG_KEY_ERROR, error, size))
		*error = '\0';
	if (vg_store_read_uint(xs, XBT_NULL, dir, VG_KEY_STATE, 0, 8, &state))
		return 0;
	return (int)state;
}

bool vgpu_tree_online(struct xs_handle *xs, uint32_t domid, uint32_t devid)
{
	char dir[VG_SCHEMA_PATH];
	uint64_t online;

	tree_backend_dir(xs, domid, devid, dir);
	return vg_store_read_uint(xs, XBT_NULL, dir, VG_KEY_ONLINE, 0, 1, &online) || online;
}

int vgpu_tree_list(struct xs_handle *xs, uint32_t domid, uint32_t *devids, size_t size)
{
	const struct vg_schema_device id = {.domid = domid};
	char dir[VG_SCHEMA_PATH];

	vg_schema_path(dir, VG_TREE_LIBXL, VG_LEVEL_DOMAIN, &id);
	return vg_store_list_numbers(xs, XBT_NULL, dir, VGPU_DEVID_MAX, devids, size);
}

int vgpu_tree_settings(struct xs_handle *xs, uint32_t domid, uint32_t devid,
		       struct vg_settings_text *text)
{
	const struct vg_schema_device id = {domid, devid, 0};
	char dir[VG_SCHEMA_PATH], why[VG_SCHEMA_WHY];

	vg_schema_path(dir, VG_TREE_LIBXL, VG_LEVEL_DEVICE, &id);
	vg_settings_text_init(text);
	for (size_t i = 0; i < text->count; i++) {
		char value[VG_SETTING_VALUE_MAX];
		int rc = vg_store_read(xs, XBT_NULL, dir, text->key[i]->name, value, sizeof(value));

		if (!rc)
			rc = vg_settings_text_set(text, text->key[i]->name, value, why);
		if (rc && rc != -ENOENT)
			return rc;
	}
	return 0;
}
